"""Where this checkout's tiers live: state, secrets provider, kubeconfig.

`.terrarium/<tier>.env` holds one `KEY=VALUE` per line, as a shell reads it. It is written by whoever sets the checkout
up, and never committed. A tier's file wins over the shell's variables, so that a shell prepared for one tier can't lead
a command for another to the wrong state.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from components.settings import tierfiles
from components.settings.tierfiles import BACKEND, FOLDER, same_backend
from components.tiers import Tier
from terrarium.errors import InvalidInput, Refused

ROOT = "TERRARIUM_ROOT"
"""Tells a cloud where the project is: paths in stack files are relative to it."""


@dataclass(frozen=True)
class Site:
    """Where one stack is worked on.

    Args:
        root: The folder of Pulumi.yaml.
        variables: Variables for the engine, over those of the process.
    """

    root: Path
    variables: Mapping[str, str]

    @property
    def backend(self) -> str:
        """The URL of the state backend."""
        return self.variables.get(BACKEND) or os.environ[BACKEND]

    @property
    def asking(self) -> Mapping[str, str]:
        """Variables for whoever asks a cloud: the process's, and over them the tier's and the project's folder."""
        return {**os.environ, **self.variables, ROOT: str(self.root)}

    @property
    def kubeconfig(self) -> str | None:
        """The kubeconfig's path, if any is set."""
        return self.variables.get("KUBECONFIG") or os.environ.get("KUBECONFIG")


def find_root(start: Path) -> Path:
    """Return the folder of the Pulumi.yaml that a folder belongs to.

    Raises:
        InvalidInput: If there is none.
    """
    for folder in (start, *start.parents):
        if (folder / "Pulumi.yaml").exists():
            return folder
    raise InvalidInput(f"no Pulumi.yaml in {start} or above: run this inside the project's checkout, or give --root")


def site(root: Path, tiers: Iterable[Tier]) -> Site:
    """Return where stacks of these tiers are worked on.

    Raises:
        Refused: If nothing names a state backend, or production's is another tier's as well.
    """
    names = [tier.value for tier in tiers]
    by_tier = {tier.value: _variables(tierfiles.path(root, tier)) for tier in Tier}
    variables = by_tier[sorted(names)[0]]
    backend = variables.get(BACKEND) or os.environ.get(BACKEND)
    if not backend:
        raise Refused(
            f"no state backend for {names[0]}: set {BACKEND}, or write it to {FOLDER}/{names[0]}.env "
            "(`make up` writes one for the embedded platform); see docs/state.md"
        )
    for tier, other in by_tier.items():
        if same_backend(other.get(BACKEND, ""), backend) and (tier == Tier.PRODUCTION) != (Tier.PRODUCTION in names):
            raise Refused(
                f"{names[0]} and {tier} name the same state backend: production shares its state with no other tier; "
                f"correct {BACKEND} in {FOLDER}/{names[0]}.env or {FOLDER}/{tier}.env"
            )
    return Site(root, variables)


def surroundings(root: Path, tiers: Iterable[Tier]) -> Mapping[str, str]:
    """Return the variables by which stacks of these tiers find what is around them; no state is needed for it.

    Args:
        root: The folder of Pulumi.yaml.
        tiers: The tiers.
    """
    return {**os.environ, **_variables(tierfiles.path(root, min(tiers, key=lambda tier: tier.value)))}


def _variables(path: Path) -> dict[str, str]:
    try:
        return tierfiles.variables(path)
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path} can't be read: {error}") from None
    except ValueError as error:
        raise InvalidInput(f"{path} is not a file of KEY=VALUE lines as a shell reads them: {error}") from None


def engine_root(root: Path) -> str | None:
    """Return the folder whose `bin/` holds the checkout's own engine, or None to take the one on PATH."""
    folder = root / FOLDER
    return str(folder) if (folder / "bin" / "pulumi").exists() else None
