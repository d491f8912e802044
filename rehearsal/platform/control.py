"""The embedded platform: a Kubernetes control plane and data store on loopback; started, healed, stopped, wiped."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

from rehearsal.build import NODE_SETS, QUEUE_SETS, build
from rehearsal.errors import RehearsalError, explained
from rehearsal.files import write_json
from rehearsal.locks import locked_folder
from rehearsal.paths import local
from rehearsal.platform import inspection, instance, postgresql
from rehearsal.platform.api import Api
from rehearsal.platform.connections import Connections
from rehearsal.platform.layout import Layout
from rehearsal.platform.node import machine
from rehearsal.platform.node import plan as node_plan
from rehearsal.platform.parts import parts_of
from rehearsal.platform.people import equip
from rehearsal.platform.pools import Pool
from rehearsal.platform.startup import Startup, TryAgainError
from rehearsal.platform.status import Status
from rehearsal.progress import Report, Silent

BUILT = ("kubernetes", "kwok", "versitygw")
"""The build sets that a platform's programs come from. PostgreSQL comes in a wheel."""

# How often a start is tried: a port may be lost to somebody else in between, a part may still be dying.
_ATTEMPTS = 3
# What X.509 allows in a common name and an organisation (ub-common-name, ub-organization-name).
_NAME_LIMIT = 64


_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")


def names(home: Path | None = None) -> list[str]:
    """Return the names of the platforms that were started and not reset, sorted.

    Args:
        home: As for `Platform`.
    """
    folder = home or _home()
    return sorted(path.name for path in folder.glob("*") if path.is_dir() and _NAME.fullmatch(path.name))


def _home() -> Path:
    return local() / "platforms"


class Platform:
    """One embedded platform. Several live side by side under different names."""

    def __init__(
        self,
        name: str,
        home: Path | None = None,
        *,
        nodes: int = 3,
        real_node: bool = False,
        queues: bool = False,
        pools: Sequence[Pool] = (),
    ) -> None:
        """Name a platform; nothing is started or written.

        Args:
            name: Lower-case letters, digits and dashes, at most 40.
            home: Folder that holds a folder for each platform; default `<checkout>/.terrarium/platforms`.
            nodes: How many nodes are simulated.
            real_node: Whether it gets a real node at its first start; what it has then, it keeps.
            queues: Whether jobs wait in queues (Kueue) from its next start on; it keeps them.
            pools: Pools of its simulated nodes, from its next start on, in place of so many alike; it keeps them, too.

        Raises:
            RehearsalError: The name can't be one.
        """
        if not _NAME.fullmatch(name):
            raise RehearsalError(
                f"A platform can't be named {name!r}: use at most 40 lower-case letters, digits and dashes."
            )
        self.name = name
        self._nodes = nodes
        self._real_node = real_node
        self._queues, self._pools = queues, tuple(pools)
        self._layout = Layout((home or _home()).absolute() / name)

    @property
    def folder(self) -> Path:
        """The folder that holds everything of this platform."""
        return self._layout.folder

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig; there after the first start."""
        return self._layout.kubeconfig

    @property
    def context(self) -> str:
        """The context in the kubeconfig."""
        return self._layout.context

    @property
    def connections(self) -> Connections:
        """The files that lead its administrator to its data store, by the profile and service named as the context."""
        return Connections.within(self._layout.connections)

    def start(self, report: Report | None = None) -> Status:
        """Start what does not run, and wait until the platform is ready. Called again, it heals.

        Args:
            report: Told about builds, waiting, and ports that moved.

        Raises:
            RehearsalError: It could not start. What this call started is ended again; the text has the failing part's
                last log lines and what to do.
        """
        report = report or Silent()
        own = {"postgresql": postgresql.programs(), "python": Path(sys.executable).parent}
        with self._held(report):
            self._choose_nodes()
            self._choose_extras()
            sets = (*BUILT, *(QUEUE_SETS if self._layout.queues else ()))
            built = {**build(sets, report), **own, **self._node_programs(report)}
            for attempt in range(1, _ATTEMPTS + 1):
                with suppress(*([TryAgainError] if attempt < _ATTEMPTS else [])):
                    Startup(self._layout, self._simulated, built, report).run()
                    # A part that was killed just before may have looked alive at first.
                    if not (missing := self._missing()):
                        return self.status()
            raise RehearsalError(
                f"The platform '{self.name}' lost {', '.join(missing)} again each of the {_ATTEMPTS} times it was "
                f"started. Something on this machine ends them: look at free memory, and at {self._layout.log('*')}."
            )

    def _choose_nodes(self) -> None:
        layout = self._layout
        if self._real_node and not layout.ports.is_file() and layout.machine is None:
            if reason := machine.why_not():
                raise RehearsalError(f"The platform '{self.name}' can have no real node here: {reason}.")
            machine.choose(layout.machine_file, self._nodes)

    def _choose_extras(self) -> None:
        layout = self._layout
        if self._queues or self._pools:
            pools = self._pools or layout.pools
            known = {"queues": self._queues or layout.queues, "pools": [asdict(pool) for pool in pools]}
            write_json(layout.extras_file, known)

    @property
    def _simulated(self) -> int:
        if pools := self._layout.pools:
            return sum(pool.count for pool in pools)
        found = self._layout.machine
        return found.simulated if found else self._nodes

    def _node_programs(self, report: Report) -> Mapping[str, Path]:
        if self._layout.machine is None:
            return {}
        found = node_plan.tools(report)
        registry = found.program("docker-registry") or found.folder
        return {**build(NODE_SETS, report), "debian": found.folder, "registry": registry.parent}

    @property
    def has_real_node(self) -> bool:
        """Whether it has a real node; known from its first start on."""
        return self._layout.machine is not None

    @property
    def registry(self) -> str:
        """Host and port of its image registry; only a platform with a real node has one."""
        return f"{self._layout.host}:{self.port('registry')}"

    def whole(self) -> bool:
        """Return whether every part runs. Quicker than `status`, which asks them whether they work, too."""
        return not self._missing()

    def port(self, part: str) -> int:
        """Return the port of a part, of `layout.PORTS`.

        Raises:
            RehearsalError: The platform was never started.
        """
        if port := inspection.remembered_ports(self._layout).get(part):
            return port
        raise RehearsalError(f"The platform '{self.name}' was never started; start it first.")

    def api(self) -> Api:
        """Return the way to its API server, as its administrator.

        Raises:
            RehearsalError: The platform was never started.
        """
        layout = self._layout
        return Api(self.port("kube-apiserver"), layout.authority.certificate, layout.pair("admin"), host=layout.host)

    def _missing(self) -> list[str]:
        running = instance.find(self._layout)
        return [part.name for part in parts_of(self._layout) if part.name not in running]

    def stop(self, report: Report | None = None) -> None:
        """End every process of this platform; data, certificates and ports stay. Does nothing if none runs.

        Args:
            report: Told when another command works on the platform.

        Raises:
            RehearsalError: A process survived; it is named.
        """
        if self.folder.is_dir():
            with self._held(report):
                self._end_parts()
        else:
            # Somebody deleted the folder under running processes: they are still found by their command lines.
            self._end_parts()

    def reset(self, report: Report | None = None) -> None:
        """End every process of this platform and delete every file of it.

        Args:
            report: Told when another command works on the platform.

        Raises:
            RehearsalError: A process survived; it is named, and nothing is deleted.
        """
        if not self.folder.is_dir():
            self.stop()
            return
        with self._held(report):
            self._end_parts()
            instance.end_orphans(self._layout)
            shutil.rmtree(self.folder)

    def _end_parts(self) -> None:
        if survivors := instance.stop(self._layout, instance.find(self._layout).items()):
            named = ", ".join(f"{name} (process {process.pid})" for name, process in survivors.items())
            raise RehearsalError(
                f"The platform '{self.name}' is not stopped: {named} does not end, not even by SIGKILL. It waits for "
                "the system, such as a disk that does not answer; run this again when that is put right."
            )
        machine.down(self._layout.machine_file)

    def status(self) -> Status:
        """Return what runs and whether it is ready. Changes nothing."""
        return inspection.status(self._layout, self._simulated)

    def client_certificate(self, user: str, groups: Sequence[str] = ()) -> Path:
        """Issue a client certificate to a person and return the kubeconfig that logs in with it.

        Asked again for the same person and groups, it returns the same one. It ends after a year, and with `reset`.

        Args:
            user: The user name the API server sees.
            groups: The groups it sees.

        Raises:
            RehearsalError: The platform was never started.
            ValueError: The user name is empty, or a name is longer than a certificate holds (64).
        """
        if not user or any(len(name) > _NAME_LIMIT for name in (user, *groups)):
            raise ValueError(
                f"a user name and groups of 1 to {_NAME_LIMIT} characters are needed: {user!r}, {groups!r}"
            )
        port = self.port("kube-apiserver")
        with self._held(None):
            return equip(self._layout, user, groups, port)

    @contextmanager
    def _held(self, report: Report | None) -> Iterator[None]:
        def waiting() -> None:
            if report:
                report.note(f"Another command works on the platform '{self.name}'; waiting for it.")

        refused = f"The folder of the platform '{self.name}' can't be written"
        with explained(refused), locked_folder(self.folder, waiting):
            yield
