"""A stack's configuration as the engine holds it: JSON in text, by kind."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from components.settings.declaration import MODELS, Kind


def blocks(text: Callable[[Kind], str | None]) -> dict[str, Any]:
    """Return the blocks of a stack's configuration, as `declare` and `declared` take them.

    Args:
        text: Returns the text under a kind, None if there is none. What is no JSON is returned as it is: the settings
            say what is wrong with it.
    """
    given = ((kind, text(kind)) for kind in MODELS)
    return {kind: _decoded(block) for kind, block in given if block is not None}


def _decoded(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
