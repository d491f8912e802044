"""The engine, through the Automation API: every failure of it becomes a message for people."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeVar

from pulumi import automation
from pulumi.automation._stack import StackInitMode  # in no public module, although Stack() asks for it

from terrarium import fleet, recovery
from terrarium.advice import advice
from terrarium.errors import EngineFailed, Refused
from terrarium.plan import Watch
from terrarium.site import Site, engine_root

Say = Callable[[str], None]
T = TypeVar("T")

# How a secret value looks in an exported state (pulumi/pulumi, sdk/go/common/resource/properties.go).
_SECRET_SIGNATURE = "4dabf18193072939515e22adb298388d"  # noqa: S105 - public, the mark of a secret and not one
_KILLED = -9


class _Workspace(automation.LocalWorkspace):
    """A workspace that selects no stack: each call names its own, and which one a person has selected is theirs."""

    def select_stack(self, stack_name: str) -> None:
        """Do nothing, where the Automation API would run the engine once more."""


class _Stack(automation.Stack):
    """A stack that is not asked for outputs and history after each operation.

    Nobody here reads these answers: the exported state has the outputs. They are three runs of the engine, which took
    1.3 s of processor time for each `up`.
    """

    def outputs(self) -> automation.OutputMap:
        """Return nothing."""
        return {}

    def info(self, show_secrets: bool | None = None) -> automation.UpdateSummary:  # noqa: ARG002 - the API's name
        """Return that the operation ended well; one that did not has raised."""
        now = datetime.now(UTC)
        return automation.UpdateSummary("update", now, "", {}, {}, "succeeded", now)


class Engine:
    """One stack of one state backend.

    Args:
        stack: The stack's name.
        site: Where it is worked on.
        say: Takes a sentence on what goes on, for people.

    Raises:
        EngineFailed: If there is no engine.
    """

    def __init__(self, stack: str, site: Site, say: Say) -> None:
        self.stack = stack
        self.site = site
        self._say = say
        self.config_file = fleet.config_file(site.root, stack)
        recovery.mend_file_backend(site.backend)
        with explained():
            self._workspace = _Workspace(
                work_dir=str(site.root), env_vars=dict(site.variables), pulumi_command=_command(engine_root(site.root))
            )
        # Whether the backend holds the stack; None before it is asked.
        self._exists: bool | None = None

    def stacks(self) -> list[str]:
        """Return the names of all stacks in the backend."""
        with explained():
            return [summary.name for summary in self._workspace.list_stacks()]

    def exists(self) -> bool:
        """Tell whether the backend holds the stack."""
        if self._exists is None:
            self.state()
        return bool(self._exists)

    def open(self) -> automation.Stack:
        """Return the stack, made in the backend if it is not there."""
        if not self.exists():
            with explained():
                self._workspace.create_stack(self.stack)
            self._exists = True
            fleet.keep_one_file(self.site.root, self.stack, self.config_file)
        return _Stack(self.stack, self._workspace, StackInitMode.SELECT)

    def state(self) -> Mapping[str, Any]:
        """Return the exported state; empty if the stack was never brought up. Secrets stay encrypted in it."""
        try:
            # Not by the Automation API, which has every secret decrypted: nobody here reads one.
            exported = json.loads(self.run("stack", "export", "--stack", self.stack))
        except automation.StackNotFoundError:
            self._exists = False
            return {}
        self._exists = True
        state: Mapping[str, Any] = exported.get("deployment") or {}
        return state

    def replace_state(self, state: Mapping[str, Any]) -> None:
        """Put an edited state in the place of the present one.

        Raises:
            EngineFailed: If the engine finds it inconsistent.
        """
        stack = self.open()
        with explained():
            version = json.loads(self.run("stack", "export", "--stack", self.stack))["version"]
            stack.import_stack(automation.Deployment(version=version, deployment=dict(state)))

    def run(self, *arguments: str) -> str:
        """Run a command of the engine that the Automation API has no call for, and return what it prints.

        Raises:
            EngineFailed: If it fails.
        """
        variables = dict(self._workspace.env_vars)
        with explained():
            result = self._workspace.pulumi_command.run(list(arguments), str(self.site.root), variables)
        return result.stdout

    def operate(self, operation: Callable[[], T], watch: Watch | None = None) -> T:
        """Run an operation that locks the stack; a lock whose process is dead on this host is cleared first.

        Args:
            operation: The call of the Automation API.
            watch: Has seen the operation's events; its diagnostics explain a failure.

        Raises:
            Refused: If somebody works on the stack: says who.
            EngineFailed: If the operation fails.
        """
        try:
            with explained(watch):
                return operation()
        except automation.ConcurrentUpdateError as error:
            held = recovery.locks(str(error))
        left = recovery.clear_dead(self.site.backend, held)
        if left or not held:
            holders = ", ".join(map(str, left)) or "another update"
            raise Refused(
                f"stack {self.stack} is being worked on by {holders}. Wait for it to end; if you are sure that it is "
                f"gone: pulumi cancel {self.stack}",
                holders=[str(lock) for lock in left],
            )
        self._say(f"cleared the lock of an engine that is gone: {', '.join(map(str, held))}")
        with explained(watch):
            return operation()


def outputs(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the outputs in an exported state, secret ones left out."""
    for resource in state.get("resources") or ():
        if resource["type"] == "pulumi:pulumi:Stack":
            found = resource.get("outputs") or {}
            return {key: value for key, value in found.items() if not _holds_secret(value)}
    return {}


def _holds_secret(value: Any) -> bool:
    if isinstance(value, Mapping):
        return _SECRET_SIGNATURE in value or any(map(_holds_secret, value.values()))
    return isinstance(value, list) and any(map(_holds_secret, value))


@contextmanager
def explained(watch: Watch | None = None) -> Iterator[None]:
    """Turn the engine's failure into a message for people: its own diagnostics, no trace, no command line.

    Args:
        watch: Has seen the operation's events.

    Raises:
        EngineFailed: Instead of the Automation API's error. A missing stack and a held lock pass through: they are
            answers, not failures.
    """
    try:
        yield
    except (automation.ConcurrentUpdateError, automation.StackNotFoundError):
        raise
    except automation.CommandError as error:
        found = list(watch.errors()) if watch else []
        raise EngineFailed(_readable(found, str(error)), errors=[{"urn": u, "message": m} for u, m in found]) from None


def _readable(found: list[tuple[str | None, str]], raw: str) -> str:
    if found:
        said = "\n".join(f"{urn.rsplit('::', 1)[-1]}: {message}" if urn else message for urn, message in found)
        return "\n".join([said, *advice(said)])
    if f"code: {_KILLED}" in raw:
        return "the engine was killed; run the same command again, it goes on where this one ended"
    stderr = raw.partition("stderr:")[2].strip()
    return stderr.removeprefix("error: ") or "the engine ended without saying why; run it again with PULUMI_DEBUG=1"


@cache
def _command(root: str | None) -> automation.PulumiCommand:
    try:
        return automation.PulumiCommand(root=root)
    except FileNotFoundError:
        raise EngineFailed(
            "the Pulumi engine is not installed: `make up` provides it, or see pulumi.com/docs/install"
        ) from None
    except automation.InvalidVersionError as error:
        raise EngineFailed(f"the Pulumi engine on PATH is too old: {error}. `make up` provides the right one") from None
