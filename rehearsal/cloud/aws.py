"""The rehearsed AWS: resource types as registry.terraform.io/providers/hashicorp/aws documents them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from ipaddress import IPv4Network
from typing import Any

from rehearsal.cloud.aws_answers import ANSWERS, zone_id
from rehearsal.cloud.table import Caller, Cloud, Making, Type
from rehearsal.plugins.properties import Properties
from rehearsal.plugins.resource import ProviderError
from rehearsal.plugins.trees import values_at
from rehearsal.rented.credentials import account_of_caller

_ROLE, _KEY, _VPC, _SUBNET = "iam/role:Role", "kms/key:Key", "ec2/vpc:Vpc", "ec2/subnet:Subnet"
_CLUSTER, _BUCKET, _LOGS = "eks/cluster:Cluster", "s3/bucket:Bucket", "cloudwatch/logGroup:LogGroup"
# Clusters and VPCs give out groups and tables, too.
_GROUP, _TABLE = (
    "ec2/securityGroup:SecurityGroup|eks/cluster:Cluster|ec2/vpc:Vpc",
    "ec2/routeTable:RouteTable|ec2/vpc:Vpc",
)
_PARAMETERS, _ISSUER = "rds/parameterGroup:ParameterGroup", "https://oidc.eks.{region}.amazonaws.com/id/{upper32}"
_RULE = "ipProtocol fromPort toPort cidrIpv4 cidrIpv6 prefixListId referencedSecurityGroupId"
_SECRETS = frozenset({"password", "passwordWo", "secretString", "secretBinary"})
_DATABASE_FIXED = (
    "availabilityZone backupTarget characterSetName customIamInstanceProfile dbName engine identifier "
    "identifierPrefix kmsKeyId ncharCharacterSetName restoreToPointInTime s3Import snapshotIdentifier "
    "storageEncrypted timezone username"
)
_DATABASE_CHANGED = (
    "allocatedStorage allowMajorVersionUpgrade applyImmediately autoMinorVersionUpgrade backupRetentionPeriod "
    "backupWindow caCertIdentifier copyTagsToSnapshot dbSubnetGroupName deleteAutomatedBackups deletionProtection "
    "engineVersion finalSnapshotIdentifier iamDatabaseAuthenticationEnabled instanceClass iops maintenanceWindow "
    "manageMasterUserPassword masterUserSecretKmsKeyId maxAllocatedStorage multiAz parameterGroupName password port "
    "performanceInsightsEnabled publiclyAccessible skipFinalSnapshot storageThroughput storageType vpcSecurityGroupIds"
)


def _arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{{region}}:{{account}}:{resource}"


def _now(_making: Making) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _caller(given: Mapping[str, Any], settings: Mapping[str, Any]) -> Caller:
    """Who calls; a role to take is in the account that its ARN names."""
    region, role = given.get("region") or "", next((one.get("roleArn") for one in given.get("assumeRoles") or []), None)
    account = role.split(":")[4] if role else account_of_caller() or str(settings["account"])
    allowed, forbidden = given.get("allowedAccountIds") or [account], given.get("forbiddenAccountIds") or []
    if not region:
        raise ProviderError("Missing region configuration")
    if account not in allowed or account in forbidden:
        raise ProviderError(f"AWS account ID not allowed: {account}")
    return Caller(account, region, (given.get("defaultTags") or {}).get("tags") or {})


def _placed(making: Making) -> str:
    """A subnet's zone id, once it is known that it fits its VPC and that there is such a zone."""
    zone, vpc = str(making.filled("{availabilityZone}")), making.referred("vpcId")
    if zone.removeprefix(making.region) not in making.settings["zones"]:
        raise ProviderError(f"InvalidParameterValue: availabilityZone: {making.region} has no zone {zone}")
    if not IPv4Network(making.inputs["cidrBlock"]).subnet_of(IPv4Network(vpc.inputs["cidrBlock"])):
        raise ProviderError(f"InvalidSubnet.Range: cidrBlock: {making.inputs['cidrBlock']} is not inside {vpc.id}")
    return zone_id(zone, making.region)


def _vpc_of(subnets: str) -> Callable[[Making], str]:
    """The VPC of subnets, which must be in two zones at least."""

    def found(making: Making) -> str:
        from_subnets = [making.find(_SUBNET, one) for one in values_at(making.inputs, subnets)]
        zones = {str(one.values()["availabilityZone"]) for one in from_subnets if one}
        if len(zones) < 2:
            raise ProviderError(
                f"{subnets}: subnets in two availability zones at least are needed, not {min(zones)} alone"
            )
        return next(str(one.inputs["vpcId"]) for one in from_subnets if one)

    return found


def _json(name: str) -> Callable[[Properties], Mapping[str, str]]:
    def problems(inputs: Properties) -> Mapping[str, str]:
        try:
            return {} if isinstance(json.loads(inputs.get(name, "{}")), dict) else {name: "this is no JSON object"}
        except ValueError:
            return {name: "this is no JSON object"}

    return problems


def _range(inputs: Properties) -> Mapping[str, str]:
    try:
        fits = 16 <= IPv4Network(inputs.get("cidrBlock", "10.0.0.0/16")).prefixlen <= 28
    except ValueError as error:
        return {"cidrBlock": str(error)}
    return {} if fits else {"cidrBlock": "must be between /16 and /28"}


def _auto_mode(inputs: Properties) -> Mapping[str, str]:
    """The three switches of Auto Mode, which go together (EKS API reference, CreateCluster)."""
    network = inputs.get("kubernetesNetworkConfig", {}).get("elasticLoadBalancing", {})
    storage = inputs.get("storageConfig", {}).get("blockStorage", {})
    compute = inputs.get("computeConfig")
    if compute is None:
        return {}  # or unknown in a preview, with the role in it
    on = {bool(part.get("enabled")) for part in (compute, network, storage)}
    problem = "must be enabled as storageConfig.blockStorage and kubernetesNetworkConfig.elasticLoadBalancing are"
    return {} if len(on) == 1 else {"computeConfig": problem}


def _database(inputs: Properties) -> Mapping[str, str]:
    kept = inputs.get("skipFinalSnapshot") or inputs.get("finalSnapshotIdentifier")
    found = {} if kept else {"finalSnapshotIdentifier": "is required when skipFinalSnapshot is false"}
    if inputs.get("manageMasterUserPassword") and inputs.get("password"):
        found["manageMasterUserPassword"] = "conflicts with password"
    return found


def _master_secret(making: Making) -> list[Properties]:
    if not making.inputs.get("manageMasterUserPassword"):
        return []
    arn = making.filled(_arn("secretsmanager", "secret:rds!db-{uuid}-{upper6}"))
    return [{"secretArn": arn, "secretStatus": "active", "kmsKeyId": making.inputs.get("masterUserSecretKmsKeyId", "")}]


def _of_bucket(page: str, changed: str, refers: Mapping[str, str] | None = None, **more: Any) -> Type:
    where = {"bucket": _BUCKET, **(refers or {})}
    return _t(page, "{bucket}", unique="bucket", refers=where, fixed="bucket", changed=changed, **more)


def _t(doc: str, id: Any, **more: Any) -> Type:  # noqa: A002 - the field's name
    return Type(doc=doc, id=id, **more)


def _ec2(kind: str, **more: Any) -> Properties:
    return {"arn": _arn("ec2", f"{kind}/{{id}}"), "ownerId": "{account}", **more}


# A table is read in rows: what says which one it is, what it is told to be, what it refers to, what can change.
# fmt: off
TYPES: Mapping[str, Type] = {
    "ec2/vpc:Vpc": _t("aws_vpc", "vpc-{hex17}", problems=_range,
        outputs=_ec2("vpc", defaultSecurityGroupId="sg-{hex17}", defaultRouteTableId="rtb-{hex17}",
                     mainRouteTableId="{defaultRouteTableId}", defaultNetworkAclId="acl-{hex17}",
                     dhcpOptionsId="dopt-{hex17}", enableDnsHostnames=False),
        defaults={"enableDnsSupport": True, "instanceTenancy": "default"},
        fixed="cidrBlock ipv4IpamPoolId ipv4NetmaskLength",
        changed="enableDnsHostnames enableDnsSupport enableNetworkAddressUsageMetrics assignGeneratedIpv6CidrBlock"),
    "ec2/subnet:Subnet": _t("aws_subnet", "subnet-{hex17}", problems=_range,
        unique="vpcId cidrBlock", taken="InvalidSubnet.Conflict", refers={"vpcId": _VPC},
        outputs=_ec2("subnet", availabilityZone="{region}a", availabilityZoneId=_placed,
                     privateDnsHostnameTypeOnLaunch="ip-name"),
        defaults={"mapPublicIpOnLaunch": False, "assignIpv6AddressOnCreation": False, "enableDns64": False},
        fixed="vpcId cidrBlock availabilityZone availabilityZoneId ipv6Native outpostArn",
        changed="mapPublicIpOnLaunch assignIpv6AddressOnCreation enableDns64 privateDnsHostnameTypeOnLaunch"),
    "ec2/routeTable:RouteTable": _t("aws_route_table", "rtb-{hex17}", refers={"vpcId": _VPC},
        outputs=_ec2("route-table", routes=[], propagatingVgws=[]), fixed="vpcId", changed="routes propagatingVgws"),
    "ec2/route:Route": _t("aws_route", lambda making: making.filled("r-{routeTableId}{digits10}"),
        unique="routeTableId destinationCidrBlock destinationIpv6CidrBlock destinationPrefixListId",
        taken="RouteAlreadyExists", outputs={"origin": "CreateRoute", "state": "active"},
        refers={"routeTableId": _TABLE, "gatewayId": "ec2/internetGateway:InternetGateway",
                "natGatewayId": "ec2/natGateway:NatGateway"},
        fixed="routeTableId destinationCidrBlock destinationIpv6CidrBlock destinationPrefixListId",
        changed="gatewayId natGatewayId vpcEndpointId transitGatewayId networkInterfaceId vpcPeeringConnectionId"),
    "ec2/routeTableAssociation:RouteTableAssociation": _t("aws_route_table_association", "rtbassoc-{hex17}",
        unique="subnetId gatewayId", taken="Resource.AlreadyAssociated",
        refers={"routeTableId": _TABLE, "subnetId": _SUBNET}, fixed="subnetId gatewayId", changed="routeTableId"),
    "ec2/internetGateway:InternetGateway": _t("aws_internet_gateway", "igw-{hex17}", refers={"vpcId": _VPC},
        unique="vpcId", taken="Resource.AlreadyAssociated", outputs=_ec2("internet-gateway"), changed="vpcId"),
    "ec2/eip:Eip": _t("aws_eip", "eipalloc-{hex17}",
        outputs={"allocationId": "{id}", "arn": _arn("ec2", "elastic-ip/{id}"), "publicIp": "198.51.100.{digits2}",
                 "domain": "vpc", "networkBorderGroup": "{region}", "publicIpv4Pool": "amazon"},
        fixed="address customerOwnedIpv4Pool domain ipamPoolId networkBorderGroup publicIpv4Pool",
        changed="instance networkInterface associateWithPrivateIp"),
    "ec2/natGateway:NatGateway": _t("aws_nat_gateway", "nat-{hex17}",
        unique="allocationId", taken="Resource.AlreadyAssociated",
        refers={"subnetId": _SUBNET, "allocationId": "ec2/eip:Eip"}, defaults={"connectivityType": "public"},
        outputs={"associationId": "eipassoc-{hex17}", "networkInterfaceId": "eni-{hex17}", "publicIp":
                 lambda making: making.filled("{allocationId.publicIp}") if "allocationId" in making.inputs else ""},
        fixed="allocationId connectivityType privateIp subnetId secondaryPrivateIpAddressCount",
        changed="secondaryAllocationIds secondaryPrivateIpAddresses"),
    "ec2/vpcEndpoint:VpcEndpoint": _t("aws_vpc_endpoint", "vpce-{hex17}", problems=_json("policy"),
        unique="vpcId serviceName vpcEndpointType", taken="RouteAlreadyExists",
        refers={"vpcId": _VPC, "routeTableIds": _TABLE, "securityGroupIds": _GROUP, "subnetIds": _SUBNET},
        outputs=_ec2("vpc-endpoint", state="available", requesterManaged=False, routeTableIds=[], subnetIds=[],
                     prefixListId="pl-{hex8}"),
        defaults={"vpcEndpointType": "Gateway"},
        fixed="serviceName vpcEndpointType vpcId serviceRegion serviceNetworkArn resourceConfigurationArn",
        changed="policy privateDnsEnabled routeTableIds securityGroupIds subnetIds dnsOptions ipAddressType"),
    "ec2/securityGroup:SecurityGroup": _t("aws_security_group", "sg-{hex17}",
        named="name", unique="vpcId name", taken="InvalidGroup.Duplicate",
        refers={"vpcId": _VPC, "ingress.securityGroups": _GROUP, "egress.securityGroups": _GROUP},
        outputs=_ec2("security-group", ingress=[], egress=[]),
        defaults={"description": "Managed by Pulumi", "revokeRulesOnDelete": False},
        fixed="name namePrefix description vpcId", changed="ingress egress revokeRulesOnDelete"),
    "ec2/defaultSecurityGroup:DefaultSecurityGroup": _t("aws_default_security_group",
        "{vpcId.defaultSecurityGroupId}", unique="vpcId", refers={"vpcId": _VPC}, fixed="vpcId",
        outputs=_ec2("security-group", name="default", description="default VPC security group"),
        changed="ingress egress"),
    "ec2/flowLog:FlowLog": _t("aws_flow_log", "fl-{hex17}", outputs={"arn": _arn("ec2", "vpc-flow-log/{id}")},
        unique="vpcId subnetId trafficType logDestination", taken="FlowLogAlreadyExists",
        refers={"vpcId": _VPC, "subnetId": _SUBNET, "iamRoleArn": _ROLE, "logDestination": f"{_LOGS}|{_BUCKET}"},
        defaults={"logDestinationType": "cloud-watch-logs", "maxAggregationInterval": 600},
        fixed="vpcId subnetId eniId trafficType iamRoleArn logDestination logDestinationType logFormat "
              "maxAggregationInterval deliverCrossAccountRole destinationOptions"),
    "vpc/securityGroupIngressRule:SecurityGroupIngressRule": _t("aws_vpc_security_group_ingress_rule", "sgr-{hex17}",
        unique=f"securityGroupId {_RULE}", taken="InvalidPermission.Duplicate",
        refers={"securityGroupId": _GROUP, "referencedSecurityGroupId": _GROUP},
        outputs={"arn": _arn("ec2", "security-group-rule/{id}"), "securityGroupRuleId": "{id}"},
        fixed="securityGroupId cidrIpv4? cidrIpv6? prefixListId? referencedSecurityGroupId?",
        changed=f"{_RULE} description"),
    "cloudwatch/logGroup:LogGroup": _t("aws_cloudwatch_log_group", "{name}",
        named="name", unique="name", taken="ResourceAlreadyExistsException", refers={"kmsKeyId": _KEY},
        outputs={"arn": _arn("logs", "log-group:{name}"), "logGroupClass": "STANDARD"},
        defaults={"retentionInDays": 0, "skipDestroy": False},
        fixed="name namePrefix logGroupClass", changed="kmsKeyId retentionInDays skipDestroy"),
    "iam/role:Role": _t("aws_iam_role", "{name}", outside=True, problems=_json("assumeRolePolicy"),
        named="name", unique="name", scope="account", taken="EntityAlreadyExists",
        outputs={"arn": "arn:aws:iam::{account}:role{path}{name}", "uniqueId": "AROA{upper17}", "createDate": _now},
        defaults={"path": "/", "maxSessionDuration": 3600, "forceDetachPolicies": False},
        fixed="name namePrefix path",
        changed="assumeRolePolicy description maxSessionDuration permissionsBoundary forceDetachPolicies"),
    "iam/rolePolicy:RolePolicy": _t("aws_iam_role_policy", "{role}:{name}", problems=_json("policy"),
        named="name", unique="role name", scope="account", refers={"role": _ROLE},
        fixed="role name namePrefix", changed="policy"),
    "iam/rolePolicyAttachment:RolePolicyAttachment": _t("aws_iam_role_policy_attachment", "{role}/{policyArn}",
        unique="role policyArn", scope="account", refers={"role": _ROLE}, fixed="role policyArn"),
    "iam/openIdConnectProvider:OpenIdConnectProvider": _t("aws_iam_openid_connect_provider",
        lambda made: made.filled("arn:aws:iam::{account}:oidc-provider/") + made.inputs["url"].split("://")[-1],
        unique="url", scope="account", taken="EntityAlreadyExists",
        outputs={"arn": "{id}", "thumbprintLists": ["{hex40}"]}, fixed="url", changed="clientIdLists thumbprintLists"),
    "kms/key:Key": _t("aws_kms_key", "{uuid}", problems=_json("policy"),
        outputs={"keyId": "{id}", "arn": _arn("kms", "key/{id}"), "multiRegion": False, "description": ""},
        defaults={"enableKeyRotation": False, "isEnabled": True, "keyUsage": "ENCRYPT_DECRYPT",
                  "customerMasterKeySpec": "SYMMETRIC_DEFAULT", "bypassPolicyLockoutSafetyCheck": False},
        fixed="customKeyStoreId customerMasterKeySpec keyUsage multiRegion xksKeyId",
        changed="deletionWindowInDays description enableKeyRotation isEnabled policy rotationPeriodInDays"),
    "kms/alias:Alias": _t("aws_kms_alias", "{name}", refers={"targetKeyId": _KEY},
        named="name", unique="name", taken="AlreadyExistsException",
        outputs={"arn": _arn("kms", "{name}"), "targetKeyArn": "{targetKeyId.arn}"},
        fixed="name namePrefix", changed="targetKeyId"),
    "eks/cluster:Cluster": _t("aws_eks_cluster", "{name}", problems=_auto_mode, embedded="EksCluster",
        named="name", unique="name", taken="ResourceInUseException", protected="deletionProtection",
        refers={"roleArn": _ROLE, "computeConfig.nodeRoleArn": _ROLE, "encryptionConfig.provider.keyArn": _KEY,
                "vpcConfig.subnetIds": _SUBNET, "vpcConfig.securityGroupIds": _GROUP},
        outputs={"arn": _arn("eks", "cluster/{name}"), "createdAt": _now, "status": "ACTIVE", "version": "1.34",
                 "platformVersion": "eks.1", "endpoint": "https://{upper32}.gr7.{region}.eks.amazonaws.com",
                 "certificateAuthority": {"data": ""}, "identities": [{"oidcs": [{"issuer": _ISSUER}]}],
                 "vpcConfig": {"clusterSecurityGroupId": "sg-{hex17}", "vpcId": _vpc_of("vpcConfig.subnetIds")}},
        defaults={"bootstrapSelfManagedAddons": True},
        fixed="name roleArn bootstrapSelfManagedAddons accessConfig.bootstrapClusterCreatorAdminPermissions "
              "computeConfig.nodeRoleArn kubernetesNetworkConfig.ipFamily kubernetesNetworkConfig.serviceIpv4Cidr",
        changed="accessConfig computeConfig deletionProtection enabledClusterLogTypes encryptionConfig version "
                "kubernetesNetworkConfig storageConfig upgradePolicy vpcConfig zonalShiftConfig forceUpdateVersion"),
    "eks/addon:Addon": _t("aws_eks_addon", "{clusterName}:{addonName}", refers={"clusterName": _CLUSTER},
        unique="clusterName addonName", taken="ResourceInUseException",
        outputs={"arn": _arn("eks", "addon/{clusterName}/{addonName}/{uuid}"), "createdAt": _now, "modifiedAt": _now,
                 "addonVersion": "v1.0.0-eksbuild.1"},
        fixed="addonName clusterName", changed="addonVersion configurationValues podIdentityAssociations preserve "
              "resolveConflictsOnCreate resolveConflictsOnUpdate serviceAccountRoleArn"),
    "eks/accessEntry:AccessEntry": _t("aws_eks_access_entry", "{clusterName}:{principalArn}",
        unique="clusterName principalArn", taken="ResourceInUseException", refers={"clusterName": _CLUSTER},
        outputs={"accessEntryArn": _arn("eks", "access-entry/{clusterName}/{account}/{uuid}"), "createdAt": _now,
                 "modifiedAt": _now, "userName": "{principalArn}", "_principal": "{principalArn}"},
        defaults={"type": "STANDARD"}, fixed="clusterName principalArn type", changed="kubernetesGroups userName"),
    "eks/accessPolicyAssociation:AccessPolicyAssociation": _t("aws_eks_access_policy_association",
        "{clusterName}#{principalArn}#{policyArn}", unique="clusterName principalArn policyArn",
        refers={"clusterName": _CLUSTER, "principalArn": "eks/accessEntry:AccessEntry"},
        outputs={"associatedAt": _now, "modifiedAt": _now}, fixed="clusterName principalArn policyArn accessScope"),
    "eks/podIdentityAssociation:PodIdentityAssociation": _t("aws_eks_pod_identity_association",
        # A function: else any name that begins with `a-` would look like one.
        lambda making: making.filled("a-{lower17}"), unique="clusterName namespace serviceAccount",
        taken="ResourceInUseException", refers={"clusterName": _CLUSTER, "roleArn": _ROLE, "targetRoleArn": _ROLE},
        outputs={"associationId": "{id}", "associationArn": _arn("eks", "podidentityassociation/{clusterName}/{id}")},
        defaults={"disableSessionTags": False}, fixed="clusterName namespace serviceAccount",
        changed="roleArn disableSessionTags targetRoleArn"),
    "s3/bucket:Bucket": _t("aws_s3_bucket", "{bucket}", embedded="Bucket",
        named="bucket", unique="bucket", scope="world", taken="BucketAlreadyExists",
        outputs={"arn": "arn:aws:s3:::{bucket}", "bucketDomainName": "{bucket}.s3.amazonaws.com",
                 "bucketRegionalDomainName": "{bucket}.s3.{region}.amazonaws.com", "bucketRegion": "{region}"},
        defaults={"forceDestroy": False}, fixed="bucket bucketPrefix objectLockEnabled", changed="forceDestroy"),
    "s3/bucketVersioning:BucketVersioning": _of_bucket("aws_s3_bucket_versioning", "versioningConfiguration mfa",
        embedded="Versioning"),
    "s3/bucketPolicy:BucketPolicy": _of_bucket("aws_s3_bucket_policy", "policy", problems=_json("policy")),
    "s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": _of_bucket("aws_s3_bucket_lifecycle_configuration",
        "rules transitionDefaultMinimumObjectSize"),
    "s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": _of_bucket(
        "aws_s3_bucket_server_side_encryption_configuration", "rules",
        {"rules.applyServerSideEncryptionByDefault.kmsMasterKeyId": _KEY}),
    "s3/bucketPublicAccessBlock:BucketPublicAccessBlock": _of_bucket("aws_s3_bucket_public_access_block",
        "blockPublicAcls blockPublicPolicy ignorePublicAcls restrictPublicBuckets skipDestroy"),
    "rds/instance:Instance": _t("aws_db_instance", "db-{upper26}", problems=_database, embedded="RdsInstance",
        named="identifier", unique="identifier", taken="DBInstanceAlreadyExists", protected="deletionProtection",
        refers={"dbSubnetGroupName": "rds/subnetGroup:SubnetGroup", "parameterGroupName": _PARAMETERS,
                "kmsKeyId": _KEY, "masterUserSecretKmsKeyId": _KEY, "vpcSecurityGroupIds": _GROUP},
        outputs={"arn": _arn("rds", "db:{identifier}"), "resourceId": "{id}", "port": 5432, "status": "available",
                 "address": "{identifier}.{lower12}.{region}.rds.amazonaws.com", "endpoint": "{address}:{port}",
                 "engineVersion": "17.6", "engineVersionActual": "{engineVersion}", "availabilityZone": "{region}a",
                 "masterUserSecrets": _master_secret, "caCertIdentifier": "rds-ca-rsa2048-g1"},
        defaults={"autoMinorVersionUpgrade": True, "copyTagsToSnapshot": False, "skipFinalSnapshot": False,
                  "deleteAutomatedBackups": True, "performanceInsightsEnabled": False, "publiclyAccessible": False},
        fixed=_DATABASE_FIXED, changed=_DATABASE_CHANGED),
    "rds/subnetGroup:SubnetGroup": _t("aws_db_subnet_group", "{name}", refers={"subnetIds": _SUBNET},
        named="name", unique="name", taken="DBSubnetGroupAlreadyExists", defaults={"description": "Managed by Pulumi"},
        outputs={"arn": _arn("rds", "subgrp:{name}"), "vpcId": _vpc_of("subnetIds"), "supportedNetworkTypes": ["IPV4"]},
        fixed="name namePrefix", changed="subnetIds description"),
    "rds/parameterGroup:ParameterGroup": _t("aws_db_parameter_group", "{name}",
        named="name", unique="name", taken="DBParameterGroupAlreadyExists",
        outputs={"arn": _arn("rds", "pg:{name}")}, defaults={"description": "Managed by Pulumi", "skipDestroy": False},
        fixed="name namePrefix family description", changed="parameters skipDestroy"),
    "ecr/repository:Repository": _t("aws_ecr_repository", "{name}", refers={"encryptionConfigurations.kmsKey": _KEY},
        named="name", unique="name", taken="RepositoryAlreadyExistsException",
        outputs={"arn": _arn("ecr", "repository/{name}"), "registryId": "{account}",
                 "repositoryUrl": "{account}.dkr.ecr.{region}.amazonaws.com/{name}"},
        defaults={"imageTagMutability": "MUTABLE"}, fixed="name encryptionConfigurations",
        changed="imageTagMutability imageTagMutabilityExclusionFilters imageScanningConfiguration forceDelete"),
    "ecr/lifecyclePolicy:LifecyclePolicy": _t("aws_ecr_lifecycle_policy", "{repository}", problems=_json("policy"),
        unique="repository", refers={"repository": "ecr/repository:Repository"},
        outputs={"registryId": "{account}"}, fixed="repository policy"),
    "budgets/budget:Budget": _t("aws_budgets_budget", "{account}:{name}",
        named="name", unique="name", scope="account", taken="DuplicateRecordException",
        outputs={"arn": "arn:aws:budgets::{account}:budget/{name}", "accountId": "{account}", "costFilters": [],
                 "timePeriodStart": "2025-01-01_00:00"},
        defaults={"timePeriodEnd": "2087-06-15_00:00"}, fixed="name namePrefix accountId",
        changed="budgetType costFilters costTypes limitAmount limitUnit notifications plannedLimits timeUnit "
                "timePeriodStart timePeriodEnd autoAdjustData"),
}
# fmt: on

SETTINGS: Mapping[str, Any] = {
    "account": "123456789012",
    "caller": "user/rehearsal",
    "zones": ["a", "b", "c"],
    "faults": {"rate": 0, "seed": 0, "slow": 0},
    "quotas": {},
    "machines": {
        "not_offered": [],
        "families": "m5 m6a m6i m7a m7i c5 c6a c6i c7a c7i r5 r6a r6i r7a r7i g5 g6 p4d t3 t3a t4g m7g c7g r7g",
        "databases": "db.t4g db.m7g db.r7g db.m6g db.r6g db.t3 db.m5 db.r5",
    },
}
CLOUD = Cloud(
    name="aws", title="AWS", types=TYPES, invokes=ANSWERS, settings=SETTINGS, caller=_caller, secrets=_SECRETS
)
