"""What stack files, and the rehearsal's state, say of clusters. Read as anyone could, without the product."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from rehearsal.errors import RehearsalError, explained

_CONTEXT = "terrarium-"
# In the path of every embedded platform's kubeconfig.
_PLATFORMS = "/.terrarium/platforms/"
_PRODUCTION = "production"
# What each cloud calls its account.
_ACCOUNTS = {"aws": "account", "gcp": "project"}
_FILES = ("Pulumi.{stack}.yaml", "environments/*/Pulumi.{stack}.yaml")


@dataclass(frozen=True)
class Account:
    """An account of AWS, or a project of Google Cloud, that a stack names.

    Args:
        cloud: `aws` or `gcp`, as the plugin.
        name: The account's number, the project's id.
        region: The region.
    """

    cloud: str
    name: str
    region: str


@dataclass(frozen=True)
class Needs:
    """What must run before a stack can be brought up.

    Args:
        embedded: Name of the embedded platform; None if the stack names another cluster's context.
        platform_stack: The stack of the platform whose slice it is, if any.
        production: Whether it is of the production tier, whose state and variables are apart.
        account: The account that it is made in; None if it is on no cloud that has accounts.
    """

    embedded: str | None
    platform_stack: str | None
    production: bool
    account: Account | None = None


def needs(root: Path, stack: str) -> Needs:
    """Return what a stack needs.

    Raises:
        RehearsalError: If there is no file for it.
    """
    block = _block(root, stack)
    if block is None:
        known = ", ".join(sorted(_stacks(root))) or "none"
        raise RehearsalError(f"There is no Pulumi.{stack}.yaml. Stacks here: {known}.")
    platform_stack = _stack_of_platform(root, _cloud(block)[1].get("platform"))
    return Needs(_embedded(block), platform_stack, _in_production(block), _account(block))


@dataclass(frozen=True)
class Side:
    """The clusters of the production tier's stacks, or of all others.

    Args:
        embedded: Names of the embedded platforms, sorted.
        others: Whether a stack names another cluster's context, which the person's own kubeconfigs must hold.
        accounts: The clouds' accounts that they name, in the order of the stacks' names.
    """

    embedded: tuple[str, ...]
    others: bool
    accounts: tuple[Account, ...] = ()


def side(root: Path, *, production: bool) -> Side:
    """Return which clusters the stacks of one side name.

    Args:
        root: The checkout.
        production: Which side: the production tier's stacks, or all others.
    """
    blocks = [block for stack in sorted(_stacks(root)) if (block := _block(root, stack))]
    mine = [block for block in blocks if _in_production(block) == production]
    embedded = sorted({name for block in mine if (name := _embedded(block))})
    others = any("context" in _kubernetes(block) and not _embedded(block) for block in mine)
    accounts = dict.fromkeys(account for block in mine if (account := _account(block)))
    return Side(tuple(embedded), others, tuple(accounts))


def elsewhere(states: Path, rehearsed: Collection[str] = ()) -> dict[str, str]:
    """Return the stacks whose state tells of objects that are neither embedded nor rehearsed, with where these are.

    Args:
        states: The folder that holds the rehearsal's state backends.
        rehearsed: Ids of what stands in rehearsed clouds.

    Raises:
        RehearsalError: If the folder can't be read.
    """
    with explained(f"The states in {states} can't be read"):
        files = sorted(states.glob("*/.pulumi/stacks/**/*.json"))
        return {file.stem: place for file in files for place in _foreign(file, rehearsed)}


def _foreign(file: Path, rehearsed: Collection[str]) -> Iterator[str]:
    """Yield the clusters and clouds beyond this checkout that a state has objects in."""
    try:
        resources = json.loads(file.read_bytes())["checkpoint"]["latest"]["resources"]
        clusters = [it["inputs"] for it in resources if it["type"] == "pulumi:providers:kubernetes"]
        contexts = [(str(inputs.get("context", "")), str(inputs.get("kubeconfig", ""))) for inputs in clusters]
        clouds = {f"{it['urn']}::{it['id']}": it["type"].rpartition(":")[2] for it in resources if _is_cloud(it)}
        made = [(clouds[it["provider"]], str(it["id"])) for it in resources if it.get("provider") in clouds]
    except (ValueError, KeyError, TypeError, AttributeError):
        # A stack that was made and never brought up has no resources; nor has one that was destroyed.
        return
    for context, kubeconfig in contexts:
        # A cluster that a cloud made is in no context: it goes with what the cloud made.
        if (context or not clouds) and (not _is_embedded(context) or (kubeconfig and _PLATFORMS not in kubeconfig)):
            yield f"context {context}"
    yield from {cloud: f"cloud {cloud}" for cloud, identifier in made if identifier not in rehearsed}.values()


def _is_cloud(resource: dict[str, Any]) -> bool:
    """Return whether a resource is a cloud's provider, rather than that of a store with an address of its own."""
    kinds = [f"pulumi:providers:{cloud}" for cloud in _ACCOUNTS]
    return resource["type"] in kinds and not resource["inputs"].get("endpoints")


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


def _account(block: dict[str, Any]) -> Account | None:
    name, cloud = _cloud(block)
    account = cloud.get(_ACCOUNTS.get(name, ""))
    # YAML reads an account's twelve digits as a number, unless they stand in quotes.
    return Account(name, str(account), str(cloud.get("region", ""))) if account else None


def _kubernetes(block: dict[str, Any]) -> dict[str, Any]:
    name, cloud = _cloud(block)
    return cloud if name == "kubernetes" else {}


def _cloud(block: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the name of a stack's cloud, and what the stack says of it."""
    cloud = block.get("cloud")
    for name, found in cloud.items() if isinstance(cloud, dict) else ():
        if isinstance(found, dict):
            return str(name), found
    return "", {}
