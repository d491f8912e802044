"""The wrapper as a process of its own: the command is unchanged, its exit code too, and its store is a real one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from terrarium.client.environment import Environment
from terrarium.client.sources import Folder
from terrarium.images.contents import client_files
from terrarium.inside import orders
from terrarium.inside.orders import Input
from terrarium.inside.shelf import StoreShelf
from terrarium.jobs.kept import Kept
from tests.support.waiting import until

PATIENCE = 60
_TRAIN = """
import json, sys
numbers = [int(line) for line in open(sys.argv[1])]
json.dump({"mean": sum(numbers) / len(numbers)}, open("metrics.json", "w"))
open("model.txt", "w").write("model of " + sys.argv[2])
print("trained")
print("and warned", file=sys.stderr)
"""


_STARTED: list[subprocess.Popen[bytes]] = []


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    """End what a test started, and close its pipes."""
    yield
    while _STARTED:
        with _STARTED.pop() as process:
            process.kill()


@pytest.fixture
def env(folders: Mapping[str, Path]) -> Iterator[Environment]:
    with Environment(Folder(folders["rw"])) as opened:
        yield opened


def start(
    work: Path,
    *words: str,
    job: str | None = None,
    store: Path | None = None,
    index: int | None = None,
    inputs: tuple[Input, ...] = (),
    outputs: tuple[str, ...] = (),
    run: str = "run",
) -> subprocess.Popen[bytes]:
    work.mkdir(exist_ok=True, parents=True)
    told = {"TERRARIUM_STORE": str(store or work / "no-store")}
    if job:
        plan = orders.written(array=index is not None, inputs=inputs, outputs=outputs)
        told |= {orders.JOB: job, orders.RUN: run, orders.ATTEMPT: os.urandom(4).hex(), orders.PLAN: plan}
        told |= {} if index is None else {orders.INDEX: str(index)}
    process = subprocess.Popen(
        [sys.executable, "-m", "terrarium.inside", "--", *words],
        cwd=work,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **told},
    )
    _STARTED.append(process)
    return process


def ran(work: Path, *words: str, **more: object) -> tuple[int, str, str]:
    process = start(work, *words, **more)  # type: ignore[arg-type]  # passed on as they are
    out, err = process.communicate(timeout=PATIENCE)
    return process.returncode, out.decode(), err.decode()


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


def test_an_image_that_is_started_by_hand_runs_its_command_alone(tmp_path: Path) -> None:
    assert ran(tmp_path, *python("import sys; print('x'); sys.exit(7)")) == (7, "x\n", "")


def test_a_command_that_is_not_there(tmp_path: Path) -> None:
    assert ran(tmp_path, "no-such-program")[0] == 127
    code, _, err = ran(tmp_path, "no-such-program", job="j")
    assert (code, "can't be started" in err) == (127, True)


def test_no_command_is_said(tmp_path: Path) -> None:
    assert ran(tmp_path)[0] == 125


@pytest.mark.parametrize("code", [0, 1, 7, 255])
def test_the_exit_code_is_kept(tmp_path: Path, code: int) -> None:
    assert ran(tmp_path, *python(f"import sys; sys.exit({code})"), job="j")[0] == code


def test_both_streams_go_where_they_went(tmp_path: Path) -> None:
    code, out, err = ran(tmp_path, *python("import sys; print('out'); print('err', file=sys.stderr)"), job="j")
    assert (code, out, err) == (0, "out\n", "err\n")


def test_what_is_printed_is_seen_at_once(tmp_path: Path) -> None:
    process = start(tmp_path, *python("import time; print('first'); time.sleep(60)"), job="j")
    assert process.stdout is not None
    assert process.stdout.readline() == b"first\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 143


def test_orders_that_can_t_be_read_are_said(tmp_path: Path) -> None:
    told = {**os.environ, orders.JOB: "j", orders.PLAN: "{"}
    command = [sys.executable, "-m", "terrarium.inside", "--", "true"]
    done = subprocess.run(command, env=told, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 125
    assert orders.PLAN in done.stderr


def test_an_unchanged_script_trains_on_the_store_and_leaves_its_results_there(
    tmp_path: Path, env: Environment, folders: Mapping[str, Path]
) -> None:
    env.store.datasets.pipe("numbers.csv", b"1\n2\n6\n")
    script = tmp_path / "train.py"
    script.write_text(_TRAIN)
    wanted = (Input("datasets", "numbers.csv", folder=False, path="data/numbers.csv"),)
    code, out, err = ran(
        tmp_path / "work",
        *(sys.executable, str(script), "data/numbers.csv", "me"),
        job="train-one",
        store=folders["rw"],
        inputs=wanted,
    )
    assert (code, out, err) == (0, "trained\n", "and warned\n")
    [record] = Kept(StoreShelf(env.store), "train-one").results()
    assert {file.path for file in record.files} == {"metrics.json", "model.txt"}
    assert record.metrics == {"mean": 3.0}
    kept = Kept(StoreShelf(env.store), "train-one")
    assert sorted(kept.log(record).decode().splitlines()) == ["and warned", "trained"]
    kept.fetch(record, tmp_path / "here")
    assert (tmp_path / "here" / "model.txt").read_text() == "model of me"


def test_each_index_has_its_own_results(tmp_path: Path, env: Environment, folders: Mapping[str, Path]) -> None:
    code = "import os, sys; open('x', 'w').write(sys.argv[1] + os.environ['JOB_COMPLETION_INDEX'])"
    for index in range(3):
        words = (*python(code), "seed-{index}-")
        assert ran(tmp_path / str(index), *words, job="array", store=folders["rw"], index=index)[0] == 0
    kept = Kept(StoreShelf(env.store), "array")
    assert [record.index for record in kept.results()] == [0, 1, 2]
    kept.fetch(kept.results()[2], tmp_path / "here")
    assert (tmp_path / "here" / "x").read_text() == "seed-2-2"


def test_an_index_that_was_done_is_not_repeated(tmp_path: Path, folders: Mapping[str, Path]) -> None:
    marked = tmp_path / "ran"
    words = python(f"open({str(marked)!r}, 'a').write('x')")
    for number in range(3):
        code, _, err = ran(tmp_path / str(number), *words, job="again", store=folders["rw"])
        assert code == 0
        assert ("nothing is repeated" in err) == (number > 0)
    assert marked.read_text() == "x"


def test_another_job_of_the_same_name_is_refused(tmp_path: Path, folders: Mapping[str, Path]) -> None:
    ran(tmp_path, "true", job="twice", store=folders["rw"])
    code, _, err = ran(tmp_path, "true", job="twice", store=folders["rw"], run="other")
    assert code == 125
    assert "take another name" in err


def test_a_failed_attempt_leaves_its_log_and_no_results(
    tmp_path: Path, env: Environment, folders: Mapping[str, Path]
) -> None:
    code = "import sys; open('part', 'w').write('x'); sys.exit('it broke')"
    assert ran(tmp_path / "a", *python(code), job="broken", store=folders["rw"])[0] == 1
    kept = Kept(StoreShelf(env.store), "broken")
    assert kept.results() == []
    last = kept.last(0)
    assert last is not None
    assert (last.code, kept.log(last)) == (1, b"it broke\n")
    assert ran(tmp_path / "b", "true", job="broken", store=folders["rw"])[0] == 0
    assert [record.files for record in kept.results()] == [()]


def test_a_declared_output_that_is_missing_is_a_failure(tmp_path: Path, folders: Mapping[str, Path]) -> None:
    code, _, err = ran(tmp_path, "true", job="missing", store=folders["rw"], outputs=("model.pkl",))
    assert code == 125
    assert "left no model.pkl" in err


def test_declared_outputs_are_kept_alone_and_metrics_with_them(
    tmp_path: Path, env: Environment, folders: Mapping[str, Path]
) -> None:
    code = "[open(n, 'w').write('{}') for n in ('a', 'b', 'metrics.json')]"
    assert ran(tmp_path, *python(code), job="declared", store=folders["rw"], outputs=("a",))[0] == 0
    [record] = Kept(StoreShelf(env.store), "declared").results()
    assert {file.path for file in record.files} == {"a", "metrics.json"}


def test_an_input_that_is_missing_ends_it_before_the_command(tmp_path: Path, folders: Mapping[str, Path]) -> None:
    wanted = (Input("datasets", "not/there.csv", folder=False, path="x"),)
    code, out, err = ran(tmp_path, *python("print('ran')"), job="lacking", store=folders["rw"], inputs=wanted)
    assert (code, out) == (125, "")
    assert "datasets:not/there.csv does not exist" in err


def test_a_right_to_read_alone_is_said(tmp_path: Path, folders: Mapping[str, Path]) -> None:
    code, _, err = ran(tmp_path, "true", job="reader", store=folders["ro"])
    assert code == 125
    assert "may not do this" in err


def test_a_bucket_s_job_stays_in_its_bucket(tmp_path: Path, env: Environment, folders: Mapping[str, Path]) -> None:
    assert ran(tmp_path, *python("open('x', 'w')"), job="mine", store=folders["bucket-alice"])[0] == 0
    assert Kept(StoreShelf(env.store), "mine").results() == []
    assert env.store.results.find("buckets/alice/jobs/mine/0/done.json")


def test_who_is_asked_to_end_ends_and_leaves_a_log(
    tmp_path: Path, env: Environment, folders: Mapping[str, Path]
) -> None:
    process = start(tmp_path, *python("import time; print('going'); time.sleep(60)"), job="ended", store=folders["rw"])
    assert process.stdout is not None
    assert process.stdout.readline() == b"going\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 143
    last = Kept(StoreShelf(env.store), "ended").last(0)
    assert last is not None
    assert last.code == 143
    assert Kept(StoreShelf(env.store), "ended").log(last) == b"going\n"


def test_a_killed_attempt_leaves_nothing_that_counts(
    tmp_path: Path, env: Environment, folders: Mapping[str, Path]
) -> None:
    big = "open('x', 'wb').write(b'x' * 50_000_000); print('written')"
    shelf = StoreShelf(env.store)
    for delay in (0.0, 0.05, 0.2):
        process = start(tmp_path / str(delay), *python(big), job="killed", store=folders["rw"])
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(delay)
        process.kill()
        process.wait(PATIENCE)
        results = Kept(shelf, "killed").results()
        assert [file.size for record in results for file in record.files] in ([], [50_000_000])
    assert ran(tmp_path / "last", *python(big), job="killed", store=folders["rw"])[0] == 0
    [record] = Kept(shelf, "killed").results()
    assert [file.size for file in record.files] == [50_000_000]


def test_signals_reach_the_command(tmp_path: Path) -> None:
    code = "import signal, time; signal.signal(signal.SIGUSR1, lambda *_: print('heard')); print('on'); time.sleep(60)"
    process = start(tmp_path, *python(code), job="j")
    assert process.stdout is not None
    assert process.stdout.readline() == b"on\n"
    process.send_signal(signal.SIGUSR1)
    assert process.stdout.readline() == b"heard\n"
    process.terminate()
    until(lambda: process.poll() is not None)


def test_a_child_that_outlives_the_command_holds_nothing_up(tmp_path: Path) -> None:
    begin = time.monotonic()
    assert ran(tmp_path, "sh", "-c", "sleep 20 >/dev/null 2>&1 & exit 3", job="j")[0] == 3
    assert time.monotonic() - begin < 15


def test_it_begins_fast(tmp_path: Path) -> None:
    """What stands around a command costs less than half a second, without the store; boto3 alone costs as much."""
    code = "import sys, terrarium.inside.__main__; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", f"import json; {code}"], capture_output=True, text=True, timeout=PATIENCE, check=True
    )
    loaded = set(json.loads(done.stdout))
    assert not loaded & {"pydantic", "yaml", "boto3", "kubernetes", "fsspec", "obstore", "typer", "rich", "psycopg"}


def test_it_imports_what_every_image_has(tmp_path: Path, folders: Mapping[str, Path]) -> None:
    """Beside what stands in `contents.py`, nothing of ours is in a pod."""
    listing = tmp_path / "loaded"
    script = tmp_path / "wrapped.py"
    script.write_text(
        "import atexit, json, sys\n"
        f"save = lambda: open({str(listing)!r}, 'w').write(json.dumps(sorted(sys.modules)))\n"
        "atexit.register(save)\n"
        "from terrarium.inside.__main__ import main\n"
        "sys.exit(main(['--', sys.executable, '-c', \"open('x', 'w')\"]))\n"
    )
    told = {orders.JOB: "lean", orders.RUN: "r", orders.ATTEMPT: "a", "TERRARIUM_STORE": str(folders["rw"])}
    plan = orders.written(array=False, inputs=(), outputs=())
    work = tmp_path / "work"
    work.mkdir()
    variables = {**os.environ, **told, orders.PLAN: plan}
    subprocess.run([sys.executable, script], cwd=work, env=variables, timeout=PATIENCE, check=True)
    ours = {name for name in json.loads(listing.read_text()) if name.partition(".")[0] in {"terrarium", "components"}}
    held = {name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in client_files()}
    assert ours - held == set()
    assert {"terrarium.inside.publishing", "terrarium.client.store"} <= ours
