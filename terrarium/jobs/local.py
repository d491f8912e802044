"""`terrarium run --local`: the same image and command on this machine, by podman or docker."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from components.stores.files import MOUNT
from terrarium.client.connection import FILES
from terrarium.client.environment import READ_WRITE
from terrarium.errors import InvalidInput, Refused
from terrarium.inside import orders
from terrarium.inside.process import GRACE
from terrarium.jobs import judging
from terrarium.jobs.asking import Wish
from terrarium.jobs.manifest import USER, WORK, Spec, manifest, variables
from terrarium.jobs.place import Place
from terrarium.jobs.state import TIMED_OUT
from terrarium.jobs.submitting import Build, Say, built, image_of, looked_at, spec

ENGINES = ("podman", "docker")
_PATIENCE = 30  # seconds for an engine to say who it is


@dataclass(frozen=True)
class Ran:
    """A job that ran here.

    Args:
        name: Its name.
        image: The image.
        code: Its exit code: of an array, the first that was not 0.
    """

    name: str
    image: str
    code: int


def run(place: Place, wish: Wish, say: Say, build: Build = built, *, apart: bool = False) -> Ran:
    """Run a job here, one index after the other.

    Args:
        place: The environment whose data it works on, by this person's own right.
        wish: What is asked for.
        say: Takes sentences about what goes on.
        build: Makes the image.
        apart: Whether what it prints goes to stderr, all of it.

    Raises:
        Refused: If there is no engine, this person may not write to the store, or a rule forbids the image.
        InvalidInput: If something that was asked for is wrong, or means nothing here.
    """
    _meaningless(wish)
    engine = found_engine()
    name, found = looked_at(place, wish, here=True)
    with keys(place) as folder:
        image = image_of(place, wish, say, build)
        whole = spec(place, wish, found, image, name)
        # Here it has this person's keys: what admission refuses there must not run here instead.
        judging.judge(manifest(whole), place.tier, place.root)
        code = _all(engine, whole, folder, place.variables, apart=apart)
    return Ran(name, image, code)


def _all(engine: Sequence[str], whole: Spec, folder: Path | None, variables: Mapping[str, str], *, apart: bool) -> int:
    """Run each index until it succeeds or was repeated often enough; return the first exit code that is not 0."""
    run_id, code = secrets.token_hex(8), 0
    end = None if whole.timeout is None else time.monotonic() + whole.timeout
    for index in range(1 if whole.tasks is None else whole.tasks):
        for attempt in range(whole.retries + 1):
            called = f"terrarium-{secrets.token_hex(8)}"
            line = command(engine, whole, folder, called=called, run_id=run_id, index=index)
            ended = _ended(engine, line, called, variables, end, apart=apart)
            if ended == TIMED_OUT and end is not None and time.monotonic() >= end:
                # Of all of it, as in the cluster.
                return ended
            if ended == 0 or attempt == whole.retries:
                break
        code = code or ended
    return code


def command(
    engine: Sequence[str], whole: Spec, folder: Path | None, *, called: str, run_id: str, index: int
) -> list[str]:
    """Return the engine's command line for one index.

    Args:
        engine: As `found_engine` returns it.
        whole: The job.
        folder: Files of the store's identity; None without a store.
        called: The container's name.
        run_id: Id of this run.
        index: The index.
    """
    told = {
        **variables(whole),
        orders.JOB: whole.name,
        orders.RUN: run_id,
        orders.ATTEMPT: secrets.token_hex(8),
        orders.INDEX: str(index),
    }
    user = container_user()
    return [
        *engine,
        "run",
        "--rm",
        f"--name={called}",
        "--network=host",
        f"--user={user}:{user}",
        "--read-only",
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges",
        f"--workdir={WORK}",
        *(f"--tmpfs={path}:rw,mode=1777" for path in (WORK, "/tmp")),  # noqa: S108 - the container's own
        *(word for key, value in told.items() for word in ("--env", f"{key}={value}")),
        *((f"--volume={folder}:{MOUNT}:ro",) if folder else ()),
        whole.image,
        *whole.arguments,
    ]


def _ended(
    engine: Sequence[str],
    line: Sequence[str],
    called: str,
    variables: Mapping[str, str],
    end: float | None,
    *,
    apart: bool,
) -> int:
    """Run a container, and return its exit code; one that runs when the time is over is ended."""

    def stop() -> None:
        # It is waited for, as it keeps its log; but the first process of an image may be deaf to signals.
        process.terminate()
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            subprocess.run([*engine, "rm", "--force", called], env=dict(variables), capture_output=True, check=False)
            process.wait()

    with subprocess.Popen(line, env=dict(variables), stdout=sys.stderr if apart else None) as process:
        try:
            return process.wait(None if end is None else max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            stop()
            return TIMED_OUT
        except BaseException:
            stop()
            raise


def container_user() -> int:
    """Return who runs in the container: this person, or nobody where this person is root."""
    return os.getuid() or USER


def found_engine() -> list[str]:
    """Return the command of the engine that there is, with what it needs here.

    Raises:
        Refused: If there is none that runs.
    """
    said = []
    for name in ENGINES:
        path = shutil.which(name)
        if path is None:
            continue
        try:
            done = subprocess.run([path, "info"], capture_output=True, text=True, timeout=_PATIENCE, check=False)
        except subprocess.TimeoutExpired:
            said.append(f"{name} does not answer")
            continue
        if done.returncode == 0:
            return [path]
        said.append(
            f"{name} is there, and does not run ({(done.stderr.strip().splitlines() or ['no reason given'])[-1]})"
        )
    what = f"{' and '.join(said)}; " if said else ""
    raise Refused(
        f"{what}--local needs podman or docker that runs: install podman (`apt install podman`, `dnf install podman`, "
        "`brew install podman`), or leave --local out to run in the environment"
    )


@contextmanager
def keys(place: Place) -> Iterator[Path | None]:
    """Give a folder with the files of this person's own identity for as long as it is needed; None without a store.

    Args:
        place: The environment.

    Raises:
        Refused: If this person may not write: what a job leaves goes to the store.
    """
    if not place.descriptor.get("store"):
        yield None
        return
    files, _ = place.source.files(place.bucket, READ_WRITE)
    if place.store is None or place.store.connection.identity == "ro":
        raise Refused(
            f"a job leaves its log and outputs in the store of {place.environment}, and you may only read it there: "
            "ask for a right to write, or run where you have one"
        )
    with tempfile.TemporaryDirectory(prefix="terrarium-store-") as home:
        folder = Path(home, "store")
        folder.mkdir(mode=0o700)
        for name in FILES:
            if name in files:
                (folder / name).write_text(files[name], encoding="utf-8")
                (folder / name).chmod(0o400)
        if os.getuid() == 0:
            Path(home).chmod(0o711)
            for path in (folder, *folder.iterdir()):
                os.chown(path, USER, USER)
        yield folder


def _meaningless(wish: Wish) -> None:
    problems = []
    if wish.schedule:
        problems.append("--schedule and --local exclude each other: this machine may be off when it is time")
    if wish.needs.pool or wish.needs.spot is not None or wish.needs.gpu:
        problems.append("--needs gpu, pool and spot are about the environment's machines; leave them out with --local")
    if problems:
        raise InvalidInput("\n".join(problems), problems=problems)
