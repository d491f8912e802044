"""How a store on AWS is administered: by whose keys, to where, and what is said when that can't be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components.aws.administration import ROOT, administration
from components.aws.settings import AwsSettings
from components.contract import NotReached
from terrarium.administrator import Administrator
from terrarium.site import ROOT as ROOT_OF_SITE
from tests.clouds.aws_ground import AUTHORITIES, ID, REGION, SECRET
from tests.support.aws_services import Services, services

OBJECTS = {
    "protocol": "s3",
    "endpoint": "https://s3.eu-west-1.amazonaws.com",
    "region": REGION,
    "buckets": {"results": "r"},
}
DATABASE = {
    "host": "db.example.org",
    "port": 5432.0,
    "name": "churn_x_0badcafe",
    "sslmode": "verify-full",
    "administrator": {"user": "terrarium", "secret": SECRET},
}
UP = {"store": {"objects": OBJECTS, "database": DATABASE}}
ROLE = f"arn:aws:iam::{ID}:role/deployer"


@pytest.fixture
def aws() -> Iterator[Services]:
    with services() as found:
        found.secrets[SECRET] = json.dumps({"username": "terrarium", "password": "hidden-master"})
        yield found


@pytest.fixture
def variables(aws: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A tier's variables: the shell's own must not be read."""
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nothing")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    (tmp_path / "rds.pem").write_text(AUTHORITIES, encoding="utf-8")
    config = tmp_path / "config"
    config.write_text(
        "[profile ops]\nservices = here\naws_access_key_id = OPS\naws_secret_access_key = hidden-ops\n"
        f"[services here]\nsts =\n  endpoint_url = {aws.url}\nsecrets_manager =\n  endpoint_url = {aws.url}\n",
        encoding="utf-8",
    )
    files = {"AWS_CONFIG_FILE": str(config), "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none")}
    return {**files, "AWS_PROFILE": "ops", ROOT: str(tmp_path)}


def settings(**changes: Any) -> AwsSettings:
    block = {"account": ID, "region": REGION, "platform": "p", "database": {"authorities": "rds.pem"}, **changes}
    return AwsSettings.model_validate(block)


def test_it_goes_by_the_credentials_of_the_field(variables: dict[str, str], tmp_path: Path) -> None:
    found = administration(settings(), variables, UP)
    assert found is not None
    assert (found.endpoint, found.iam_endpoint, found.region) == (OBJECTS["endpoint"], None, REGION)
    assert (found.access_key, found.secret_key, found.session_token) == ("OPS", "hidden-ops", None)
    assert found.database == {
        "host": "db.example.org",
        "port": "5432",
        "dbname": "postgres",
        "user": "terrarium",
        "password": "hidden-master",
        "sslmode": "verify-full",
        "sslrootcert": str(tmp_path / "rds.pem"),
    }
    assert "hidden" not in repr(found)


def test_a_role_that_the_stack_file_names_is_taken(variables: dict[str, str], aws: Services) -> None:
    found = administration(settings(role=ROLE), variables, UP)
    assert found is not None
    assert (found.access_key, found.secret_key, found.session_token) == ("LENT1", "hidden-1", "token-1")
    assert [(what, asked.get("RoleArn")) for what, asked in aws.asked] == [
        ("AssumeRole", ROLE),
        ("GetSecretValue", None),
    ]


def test_variables_of_the_tier_win(variables: dict[str, str]) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "B", "AWS_SESSION_TOKEN": "C"}
    found = administration(settings(), {**variables, **keys}, UP)
    assert found is not None
    assert (found.access_key, found.secret_key, found.session_token) == ("A", "B", "C")


def test_an_organisation_may_have_an_endpoint_of_its_own(variables: dict[str, str]) -> None:
    config = Path(variables["AWS_CONFIG_FILE"])
    own = "s3 =\n  endpoint_url = https://bucket.vpce-1.s3.eu-west-1.vpce.amazonaws.com\n"
    config.write_text(config.read_text(encoding="utf-8") + own, encoding="utf-8")
    found = administration(settings(), variables, UP)
    assert found is not None
    assert found.endpoint == "https://bucket.vpce-1.s3.eu-west-1.vpce.amazonaws.com"


def test_what_is_not_up_or_has_no_database_is_not_asked(variables: dict[str, str], aws: Services) -> None:
    for outputs in ({}, {"store": None}):
        none = administration(settings(), variables, outputs)
        assert none is not None
        assert (none.endpoint, none.access_key, none.database) == (None, None, {})
    lake = administration(settings(database=None), variables, {"store": {"objects": OBJECTS, "database": None}})
    assert lake is not None
    assert (lake.endpoint, lake.database) == (OBJECTS["endpoint"], {})
    assert aws.asked == []


def test_missing_rights_and_credentials_are_said_without_a_secret(
    variables: dict[str, str], aws: Services, tmp_path: Path
) -> None:
    aws.refusal = "AccessDenied"
    with pytest.raises(NotReached, match=f"AccessDenied to AssumeRole; role {ROLE}") as taken:
        administration(settings(role=ROLE), variables, UP)
    with pytest.raises(NotReached, match="ProfileNotFound"):
        administration(settings(), {**variables, "AWS_PROFILE": "nobody"}, UP)
    with pytest.raises(NotReached, match=f"no AWS credentials for account {ID}"):
        administration(settings(), {ROOT: str(tmp_path), "AWS_CONFIG_FILE": "/nothing"}, UP)
    (tmp_path / "rds.pem").unlink()
    with pytest.raises(NotReached, match="authorities"):
        administration(settings(), variables, UP)
    assert "hidden" not in str(taken.value)


def test_who_may_not_read_the_masters_password_is_not_stopped_from_asking_s3(
    variables: dict[str, str], aws: Services
) -> None:
    aws.secrets.clear()
    found = administration(settings(), variables, UP)
    assert found is not None
    assert (found.access_key, found.database) == ("OPS", {})


def test_what_can_not_be_counted_is_not_taken_for_nothing(variables: dict[str, str]) -> None:
    way = administration(settings(), variables, {})
    assert way is not None
    assert Administrator(way).contents(UP["store"]) == [
        "objects that can't be counted from here, in results",
        "a database that can't be asked from here",
    ]
    assert Administrator(way).revoke_unknown("user", ()) == []


def test_the_projects_folder_is_named_alike() -> None:
    assert ROOT == ROOT_OF_SITE
