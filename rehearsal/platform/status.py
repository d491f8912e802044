"""What `status` says about a platform."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class PartStatus:
    """One part of a platform.

    Attributes:
        name: Such as `kube-apiserver`.
        running: Whether its process runs.
        pid: The process, None if it does not run.
        version: With a leading `v`.
        memory: Resident memory in bytes.
        address: URL it listens on; empty if it does not listen.
        real: Whether it is what a real cluster runs, doing what it does there.
        about: What is real and what simulated, in a plain sentence.
        log: Its log.
    """

    name: str
    running: bool
    pid: int | None
    version: str
    memory: int
    address: str
    real: bool
    about: str
    log: Path


@dataclass(frozen=True)
class Status:
    """A platform.

    Attributes:
        name: Its name.
        context: The context in its kubeconfig.
        kubeconfig: The administrator's kubeconfig.
        address: The API server's URL; empty before the first start.
        ready: Whether every part runs, and the API server, all nodes and the data store say that they are
            ready.
        nodes: Nodes that are Ready.
        real_nodes: Of them, those on which containers run.
        parts: In the order they start.
    """

    name: str
    context: str
    kubeconfig: Path
    address: str
    ready: bool
    nodes: int
    real_nodes: int
    parts: tuple[PartStatus, ...]

    @property
    def running(self) -> bool:
        """Whether every part runs."""
        return all(part.running for part in self.parts)

    @property
    def memory(self) -> int:
        """Resident memory of all parts, in bytes."""
        return sum(part.memory for part in self.parts)

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON's types, for `--json`."""
        content = asdict(self) | {"running": self.running, "memory": self.memory}
        content["kubeconfig"] = str(self.kubeconfig)
        for part in content["parts"]:
            part["log"] = str(part["log"])
        return content
