"""`terrarium run` and `terrarium jobs`: a script as a job of an environment, and what became of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from terrarium.client.environment import locate
from terrarium.client.faults import as_command
from terrarium.errors import InvalidInput
from terrarium.interruption import Interrupted
from terrarium.screen import Screen
from terrarium.sizes import size

if TYPE_CHECKING:
    from terrarium.jobs.asking import Wish
    from terrarium.jobs.handle import Job
    from terrarium.jobs.place import Place

app = typer.Typer(help="Jobs of an environment: list, read the log, take the results, cancel.", no_args_is_help=True)

Env = Annotated[str, typer.Option("--env", "-e", help="A stack's name or an environment's id.")]
Bucket = Annotated[str | None, typer.Option("--bucket", "-b", help="One bucket of the environment, by its own rights.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Root = Annotated[
    Path | None, typer.Option("--root", help="The project's checkout; by default the one around this folder.")
]
Context = Annotated[
    str | None, typer.Option("--context", help="Outside a checkout: the kubeconfig context of the cluster.")
]
Name = Annotated[str, typer.Argument(help="The job's name.")]


def run(
    source: Annotated[
        str | None,
        typer.Argument(help="A script, a package's folder, or either at a git commit: REV:PATH.", show_default=False),
    ] = None,
    arguments: Annotated[
        list[str] | None, typer.Argument(help="After --: what it is given. {index} is the array's index.")
    ] = None,
    *,
    env: Env,
    needs: Annotated[str, typer.Option(help="As cpu=4,memory=64Gi,gpu=1,spot=false,pool=training,priority=high.")] = "",
    array: Annotated[str | None, typer.Option(help="How often: 0-19, or 0-999%50 for 50 at a time at most.")] = None,
    input_: Annotated[
        list[str] | None, typer.Option("--input", help="KIND:KEY[:PATH], a file when it begins; KEY/ for a folder.")
    ] = None,
    output: Annotated[
        list[str] | None, typer.Option(help="A path to keep; by default whatever is new in the working folder.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="What to call it; by default as the script.")] = None,
    retries: Annotated[int, typer.Option(help="How often to repeat what fails; a machine that dies is none.")] = 0,
    timeout: Annotated[str | None, typer.Option(help="How long it may run, as 90m.")] = None,
    schedule: Annotated[str | None, typer.Option(help="When to run it again, as '0 6 * * 1-5', in UTC.")] = None,
    image: Annotated[
        str | None, typer.Option(help="An image that has its command, by digest, instead of SOURCE.")
    ] = None,
    requirements: Annotated[
        Path | None,
        typer.Option(help="A requirements file or pylock.toml, instead of what SOURCE declares or has beside it."),
    ] = None,
    bucket: Bucket = None,
    local: Annotated[bool, typer.Option("--local", help="On this machine, by podman or docker.")] = False,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return at once; the job goes on.")] = False,
    root: Root = None,
    context: Context = None,
    as_json: AsJson = False,
) -> None:
    """Run a script as it is, on workers that fit, and end with its exit code."""
    from terrarium.jobs.asking import asked  # noqa: PLC0415 - `--help` needs none of it

    if image is not None and source is not None:
        # Only what stands behind `--` is left for the image's command.
        arguments, source = [source, *(arguments or [])], None
    wish = asked(
        source,
        arguments or (),
        image=image,
        needs=needs,
        array=array,
        inputs=input_ or (),
        outputs=output or (),
        name=name,
        retries=retries,
        timeout=timeout,
        schedule=schedule,
        bucket=bucket,
        requirements=requirements,
    )
    screen = Screen(as_json=as_json)
    with _place(env, bucket, root, context) as place:
        if local:
            _here(screen, place, wish)
        else:
            _there(screen, place, wish, detach=detach)


def _here(screen: Screen, place: Place, wish: Wish) -> None:
    from terrarium.jobs import local  # noqa: PLC0415 - see run

    ran = local.run(place, wish, screen.say, apart=screen.as_json)
    _end(screen, place, ran.name, ran.code, {"image": ran.image, "local": True})


def _there(screen: Screen, place: Place, wish: Wish, *, detach: bool) -> None:
    from terrarium.jobs.handle import Job, printed  # noqa: PLC0415 - see run
    from terrarium.jobs.submitting import prepared  # noqa: PLC0415 - see run

    manifest, made = prepared(place, wish, screen.say)
    where = f" on pool {made.pool}" if made.pool else ""
    queue = f", through queue {made.queue}" if made.queue else ""
    document = {"job": made.name, "image": made.image, "pool": made.pool, "queue": made.queue}
    if made.kind == "CronJob":
        place.workloads.create(manifest)
        screen.result(
            {**document, "schedule": wish.schedule, "kind": "schedule"},
            title=f"{made.name} runs at `{wish.schedule}` (UTC){where}; `terrarium jobs cancel {made.name} -e "
            f"{place.environment}` ends that",
        )
        return
    job = Job(place, made.name)
    if detach:
        place.workloads.create(manifest)
        screen.result(
            {**document, "kind": "job"},
            title=f"{made.name} goes on; `terrarium jobs logs {made.name} -e {place.environment} --follow` shows it",
        )
        return
    try:
        place.workloads.create(manifest)
        screen.say(f"job {made.name} in {place.environment}{where}{queue}")
        code = job.wait(_to_stderr if screen.as_json else printed, screen.say)
    except Interrupted:
        _interrupted(screen, place, job)
        raise
    _end(screen, place, made.name, code, document)


def _end(screen: Screen, place: Place, name: str, code: int, document: dict[str, Any]) -> None:
    """Say how a job ended, and end with its exit code."""
    kept = f"results:jobs/{name}/" if place.descriptor.get("store") else None
    if screen.as_json:
        screen.result({**document, "job": name, "exit": code, "results": kept})
    else:
        show, what = ("results", "what it left") if code == 0 else ("logs", "its log again")
        hint = f"; `terrarium jobs {show} {name} -e {place.environment}` shows {what}" if kept else ""
        screen.say(f"job {name} ended with {code}{hint}")
    raise typer.Exit(code)


def _to_stderr(index: int | None, line: bytes) -> None:
    """Show a line of the log where the one JSON document is not."""
    sys.stderr.write(("" if index is None else f"[{index}] ") + line.decode("utf-8", "replace"))


def _interrupted(screen: Screen, place: Place, job: Job) -> None:
    """Ask what becomes of the job; where nobody can answer, nobody is left who wants it."""
    hint = f"`terrarium jobs cancel {job.name} -e {place.environment}` ends it"
    if sys.stdin.isatty():
        try:
            keep = not typer.confirm(f"\nCancel job {job.name}? Else it goes on without you", err=True)
        except (Interrupted, typer.Abort):
            keep = True
        if keep:
            screen.say(f"job {job.name} goes on; {hint}")
            return
    # It may not have been made yet, or be over.
    with suppress(InvalidInput):
        if job.cancel() == "ended":
            screen.say(f"job {job.name} has ended")
            return
    screen.say(f"job {job.name} is cancelled")


@app.command("list")
def list_(
    *, env: Env, bucket: Bucket = None, root: Root = None, context: Context = None, as_json: AsJson = False
) -> None:
    """List the jobs and schedules that the environment has now, and why those wait that do."""
    from terrarium.jobs.listing import listed  # noqa: PLC0415 - `--help` needs none of it

    screen = Screen(as_json=as_json)
    with _place(env, bucket, root, context) as place:
        rows = listed(place)
    screen.result({"jobs": rows})
    if not as_json:
        screen.table(
            [(r["job"], r["state"], r["progress"], r["since"], r["why"]) for r in rows],
            ("job", "state", "done", "since", ""),
        )


@app.command()
def logs(
    name: Name,
    *,
    env: Env,
    index: Annotated[int | None, typer.Option(help="Of this index of an array alone.")] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the job ends, with its exit code.")
    ] = False,
    bucket: Bucket = None,
    root: Root = None,
    context: Context = None,
) -> None:
    """Print a job's log: from its pods while these have one, else what was kept in the store."""
    from terrarium.jobs.handle import Job, printed  # noqa: PLC0415 - `--help` needs none of it

    if follow and index is not None:
        raise InvalidInput("--follow shows all indexes; leave --index out")
    screen = Screen()
    with _place(env, bucket, root, context) as place:
        job = Job(place, name)
        if follow and place.workloads.job(name):
            raise typer.Exit(job.wait(printed, screen.say))
        job.print(printed, index=index)
        if follow:
            raise typer.Exit(job.kept_code)


@app.command()
def results(
    name: Name,
    *,
    env: Env,
    to: Annotated[
        Path | None, typer.Option("--to", help="Write the outputs below this folder, each index apart.")
    ] = None,
    bucket: Bucket = None,
    root: Root = None,
    context: Context = None,
    as_json: AsJson = False,
) -> None:
    """Show what a job left in the store, and bring it here."""
    from terrarium.jobs.handle import Job  # noqa: PLC0415 - `--help` needs none of it

    screen = Screen(as_json=as_json)
    with _place(env, bucket, root, context) as place:
        job = Job(place, name)
        found = job.results
        if not found:
            raise InvalidInput(job.nothing)
        if to is not None:
            for one in found:
                one.fetch(to / str(one.index) if len(found) > 1 else to)
    document = [
        {
            "index": one.index,
            "metrics": one.metrics,
            "files": {
                path: {"key": file.key, "size": file.size, "sha256": file.sha256} for path, file in one.files.items()
            },
        }
        for one in found
    ]
    screen.result({"job": name, "results": document})
    if not as_json:
        rows = [
            (str(one.index), path, size(file.size), f"results:{file.key}")
            for one in found
            for path, file in one.files.items()
        ]
        screen.table(rows, ("index", "file", "size", "where"))
        measured = [(str(one.index), json.dumps(one.metrics, sort_keys=True)) for one in found if one.metrics]
        if measured:
            screen.table(measured, ("index", "metrics"))


@app.command()
def cancel(
    name: Name,
    *,
    env: Env,
    bucket: Bucket = None,
    root: Root = None,
    context: Context = None,
    as_json: AsJson = False,
) -> None:
    """End a job, or a schedule. What it left stays in the store."""
    from terrarium.jobs.handle import Job  # noqa: PLC0415 - `--help` needs none of it

    screen = Screen(as_json=as_json)
    with _place(env, bucket, root, context) as place:
        kind = Job(place, name).cancel()
    if kind == "ended":
        screen.result(
            {"cancelled": None, "kind": kind}, title=f"job {name} has ended already; there is nothing to cancel"
        )
        return
    screen.result({"cancelled": name, "kind": kind}, title=f"{kind} {name} is cancelled")


@contextmanager
def _place(env: str, bucket: str | None, root: Path | None, context: str | None) -> Iterator[Place]:
    """Give where jobs are, and turn what goes wrong at the store into the command's ending."""
    from terrarium.jobs.place import Place as Found  # noqa: PLC0415 - `--help` needs none of it

    with as_command():
        yield Found(locate(env, context, root), bucket)
