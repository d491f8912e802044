"""Gate 3 on a real API server: it judges every case that it can see as the rules do, and leaves running things alone.

Not proven here: that a managed cluster's API server does the same; that nodes run what was let in.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.cases import Case, Gate, cases, production
from policies.rules import Facts, Resource, Tier, catalogue, check
from policies.rules.inputs import ANNOTATION, refused_inputs
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
        assert case.facts.inputs == production().inputs, case


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


# ------------------------------------------------------------------ declared inputs, many

_SOURCES = ("churn-prod", "churn-dev", "fraud-prod", "lake:reference", "lake:a-b", "Churn-prod", "churn-prod-")
_PARTS = st.one_of(
    st.sampled_from([".", "..", "...", ".a", "..a", "", " ", "a b", "é", "\u2028", "\n", "%2e%2e", "a:b"])
)
_KEYS = st.lists(st.one_of(_PARTS, st.text(max_size=5)), min_size=1, max_size=4).map("/".join)
_ENTRIES = st.tuples(st.sampled_from(_SOURCES), st.sampled_from(["datasets", "models", "backups"]), _KEYS).map("/".join)
_DECLARED = st.one_of(st.lists(_ENTRIES, max_size=4).map(",".join), st.text(max_size=30))


@settings(max_examples=400)
@given(_DECLARED)
def test_any_declaration_is_read_by_both_alike(api: ApiServer, text: str) -> None:
    made = pod(IMAGE)
    made["metadata"]["annotations"] = {ANNOTATION: text}
    refused = bool(refused_inputs(text, "churn-prod", production().inputs))
    assert api.create(made, "churn-prod").rules == ({"inputs-allowed"} if refused else set())


def test_a_long_declaration_is_judged(api: ApiServer) -> None:
    made = pod(IMAGE)
    entries = [f"churn-prod/datasets/sales/2026/part-{number:05}.parquet" for number in range(2_000)]
    made["metadata"]["annotations"] = {ANNOTATION: ",".join(entries)}
    assert not api.create(made, "churn-prod").refused
    made["metadata"]["annotations"] = {ANNOTATION: ",".join([*entries, "churn-dev/datasets/x"])}
    assert api.create(made, "churn-prod").rules == {"inputs-allowed"}
