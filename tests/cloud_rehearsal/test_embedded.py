"""What a rehearsed cloud hands out is real, is found again, and comes back after it was stopped."""

from __future__ import annotations

import dataclasses
import json
import os
import secrets
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest
from botocore.config import Config

from rehearsal.cloud import embedded
from rehearsal.cloud.table import Thing
from rehearsal.errors import RehearsalError
from rehearsal.platform import Platform, keys
from rehearsal.platform.layout import Layout
from rehearsal.rented import platforms
from rehearsal.rented.platforms import Rehearsed
from tests.support.cluster import kubectl

ACCOUNT, PROJECT, REGION = "123456789012", "churn-rehearsed", "eu-central-1"


@pytest.fixture(autouse=True)
def _own_variables(monkeypatch: pytest.MonkeyPatch, rented: dict[str, Rehearsed]) -> None:
    for name in [name for name in os.environ if name.startswith(("AWS_", "PG"))]:
        monkeypatch.delenv(name)


def thing(account: str = ACCOUNT, **inputs: Any) -> Thing:
    return Thing("any", "id", account, REGION, "", inputs, {})


def server() -> Thing:
    name = f"churn-{secrets.token_hex(4)}"
    return thing(identifier=name, username=f"admin_{secrets.token_hex(4)}")


def data_of(account: str = ACCOUNT, cloud: str = "aws") -> Platform:
    return Rehearsed(cloud, account, REGION).platform


def login(instance: Thing, dbname: str = "postgres", **changed: Any) -> psycopg.Connection[Any]:
    outputs = embedded.RdsInstance().read(instance)
    assert outputs
    keywords: dict[str, Any] = {
        "host": outputs["address"],
        "port": outputs["port"],
        "user": instance.inputs["username"],
        "password": embedded.password_of(instance),
        "dbname": dbname,
        "sslmode": "verify-full",
        "sslrootcert": str(data_of().folder / "certificates" / "terrarium-cluster.crt"),
        "autocommit": True,
    }
    return psycopg.connect(**{**keywords, **changed})


def count(platform: Platform, query: str) -> Any:
    layout = Layout(platform.folder)
    with psycopg.connect(
        host="127.0.0.1",
        port=platform.port("postgresql"),
        user="rdsadmin",
        password=keys.read(layout).password,
        dbname="postgres",
        sslmode="disable",
    ) as connection:
        return connection.execute(query.encode()).fetchall()


def s3(platform: Platform) -> Any:
    found, layout = keys.read(Layout(platform.folder)), Layout(platform.folder)
    session = boto3.Session(found.access_key, found.secret_key, region_name=layout.region)
    endpoint = f"http://127.0.0.1:{platform.port('versitygw')}"
    return session.client("s3", endpoint_url=endpoint, config=Config(proxies={}))


def test_a_cluster_is_a_platform_of_its_own_with_the_kinds_of_auto_mode() -> None:
    cluster = thing(name="churn-dev")
    made = embedded.EksCluster().create(cluster, cluster.inputs)
    platform = Rehearsed("aws", ACCOUNT, REGION, "churn-dev").platform
    assert made["endpoint"] == f"https://127.0.0.1:{platform.port('kube-apiserver')}"
    pool = {"apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": "any"}, "spec": {"limits": {}}}
    kubectl(platform.kubeconfig, "apply", "--server-side", "-f", "-", manifest=pool)
    assert "eks.amazonaws.com" in kubectl(platform.kubeconfig, "get", "crd", "nodeclasses.eks.amazonaws.com")

    platform.stop()
    assert embedded.EksCluster().read(cluster) == made
    assert platform.status().ready
    assert "any" in kubectl(platform.kubeconfig, "get", "nodepools")


def test_a_cluster_of_gke_gives_its_address_without_a_scheme(rented: dict[str, Rehearsed]) -> None:
    cluster = thing(PROJECT, name="churn-dev", location=REGION)
    made = embedded.GkeCluster().create(cluster, cluster.inputs)
    port = rented["gke"].platform.port("kube-apiserver")
    assert made["endpoint"] == f"127.0.0.1:{port}"
    assert made["masterAuth"]["clusterCaCertificate"]


def test_clusters_of_one_name_are_apart() -> None:
    names = {
        Rehearsed("aws", account, region, "churn-dev").platform.name
        for account in (ACCOUNT, "210987654321")
        for region in (REGION, "eu-west-1")
    }
    assert len(names) == 4
    assert len(Rehearsed("gcp", PROJECT, REGION, "a" * 100).platform.name) == 40
    assert Rehearsed("aws", ACCOUNT, REGION).platform.name == f"aws-{ACCOUNT}"


def test_the_database_answers_by_tls_with_a_certificate_of_its_authority(tmp_path: Path) -> None:
    instance = server()
    embedded.RdsInstance().create(instance, instance.inputs)
    with login(instance) as connection:
        assert connection.pgconn.ssl_in_use
        name = instance.inputs["username"]
        query = "SELECT rolsuper, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname = %s"
        assert connection.execute(query, [name]).fetchone() == (False, True, True)
        # More than one piece of what is passed on.
        assert connection.execute("SELECT length(%s)", ["x" * 3_000_000]).fetchone() == (3_000_000,)
    for changed, said in (
        ({"sslmode": "disable"}, "takes connections by TLS only"),
        ({"password": "wrong"}, "password authentication failed"),
        ({"sslrootcert": os.devnull}, "certificate"),
        ({"host": "127.0.0.1", "port": data_of().port("postgresql-tls"), "password": "wrong"}, "authentication failed"),
    ):
        with pytest.raises(psycopg.OperationalError, match=said):
            login(instance, **changed)


def test_a_password_stays_until_another_is_set() -> None:
    instance = server()
    embedded.RdsInstance().create(instance, instance.inputs)
    first = embedded.password_of(instance)
    embedded.RdsInstance().create(instance, instance.inputs)
    assert embedded.password_of(instance) == first
    other = secrets.token_hex(8)
    embedded.RdsInstance().update(instance, {**instance.inputs, "password": other})
    login(instance, password=other).close()


def test_a_server_goes_with_all_that_its_master_made() -> None:
    instance, other = server(), server()
    for each in (instance, other):
        embedded.RdsInstance().create(each, each.inputs)
    for each in (instance, other):
        tag = str(each.inputs["username"]).removeprefix("admin_")
        with login(each) as connection:
            connection.execute(f"CREATE ROLE owner_{tag}".encode())
            connection.execute(f"GRANT owner_{tag} TO {each.inputs['username']} WITH SET TRUE".encode())
            connection.execute(f"CREATE ROLE person_{tag} LOGIN IN ROLE owner_{tag}".encode())
            connection.execute(f"GRANT rds_iam TO person_{tag}".encode())
            connection.execute(f"CREATE DATABASE data_{tag} OWNER owner_{tag}".encode())
    embedded.RdsInstance().delete(instance)
    embedded.RdsInstance().delete(instance)
    tag = str(instance.inputs["username"]).removeprefix("admin_")
    rest = "SELECT datname FROM pg_database UNION SELECT rolname FROM pg_roles"
    left = {name for (name,) in count(data_of(), rest)}
    assert not [name for name in left if name.endswith(tag)]
    assert len([name for name in left if name.endswith(str(other.inputs["username"]).removeprefix("admin_"))]) == 4
    assert embedded.password_of(instance) is None


def test_two_servers_with_one_master_user_share_the_role_until_the_last_goes() -> None:
    first, second = server(), server()
    second = thing(identifier=second.inputs["identifier"], username=first.inputs["username"])
    for each in (first, second):
        embedded.RdsInstance().create(each, each.inputs)
    assert embedded.password_of(first) == embedded.password_of(second)
    embedded.RdsInstance().delete(first)
    login(second).close()


def test_the_name_of_the_embedded_superuser_is_refused() -> None:
    instance = thing(identifier="churn-x", username="rdsadmin")
    with pytest.raises(RehearsalError, match="choose another name"):
        embedded.RdsInstance().create(instance, instance.inputs)


def test_a_bucket_is_real_and_is_deleted_empty_or_by_force() -> None:
    name = f"churn-{secrets.token_hex(4)}"
    bucket = thing(bucket=name)
    embedded.Bucket().create(bucket, bucket.inputs)
    embedded.Bucket().create(bucket, bucket.inputs)
    versioning = thing(bucket=name, versioningConfiguration={"status": "Enabled"})
    embedded.Versioning().create(versioning, versioning.inputs)
    client = s3(data_of())
    for text in (b"one", b"two"):
        client.put_object(Bucket=name, Key="kept", Body=text)
    assert len(client.list_object_versions(Bucket=name)["Versions"]) == 2
    with pytest.raises(RehearsalError, match="BucketNotEmpty"):
        embedded.Bucket().delete(bucket)
    embedded.Bucket().delete(thing(bucket=name, forceDestroy=True))
    assert embedded.Bucket().read(bucket) is None
    embedded.Versioning().delete(versioning)


def test_google_s_parts_are_on_a_platform_of_the_project() -> None:
    name = f"churn-{secrets.token_hex(4)}"
    instance, user = thing(PROJECT, name=name, region=REGION), thing(PROJECT, name=f"{name}-admin", instance=name)
    word = secrets.token_hex(8)
    outputs = embedded.SqlInstance().create(instance, instance.inputs)
    embedded.SqlUser().create(user, {**user.inputs, "password": word})
    authority = Path(data_of(PROJECT, "gcp").folder / "certificates" / "terrarium-cluster.crt")
    assert outputs["serverCaCerts"][0]["cert"] == authority.read_text()
    with psycopg.connect(
        host=outputs["privateIpAddress"],
        user=f"{name}-admin",
        password=word,
        dbname="postgres",
        sslmode="verify-ca",
        sslrootcert=str(authority),
    ) as connection:
        assert connection.execute("SELECT pg_has_role('cloudsqlsuperuser', 'MEMBER')").fetchone() == (True,)
    bucket = thing(PROJECT, name=name, versioning={"enabled": True})
    embedded.Bucket().create(bucket, bucket.inputs)
    assert s3(data_of(PROJECT, "gcp")).get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
    embedded.Bucket().delete(bucket)
    embedded.SqlUser().delete(user)
    embedded.SqlInstance().delete(instance)


def test_what_was_stopped_is_started_again(rented: dict[str, Rehearsed]) -> None:
    rented["gcp"].platform.stop()
    platforms.heal("gcp", PROJECT)
    assert rented["gcp"].platform.status().ready


def test_a_half_made_one_is_found_again_and_deleted() -> None:
    half = Rehearsed("aws", "999999999999", REGION, "half")
    # A plugin that was killed between the record and the start leaves this.
    half.platform.folder.mkdir(parents=True)
    (half.platform.folder / "rehearsed.json").write_text(json.dumps(dataclasses.asdict(half)))
    assert platforms.found("aws", half.account) == [half]
    cluster = thing(half.account, name="half")
    for _ in range(2):
        embedded.EksCluster().delete(cluster)
    assert not half.platform.folder.exists()
    assert platforms.found("aws", half.account) == []


def test_a_platform_that_was_never_started_has_no_port() -> None:
    with pytest.raises(RehearsalError, match="was never started"):
        Rehearsed("aws", "111111111111", REGION).platform.port("kube-apiserver")
