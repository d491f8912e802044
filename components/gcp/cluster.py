"""The GKE cluster: made, adopted, or the platform's.

Follows cloud.google.com/kubernetes-engine: "Harden your cluster's security", "Customize your network isolation", "About
GKE Dataplane V2", "Encrypt secrets at the application layer", "Configure Google Groups for RBAC", "Use least privilege
Google service accounts" (the nodes' role); cloud.google.com/binary-authorization: "Policies".
"""

from __future__ import annotations

import json
from typing import Any

import pulumi
from pulumi_gcp import binaryauthorization, container, projects, serviceaccount
from pulumi_kubernetes import Provider

from components.compute import KUEUE_REGISTRY
from components.gcp import pools
from components.gcp.facts import FoundCluster
from components.gcp.names import SERVICE_ACCOUNT, called, login, production
from components.gcp.place import Gke, Project, Vpc
from components.gcp.settings import GOOGLE, GcpSettings, resolved
from components.inside import MANNER
from components.settings.models import AnySettings, EnvironmentSettings, LakeSettings, PlatformSettings
from components.settings.pools import pools_of

_NODE_ROLE = "roles/container.defaultNodeServiceAccount"
# What routes lead to the private endpoint is the network's to say; those of the internet never do.
_PRIVATE = {"private-10": "10.0.0.0/8", "private-172": "172.16.0.0/12", "private-192": "192.168.0.0/16"}
_LOGS = ("APISERVER", "CONTROLLER_MANAGER", "SCHEDULER", "SYSTEM_COMPONENTS", "WORKLOADS")


def cluster(name: str, settings: AnySettings, block: GcpSettings, vpc: Vpc, opts: pulumi.ResourceOptions) -> Gke:
    """Make the cluster with its pools, or return the one to use.

    Args:
        name: Prefix of the logical names.
        settings: The declaration.
        block: Its `cloud.gcp`.
        vpc: Where it is.
        opts: Parent.
    """
    if isinstance(settings, LakeSettings) or vpc.cluster:
        return _found(name, settings, block, vpc, opts)
    return _made(name, settings, block, vpc, opts)


def nodes_account(owner: str) -> str:
    """Return the id of the service account of a cluster's machines.

    Args:
        owner: What the names of the cluster's things begin with.
    """
    return SERVICE_ACCOUNT.fit(owner, "nodes")


def _found(name: str, settings: AnySettings, block: GcpSettings, vpc: Vpc, opts: pulumi.ResourceOptions) -> Gke:
    found = vpc.cluster or FoundCluster(block.platform or "", "", "", "", ())
    content = kubeconfig(found.name, found.endpoint, found.authority, block)
    return Gke(
        name=found.name,
        provider=_provider(name, pulumi.Output.secret(content), opts),
        platform=block.platform,
        access=login(found.name, block.project, block.region, private=production(settings)),
        nodes={account.partition("@")[0]: account for account in found.accounts},
        owned=False,
    )


def _made(
    name: str,
    settings: EnvironmentSettings | PlatformSettings,
    block: GcpSettings,
    vpc: Vpc,
    opts: pulumi.ResourceOptions,
) -> Gke:
    project, private = vpc.project, production(settings)
    account = serviceaccount.Account(
        f"{name}-nodes-account",
        account_id=nodes_account(project.owner),
        display_name=f"Machines of {project.owner}",
        opts=project.opts,
    )
    role = projects.IAMMember(
        f"{name}-nodes-role", project=project.id, role=_NODE_ROLE, member=account.member, opts=project.opts
    )
    policy = [_images(name, block, project)] if private else []
    key = project.key(
        "cluster",
        # Secrets are the control plane's to encrypt, disks the machines' maker's.
        {"gke": project.identity("container"), "compute": project.agent("compute-system")},
    )
    made = container.Cluster(
        f"{name}-cluster",
        **_arguments(settings, block, vpc, account, key),
        opts=project.merged(
            pulumi.ResourceOptions(
                protect=project.kept,
                depends_on=[role, *policy],
                # Of the first pool, which is gone at once; and what Google changes by itself.
                ignore_changes=["nodeConfig", "initialNodeCount"],
            )
        ),
    )
    nodes = pools.Nodes(project, made, account.email, key, tuple(vpc.zones), block.pods_per_node, (role,))
    machines = [pools.system(nodes)]
    for pool_name, pool in sorted(pools_of(settings).items()):
        override = block.machines.get(pool_name, {})
        machines.append(pools.pool(nodes, pool_name, pool, vpc.machines[pool_name], override))
    content = pulumi.Output.all(made.name, made.endpoint, made.master_auth.cluster_ca_certificate).apply(
        lambda found: kubeconfig(found[0], found[1], found[2] or "", block)
    )
    # Nothing is put into a cluster that has no machine yet to run what GKE itself brings.
    after = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=machines))
    return Gke(
        name=called(settings, block),
        provider=_provider(name, pulumi.Output.secret(content), after),
        platform=None,
        access=login(called(settings, block), block.project, block.region, private=private),
        nodes={"nodes": account.email},
        owned=True,
        made=(made,),
        system=pools.SYSTEM_MACHINES,
    )


def _arguments(
    settings: EnvironmentSettings | PlatformSettings,
    block: GcpSettings,
    vpc: Vpc,
    account: serviceaccount.Account,
    key: pulumi.Output[str],
) -> dict[str, Any]:
    private = production(settings)
    networks = _PRIVATE if private else {f"listed-{n}": cidr for n, cidr in enumerate(block.api.cidrs, 1)}
    mode = "PROJECT_SINGLETON_POLICY_ENFORCE" if private else "DISABLED"
    return {
        "name": called(settings, block),
        "location": block.region,
        "node_locations": list(vpc.zones),
        "network": vpc.network,
        "subnetwork": vpc.subnetwork,
        "networking_mode": "VPC_NATIVE",
        "ip_allocation_policy": container.ClusterIpAllocationPolicyArgs(
            cluster_secondary_range_name=vpc.pods_range, services_secondary_range_name=vpc.services_range
        ),
        # Network policies hold without anything to install.
        "datapath_provider": "ADVANCED_DATAPATH",
        "default_max_pods_per_node": block.pods_per_node,
        "private_cluster_config": container.ClusterPrivateClusterConfigArgs(
            enable_private_nodes=True,
            enable_private_endpoint=private,
            master_ipv4_cidr_block=vpc.control_plane,
        ),
        "master_authorized_networks_config": container.ClusterMasterAuthorizedNetworksConfigArgs(
            cidr_blocks=[
                container.ClusterMasterAuthorizedNetworksConfigCidrBlockArgs(cidr_block=cidr, display_name=label)
                for label, cidr in networks.items()
            ],
            # Else every machine of any customer of Google's could call the API.
            gcp_public_cidrs_access_enabled=False,
        ),
        "master_auth": container.ClusterMasterAuthArgs(
            client_certificate_config=container.ClusterMasterAuthClientCertificateConfigArgs(
                issue_client_certificate=False
            )
        ),
        "authenticator_groups_config": container.ClusterAuthenticatorGroupsConfigArgs(
            security_group=block.security_group
        )
        if block.security_group
        else None,
        "workload_identity_config": container.ClusterWorkloadIdentityConfigArgs(
            workload_pool=vpc.project.workload_pool
        ),
        "database_encryption": container.ClusterDatabaseEncryptionArgs(state="ENCRYPTED", key_name=key),
        "binary_authorization": container.ClusterBinaryAuthorizationArgs(evaluation_mode=mode),
        "enable_shielded_nodes": True,
        "enable_legacy_abac": False,
        "release_channel": container.ClusterReleaseChannelArgs(
            channel=resolved(block, settings.strictest).release_channel
        ),
        "maintenance_policy": container.ClusterMaintenancePolicyArgs(
            daily_maintenance_window=container.ClusterMaintenancePolicyDailyMaintenanceWindowArgs(start_time="02:00")
        ),
        "logging_config": container.ClusterLoggingConfigArgs(enable_components=list(_LOGS)),
        "monitoring_config": container.ClusterMonitoringConfigArgs(
            enable_components=["SYSTEM_COMPONENTS"],
            managed_prometheus=container.ClusterMonitoringConfigManagedPrometheusArgs(enabled=True),
        ),
        "cost_management_config": container.ClusterCostManagementConfigArgs(enabled=True),
        # GKE makes a cluster with a pool of its own, in each zone; ours come right after.
        "initial_node_count": 1,
        "remove_default_node_pool": True,
        "node_config": container.ClusterNodeConfigArgs(
            service_account=account.email,
            boot_disk_kms_key=key,
            shielded_instance_config=container.ClusterNodeConfigShieldedInstanceConfigArgs(enable_secure_boot=True),
        ),
        "node_pool_defaults": container.ClusterNodePoolDefaultsArgs(
            node_config_defaults=container.ClusterNodePoolDefaultsNodeConfigDefaultsArgs(
                # The port tells anybody on the network what runs where.
                insecure_kubelet_readonly_port_enabled="FALSE"
            )
        ),
        "deletion_protection": private,
    }


def _images(name: str, block: GcpSettings, project: Project) -> binaryauthorization.Policy:
    """Let production run images of the project's own registries, and those that the stack file lists."""
    # A domain's prefix stands before a slash there: artifact-registry/docs/docker/names.
    path = block.project.replace(":", "/")
    own = [f"{block.region}-docker.pkg.dev/{path}/**"] if block.universe_domain == GOOGLE else []
    own += [] if block.kueue is False else [f"{KUEUE_REGISTRY}/**"]
    return binaryauthorization.Policy(
        f"{name}-images",
        project=project.id,
        description="Images of the project's registries, and listed ones",
        # What GKE itself runs.
        global_policy_evaluation_mode="ENABLE",
        default_admission_rule=binaryauthorization.PolicyDefaultAdmissionRuleArgs(
            evaluation_mode="ALWAYS_DENY", enforcement_mode="ENFORCED_BLOCK_AND_AUDIT_LOG"
        ),
        admission_whitelist_patterns=[
            binaryauthorization.PolicyAdmissionWhitelistPatternArgs(name_pattern=pattern)
            for pattern in [*own, *block.images]
        ],
        opts=project.opts,
    )


def kubeconfig(name: str, endpoint: str, authority: str, block: GcpSettings) -> str:
    """Return a kubeconfig without a credential: who uses it signs in as they are signed in to Google Cloud.

    Args:
        name: The cluster's name.
        endpoint: The address of its API.
        authority: The certificate authority of its API, in base64.
        block: The settings.
    """
    sign_in: dict[str, Any] = {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "command": "gke-gcloud-auth-plugin",
        "provideClusterInfo": True,
        "interactiveMode": "Never",
        "installHint": "gcloud components install gke-gcloud-auth-plugin",
    }
    if block.impersonate:
        # Not by gcloud's variable: the plugin keeps tokens by its words alone, so one's own would serve here, and this
        # one wherever one works by hand (kubernetes/cloud-provider-gcp, getCachedGcloudAccessToken).
        sign_in["args"] = [f"--impersonate_service_account={block.impersonate}"]
    # An endpoint of some clouds has a port already.
    server = endpoint if endpoint.startswith("https://") else f"https://{endpoint}"
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": name, "cluster": {"server": server, "certificate-authority-data": authority}}],
        "users": [{"name": name, "user": {"exec": sign_in}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
    }
    return json.dumps(content, sort_keys=True)


def _provider(name: str, content: pulumi.Output[str], opts: pulumi.ResourceOptions) -> Provider:
    return Provider(
        f"{name}-kubernetes",
        kubeconfig=content,
        **MANNER,
        opts=opts,
    )
