"""The rehearsed AWS: resource types as registry.terraform.io/providers/hashicorp/aws documents them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
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
# Clusters give out a group, too.
_GROUP, _TABLE = "ec2/securityGroup:SecurityGroup|eks/cluster:Cluster", "ec2/routeTable:RouteTable"
_PARAMETERS, _SUBNETS = "rds/parameterGroup:ParameterGroup", "rds/subnetGroup:SubnetGroup"
_GATEWAY, _ENTRY = "ec2/internetGateway:InternetGateway", "eks/accessEntry:AccessEntry"
_RULE = "securityGroupId ipProtocol fromPort toPort cidrIpv4 cidrIpv6 prefixListId referencedSecurityGroupId"
_DESTINATION = "destinationCidrBlock destinationIpv6CidrBlock destinationPrefixListId"
_SWITCHES = ("computeConfig", "storageConfig.blockStorage", "kubernetesNetworkConfig.elasticLoadBalancing")


def _arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{{region}}:{{account}}:{resource}"


def _caller(given: Mapping[str, Any], settings: Mapping[str, Any]) -> Caller:
    """Who calls; a role to take is in the account that its ARN names."""
    region, role = given.get("region") or "", next((one.get("roleArn") for one in given.get("assumeRoles") or []), None)
    account = role.split(":")[4] if role else account_of_caller() or str(settings["account"])
    if not region:
        raise ProviderError("Missing region configuration")
    if account not in (given.get("allowedAccountIds") or [account]):
        raise ProviderError(f"AWS account ID not allowed: {account}")
    return account, region, (given.get("defaultTags") or {}).get("tags") or {}


def _placed(making: Making) -> str:
    """A subnet's zone id, once it is known that it fits its VPC and that there is such a zone."""
    zone, vpc = str(making.filled("{availabilityZone}")), making.referred("vpcId")
    if zone.removeprefix(making.region) not in making.settings["zones"]:
        raise ProviderError(f"InvalidParameterValue: availabilityZone: {making.region} has no zone {zone}")
    if not IPv4Network(making.inputs["cidrBlock"]).subnet_of(IPv4Network(vpc.inputs["cidrBlock"])):
        raise ProviderError(f"InvalidSubnet.Range: cidrBlock: {making.inputs['cidrBlock']} is not inside {vpc.id}")
    return zone_id(zone, making.region)


def _vpc_of(subnets: str, making: Making) -> str:
    """The VPC of subnets, which must be in two zones at least."""
    found = [making.known.find(_SUBNET, name) for name in values_at(making.inputs, subnets)]
    known = [one.values() for one in found if one]
    if len({one["availabilityZone"] for one in known}) < 2:
        raise ProviderError(f"{subnets}: subnets in two availability zones at least are needed")
    return str(known[0]["vpcId"])


def _json(name: str, inputs: Properties) -> Mapping[str, str]:
    try:
        return {} if isinstance(json.loads(inputs.get(name, "{}")), dict) else {name: "this is no JSON object"}
    except ValueError:
        return {name: "this is no JSON object"}


def _range(inputs: Properties) -> Mapping[str, str]:
    try:
        length = IPv4Network(inputs.get("cidrBlock", "10.0.0.0/16")).prefixlen
    except ValueError as error:
        return {"cidrBlock": str(error)}
    return {} if 16 <= length <= 28 else {"cidrBlock": "must be between /16 and /28"}


def _auto_mode(inputs: Properties) -> Mapping[str, str]:
    """The three switches of Auto Mode, which go together (EKS API reference, CreateCluster)."""
    on = {any(values_at(inputs, f"{switch}.enabled")) for switch in _SWITCHES}
    # What has the nodes' role in it is unknown in a preview.
    fits = len(on) == 1 or "computeConfig" not in inputs
    return {} if fits else {"computeConfig": f"must be enabled as {' and '.join(_SWITCHES[1:])} are"}


def _master_secret(making: Making) -> list[Properties]:
    # Not judged with the other inputs: the name of the snapshot has the uid in it, which a preview does not know.
    if not (making.inputs.get("skipFinalSnapshot") or making.inputs.get("finalSnapshotIdentifier")):
        raise ProviderError("finalSnapshotIdentifier: is required when skipFinalSnapshot is false")
    own = {"secretArn": _arn("secretsmanager", "secret:rds!db-{uuid}-{upper6}"), "secretStatus": "active"}
    return [making.filled(own)] if making.inputs.get("manageMasterUserPassword") else []


def _of_bucket(doc: str, **more: Any) -> Type:
    return Type(doc, "{bucket}", unique="bucket", fixed="bucket", **{"refers": {"bucket": _BUCKET}, **more})


_POLICY, _TRUST = partial(_json, "policy"), partial(_json, "assumeRolePolicy")
_CLUSTERS_VPC, _GROUPS_VPC = partial(_vpc_of, "vpcConfig.subnetIds"), partial(_vpc_of, "subnetIds")

# A table is read in rows: what says which one it is, what it is told to be, what it refers to, what can't change.
# fmt: off
SETTINGS: Mapping[str, Any] = {
    "account": "123456789012", "caller": "user/rehearsal", "zones": ["a", "b", "c"],
    "quotas": {"L-1216C47A": 640, "L-34B43A08": 640, "L-DB2E81BA": 192, "L-3819A6DF": 192, "L-417A185B": 192,
               "L-F678F1CE": 5, "L-0263D0A3": 5}, "faults": {"rate": 0, "seed": 0, "slow": 0},
    "machines": {"not_offered": [],
        "families": "m5 m6a m6i m7a m7i c5 c6a c6i c7a c7i r5 r6a r6i r7a r7i g5 g6 p4d t3 t3a t4g m7g c7g r7g",
        "databases": "db.t4g db.m7g db.r7g db.m6g db.r6g db.t3 db.m5 db.r5"},
}
TYPES: Mapping[str, Type] = {
    "ec2/vpc:Vpc": Type("aws_vpc", "vpc-{hex17}", problems=_range,
        outputs={"arn": _arn("ec2", "vpc/{id}"), "defaultSecurityGroupId": "sg-{hex17}",
                 "defaultRouteTableId": "rtb-{hex17}", "mainRouteTableId": "{defaultRouteTableId}"},
        defaults={"enableDnsSupport": True, "instanceTenancy": "default"}, fixed="cidrBlock ipv4NetmaskLength"),
    "ec2/subnet:Subnet": Type("aws_subnet", "subnet-{hex17}", problems=_range,
        unique="vpcId cidrBlock", taken="InvalidSubnet.Conflict", refers={"vpcId": _VPC},
        outputs={"arn": _arn("ec2", "subnet/{id}"), "availabilityZone": "{region}a", "availabilityZoneId": _placed},
        fixed="vpcId cidrBlock availabilityZone availabilityZoneId ipv6Native outpostArn"),
    "ec2/routeTable:RouteTable": Type("aws_route_table", "rtb-{hex17}", refers={"vpcId": _VPC}, fixed="vpcId"),
    "ec2/route:Route": Type("aws_route", lambda making: making.filled("r-{routeTableId}{digits10}"),
        unique=f"routeTableId {_DESTINATION}", taken="RouteAlreadyExists", fixed=f"routeTableId {_DESTINATION}",
        refers={"routeTableId": _TABLE, "gatewayId": _GATEWAY, "natGatewayId": "ec2/natGateway:NatGateway"}),
    "ec2/routeTableAssociation:RouteTableAssociation": Type("aws_route_table_association", "rtbassoc-{hex17}",
        unique="subnetId gatewayId", refers={"routeTableId": _TABLE, "subnetId": _SUBNET}, fixed="subnetId gatewayId"),
    "ec2/internetGateway:InternetGateway": Type("aws_internet_gateway", "igw-{hex17}", unique="vpcId",
        taken="Resource.AlreadyAssociated", refers={"vpcId": _VPC}),
    "ec2/eip:Eip": Type("aws_eip", "eipalloc-{hex17}", outputs={"allocationId": "{id}"}, fixed="address domain"),
    "ec2/natGateway:NatGateway": Type("aws_nat_gateway", "nat-{hex17}",
        unique="allocationId", taken="Resource.AlreadyAssociated", fixed="allocationId connectivityType subnetId",
        refers={"subnetId": _SUBNET, "allocationId": "ec2/eip:Eip"}, defaults={"connectivityType": "public"}),
    "ec2/vpcEndpoint:VpcEndpoint": Type("aws_vpc_endpoint", "vpce-{hex17}", problems=_POLICY,
        unique="vpcId serviceName vpcEndpointType", fixed="serviceName vpcEndpointType vpcId",
        refers={"vpcId": _VPC, "routeTableIds": _TABLE, "securityGroupIds": _GROUP, "subnetIds": _SUBNET}),
    "ec2/securityGroup:SecurityGroup": Type("aws_security_group", "sg-{hex17}",
        named="name", unique="vpcId name", taken="InvalidGroup.Duplicate", fixed="name namePrefix description vpcId",
        refers={"vpcId": _VPC, "ingress.securityGroups": _GROUP, "egress.securityGroups": _GROUP}),
    "ec2/defaultSecurityGroup:DefaultSecurityGroup": Type("aws_default_security_group",
        "{vpcId.defaultSecurityGroupId}", unique="vpcId", refers={"vpcId": _VPC}, fixed="vpcId"),
    "ec2/flowLog:FlowLog": Type("aws_flow_log", "fl-{hex17}", defaults={"logDestinationType": "cloud-watch-logs"},
        unique="vpcId subnetId trafficType logDestination", taken="FlowLogAlreadyExists",
        refers={"vpcId": _VPC, "subnetId": _SUBNET, "iamRoleArn": _ROLE, "logDestination": f"{_LOGS}|{_BUCKET}"},
        fixed="vpcId subnetId trafficType iamRoleArn logDestination logDestinationType maxAggregationInterval"),
    "vpc/securityGroupIngressRule:SecurityGroupIngressRule": Type("aws_vpc_security_group_ingress_rule", "sgr-{hex17}",
        unique=_RULE, refers={"securityGroupId": _GROUP, "referencedSecurityGroupId": _GROUP},
        fixed="securityGroupId cidrIpv4? cidrIpv6? prefixListId? referencedSecurityGroupId?"),
    "cloudwatch/logGroup:LogGroup": Type("aws_cloudwatch_log_group", "{name}", named="name",
        refers={"kmsKeyId": _KEY}, outputs={"arn": _arn("logs", "log-group:{name}")}, fixed="name logGroupClass"),
    "iam/role:Role": Type("aws_iam_role", "{name}", named="name", scope="account", taken="EntityAlreadyExists",
        problems=_TRUST, defaults={"path": "/", "maxSessionDuration": 3600},
        # A function: else those of roles that stand outside of the rehearsal would have to exist in it.
        outputs={"arn": lambda making: making.filled("arn:aws:iam::{account}:role{path}{name}")}, fixed="name path"),
    "iam/rolePolicy:RolePolicy": Type("aws_iam_role_policy", "{role}:{name}", problems=_POLICY,
        named="name", unique="role name", scope="account", refers={"role": _ROLE}, fixed="role name namePrefix"),
    "iam/rolePolicyAttachment:RolePolicyAttachment": Type("aws_iam_role_policy_attachment", "{role}/{policyArn}",
        unique="role policyArn", scope="account", refers={"role": _ROLE}, fixed="role policyArn"),
    "iam/openIdConnectProvider:OpenIdConnectProvider": Type("aws_iam_openid_connect_provider",
        lambda made: made.filled("arn:aws:iam::{account}:oidc-provider/") + made.inputs["url"].split("://")[-1],
        unique="url", scope="account", taken="EntityAlreadyExists", outputs={"arn": "{id}"}, fixed="url"),
    "kms/key:Key": Type("aws_kms_key", "{uuid}", problems=_POLICY,
        outputs={"keyId": "{id}", "arn": _arn("kms", "key/{id}")}, fixed="customerMasterKeySpec keyUsage multiRegion"),
    "kms/alias:Alias": Type("aws_kms_alias", "{name}", named="name", refers={"targetKeyId": _KEY}, fixed="name"),
    "eks/cluster:Cluster": Type("aws_eks_cluster", "{name}", problems=_auto_mode, embedded="EksCluster",
        named="name", taken="ResourceInUseException", protected="deletionProtection",
        refers={"roleArn": _ROLE, "computeConfig.nodeRoleArn": _ROLE, "encryptionConfig.provider.keyArn": _KEY,
                "vpcConfig.subnetIds": _SUBNET, "vpcConfig.securityGroupIds": _GROUP},
        outputs={"arn": _arn("eks", "cluster/{name}"), "version": "1.34", "certificateAuthority": {"data": ""},
                 "endpoint": "https://{upper32}.gr7.{region}.eks.amazonaws.com",
                 "vpcConfig": {"clusterSecurityGroupId": "sg-{hex17}", "vpcId": _CLUSTERS_VPC}},
        fixed="name roleArn bootstrapSelfManagedAddons accessConfig.bootstrapClusterCreatorAdminPermissions "
              "computeConfig.nodeRoleArn kubernetesNetworkConfig.ipFamily kubernetesNetworkConfig.serviceIpv4Cidr"),
    "eks/addon:Addon": Type("aws_eks_addon", "{clusterName}:{addonName}", refers={"clusterName": _CLUSTER},
        unique="clusterName addonName", taken="ResourceInUseException", fixed="addonName clusterName"),
    "eks/accessEntry:AccessEntry": Type("aws_eks_access_entry", "{clusterName}:{principalArn}",
        unique="clusterName principalArn", taken="ResourceInUseException", refers={"clusterName": _CLUSTER},
        outputs={"_principal": "{principalArn}"}, defaults={"type": "STANDARD"}, fixed="clusterName principalArn type"),
    "eks/accessPolicyAssociation:AccessPolicyAssociation": Type("aws_eks_access_policy_association",
        "{clusterName}#{principalArn}#{policyArn}", unique="clusterName principalArn policyArn",
        refers={"clusterName": _CLUSTER, "principalArn": _ENTRY},
        fixed="clusterName principalArn policyArn accessScope"),
    "eks/podIdentityAssociation:PodIdentityAssociation": Type("aws_eks_pod_identity_association",
        # A function: else any name that begins with `a-` would look like one.
        lambda making: making.filled("a-{lower17}"), unique="clusterName namespace serviceAccount",
        taken="ResourceInUseException", refers={"clusterName": _CLUSTER, "roleArn": _ROLE, "targetRoleArn": _ROLE},
        fixed="clusterName namespace serviceAccount"),
    "s3/bucket:Bucket": Type("aws_s3_bucket", "{bucket}", embedded="Bucket",
        named="bucket", scope="world", taken="BucketAlreadyExists", fixed="bucket bucketPrefix objectLockEnabled",
        outputs={"arn": "arn:aws:s3:::{bucket}", "bucketRegionalDomainName": "{bucket}.s3.{region}.amazonaws.com"}),
    "s3/bucketVersioning:BucketVersioning": _of_bucket("aws_s3_bucket_versioning", embedded="Versioning"),
    "s3/bucketPolicy:BucketPolicy": _of_bucket("aws_s3_bucket_policy", problems=_POLICY),
    "s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": _of_bucket("aws_s3_bucket_lifecycle_configuration"),
    "s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration":
        _of_bucket("aws_s3_bucket_server_side_encryption_configuration",
                   refers={"bucket": _BUCKET, "rules.applyServerSideEncryptionByDefault.kmsMasterKeyId": _KEY}),
    "s3/bucketPublicAccessBlock:BucketPublicAccessBlock": _of_bucket("aws_s3_bucket_public_access_block"),
    "rds/instance:Instance": Type("aws_db_instance", "db-{upper26}", embedded="RdsInstance",
        named="identifier", taken="DBInstanceAlreadyExists", protected="deletionProtection",
        refers={"dbSubnetGroupName": _SUBNETS, "parameterGroupName": _PARAMETERS, "kmsKeyId": _KEY,
                "masterUserSecretKmsKeyId": _KEY, "vpcSecurityGroupIds": _GROUP},
        outputs={"arn": _arn("rds", "db:{identifier}"), "resourceId": "{id}", "port": 5432, "engineVersion": "17.6",
                 "address": "{identifier}.{lower12}.{region}.rds.amazonaws.com", "masterUserSecrets": _master_secret},
        fixed="availabilityZone dbName engine identifier kmsKeyId snapshotIdentifier storageEncrypted username"),
    "rds/subnetGroup:SubnetGroup": Type("aws_db_subnet_group", "{name}", refers={"subnetIds": _SUBNET},
        named="name", taken="DBSubnetGroupAlreadyExists", outputs={"vpcId": _GROUPS_VPC}, fixed="name namePrefix"),
    "rds/parameterGroup:ParameterGroup": Type("aws_db_parameter_group", "{name}", named="name",
        taken="DBParameterGroupAlreadyExists", fixed="name namePrefix family description"),
    "ecr/repository:Repository": Type("aws_ecr_repository", "{name}", refers={"encryptionConfigurations.kmsKey": _KEY},
        named="name", taken="RepositoryAlreadyExistsException", fixed="name encryptionConfigurations",
        outputs={"repositoryUrl": "{account}.dkr.ecr.{region}.amazonaws.com/{name}"}),
    "ecr/lifecyclePolicy:LifecyclePolicy": Type("aws_ecr_lifecycle_policy", "{repository}", problems=_POLICY,
        unique="repository", refers={"repository": "ecr/repository:Repository"}, fixed="repository policy"),
    "budgets/budget:Budget": Type("aws_budgets_budget", "{account}:{name}", named="name", scope="account",
        taken="DuplicateRecordException", outputs={"accountId": "{account}"}, fixed="name namePrefix accountId"),
}
# fmt: on
_SECRETS = frozenset({"password", "passwordWo", "secretString", "secretBinary"})
CLOUD = Cloud("aws", "AWS", TYPES, ANSWERS, SETTINGS, caller=_caller, secrets=_SECRETS)
