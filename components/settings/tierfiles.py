"""What a checkout sets for each tier: `.terrarium/<tier>.env`, one `KEY=VALUE` a line, as a shell reads it."""

from __future__ import annotations

import shlex
from pathlib import Path

from components.tiers import Tier

FOLDER = ".terrarium"
BACKEND = "PULUMI_BACKEND_URL"
"""Names the state backend."""


def path(root: Path, tier: Tier) -> Path:
    """Return a tier's file.

    Args:
        root: The folder of Pulumi.yaml.
        tier: The tier.
    """
    return root / FOLDER / f"{tier.value}.env"


def variables(file: Path) -> dict[str, str]:
    """Return the variables of a tier's file; none if there is no file.

    Args:
        file: The file.

    Raises:
        OSError: If it can't be read.
        ValueError: If it is not what a shell reads, or no text.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    pairs = (word.partition("=") for word in shlex.split(text, comments=True))
    return {key: value for key, _, value in pairs}


def same_backend(one: str, other: str) -> bool:
    """Tell whether two URLs name one folder or bucket of states. A service keeps organisations apart under one URL."""
    if one.startswith(("http://", "https://")):
        return False
    return one.partition("?")[0].rstrip("/") == other.partition("?")[0].rstrip("/")
