"""What security has decided: what is approved, which rules deny, what is waived until when.

Every gate reads the files below `policies/waivers/` and nothing else: neither a stack file nor a policy pack's
configuration can turn a rule off.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from components.settings import documents
from components.settings.documents import Document
from components.settings.problems import InvalidSettings, Place, Problem
from components.settings.translation import translated
from policies.gates.files import Approved, ImageFile, Rollout, RolloutFile, Waiver, WaiverFile
from policies.rules import Evidence

FOLDER = Path("policies/waivers")
"""Where the files are, below the folder of Pulumi.yaml."""

_NAMES = ("approved.yaml", "rollout.yaml", "waivers.yaml", "images.yaml")
# A waiver that nobody looks at again is a rule that is off.
_LONGEST = timedelta(days=366)
_M = TypeVar("_M", bound=BaseModel)


@dataclass(frozen=True)
class Book:
    """All that security has decided. An empty one approves nothing, and every rule denies.

    Args:
        approved: What is approved.
        rollout: How far rules are rolled out, by id; one that is missing denies.
        waivers: The exceptions, expired ones too.
        evidence: What is known of images, by digest.
        keys: Public keys of trusted CI (JWKS), by issuer.
        signers: Public keys (PEM) of those whose signature on an image counts, by their name.
    """

    approved: Approved = field(default_factory=Approved)
    rollout: Mapping[str, Rollout] = field(default_factory=dict)
    waivers: tuple[Waiver, ...] = ()
    evidence: Mapping[str, Evidence] = field(default_factory=dict)
    keys: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    signers: Mapping[str, str] = field(default_factory=dict)

    @property
    def running(self) -> tuple[str, ...]:
        """Digests of the images that production may run: scanned and found clean, signed, in a release.

        How long ago the scan was is not looked at: a pod that must move to another node can't wait for one.
        """
        known = self.evidence.items()
        return tuple(sorted(d for d, e in known if e.scanned_on and e.clean and e.signed and e.release))

    def waivers_of(self, rule: str, stack: str, resource: str, token: str) -> list[Waiver]:
        """Return the exceptions for a rule and a resource, ended ones too, the one that holds longest first.

        Args:
            rule: The rule's id.
            stack: The stack.
            resource: The resource's logical name.
            token: Its type.
        """
        found = [w for w in self.waivers if (w.rule, w.stack) == (rule, stack) and w.covers(resource, token)]
        return sorted(found, key=lambda waiver: waiver.until, reverse=True)


def files(root: Path) -> list[str]:
    """Return security's files that are there, relative to the project's root.

    Args:
        root: The folder of Pulumi.yaml.
    """
    return [str(FOLDER / name) for name in _NAMES if (root / FOLDER / name).is_file()]


def read(root: Path, today: date) -> Book:
    """Return what security's files say. A file that is missing says nothing.

    Args:
        root: The folder of Pulumi.yaml.
        today: The present day: a waiver must end within a year of it.

    Raises:
        InvalidSettings: With every problem of every file.
    """
    reading = _Reading(root)
    approved_file, rollout_file, waiver_file, image_file = _NAMES
    approved = reading.file(approved_file, Approved)
    rollout = reading.file(rollout_file, RolloutFile)
    waivers = reading.file(waiver_file, WaiverFile)
    images = reading.file(image_file, ImageFile)
    for index, waiver in enumerate(waivers.waivers):
        if waiver.until > today + _LONGEST:
            message = "is more than a year away: a waiver that nobody looks at again is a rule that is off"
            reading.problem(waiver_file, ("waivers", index, "until"), message)
    keys = dict(_keys(reading, approved))
    signers = dict(_signers(reading, approved))
    if reading.problems:
        raise InvalidSettings("what security approves and waives", reading.problems)
    evidence = {digest: Evidence(**record.model_dump()) for digest, record in images.images.items()}
    return Book(approved, rollout.rules, waivers.waivers, evidence, keys, signers)


class _Reading:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.problems: list[Problem] = []
        self._documents: dict[str, Document] = {}

    def file(self, name: str, model: type[_M]) -> _M:
        path = self.root / FOLDER / name
        if not path.exists():
            return model()
        try:
            document = self._documents[name] = documents.read(path, self.root)
            return model.model_validate(document.data)
        except InvalidSettings as error:
            self.problems.extend(error.problems)
        except ValidationError as error:
            self.problems.extend(translated(error, model, document.place, ""))
        return model()

    def problem(self, name: str, path: documents.Path_, message: str) -> None:
        place: Place = self._documents[name].place(path)
        self.problems.append(Problem(".".join(map(str, path)), message, place))


def _keys(reading: _Reading, approved: Approved) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for index, ci in enumerate(approved.ci):
        at = ("ci", index, "keys")
        text = _beside(reading, ci.keys, at, "fetch the issuer's key set and keep it there")
        if text is None:
            continue
        try:
            yield ci.issuer, {"keys": list(json.loads(text)["keys"])}
        except (ValueError, TypeError, KeyError):
            reading.problem(_NAMES[0], at, "is no key set: it must be JSON that holds `keys` (RFC 7517)")


def _signers(reading: _Reading, approved: Approved) -> Iterator[tuple[str, str]]:
    for name, file in approved.signers.items():
        at = ("signers", name)
        text = _beside(reading, file, at, "export the signer's public key and keep it there")
        if text is None:
            continue
        if "-----BEGIN PUBLIC KEY-----" in text:
            yield name, text
        else:
            reading.problem(_NAMES[0], at, "is no public key in PEM: it must begin with -----BEGIN PUBLIC KEY-----")


def _beside(reading: _Reading, name: str, at: documents.Path_, remedy: str) -> str | None:
    """Return the text of a file that security's list names, below its folder; None with a problem if it can't be."""
    path = (reading.root / FOLDER / name).resolve()
    if not path.is_relative_to((reading.root / FOLDER).resolve()):
        reading.problem(_NAMES[0], at, f"must name a file below {FOLDER}")
        return None
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        reading.problem(_NAMES[0], at, f"can't be read: {remedy}")
        return None
