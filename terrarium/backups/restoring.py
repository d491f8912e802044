"""A restore: data as of a time, into an environment beside the old one, which is only read. A second call goes on."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from components.settings.declaration import stack_files
from components.stores import layout
from components.tiers import Tier
from terrarium.backups import choice, copies, database, environments, marker, moments, rows, shelf, stackfile
from terrarium.backups.choice import Possible
from terrarium.backups.environments import Declared, Environment
from terrarium.backups.manifest import Manifest
from terrarium.backups.marker import Marker
from terrarium.backups.taking import NOT_COVERED
from terrarium.engine import Say
from terrarium.errors import CommandFailed, InvalidInput, Refused
from terrarium.plan import Watch

KINDS = tuple(kind for kind in layout.KINDS if kind not in NOT_COVERED)


@dataclass(frozen=True)
class Request:
    """What somebody asked for.

    Args:
        stack: The stack of the environment whose data it is.
        at: The time, as typed.
        new: The stack of the environment that takes the data.
        accept_older: Whether an older backup than promised will do.
    """

    stack: str
    at: str
    new: str
    accept_older: bool = False

    @property
    def moment(self) -> datetime | None:
        """The time; None for the latest."""
        return None if self.at == moments.LATEST else moments.parse(self.at)


def restore(root: Path, request: Request, consent: Callable[[str], None], say: Say, watch: Watch) -> dict[str, Any]:
    """Restore, and return what was restored.

    Args:
        root: The folder of Pulumi.yaml.
        request: What.
        consent: Asks whether to go on, and raises if not.
        say: Takes a sentence on what goes on, for people.
        watch: Takes the events if the new stack is brought up.

    Raises:
        InvalidInput: If what was typed can't be.
        Refused: If a rule forbids it.
        CommandFailed: If a part fails; the next call goes on.
    """
    if request.new == request.stack:
        raise Refused(f"{request.new} is the environment itself: data is restored beside the old one, never over it")
    declared = environments.declared(root, request.stack)
    asked = request.moment
    source = environments.existing(declared, say)
    if source is None:
        raise Refused(f"stack {request.stack} is not up, so it has no data: terrarium up {request.stack}")
    now = source.now(say)
    moment = asked or now
    choice.within(moment, now)
    taker = environments.declared(root, request.new) if request.new in stack_files(root) else None
    if taker is not None:
        _fitting(declared, taker)
    consent(_doubt(source, moment) + _question(source, moment, request.new, taker))
    if taker is None:
        path = stackfile.write_copy(declared, request.new)
        say(f"wrote {path.relative_to(root)}, a copy of {request.stack}'s under its own name")
        taker = environments.declared(root, request.new)
    return _Restore(request, moment, now, source, _target(taker, say, watch), say).run()


def unversioned(environment: Environment) -> list[str]:
    """Return the kinds of objects that keep no versions, asked of the store; scratch is left out."""
    return [kind for kind in KINDS if not environment.objects.versioned(environment.buckets[kind])]


def _fitting(source: Declared, taker: Declared) -> None:
    """Refuse an environment that must not or can't take the data."""
    was, new = source.settings, taker.settings
    if was.tier != new.tier:
        secret = " What production holds stays in production." if was.tier == Tier.PRODUCTION else ""
        raise Refused(
            f"{source.stack} is of tier {was.tier.value} and {taker.stack} of {new.tier.value}: data is restored "
            f"within its tier.{secret}"
        )
    if was.id == new.id:
        raise Refused(f"{source.stack} and {taker.stack} declare the same environment, {was.id}")
    missing = sorted(set(was.buckets) - set(new.buckets))
    if missing:
        raise Refused(f"{taker.stack} lacks the buckets {', '.join(missing)} of {source.stack}; declare them there")


def _doubt(source: Environment, moment: datetime) -> str:
    """Return a sentence if there may be nothing as of a time.

    Raises:
        InvalidInput: If nothing could reach it.
    """
    names = shelf.names(source)
    found = choice.doubt(moment, source.made, moments.named(names[0]) if names else None)
    if found and not source.administration.point_in_time:
        raise InvalidInput(found)
    return f"{found}. " if found else ""


def _question(source: Environment, moment: datetime, new: str, taker: Declared | None) -> str:
    made = f"environment {taker.settings.id}" if taker else f"a new environment, {new}, beside it"
    when = moments.written(moment)
    return f"The data of {source.id} as of {when} will be brought into {made}; {source.id} itself stays as it is."


def _target(taker: Declared, say: Say, watch: Watch) -> Environment:
    found = environments.existing(taker, say)
    if found is not None and marker.read(found) is not None:
        return found
    # Also if it is up: an earlier up may have been killed before everything was there.
    return environments.up(taker, say, watch)


@dataclass
class _Restore:
    request: Request
    moment: datetime
    now: datetime
    source: Environment
    target: Environment
    say: Say

    def run(self) -> dict[str, Any]:
        with database.alone(self.target.server):
            mark = self._mark()
            if mark.result is not None:
                self.say(f"{self.target.id} holds this restore already; nothing was done")
                return mark.result
            moment = moments.parse(mark.time)
            manifest = self._manifest(mark)
            taken = self._rows(mark, moment, manifest)
            brought = {kind: self._objects(mark, kind, manifest) for kind in KINDS}
            result = self._result(mark, taken, brought)
            marker.write(self.target, mark.done(result))
            return result

    # ------------------------------------------------------------------ what is to be done

    def _mark(self) -> Marker:
        """Return what this restore is, as an earlier call noted it or as it is noted now."""
        found, request = marker.read(self.target), self.request
        if found is None:
            self._require_empty()
            return self._begin()
        # `latest` is another time with each call: only one that was not finished is meant by it.
        unfinished = found.result is None and found.asked == request.at
        asked = unfinished or moments.parse(found.time) == self.moment
        if found.uid != self.source.uid or not asked:
            state = "holds" if found.result else "holds a part of"
            raise Refused(
                f"{self.target.id} {state} a restore of {found.environment} as of {found.time}: name another new stack"
                + ("" if found.result else f", or finish that one with --at {found.asked}")
            )
        if found.result is None:
            versions = [kind for kind in KINDS if kind not in found.kinds]
            choice.reachable(moments.parse(found.time), self.now, self.source.settings.store, versions)
            self.say(f"going on with the restore that was begun {found.begun}")
        return found

    def _require_empty(self) -> None:
        target = self.target
        full = [kind for kind in layout.KINDS if not target.objects.empty(target.buckets[kind])]
        with target.server.connect() as connection:
            full += [f"schema {schema}" for schema in database.contents(connection)]
        if full:
            raise Refused(
                f"{target.id} is not empty ({', '.join(full)}), and a restore never mixes its data with other: name a "
                "new stack",
                holds=full,
            )

    def _begin(self) -> Marker:
        request, source, moment = self.request, self.source, self.moment
        point_in_time = bool(source.administration.point_in_time)
        possible = Possible(point_in_time, unversioned(source), shelf.at(source, request.moment, self.say))
        store = source.settings.store
        chosen = choice.choose(moment, self.now, store, possible, accept_older=request.accept_older)
        for sentence in chosen.sentences(moment):
            self.say(sentence)
        mark = Marker(
            environment=source.id,
            uid=source.uid,
            asked=request.at,
            time=moments.written(moment),
            # The latest objects are those by their own store's clock, which is not the database server's.
            objects=moments.written(request.moment or source.objects.now(source.buckets[KINDS[0]])),
            begun=moments.written(datetime.now(UTC)),
            backup=chosen.backup.time if chosen.backup else None,
            database=chosen.database,
            kinds=tuple(chosen.kinds),
        )
        marker.write(self.target, mark)
        return mark

    def _manifest(self, mark: Marker) -> Manifest | None:
        if mark.backup is None:
            return None
        found = shelf.read(self.source, moments.name(moments.parse(mark.backup)))
        if found is None:
            raise CommandFailed(
                f"the backup of {mark.backup}, with which this restore was begun, is gone: restore into a new stack"
            )
        return found

    # ------------------------------------------------------------------ what is done

    def _rows(self, mark: Marker, moment: datetime, manifest: Manifest | None) -> dict[str, Any]:
        done = list(mark.schemas)

        def now_done(schema: str) -> None:
            done.append(schema)
            marker.write(self.target, mark.with_schemas(done))

        source: AbstractContextManager[rows.Rows]
        from_backup = manifest is not None and mark.database
        if manifest is not None and from_backup:
            source = rows.of_backup(self.source, manifest)
        else:
            source = rows.of_time(self.source, moment, self.say)
        with source as found:
            rows.bring(found, self.target, done, now_done, self.say)
            self.say("database: comparing what was restored")
            with self.target.server.connect() as connection:
                held = database.inventory(connection, self.say)
            wrong = rows.differences(found.held, held)
        if wrong:
            raise CommandFailed(
                "the restored database is not the one that was to be restored; name another new stack:\n"
                + "\n".join(wrong)
            )
        as_of = mark.backup if from_backup else mark.time
        return {"as_of": as_of, "from": found.from_, "tables": len(found.held.tables), "rows": found.held.rows}

    def _objects(self, mark: Marker, kind: str, manifest: Manifest | None) -> dict[str, Any]:
        if manifest is not None and kind in mark.kinds:
            if kind not in manifest.objects:
                raise InvalidInput(f"the backup of {manifest.time} does not hold {kind}; choose a later time")
            wanted, as_of = copies.of_backup(self.source, kind, manifest), manifest.time
        else:
            wanted, as_of = copies.of_time(self.source, kind, moments.parse(mark.objects)), mark.time
        return {"as_of": as_of, **copies.bring(self.source, self.target, kind, wanted, self.say)}

    def _result(self, mark: Marker, taken: dict[str, Any], brought: dict[str, dict[str, Any]]) -> dict[str, Any]:
        seconds = time.time() - moments.parse(mark.begun).timestamp()
        promised = self.source.settings.store.recovery.rto_minutes
        return {
            "environment": self.source.id,
            "into": self.target.id,
            "stack": self.target.declared.stack,
            "asked": mark.asked,
            "time": mark.time,
            "database": taken,
            "objects": brought,
            "seconds": round(seconds, 1),
            "rto_minutes": promised,
            "within_rto": seconds <= promised * rows.MINUTE,
        }
