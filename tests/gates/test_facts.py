"""What the rules are told of a stack, from real declarations of each kind on each cloud."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.settings.declaration import Declaration, declare
from components.settings.problems import InvalidSettings
from policies.gates import court
from policies.gates.book import Book
from policies.gates.facts import facts
from policies.gates.files import Approved
from policies.gates.verdicts import Judge
from policies.rules import Facts, Tier
from policies.rules.regions import KINDS
from tests.clouds import aws_answers, aws_declared, gcp_answers, gcp_declared
from tests.support.declared import environment

AWS, GCP = aws_answers.ACCOUNT, gcp_answers.PROJECT
TODAY = date(2026, 11, 28)
STATE = "s3://states"
KUBERNETES = {"context": "own"}
CI = {"issuer": "github", "repository": "example/churn"}
SLICE = {"context": "shared", "platform": "shared"}
_WHO = {"owner": "o@example.org", "cost_centre": "c1"}


def _all(place: str) -> dict[str, str]:
    """Return the places of a stack on a cloud: all is in its account."""
    return {"account": place, "cluster": place, "store": place}


def _kubernetes(tier: str, cloud: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return environment("churn", "x", tier, dict(cloud), **_WHO, **more)


def _platform(**more: Any) -> dict[str, Any]:
    tiers = ["experimentation", "testing"]
    return {"name": "shared", "tiers": tiers, **_WHO, "cloud": {"kubernetes": {"context": "shared"}}} | more


_CONTEXT = {"account": "context shared", "cluster": "context shared", "store": "no store on context shared"}
_OWN = {kind: place.replace("shared", "own") for kind, place in _CONTEXT.items()}
# Kind, block, and what it says that it stands on.
STACKS: dict[str, tuple[str, dict[str, Any], dict[str, str]]] = {
    "environment on AWS": ("environment", aws_declared.environment("production"), _all(f"account {AWS}")),
    "platform on AWS": ("platform", aws_declared.platform(), _all(f"account {AWS}")),
    "lake on AWS": ("lake", aws_declared.lake(), _all(f"account {AWS}")),
    "environment on Google Cloud": ("environment", gcp_declared.environment("production"), _all("project fraud-prod")),
    "platform on Google Cloud": ("platform", gcp_declared.platform(), _all(f"project {GCP}")),
    "lake on Google Cloud": ("lake", gcp_declared.lake(), _all(f"project {GCP}")),
    "environment on a cluster": ("environment", _kubernetes("production", KUBERNETES), _OWN),
    "slice of a cluster": ("environment", _kubernetes("testing", SLICE), _CONTEXT),
    "platform on a cluster": ("platform", _platform(), _CONTEXT),
}
# Everything that an environment on AWS uses, and that a platform there does.
SERVICES: dict[Any, Any] = {"scanner": ("scan.example",), "sign_in_issuer": ("sso.example",)}
USED = {
    "cloud": "aws",
    "region": aws_answers.REGION,
    "state_backend": STATE,
    "secrets_provider": "awskms",
    "registry": "registry.example",
    "scanner": "scan.example",
    "sign_in_issuer": "sso.example",
    "ci": "github",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project's folder without stacks."""
    (tmp_path / "Pulumi.yaml").write_text("name: terrarium\n", encoding="utf-8")
    (tmp_path / "rds.pem").write_text(aws_declared.AUTHORITIES, encoding="utf-8")
    return tmp_path


def _declared(project: Path, kind: str, block: Mapping[str, Any], stack: str = "x") -> Declaration:
    config = {"pulumi:disable-default-providers": ["*"], f"terrarium:{kind}": dict(block)}
    (project / f"Pulumi.{stack}.yaml").write_text(yaml.safe_dump({"config": config}), encoding="utf-8")
    return declare(project, stack)


def _blamed(told: Facts, rule: str) -> set[str]:
    """Return the places that a rule about the stack blames."""
    found = (verdict.violation for verdict in Judge("x", told, Book()).whole(()))
    return {violation.path for violation in found if violation.rule == rule}


@pytest.mark.parametrize("name", STACKS)
def test_a_stack_says_what_it_stands_on(name: str, project: Path) -> None:
    kind, block, places = STACKS[name]
    told = facts(_declared(project, kind, block), Book(), TODAY, backend=STATE)
    assert told.places == places | {"state": STATE}
    assert told.tier is (Tier.PRODUCTION if block.get("tier") == "production" else Tier.TESTING)
    assert _blamed(told, "production-places-known") == set()
    assert told.sovereignty.name == ""


def test_a_backend_that_is_not_known_is_said(project: Path) -> None:
    told = facts(_declared(project, *STACKS["environment on AWS"][:2]), Book(), TODAY)
    assert _blamed(told, "production-places-known") == {"state"}


@pytest.mark.parametrize("name", STACKS)
def test_production_shares_no_place_with_another_tier(name: str, project: Path) -> None:
    kind, block, places = STACKS[name]
    own, production = _declared(project, kind, block), block.get("tier") == "production"
    others = {
        "environment on AWS": aws_declared.environment("testing" if production else "production"),
        "environment on Google Cloud": gcp_declared.environment("testing", {"project": "fraud-prod"}),
        "environment on a cluster": _kubernetes("testing", KUBERNETES),
        "slice of a cluster": _kubernetes("production", {"context": "shared"}),
    }
    others |= dict.fromkeys(("platform on AWS", "lake on AWS"), aws_declared.environment("production"))
    others |= dict.fromkeys(
        ("platform on Google Cloud", "lake on Google Cloud"), gcp_declared.environment("production", {"project": GCP})
    )
    others["platform on a cluster"] = others["slice of a cluster"]
    other = _declared(project, "environment", others[name], "other")
    told = facts(own, Book(), TODAY, others=[own, other], backend=STATE)
    tiers = {Tier(tier.value) for tier in other.tiers}
    assert told.occupied == {kind: {place: tiers} for kind, place in places.items()}
    assert _blamed(told, "production-apart") == set(places)
    assert _blamed(facts(own, Book(), TODAY, others=[own], backend=STATE), "production-apart") == set()


def _sovereign(project: Path, kind: str, block: Mapping[str, Any], services: Any, without: str = "") -> set[str]:
    """Return the kinds of services for which a stack under a sovereignty is refused."""
    allowed: dict[str, tuple[str, ...]] = {one: (used,) for one, used in USED.items() if one != without}
    decided = Approved(registries=("registry.example/team",), services=services, sovereignty={"eu": allowed})
    told = facts(
        _declared(project, kind, {**block, "sovereignty": "eu"}),
        Book(decided),
        TODAY,
        backend=STATE,
        secrets_provider="awskms",
    )
    return _blamed(told, "sovereignty")


@pytest.mark.parametrize(
    ("kind", "block"),
    [("environment", aws_declared.environment("production", ci=CI)), ("platform", aws_declared.platform(ci=CI))],
    ids=["environment", "platform"],
)
def test_a_service_outside_the_list_is_refused_by_name(kind: str, block: dict[str, Any], project: Path) -> None:
    assert _sovereign(project, kind, block, SERVICES) == set()
    for service in KINDS:
        assert _sovereign(project, kind, block, SERVICES, without=service) == {service}


def test_a_service_that_nobody_names_is_refused(project: Path) -> None:
    block = aws_declared.environment("production")
    assert _sovereign(project, "environment", block, {}) == {"scanner", "sign_in_issuer", "ci"}
    assert _sovereign(project, "environment", block, SERVICES | {"ci": ("github",)}) == set()


def test_what_every_stack_uses_counts_beside_what_this_one_says(project: Path) -> None:
    block = aws_declared.environment("production", ci=CI)
    for kind in ("registry", "ci", "region"):
        assert _sovereign(project, "environment", block, SERVICES | {kind: ("elsewhere.example",)}) == {kind}


def test_a_sovereignty_that_security_has_not_listed_allows_nothing(project: Path) -> None:
    declaration = _declared(project, "environment", aws_declared.environment("production", sovereignty="eu"))
    assert _blamed(facts(declaration, Book(), TODAY, backend=STATE), "sovereignty") == set(KINDS)


def test_what_another_runs_is_judged_by_who_runs_it(project: Path) -> None:
    cloud = {"universe_domain": "apis.example.net", "private_access": "192.0.2.0/30"}
    block = gcp_declared.environment(cloud=cloud, sovereignty="eu")
    told = facts(_declared(project, "environment", block), Book(), TODAY)
    assert told.sovereignty.used["cloud"] == ("apis.example.net",)


@pytest.mark.parametrize("kind", ["environment", "platform", "lake"])
def test_each_kind_of_stack_can_be_sovereign(kind: str, project: Path) -> None:
    told = facts(
        _declared(project, kind, STACKS[f"{kind} on AWS"][1] | {"sovereignty": "eu"}), Book(), TODAY, backend=STATE
    )
    assert told.sovereignty.used == {"cloud": ("aws",), "region": (aws_answers.REGION,), "state_backend": (STATE,)}


@pytest.mark.parametrize(
    ("added", "provider"),
    [
        ("encryptionsalt: v1:abc", "passphrase"),
        ("secretsprovider: awskms://alias/production?region=eu-west-3", "awskms"),
        ("secretsprovider: passphrase", "passphrase"),
        ("", ""),
    ],
)
def test_the_stack_file_says_what_encrypts_its_secrets(added: str, provider: str, tmp_path: Path) -> None:
    (tmp_path / "Pulumi.x.yaml").write_text(f"config: {{}}\n{added}\n", encoding="utf-8")
    assert court._secrets_provider(tmp_path, "x") == provider
    assert court._secrets_provider(tmp_path, "elsewhere") == ""


def test_rules_of_a_pinned_release_look_at_what_is_deployed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release, checkout = tmp_path / "release", tmp_path / "checkout"
    for folder in (release, checkout):
        folder.mkdir()
    (checkout / "Pulumi.x.yaml").write_text("secretsprovider: awskms://alias/x\n", encoding="utf-8")
    asked: list[Path] = []
    monkeypatch.setattr(court.attestation, "attested", lambda _token, _book, root: asked.append(root))
    block = _WHO | environment("churn", "x", "testing", KUBERNETES) | {"sovereignty": "eu"}
    config = {"terrarium:environment": json.dumps(block)}
    judge = court.of_engine(release, checkout, "x", config, {})
    assert asked == [checkout]
    assert judge.facts.sovereignty.used["secrets_provider"] == ("awskms",)


def test_a_configuration_that_is_no_json_is_told_as_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match=r"terrarium:environment"):
        court.of_engine(tmp_path, tmp_path, "x", {"terrarium:environment": "oops"}, {})


@pytest.mark.parametrize(("shared", "found"), [(True, {"production-apart"}), (False, set())])
def test_productions_state_beside_another_tiers_is_refused(shared: bool, found: set[str], tmp_path: Path) -> None:
    (tmp_path / ".terrarium").mkdir()
    other = "file:///states?metadata=skip" if shared else "file:///elsewhere"
    (tmp_path / ".terrarium" / "testing.env").write_text(f"PULUMI_BACKEND_URL='{other}'\n", encoding="utf-8")
    block = _WHO | environment("churn", "x", "production", KUBERNETES)
    given = {"PULUMI_BACKEND_URL": "file:///states"}
    judge = court.of_engine(tmp_path, tmp_path, "x", {"terrarium:environment": json.dumps(block)}, given)
    verdicts = judge.whole(())
    assert {v.violation.rule for v in verdicts if v.violation.path == "state"} == found
