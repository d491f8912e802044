"""The catalogue as a document: said in sentences, about types and properties that exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

from components.tiers import Tier as TierOfComponents
from policies import cases as case_files
from policies.rules import TOPICS, Rule, Tier, catalogue, general, made_for, reads
from policies.rules.model import STACK

SDKS = ("aws", "gcp", "kubernetes", "postgresql")
# The provider of Scaleway is not installed: these were looked up in the Python SDK of pulumiverse-scaleway 1.53.
SCALEWAY = {
    "databases/acl:Acl": "aclRules instanceId region",
    "databases/instance:Instance": "backupScheduleRetention disableBackup encryptionAtRest engine isHaCluster "
    "loadBalancer name privateNetwork region tags",
    "iam/apiKey:ApiKey": "applicationId userId",
    "iam/policy:Policy": "applicationId rules",
    "kubernetes/acl:Acl": "aclRules clusterId noIpAllowed region",
    "kubernetes/cluster:Cluster": "autoUpgrade cni name region tags version",
    "kubernetes/pool:Pool": "clusterId nodeType publicIpDisabled region size tags zone",
    "network/acl:Acl": "defaultPolicy isIpv6 region rules vpcId",
    "network/connector:Connector": "name region targetVpcId vpcId",
    "network/vpc:Vpc": "enableRouting name region",
    "object/bucket:Bucket": "forceDestroy name region tags versioning",
    "object/bucketAcl:BucketAcl": "acl bucket region",
    "object/bucketPolicy:BucketPolicy": "bucket policy region",
    "registry/namespace:Namespace": "isPublic name region",
}


@pytest.mark.parametrize("rule", catalogue(), ids=lambda rule: rule.id)
def test_a_rule_is_told_in_sentences(rule: Rule) -> None:
    assert re.fullmatch(r"[a-z0-9]+(?:-[a-z0-9]+)*", rule.id)
    for text in (rule.title, rule.reason, rule.remedy):
        assert text.endswith("."), text
        assert text[0].isupper() or text[0] in "`" or text.split()[0].islower(), text
        assert "  " not in text
    assert rule.sources
    assert all(rule.sources)
    assert rule.types
    assert len(set(rule.types)) == len(rule.types)
    assert rule.tiers <= set(Tier)
    assert rule.tiers
    assert rule.check.__doc__, "the function says what exactly is looked for"


def test_the_tiers_are_those_of_the_components() -> None:
    assert [tier.value for tier in Tier] == [tier.value for tier in TierOfComponents]


def test_each_topic_has_rules_and_a_heading() -> None:
    for topic in TOPICS:
        name = topic.__name__.rpartition(".")[2]
        assert any(rule.topic == name for rule in catalogue()), name
        assert topic.__doc__
        assert ":" in topic.__doc__.splitlines()[0] or topic.__doc__.splitlines()[0].endswith(".")


def test_kubernetes_alone_has_kinds() -> None:
    for rule in catalogue():
        if rule.kinds:
            assert rule.types in {("kubernetes:*",), (STACK,)}, rule.id


def test_a_rule_about_a_stack_names_what_it_looks_for() -> None:
    """Reports count by it: a stack without a single bucket must not be said to keep the rule about buckets."""
    stacks = {rule.id for rule in catalogue() if STACK in rule.types}
    blamed = {
        (rule, one.type)
        for case in case_files.cases()
        for rule, place in case.finds
        for one in case.facts.resources
        if rule in stacks and place.partition("/")[0] == one.name
    }
    assert len({rule for rule, _ in blamed}) > 5
    assert not {(rule, token) for rule, token in blamed if rule not in {one.id for one in made_for(token)}}


def test_only_those_about_a_stack_look_for_types_in_it() -> None:
    assert {rule.types for rule in catalogue() if rule.about} == {(STACK,)}


@pytest.mark.parametrize(
    ("token", "made", "not_made"),
    [
        ("kubernetes:networking.k8s.io/v1:NetworkPolicy", "default-deny-netpol", "image-canonical"),
        ("kubernetes:core/v1:PodPatch", "image-canonical", "namespace-psa-label"),
        ("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", "bucket-block-present", "region-allowed"),
        ("scaleway:registry/namespace:Namespace", "registry-private", "namespace-psa-label"),
    ],
)
def test_the_rules_made_for_a_type_are_told_from_those_for_all(token: str, made: str, not_made: str) -> None:
    found = {rule.id for rule in made_for(token)}
    assert made in found
    assert not_made not in found


def test_what_reads_every_object_is_told_from_what_is_made_for_one() -> None:
    config_map = "kubernetes:core/v1:ConfigMap"
    assert not made_for(config_map)
    assert {rule.id for rule in general(config_map)} == {"image-unlisted-kind", "no-opaque-helm", "own-labels"}
    assert {rule.id for rule in general("aws:iam/user:User")} == {"region-allowed"}
    assert not {rule.id for rule in general("kubernetes:core/v1:Pod")} & {rule.id for rule in made_for(config_map)}


def test_what_a_rule_reads_is_said() -> None:
    told = {rule.id: reads(rule) for rule in catalogue()}
    assert all(told.values())
    assert told["image-canonical"] == ("every kind that carries a pod",)
    assert told["own-labels"] == ("every kind",)
    assert told["default-deny-netpol"] == ("the stack as a whole", "Namespace", "NetworkPolicy")
    assert told["control-plane-acl"][0] == "the stack as a whole"


def test_every_type_exists() -> None:
    """A token that nobody has is a rule that reads nothing, and nobody notices."""
    missing = []
    for token in {token for rule in catalogue() for token in (*rule.types, *rule.about)} - {STACK}:
        package, _, rest = token.partition(":")
        if package == "scaleway":
            missing += [] if rest == "*" or rest in SCALEWAY else [token]
        elif package == "pulumi":
            assert token.startswith("pulumi:providers:")
        elif rest != "*" and f'"{token}"' not in _sdk(package, "__init__.py"):
            missing.append(token)
    assert missing == []


def test_every_property_of_the_cases_exists() -> None:
    """A property that nobody has is a rule that finds nothing, or always something."""
    missing = set()
    for resource in [case.resource for case in case_files.cases()] + [
        case_files._resource({"base": name}, "it") for name in case_files._bases()["resources"]
    ]:
        package, _, rest = resource.type.partition(":")
        if package == "scaleway":
            missing |= {(resource.type, key) for key in resource.properties if key not in SCALEWAY[rest].split()}
        elif package in {"aws", "gcp", "postgresql"}:
            own, nested = _properties(resource.type)
            missing |= {(resource.type, key) for key in resource.properties if key not in own}
            missing |= {
                (resource.type, f"{key}…{below}")
                for key, value in resource.properties.items()
                if key not in _FREE
                for below in _keys_below(value)
                if below not in nested
            }
    assert missing == set()


# Keys below these are names of somebody's choosing, or AWS' own policy language.
_FREE = {"tags", "labels", "resourceLabels", "attributeMapping", "policy", "assumeRolePolicy"}
_FREE_BELOW = {"resourceLabels", "userLabels", "project", "environment"}


def _keys_below(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, below in value.items():
            if key not in _FREE_BELOW:
                yield key
                yield from _keys_below(below)
    elif isinstance(value, list):
        for entry in value:
            yield from _keys_below(entry)


@cache
def _properties(token: str) -> tuple[set[str], set[str]]:
    """Return the inputs of a type, and all inputs of all types below its module, in wire names."""
    package, module, name = token.split(":")
    folder = module.rpartition("/")[0].removeprefix("index")
    known = {key for text in [_sdk(package, f"{folder}/_inputs.py")] for key in _getters(text)}
    for file in _root(package).joinpath(folder).glob("*.py"):
        text = file.read_text(encoding="utf-8")
        # Pulumi calls the arguments so where a nested type has the plain name already.
        own = next((one for one in (f"class {name}Args", f"class {name}InitArgs") if f"{one}:" in text), None)
        if own and f'@pulumi.type_token("{token}")' in text:
            arguments = text.partition(f"{own}:")[2].partition("@pulumi.input_type")[0]
            return set(_getters(arguments)), known
    raise AssertionError(f"no class of the SDK makes {token}")


def _getters(text: str) -> Iterator[str]:
    for wire, name in re.findall(r'@pulumi\.getter(?:\(name="(\w+)"\))?\n(?:    @\w+.*\n)*    def (\w+)\(self\)', text):
        yield wire or name


@cache
def _sdk(package: str, file: str) -> str:
    path = _root(package) / file
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _root(package: str) -> Path:
    assert package in SDKS, package
    spec = find_spec(f"pulumi_{package}")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent
