"""Our program against the flat one: the same resources, the same state, the same engine."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from benchmarks import measured, workshop
from benchmarks.figures import Figure, Spread
from rehearsal import engine, paths
from rehearsal.progress import Report
from rehearsal.rented.platforms import Rehearsed

TARGET = 1.10
"""Most that our program may take, as a factor of the flat one."""
OURS, FLAT = "ours", "flat"
STACKS = ("dev", "wide")
"""The reference stacks: the least that an environment is, and one with 40 more network policies."""
AWS, MANY = "aws", "many"
"""The reference stacks on AWS: production, with all that is made of it, and with 110 more network policies."""
_PLATFORM_STACK = "platform"
_ACCOUNT = Rehearsed("aws", "123456789012", "eu-central-1")
_FOLDER = Path(__file__).resolve().parent
# What the engine notes of each resource beside what the program said of it.
NOTES = {"created", "modified", "sourcePosition", "stackTrace"}


@dataclass(frozen=True)
class Preview:
    """What one preview took, in seconds.

    Args:
        cpu: Processor time of the program's process, user and system.
        wall: From the engine's start to its end.
    """

    cpu: float
    wall: float


@dataclass(frozen=True)
class Site:
    """Where both programs deploy to.

    Args:
        stacks: The reference stacks that are brought up there.
        flat: Name of the flat program's package.
        variables: What tells the programs and plugins of it.
        platform_stack: A stack that our program brings up first; None if there is none.
        files: What stands beside the stack files, by name.
    """

    stacks: Sequence[str]
    flat: str
    variables: Mapping[str, str]
    platform_stack: str | None = None
    files: Mapping[str, Path] = field(default_factory=dict)


class Programs:
    """Both programs as Pulumi projects over one state, with stacks that are up.

    Args:
        folder: Where the projects, the state and the engine's home are made.
        site: Where they deploy to.
        parts: The engine.
    """

    def __init__(self, folder: Path, site: Site, parts: engine.EngineParts) -> None:
        self._folder = folder
        self._site = site
        self._note = folder / "cpu"
        self._pulumi = parts.bin_dir / "pulumi"
        home, state = folder / "pulumi", folder / "state"
        self._environment = workshop.bare_environment() | {
            "PULUMI_BACKEND_URL": state.as_uri(),
            "PULUMI_CONFIG_PASSPHRASE": "benchmark",
            "PULUMI_HOME": str(home),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            **site.variables,
        }
        path = self._environment["PATH"]
        self._environment["PATH"] = os.pathsep.join([str(parts.bin_dir), str(Path(sys.executable).parent), path])
        state.mkdir()
        home.mkdir()
        self._keep_installed_plugins(home)
        self._lay_out()

    def up(self, program: str, stack: str) -> None:
        """Bring a stack up with one of the programs.

        Raises:
            CommandFailedError: If it can't be; the message is the engine's.
        """
        self._run(program, "up", "--yes", "--skip-preview", "--stack", stack)

    def preview(self, program: str, stack: str, *more: str) -> Preview:
        """Preview a stack that is up, and measure it.

        Args:
            program: Which program.
            stack: Which stack.
            more: Further arguments for the engine.

        Raises:
            CommandFailedError: If it fails, or if it finds a change.
        """
        self._note.unlink(missing_ok=True)
        start = time.perf_counter()
        self._run(program, "preview", "--expect-no-changes", "--diff", "--stack", stack, *more)
        return Preview(wall=time.perf_counter() - start, cpu=float(self._note.read_text(encoding="ascii")))

    def registered(self, stack: str) -> dict[str, dict[str, Any]]:
        """Return what the last `up` registered: all that the state holds of each resource, by URN."""
        # As plain text: no secret is encrypted twice alike. The keys are of a store that goes with the run.
        exported = json.loads(self._run(OURS, "stack", "export", "--show-secrets", "--stack", stack))
        for resource in exported["deployment"]["resources"]:
            # What the rules came to is ours alone: nobody judges the flat program.
            resource.get("outputs", {}).pop("rules", None)
        return {
            resource["urn"]: {key: ordered(key, value) for key, value in resource.items() if key not in NOTES}
            for resource in exported["deployment"]["resources"]
        }

    def _run(self, program: str, *arguments: str) -> str:
        command = [str(self._pulumi), *arguments, "--non-interactive", "--color=never"]
        return workshop.run(command, self._folder / program, self._environment)

    def _keep_installed_plugins(self, home: Path) -> None:
        """Let the engine find official plugins where they are installed, without giving it that home's settings."""
        installed = paths.pulumi_home() / "plugins"
        if installed.is_dir():
            (home / "plugins").symlink_to(installed)

    def _lay_out(self) -> None:
        root, ours, flat, site = paths.root(), self._folder / OURS, self._folder / FLAT, self._site
        interpreter = self._interpreter()
        for project, program in ((ours, root / "stacks"), (flat, _FOLDER / site.flat)):
            # A copy: a path that is relative to the program would lead elsewhere from a link.
            (project / "stacks").mkdir(parents=True)
            shutil.copy(program / "__main__.py", project / "stacks")
            _write_project(root / "Pulumi.yaml", project, interpreter)
            for name, file in site.files.items():
                (project / name).symlink_to(file)
        for file in (_FOLDER / "reference").iterdir():
            shutil.copy(file, ours)
        self._lay_out_pack(root / "policies", ours / "policies", interpreter)
        _write_many(ours)
        for stack in filter(None, (site.platform_stack, *site.stacks)):
            self._run(OURS, "stack", "init", stack)
        for stack in site.stacks:
            # With the salt that `stack init` wrote: one state, one key.
            shutil.copy(ours / f"Pulumi.{stack}.yaml", flat)
        if site.platform_stack:
            self.up(OURS, site.platform_stack)

    def _lay_out_pack(self, policies: Path, folder: Path, interpreter: Path) -> None:
        """Give the project a policy pack of its own: it compares with the stack files around it, not the checkout's."""
        shutil.copytree(policies / "pack", folder / "pack", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(_FOLDER / "waivers", folder / "waivers")
        description = folder / "pack" / "PulumiPolicy.yaml"
        document = yaml.safe_load(description.read_text(encoding="utf-8"))
        document["runtime"]["options"]["virtualenv"] = str(interpreter)
        description.write_text(yaml.safe_dump(document), encoding="utf-8")

    @property
    def pack(self) -> Path:
        """The folder of the policy pack."""
        return self._folder / OURS / "policies" / "pack"

    def _interpreter(self) -> Path:
        """Make what passes for a virtual environment, whose Python notes what the program took."""
        environment = self._folder / "environment"
        (environment / "bin").mkdir(parents=True)
        python = environment / "bin" / "python"
        words = [sys.executable, "-IS", measured.__file__, str(self._note), sys.executable]
        python.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
        python.chmod(0o755)
        (environment / "bin" / "python3").symlink_to("python")
        return environment


@contextmanager
def programs(report: Report) -> Iterator[Programs]:
    """Give both programs on a platform of their own; at the end nothing is left of it."""
    with workshop.workshop() as folder:
        report.step("Starting a platform for the programs")
        parts = engine.prepare(report)
        cluster = workshop.platform(folder)
        cluster.start(report)
        report.step("Bringing up the platform stack")
        variables = {"KUBECONFIG": str(cluster.kubeconfig), **cluster.connections.variables()}
        yield Programs(folder, Site(STACKS, "flat", variables, _PLATFORM_STACK), parts)


@contextmanager
def on_aws(report: Report) -> Iterator[Programs]:
    """Give both programs on a rehearsed AWS of their own; at the end nothing is left of it.

    Raises:
        CommandFailedError: If AWS is the real one here: a measurement makes and bills nothing.
    """
    with workshop.workshop() as folder:
        parts = engine.prepare(report)
        if not parts.rehearses("aws"):
            raise workshop.CommandFailedError("the official plugin of AWS is installed: there is no rehearsed AWS here")
        report.step("Starting what is real of the rehearsed account")
        with workshop.rehearsal(folder) as variables:
            authorities = _ACCOUNT.start().folder / "certificates" / "terrarium-cluster.crt"
        yield Programs(folder, Site((AWS, MANY), "flat_aws", variables, files={"rds.pem": authorities}), parts)


def differences(ours: Mapping[str, Mapping[str, Any]], flat: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return in sentences how two sets of registered resources differ; empty if they are the same.

    Args:
        ours: As `Programs.registered` gives it, after our program's `up`.
        flat: The same after the flat program's.
    """
    found = [f"only ours registers {urn}" for urn in ours if urn not in flat]
    found += [f"only the flat program registers {urn}" for urn in flat if urn not in ours]
    for urn in ours.keys() & flat.keys():
        a, b = ours[urn], flat[urn]
        keys = sorted(key for key in a.keys() | b.keys() if a.get(key) != b.get(key))
        found += [f"{urn}: {key} is {a.get(key)!r} by ours, {b.get(key)!r} by the flat program" for key in keys]
    return sorted(found)


def same(both: Programs, stack: str) -> list[str]:
    """Bring a stack up with our program, then with the flat one, and return how what they register differs."""
    both.up(OURS, stack)
    ours = both.registered(stack)
    both.up(FLAT, stack)
    return differences(ours, both.registered(stack))


def measure(both: Programs, stack: str, pairs: int, report: Report) -> list[Figure]:
    """Measure previews of one reference stack.

    Args:
        both: The programs.
        stack: One of `STACKS`, or `AWS`.
        pairs: How many pairs of previews.
        report: Told of each pair.

    Raises:
        CommandFailedError: If the programs do not register the same: a comparison would mean nothing.
    """
    report.step(f"Bringing up {stack} with both programs")
    unlike = same(both, stack)
    if unlike:
        raise workshop.CommandFailedError(
            f"the flat program no longer registers what ours registers for {stack}; change it too:\n"
            + "\n".join(unlike)
        )
    taken: dict[str, list[Preview]] = {OURS: [], FLAT: []}
    for program in taken:
        both.preview(program, stack)  # fills the caches of byte code and of the file system
    for number in range(pairs):
        report.step(f"Previewing {stack}: pair {number + 1} of {pairs}")
        # Each is first as often as the other: what the first leaves warm helps the second.
        for program in (OURS, FLAT) if number % 2 == 0 else (FLAT, OURS):
            taken[program].append(both.preview(program, stack))
    count = len(both.registered(stack))
    return [
        Figure(
            f"{stack} ({count} resources): {what}",
            "s",
            ours=Spread(tuple(getattr(preview, field) for preview in taken[OURS])),
            reference=Spread(tuple(getattr(preview, field) for preview in taken[FLAT])),
            target=TARGET,
        )
        for field, what in (("cpu", "processor time of the program"), ("wall", "time of a preview"))
    ]


def _write_many(folder: Path) -> None:
    """Write the stack of 300 resources: that on AWS, with a network policy for each of 110 destinations."""
    document = yaml.safe_load((folder / f"Pulumi.{AWS}.yaml").read_text(encoding="utf-8"))
    settings = document["config"]["terrarium:environment"]
    settings["name"] = MANY
    settings["network"]["egress_to"] = {
        f"to{number}": {"cidr": f"203.0.113.{number}/32", "ports": [443], "why": "A partner's interface"}
        for number in range(1, 111)
    }
    (folder / f"Pulumi.{MANY}.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")


def _write_project(source: Path, folder: Path, environment: Path) -> None:
    project = yaml.safe_load(source.read_text(encoding="utf-8"))
    project["runtime"]["options"]["virtualenv"] = str(environment)
    (folder / "Pulumi.yaml").write_text(yaml.safe_dump(project), encoding="utf-8")


def ordered(key: str, value: Any) -> Any:
    """Bring in order what is a set and stands in the order in which things happened to finish."""
    if key == "dependencies":
        return sorted(value)
    if key == "propertyDependencies":
        return {name: sorted(urns or ()) for name, urns in value.items()}
    return value
