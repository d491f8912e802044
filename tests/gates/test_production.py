"""Production as people and CI work on it: by hand, by `terrarium` and with the pack, on the real engine and API server.

The environment stands on a platform stack of production's own, as it then reads what it does not register.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from policies.gates.refusal import REFUSED
from rehearsal.platform import Platform
from tests.support.checkout import ROOT, Checkout
from tests.support.declared import environment

TIER = "production"
PACK = ("--policy-pack", "policies/pack")
SECRET = "s3cr3t-never-shown"  # noqa: S105 - of this test alone
# What somebody adds to the program on a branch of theirs.
ADDED = """
mine = pulumi.ProviderResource("kubernetes", "mine", {{"context": "{context}"}})
container = {{"name": "it", "image": "nginx", "env": [{{"name": "KEY", "value": pulumi.Output.secret("{secret}")}}]}}
metadata, spec = {{"name": "mine", "namespace": "default"}}, {{"containers": [container]}}
pod = {{"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}}
pulumi.CustomResource("kubernetes:core/v1:Pod", "mine-pod", pod, pulumi.ResourceOptions(provider=mine))
"""
DENIES = "image-approved-registry: mine-pod (kubernetes:core/v1:Pod): spec.containers[0].image is from a registry"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory, platform_home: Path) -> Iterator[Checkout]:
    """A checkout with production's platform up, with a pack of its own and security's files to change."""
    platform = Platform("gates", platform_home)
    platform.start()
    checkout = Checkout(tmp_path_factory.mktemp("checkout"), {TIER: platform})
    shutil.copytree(ROOT / "policies" / "pack", checkout.folder / "policies" / "pack")
    cloud = {"kubernetes": {"context": platform.context}}
    checkout.declare("platform", "platform", name="shared", tiers=[TIER], cloud=cloud)
    checkout.bring_up("platform", tier=TIER)
    block = environment("gates", "prod", TIER, {"context": platform.context, "platform": "shared"})
    checkout.declare("prod", "environment", **block)
    checkout.pulumi("stack", "init", "prod", "--no-select", tier=TIER)
    yield checkout
    platform.reset()


@pytest.fixture
def book(checkout: Checkout) -> Iterator[Path]:
    """Security's files of this checkout, to be changed."""
    with checkout.book() as folder:
        yield folder


@pytest.fixture
def added(checkout: Checkout) -> Iterator[None]:
    """A program to which somebody has added what production does not take."""
    context = json.loads(checkout.pulumi("stack", "output", "access", "--json", "--stack", "platform", tier=TIER))
    with checkout.added(ADDED.format(context=context["context"], secret=SECRET)):
        yield


def _preview(checkout: Checkout, *arguments: str, fails: bool = True) -> str:
    said = checkout.pulumi("preview", "--stack", "prod", *arguments, tier=TIER, fails=fails)
    assert "Traceback" not in said, said
    return said


@pytest.mark.usefixtures("added")
def test_by_hand_without_a_pack_it_is_refused(checkout: Checkout) -> None:
    planned = _preview(checkout)
    up = checkout.pulumi("up", "--yes", "--skip-preview", "--stack", "prod", tier=TIER, fails=True)
    for said in (planned, up):
        assert REFUSED in said
        assert DENIES in said
        assert SECRET not in said
    assert "Traceback" not in up
    made = {one["urn"].rpartition("::")[2] for one in checkout.state("prod", tier=TIER).get("resources", ())}
    assert "mine-pod" not in made


@pytest.mark.usefixtures("added")
def test_terrarium_says_that_it_is_refused(checkout: Checkout) -> None:
    for command in ("preview", "up"):
        said = checkout.terrarium(command, "prod", code=3)
        assert f"{REFUSED}, nothing was changed:\n" in said
        assert DENIES in said
        assert SECRET not in said


@pytest.mark.usefixtures("added")
def test_the_report_says_what_a_gate_would(checkout: Checkout) -> None:
    told = checkout.answer("policies", "check", "prod", code=3)
    failed = {rule["id"]: rule["findings"] for rule in told["rules"] if rule["state"] == "failed"}
    # The engine's events hide all of a list that holds a secret, so that the report can't look into it.
    [found] = failed["image-approved-registry"]
    assert (found["resource"], found["path"]) == ("mine-pod", "spec.containers")
    assert SECRET not in json.dumps(told)


@pytest.mark.usefixtures("added")
def test_the_pack_refuses_the_same(checkout: Checkout) -> None:
    said = _preview(checkout, *PACK)
    assert f"[mandatory] [severity: critical]  rules  (kubernetes:core/v1:Pod: mine-pod)\n          {DENIES}" in said
    assert SECRET not in said


def test_what_complies_comes_up_and_says_what_was_only_reported(checkout: Checkout) -> None:
    checkout.terrarium("up", "prod")
    output = checkout.pulumi("stack", "output", "rules", "--json", "--stack", "prod", tier=TIER)
    assert json.loads(output) == {"audited": ["deploy-attested", "deploy-branch", "deploy-reviewed"], "waived": []}
    told = checkout.answer("policies", "check", "prod")
    assert {rule["id"] for rule in told["rules"] if rule["state"] == "only reported"} == {
        *json.loads(output)["audited"]
    }
    with_pack = _preview(checkout, *PACK, "--expect-no-changes", fails=False)
    assert "[advisory] [severity: critical]  stack-rules-reported  (pulumi:pulumi:Stack: terrarium-prod)" in with_pack
    assert "[mandatory]" not in with_pack


def test_waivers_hold_until_they_end(checkout: Checkout, book: Path) -> None:
    today = datetime.now(UTC).date()
    ended, holds = today - timedelta(days=1), today + timedelta(days=30)
    (book / "rollout.yaml").unlink()
    common = {"stack": "prod", "resource": "prod", "why": "No CI yet", "who": "security@example.org"}
    rules = ("deploy-attested", "deploy-branch", "deploy-reviewed")
    checkout.waive(*({"rule": rule, "until": str(holds), **common} for rule in rules))
    said = _preview(checkout, *PACK, fails=False)
    assert said.count(f"Waived until {holds} by security@example.org: No CI yet") == len(rules) + 1
    checkout.waive(*({"rule": rule, "until": str(ended), **common} for rule in rules))
    said = _preview(checkout)
    assert REFUSED in said
    for rule in rules:
        assert f"- {rule}: prod (pulumi:pulumi:Stack): " in said
    assert said.count(f"Its waiver ended on {ended}.") >= len(rules)


@pytest.mark.parametrize(
    ("file", "text", "says"),
    [
        (
            "rollout.yaml",
            "rules: {pod-privilegd: {mode: audit, why: x}}\n",
            "policies/waivers/rollout.yaml:1  rules.pod-privilegd",
        ),
        ("waivers.yaml", "waivers: [", "policies/waivers/waivers.yaml:"),
    ],
)
def test_files_that_are_not_valid_refuse_at_both_gates(
    checkout: Checkout, book: Path, file: str, text: str, says: str
) -> None:
    (book / file).write_text(text, encoding="utf-8")
    for arguments in ((), PACK):
        said = _preview(checkout, *arguments)
        assert "what security approves and waives: 1 problem" in said
        assert says in said
