"""One declared stack, worked on: recover, plan, guard, up, destroy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components.contract import NotReached
from components.settings.declaration import Declaration, declare, stack_files
from components.settings.problems import InvalidSettings
from components.tiers import Tier
from policies.gates.refusal import REFUSED
from terrarium import guard, recovery
from terrarium.administrator import Administrator
from terrarium.cluster import Cluster
from terrarium.engine import Engine, Say, outputs
from terrarium.errors import CommandFailed, EngineFailed, Refused
from terrarium.overrides import Overrides
from terrarium.plan import Watch
from terrarium.site import Site


@dataclass(frozen=True)
class Outcome:
    """What an operation did.

    Args:
        watch: Its steps and diagnostics.
        outputs: The stack's outputs afterwards, secret ones left out.
    """

    watch: Watch
    outputs: dict[str, Any]


class Deployment:
    """One declared stack and its state.

    Args:
        declaration: What is declared.
        site: Where it is worked on.
        say: Takes a sentence on what goes on, for people.

    Raises:
        EngineFailed: If there is no engine.
    """

    def __init__(self, declaration: Declaration, site: Site, say: Say) -> None:
        self.declaration = declaration
        self.engine = Engine(declaration.stack, site, say)
        self._site = site
        self._say = say

    def preview(self, watch: Watch, *, refresh: bool = False) -> Watch:
        """Find out what `up` would change.

        Args:
            watch: Takes the events.
            refresh: Whether to read first what really exists.

        Raises:
            Refused: If it must not happen (see `terrarium.guard`), or if somebody works on the stack.
            EngineFailed: If the preview fails.
        """
        state = self.engine.state()
        self._admit(state)
        overrides = self._overrides()
        with overrides.lifted(self.engine, state):
            return self._plan(watch, overrides, refresh)

    def foresee(self, watch: Watch) -> None:
        """Find out what would be there, for whoever judges it: nothing is refused for what it would destroy or break.

        Args:
            watch: Takes the events, all of them also where the rules of production refuse what is declared.

        Raises:
            Refused: If what is fixed has changed, somebody works on the stack, or the plan ends at something protected.
            EngineFailed: If the preview fails for another reason.
        """
        self._admit(self.engine.state())
        stack = self.engine.open()
        try:
            self.engine.operate(lambda: stack.preview(on_event=watch, **self._options()), watch)
        except EngineFailed:
            if guard.planned_whole(watch.errors()):
                return
            _refuse(guard.protected(watch.errors()), f"No plan goes beyond it, so nothing was judged. {_OVERRIDE}")
            raise

    def up(self, watch: Watch, *, refresh: bool = False) -> Outcome:
        """Make the world as declared, after a plan and the guard. An `up` that was killed is taken up where it ended.

        Args:
            watch: Takes the events.
            refresh: Whether to read first what really exists.

        Raises:
            Refused: As `preview`.
            EngineFailed: If a step fails; what was made is in the state, and the next `up` goes on.
        """
        state = self.engine.state()
        self._admit(state)
        self._recover(state)
        overrides = self._overrides()
        with overrides.lifted(self.engine, self.engine.state() if overrides.waivers else state):
            self._say(f"planned: {self._plan(Watch(), overrides, refresh).summary(' to ')}")
            self._apply(watch, refresh)
        return Outcome(watch, outputs(self.engine.state()))

    def _apply(self, watch: Watch, refresh: bool) -> None:
        stack = self.engine.open()
        try:
            self.engine.operate(
                lambda: stack.up(on_event=watch, show_secrets=False, **_reading(refresh), **self._options()), watch
            )
        finally:
            self._revoke_doubled_keys(watch)

    def destroy(self, watch: Watch) -> Watch:
        """Delete everything that the stack made. Asking for consent is the caller's part.

        Raises:
            Refused: If environments live on the platform that would be destroyed, a protected store holds data, or the
                cloud itself holds something.
            EngineFailed: If a step fails; the next `destroy` goes on.
        """
        state = self.engine.state()
        self._recover(state)
        found = outputs(state)
        if found.get("kind") == "platform" or not (found.get("cluster") or {"shared": True})["shared"]:
            self._refuse_occupied(found)
        self._refuse_protected(found)
        self._refuse_held(state)
        stack = self.engine.open()
        if state.get("resources"):
            self.engine.operate(lambda: self.engine.run("state", "unprotect", "--all", "--yes", "--stack", stack.name))
        if guard.lifted(state) != state:
            self.engine.operate(lambda: self.engine.replace_state(guard.lifted(self.engine.state())))
        self.engine.operate(lambda: stack.destroy(on_event=watch, show_secrets=False, **self._options()), watch)
        return watch

    def would_be_lost(self) -> list[str]:
        """Return what lives in the environment's namespace and store and would go with it, as counted kinds."""
        found = outputs(self.engine.state())
        in_namespace = []
        if found.get("kind") == "environment":
            in_namespace = Cluster(found["access"], self._site.kubeconfig).contents(found["namespace"])
        return [*in_namespace, *self._held(found)]

    def _held(self, found: Mapping[str, Any]) -> list[str]:
        """Return what the stack's store holds, as counted kinds."""
        store = found.get("store")
        if not store:
            return []
        administrator = self._administrator(found)
        if administrator is None:
            raise Refused(
                f"the stack made a data store, and its file no longer says how to reach it: put back what stood under "
                f"cloud.{self.declaration.adapter.name}.store; without it nobody can tell what would be lost"
            )
        return administrator.contents(store)

    def _options(self) -> dict[str, Any]:
        """Return what every operation is told."""
        return {"suppress_outputs": True, "config_file": self.engine.config_file}

    # ------------------------------------------------------------------ before anything is done

    def _admit(self, state: Mapping[str, Any]) -> None:
        """Refuse what is wrong whatever the engine would say."""
        if not self.engine.exists():
            self._refuse_shared_state()
            self.engine.open()
        self._refuse_changed_identity(outputs(state))

    def _overrides(self) -> Overrides:
        return Overrides.read(self._site.root, self.declaration.stack)

    def _plan(self, watch: Watch, overrides: Overrides, refresh: bool) -> Watch:
        stack = self.engine.open()
        try:
            self.engine.operate(lambda: stack.preview(on_event=watch, **_reading(refresh), **self._options()), watch)
        except EngineFailed:
            # The engine stops at a protected resource before it says what it planned for it.
            _refuse(guard.protected(watch.errors()), _OVERRIDE)
            if by_rules := [message for _, message in watch.errors() if message.startswith(REFUSED)]:
                raise Refused("\n".join(by_rules), reasons=by_rules) from None
            raise
        _refuse(overrides.split(guard.destructive(watch.steps), self._say), _OVERRIDE)
        return watch

    def _refuse_shared_state(self) -> None:
        """Refuse to put production's state beside another tier's, or the reverse."""
        production = Tier.PRODUCTION in self.declaration.tiers
        outsiders = [
            name for name in self.engine.stacks() if _is_production(name, self._site) not in {None, production}
        ]
        if outsiders:
            raise Refused(
                f"the state backend {self._site.backend} already holds {', '.join(outsiders)}: production shares its "
                "state with no other tier. Name another backend for one of them (docs/state.md)"
            )

    def _refuse_changed_identity(self, found: dict[str, Any]) -> None:
        declared = self.declaration
        changed = [message for _, message in guard.fixed_at_creation(found, declared.kind, declared.settings)]
        if changed:
            losses = self.would_be_lost()
            if losses:
                changed.append(f"namespace {found['namespace']} would be replaced, and with it go {', '.join(losses)}")
            _refuse(changed, "Declare a new stack for a new environment, and promote what should move there.")

    def _refuse_occupied(self, found: dict[str, Any]) -> None:
        everybody = Cluster(found["access"], self._site.kubeconfig).occupants()
        occupants = [name for name in everybody if name != found.get("id")]
        if occupants:
            raise Refused(
                f"others live on the cluster of {found['kind']} {found['name']}: {', '.join(occupants)}. "
                "Destroy them first",
                occupants=occupants,
            )

    def _refuse_protected(self, found: Mapping[str, Any]) -> None:
        """Refuse to destroy a protected store that holds data; asked before anything is deleted."""
        if not (found.get("store") or {}).get("protected"):
            return
        held = self._held(found)
        if held:
            raise Refused(
                f"the store of {found['kind']} {found.get('id') or found['name']} is protected and holds "
                f"{', '.join(held)}; nothing was destroyed. If it must go: move the data elsewhere, and delete it as "
                "the store's administrator; then destroy again",
                held=held,
            )

    def _refuse_held(self, state: Mapping[str, Any]) -> None:
        """Refuse to begin where the cloud itself holds something: all the rest would go, and the destroy stop there."""
        if held := guard.held(state):
            # Only the cloud knows whether somebody ended that since the last up.
            stack = self.engine.open()
            self.engine.operate(lambda: stack.refresh(target=list(held), **self._options()))
            _refuse(list(guard.held(self.engine.state()).values()), "Run what is said there, and destroy again.")

    # ------------------------------------------------------------------ after an interruption

    def _recover(self, state: Mapping[str, Any]) -> None:
        """Settle creations that were begun and never confirmed: adopt what exists, make again what does not."""
        pending = list(recovery.pending_creates(state))
        if not pending:
            return
        known = [item for item in pending if item.name is not None]
        unknown = [item.urn for item in pending if item.name is None and not item.again]
        _refuse(
            [f"{urn} was being made when an earlier up was interrupted, and can't be found by name" for urn in unknown],
            f"Look for it in the cloud, delete it there, then: pulumi refresh --stack {self.engine.stack} "
            "--clear-pending-creates.",
        )
        self._say(f"an earlier up was interrupted; {len(pending)} resources are unconfirmed")
        self._revoke_lost_keys(state, pending)
        self.engine.operate(lambda: self.engine.replace_state(recovery.adopted(state, known)))
        if known:
            self._read_back(known)

    def _revoke_lost_keys(self, state: Mapping[str, Any], pending: list[recovery.PendingCreate]) -> None:
        self._revoke(state, {item.user for item in pending if item.user is not None}, "when up was interrupted")

    def _revoke_doubled_keys(self, watch: Watch) -> None:
        """Revoke what a store made whose answer was lost: the provider asked again, and IAM made a second key."""
        made = {step.urn for step in watch.steps if step.type == recovery.ACCESS_KEY and step.op != "delete"}
        if not made:
            return
        try:
            state = self.engine.state()
            self._revoke(state, recovery.key_users(state, made), "when the store failed to answer")
        except CommandFailed as error:
            # Said and not raised: what `up` itself came to is what counts.
            self._say(f"whether a key was made twice is not known: {error}")

    def _revoke(self, state: Mapping[str, Any], users: set[str], when: str) -> None:
        administrator = self._administrator(outputs(state)) if users else None
        if administrator is None:
            return
        for user in sorted(users):
            for key in administrator.revoke_unknown(user, recovery.keys_in_use(state)):
                self._say(f"revoked access key {key} of {user}: it was made, and its secret lost, {when}")

    def _administrator(self, found: Mapping[str, Any]) -> Administrator | None:
        try:
            way = self.declaration.adapter.administration(self._site.asking, found)
        except NotReached as error:
            raise CommandFailed(str(error)) from None
        return Administrator(way) if way else None

    def _read_back(self, adopted: list[recovery.PendingCreate]) -> None:
        """Read what was adopted: drop what does not exist, and give back what is somebody else's."""
        stack, targets = self.engine.open(), [item.urn for item in adopted]
        self.engine.operate(lambda: stack.refresh(target=targets, **self._options()))
        read = self.engine.state()
        strangers = recovery.foreign(read, adopted)
        if strangers:
            self.engine.operate(lambda: self.engine.replace_state(recovery.without(read, strangers)))
        _refuse(
            [f"{urn.rsplit('::', 1)[-1]}: an object of its name exists and is somebody else's" for urn in strangers],
            "Delete it or rename it, or take it over on purpose with pulumi import.",
        )


_OVERRIDE = (
    "If it must be: have security add a waiver of destructive-change for each, with a reason and an end, to "
    "policies/waivers/waivers.yaml (docs/rules.md)."
)


def _reading(refresh: bool) -> dict[str, Any]:
    """Return what an operation is told of reading what really exists, before it compares."""
    # By the program's own providers: what the state has may be out of date. RDS draws a new password each week, and
    # with the one of last week nothing in the database could be read.
    return {"refresh": True, "run_program": True} if refresh else {}


def _refuse(reasons: list[str], advice: str = "") -> None:
    if reasons:
        listed = "\n".join(f"  - {reason}" for reason in reasons)
        raise Refused(f"refused, nothing was changed:\n{listed}" + (f"\n{advice}" if advice else ""), reasons=reasons)


def _is_production(stack: str, site: Site) -> bool | None:
    """Tell whether a stack of the backend is production's; None if this checkout can't tell."""
    if stack not in stack_files(site.root):
        return None
    try:
        return Tier.PRODUCTION in declare(site.root, stack).tiers
    except InvalidSettings:
        return None
