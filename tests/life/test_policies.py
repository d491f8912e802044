"""`terrarium policies` on the real engine: what a stack would be is judged, with no pack and whether or not it is up.

Production, where the program refuses by itself, is in tests/gates/test_production.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from rehearsal.platform import Platform
from tests.support.checkout import Checkout
from tests.support.declared import environment
from tests.support.sarif import SCHEMA

SECRET = "s3cr3t-never-shown"  # noqa: S105 - of this test alone
RULE = "image-approved-registry"
# What a team adds to the program on a branch of theirs: two pods that comply, from an approved registry. The provider
# makes all containers of the second a secret, as there is one in them.
ADDED = """
mine = pulumi.ProviderResource("kubernetes", "mine", {{"context": "{context}"}})
hardened = {{"allowPrivilegeEscalation": False, "runAsNonRoot": True, "capabilities": {{"drop": ["ALL"]}}}}
plain = {{"name": "it", "image": "registry.k8s.io/pause:3.10", "securityContext": hardened}}
secret = plain | {{"env": [{{"name": "KEY", "value": pulumi.Output.secret("{secret}")}}]}}
for name, container in (("plain", plain), ("secret", secret)):
    spec = {{"containers": [container], "securityContext": {{"seccompProfile": {{"type": "RuntimeDefault"}}}}}}
    pod = {{"apiVersion": "v1", "kind": "Pod", "metadata": {{"name": name, "namespace": "rules-dev"}}, "spec": spec}}
    pulumi.CustomResource("kubernetes:core/v1:Pod", name, pod, pulumi.ResourceOptions(provider=mine))
"""
TODAY = datetime.now(UTC).date()


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory, embedded_platform: Platform) -> Iterator[Checkout]:
    checkout = Checkout.with_shared_platform(tmp_path_factory.mktemp("checkout"), embedded_platform)
    declare(checkout, embedded_platform)
    yield checkout
    for stack in ("dev", "platform"):
        checkout.terrarium("destroy", stack, "--yes", *(("--confirm", "shared") if stack == "platform" else ()))


@pytest.fixture
def book(checkout: Checkout) -> Iterator[Path]:
    """Security's files of this checkout, to be changed."""
    with checkout.book() as folder:
        yield folder


@pytest.fixture
def added(checkout: Checkout, embedded_platform: Platform) -> Iterator[None]:
    """A program to which somebody has added a pod."""
    with checkout.added(ADDED.format(context=embedded_platform.context, secret=SECRET)):
        yield


def declare(checkout: Checkout, platform: Platform, **more: object) -> None:
    cloud = {"context": platform.context, "platform": "shared"}
    checkout.declare("dev", "environment", **environment("rules", "dev", "experimentation", cloud, **more))


def failed(told: dict[str, Any]) -> dict[str, list[str]]:
    """Return which rules failed, and for which resources."""
    return {
        rule["id"]: [finding["resource"] for finding in rule["findings"]]
        for rule in told["rules"]
        if rule["state"] == "failed"
    }


def test_a_stack_that_complies_passes_before_it_is_up_and_after(checkout: Checkout) -> None:
    before = checkout.answer("policies", "check", "dev")
    checkout.terrarium("up", "dev")
    after = checkout.answer("policies", "check", "dev")
    for told in (before, after):
        assert failed(told) == {}
        assert told["refused"] is False
        assert {rule["id"] for rule in told["rules"] if rule["state"] == "passed"} >= {
            "namespace-psa-label",
            "own-labels",
        }
    # What is there already is judged like what is new.
    assert before["resources"] == after["resources"] > 5
    assert before["coverage"] == after["coverage"]


@pytest.mark.usefixtures("added")
def test_what_security_no_longer_approves_is_refused_until_it_is_waived(checkout: Checkout, book: Path) -> None:
    told = checkout.answer("policies", "check", "dev")
    [line] = [rule for rule in told["rules"] if rule["id"] == RULE]
    assert (line["state"], line["read"]) == ("not seen yet", 2)
    assert [(one["resource"], one["path"]) for one in line["unseen"]] == [("secret", "spec.containers")]

    approved = yaml.safe_load((book / "approved.yaml").read_text(encoding="utf-8"))
    (book / "approved.yaml").write_text(yaml.safe_dump(approved | {"registries": []}), encoding="utf-8")
    told = checkout.answer("policies", "check", "dev", code=3)
    assert failed(told) == {RULE: ["plain"]}
    assert told["approved"]["registries"] == []
    assert SECRET not in json.dumps(told)

    def waivers(days: int) -> list[dict[str, str]]:
        until = str(TODAY + timedelta(days=days))
        common = {"rule": RULE, "stack": "dev", "why": "Is copied next week", "who": "ana", "until": until}
        return [{**common, "resource": resource} for resource in ("plain", "gone")]

    checkout.waive(*waivers(7))
    told = checkout.answer("policies", "check", "dev")
    assert [rule["id"] for rule in told["rules"] if rule["state"] == "waived"] == [RULE]
    assert {one["daysLeft"] for one in told["waivers"]} == {7}
    assert [one["resource"] for one in told["waivers"] if not one["met"]] == ["gone"]

    checkout.waive(*waivers(-1))
    said = checkout.terrarium("policies", "check", "dev", code=3)
    assert f"Its waiver ended on {TODAY - timedelta(days=1)}." in said
    assert f"waiver for nothing: {RULE} of gone, ended 1 day ago, by ana: take it away" in said
    # Something is denied, and it is a page that says so.
    page = checkout.folder / "refused.html"
    checkout.terrarium("policies", "report", "dev", "--output", str(page))
    assert "1 rule would refuse this stack: 1 critical." in page.read_text(encoding="utf-8")


class Page(HTMLParser):
    """Notes what stands in a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 - the base's name
        self.tags.append(tag)
        if tag not in {"meta", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def _is_page(text: str) -> None:
    page = Page(text)
    assert not page.open
    assert not {"script", "link", "img", "iframe"} & {*page.tags}  # it needs nothing but itself
    assert "No rule refuses this stack." in text


def _is_markdown(text: str) -> None:
    assert text.startswith("# Rules of dev\n")
    assert "**No rule refuses this stack.**" in text


def _is_sarif(text: str) -> None:
    document = json.loads(text)
    jsonschema.validate(document, SCHEMA)
    assert document["runs"][0]["results"] == []


def _is_json(text: str) -> None:
    document = json.loads(text)
    assert (document["stack"], document["file"]) == ("dev", "Pulumi.dev.yaml")
    assert document["approved"]["registries"]


@pytest.mark.parametrize(
    ("form", "holds"), [("html", _is_page), ("md", _is_markdown), ("sarif", _is_sarif), ("json", _is_json)]
)
def test_each_form_of_the_report_is_well_formed(checkout: Checkout, form: str, holds: Callable[[str], None]) -> None:
    file = checkout.folder / f"report.{form}"
    assert f"wrote {file}" in checkout.terrarium("policies", "report", "dev", "--format", form, "--output", str(file))
    holds(file.read_text(encoding="utf-8"))


def test_a_plan_that_would_delete_what_is_protected_is_judged_all_the_same(
    checkout: Checkout, embedded_platform: Platform
) -> None:
    people = {"members": ["rules-team"], "readers": ["security"]}
    declare(checkout, embedded_platform, people=people)
    bindings = [one["urn"] for one in checkout.state("dev")["resources"] if one["type"].endswith(":RoleBinding")]
    checkout.pulumi("state", "protect", *bindings, "--yes", "--stack", "dev")
    try:
        assert checkout.terrarium("preview", "dev", code=3)
        told = checkout.answer("policies", "check", "dev")
        assert failed(told) == {}
        assert told["resources"] > 5
    finally:
        checkout.pulumi("state", "unprotect", "--all", "--yes", "--stack", "dev")
        declare(checkout, embedded_platform)


def test_files_of_security_that_are_not_valid_are_said_with_their_place(checkout: Checkout, book: Path) -> None:
    (book / "rollout.yaml").write_text("rules: {secomp: {mode: audit, why: x}}\n", encoding="utf-8")
    for arguments in (("list",), ("explain", "seccomp"), ("check", "dev"), ("report", "dev")):
        said = checkout.terrarium("policies", *arguments, code=2)
        assert "policies/waivers/rollout.yaml:1  rules.secomp" in said
        assert "did you mean `seccomp`" in said
