"""How a gate comes to its judge: the stack's declaration, security's files, the other stacks, CI's word."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from components.settings import documents
from components.settings.declaration import (
    MODELS,
    NAMESPACE,
    Declaration,
    declare,
    declared,
    organisation_document,
    stack_files,
)
from components.settings.documents import Document
from components.settings.problems import InvalidSettings
from policies.gates import attestation, book
from policies.gates.facts import facts
from policies.gates.verdicts import Judge

BACKEND = "PULUMI_BACKEND_URL"


def judge(root: Path, declaration: Declaration, variables: Mapping[str, str]) -> Judge:
    """Return who judges a stack.

    Args:
        root: The folder of Pulumi.yaml.
        declaration: What the stack declares.
        variables: Of the environment: the state backend, and CI's token.

    Raises:
        InvalidSettings: If security's files are not valid.
    """
    today = datetime.now(UTC).date()
    decided = book.read(root, today)
    told = facts(
        declaration,
        decided,
        today,
        others=_others(root, declaration.stack),
        backend=variables.get(BACKEND, ""),
        secrets_provider=_secrets_provider(root, declaration.stack),
        deployment=attestation.attested(variables.get(attestation.TOKEN, ""), decided, root),
    )
    return Judge(declaration.stack, told, decided)


def of_engine(root: Path, stack: str, config: Mapping[str, str], variables: Mapping[str, str]) -> Judge:
    """Return who judges the stack that an engine works on, by what it tells its policy packs.

    Args:
        root: The folder that holds organisation.yaml and security's files.
        stack: The stack.
        config: The stack's configuration: JSON in text, by full key.
        variables: Of the environment: the state backend, CI's token.

    Raises:
        InvalidSettings: If the stack is none of ours, or what it declares or security's files are not valid.
    """
    blocks = {kind: config.get(f"{NAMESPACE}:{kind}") for kind in MODELS}
    given: dict[str, Any] = {kind: _decoded(block) for kind, block in blocks.items() if block is not None}
    document = Document("the stack's configuration", {})
    return judge(root, declared(stack, document, organisation_document(root), given), variables)


def _decoded(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text  # what is wrong with it, the settings say


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
