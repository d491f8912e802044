"""What a part of a platform is: one process, how it is started and recognised, and what is real about it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rehearsal.platform.layout import Layout
from rehearsal.platform.ports import LOOPBACK
from rehearsal.platform.processes import Sign


def _nothing(_: Layout) -> Mapping[str, str]:
    return {}


def _no_detour() -> tuple[str, ...]:
    return ()


@dataclass(frozen=True)
class Part:
    """One process of the platform.

    Attributes:
        name: Unique among the parts.
        built_in: The build set its program comes from.
        version: Returns its version, with a leading `v`.
        port: Key into the remembered ports; empty if it does not listen.
        real: Whether it is what a real cluster runs, doing what it does there.
        about: What is real and what simulated, in a plain sentence.
        mark: Returns the argument that no other process has: it names a file of this platform.
        arguments: Returns all arguments, the mark among them, from the platform's folder, its ports and the build
            set's folder.
        program: Name of its executable, where it is not the part's.
        scheme: Of the URL it answers on.
        works_in: Returns the folder it changes to, where it does not stay in the platform's.
        owner: Returns the user (number) it runs as.
        through: Returns the command that becomes the program.
        secrets: Returns variables for it that nobody else may see.
        stop: The signal that ends it in order, and soon.
        on_bridge: Whether it answers where a real node reaches it, if there is one.
    """

    name: str
    built_in: str
    version: Callable[[], str]
    port: str
    real: bool
    about: str
    mark: Callable[[Layout], str]
    arguments: Callable[[Layout, Mapping[str, int], Path], tuple[str, ...]]
    program: str = ""
    scheme: str = "https"
    works_in: Callable[[Layout], Path] = lambda layout: layout.folder
    owner: Callable[[], int] = os.getuid
    through: Callable[[], tuple[str, ...]] = _no_detour
    secrets: Callable[[Layout], Mapping[str, str]] = _nothing
    stop: signal.Signals = signal.SIGTERM
    on_bridge: bool = False

    def command(self, layout: Layout, ports: Mapping[str, int], built: Mapping[str, Path]) -> tuple[str, ...]:
        """Return the whole command line.

        Args:
            layout: The platform's folder.
            ports: Those of `layout.PORTS`.
            built: The folder of each build set.
        """
        folder = built[self.built_in]
        return (str(folder / (self.program or self.name)), *self.arguments(layout, ports, folder))

    def sign(self, layout: Layout) -> Sign:
        """Return what its process is recognised by."""
        return Sign(self.program or self.name, self.mark(layout), self.works_in(layout), self.owner())

    def address(self, port: int, layout: Layout) -> str:
        """Return the URL it answers on."""
        return f"{self.scheme}://{layout.host if self.on_bridge else LOOPBACK}:{port}"
