"""Environments of a checkout as these commands work on them: declared, brought up, and reached in their cluster."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from components.settings.declaration import declare
from components.settings.models import EnvironmentSettings
from components.tiers import Tier
from terrarium.cluster import Cluster
from terrarium.deployment import Deployment
from terrarium.engine import Say, outputs
from terrarium.errors import Refused
from terrarium.lifetimes.objects import Objects
from terrarium.lifetimes.sleeping import Sleeper
from terrarium.site import site


@dataclass(frozen=True)
class Environment:
    """One environment that may sleep or end.

    Args:
        stack: Its stack.
        settings: What it declares.
        deployment: Its stack and state.
        objects: Its cluster's.
        sleeper: Puts it to sleep and wakes it.
        deployed_end: The end with which it was brought up; None for none.
    """

    stack: str
    settings: EnvironmentSettings
    deployment: Deployment
    objects: Objects
    sleeper: Sleeper
    deployed_end: date | None


def environment(root: Path, stack: str, say: Say) -> Environment:
    """Return an environment that was brought up.

    Args:
        root: The folder of Pulumi.yaml.
        stack: Its stack.
        say: Takes a sentence on what goes on, for people.

    Raises:
        InvalidSettings: If what is declared is not valid.
        Refused: If it is production's, no environment, or not there.
    """
    declaration = declare(root, stack)
    settings = declaration.settings
    if not isinstance(settings, EnvironmentSettings):
        raise Refused(f"stack {stack} is a {declaration.kind}: only environments sleep and end")
    if settings.tier is Tier.PRODUCTION:
        raise Refused(f"stack {stack} is production: it never sleeps, and nothing ends it by a date")
    found_at = site(root, declaration.tiers)
    deployment = Deployment(declaration, found_at, say)
    state = deployment.engine.state()
    if not state.get("resources"):
        raise Refused(f"stack {stack} was never brought up, or is destroyed; there is nothing to be done", absent=True)
    found = outputs(state)
    if not found:
        raise Refused(
            f"stack {stack} is half made: an `up` was interrupted. Run it again, or `terrarium destroy {stack}`"
        )
    _same(stack, settings, found)
    objects = Objects(Cluster(found["access"], found_at.kubeconfig))
    sleeper = Sleeper(objects, settings.id, say)
    return Environment(stack, settings, deployment, objects, sleeper, _deployed_end(found))


def _deployed_end(found: dict[str, Any]) -> date | None:
    text = (found.get("lifetime") or {}).get("expires")
    return date.fromisoformat(text) if text else None


def _same(stack: str, settings: EnvironmentSettings, found: dict[str, Any]) -> None:
    """Refuse a file that no longer declares what was made: by it, another environment would be stopped or ended."""
    made = (found.get("id"), found.get("tier"))
    if made != (settings.id, settings.tier.value):
        raise Refused(
            f"stack {stack} made {made[0]} ({made[1]}) and its file declares {settings.id} ({settings.tier.value}): "
            "put back what was fixed at creation"
        )
