"""Keep secrets hidden: in the state a provider answers, and in the messages it passes on."""

from __future__ import annotations

import base64
import binascii

from rehearsal.plugins.properties import Properties, Secret, holds, walk


def hidden_as(inputs: Properties, values: Properties) -> Properties:
    """A copy of `values` in which what is secret in `inputs` is marked secret."""
    marked = dict(values)
    for key, given in inputs.items():
        value = marked.get(key)
        if value is None or isinstance(value, Secret):
            continue
        if isinstance(value, dict) and isinstance(given, dict):
            marked[key] = hidden_as(given, value)
        elif holds(given, Secret):
            # A list, or a whole object: its parts may have moved, so all of it is hidden.
            marked[key] = Secret(value)
    return marked


def redacted(text: str, inputs: Properties) -> str:
    """A message without the secrets in `inputs`: servers quote the value they refuse."""
    hidden: set[str] = set()
    for item in walk(inputs):
        if isinstance(item, Secret):
            hidden |= {str(part) for part in walk(item.value) if isinstance(part, (str, int, float))}
    # A server may quote a value as it was given or as it was meant.
    hidden |= {form for secret in hidden for form in (_encoded(secret), _decoded(secret))}
    for secret in sorted((part for part in hidden if len(part) > 2), key=len, reverse=True):
        text = text.replace(secret, "[secret]")
    return text


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, ValueError):
        return ""
