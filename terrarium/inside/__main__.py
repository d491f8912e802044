"""`python -m terrarium.inside -- COMMAND ...`: the entry point of every image that `terrarium` builds."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from terrarium.errors import CommandFailed
from terrarium.inside import orders as told
from terrarium.inside import outputs, publishing
from terrarium.inside.layout import METRICS
from terrarium.inside.orders import Orders
from terrarium.inside.process import Runner, Stopped

if TYPE_CHECKING:
    from terrarium.client.store import Store

FAILED = 125
"""Exit code when not the command failed but what stands around it; as `docker run` and `timeout` say it."""
NOT_FOUND = 127
"""Exit code when the command can't be started, as shells say it."""


def main(arguments: Sequence[str]) -> int:
    """Run a command, with what a job has around it if this is one, and return its exit code.

    Args:
        arguments: `--`, then the command.
    """
    words = list(arguments[1:] if arguments[:1] == ["--"] else arguments)
    if not words:
        sys.stderr.write("terrarium: no command: `python -m terrarium.inside -- COMMAND ...`\n")
        return FAILED
    try:
        orders = told.read()
    except ValueError as error:
        sys.stderr.write(f"terrarium: {error}\n")
        return FAILED
    if orders is None:
        # Somebody runs the image by hand: then nothing stands between.
        try:
            os.execvp(words[0], words)  # noqa: S606 - it is what was asked for
        except OSError as error:
            sys.stderr.write(f"terrarium: {words[0]} can't be started: {error.strerror}\n")
            return NOT_FOUND
    with tempfile.TemporaryDirectory(prefix=".terrarium-") as home:
        log = Path(home, "log.txt")
        with log.open("wb", buffering=0) as file:
            runner = Runner(file)
            try:
                return _job(orders, words, runner, log)
            except Stopped as stopped:
                return stopped.code
            except OSError as error:
                runner.say(error.strerror or str(error))
            except CommandFailed as error:
                runner.say(str(error))
            return FAILED


def _job(orders: Orders, words: Sequence[str], runner: Runner, log: Path) -> int:
    started, folder, store = datetime.now(UTC), Path.cwd(), _store()
    if store is None:
        if orders.inputs:
            runner.say("no store is mounted, and inputs were declared")
            return FAILED
        return _run(orders, words, runner, folder)
    from terrarium.inside.shelf import StoreShelf  # noqa: PLC0415 - obstore, which nothing needs without a store
    from terrarium.inside.staging import stage  # noqa: PLC0415 - as above

    shelf = StoreShelf(store)
    try:
        earlier = publishing.published(shelf, orders)
    except publishing.ForeignResults:
        runner.say(f"the store holds results of another job called {orders.job}: take another name")
        return FAILED
    if earlier is not None:
        # Its machine died after the results were kept, and before Kubernetes knew of it.
        runner.say(f"index {orders.index} was done by an earlier attempt; nothing is repeated")
        return 0
    stage(orders.inputs, lambda kind: StoreShelf(store, kind), folder)
    before = outputs.snapshot(folder)
    code = _run(orders, words, runner, folder)
    found, missing = _outputs(orders, folder, before)
    if missing and code == 0:
        runner.say(f"the command ended well and left no {', '.join(missing)}, which was declared as output")
        code = FAILED
    how = publishing.Ended(code, started.isoformat(), datetime.now(UTC).isoformat())
    if not publishing.publish(shelf, orders, how, log, found) and code == 0:
        runner.say(f"another attempt at index {orders.index} was first; its results count, and not these")
    return code


def _run(orders: Orders, words: Sequence[str], runner: Runner, folder: Path) -> int:
    command = orders.command(words)
    try:
        return runner.run(command, folder)
    except (FileNotFoundError, PermissionError) as error:
        runner.say(f"{command[0]} can't be started: {error.strerror}")
        return NOT_FOUND


def _outputs(orders: Orders, folder: Path, before: outputs.Snapshot) -> tuple[list[outputs.Output], list[str]]:
    if not orders.outputs:
        return outputs.new(folder, before), []
    found, missing = outputs.declared(folder, orders.outputs)
    # What it measured is asked for by everybody who looks at the job.
    metrics = [one for one in outputs.new(folder, before) if one.path == METRICS]
    return [*found, *(one for one in metrics if one.path not in {other.path for other in found})], missing


def _store() -> Store | None:
    from components.stores.files import MOUNT  # noqa: PLC0415 - with a job alone
    from terrarium.client.environment import FOLDER_VARIABLE, connect  # noqa: PLC0415 - as above

    if not Path(os.environ.get(FOLDER_VARIABLE) or MOUNT).is_dir():
        return None
    return connect().store


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
