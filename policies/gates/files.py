"""What stands in security's files: models that refuse unknown keys, unknown rules and malformed values."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from components.settings.fields import Key, Line, Settings
from components.settings.problems import suggestion
from components.tiers import Tier
from policies.rules import catalogue, imageref
from policies.rules.inputs import SOURCE
from policies.rules.regions import KINDS

DESTRUCTIVE = "destructive-change"
"""What a waiver names to let the guard pass: no rule of the catalogue, as it judges a plan and not a resource."""

_REF = re.compile(r"refs/(heads|tags)/[A-Za-z0-9_./*-]+")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)
_SOURCE = re.compile(SOURCE)


def _approved_image(value: str) -> str:
    try:
        reference = imageref.parse(f"{value}/image" if "/" not in value else value)
    except imageref.BadReferenceError as error:
        raise ValueError(f"is no registry or path in one: {error}") from None
    if reference.tag or reference.digest:
        raise ValueError("names a tag or a digest; it approves everything below a path, so name the path alone")
    return value


def _known_rule(value: str) -> str:
    known = [*(rule.id for rule in catalogue()), DESTRUCTIVE]
    if value not in known:
        raise ValueError(f"no rule has this id; {suggestion(value, known)}")
    return value


def _ref(value: str) -> str:
    if not _REF.fullmatch(value):
        raise ValueError("must be a full ref such as refs/heads/main; `*` stands for any text")
    return value


def _digest(value: str) -> str:
    if not _DIGEST.fullmatch(value):
        raise ValueError("must be sha256: and 64 digits of 0-9 and a-f")
    return value


def _source(value: str) -> str:
    if not _SOURCE.fullmatch(value):
        raise ValueError("must be an environment's id such as churn-dev, or lake: and a lake's name")
    return value


def _apart(value: dict[Tier, tuple[str, ...]]) -> dict[Tier, tuple[str, ...]]:
    others = {source for tier, listed in value.items() if tier is not Tier.PRODUCTION for source in listed}
    if both := sorted(others.intersection(value.get(Tier.PRODUCTION, ()))):
        raise ValueError(f"lists {', '.join(both)} for production and for another tier: production shares no data")
    return value


def _service(value: str) -> str:
    if value not in KINDS:
        raise ValueError(f"is no kind of service; {suggestion(value, KINDS)}")
    return value


def _mode(value: object) -> object:
    # YAML 1.1 reads a bare `off` as false.
    return "off" if value is False else value


def _one_ref(value: str) -> str:
    if "*" in value:
        raise ValueError("must be one ref such as refs/heads/main: a pattern would hold what nobody protects")
    return _ref(value)


RuleId = Annotated[str, AfterValidator(_known_rule)]
Prefix = Annotated[Line, AfterValidator(_approved_image)]
Ref = Annotated[Line, AfterValidator(_ref)]
OneRef = Annotated[Line, AfterValidator(_one_ref)]
Digest = Annotated[str, AfterValidator(_digest)]
Service = Annotated[str, AfterValidator(_service)]
Source = Annotated[str, AfterValidator(_source)]


class TrustedCi(Settings):
    """A CI whose signed word is taken for what is deployed."""

    issuer: Line
    """The issuer of its tokens, a URL, as in their claim `iss`."""
    audience: Line
    """Whom its tokens are made for, as in their claim `aud`."""
    repository: Line
    """The repository that is deployed, as organisation/repository."""
    repository_id: Line | None = None
    """Its number: under a name that was given up, somebody else's repository would say the same."""
    environments: tuple[Line, ...] = ()
    """Deployment environments that somebody must approve: a token of one of them says that it was reviewed."""
    keys: Line
    """File with the issuer's public keys (JWKS, RFC 7517), below policies/waivers."""


class Approved(Settings):
    """The whole of `approved.yaml`."""

    registries: tuple[Prefix, ...] = ()
    """Registries with their path; whole components count."""
    base_images: tuple[Prefix, ...] = ()
    """Images that others may be built on."""
    signers: dict[Key, Line] = Field(default_factory=dict)
    """Whose signature on an image counts: a name, and the file of a public key (PEM) below policies/waivers."""
    charts: dict[Line, tuple[Line, ...]] = Field(default_factory=dict)
    """Charts that may be installed as a release, REFERENCE@VERSION, each with the values that a stack may set."""
    scan_days: Annotated[int, Field(ge=1, le=365)] = 30
    """How many days a scan counts."""
    cluster_admins: tuple[Line, ...] = ()
    """Subjects that may be cluster-admin, as `Group:platform`."""
    regions: dict[Key, tuple[Line, ...]] = Field(default_factory=dict)
    """Regions, by cloud."""
    cost_keys: tuple[Line, ...] = ()
    """Labels or tags that whatever is paid for must have."""
    branches: dict[Tier, tuple[Ref, ...]] = Field(default_factory=dict)
    """Refs that each tier is deployed from."""
    networks: dict[Line, tuple[Line, ...]] = Field(default_factory=dict)
    """Ids or names of networks that a stack may be linked to, besides those it makes, by stack."""
    inputs: Annotated[dict[Tier, tuple[Source, ...]], AfterValidator(_apart)] = Field(default_factory=dict)
    """Whose data workloads of a tier may name as inputs besides their own environment's."""
    protected_refs: tuple[OneRef, ...] = ()
    """Refs that nobody can push to without review."""
    ci: tuple[TrustedCi, ...] = ()
    """Whose word is taken for what is deployed."""
    services: dict[Service, tuple[Line, ...]] = Field(default_factory=dict)
    """Services that every stack uses besides its cloud, by kind."""
    sovereignty: dict[Key, dict[Service, tuple[Line, ...]]] = Field(default_factory=dict)
    """What each sovereignty allows, by kind of service."""


class Rollout(Settings):
    """How far a rule is rolled out."""

    mode: Annotated[Literal["off", "audit", "deny"], BeforeValidator(_mode)]
    """`deny` refuses, `audit` only reports, `off` is not looked at."""
    from_: date | None = Field(default=None, alias="from")
    """With `deny`: the first day on which it refuses; it is reported until then."""
    why: Line
    """Why it does not simply deny."""

    @model_validator(mode="after")
    def _from_goes_with_deny(self) -> Rollout:
        if self.from_ and self.mode != "deny":
            raise ValueError(f"`from` goes with mode deny, not {self.mode}")
        return self


class RolloutFile(Settings):
    """The whole of `rollout.yaml`."""

    rules: dict[RuleId, Rollout] = Field(default_factory=dict)
    """By rule."""


class Waiver(Settings):
    """One exception."""

    rule: RuleId
    """Which rule."""
    stack: Line
    """Which stack."""
    resource: Line
    """Logical name of the resource; the stack's own name for a rule about the stack as a whole."""
    type: Line | None = None
    """Type token of the resource; needed where two of a stack have one name."""
    why: Line
    """The reason."""
    who: Line
    """Who decided it."""
    until: date
    """The last day on which it holds."""

    def covers(self, name: str, token: str) -> bool:
        """Tell whether it is for a resource.

        Args:
            name: The resource's logical name.
            token: Its type.
        """
        return self.resource == name and self.type in {None, token}


class WaiverFile(Settings):
    """The whole of `waivers.yaml`."""

    waivers: tuple[Waiver, ...] = ()
    """All exceptions."""


class Record(Settings):
    """What is known of one image."""

    base: Line = ""
    """The image it was built on, by digest."""
    scanned_on: date | None = None
    """Day of its newest scan."""
    clean: bool = False
    """Whether that scan found nothing above the allowed severity."""
    signed: bool = False
    """Whether an approved signer vouches for it."""
    release: str = ""
    """Name of the release that holds it."""


class ImageFile(Settings):
    """The whole of `images.yaml`."""

    images: dict[Digest, Record] = Field(default_factory=dict)
    """By digest."""
