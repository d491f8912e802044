"""What stack files, and the rehearsal's state, say of clusters. Read as anyone could, without the product."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from rehearsal.errors import RehearsalError, explained

_CONTEXT = "terrarium-"
# In the path of every embedded platform's kubeconfig.
_PLATFORMS = "/.terrarium/platforms/"
_PRODUCTION = "production"
_FILES = ("Pulumi.{stack}.yaml", "environments/*/Pulumi.{stack}.yaml")


@dataclass(frozen=True)
class Needs:
    """What must run before a stack can be brought up.

    Args:
        embedded: Name of the embedded platform; None if the stack names another cluster's context.
        platform_stack: The stack of the platform whose slice it is, if any.
        production: Whether it is of the production tier, whose state and variables are apart.
    """

    embedded: str | None
    platform_stack: str | None
    production: bool


def needs(root: Path, stack: str) -> Needs:
    """Return what a stack needs.

    Raises:
        RehearsalError: If there is no file for it.
    """
    block = _block(root, stack)
    if block is None:
        known = ", ".join(sorted(_stacks(root))) or "none"
        raise RehearsalError(f"There is no Pulumi.{stack}.yaml. Stacks here: {known}.")
    platform_stack = _stack_of_platform(root, _kubernetes(block).get("platform"))
    return Needs(_embedded(block), platform_stack, _in_production(block))


@dataclass(frozen=True)
class Side:
    """The clusters of the production tier's stacks, or of all others.

    Args:
        embedded: Names of the embedded platforms, sorted.
        others: Whether a stack names another cluster's context, which the person's own kubeconfigs must hold.
    """

    embedded: tuple[str, ...]
    others: bool


def side(root: Path, *, production: bool) -> Side:
    """Return which clusters the stacks of one side name.

    Args:
        root: The checkout.
        production: Which side: the production tier's stacks, or all others.
    """
    blocks = [block for stack in _stacks(root) if (block := _block(root, stack))]
    mine = [block for block in blocks if _in_production(block) == production]
    embedded = sorted({name for block in mine if (name := _embedded(block))})
    others = any("context" in _kubernetes(block) and not _embedded(block) for block in mine)
    return Side(tuple(embedded), others)


def elsewhere(states: Path) -> dict[str, str]:
    """Return the stacks whose state tells of objects in clusters that are not embedded, with the cluster's context.

    Args:
        states: The folder that holds the rehearsal's state backends.

    Raises:
        RehearsalError: If the folder can't be read.
    """
    with explained(f"The states in {states} can't be read"):
        files = sorted(states.glob("*/.pulumi/stacks/**/*.json"))
        return {file.stem: context for file in files for context in _foreign_contexts(file)}


def _foreign_contexts(file: Path) -> Iterator[str]:
    """Yield the contexts of the clusters beyond this checkout that a state has objects in."""
    try:
        resources = json.loads(file.read_bytes())["checkpoint"]["latest"]["resources"]
        providers = [it["inputs"] for it in resources if it["type"] == "pulumi:providers:kubernetes"]
        recorded = [(str(inputs.get("context", "")), str(inputs.get("kubeconfig", ""))) for inputs in providers]
    except (ValueError, KeyError, TypeError, AttributeError):
        # A stack that was made and never brought up has no resources; nor has one that was destroyed.
        return
    for context, kubeconfig in recorded:
        if not _is_embedded(context) or (kubeconfig and _PLATFORMS not in kubeconfig):
            yield context


def _is_embedded(context: str) -> bool:
    return context.startswith(_CONTEXT)


def _embedded(block: dict[str, Any]) -> str | None:
    cloud = _kubernetes(block)
    context = str(cloud.get("context", ""))
    # A kubeconfig of its own leads to another cluster, whatever that one calls its context.
    return context.removeprefix(_CONTEXT) if _is_embedded(context) and not cloud.get("kubeconfig") else None


def _in_production(block: dict[str, Any]) -> bool:
    tiers = block.get("tiers")
    return block.get("tier") == _PRODUCTION or (isinstance(tiers, list) and _PRODUCTION in tiers)


def _stack_of_platform(root: Path, name: object) -> str | None:
    for stack in sorted(_stacks(root)) if name else ():
        block = _block(root, stack, "platform") or {}
        if block.get("name") == name:
            return stack
    return None


def _stacks(root: Path) -> list[str]:
    found = (path for pattern in _FILES for path in root.glob(pattern.format(stack="*")))
    return [path.name.removeprefix("Pulumi.").removesuffix(".yaml") for path in found]


def _block(root: Path, stack: str, kind: str = "") -> dict[str, Any] | None:
    """Return what a stack declares, of any kind or of one: nothing if it is of another, None without a file."""
    path = next((path for pattern in _FILES for path in root.glob(pattern.format(stack=stack))), None)
    if path is None:
        return None
    try:
        with explained(f"The stack file {path} can't be read"):
            config = yaml.safe_load(path.read_text(encoding="utf-8"))["config"]
    except (yaml.YAMLError, KeyError, TypeError, UnicodeDecodeError):
        return {}  # `terrarium` says what is wrong with it, and where
    blocks = config.items() if isinstance(config, dict) else ()
    found = [value for key, value in blocks if key.startswith(f"terrarium:{kind}")]
    return found[0] if found and isinstance(found[0], dict) else {}


def _kubernetes(block: dict[str, Any]) -> dict[str, Any]:
    cloud = block.get("cloud")
    found = cloud.get("kubernetes") if isinstance(cloud, dict) else None
    return found if isinstance(found, dict) else {}
