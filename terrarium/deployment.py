"""One stack, worked on through the Automation API: recover, guard, preview, up, destroy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pulumi import automation

from components.settings.declaration import Declaration
from components.tiers import Tier
from terrarium import guard, recovery
from terrarium.cluster import Cluster
from terrarium.errors import EngineFailed, Refused
from terrarium.plan import Watch
from terrarium.site import Site, engine_root

Say = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """What an operation did.

    Args:
        watch: Its steps and diagnostics.
        outputs: The stack's outputs afterwards, secrets left out.
    """

    watch: Watch
    outputs: dict[str, Any]


class Deployment:
    """One declared stack and its state.

    Args:
        declaration: What is declared.
        site: Where it is worked on.
        say: Takes a sentence on what goes on, for people.
    """

    def __init__(self, declaration: Declaration, site: Site, say: Say) -> None:
        self.declaration = declaration
        self.site = site
        self._say = say
        self._workspace = automation.LocalWorkspace(
            work_dir=str(site.root), env_vars=dict(site.variables), pulumi_command=_engine(site)
        )
        self._stack: automation.Stack | None = None

    # ------------------------------------------------------------------ what people ask for

    def preview(self, watch: Watch) -> Watch:
        """Find out what `up` would change.

        Raises:
            Refused: If it must not happen (see `terrarium.guard`), or if somebody works on the stack.
            EngineFailed: If the preview fails.
        """
        stack = self._open()
        self._refuse_changed_identity(stack)
        with self._explained(watch):
            self._unlocked(lambda: stack.preview(on_event=watch, suppress_outputs=True))
        losses = [sentence for _, sentence in guard.destructive(watch.steps)]
        if losses:
            raise Refused("refused, nothing was changed:\n" + _bullets(losses), losses=losses)
        return watch

    def up(self, watch: Watch) -> Outcome:
        """Make the world as declared, after a preview and the guard.

        An `up` that was killed is taken up where it ended: see `_recover`.

        Raises:
            Refused: As `preview`.
            EngineFailed: If a step fails; what was made is in the state, and the next `up` goes on.
        """
        stack = self._open()
        self._recover(stack)
        plan = self.preview(Watch())
        self._say(f"planned: {describe(plan.counts())}")
        with self._explained(watch):
            self._unlocked(lambda: stack.up(on_event=watch, show_secrets=False, suppress_outputs=True))
        return Outcome(watch, self.outputs())

    def destroy(self, watch: Watch) -> Watch:
        """Delete everything that the stack made. Asking for consent is the caller's part.

        Raises:
            Refused: If environments live on the platform that would be destroyed.
            EngineFailed: If a step fails; the next `destroy` goes on.
        """
        stack = self._open()
        self._recover(stack)
        outputs = self.outputs()
        if outputs.get("kind") == "platform":
            self._refuse_occupied(outputs)
        self._run("state", "unprotect", "--all", "--yes", "--stack", stack.name)
        with self._explained(watch):
            self._unlocked(lambda: stack.destroy(on_event=watch, show_secrets=False, suppress_outputs=True))
        return watch

    def outputs(self) -> dict[str, Any]:
        """Return the stack's outputs, without secret ones; empty if it was never brought up."""
        if not self.exists():
            return {}
        return {key: output.value for key, output in self._open().outputs().items() if not output.secret}

    def exists(self) -> bool:
        """Tell whether the backend holds the stack."""
        return any(summary.name == self.declaration.stack for summary in self._workspace.list_stacks())

    def resources(self) -> list[dict[str, Any]]:
        """Return the resources in the state, as the engine exports them."""
        deployment = self._open().export_stack().deployment or {}
        return list(deployment.get("resources") or ())

    def pending(self) -> list[recovery.PendingCreate]:
        """Return the creations that an interrupted `up` left unconfirmed."""
        return list(recovery.pending_creates(self._open().export_stack().deployment or {}))

    def last_update(self) -> automation.UpdateSummary | None:
        """Return the last update, if there was one."""
        return self._open().info() if self.exists() else None

    def would_be_lost(self) -> list[str]:
        """Return what lives in the environment's namespace and would go with it, as counted kinds."""
        outputs = self.outputs()
        if outputs.get("kind") != "environment":
            return []
        return Cluster(outputs["access"], self.site.kubeconfig).contents(outputs["namespace"])

    # ------------------------------------------------------------------ before anything is done

    def _open(self) -> automation.Stack:
        if self._stack is None:
            name = self.declaration.stack
            if not self.exists():
                self._refuse_shared_state()
            self._stack = automation.Stack.create_or_select(name, self._workspace)
        return self._stack

    def _refuse_shared_state(self) -> None:
        """Refuse to put production's state beside another tier's, or the reverse (mission: S1)."""
        outsiders = [
            summary.name
            for summary in self._workspace.list_stacks()
            if _is_production(summary.name, self.site) not in {None, Tier.PRODUCTION in self.declaration.tiers}
        ]
        if outsiders:
            raise Refused(
                f"the state backend {self.site.backend} already holds {', '.join(outsiders)}: production shares its "
                "state with no other tier. Name another backend for one of them (docs/state.md)"
            )

    def _refuse_changed_identity(self, stack: automation.Stack) -> None:
        outputs = {key: output.value for key, output in stack.outputs().items()}
        declared = self.declaration
        changed = [message for _, message in guard.fixed_at_creation(outputs, declared.kind, declared.settings)]
        if changed:
            losses = self.would_be_lost()
            lost = f"\nNamespace {outputs['namespace']} would go, and with it {', '.join(losses)}." if losses else ""
            raise Refused(
                f"refused, nothing was changed:\n{_bullets(changed)}{lost}\n"
                "Declare a new stack for a new environment, and promote what should move there.",
                changed=changed,
                losses=losses,
            )

    def _refuse_occupied(self, outputs: dict[str, Any]) -> None:
        occupants = Cluster(outputs["access"], self.site.kubeconfig).environments()
        if occupants:
            raise Refused(
                f"environments live on platform {outputs['name']}: {', '.join(occupants)}. Destroy them first",
                occupants=occupants,
            )

    # ------------------------------------------------------------------ after an interruption

    def _recover(self, stack: automation.Stack) -> None:
        """Settle creations that were begun and never confirmed: adopt what exists, make again what does not."""
        pending = list(recovery.pending_creates(stack.export_stack().deployment or {}))
        if not pending:
            return
        unknown = [item.urn for item in pending if item.name is None and not item.only_in_state]
        if unknown:
            raise Refused(
                "an earlier up was interrupted while it made what can't be found by name:\n"
                f"{_bullets(unknown)}\nLook whether each exists, then: pulumi refresh --stack {stack.name} "
                "--import-pending-creates URN=ID, or --clear-pending-creates"
            )
        self._say(f"an earlier up was interrupted; looking for {len(pending)} unconfirmed resources by name")
        known = [item for item in pending if item.name is not None]
        arguments = ["refresh", "--yes", "--skip-preview", "--stack", stack.name, "--clear-pending-creates"]
        for item in known:
            arguments += ["--import-pending-creates", item.urn, "--import-pending-creates", str(item.name)]
        self._unlocked(lambda: self._run(*arguments))

    def _unlocked(self, operation: Callable[[], Any]) -> Any:
        """Run an operation; if a lock is in its way whose process is dead on this host, clear it and run it again."""
        try:
            return operation()
        except automation.ConcurrentUpdateError as error:
            held = recovery.locks(str(error))
            alive = [lock for lock in held if not lock.is_dead()]
            if alive or not held:
                holders = ", ".join(map(str, alive)) or "another update"
                raise Refused(
                    f"stack {self.declaration.stack} is being worked on by {holders}. Wait for it to end; if you are "
                    f"sure that it is gone: pulumi cancel {self.declaration.stack}"
                ) from None
            self._say(f"cleared the lock of an engine that is gone: {', '.join(map(str, held))}")
            self._run("cancel", "--yes", "--stack", self.declaration.stack)
            return operation()

    # ------------------------------------------------------------------ the engine

    def _run(self, *arguments: str) -> str:
        variables = dict(self._workspace.env_vars)
        result = self._workspace.pulumi_command.run(list(arguments), str(self.site.root), variables)
        return result.stdout

    @contextmanager
    def _explained(self, watch: Watch) -> Iterator[None]:
        """Turn the engine's failure into a message for people: its own diagnostics, no trace, no command line."""
        try:
            yield
        except automation.ConcurrentUpdateError:
            raise
        except automation.CommandError as error:
            found = list(watch.errors())
            protected = [_protected(urn) for urn, message in found if urn and "protect" in message]
            if protected:
                raise Refused("refused, nothing was changed:\n" + _bullets(protected), losses=protected) from None
            raise EngineFailed(_readable(found, error), errors=[m for _, m in found]) from None


def describe(counts: dict[str, int]) -> str:
    """Return counted operations in words."""
    return ", ".join(f"{count} to {op}" for op, count in counts.items()) or "no changes"


def _engine(site: Site) -> automation.PulumiCommand:
    try:
        return automation.PulumiCommand(root=engine_root(site.root))
    except FileNotFoundError:
        raise EngineFailed(
            "the Pulumi engine is not installed: `make up` provides it, or see pulumi.com/docs/install"
        ) from None


def _is_production(stack: str, site: Site) -> bool | None:
    """Tell whether a stack of the backend is production's; None if this checkout does not declare it."""
    from components.settings.declaration import declare, stack_files  # noqa: PLC0415

    if stack not in stack_files(site.root):
        return None
    return Tier.PRODUCTION in declare(site.root, stack).tiers


def _protected(urn: str) -> str:
    kind, name = urn.rsplit("::", 2)[-2].rsplit("$", 1)[-1], urn.rsplit("::", 1)[-1]
    lost = guard.STATEFUL.get(kind, "what depends on it")
    return f"would replace or delete {kind.rsplit(':', 1)[-1]} {name}, which is protected: {lost} would be lost"


def _readable(found: list[tuple[str | None, str]], error: automation.CommandError) -> str:
    if not found:
        stderr = str(error).partition("stderr:")[2].strip()
        return stderr.removeprefix("error: ") or "the engine ended without saying why; `pulumi logs` may know more"
    return "\n".join(f"{urn.rsplit('::', 1)[-1]}: {message}" if urn else message for urn, message in found)


def _bullets(lines: list[str]) -> str:
    return "\n".join(f"  - {line}" for line in lines)
