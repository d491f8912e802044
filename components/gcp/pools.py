"""Pools of machines: GKE node pools, which GKE's own autoscaler grows and shrinks.

Follows cloud.google.com/kubernetes-engine: "About GKE cluster autoscaling" (total limits, location policy), "Isolate
your workloads in dedicated node pools" (the taint of the system's own pool), "Run GPUs in GKE Standard node pools",
"Spot VMs", "Shielded GKE Nodes".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_gcp import container

from components.compute import Taint
from components.contract import SystemMachines
from components.gcp import machines
from components.gcp.facts import Offered
from components.gcp.place import Project
from components.settings.pools import PoolSettings

_EFFECTS = {
    "NoSchedule": "NO_SCHEDULE",
    "PreferNoSchedule": "PREFER_NO_SCHEDULE",
    "NoExecute": "NO_EXECUTE",
}
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"  # IAM roles of the nodes' account limit it, GKE's own advice
_SYSTEM_TAINT = Taint(key="components.gke.io/gke-managed-components", value="true")
SYSTEM_MACHINES = SystemMachines({"cloud.google.com/gke-nodepool": machines.SYSTEM}, [_SYSTEM_TAINT])
"""Where what the platform itself runs stands."""


@dataclass(frozen=True)
class Nodes:
    """What all machines of a cluster have in common.

    Args:
        project: The project.
        cluster: The cluster.
        account: Mail address of the machines' service account.
        key: The key of their disks.
        zones: The cluster's zones.
        pods: Pods that one machine may hold.
        after: What must be there before a machine is.
    """

    project: Project
    cluster: container.Cluster
    account: pulumi.Output[str]
    key: pulumi.Output[str]
    zones: tuple[str, ...]
    pods: int
    after: tuple[pulumi.Resource, ...]

    def config(self, *, machine_type: str, **more: Any) -> dict[str, Any]:
        """Return the configuration of a machine."""
        return {
            "machine_type": machine_type,
            "image_type": "COS_CONTAINERD",
            "service_account": self.account,
            "oauth_scopes": [_SCOPE],
            "boot_disk_kms_key": self.key,
            "resource_labels": dict(self.project.labels),
            # Without it a pod would get the credentials of its machine.
            "workload_metadata_config": container.NodePoolNodeConfigWorkloadMetadataConfigArgs(mode="GKE_METADATA"),
            "shielded_instance_config": container.NodePoolNodeConfigShieldedInstanceConfigArgs(
                enable_secure_boot=True, enable_integrity_monitoring=True
            ),
            # Project-wide SSH keys would open every machine.
            "metadata": {"block-project-ssh-keys": "true", "disable-legacy-endpoints": "true"},
            **more,
        }


def system(nodes: Nodes) -> container.NodePool:
    """Make the pool of what GKE itself runs: with it, all others can scale to zero.

    Args:
        nodes: What all machines have in common.
    """
    taint = container.NodePoolNodeConfigTaintArgs(
        key=_SYSTEM_TAINT.key, value=_SYSTEM_TAINT.value, effect=_EFFECTS[_SYSTEM_TAINT.effect]
    )
    config = nodes.config(machine_type=machines.SYSTEM_TYPE, taints=[taint])
    return _pool(nodes, machines.SYSTEM, config, least=1, most=machines.SYSTEM_MAX, zones=nodes.zones, spot=False)


def pool(
    nodes: Nodes, name: str, settings: PoolSettings, offered: Offered, override: Mapping[str, Any]
) -> container.NodePool:
    """Make a pool.

    Args:
        nodes: What all machines have in common.
        name: The pool's name.
        settings: What is declared of it.
        offered: Its machine type, and where it is.
        override: What the stack file puts over the machines' configuration.
    """
    more: dict[str, Any] = {
        "spot": settings.spot,
        "labels": {"terrarium.dev/pool": name},
        "taints": [
            container.NodePoolNodeConfigTaintArgs(key=each.key, value=each.value, effect=_EFFECTS[each.effect])
            for each in settings.taints
        ],
    }
    if offered.accelerator:
        more["guest_accelerators"] = [_gpus(offered.accelerator, offered.gpus)]
    config = nodes.config(machine_type=offered.machine_type, **more) | dict(override)
    return _pool(nodes, name, config, least=settings.min, most=settings.max, zones=offered.zones, spot=settings.spot)


def _gpus(accelerator: str, count: int) -> container.NodePoolNodeConfigGuestAcceleratorArgs:
    return container.NodePoolNodeConfigGuestAcceleratorArgs(
        type=accelerator,
        count=count,
        # GKE brings the driver that goes with its version, and taints the machines nvidia.com/gpu.
        gpu_driver_installation_config=container.NodePoolNodeConfigGuestAcceleratorGpuDriverInstallationConfigArgs(
            gpu_driver_version="DEFAULT"
        ),
    )


def _pool(
    nodes: Nodes, name: str, config: Mapping[str, Any], *, least: int, most: int, zones: tuple[str, ...], spot: bool
) -> container.NodePool:
    return container.NodePool(
        f"{nodes.project.name}-pool-{name}",
        name=name,
        cluster=nodes.cluster.name,
        location=nodes.project.region,
        node_locations=list(zones),
        # In each zone, and only at first: the autoscaler does not bring a pool up to its minimum.
        initial_node_count=-(-least // len(zones)),
        max_pods_per_node=nodes.pods,
        autoscaling=container.NodePoolAutoscalingArgs(
            total_min_node_count=least,
            total_max_node_count=most,
            # Spot machines are where there are some; the others are spread, so that a zone can fail.
            location_policy="ANY" if spot else "BALANCED",
        ),
        management=container.NodePoolManagementArgs(auto_repair=True, auto_upgrade=True),
        upgrade_settings=container.NodePoolUpgradeSettingsArgs(strategy="SURGE", max_surge=1, max_unavailable=0),
        node_config=container.NodePoolNodeConfigArgs(**config),
        opts=nodes.project.merged(
            pulumi.ResourceOptions(
                depends_on=list(nodes.after),
                # It is fixed at creation: another minimum would replace the pool.
                ignore_changes=["initialNodeCount"],
            )
        ),
    )
