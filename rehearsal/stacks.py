"""What a stack file says of the cluster it needs. The rehearsal reads the file as anyone could, without the product."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from rehearsal.errors import RehearsalError

_CONTEXT = "terrarium-"
_FILES = ("Pulumi.{stack}.yaml", "environments/*/Pulumi.{stack}.yaml")


@dataclass(frozen=True)
class Needs:
    """What must run before a stack can be brought up.

    Args:
        embedded: Name of the embedded platform; None if the stack names another cluster's context.
        platform_stack: The stack of the platform whose slice it is, if any.
    """

    embedded: str | None
    platform_stack: str | None


def needs(root: Path, stack: str) -> Needs:
    """Return what a stack needs.

    Raises:
        RehearsalError: If there is no file for it.
    """
    block = _block(root, stack)
    if block is None:
        known = ", ".join(sorted(_stacks(root))) or "none"
        raise RehearsalError(f"There is no Pulumi.{stack}.yaml. Stacks here: {known}.")
    cloud = _kubernetes(block)
    context = str(cloud.get("context", ""))
    embedded = context.removeprefix(_CONTEXT) if context.startswith(_CONTEXT) else None
    return Needs(embedded, _stack_of_platform(root, cloud.get("platform")))


def _stack_of_platform(root: Path, name: object) -> str | None:
    for stack in sorted(_stacks(root)) if name else ():
        block = _block(root, stack) or {}
        if "tiers" in block and block.get("name") == name:
            return stack
    return None


def _stacks(root: Path) -> list[str]:
    found = (path for pattern in _FILES for path in root.glob(pattern.format(stack="*")))
    return [path.name.removeprefix("Pulumi.").removesuffix(".yaml") for path in found]


def _block(root: Path, stack: str) -> dict[str, Any] | None:
    path = next((path for pattern in _FILES for path in root.glob(pattern.format(stack=stack))), None)
    if path is None:
        return None
    try:
        config = yaml.safe_load(path.read_text())["config"]
    except (yaml.YAMLError, KeyError, TypeError, UnicodeDecodeError):
        return {}  # `terrarium` says what is wrong with it, and where
    found = [value for key, value in config.items() if key.startswith("terrarium:")] if isinstance(config, dict) else []
    return found[0] if found and isinstance(found[0], dict) else {}


def _kubernetes(block: dict[str, Any]) -> dict[str, Any]:
    cloud = block.get("cloud")
    found = cloud.get("kubernetes") if isinstance(cloud, dict) else None
    return found if isinstance(found, dict) else {}
