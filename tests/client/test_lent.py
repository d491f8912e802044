"""Proves: without keys a pod's own role is used, a person takes it as themselves, and refusals say what helps."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from components.stores import files
from terrarium.client import credentials, objects
from terrarium.client.connection import Connection, Lent, parse
from terrarium.client.environment import Environment
from terrarium.client.sources import Folder
from terrarium.errors import InvalidInput
from tests.support.aws_services import Services, services

ROLE = "arn:aws:iam::123456789012:role/terrarium/churn-x/churn-x-rw-0badcafe"


def told(**changes: Any) -> dict[str, str]:
    """The files of an identity without keys."""
    where = {"protocol": "s3", "endpoint": "http://127.0.0.1:1", "region": "eu-west-1", "prefix": "", "role": ROLE}
    content = {
        "environment": "churn-x",
        "identity": "rw",
        "bucket": None,
        "objects": {**where, "buckets": {"results": "b"}, **changes},
        "database": None,
        "lake": None,
    }
    return {files.DESCRIPTION: files.description(content), files.CONFIG: files.aws_config("http://x", "eu-west-1")}


@pytest.fixture
def connection() -> Connection:
    return parse(told(), "these files")


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Services]:
    with services() as found:
        for name, value in {
            "AWS_ENDPOINT_URL_STS": found.url,
            "AWS_ACCESS_KEY_ID": "ANA",
            "AWS_SECRET_ACCESS_KEY": "hidden-ana",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": str(tmp_path / "none"),
            "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
        }.items():
            monkeypatch.setenv(name, value)
        yield found


@pytest.fixture
def pod(aws: Services, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """What EKS gives a pod; the token, which the kubelet renews."""
    token = tmp_path / "token"
    token.write_text("proof\n")
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{aws.url}/v1/credentials")
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(token))
    return token


def test_a_store_without_keys_names_a_role(connection: Connection) -> None:
    assert connection.objects.keys == Lent(ROLE, "store-rw")
    assert connection.objects.protocol == "s3"
    with pytest.raises(InvalidInput, match="can't be read"):
        parse(told(protocol="ftp"), "these files")


def test_a_person_takes_the_role_as_themselves(aws: Services, connection: Connection) -> None:
    found = credentials.provider(connection)()
    assert (found["access_key_id"], found["secret_access_key"], found["token"]) == ("LENT2", "hidden-2", "token-2")
    until = found["expires_at"]
    assert until is not None
    assert timedelta(minutes=55) < until - datetime.now(UTC) < timedelta(minutes=61)
    assert [what for what, _ in aws.asked] == ["GetCallerIdentity", "AssumeRole"]
    asked = aws.asked[1][1]
    assert (asked["RoleArn"], asked["RoleSessionName"]) == (ROLE, "ana@example.org")


def test_a_pod_has_it_already_and_asks_no_sts(aws: Services, pod: Path, connection: Connection) -> None:
    give = credentials.provider(connection)
    assert give()["access_key_id"] == "LENT1"
    aws.token = "renewed"  # noqa: S105 - of no service
    pod.write_text("renewed")
    assert give()["access_key_id"] == "LENT2"
    assert [what for what, _ in aws.asked] == ["Agent", "Agent"]


def test_cloudshell_is_no_pod(aws: Services, connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://localhost:1338/latest/meta-data/")
    credentials.provider(connection)()
    assert [what for what, _ in aws.asked] == ["GetCallerIdentity", "AssumeRole"]


def test_keys_are_taken_anew_before_they_end(aws: Services, connection: Connection) -> None:
    boto = objects.Boto(connection)
    kept = boto.client()
    assert boto.client() is kept
    aws.minutes = 5
    short = objects.Boto(connection)
    assert short.client() is not short.client()
    assert len([what for what, _ in aws.asked if what == "AssumeRole"]) == 3


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("AccessDenied", "may not take role .* cloud.aws.principals"),
        ("ExpiredToken", "sign-in ended; sign in again"),
    ],
)
def test_a_refused_role_says_what_would_help(
    aws: Services, connection: Connection, tmp_path: Path, code: str, said: str
) -> None:
    del connection
    aws.refusal = code
    with pytest.raises(PermissionError, match=said) as refused:
        _opened(tmp_path).results.ls("")
    assert "hidden" not in str(refused.value)


def test_who_has_no_credentials_is_told_so(aws: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    del aws
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(PermissionError, match=r"no AWS credentials of yours .*service account store-rw"):
        _opened(tmp_path).results.ls("")
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(PermissionError, match="ProfileNotFound"):
        _opened(tmp_path).results.ls("")


def test_a_pod_of_another_service_account_is_told_so(pod: Path, tmp_path: Path) -> None:
    pod.write_text("somebody else's")
    with pytest.raises(PermissionError, match="must run as service account store-rw"):
        _opened(tmp_path).results.ls("")


def test_a_silent_sts_is_named(aws: Services, connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    del aws
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(ConnectionRefusedError, match="AWS STS in eu-west-1 does not answer"):
        credentials.provider(connection)()


def _opened(folder: Path) -> Any:
    for name, text in told().items():
        (folder / name).write_text(text)
    return Environment(Folder(folder)).store


def test_other_processes_get_the_way_and_no_keys(aws: Services, connection: Connection) -> None:
    give = credentials.provider(connection)
    give()
    copy = pickle.dumps(give)
    assert b"LENT" not in copy
    assert b"hidden" not in copy
    assert pickle.loads(copy)()["access_key_id"] == f"LENT{len(aws.asked)}"  # noqa: S301 - ours


@pytest.mark.parametrize(
    ("caller", "name"),
    [
        ("arn:aws:iam::1:user/people/ana", "ana"),
        ("arn:aws:sts::1:assumed-role/AWSReservedSSO_x/ana@example.org", "ana@example.org"),
        ("arn:aws:iam::1:user/a", "terrarium-a"),
        (f"arn:aws:sts::1:assumed-role/r/{'x y' * 40}", ("x-y" * 40)[:64]),
    ],
)
def test_a_session_bears_the_persons_name(caller: str, name: str) -> None:
    assert credentials.session_name(caller) == name


def test_what_stands_in_a_store_s_files_of_before_still_means_keys() -> None:
    plain = told()
    content = json.loads(plain[files.DESCRIPTION])
    del content["objects"]["protocol"], content["objects"]["role"]
    plain[files.DESCRIPTION] = json.dumps(content)
    plain[files.CREDENTIALS] = files.aws_credentials("A", "B")
    assert parse(plain, "these files").objects.protocol == "s3"
