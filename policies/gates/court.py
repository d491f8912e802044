"""How a gate comes to its judge: the stack's declaration, security's files, the other stacks, CI's word."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from components.settings import documents, tierfiles
from components.settings.configuration import blocks
from components.settings.declaration import (
    NAMESPACE,
    Declaration,
    declare,
    declared,
    organisation_document,
    stack_files,
)
from components.settings.documents import Document
from components.settings.problems import InvalidSettings
from components.tiers import Tier
from policies.gates import attestation, book
from policies.gates.facts import facts
from policies.gates.verdicts import Judge


def judge(root: Path, declaration: Declaration, variables: Mapping[str, str], *, checkout: Path | None = None) -> Judge:
    """Return who judges a stack.

    Args:
        root: The folder that holds security's files and the other stacks' files.
        declaration: What the stack declares.
        variables: Of the environment: the state backend, and CI's token.
        checkout: The folder of Pulumi.yaml of what is deployed, where that is another one: rules may be those of a
            pinned release.

    Raises:
        InvalidSettings: If security's files are not valid.
    """
    today, deployed = datetime.now(UTC).date(), checkout or root
    decided = book.read(root, today)
    told = facts(
        declaration,
        decided,
        today,
        others=_others(root, declaration.stack),
        backend=variables.get(tierfiles.BACKEND, ""),
        backends=dict(_backends(deployed)),
        secrets_provider=_secrets_provider(deployed, declaration.stack),
        deployment=attestation.attested(variables.get(attestation.TOKEN, ""), decided, deployed),
    )
    return Judge(declaration.stack, told, decided)


def of_engine(root: Path, checkout: Path, stack: str, config: Mapping[str, str], variables: Mapping[str, str]) -> Judge:
    """Return who judges the stack that an engine works on, by what it tells its policy packs.

    Args:
        root: The folder that holds organisation.yaml and security's files.
        checkout: The folder of Pulumi.yaml of what is deployed.
        stack: The stack.
        config: The stack's configuration: JSON in text, by full key.
        variables: Of the environment: the state backend, CI's token.

    Raises:
        InvalidSettings: If the stack is none of ours, or what it declares or security's files are not valid.
    """
    document = Document("the stack's configuration", {})
    found = declared(stack, document, organisation_document(root), blocks(lambda k: config.get(f"{NAMESPACE}:{k}")))
    return judge(root, found, variables, checkout=checkout)


def _backends(root: Path) -> Iterator[tuple[Tier, str]]:
    """Yield the state backend of each tier that this checkout knows."""
    for tier in Tier:
        try:
            url = tierfiles.variables(tierfiles.path(root, tier)).get(tierfiles.BACKEND)
        except (OSError, ValueError):
            continue  # `terrarium` refuses to work with it
        if url:
            yield tier, url


def _secrets_provider(root: Path, stack: str) -> str:
    """Return what encrypts a stack's secrets, as its file has it from the engine: `passphrase`, `awskms`, …

    Empty if there is no such file here, or nothing was encrypted yet.
    """
    files = stack_files(root)
    data = documents.read(files[stack], root).data if stack in files else {}
    named = str(data.get("secretsprovider") or "").partition("://")[0]
    return named or ("passphrase" if "encryptionsalt" in data else "")


def _others(root: Path, stack: str) -> Iterable[Declaration]:
    for other in stack_files(root):
        if other != stack:
            try:
                yield declare(root, other)
            except InvalidSettings:
                # `terrarium check` says what is wrong with it; what it stands on can't be compared.
                continue
