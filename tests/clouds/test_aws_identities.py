"""Who may take an identity's role on AWS, and exactly what it may do."""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pytest

from components.aws import identities
from components.aws.identities import Reach
from components.aws.place import Account
from components.stores.accounts import Who
from tests.clouds.aws_ground import CLUSTER, ID, KEY, REGION

RW, RO, ALICE = Who("rw"), Who("ro", writes=False), Who("bucket-alice", "alice")
REACH = Reach(["b-results", "b-models"], [], None, KEY, "db-RESOURCE")
ANY_KEY = f"arn:aws:kms:{REGION}:{ID}:key/*"
_READ = ["s3:GetObject", "s3:GetObjectTagging"]
_WRITE = [
    *("s3:PutObject", "s3:PutObjectTagging", "s3:DeleteObject"),
    *("s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"),
]


def account(**changes: Any) -> Account:
    known = {"region": REGION, "partition": "aws", "dns_suffix": "amazonaws.com", **changes}
    return Account(id=ID, deployer="", opts=pulumi.ResourceOptions(), tags={}, **known)


def statements(who: Who, reach: Reach = REACH, login: str | None = "login", **changes: Any) -> dict[str, Any]:
    return {s["Sid"]: s for s in json.loads(identities.policy(account(**changes), who, reach, login))["Statement"]}


def test_a_role_is_taken_by_its_service_account_alone() -> None:
    assert json.loads(identities.trust(account(), CLUSTER, "churn-x", RW, [])) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "Pods",
                "Effect": "Allow",
                "Principal": {"Service": "pods.eks.amazonaws.com"},
                "Action": ["sts:AssumeRole", "sts:TagSession"],
                "Condition": {
                    "StringEquals": {
                        "aws:SourceAccount": ID,
                        "aws:RequestTag/eks-cluster-arn": CLUSTER,
                        "aws:RequestTag/kubernetes-namespace": "churn-x",
                        "aws:RequestTag/kubernetes-service-account": "store-rw",
                    }
                },
            }
        ],
    }


def test_and_by_people_who_are_named() -> None:
    people = [f"arn:aws:iam::{ID}:role/team", f"arn:aws:iam::{ID}:role/audit", f"arn:aws:iam::{ID}:role/team"]
    found = json.loads(identities.trust(account(), CLUSTER, "churn-x", RO, people))["Statement"][1]
    assert found == {
        "Sid": "People",
        "Effect": "Allow",
        "Principal": {"AWS": [f"arn:aws:iam::{ID}:role/audit", f"arn:aws:iam::{ID}:role/team"]},
        "Action": ["sts:AssumeRole"],
    }


def test_a_writers_policy_is_this_and_nothing_else() -> None:
    arns = ["arn:aws:s3:::b-results", "arn:aws:s3:::b-models"]
    assert json.loads(identities.policy(account(), RW, REACH, "churn_x_rw_iam")) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "ReadWrite",
                "Effect": "Allow",
                "Action": [*_READ, *_WRITE],
                "Resource": [f"{arn}/*" for arn in arns],
            },
            {"Sid": "List", "Effect": "Allow", "Action": ["s3:ListBucket", "s3:ListBucketVersions"], "Resource": arns},
            {"Sid": "Locate", "Effect": "Allow", "Action": ["s3:GetBucketLocation"], "Resource": arns},
            {
                "Sid": "Key",
                "Effect": "Allow",
                "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
                "Resource": [KEY],
                "Condition": {"StringEquals": {"kms:ViaService": f"s3.{REGION}.amazonaws.com"}},
            },
            {
                "Sid": "Login",
                "Effect": "Allow",
                "Action": ["rds-db:connect"],
                "Resource": [f"arn:aws:rds-db:{REGION}:{ID}:dbuser:db-RESOURCE/churn_x_rw_iam"],
            },
        ],
    }


def test_a_reader_makes_no_data_key_and_a_bucket_sees_its_own_names() -> None:
    assert statements(RO)["Key"]["Action"] == ["kms:Decrypt"]
    assert statements(RO)["ReadOnly"]["Action"] == [*_READ, "s3:GetObjectVersion"]
    alice = statements(ALICE)
    assert alice["ReadWrite"]["Resource"] == [
        "arn:aws:s3:::b-results/buckets/alice/*",
        "arn:aws:s3:::b-models/buckets/alice/*",
    ]
    assert alice["List"]["Condition"] == {"StringLike": {"s3:prefix": ["buckets/alice/*"]}}


def test_a_lakes_key_is_used_for_the_lake_alone() -> None:
    found = statements(RW, Reach(REACH.own, [], "lake--rain", KEY, None), None)
    assert found["LakeKey"] == {
        "Sid": "LakeKey",
        "Effect": "Allow",
        "Action": ["kms:Decrypt"],
        "Resource": [ANY_KEY],
        "Condition": {
            "StringEquals": {"kms:ViaService": f"s3.{REGION}.amazonaws.com"},
            "StringLike": {
                "kms:EncryptionContext:aws:s3:arn": ["arn:aws:s3:::lake--rain", "arn:aws:s3:::lake--rain/*"]
            },
        },
    }
    assert found["Lake"]["Action"] == [*_READ, "s3:GetObjectVersion"]
    assert "Login" not in found


def test_an_adopted_buckets_key_is_used_for_it_alone_and_ours_for_ours() -> None:
    some = statements(RW, Reach(REACH.own, ["b-models"], None, KEY, None), None)
    assert some["AdoptedKeys"]["Condition"]["StringLike"] == {
        "kms:EncryptionContext:aws:s3:arn": ["arn:aws:s3:::b-models", "arn:aws:s3:::b-models/*"]
    }
    assert "Key" in some
    assert "Key" not in statements(RW, Reach(REACH.own, list(REACH.own), None, KEY, None), None)


@pytest.mark.parametrize("who", [RW, RO, ALICE])
def test_no_statement_allows_everything(who: Who) -> None:
    reach = Reach(REACH.own, ["b-models"], "lake--rain", KEY, "db-RESOURCE")
    for found in statements(who, reach).values():
        assert found["Effect"] == "Allow"
        assert not [action for action in found["Action"] if "*" in action]
        assert "*" not in found["Resource"]
        if ANY_KEY in found["Resource"]:
            assert "kms:EncryptionContext:aws:s3:arn" in found["Condition"]["StringLike"]


def test_another_partition_has_its_own_arns() -> None:
    text = identities.policy(
        account(region="cn-north-1", partition="aws-cn", dns_suffix="amazonaws.com.cn"),
        RW,
        Reach(REACH.own, ["b-models"], "lake--rain", KEY.replace("arn:aws:", "arn:aws-cn:"), "db-RESOURCE"),
        "login",
    )
    assert '"arn:aws:' not in text
    assert "s3.cn-north-1.amazonaws.com.cn" in text
