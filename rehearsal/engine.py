"""The Pulumi engine and its plugins: official where they can be had, made here where not."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rehearsal import build, database_tools, download, plugins, versions
from rehearsal.errors import RehearsalError, explained
from rehearsal.files import read_json, write_json
from rehearsal.locks import locked_folder
from rehearsal.paths import local, pulumi_home
from rehearsal.progress import Report, Silent
from rehearsal.rented import commands

# The one switch: `official` takes nothing that is not Pulumi's own, `standin` nothing that is downloaded ready-made.
SWITCH = "TERRARIUM_PARTS"
MODES = ("auto", "official", "standin")
OFFICIAL, ON_PATH, BUILT, STAND_IN = "official", "on PATH", "built", "stand-in"

_LANGUAGE = "pulumi-language-python"
# Resource plugins and the Python packages whose versions they must have.
_PLUGINS = {name: f"pulumi-{name}" for name in ("aws", "gcp", "kubernetes", "postgresql", "random")}
# Seconds. Plugins of 30 to 100 MB come over slow lines, too.
_INSTALL_PATIENCE = 900.0
_VERSION_PATIENCE = 20.0


@dataclass(frozen=True)
class EngineParts:
    """What the engine consists of on this machine.

    Attributes:
        bin_dir: Goes first on PATH.
        origins: For each part (`pulumi`, `language-python`, `kubectl`, and each resource plugin) where it is from:
            `official`, `on PATH`, `built` or `stand-in`; a part that is not there is left out.
        versions: For each part its version, with a leading `v`; a `kubectl` on PATH is not asked for its own.
    """

    bin_dir: Path
    origins: Mapping[str, str]
    versions: Mapping[str, str]

    def rehearses(self, cloud: str) -> bool:
        """Return whether a cloud (`aws`, `gcp`) is rehearsed: with the official plugin, it is the real one."""
        return self.origins.get(cloud) == STAND_IN

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON's types."""
        return {"bin_dir": str(self.bin_dir), "origins": dict(self.origins), "versions": dict(self.versions)}


@dataclass
class _Plan:
    """What is to stand in the binary folder: links to files, and the names of stand-ins."""

    links: dict[str, Path] = field(default_factory=dict)
    stand_ins: list[str] = field(default_factory=list)
    origins: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    def take(self, part: str, origin: str, version: str) -> None:
        self.origins[part] = origin
        self.versions[part] = version

    def stand_in(self, part: str, executable: str, version: str) -> None:
        self.stand_ins.append(executable)
        self.take(part, STAND_IN, version)


def prepare(report: Report) -> EngineParts:
    """Decide which parts are used and lay them out in `<checkout>/.terrarium/bin`. Quick when nothing changed.

    PostgreSQL's tools are placed beside them.

    Args:
        report: Told about downloads and builds.

    Raises:
        RehearsalError: A part can't be had; the text says what to do.
    """
    mode = _mode()
    folder = local() / "bin"
    state = local() / "engine.json"
    with (
        explained(f"The engine can't be laid out in {folder}"),
        locked_folder(folder, lambda: report.note("Another run lays out the engine; waiting for it.")),
    ):
        database_tools.install(folder)
        inputs = _inputs(mode, folder)
        if known := _known(state, inputs, folder):
            return known
        # Gone first and written last: an interrupted run is done again.
        state.unlink(missing_ok=True)
        plan = _plan(mode, folder, report)
        _lay_out(plan, folder)
        parts = EngineParts(folder, plan.origins, plan.versions)
        # Asked again: a try that failed just now is remembered from here on.
        content = {"inputs": _inputs(mode, folder), "parts": parts.as_json(), "files": _files(folder)}
        write_json(state, content)
        return parts


def laid_out() -> EngineParts | None:
    """Return what the last `prepare` laid out; None if there was none, or it was interrupted."""
    with suppress(KeyError, TypeError):
        parts = (read_json(local() / "engine.json") or {})["parts"]
        return EngineParts(Path(parts["bin_dir"]), parts["origins"], parts["versions"])
    return None


def must_build(report: Report) -> bool:
    """Return whether `prepare` would build the engine: it is laid out by no earlier run, not on PATH, not to be had.

    Args:
        report: Told if the host of downloads does not answer.

    Raises:
        RehearsalError: The switch has a value that is not known.
    """
    mode = _mode()
    folder = local() / "bin"
    if mode == "official" or (folder.is_dir() and _known(local() / "engine.json", _inputs(mode, folder), folder)):
        return False
    if mode == "standin":
        return True
    found = _on_path("pulumi", folder)
    return not (found and _usable(found, Silent())) and (download.out_of_reach() or not download.reachable(report))


def _mode() -> str:
    mode = os.environ.get(SWITCH) or "auto"
    if mode not in MODES:
        raise RehearsalError(f"{SWITCH}={mode} is not known: use one of {', '.join(MODES)}, or unset it.")
    return mode


def _inputs(mode: str, folder: Path) -> dict[str, Any]:
    """Return all that the choice depends on."""
    launchers = [Path(str(module.__file__)).stat() for module in (plugins, commands)]
    kubernetes = build.built("kubernetes")
    return {
        "mode": mode,
        "python": [sys.executable, list(sys.version_info[:3])],
        "pulumi": versions.pulumi(),
        # Not the version alone: a go.mod changes without it, and the old engine stayed in use.
        "engine": build.sources("pulumi"),
        "plugins": {name: [_plugin_version(name), _plugin_folder(name).is_dir()] for name in _PLUGINS},
        "on_path": [_stamp(_on_path("pulumi", folder)), _stamp(_on_path("kubectl", folder))],
        "kubectl": str(kubernetes) if kubernetes else None,
        "launchers": [[file.st_mtime_ns, file.st_size] for file in launchers],
        "out_of_reach": download.out_of_reach(),
    }


def _known(state: Path, inputs: Mapping[str, Any], folder: Path) -> EngineParts | None:
    with suppress(OSError, ValueError, KeyError, TypeError):
        content = json.loads(state.read_text(encoding="utf-8"))
        if content["inputs"] == inputs and content["files"] == _files(folder):
            parts = content["parts"]
            return EngineParts(Path(parts["bin_dir"]), parts["origins"], parts["versions"])
    return None


def _files(folder: Path) -> dict[str, int]:
    """Return the files that are ours to place and remove, with their sizes; a dangling link has size -1."""
    return {
        path.name: path.stat().st_size if path.exists() else -1
        for path in sorted(folder.iterdir())
        if path.name.startswith("pulumi") or path.name in ("kubectl", *commands.NAMES)
    }


def _plan(mode: str, folder: Path, report: Report) -> _Plan:
    plan = _Plan()
    _plan_engine(plan, mode, folder, report)
    for name in _PLUGINS:
        version = _plugin_version(name)
        if mode != "standin" and _install_plugin(plan.links["pulumi"], name, version, mode, report):
            plan.take(name, OFFICIAL, version)
        else:
            plan.stand_in(name, f"pulumi-resource-{name}", version)
    _plan_kubectl(plan, folder)
    return plan


def _plan_engine(plan: _Plan, mode: str, folder: Path, report: Report) -> None:
    if mode != "standin":
        if (found := _on_path("pulumi", folder)) and (version := _usable(found, report)):
            plan.links["pulumi"] = found
            plan.take("pulumi", ON_PATH, version)
            plan.take("language-python", ON_PATH, version)
            return
        if fetched := _fetched(mode, report):
            plan.links.update({path.name: path for path in fetched.iterdir() if path.name.startswith("pulumi")})
            plan.take("pulumi", OFFICIAL, versions.pulumi())
            plan.take("language-python", OFFICIAL, versions.pulumi())
            return
    built = build.build(["pulumi"], report)["pulumi"]
    plan.links.update({path.name: path for path in built.iterdir() if path.name.startswith("pulumi")})
    plan.take("pulumi", BUILT, versions.pulumi())
    plan.stand_in("language-python", _LANGUAGE, versions.pulumi())


def _plan_kubectl(plan: _Plan, folder: Path) -> None:
    # A kubectl of the person's own stays the one they get: it has their plugins, and ours in front would surprise.
    if _on_path("kubectl", folder):
        plan.origins["kubectl"] = ON_PATH
    elif built := build.built("kubernetes"):
        plan.links["kubectl"] = built / "kubectl"
        plan.take("kubectl", BUILT, versions.kubernetes())


def _on_path(name: str, folder: Path) -> Path | None:
    """Return an executable on PATH that is not one we placed: once activated, ours come first."""
    rest = [entry for entry in os.environ.get("PATH", "").split(os.pathsep) if entry and Path(entry) != folder]
    found = shutil.which(name, path=os.pathsep.join(rest))
    return Path(found).resolve() if found else None


def _stamp(path: Path | None) -> list[Any] | None:
    if path is None:
        return None
    found = path.stat()
    return [str(path), found.st_mtime_ns, found.st_size]


def _usable(pulumi: Path, report: Report) -> str | None:
    """Return the version of a `pulumi` if it speaks our SDK's protocol and has its language host beside it."""
    environment = os.environ | {"PULUMI_SKIP_UPDATE_CHECK": "true"}
    try:
        done = subprocess.run(
            [pulumi, "version"], capture_output=True, text=True, env=environment, timeout=_VERSION_PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        report.note(f"{pulumi} does not run; it is passed over.")
        return None
    found = re.match(r"v(\d+)\.(\d+)\.", done.stdout.strip())
    needed = re.match(r"v(\d+)\.(\d+)\.", versions.pulumi())
    if not found or not needed or found[1] != needed[1] or int(found[2]) < int(needed[2]):
        report.note(f"{pulumi} is {done.stdout.strip() or 'of unknown version'}; {versions.pulumi()} is needed.")
        return None
    if not (pulumi.parent / _LANGUAGE).exists():
        report.note(f"{pulumi} has no {_LANGUAGE} beside it; it is passed over.")
        return None
    return done.stdout.strip()


def _fetched(mode: str, report: Report) -> Path | None:
    version = versions.pulumi()
    if mode == "auto":
        if download.out_of_reach() or not download.reachable(report):
            return None
        try:
            return download.fetch_pulumi(version, report)
        except RehearsalError as error:
            report.note(f"{error} Pulumi is built from its Go modules instead.")
            return None
    try:
        return download.fetch_pulumi(version, report)
    except RehearsalError as error:
        raise RehearsalError(
            f"{SWITCH}=official, but there is no Pulumi {version} or newer on PATH and it can't be downloaded. {error} "
            f"Install it (https://www.pulumi.com/docs/iac/download-install/), or unset {SWITCH}."
        ) from error


def _plugin_version(name: str) -> str:
    return f"v{importlib.metadata.version(_PLUGINS[name])}"


def _plugin_folder(name: str) -> Path:
    return pulumi_home() / "plugins" / f"resource-{name}-{_plugin_version(name)}"


def _install_plugin(pulumi: Path, name: str, version: str, mode: str, report: Report) -> bool:
    if _plugin_folder(name).is_dir():
        return True
    # Asked first: the engine tries five times, with ten seconds in all, before it says that a host does not resolve.
    if mode == "auto" and (download.out_of_reach() or not download.reachable(report)):
        return False
    report.step(f"Installing Pulumi's plugin {name} {version}")
    command = [str(pulumi), "plugin", "install", "resource", name, version]
    try:
        environment = os.environ | {"PULUMI_HOME": str(pulumi_home())}
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment, timeout=_INSTALL_PATIENCE, check=False
        )
        reason = "" if done.returncode == 0 else (done.stderr.strip().splitlines() or ["no reason given"])[-1]
    except subprocess.TimeoutExpired:
        reason = f"it took longer than {_INSTALL_PATIENCE:.0f} s"
    if not reason:
        return True
    if mode == "official":
        raise RehearsalError(
            f"{SWITCH}=official, but Pulumi's plugin {name} {version} can't be installed: {reason}. Install it with "
            f"`pulumi plugin install resource {name} {version}` where it can be had, or unset {SWITCH}."
        )
    report.note(f"Pulumi's plugin {name} {version} can't be installed ({reason}); a stand-in is used.")
    return False


def _lay_out(plan: _Plan, folder: Path) -> None:
    for name in _files(folder):
        if name not in plan.links and name not in plan.stand_ins:
            (folder / name).unlink()
    # Beside a cloud's own plugin nothing is rehearsed, and there must be no way to what is.
    commands.install(folder, [name for name, origin in plan.origins.items() if origin == STAND_IN])
    for name, source in plan.links.items():
        _link(source, folder / name, symbolic=plan.origins.get(name) == ON_PATH)
    plugins.install(folder, Path(sys.executable), plan.stand_ins)


def _link(source: Path, target: Path, *, symbolic: bool) -> None:
    draft = target.with_name(f".{target.name}.new")
    draft.unlink(missing_ok=True)
    if symbolic:
        # The engine follows it to its own folder, and finds the official language host there.
        draft.symlink_to(source)
    else:
        # The other way round: a symbolic link would lead the engine into the cache, where no language host stands.
        try:
            draft.hardlink_to(source)
        except OSError:
            shutil.copy2(source, draft)
    draft.replace(target)
    # Where both are links to one file, replacing does nothing and keeps both names.
    draft.unlink(missing_ok=True)
