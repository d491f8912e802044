"""Gate 3: admission policies for the API server, as plain data, from the rules that carry CEL.

The lists stand in the policies themselves, so there is no object of parameters that somebody could take away. The
policies bind in the namespaces of environments alone, by the tier that the namespace's labels say: system namespaces go
on whatever a list says, and a label of no known tier counts as production. What does not change a pod's specification
is not judged again: when a list shrinks, what runs can still be scaled, finished and deleted.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from policies.rules import imageref
from policies.rules.carriers import PODS, metadata_beside
from policies.rules.catalogue import catalogue
from policies.rules.imageref_cel import REFERENCES
from policies.rules.inputs import ANNOTATION, SOURCE
from policies.rules.model import EVERY_TIER, Rule, Tier
from policies.rules.namespaces import ENVIRONMENT_LABEL, TIER_LABEL

_SOURCE = re.compile(SOURCE)
_DIGEST = re.compile("|".join(f"{algorithm}:[a-f0-9]{{{n}}}" for algorithm, n in imageref.HEX_DIGITS.items()))
# Kubernetes' own kinds that make pods, and where; JobTemplate is a part of CronJob that no API serves.
_GROUPS = ("", "apps", "batch")
_KINDS = {kind: paths for kind, paths in PODS.items() if kind.group in _GROUPS and kind.name != "JobTemplate"}
_EVERYTHING = (("*", ("*",)),)
# The API server takes expressions of up to 100,000 characters (cel-go, parser/options.go); a SHA-512 digest needs 146.
_DIGESTS_IN_ONE = 600


@dataclass(frozen=True)
class Lists:
    """What security approves, as the API server is told. Empty lists approve nothing.

    Args:
        registries: Approved registries with their path, as `registry.example/team`.
        digests: Images that production may run, as `sha256:…`: scanned and found clean, signed, in a release.
        off: Ids of rules that are not, or not yet, to be enforced.
        inputs: Whose data workloads of a tier may name besides their own environment's, as ids and `lake:NAME`.
    """

    registries: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    off: tuple[str, ...] = ()
    inputs: Mapping[Tier, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Named:
    """A name and the CEL behind it.

    Args:
        name: Name of a variable or of a condition.
        expression: CEL.
    """

    name: str
    expression: str


@dataclass(frozen=True)
class Validation:
    """What must be true of an object, and what is said to whoever is refused.

    Args:
        expression: CEL.
        message: Begins with the rule's id.
    """

    expression: str
    message: str


@dataclass(frozen=True)
class AdmissionPolicy:
    """One topic's ValidatingAdmissionPolicy. It fails closed and is bound to deny.

    Args:
        topic: The rules' topic.
        resources: What it reads when that is created or updated, by API group.
        condition: What an object must be for the policy to judge it.
        variables: In the order in which they build on each other.
        validations: One for each rule.
    """

    topic: str
    resources: tuple[tuple[str, tuple[str, ...]], ...]
    condition: Named
    variables: tuple[Named, ...]
    validations: tuple[Validation, ...] = ()


_SORTS = ("containers", "initContainers", "ephemeralContainers")
_IMAGES = (
    " + ".join(f"variables.pod.?{sort}.orValue([]).map(one, string(one.?image.orValue('')))" for sort in _SORTS)
    + " + variables.pod.?volumes.orValue([]).filter(one, has(one.image))"
    ".map(one, string(one.image.?reference.orValue('')))"
)
_TIERS = (
    Named("label", f"namespaceObject.metadata.?labels[?'{TIER_LABEL}'].orValue('')"),
    Named("tier", "variables.label in ['experimentation', 'testing'] ? variables.label : 'production'"),
)


def policies(approved: Lists) -> tuple[AdmissionPolicy, ...]:
    """Return the admission policies, one for each topic that has rules with CEL to enforce.

    Args:
        approved: Security's lists; their order and repetitions make no difference.

    Raises:
        BadReferenceError: If a registry is no host with a path.
        ValueError: If a digest is none, or a source of inputs.
    """
    enforced = [rule for rule in catalogue() if rule.cel and rule.id not in approved.off]
    return tuple(
        dataclasses.replace(policy, validations=validations)
        for policy in _topics(approved)
        if (validations := tuple(_validation(rule) for rule in enforced if rule.topic == policy.topic))
    )


def _topics(approved: Lists) -> Iterator[AdmissionPolicy]:
    """Yield what each topic reads and knows, without its rules."""
    carriers, pod = tuple(_carriers()), (*_TIERS, Named("pod", _pod("object")))
    references = (Named("images", _IMAGES), *(Named(*one) for one in REFERENCES))
    before = Named("before", f"oldObject == null ? dyn({{}}) : {_pod('oldObject')}")
    labels = (Named("labels", _labels("object")), Named("own", _labels("namespaceObject")))
    yield AdmissionPolicy("images", carriers, _changed(_pod), (*pod, *references, *_approved(approved)))
    yield AdmissionPolicy("placement", carriers, _changed(_pod), (*pod, before))
    declared = (Named("declared", _declared("object")), Named("sources", _sources(approved)))
    yield AdmissionPolicy("inputs", carriers, _changed(_declared), (*_TIERS, *declared))
    yield AdmissionPolicy("namespaces", _EVERYTHING, _changed(_labels), labels)


def _validation(rule: Rule) -> Validation:
    bound = f"variables.tier in {_listed([tier.value for tier in Tier if tier in rule.tiers])}"
    expression = rule.cel if rule.tiers == EVERY_TIER else f"!({bound}) || ({rule.cel})"
    return Validation(expression, f"{rule.id}: {rule.title} {rule.remedy}")


def _approved(approved: Lists) -> Iterator[Named]:
    yield Named("registries", _listed(sorted({f"{imageref.prefix(one)}/" for one in approved.registries})))
    digests = sorted(set(approved.digests))
    wrong = [digest for digest in digests if not _DIGEST.fullmatch(digest)]
    if wrong:
        raise ValueError(f"not the digest of an image, as sha256:…: {', '.join(wrong)}")
    # Looked up, not searched: a list of a thousand would cost each image a thousand comparisons.
    parts = [digests[start : start + _DIGESTS_IN_ONE] for start in range(0, len(digests), _DIGESTS_IN_ONE)]
    for number, part in enumerate(parts):
        yield Named(f"digests{number}", f"{{{', '.join(f'{_quoted(digest)}: true' for digest in part)}}}")
    yield Named("digests", f"[{', '.join(f'variables.digests{number}' for number in range(len(parts)))}]")


def _pod(root: str) -> str:
    """Return the CEL of the pod's specification in an object; empty if it has none, as other operators' revisions."""
    return f"({_by_kind(root, lambda path: _found(root, path))}).orValue(dyn({{}}))"


def _declared(root: str) -> str:
    """Return the CEL of what an object and each template in it declare as inputs; empty texts where they don't."""

    def texts(path: str) -> str:
        annotation = f"?annotations[?'{ANNOTATION}'].orValue('')"
        return f"[{', '.join(f'{_found(root, place)}.{annotation}' for place in metadata_beside(path))}]"

    return f"({_by_kind(root, texts)})"


def _sources(approved: Lists) -> str:
    """Return the CEL of whose data may be named: the namespace's own environment's, and what the tier may read."""
    wrong = [one for listed in approved.inputs.values() for one in listed if not _SOURCE.fullmatch(one)]
    if wrong:
        raise ValueError(f"neither an environment's id nor lake:NAME: {', '.join(wrong)}")
    by_tier = (f"{_quoted(tier.value)}: {_listed(sorted(set(approved.inputs.get(tier, ()))))}" for tier in Tier)
    own = f"namespaceObject.metadata.?labels[?'{ENVIRONMENT_LABEL}'].orValue('')"
    return f"[{own}] + {{{', '.join(by_tier)}}}[variables.tier]"


def _by_kind(root: str, made: Callable[[str], str]) -> str:
    """Return the CEL that chooses by an object's kind what is made of the path to its pod."""
    kinds: dict[str, list[str]] = {}
    for kind, [path] in _KINDS.items():
        kinds.setdefault(path, []).append(kind.name)
    *others, (usual, _) = sorted(kinds.items(), key=lambda one: len(one[1]))
    return "".join(f"{root}.kind in {_listed(names)} ? {made(path)} : " for path, names in others) + made(usual)


def _found(root: str, path: str) -> str:
    # As a value of any type: the API server checks expressions against every kind that a policy reads.
    return f"dyn({root}).?{path.replace('.', '.?')}"


def _carriers() -> Iterator[tuple[str, tuple[str, ...]]]:
    for group in _GROUPS:
        plurals = [f"{kind.name.lower()}s" for kind in _KINDS if kind.group == group]
        yield group, (*plurals, *(() if group else ("pods/ephemeralcontainers",)))


def _labels(root: str) -> str:
    return f"{root}.metadata.?labels.orValue({{}})"


def _changed(part: Callable[[str], str]) -> Named:
    return Named("changed", f"request.operation != 'UPDATE' || {part('object')} != {part('oldObject')}")


def _listed(texts: Sequence[str]) -> str:
    return f"[{', '.join(_quoted(text) for text in texts)}]"


def _quoted(text: str) -> str:
    """Return a CEL string: JSON's escapes are CEL's too, but for surrogates, of which none is made here."""
    return json.dumps(text, ensure_ascii=False)
