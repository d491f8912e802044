"""Declared inputs: a workload that says what it reads names its own environment's data, or what its tier may read.

This is what a pipeline says of itself, in the annotation `terrarium.dev/inputs`. What it can read all the same, its
identity in the store decides. One that says nothing is let pass, in production too: an operator's pods and a service's
can't know the annotation, and whoever wants to hide an input would write an empty one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import NamedTuple

from policies.rules.carriers import PARTIAL, PODS, metadata_beside
from policies.rules.model import EVERY_TIER, Facts, Finding, Resource, Severity, rule
from policies.rules.reading import Node
from policies.rules.workloads import ANY_KUBERNETES, follow, objects

ANNOTATION = "terrarium.dev/inputs"
"""What a workload reads: entries as `churn-prod/datasets/sales/2026.parquet` or `lake:shared/datasets/sales/`, joined
by commas. It stands on the object, on the templates in it, and so on the pods."""
KINDS = ("results", "datasets", "models", "scratch")
"""Kinds of objects that can be named, as `components.stores.layout` has them: rules import nothing of ours."""

# Of `a-b-c` the last part is the environment's name, and neither project nor lake ends with `-`.
SOURCE = r"(?:lake:[a-z][a-z0-9]*|[a-z](?:[-a-z0-9]*[a-z0-9])?-[a-z][a-z0-9]*)"
"""Whose data: an environment's id, or `lake:` and a lake's name. Python and RE2 read it alike."""
# No part of a key is empty, `.` or `..`: the key becomes a path of files.
_SIGN = r"[^,/\x00-\x1f\x7f]"
_PART = rf"(?:\.{{0,2}}[^.,/\x00-\x1f\x7f]{_SIGN}*|\.\.\.{_SIGN}*)"
_ENTRY = rf"{SOURCE}/(?:{'|'.join(KINDS)})/{_PART}(?:/{_PART})*/?"
_FORM = re.compile(_ENTRY)
_MALFORMED = f"is not entries of ENVIRONMENT/KIND/KEY or lake:NAME/KIND/KEY joined by commas (KIND: {', '.join(KINDS)})"
_ELSEWHERE = "names data of another environment"
_LAKE = "names a lake that is not approved for this tier"


class Refused(NamedTuple):
    """An input that may not be read.

    Args:
        entry: As it was declared.
        says: What is wrong with it, in fixed words.
    """

    entry: str
    says: str


def refused_inputs(declared: str, environment: str, allowed: Collection[str]) -> tuple[Refused, ...]:
    """Return which of the declared inputs a workload may not read, and why; empty if it may read all.

    Args:
        declared: The annotation's text; empty declares nothing.
        environment: Id of the environment that the workload runs in.
        allowed: Whose data its tier may read besides, as `approved.yaml` lists it: ids of environments, `lake:NAME`.
    """
    return tuple(
        Refused(entry, says)
        for entry in (declared.split(",") if declared else ())
        if (says := _wrong(entry, environment, allowed))
    )


def _wrong(entry: str, environment: str, allowed: Collection[str]) -> str:
    if not _FORM.fullmatch(entry):
        return _MALFORMED
    source = entry.partition("/")[0]
    if source == environment or source in allowed:
        return ""
    return _LAKE if source.startswith("lake:") else _ELSEWHERE


@rule(
    "inputs-allowed",
    title="Declared inputs are data of the own environment, or of what security approves for the tier.",
    reason="A production pipeline that is fed from an experiment, or an experiment from production, has crossed the "
    "border that accounts and networks were built for.",
    severity=Severity.CRITICAL,
    tiers=EVERY_TIER,
    sources=("own",),
    remedy=f"Promote the data into this environment and name it there in {ANNOTATION}, as ENVIRONMENT/KIND/KEY joined "
    "by commas; or have security list the lake for this tier.",
    types=(ANY_KUBERNETES,),
    unknown=True,
    cel=f"variables.declared.all(text, text == '' || text.split(',').all(one, one.matches(r'^{_ENTRY}$') "
    "&& one.split('/')[0] in variables.sources))",
)
def inputs_allowed(resource: Resource, facts: Facts) -> Iterator[Finding]:
    """Each entry of the annotation, on the object and on each template in it, is well formed and allowed."""
    for kind, node, _ in objects(resource):
        namespace = node.get("metadata", "namespace")
        paths = {path for carrier in (*PODS.get(kind, ()), *PARTIAL.get(kind, ())) for path in metadata_beside(carrier)}
        for path in sorted(paths):
            for metadata in follow(node, path):
                yield from _findings(metadata.get("annotations", ANNOTATION), namespace, facts.inputs)


def _findings(declared: Node, namespace: Node, allowed: Collection[str]) -> Iterator[Finding]:
    if declared.absent or declared.value == "":
        return
    if not declared.text:
        yield declared.fault("is no text")
        return
    for says in dict.fromkeys(one.says for one in refused_inputs(declared.text, namespace.text, allowed)):
        # The namespace is called as the environment is. While its name can't be seen, nobody knows whose data it is.
        hidden = namespace.unknown and says == _ELSEWHERE
        yield Finding(declared.path, "can't be judged yet" if hidden else says, unknown=hidden)
