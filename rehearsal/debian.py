"""Programs out of Debian's packages, unpacked into the cache: nothing is installed, no service is started.

apt checks what it fetches against the distribution's signatures. Installed, some of these packages would start servers
of their own on all addresses, or take the place of those that Docker brought.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rehearsal.errors import RehearsalError, explained
from rehearsal.files import read_json, write_json
from rehearsal.locks import locked
from rehearsal.paths import cache
from rehearsal.progress import Report

SYSTEM = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where a system keeps programs; a person's PATH often lacks those for administrators."""
_MANIFEST = "manifest.json"
_BINARIES = ("usr/sbin", "usr/bin", "sbin", "bin")
# iptables goes by the name it is called by; packages leave the names to update-alternatives.
_ALTERNATIVES = {
    "xtables-nft-multi": tuple(
        f"{name}{part}" for name in ("iptables", "ip6tables") for part in ("", "-save", "-restore")
    )
}
# Seconds for an update of apt's lists, or one download.
_PATIENCE = 600.0


@dataclass(frozen=True)
class Unpacked:
    """Packages, unpacked.

    Attributes:
        folder: Holds what they would have put below `/`.
    """

    folder: Path

    def variables(self) -> dict[str, str]:
        """Return the variables by which their programs find each other, their libraries and iptables' modules."""
        machine = f"{platform.machine()}-linux-gnu"
        libraries = [self.folder / "usr/lib" / machine, self.folder / "lib" / machine]
        own = [str(self.folder / name) for name in _BINARIES]
        found = {"PATH": ":".join([*own, SYSTEM]), "LD_LIBRARY_PATH": ":".join(map(str, libraries))}
        modules = libraries[0] / "xtables"
        # Without the package its programs are the system's, and so are their modules.
        return found | ({"XTABLES_LIBDIR": str(modules)} if modules.is_dir() else {})

    def program(self, name: str) -> Path | None:
        """Return a program of theirs, or the system's where the package was installed already."""
        found = shutil.which(name, path=self.variables()["PATH"])
        return Path(found) if found else None


def possible() -> bool:
    """Return whether this machine has Debian's tools for packages."""
    return shutil.which("apt-get") is not None and shutil.which("dpkg-deb") is not None


def unpacked(name: str, packages: Sequence[str], report: Report) -> Unpacked:
    """Return packages with what they need that is not installed, fetched at first use.

    Args:
        name: What they are for; the folder's name begins with it.
        packages: Their names.
        report: Told of the download.

    Raises:
        RehearsalError: They can't be had; the text has apt's last words.
    """
    builds, asked = cache() / "builds", f"{name}-{_digest([_release(), platform.machine(), sorted(packages)])}"
    found = _fitting(builds, asked)
    if found is None:
        with explained(f"The cache {cache()} can't be written"):
            builds.mkdir(parents=True, exist_ok=True)
            with locked(builds / f".{name}.lock", lambda: report.note("Another run is fetching packages.")):
                found = _fitting(builds, asked)
                if found is None:
                    report.step(f"Fetching {', '.join(packages)}")
                    found = _make(builds, asked, packages)
    return Unpacked(found)


def _fitting(builds: Path, asked: str) -> Path | None:
    """Return a folder of these packages whose programs find installed here what they were fetched without.

    Their names are enough: within a release, versions only grow. What else is installed does not matter, or each
    `apt install` of anything would have everything fetched again.
    """
    manifests = sorted(builds.glob(f"{asked}-*/{_MANIFEST}"))
    installed = _installed() if manifests else set()
    for manifest in manifests:
        without = (read_json(manifest) or {}).get("without")
        if isinstance(without, list) and installed.issuperset(without):
            return manifest.parent
    return None


def _installed() -> set[str]:
    lines = _run(["dpkg-query", "--show", "--showformat=${db:Status-Status} ${Package}\n"]).splitlines()
    return {name for status, _, name in (line.partition(" ") for line in lines) if status == "installed"}


def _digest(marks: object) -> str:
    return hashlib.sha256(json.dumps(marks).encode()).hexdigest()[:20]


def _release() -> Mapping[str, str]:
    try:
        known = platform.freedesktop_os_release()
    except OSError:
        return {}
    return {key: known.get(key, "") for key in ("ID", "VERSION_ID")}


def _make(builds: Path, asked: str, packages: Sequence[str]) -> Path:
    fresh = Path(tempfile.mkdtemp(prefix=f".{asked}.new-", dir=builds))
    scratch = fresh / ".apt"
    try:
        archives = scratch / "archives"
        for own in (scratch / "lists" / "partial", archives / "partial"):
            own.mkdir(parents=True)
        fresh.chmod(0o755)
        places = [f"Dir::State::lists={scratch / 'lists'}", f"Dir::Cache::archives={archives}", f"Dir::Cache={scratch}"]
        # As whoever asks: apt's own user may not enter a cache below a home that is closed.
        user = f"APT::Sandbox::User={'root' if os.getuid() == 0 else ''}"
        options = [word for option in (*places, "Debug::NoLocking=true", user) for word in ("-o", option)]
        _run(["apt-get", "-qq", *options, "update"])
        fetch = ["--yes", "--no-install-recommends", "--download-only", "--reinstall", "install"]
        _run(["apt-get", "-qq", *options, *fetch, *packages])
        # Of all that they may need, alternatives included, what was here already.
        needed = _run(["apt-cache", *options, "depends", "--recurse", "--important", *packages]).split()
        without = sorted(_installed().intersection(needed) - set(packages))
        found = sorted(archives.glob("*.deb"))
        for package in found:
            _run(["dpkg-deb", "--extract", str(package), str(fresh)])
        _name_alternatives(fresh)
        shutil.rmtree(scratch)
        write_json(fresh / _MANIFEST, {"packages": [package.name for package in found], "without": without})
        folder = builds / f"{asked}-{_digest(without)[:8]}"
        shutil.rmtree(folder, ignore_errors=True)
        fresh.rename(folder)
        return folder
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _name_alternatives(folder: Path) -> None:
    for program, names in _ALTERNATIVES.items():
        for place in (folder / name for name in _BINARIES):
            if (place / program).exists():
                for name in names:
                    (place / name).unlink(missing_ok=True)
                    (place / name).symlink_to(program)


def _run(command: Sequence[str]) -> str:
    variables = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            env=variables,
            timeout=_PATIENCE,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RehearsalError(f"{command[0]} does not work: {type(error).__name__}.") from error
    if done.returncode:
        said = "\n".join((done.stderr or done.stdout).strip().splitlines()[-5:]) or "(nothing)"
        raise RehearsalError(
            f"Debian's packages can't be had. {command[0]}'s last words:\n{said}\n"
            "Check that this machine reaches its package mirror (`apt-get update`); then run it again."
        )
    return done.stdout
