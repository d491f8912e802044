"""Quota, limits of one container, and which priority pods may claim."""

from __future__ import annotations

from decimal import Decimal
from typing import get_args

import pulumi
from pulumi_kubernetes.core.v1 import (
    LimitRange,
    LimitRangeItemArgs,
    LimitRangeSpecArgs,
    ResourceQuota,
    ResourceQuotaSpecArgs,
    ScopedResourceSelectorRequirementArgs,
    ScopeSelectorArgs,
)

from components.compute import GpuResource
from components.settings import quantities
from components.settings.models import ContainerSettings, QuotaSettings
from components.workspace.scope import Scope


def quota(scope: Scope, settings: QuotaSettings, *, borrows: bool = False) -> ResourceQuota:
    """Make the quota of the whole environment; load balancers and node ports are ways in, and closed.

    Jobs, ConfigMaps and secrets are counted because all environments of a cluster share one API server: a loop that
    makes objects would fill its database (2 GiB by default, etcd.io/docs) for everybody. A ConfigMap or secret holds
    1 MiB at most.

    Args:
        scope: Where.
        settings: The most that the environment may hold.
        borrows: Whether its jobs may have more than that while others leave it unused. Their queue tells when; this
            only lets it.
    """
    factor = 1 + Decimal(settings.borrow_percent if borrows else 0) / 100
    memory = _times(settings.memory, factor, binary=True)
    return ResourceQuota(
        scope.logical("quota"),
        metadata=scope.metadata("quota"),
        spec=ResourceQuotaSpecArgs(
            hard={
                "requests.cpu": _times(settings.cpu, factor),
                "requests.memory": memory,
                "limits.memory": memory,
                **{f"requests.{name}": _times(str(settings.gpu), factor) for name in get_args(GpuResource)},
                "pods": str(settings.pods),
                "requests.storage": settings.storage,
                "persistentvolumeclaims": str(settings.volumes),
                "count/jobs.batch": "1000",
                "count/configmaps": "500",
                "count/secrets": "500",
                "services.loadbalancers": "0",
                "services.nodeports": "0",
            }
        ),
        opts=scope.opts,
    )


def _times(amount: str, factor: Decimal, *, binary: bool = False) -> str:
    # As the stack file says it, where nothing is added.
    return amount if factor == 1 else quantities.written(quantities.parse(amount) * factor, binary=binary)


def foreign_priorities(scope: Scope, own: pulumi.Input[str]) -> ResourceQuota:
    """Refuse pods of any PriorityClass but the tier's own, so that no experiment pushes out what others run.

    Args:
        scope: Where.
        own: The PriorityClass of the environment's tier. Pods that name none run at priority 0.
    """
    return ResourceQuota(
        scope.logical("foreign-priorities"),
        metadata=scope.metadata("foreign-priorities"),
        spec=ResourceQuotaSpecArgs(
            hard={"pods": "0"},
            # `Exists` is needed as well: `NotIn` alone also counts the pods that name no class.
            scope_selector=ScopeSelectorArgs(
                match_expressions=[
                    ScopedResourceSelectorRequirementArgs(scope_name="PriorityClass", operator="Exists"),
                    ScopedResourceSelectorRequirementArgs(scope_name="PriorityClass", operator="NotIn", values=[own]),
                ]
            ),
        ),
        opts=scope.opts,
    )


def container_limits(scope: Scope, settings: ContainerSettings) -> LimitRange:
    """Make the limits of one container.

    The default is the limit as well: without one, a container would get the maximum and use up the quota's memory.

    Args:
        scope: Where.
        settings: What a container gets by default, and the most that it may ask for.
    """
    default = {"cpu": settings.default.cpu, "memory": settings.default.memory}
    return LimitRange(
        scope.logical("container-limits"),
        metadata=scope.metadata("container-limits"),
        spec=LimitRangeSpecArgs(
            limits=[
                LimitRangeItemArgs(
                    type="Container",
                    default=default,
                    default_request=default,
                    max={"cpu": settings.maximum.cpu, "memory": settings.maximum.memory},
                )
            ]
        ),
        opts=scope.opts,
    )
