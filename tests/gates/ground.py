"""A Pulumi project on the real engine, whose providers accept everything: what is refused, a gate has refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.gates.provider import Anything
from tests.support.checkout import ROOT, binaries

STACK = "s"
# Seconds for one run; only a test that fails waits so long.
PATIENCE = 180
RUNTIME = {"name": "python", "options": {"virtualenv": sys.prefix}}


@dataclass(frozen=True)
class Run:
    """What one run of the engine came to.

    Args:
        code: Its exit code.
        text: All that it wrote.
        events: The engine's events, in their order.
    """

    code: int
    text: str
    events: tuple[Mapping[str, Any], ...]

    def policies(self) -> list[Mapping[str, Any]]:
        """What gate 1 has said."""
        return [event["policyEvent"] for event in self.events if "policyEvent" in event]

    def messages(self) -> str:
        """What gate 1 has said, in one text."""
        return "\n".join(event["message"] for event in self.policies())

    def errors(self) -> str:
        """What the program and the engine have said of errors."""
        told = (event.get("diagnosticEvent", {}) for event in self.events)
        return "\n".join(one["message"] for one in told if one.get("severity") == "error")


class Ground:
    """One project with one stack.

    Args:
        folder: An empty folder.
        providers: What PULUMI_DEBUG_PROVIDERS must say.
        plugin: The plugin behind it.
    """

    def __init__(self, folder: Path, providers: str, plugin: Anything) -> None:
        self.folder, self.plugin = folder, plugin
        (folder / "state").mkdir()
        own = {name: value for name, value in os.environ.items() if not name.startswith(("PULUMI_", "TERRARIUM_"))}
        self.environment = own | {
            "PATH": f"{binaries()}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "PULUMI_HOME": str(folder / "home"),
            "PULUMI_BACKEND_URL": (folder / "state").as_uri(),
            "PULUMI_CONFIG_PASSPHRASE": "public",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            # With it the engine offers --event-log.
            "PULUMI_DEBUG_COMMANDS": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PULUMI_DEBUG_PROVIDERS": providers,
        }
        (folder / "Pulumi.yaml").write_text(json.dumps({"name": "tests", "runtime": RUNTIME}))
        self._engine("stack", "init")

    def pack(self, text: str) -> Path:
        """Write a policy pack whose program this is, and return its folder."""
        folder = self.folder / "pack"
        folder.mkdir(exist_ok=True)
        description = {"description": "a test's", "version": "0.0.1", "runtime": RUNTIME}
        (folder / "PulumiPolicy.yaml").write_text(json.dumps(description))
        (folder / "__main__.py").write_text(text)
        return folder

    def preview(self, program: str, *, pack: Path | None = None, config: Mapping[str, Any] | None = None) -> Run:
        """Plan a program.

        Args:
            program: Its text.
            pack: The policy pack, if there is one.
            config: The pack's configuration.
        """
        return self._run(program, "preview", *self._attached(pack, config))

    def up(self, program: str, *, pack: Path | None = None) -> Run:
        """Bring a program up without a plan before."""
        return self._run(program, "up", "--yes", "--skip-preview", *self._attached(pack, None))

    def state(self) -> set[str]:
        """Return the names of all that exists."""
        exported = json.loads(self._engine("stack", "export").stdout)
        return {one["urn"].rpartition("::")[2] for one in exported["deployment"].get("resources", ())}

    def _attached(self, pack: Path | None, config: Mapping[str, Any] | None) -> list[str]:
        given = ["--policy-pack", str(pack)] if pack else []
        if config is not None:
            file = self.folder / "config.json"
            file.write_text(json.dumps(config))
            given += ["--policy-pack-config", str(file)]
        return given

    def _run(self, program: str, *arguments: str) -> Run:
        (self.folder / "__main__.py").write_text(program)
        log = self.folder / "events"
        log.unlink(missing_ok=True)
        done = self._engine(*arguments, "--event-log", str(log), check=False)
        lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
        return Run(done.returncode, done.stdout + done.stderr, tuple(map(json.loads, lines)))

    def _engine(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["pulumi", *arguments, "--stack", STACK, "--non-interactive", "--color=never"],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=check,
        )
