"""Images of scripts and packages: built without a Dockerfile, a daemon or root, pushed by digest, with papers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from terrarium.images.building import Built, build

__all__ = ["Built", "build"]


def __getattr__(name: str) -> Any:
    # On first use: the command imports this package, and `--help` must cost nothing.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from terrarium.images import building as home  # noqa: PLC0415 - see above

    return getattr(home, name)
