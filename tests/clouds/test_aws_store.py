"""What is asked of AWS for the data of an environment and of a lake, and what of it reaches the cluster."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pulumi
import pytest

from components.aws import data, store
from components.aws.settings import AwsSettings
from components.contract import Destination, LakeFacts, NotReached, Store
from components.settings.models import LakeSettings, PlatformSettings
from tests.clouds import aws_ground
from tests.clouds.aws_ground import AUTHORITIES, ID, KEY, PASSWORD, REGION, SECRET, block
from tests.support.recording import Recorded, record_program

SIGNATURE = "4dabf18193072939515e22adb298388d"
LAKE = LakeFacts("rain", "lake--rain-datasets-0badcafe", f"https://s3.{REGION}.amazonaws.com")
RECOVERY = {"rpo_minutes": 1, "rto_minutes": 60, "keep_backups_days": 7}
Made = Callable[..., tuple[Recorded, Store]]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with the authorities of RDS, and the program in its folder below."""
    (tmp_path / "stacks").mkdir()
    (tmp_path / "Pulumi.yaml").write_text("name: terrarium\n", encoding="utf-8")
    (tmp_path / "rds.pem").write_text(AUTHORITIES, encoding="utf-8")
    monkeypatch.chdir(tmp_path / "stacks")
    return tmp_path


@pytest.fixture
def make(project: Path) -> Made:
    del project

    def run(
        declared: Mapping[str, Any], lake: LakeFacts | None = None, *, preview: bool = False, **account: Any
    ) -> tuple[Recorded, Store]:
        settings, own = aws_ground.environment(declared)
        found: list[Store] = []

        def program() -> Mapping[str, Any]:
            ground = aws_ground.ground(**account)
            uid = pulumi.Output.from_input("0badcafe")
            builder = store.Builder(own, "churn-x-store", uid, ground, pulumi.ResourceOptions())
            found.append(builder.environment(settings, lake))
            files = {f"{i.name}-{i.generation}": dict(i.files) for i in found[0].identities}
            return {"store": found[0].published, "files": files}

        recorded = record_program(program, preview=preview, made=aws_ground.made, answer=aws_ground.answer)
        return recorded, found[0]

    return run


def of(recorded: Recorded, kind: str) -> dict[str, dict[str, Any]]:
    return {r.name: r.inputs for r in recorded.registrations if r.kind == kind}


def test_each_kind_has_a_bucket_under_the_accounts_own_key_and_none_is_for_backups(make: Made) -> None:
    recorded, _ = make(block())
    assert {n: i["bucket"] for n, i in of(recorded, "aws:s3/bucket:Bucket").items()} == {
        f"churn-x-store-{kind}": f"churn-x-{kind}-0badcafe" for kind in ("results", "datasets", "models", "scratch")
    }
    encryption = of(
        recorded, "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    ).values()
    assert [i["rules"] for i in encryption] == [
        [
            {
                "applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": KEY},
                "bucketKeyEnabled": True,
            }
        ]
    ] * 4
    assert len(of(recorded, "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock")) == 4
    assert len(of(recorded, "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration")) == 4
    policies = of(recorded, "aws:s3/bucketPolicy:BucketPolicy")
    assert json.loads(policies["churn-x-store-models-policy"]["policy"])["Statement"] == [
        {
            "Sid": "EncryptedOnly",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": ["arn:aws:s3:::churn-x-models-0badcafe", "arn:aws:s3:::churn-x-models-0badcafe/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
    ]


def test_an_adopted_bucket_is_found_and_nothing_of_it_is_set(make: Made) -> None:
    recorded, made = make(block(aws={"adopt": {"buckets": {"datasets": "our-datasets"}}}))
    assert set(of(recorded, "aws:s3/bucket:Bucket")) == {
        f"churn-x-store-{kind}" for kind in ("results", "models", "scratch")
    }
    assert not [r.name for r in recorded.registrations if r.kind.startswith("aws:s3/") and "datasets" in r.name]
    assert recorded.outputs["store"]["objects"]["buckets"]["datasets"] == "our-datasets"
    assert list(made.objects["buckets"]) == ["results", "datasets", "models", "scratch"]


def test_what_is_made_is_protected_and_emptied_only_where_the_declaration_says_so(make: Made) -> None:
    for tier, emptied in (("experimentation", True), ("production", False)):
        recorded, _ = make(block(tier))
        stateful = [r for r in recorded.registrations if r.short in {"Bucket", "Instance", "Database"}]
        assert len(stateful) == 6
        assert all(r.protect for r in stateful)
        assert {r.inputs["forceDestroy"] for r in stateful if r.short == "Bucket"} == {emptied}


def test_everything_is_made_by_an_explicit_provider(make: Made) -> None:
    recorded, _ = make(block())
    bare = [r.name for r in recorded.registrations if r.custom and not r.kind.startswith("pulumi:") and not r.provider]
    assert bare == []
    aws = {r.provider.split("::")[-2] for r in recorded.registrations if r.kind.startswith("aws:")}
    assert aws == {"x-account"}


def test_files_name_the_role_and_no_key(make: Made) -> None:
    recorded, made = make(block(buckets={"alice": {"groups": ["team"]}}), LAKE)
    files = {n: {k: _plain(v) for k, v in f.items()} for n, f in _plain(recorded.outputs["files"]).items()}
    assert set(files) == {"rw-1", "ro-1", "bucket-alice-1"}
    assert set(files["rw-1"]) == {"config", "store.json", "pg_service.conf", "ca.crt"}
    assert files["rw-1"]["ca.crt"] == AUTHORITIES
    assert "endpoint_url = https://s3.eu-west-1.amazonaws.com" in files["rw-1"]["config"]
    assert "role_arn" not in files["rw-1"]["config"], "a pod has the role already"
    told = json.loads(files["bucket-alice-1"]["store.json"])
    assert told["objects"] == {
        "protocol": "s3",
        "endpoint": "https://s3.eu-west-1.amazonaws.com",
        "region": REGION,
        "buckets": {k: f"churn-x-{k}-0badcafe" for k in ("results", "datasets", "models", "scratch")},
        "prefix": "buckets/alice/",
        "role": f"arn:aws:iam::{ID}:role/terrarium/churn-x/churn-x-bucket-alice-0badcafe",
    }
    assert told["lake"] == {"name": "rain", "bucket": LAKE.bucket}
    assert set(told["database"]) == {"host", "port", "name", "sslmode", "schema"}, "nothing of the administrator's"
    service = dict(line.split("=", 1) for line in files["rw-1"]["pg_service.conf"].splitlines()[1:])
    assert (service["sslmode"], service["sslrootcert"]) == ("verify-full", "/var/run/terrarium/store/ca.crt")
    assert service["password"] == "password-of-churn-x-store-database-rw-1-password"  # noqa: S105 - a mock's
    assert {i.service_account for i in made.identities} == {"store-rw", "store-ro", "store-bucket-alice"}


def _plain(value: Any) -> Any:
    return value["value"] if isinstance(value, dict) and SIGNATURE in value else value


def test_pods_get_through_to_s3_the_database_and_the_agent_that_has_their_role(make: Made) -> None:
    _, made = make(block())
    assert made.destinations == [
        Destination("3.5.64.0/21", 443),
        Destination("52.218.0.0/17", 443),
        Destination("10.0.1.0/27", 5432),
        Destination("10.0.2.0/27", 5432),
        Destination("10.0.3.0/27", 5432),
        Destination("169.254.170.23/32", 80),
    ]


def test_outputs_say_where_the_administrators_password_is_and_never_what(make: Made) -> None:
    recorded, _ = make(block())
    published = recorded.outputs["store"]
    assert published["database"]["administrator"] == {"user": "terrarium", "secret": SECRET}
    assert published["objects"]["endpoint"] == "https://s3.eu-west-1.amazonaws.com"
    assert PASSWORD not in json.dumps(published, default=str)


def test_a_lake_of_another_region_is_refused(make: Made) -> None:
    far = LakeFacts("rain", LAKE.bucket, "https://s3.us-east-1.amazonaws.com")
    with pytest.raises(Exception, match="a lake is read in its own region"):
        make(block(), far)


@pytest.mark.parametrize("content", [None, "no certificate", "-----BEGIN PRIVATE KEY-----\nMIIB\n"])
def test_authorities_that_are_none_are_refused_before_anything_is_made(
    make: Made, project: Path, content: str | None
) -> None:
    (project / "rds.pem").unlink()
    if content is not None:
        (project / "rds.pem").write_text(content, encoding="utf-8")
    with pytest.raises(NotReached, match=r"cloud\.aws\.database\.authorities"):
        make(block())


def test_a_first_preview_knows_no_name(make: Made) -> None:
    recorded, _ = make(block(), preview=True)
    assert len(of(recorded, "aws:s3/bucket:Bucket")) == 4


def test_a_lake_has_one_bucket_and_one_role_that_its_writers_take() -> None:
    own = AwsSettings.model_validate({"account": ID, "region": REGION, "platform": "shared", "principals": PRINCIPALS})
    settings = LakeSettings.model_validate(_lake())

    def program() -> Mapping[str, Any]:
        ground, uid = aws_ground.ground(), pulumi.Output.from_input("0badcafe")
        made = store.Builder(own, "lake--rain-store", uid, ground, pulumi.ResourceOptions()).lake(settings)
        return {"store": made.published}

    recorded = record_program(program, made=aws_ground.made, answer=aws_ground.answer)
    assert list(of(recorded, "aws:s3/bucket:Bucket")) == ["lake--rain-store-datasets"]
    assert not [r for r in recorded.registrations if r.kind.startswith(("aws:rds", "postgresql:", "random:"))]
    [role] = of(recorded, "aws:iam/role:Role").values()
    people = json.loads(role["assumeRolePolicy"])["Statement"][1]
    assert people["Principal"] == {"AWS": [PRINCIPALS["curators"]]}
    [association] = of(recorded, "aws:eks/podIdentityAssociation:PodIdentityAssociation").values()
    assert (association["namespace"], association["serviceAccount"]) == ("lake--rain", "store-rw")


PRINCIPALS = {"curators": f"arn:aws:iam::{ID}:role/curators"}


def _lake() -> dict[str, Any]:
    who = {"owner": "data", "cost_centre": "c1", "store": {"writers": ["curators", "unknown-to-iam"]}}
    return {"name": "rain", "tiers": ["experimentation"], "cloud": {"aws": {}}, **who}


@pytest.mark.parametrize(
    ("aws", "changes", "key"),
    [
        ({"database": None}, {}, "cloud.aws.database"),
        ({"adopt": {"buckets": {"pictures": "x"}}}, {}, "cloud.aws.adopt.buckets.pictures"),
        ({"platform": None}, {"store": {"lake": "rain"}}, "store.lake"),
        ({}, {"project": "a--b"}, "project"),
        ({}, {"project": "xn--a"}, "project"),
        ({"database": {"authorities": "a", "max_storage_gb": 20}}, {}, "cloud.aws.database.max_storage_gb"),
        ({}, {"store": {"recovery": RECOVERY}}, "store.recovery.rpo_minutes"),
    ],
)
def test_what_aws_would_refuse_is_found_without_asking_it(
    aws: dict[str, Any], changes: dict[str, Any], key: str
) -> None:
    declared, own = aws_ground.environment(block(aws=aws, **changes))
    assert key in {found for found, _ in data.contradictions(own, declared)}


def test_an_ordinary_declaration_has_no_contradiction() -> None:
    declared, own = aws_ground.environment(block(buckets={"alice": {}}))
    assert list(data.contradictions(own, declared)) == []
    lake = AwsSettings.model_validate({"account": ID, "region": REGION, "platform": "shared"})
    assert list(data.contradictions(lake, LakeSettings.model_validate(_lake()))) == []


def test_a_platform_has_no_data() -> None:
    platform = PlatformSettings.model_validate(
        {"name": "shared", "tiers": ["testing"], "owner": "o", "cost_centre": "c", "cloud": {"aws": {}}}
    )
    own = AwsSettings.model_validate(
        {"account": ID, "region": REGION, "database": {"authorities": "a"}, "adopt": {"buckets": {"models": "m"}}}
    )
    assert {key for key, _ in data.contradictions(own, platform)} == {
        "cloud.aws.adopt.buckets.models",
        "cloud.aws.database",
    }
