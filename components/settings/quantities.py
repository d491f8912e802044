"""Kubernetes quantities (`500m`, `64Gi`), read so that two of them can be compared before a cluster sees them.

The Kubernetes client has a parser, but importing it costs the program 0.5 s; the grammar is one line.
"""

from __future__ import annotations

import re
from decimal import Decimal

from components.quoting import quoted

# kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity
_NUMBER, _SUFFIX = r"[0-9]+(?:\.[0-9]+)?", "m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei"
PATTERN = f"{_NUMBER}(?:{_SUFFIX})?"
"""A quantity, for JSON Schema."""
_FORM = re.compile(f"(?P<number>{_NUMBER})(?P<suffix>{_SUFFIX})?")
_LARGEST = Decimal(2**63 - 1)  # the same page; the API server silently caps what is larger
_DECIMAL = {"m": -1, "": 0, "k": 1, "M": 2, "G": 3, "T": 4, "P": 5, "E": 6}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}


def parse(quantity: str) -> Decimal:
    """Return a quantity in its base unit (cores, bytes or pieces).

    Raises:
        ValueError: If it is not a Kubernetes quantity of zero or more.
    """
    match = _FORM.fullmatch(quantity)
    if not match:
        raise ValueError(f"{quoted(quantity)} is not a Kubernetes quantity, such as 500m, 4 or 64Gi")
    number, suffix = Decimal(match["number"]), match["suffix"] or ""
    factor = Decimal(1024 ** _BINARY[suffix]) if suffix in _BINARY else Decimal(f"1e{3 * _DECIMAL[suffix]}")
    value = number * factor
    if value > _LARGEST:
        raise ValueError(f"{quoted(quantity)} is more than Kubernetes can count, 2^63-1 ({_LARGEST:.1e})")
    return value


def written(value: Decimal, *, binary: bool = False) -> str:
    """Return a quantity as Kubernetes itself writes it: what is compared with an answer must not differ in form alone.

    Args:
        value: In its base unit. What is finer than a thousandth, or than a byte, is cut off.
        binary: Whether it counts bytes.
    """
    if binary:
        whole, steps = int(value), [(suffix, 1024**power) for suffix, power in _BINARY.items()]
    elif value == int(value):
        whole, steps = int(value), [(suffix, 1000**power) for suffix, power in _DECIMAL.items() if power > 0]
    else:
        return f"{int(value * 1000)}m"
    fitting = [(suffix, size) for suffix, size in steps if whole and whole % size == 0]
    suffix, size = fitting[-1] if fitting else ("", 1)
    return f"{whole // size}{suffix}"
