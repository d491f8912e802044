"""Gate 3 on a real API server: it judges every case that it can see as the rules do, and leaves running things alone.

Not proven here: that a managed cluster's API server does the same; that nodes run what was let in.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest
from hypothesis import given, settings

from policies.cases import Case, Gate, cases, production
from policies.rules import Facts, Resource, Tier, catalogue, check
from tests.policies.api_server import IMAGE, NAMESPACES, SECURED, ApiServer, deployment, lists, native, pod
from tests.policies.judging import found
from tests.policies.references import READ, REFUSED, TEXTS

CEL = frozenset(rule.id for rule in catalogue() if rule.cel)
POD_SECURITY = frozenset(
    {"pod-privileged", "host-namespaces", "host-path", "host-port", "no-escalation", "drop-capabilities", "non-root"}
    | {"seccomp"}
)
SEEN = [case for case in cases() if Gate.CLUSTER in case.gates]


@pytest.fixture(scope="module")
def api(api_server: ApiServer) -> ApiServer:
    """The API server, with the objects that cases change."""
    for namespace in NAMESPACES.values():
        made = pod(IMAGE)
        made["metadata"]["name"] = "train"
        assert not api_server.create(made, namespace, dry=False).refused
        assert not api_server.create(deployment("it", IMAGE), namespace, dry=False).refused
    return api_server


def test_the_api_server_sees_cases_of_every_rule_that_has_cel() -> None:
    assert len(SEEN) > 70
    assert {case.rule for case in SEEN} == CEL | POD_SECURITY
    for case in SEEN:
        assert native(case), case
        assert case.facts.registries == production().registries, case
        assert case.facts.evidence == production().evidence, case


@pytest.mark.parametrize("case", SEEN, ids=str)
def test_the_api_server_agrees(api: ApiServer, case: Case) -> None:
    broken = {rule for rule, _ in found(case)}
    answer = api.judge(case, NAMESPACES[case.facts.tier])
    assert answer.rules == broken & CEL
    assert answer.refused == bool(answer.rules)
    assert not answer.refused or any(f"{rule}: " in answer.message for rule in answer.rules)


@pytest.mark.parametrize("case", [case for case in SEEN if case.rule in POD_SECURITY], ids=str)
def test_pod_security_agrees(api: ApiServer, case: Case) -> None:
    answer = api.judge(case, SECURED)
    assert answer.refused == bool({rule for rule, _ in found(case)} & POD_SECURITY)
    assert not answer.refused or "violates PodSecurity" in answer.message


# ------------------------------------------------------------------ references, many


@pytest.fixture(scope="module")
def hub(api: ApiServer) -> Iterator[Facts]:
    """Facts, and policies that say the same, in which Docker Hub and odd hosts are approved too."""
    facts = production()
    facts = dataclasses.replace(facts, registries=(*facts.registries, "docker.io/library", "localhost", "[::1]:5000"))
    api.approve(dataclasses.replace(lists(), registries=facts.registries))
    yield facts
    api.approve(lists())


def same(api: ApiServer, facts: Facts, text: str, tier: Tier) -> bool:
    """Tell whether the API server and the rules find the same in an image."""
    rules = [rule for rule in catalogue() if rule.topic == "images" and rule.cel]
    resource = Resource("kubernetes:core/v1:Pod", "it", pod(text))
    broken = {one.rule for one in check(resource, dataclasses.replace(facts, tier=tier), rules)}
    answer = api.create(pod(text), NAMESPACES[tier])
    # What begins or ends with a blank, the API refuses by itself before admission.
    return bool(broken) if answer.status == 422 and text != text.strip() else answer.rules == broken


TIERS = pytest.mark.parametrize("tier", [Tier.EXPERIMENTATION, Tier.PRODUCTION])


@TIERS
def test_known_traps_are_read_by_both_alike(api: ApiServer, hub: Facts, tier: Tier) -> None:
    texts = [text for text, *_ in (*READ, *REFUSED) if text]
    assert len(texts) > 50
    assert [text for text in texts if not same(api, hub, text, tier)] == []


@TIERS
@settings(max_examples=400)
@given(TEXTS)
def test_any_text_is_read_by_both_alike(api: ApiServer, hub: Facts, tier: Tier, text: str) -> None:
    assert same(api, hub, text, tier)
