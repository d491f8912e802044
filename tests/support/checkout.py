"""A checkout in a temporary folder: the real program and engine, with stack files, state and platforms of its own."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from rehearsal import engine
from rehearsal.paths import pulumi_home
from rehearsal.platform import Platform
from rehearsal.progress import Silent

ROOT = Path(__file__).resolve().parents[2]
PASSPHRASE = "tests"  # noqa: S105 - it protects throw-away state
# Seconds for one command. Only a test that fails waits so long: an `up` took four minutes on a machine others use too.
PATIENCE = 540
# Of the shell in which the tests run: with one of these left, a tier's file would seem to work that lacks it.
_SITE = ("PULUMI_", "KUBE", "AWS_", "PG", "CONTAINERS_")


def binaries() -> Path:
    """The folder of the engine and its plugins."""
    return engine.prepare(Silent()).bin_dir


class Checkout:
    """A folder that holds what `terrarium` and `pulumi` expect of a project's checkout.

    Args:
        folder: An empty folder.
        platforms: The embedded platform of each tier that the tests use.
    """

    def __init__(self, folder: Path, platforms: Mapping[str, Platform]) -> None:
        self.folder = folder
        for name in ("Pulumi.yaml", "organisation.yaml"):
            (folder / name).write_bytes((ROOT / name).read_bytes())
        (folder / "stacks").symlink_to(ROOT / "stacks")
        (folder / "policies").mkdir()
        (folder / "policies" / "waivers").symlink_to(ROOT / "policies" / "waivers")
        (folder / ".venv").symlink_to(sys.prefix)
        self.site = folder / ".terrarium"
        self.site.mkdir()
        (self.site / "bin").symlink_to(binaries())
        self._variables = {tier: self._site(tier, platform) for tier, platform in platforms.items()}

    @classmethod
    def with_shared_platform(cls, folder: Path, platform: Platform) -> Checkout:
        """Return a checkout on one embedded platform, for experimentation and testing, whose platform stack is up.

        Args:
            folder: An empty folder.
            platform: The embedded platform.
        """
        tiers = ["experimentation", "testing"]
        checkout = cls(folder, dict.fromkeys(tiers, platform))
        cloud = {"kubernetes": {"context": platform.context}}
        checkout.declare("platform", "platform", name="shared", tiers=tiers, cloud=cloud)
        checkout.bring_up("platform")
        return checkout

    def _site(self, tier: str, platform: Platform) -> dict[str, str]:
        state = self.folder / "state" / ("production" if tier == "production" else "shared")
        state.mkdir(parents=True, exist_ok=True)
        variables = {
            "PULUMI_BACKEND_URL": f"{state.as_uri()}?metadata=skip",
            "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
            "PULUMI_HOME": str(pulumi_home()),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "KUBECONFIG": str(platform.kubeconfig),
            **platform.connections.variables(),
        }
        lines = (f"{key}={shlex.quote(value)}\n" for key, value in variables.items())
        (self.site / f"{tier}.env").write_text("".join(lines))
        return variables

    def declare(self, stack: str, kind: str, *, folder: str = ".", **settings: Any) -> None:
        """Write a stack file; a second call keeps what the engine added to it (the salt of its secrets)."""
        path = self.folder / folder / f"Pulumi.{stack}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        document = yaml.safe_load(path.read_text()) if path.exists() else {}
        document["config"] = {"pulumi:disable-default-providers": ["*"], f"terrarium:{kind}": settings}
        path.write_text(yaml.safe_dump(document, sort_keys=False))

    def waive(self, *waivers: Mapping[str, str]) -> None:
        """Let security's file of this checkout hold these exceptions and no other."""
        (self._security() / "waivers.yaml").write_text(yaml.safe_dump({"waivers": list(waivers)}), encoding="utf-8")

    def amend(self, name: str, **changes: Any) -> None:
        """Let one of security's files of this checkout say something else: some keys, the others as they were."""
        file = self._security() / name
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        file.write_text(yaml.safe_dump(content | changes), encoding="utf-8")

    def _security(self) -> Path:
        """Return security's folder, of this checkout alone."""
        folder = self.folder / "policies" / "waivers"
        if folder.is_symlink():
            folder.unlink()
            shutil.copytree(ROOT / "policies" / "waivers", folder)
        return folder

    @contextmanager
    def book(self) -> Iterator[Path]:
        """Let security's files of this checkout be its own for a time, without any waiver; yields their folder."""
        folder = self.folder / "policies" / "waivers"
        self.waive()
        try:
            yield folder
        finally:
            shutil.rmtree(folder)
            folder.symlink_to(ROOT / "policies" / "waivers")

    @contextmanager
    def added(self, text: str) -> Iterator[None]:
        """Let this checkout's program end with more lines for a time, as on somebody's branch.

        Args:
            text: The lines.
        """
        stacks = self.folder / "stacks"
        stacks.unlink()
        shutil.copytree(ROOT / "stacks", stacks)
        with (stacks / "__main__.py").open("a", encoding="utf-8") as program:
            program.write(text)
        try:
            yield
        finally:
            shutil.rmtree(stacks)
            stacks.symlink_to(ROOT / "stacks")

    def environment(self, tier: str) -> dict[str, str]:
        """Return the variables of a process that works on a tier, without those of the tests' own shell."""
        own = {key: value for key, value in os.environ.items() if not key.startswith((*_SITE, "TERRARIUM_"))}
        return own | self._variables[tier] | {"PATH": f"{self.site / 'bin'}{os.pathsep}{own['PATH']}"}

    def terrarium(self, *arguments: str, code: int = 0, **variables: str) -> str:
        """Run the command as a person would, without any variable set, and return what it wrote.

        Args:
            arguments: The command line.
            code: The exit code that it must end with.
            variables: Variables to set.
        """
        environment = {key: value for key, value in os.environ.items() if not key.startswith(_SITE)}
        done = subprocess.run(
            [str(Path(sys.executable).with_name("terrarium")), *arguments],
            cwd=self.folder,
            env=environment | variables,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        written = done.stdout if "--json" in arguments else done.stdout + done.stderr
        said = done.stdout + done.stderr
        assert done.returncode == code, f"terrarium {' '.join(arguments)} ended with {done.returncode}:\n{said}"
        assert "Traceback" not in said, said
        return written

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start the command as `terrarium` runs it, to be interrupted; its output is to be read by the caller."""
        return subprocess.Popen(
            [str(Path(sys.executable).with_name("terrarium")), *arguments],
            cwd=self.folder,
            env={key: value for key, value in os.environ.items() if not key.startswith(_SITE)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def answer(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        """Run a command with `--json` and return its document."""
        document: dict[str, Any] = json.loads(self.terrarium(*arguments, "--json", code=code))
        return document

    def pulumi(self, *arguments: str, tier: str = "experimentation", fails: bool = False) -> str:
        """Run plain `pulumi`, as by hand after sourcing `activate`."""
        done = subprocess.run(
            ["pulumi", *arguments, "--non-interactive", "--color=never"],
            cwd=self.folder,
            env=self.environment(tier),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        written = done.stdout + done.stderr
        assert (done.returncode != 0) == fails, f"pulumi {' '.join(arguments)} ended with {done.returncode}:\n{written}"
        return written

    def bring_up(self, stack: str, tier: str = "experimentation") -> None:
        """Bring a new stack up for tests that prove nothing of `terrarium up`, in half of its time: without a plan."""
        self.pulumi("stack", "init", stack, "--no-select", tier=tier)
        quick = ("--skip-preview", "--suppress-outputs", "--skip-plugin-pre-install")
        self.pulumi("up", "--yes", *quick, "--stack", stack, tier=tier)

    def state(self, stack: str, tier: str = "experimentation") -> dict[str, Any]:
        """Return the deployment in a stack's exported state."""
        done = subprocess.run(
            ["pulumi", "stack", "export", "--stack", stack],
            cwd=self.folder,
            env=self.environment(tier),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=True,
        )
        deployment: dict[str, Any] = json.loads(done.stdout)["deployment"]
        return deployment
