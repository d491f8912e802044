"""Where each value of a declaration comes from."""

from __future__ import annotations

from typing import Any

from components.settings.declaration import Declaration
from components.settings.documents import Path_


def explanation(declaration: Declaration, path: Path_) -> list[dict[str, Any]]:
    """Return, for each value at or below a path, what each layer says of it, the one that counts first.

    Args:
        declaration: The declaration.
        path: The path; empty for everything.
    """
    found = sorted(where for where in declaration.origins if where[: len(path)] == path)
    return [row for where in found for row in _origins(declaration, where)]


def _origins(declaration: Declaration, where: Path_) -> list[dict[str, Any]]:
    said = declaration.origins[where]
    return [
        {
            "key": ".".join(map(str, where)),
            "value": origin.value,
            "from": origin.layer,
            "place": str(origin.place) if origin.place else None,
            "counts": origin is said[-1],
        }
        for origin in reversed(said)
    ]


def shown(row: dict[str, Any]) -> str:
    """Return a row's value for people."""
    return str(row["value"]) if row["counts"] else f"({row['value']}, overridden)"
