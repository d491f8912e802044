"""One start of a platform: its settings written, its missing parts started, and waited for."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path

from rehearsal.errors import RehearsalError
from rehearsal.files import size, tail, write
from rehearsal.platform import archive, instance, keys, objects, ports, postgresql, queues, store
from rehearsal.platform.api import Api
from rehearsal.platform.connections import write_connections
from rehearsal.platform.kubeconfigs import write_kubeconfig
from rehearsal.platform.layout import CLIENTS, PORTS, Layout, server
from rehearsal.platform.node import machine
from rehearsal.platform.node import objects as node_objects
from rehearsal.platform.node import plan as node_plan
from rehearsal.platform.node.parts import write_registry_settings
from rehearsal.platform.part import Part
from rehearsal.platform.parts import SIMULATOR, parts_of
from rehearsal.platform.people import renew
from rehearsal.platform.ports import LOOPBACK
from rehearsal.platform.processes import Running, spawn
from rehearsal.progress import Report

# Seconds until a start is given up. One takes 4 s on two free cores, 8 s with a real
# node and queues; with load 18 it took more than 90 s.
PATIENCE = 240.0
_POLL = 0.03
_LOG_LINES = 12
_SERVICE_ACCOUNT = "/api/v1/namespaces/default/serviceaccounts/default"


class TryAgainError(RehearsalError):
    """What the start was built on went away meanwhile: a part that still ran when it began, or a port it had chosen."""


class Startup:
    """One start of one platform."""

    def __init__(self, layout: Layout, nodes: int, built: Mapping[str, Path], report: Report) -> None:
        """Prepare a start.

        Args:
            layout: The platform's folder, locked by the caller.
            nodes: How many nodes to simulate.
            built: The folder of the programs of each build set, and of `postgresql`.
            report: Told about progress.
        """
        self._layout = layout
        self._nodes = nodes
        self._built = built
        self._report = report
        self._parts: tuple[Part, ...] = ()
        self._running: dict[str, Running] = {}
        self._started: dict[str, Running] = {}
        # How long each log was before its part started: what an earlier one said would mislead.
        self._logged: dict[str, int] = {}

    def run(self) -> None:
        """Start what is missing and wait until all is ready.

        Raises:
            RehearsalError: A part ended, or was not ready in time. What was started here is ended again.
        """
        layout = self._layout
        if layout.machine:
            machine.up(layout.machine)
        self._running = instance.find(layout)
        # etcd holds both its ports, whichever process asks for the second.
        held = {*self._running, *(["etcd-peer"] if "etcd" in self._running else [])}
        chosen = ports.choose(layout.ports, PORTS, held, self._report, {LOOPBACK, layout.host})
        # Both in any case: one that is made anew must not keep the other from being looked at.
        renewed = any([layout.issue_certificates(), new_keys := keys.make(layout)])
        write_settings(layout, chosen)
        if layout.machine:
            node_plan.prepare(layout, chosen, self._built)
            write_registry_settings(layout, chosen)
        if layout.queues:
            queues.write_settings(layout, chosen)
        self._parts = parts_of(layout)
        commands = {part.name: part.command(layout, chosen, self._built) for part in self._parts}
        self._retire(commands, renewed=renewed)
        missing = [part.name for part in self._parts if part.name not in self._running]
        if missing:
            self._report.step(f"Starting {', '.join(missing)} in {layout.folder.name}")
        api = Api(chosen["kube-apiserver"], layout.authority.certificate, layout.pair("admin"), host=layout.host)
        try:
            self._start_parts(commands, api, chosen, new_keys=new_keys)
        except BaseException:
            instance.stop(layout, self._started.items())
            raise

    def _retire(self, commands: Mapping[str, tuple[str, ...]], *, renewed: bool) -> None:
        # Another port, another version, or certificates made anew: the old process can't stay.
        stale = {name: it for name, it in self._running.items() if renewed or it.command != commands.get(name)}
        instance.stop(self._layout, stale.items())
        self._running = {name: it for name, it in self._running.items() if name not in stale}

    def _start_parts(
        self, commands: Mapping[str, tuple[str, ...]], api: Api, chosen: Mapping[str, int], *, new_keys: bool
    ) -> None:
        deadline = time.monotonic() + PATIENCE
        self._spawn(commands, "etcd", "kube-apiserver")
        # While the API server starts, which takes longest.
        self._start_store(commands, chosen, deadline, new_keys=new_keys)
        self._await("kube-apiserver", "the API server to be ready", lambda: api.answers("/readyz"), deadline)
        self._spawn(commands, "kube-controller-manager", "kube-scheduler")
        self._await("postgresql", "the database to answer", lambda: postgresql.accepts(chosen["postgresql"]), deadline)
        with archive.kept_up(self._layout):
            if self._layout.queues:
                self._start_queues(commands, api, chosen, deadline)
            if SIMULATOR in commands:
                self._start_nodes(commands, api, deadline)
            if self._layout.machine:
                self._start_real_node(commands, api, deadline)
            self._await(
                "kube-controller-manager",
                "the default service account",
                lambda: api.get(_SERVICE_ACCOUNT) is not None,
                deadline,
            )
        trust = self._layout.authority.certificate if self._layout.machine else None
        self._await("versitygw", "S3 to answer", lambda: store.healthy(chosen["versitygw"], trust), deadline)
        self._await("postgresql-tls", "TLS to answer", lambda: store.listens(chosen["postgresql-tls"]), deadline)

    def _start_store(
        self, commands: Mapping[str, tuple[str, ...]], chosen: Mapping[str, int], deadline: float, *, new_keys: bool
    ) -> None:
        store.make_folders(self._layout)
        self._spawn(commands, "versitygw-iam")
        if "postgresql" not in self._running:
            instance.end_orphans(self._layout)
            postgresql.prepare(self._layout, renewed=new_keys)
            self._spawn(commands, "postgresql")
        self._spawn(commands, "postgresql-tls")
        # The gateway looks for it once, and then waits for half a minute.
        iam = chosen["versitygw-iam"]
        self._await("versitygw-iam", "IAM to answer", lambda: store.healthy(iam), deadline)
        self._spawn(commands, "versitygw")

    def _start_queues(
        self, commands: Mapping[str, tuple[str, ...]], api: Api, chosen: Mapping[str, int], deadline: float
    ) -> None:
        layout, folder = self._layout, self._built["kueue"]
        definitions = dict(queues.definitions(folder))
        for path, content in definitions.items():
            queues.define(api, path, content)
        for path, content in queues.permissions(folder):
            api.apply(path, content)

        def known() -> bool:
            return all(queues.established(api.get(path)) for path in definitions)

        self._await("kube-apiserver", "the API server to know queues", known, deadline)
        kinds = queues.kinds(definitions.values())
        self._await("kube-apiserver", "the API server to name queues", lambda: queues.named(api, kinds), deadline)
        self._spawn(commands, queues.PART.name)
        self._await(queues.PART.name, "Kueue to answer", lambda: store.listens(chosen[queues.PART.port]), deadline)
        for path, content in queues.webhooks(layout, chosen, folder):
            api.apply(path, content)

    def _start_nodes(self, commands: Mapping[str, tuple[str, ...]], api: Api, deadline: float) -> None:
        for path, content in objects.permissions():
            api.apply(path, content)
        nodes = objects.nodes(self._layout.pools, self._nodes)
        for node in nodes:
            api.create(objects.NODES, node)
        names = [node["metadata"]["name"] for node in nodes]
        if "kwok" not in self._running:
            # kwok names itself anew at each start and waits until the leases of the one before, which is dead, have
            # run out: for so long, pods stayed Pending after a kill.
            for name in names:
                api.delete(f"{objects.LEASES}/{name}")
        self._spawn(commands, "kwok")
        self._await("kwok", "nodes to be Ready", lambda: all(_works(api, name) for name in names), deadline)

    def _start_real_node(self, commands: Mapping[str, tuple[str, ...]], api: Api, deadline: float) -> None:
        layout = self._layout
        self._spawn(commands, "registry")
        for path, content in node_objects.permissions():
            api.apply(path, content)
        if "node" not in self._running:
            # What a node that was killed left must not pass for this one's.
            layout.node_ready.unlink(missing_ok=True)
            node_objects.clear(api, layout.node_name)
        self._spawn(commands, "node")
        self._await("node", "its programs to start", layout.node_ready.is_file, deadline)
        path = f"{objects.NODES}/{layout.node_name}"
        self._await("node", "the node to be Ready", lambda: objects.ready(api.get(path)), deadline)
        for resource, content in node_objects.resolver():
            api.apply(resource, content)
        self._await("node", "names to be resolved", lambda: node_objects.resolves(api), deadline)

    def _spawn(self, commands: Mapping[str, tuple[str, ...]], *names: str) -> None:
        layout = self._layout
        for part in [part for part in self._parts if part.name in names and part.name not in self._running]:
            name = part.name
            self._logged[name] = size(layout.log(name))
            self._started[name] = self._running[name] = spawn(
                commands[name],
                log=layout.log(name),
                record=layout.record(name),
                folder=layout.folder,
                through=part.through(),
                secrets=part.secrets(layout),
            )

    def _await(self, part: str, what: str, condition: Callable[[], bool], deadline: float) -> None:
        self._report.detail(f"waiting for {what}")
        while not condition():
            for name, process in self._running.items():
                if not process.alive():
                    text = self._failure(name, "ended by itself")
                    # A part killed just before the start looks alive when the start begins, until it has given its
                    # memory back; a port may be lost between its choice and the start of the part.
                    again = name not in self._started or "address already in use" in text.lower()
                    raise (TryAgainError if again else RehearsalError)(text)
            if time.monotonic() > deadline:
                late = f"did not get so far within {PATIENCE:.0f} s; awaited was {what}"
                raise RehearsalError(self._failure(part, late))
            time.sleep(_POLL)

    def _failure(self, name: str, what: str) -> str:
        log = self._layout.log(name)
        lines = tail(log, _LOG_LINES, since=self._logged.get(name, 0))
        text = "\n".join(line[:300] for line in lines) or "(nothing)"
        return (
            f"Starting the platform in {self._layout.folder} failed: {name} {what}. What was started is ended again. "
            f"Its last log lines ({log}):\n{text}\n"
            "Run `stop` and `start`; if it fails the same way, `reset` makes a new, empty platform."
        )


def _works(api: Api, node: str) -> bool:
    """Return whether a node is Ready and in the hands of the kwok that runs now."""
    return objects.ready(api.get(f"{objects.NODES}/{node}")) and api.get(f"{objects.LEASES}/{node}") is not None


def write_settings(layout: Layout, chosen: Mapping[str, int]) -> None:
    """Write the audit policy, every kubeconfig, those of people included, and connections: a port may have moved.

    Args:
        layout: The platform's folder.
        chosen: The ports.
    """
    policy = files("rehearsal.platform").joinpath("audit-policy.yaml").read_text(encoding="utf-8")
    write(layout.audit_policy, policy)
    for client in CLIENTS:
        path = layout.kubeconfig if client == "admin" else layout.part_kubeconfig(client)
        write_kubeconfig(
            path,
            context=layout.context,
            server=server(chosen["kube-apiserver"], layout.host),
            authority=layout.authority.certificate,
            client=layout.pair(client),
        )
    write_connections(layout, chosen)
    renew(layout, chosen["kube-apiserver"])
