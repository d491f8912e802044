"""Terrarium: the `terrarium` command, on Pulumi's Automation API, and the client for code: `terrarium.connect`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from terrarium.client.environment import Environment, connect
    from terrarium.client.store import Store

__all__ = ["Environment", "Store", "connect"]

_HOMES = {
    "connect": "terrarium.client.environment",
    "Environment": "terrarium.client.environment",
    "Store": "terrarium.client.store",
}


def __getattr__(name: str) -> Any:
    # On first use: `import terrarium` must cost nothing, and the command imports this package too.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - whoever imports the package pays for what they use

    return getattr(import_module(_HOMES[name]), name)
