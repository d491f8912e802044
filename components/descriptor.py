"""Descriptors: what an environment or a platform publishes about itself, for whoever works with it. Never a secret.

A descriptor is a ConfigMap in the cluster, so that promotion, portal and client read it by the rights people have there
and need no access to Pulumi's state. All of them stand in the platform's namespace, where nobody who works in an
environment changes anything: in the environment's own, whoever may change its ConfigMaps could forge or delete it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import pulumi
from pulumi_kubernetes.core.v1 import ConfigMap
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs
from pulumi_kubernetes.rbac.v1 import PolicyRuleArgs, Role, RoleBinding, RoleRefArgs, SubjectArgs
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, StrictInt, ValidationError

from components import naming
from components.compute import Compute, Kueue
from components.contract import CONTRACT_VERSION, LakeFacts, PlatformFacts
from components.settings.fields import NamespaceName
from components.stores import layout
from components.tiers import Tier, admits

NAME = "terrarium"
"""Name of a platform's ConfigMap. An environment's bears its id, which holds a `-`: the two never meet."""
KEY = "descriptor.json"
PLATFORM_NAMESPACE = "terrarium-system"
"""The namespace of what a cluster has once, and of every descriptor."""
_RBAC = "rbac.authorization.k8s.io"


class PlatformRefused(pulumi.RunError):
    """The platform can't take this environment; the message says why and what to do. The engine shows no trace."""


class LakeRefused(pulumi.RunError):
    """The lake can't be read by this environment; the message says why and what to do. The engine shows no trace."""


class _Versioned(BaseModel):
    """What every descriptor says, in every version of the contract."""

    version: StrictInt = Field(alias="contractVersion")


class PlatformDescriptor(BaseModel):
    """What an environment reads of a platform's descriptor; what else stands there is for others."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["platform"]
    """What the descriptor describes."""
    name: NamespaceName
    """The platform's name."""
    shared: StrictBool
    """Whether it takes slices; one that lives inside an environment does not."""
    tiers: frozenset[Tier]
    """Tiers of the environments that it takes."""
    priority_classes: dict[Tier, Annotated[str, AfterValidator(naming.OBJECT.check)]] = Field(alias="priorityClasses")
    """The PriorityClass of each tier."""
    compute: Compute = Compute(queues=False)
    """What runs jobs there; nothing where an earlier release wrote the descriptor."""


class LakeDescriptor(BaseModel):
    """What an environment reads of a lake's descriptor."""

    model_config = ConfigDict(frozen=True)

    version: Literal[CONTRACT_VERSION] = Field(alias="contractVersion")  # type: ignore[valid-type]  # a Final int: mypy takes only literals
    """Version of the contract."""
    kind: Literal["lake"]
    """What the descriptor describes."""
    tiers: frozenset[Tier]
    """Tiers of the environments that may read it."""
    bucket: str
    """The S3 bucket of its datasets."""
    endpoint: str
    """The store that holds it."""


def publish(
    name: str,
    content: Mapping[str, pulumi.Input[Any]],
    *,
    called: str,
    namespace: pulumi.Input[str],
    readers: Sequence[SubjectArgs],
    labels: Mapping[str, str],
    opts: pulumi.ResourceOptions,
) -> ConfigMap:
    """Publish a descriptor, and let groups read it and nothing else beside it.

    Args:
        name: Prefix of the logical names.
        content: What to say; the contract's version is added.
        called: The ConfigMap's name.
        namespace: The platform's.
        readers: Who may read it; without any, only those may who administer the cluster.
        labels: Labels of the owner.
        opts: Parent and provider.
    """
    versioned = {"contractVersion": CONTRACT_VERSION, **content}
    published = ConfigMap(
        f"{name}-descriptor",
        metadata=ObjectMetaArgs(name=naming.OBJECT.check(called), namespace=namespace, labels=labels),
        data={KEY: pulumi.Output.json_dumps(versioned, sort_keys=True)},
        opts=opts,
    )
    if readers:
        metadata = ObjectMetaArgs(name=f"descriptor-{called}", namespace=namespace, labels=labels)
        _readable(name, called, metadata, readers, opts)
    return published


def _readable(
    name: str, called: str, metadata: ObjectMetaArgs, readers: Sequence[SubjectArgs], opts: pulumi.ResourceOptions
) -> None:
    role = Role(
        f"{name}-descriptor-reader",
        metadata=metadata,
        rules=[PolicyRuleArgs(api_groups=[""], resources=["configmaps"], resource_names=[called], verbs=["get"])],
        opts=opts,
    )
    RoleBinding(
        f"{name}-descriptor-reader-binding",
        metadata=metadata,
        role_ref=RoleRefArgs(api_group=_RBAC, kind="Role", name=role.metadata.name),
        subjects=list(readers),
        opts=opts,
    )


def platform_facts(name: str, platform: str, tier: Tier, kueue: Kueue, opts: pulumi.ResourceOptions) -> PlatformFacts:
    """Read a platform's descriptor and return what an environment of a tier needs of it.

    The engine fails with PlatformRefused's message at preview if the platform is another one, speaks another version of
    the contract, does not take the tier, or has queues where the environment says that there are none, or none.

    Args:
        name: Prefix of the logical name.
        platform: The platform's name, as the environment's settings give it.
        tier: The environment's tier.
        kueue: Whether its cluster has Kueue, as the environment's settings give it.
        opts: Parent and provider.
    """
    facts = _read_platform(name, opts).apply(
        lambda data: check_queues(check_platform(data, platform, tier), kueue=kueue)
    )
    return PlatformFacts(
        name=facts.apply(lambda f: f.name),
        namespace=facts.apply(lambda _: PLATFORM_NAMESPACE),
        tiers=frozenset({tier}),
        priority_class=facts.apply(lambda f: f.priority_classes[tier]),
        compute=facts.apply(lambda f: f.compute),
    )


def platform_namespace(
    name: str, platform: str, tiers: Sequence[Tier], opts: pulumi.ResourceOptions
) -> pulumi.Output[str]:
    """Return where descriptors stand, once the platform has taken every one of some tiers; see `platform_facts`.

    Args:
        name: Prefix of the logical name.
        platform: The platform's name.
        tiers: The tiers.
        opts: Parent and provider.
    """

    def check(data: Mapping[str, str] | None) -> str:
        for tier in tiers:
            check_platform(data, platform, tier)
        return PLATFORM_NAMESPACE

    return _read_platform(name, opts).apply(check)


def _read_platform(name: str, opts: pulumi.ResourceOptions) -> pulumi.Output[Mapping[str, str] | None]:
    return ConfigMap.get(f"{name}-platform", f"{PLATFORM_NAMESPACE}/{NAME}", opts=opts).data


def lake_facts(name: str, lake: str, tier: Tier, opts: pulumi.ResourceOptions) -> LakeFacts:
    """Read a lake's descriptor and return what an environment of a tier needs of it.

    The engine fails with LakeRefused's message at preview if the lake does not take the tier, or can't be understood.

    Args:
        name: Prefix of the logical name.
        lake: The lake's name, as the environment's settings give it.
        tier: The environment's tier.
        opts: Parent and provider.
    """
    found = ConfigMap.get(f"{name}-lake", f"{PLATFORM_NAMESPACE}/{layout.lake_id(lake)}", opts=opts)
    facts = found.data.apply(lambda data: check_lake(data, lake, tier))
    return LakeFacts(lake, facts.apply(lambda f: f.bucket), facts.apply(lambda f: f.endpoint))


def check_lake(data: Mapping[str, str] | None, lake: str, tier: Tier) -> LakeDescriptor:
    """Return a lake's descriptor if it takes an environment of this tier.

    Args:
        data: The ConfigMap's data; None where it holds none.
        lake: The name that is expected.
        tier: The environment's tier.

    Raises:
        LakeRefused: Otherwise, and if the descriptor can't be read.
    """
    try:
        found = LakeDescriptor.model_validate_json((data or {}).get(KEY, ""))
    except ValidationError:
        raise LakeRefused(
            f"lake {lake} publishes no descriptor that can be read, ConfigMap {PLATFORM_NAMESPACE}/"
            f"{layout.lake_id(lake)}: update the lake's stack to restore it"
        ) from None
    if not admits(found.tiers, tier):
        names = ", ".join(sorted(t.value for t in found.tiers))
        raise LakeRefused(f"lake {lake} takes {names}, not {tier.value}: production shares a lake with no other tier")
    return found


def check_platform(data: Mapping[str, str] | None, platform: str, tier: Tier) -> PlatformDescriptor:
    """Return a platform's descriptor if it takes an environment of this tier.

    Args:
        data: The ConfigMap's data; None where it holds none.
        platform: The name that is expected.
        tier: The environment's tier.

    Raises:
        PlatformRefused: Otherwise, and if the descriptor can't be read.
    """
    descriptor = _parsed(data, platform)
    if not descriptor.shared:
        raise PlatformRefused(
            f"the cluster belongs to environment {descriptor.name} alone, which shares it with no other: "
            "name a shared platform and its cluster under `cloud`"
        )
    if descriptor.name != platform:
        raise PlatformRefused(
            f"the cluster belongs to platform {descriptor.name}, not {platform}: "
            "correct the platform or the cluster that the stack file names under `cloud`"
        )
    if not admits(descriptor.tiers, tier):
        names = ", ".join(sorted(t.value for t in descriptor.tiers)) or "no tier"
        raise PlatformRefused(
            f"platform {platform} takes {names}, not {tier.value}: every tier must stand in the platform's `tiers`, "
            "and production shares a platform with no other tier"
        )
    if tier not in descriptor.priority_classes:
        raise _unreadable(platform)
    return descriptor


def check_queues(descriptor: PlatformDescriptor, *, kueue: Kueue) -> PlatformDescriptor:
    """Return a platform's descriptor if it has queues where the environment counts on them, and none where it doesn't.

    What an environment is made of stands in its own file: else a changed descriptor would take its queues away unseen.

    Args:
        descriptor: The platform's.
        kueue: Whether the cluster has Kueue, as the environment's settings give it.

    Raises:
        PlatformRefused: Otherwise.
    """
    expected = kueue != "none"
    if descriptor.compute.queues and not expected:
        raise PlatformRefused(
            f"jobs on platform {descriptor.name} wait in queues, and this stack file says that its cluster has no "
            "Kueue: set `kueue: true` in the cloud's block"
        )
    if expected and not descriptor.compute.queues:
        raise PlatformRefused(
            f"platform {descriptor.name} has no queues, and this stack file counts on them: bring its stack up to date "
            "first; or, if its cluster has no Kueue, set `kueue: false` in the cloud's block"
        )
    return descriptor


def _parsed(data: Mapping[str, str] | None, platform: str) -> PlatformDescriptor:
    """Parse the whole descriptor here: a value trusted until it was used ended as a Python trace."""
    text = (data or {}).get(KEY, "")
    try:
        version = _Versioned.model_validate_json(text).version
        if version == CONTRACT_VERSION:
            return PlatformDescriptor.model_validate_json(text)
    except ValidationError:
        raise _unreadable(platform) from None
    raise PlatformRefused(
        f"platform {platform} speaks version {version} of the contract, this program {CONTRACT_VERSION}: "
        "bring both to one release of Terrarium, the platform first"
    )


def _unreadable(platform: str) -> PlatformRefused:
    return PlatformRefused(
        f"platform {platform} publishes no descriptor that can be read, ConfigMap {PLATFORM_NAMESPACE}/{NAME}: "
        "somebody changed it; update the platform's stack to restore it"
    )
