"""The stack file of the environment that a restore brings data into: a copy of the old one's, under a new name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from components.settings.check import check_project
from components.settings.declaration import NAMESPACE, stack_files
from components.settings.problems import InvalidSettings
from terrarium.backups.environments import Declared
from terrarium.errors import InvalidInput, Refused

# Of the old stack's secrets; the new stack gets its own.
_OF_SECRETS = re.compile(r"^(encryptionsalt|encryptedkey):.*\n?", re.MULTILINE)


def write_copy(source: Declared, new: str) -> Path:
    """Write the file of a new stack beside the source's: all of it but the name; comments stay.

    Args:
        source: The environment to copy.
        new: The new stack's name.

    Returns:
        The file.

    Raises:
        Refused: If the environment owns its cluster, which two can't share.
        InvalidInput: If the file can't be copied as it is.
        InvalidSettings: If the copy would not be valid; then there is no file.
    """
    if source.declaration.adapter.platform is None:
        raise Refused(
            f"environment {source.settings.id} owns its cluster, and a second one can't live on it: declare {new} on "
            f"another cluster in Pulumi.{new}.yaml, then run the same command again"
        )
    root = source.site.root
    old = stack_files(root)[source.stack]
    text = renamed(old.read_text(encoding="utf-8"), _name(source, new))
    try:
        path = old.with_name(f"Pulumi.{new}.yaml")  # refuses a name with a `/`, which would lead elsewhere
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except (OSError, ValueError):
        raise InvalidInput(
            f"Pulumi.{new}.yaml can't be written: is `{new}` a stack's name, and the folder writable?"
        ) from None
    report = check_project(root, [new])
    if not report.ok:
        path.unlink()
        raise InvalidSettings(f"stack {new}, as a copy of {source.stack},", report.problems)
    return path


def renamed(text: str, name: str) -> str:
    """Return an environment's stack file with another name, and without what belongs to the old stack's secrets.

    Args:
        text: The file.
        name: The environment's new name.

    Raises:
        InvalidInput: If it holds secrets, which only the old stack can read.
    """
    if re.search(r"^\s*(-\s*)?secure:", text, re.MULTILINE):
        raise InvalidInput("the stack file holds secrets, which only its own stack can read: write the new one by hand")
    top = yaml.compose(text, Loader=yaml.SafeLoader)
    node = _below(_below(_below(top, "config"), f"{NAMESPACE}:environment"), "name")
    if node is None:
        raise InvalidInput("the stack file does not give the environment's name itself: write the new one by hand")
    # Replaced where it stands: written anew by a YAML library, the file would lose its comments.
    changed = text[: node.start_mark.index] + name + text[node.end_mark.index :]
    return _OF_SECRETS.sub("", changed)


def _name(source: Declared, new: str) -> str:
    """Return the environment's name; a stack may be called by it alone or by the whole id."""
    project = f"{source.settings.project}-"
    return new.removeprefix(project) if source.stack.startswith(project) else new


def _below(node: Any, key: str) -> Any:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for name, value in node.value if name.value == key), None)
