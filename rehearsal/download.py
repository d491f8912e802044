"""Pulumi's own release: fetched, checked against its published checksums, kept in the cache."""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
import tarfile
import tempfile
import threading
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from rehearsal.errors import RehearsalError, explained
from rehearsal.files import write_json
from rehearsal.locks import locked
from rehearsal.paths import cache
from rehearsal.progress import Report

SOURCE = "https://get.pulumi.com/releases/sdk"
# Seconds until a host that does not answer counts as out of reach, and for how long that is remembered.
PROBE_PATIENCE = 4.0
# A laptop may be elsewhere after an hour; asking again costs a few seconds.
REMEMBERED = 3600.0
# Seconds without a byte until a download is given up.
_STALLED = 30.0
_CHUNK = 1 << 20
_SYSTEMS = {"Linux": "linux", "Darwin": "darwin"}
_MACHINES = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}


def out_of_reach(source: str = SOURCE) -> bool:
    """Return whether a try within the last hour found that this machine does not reach a source."""
    when = _notes().get(urlsplit(source).netloc)
    return isinstance(when, float | int) and 0 <= time.time() - when < REMEMBERED


def reachable(report: Report, source: str = SOURCE) -> bool:
    """Return whether a source answers at all, within four seconds; remember for an hour if not.

    Args:
        report: Told which host does not answer, what follows, and how to undo it.
        source: A URL.

    Raises:
        RehearsalError: The cache, which remembers it, can't be written.
    """
    answered: list[bool] = []
    # In a thread: the name resolver has no timeout of its own, and may take half a minute to say no.
    thread = threading.Thread(target=lambda: answered.append(_answers(source)), daemon=True)
    thread.start()
    thread.join(PROBE_PATIENCE)
    found = bool(answered and answered[0])
    _note(source, reached=found)
    if not found:
        report.note(
            f"{urlsplit(source).netloc} does not answer within {PROBE_PATIENCE:.0f} s, and is not asked again for an "
            "hour: Pulumi is built from its Go modules, and stand-ins take the place of its plugins. To ask at once, "
            f"delete {_notes_file()}."
        )
    return found


def fetch_pulumi(version: str, report: Report, source: str = SOURCE) -> Path:
    """Return the folder with a Pulumi release's executables, fetched unless the cache has it.

    Args:
        version: With its leading `v`.
        report: Told about progress.
        source: Where releases are, a URL.

    Raises:
        RehearsalError: There is none for this machine, it can't be fetched, or its checksum is wrong.
    """
    name = archive_name(version)
    folder = cache() / "downloads" / name.removesuffix(".tar.gz")
    if (folder / "pulumi").is_file():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder.parent / ".lock", lambda: report.note("Another run is downloading Pulumi; waiting for it.")):
        if (folder / "pulumi").is_file():
            return folder
        # A download that was killed left half a release, of up to 500 MB.
        for stale in folder.parent.glob(".new-*"):
            shutil.rmtree(stale, ignore_errors=True)
        report.step(f"Downloading Pulumi {version}")
        with tempfile.TemporaryDirectory(prefix=".new-", dir=folder.parent) as scratch:
            archive = Path(scratch) / name
            expected = _published_checksum(version, name, source)
            digest = _fetch(f"{source}/{name}", archive, report)
            if digest != expected:
                raise RehearsalError(
                    f"{source}/{name} has the checksum {digest}, but {expected} is published. It was not used. "
                    "Try again; if it stays, something between this machine and the source changes downloads."
                )
            with tarfile.open(archive) as tar:
                tar.extractall(scratch, filter="data")
            shutil.rmtree(folder, ignore_errors=True)
            (Path(scratch) / "pulumi").rename(folder)
    return folder


def archive_name(version: str) -> str:
    """Return what a release's archive for this machine is called.

    Args:
        version: With its leading `v`.

    Raises:
        RehearsalError: Pulumi has none for this system.
    """
    system, machine = _SYSTEMS.get(platform.system()), _MACHINES.get(platform.machine().lower())
    if not system or not machine:
        raise RehearsalError(
            f"Pulumi has no release for {platform.system()} on {platform.machine()}: "
            "use Linux or macOS, on x86-64 or arm64."
        )
    return f"pulumi-{version}-{system}-{machine}.tar.gz"


def _published_checksum(version: str, name: str, source: str) -> str:
    # The file has no `v` in its name, unlike the archives it lists.
    url = f"{source}/pulumi-{version.removeprefix('v')}-checksums.txt"
    try:
        with urllib.request.urlopen(url, timeout=_STALLED) as answer:  # noqa: S310 - SOURCE is https
            text: str = answer.read().decode()
    except (OSError, ValueError) as error:
        raise RehearsalError(f"Pulumi's checksums can't be fetched from {url}: {error}") from error
    # As sha256sum writes them: digest, blanks, name.
    for line in text.splitlines():
        digest, _, listed = line.partition(" ")
        if listed.lstrip(" *") == name:
            return digest.lower()
    raise RehearsalError(f"{url} has no checksum for {name}, so it was not used.")


def _fetch(url: str, target: Path, report: Report) -> str:
    digest = hashlib.sha256()
    try:
        with urllib.request.urlopen(url, timeout=_STALLED) as answer, target.open("wb") as file:  # noqa: S310 - as above
            total = int(answer.headers.get("Content-Length") or 0)
            done = 0
            while chunk := answer.read(_CHUNK):
                digest.update(chunk)
                file.write(chunk)
                done += len(chunk)
                report.detail(f"{done >> 20} of {total >> 20} MiB" if total else f"{done >> 20} MiB")
    except (OSError, ValueError) as error:
        raise RehearsalError(f"{url} can't be fetched: {error}") from error
    return digest.hexdigest()


def _answers(source: str) -> bool:
    try:
        urllib.request.urlopen(source, timeout=PROBE_PATIENCE).close()  # noqa: S310 - as above
    except urllib.error.HTTPError as error:
        # The host is there, even if it has no page at this address.
        error.close()
    except (OSError, ValueError):
        return False
    return True


def _notes() -> dict[str, object]:
    with suppress(OSError, ValueError):
        content = json.loads(_notes_file().read_text(encoding="utf-8"))
        return content if isinstance(content, dict) else {}
    return {}


def _note(source: str, *, reached: bool) -> None:
    host = urlsplit(source).netloc
    file = _notes_file()
    with explained(f"The cache {file.parent} can't be written"):
        file.parent.mkdir(parents=True, exist_ok=True)
        # Two checkouts that ask at the same time would each drop what the other found.
        with locked(file.with_name(f".{file.name}.lock")):
            notes = {key: value for key, value in _notes().items() if key != host}
            if not reached:
                notes[host] = time.time()
            write_json(file, notes)


def _notes_file() -> Path:
    return cache() / "out-of-reach.json"
