"""Where pods run, and before whom: the scheduler and the tier say it, not the pod."""

from __future__ import annotations

from collections.abc import Iterator

from policies.rules.model import EVERY_TIER, Facts, Finding, Resource, Severity, rule
from policies.rules.workloads import ANY_KUBERNETES, pods

_ANY = (ANY_KUBERNETES,)


@rule(
    "no-node-name",
    title="Pods name no node.",
    reason="A named node takes the pod past the scheduler: past taints, other tiers' nodes and what is still free.",
    severity=Severity.HIGH,
    tiers=EVERY_TIER,
    sources=("own",),
    remedy="Remove spec.nodeName; use a nodeSelector or an affinity.",
    types=_ANY,
    # The scheduler writes the name by `pods/binding`; later changes of the pod carry it along.
    cel="variables.pod.?nodeName.orValue('') == '' || variables.pod.?nodeName == variables.before.?nodeName",
)
def no_node_name(resource: Resource, _facts: Facts) -> Iterator[Finding]:
    """No pod has a nodeName."""
    for pod in pods(resource):
        name = pod.spec.get("nodeName")
        if not name.absent and name.value != "":
            yield name.fault("takes the pod past the scheduler")


@rule(
    "own-priority",
    title="Pods have their own tier's priority, or a lower one that is no tier's.",
    reason="A higher tier's priority evicts that tier's pods, the system's those that keep the cluster alive.",
    severity=Severity.HIGH,
    tiers=EVERY_TIER,
    sources=("own",),
    remedy="Remove spec.priorityClassName, or name the own tier's class, terrarium-<tier>.",
    types=_ANY,
    cel="!variables.pod.?priorityClassName.orValue('').matches(r'^(?:system|terrarium)-') "
    "|| variables.pod.priorityClassName == 'terrarium-' + variables.tier",
)
def own_priority(resource: Resource, facts: Facts) -> Iterator[Finding]:
    """No pod names the system's priorities or another tier's."""
    for pod in pods(resource):
        name = pod.spec.get("priorityClassName")
        foreign = name.text.startswith(("system-", "terrarium-")) and name.text != f"terrarium-{facts.tier.value}"
        if foreign or not (name.absent or isinstance(name.value, str)):
            yield name.fault("is the system's or another tier's")


@rule(
    "no-blanket-toleration",
    title="Pods name the taints that they tolerate.",
    reason="Who tolerates everything runs on other tiers' nodes, on GPUs that he does not use and on nodes that fail.",
    severity=Severity.MEDIUM,
    tiers=EVERY_TIER,
    sources=("own",),
    remedy="Give each toleration the key of the taint that is meant.",
    types=_ANY,
    cel="variables.pod.?tolerations.orValue([]).all(one, one.?key.orValue('') != '')",
)
def no_blanket_toleration(resource: Resource, _facts: Facts) -> Iterator[Finding]:
    """Each toleration has a key: one without tolerates every taint, whatever its effect."""
    for pod in pods(resource):
        for one in pod.spec.get("tolerations").entries():
            key = one.get("key")
            if key.absent or key.value == "":
                yield one.fault("tolerates every taint")
            elif not key.text:
                yield key.fault("is no key")
