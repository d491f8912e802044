from __future__ import annotations

import pytest

from rehearsal.plugins import schema
from rehearsal.plugins.properties import UNKNOWN
from rehearsal.plugins.resource import ProviderError

CLUSTER = "eks/cluster:Cluster"


def test_all_that_is_unknown_missing_or_mistyped_is_told_at_once() -> None:
    given = {
        "roleArn": 3,
        "vpcConfig": {"subnetIds": "one", "subnets": []},
        "computeConfig": {"enabled": "true", "nodePools": ["system", 2]},
        "tags": {"owner": True},
        "verion": "1.34",
    }
    found = schema.problems("aws", CLUSTER, given)
    assert found.pop("verion") == "there is no verion; there is version or region"
    assert found.pop("vpcConfig.subnets").startswith("there is no subnets; there is subnetIds")
    assert found == {
        "roleArn": "must be a text, not a number",
        "vpcConfig.subnetIds": "must be a list, not a text",
        "computeConfig.enabled": "must be true or false, not a text",
        "computeConfig.nodePools[1]": "must be a text, not a number",
        "tags.owner": "must be a text, not true or false",
    }
    assert schema.problems("aws", CLUSTER, {})["vpcConfig"] == "vpcConfig is required"


def test_what_fits_and_what_is_not_known_yet_is_no_problem() -> None:
    given = {"roleArn": UNKNOWN, "vpcConfig": {"subnetIds": [UNKNOWN, "b"]}, "accessConfig": UNKNOWN}
    assert schema.problems("aws", CLUSTER, given) == {}
    rule = {"ipProtocol": "tcp", "securityGroupId": "sg", "fromPort": 1, "toPort": 2}
    assert schema.problems("aws", "vpc/securityGroupIngressRule:SecurityGroupIngressRule", rule) == {}


def test_an_enumeration_takes_a_text_and_optional_inputs_may_be_left_out_in_both_sdks() -> None:
    assert schema.problems("gcp", "container/cluster:Cluster", {"privateClusterConfig": {"enablePrivateNodes": 3}}) == {
        "privateClusterConfig.enablePrivateNodes": "must be true or false, not a number"
    }


def test_a_problem_never_quotes_a_value() -> None:
    found = schema.problems("aws", "rds/instance:Instance", {"instanceClass": "x", "password": ["hunter22"]})
    assert found == {"password": "must be a text, not a list"}
    assert schema.secrets_of("aws", "rds/instance:Instance") == {"password", "passwordWo"}


def test_functions_have_arguments_and_answers() -> None:
    asked = "index/getCallerIdentity:getCallerIdentity"
    assert schema.arguments_of("aws", asked) == {"id"}
    assert set(schema.outputs_of("aws", asked)) == {"accountId", "arn", "id", "userId"}


def test_what_the_sdk_lacks_is_refused() -> None:
    with pytest.raises(ProviderError, match="pulumi_aws, has no ec2/nothing:Nothing"):
        schema.inputs_of("aws", "ec2/nothing:Nothing")
    with pytest.raises(ProviderError, match="pulumi_azure"):
        schema.inputs_of("azure", CLUSTER)
