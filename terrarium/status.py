"""What is known of a stack, and how to reach what it made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from components.settings.declaration import declare
from components.settings.problems import InvalidSettings
from terrarium.deployment import Deployment
from terrarium.engine import Say, outputs
from terrarium.errors import CommandFailed
from terrarium.recovery import pending_creates
from terrarium.site import site


def state(stack: str, root: Path, say: Say) -> dict[str, Any]:
    """Return what is known of a stack; a problem with one of them must not hide the others.

    Args:
        stack: The stack.
        root: The folder of Pulumi.yaml.
        say: Takes a sentence on what goes on, for people.
    """
    known: dict[str, Any] = {
        "stack": stack,
        "kind": "",
        "tier": "",
        "resources": 0,
        "last change": "never",
        "reach": "",
    }
    try:
        declaration = declare(root, stack)
        tiers = ", ".join(sorted(tier.value for tier in declaration.tiers))
        known |= {"kind": declaration.kind, "tier": tiers}
        exported = Deployment(declaration, site(root, declaration.tiers), say).engine.state()
        if exported.get("resources"):
            found = outputs(exported)
            known |= {
                "last change": exported["manifest"]["time"][:19],
                "resources": sum(1 for item in exported.get("resources") or () if item.get("custom")),
                "outputs": found,
                "reach": "; ".join(row[1] for row in reach(found) if row[0] == "reach"),
                "pending": [item.urn for item in pending_creates(exported)],
            }
            if known["pending"]:
                known["last change"] += " (interrupted: run up again)"
    except (InvalidSettings, CommandFailed) as error:
        known |= {"last change": "?", "reach": str(error).splitlines()[0], "error": str(error)}
    return known


def reach(outputs: dict[str, Any]) -> list[tuple[str, str]]:
    """Return how a person reaches what a stack made, as rows of what and how.

    Args:
        outputs: The stack's.
    """
    access = outputs.get("access") or {}
    context = access.get("context")
    if not context:
        return []
    if access.get("kubeconfig"):
        context = f"{context} --kubeconfig {access['kubeconfig']}"
    namespace = outputs.get("namespace")
    what = f" -n {namespace} get all" if namespace else " get namespaces"
    # Once on a machine, with the person's own sign-in: the kubeconfig that it writes holds no credential.
    login = [("login", str(access["login"]))] if access.get("login") else []
    return [*login, ("reach", f"kubectl --context {context}{what}")]
