from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from rehearsal.plugins.aws import KINDS, Account, Provider, meaning
from rehearsal.plugins.resource import InputError, ProviderError, Step
from rehearsal.plugins.serving import EngineLog

from .project import Project

PROGRAM = """
import json, pulumi, pulumi_aws as aws
provider = aws.Provider("p", profile="{profile}", region="us-east-1", s3_use_path_style=True,
    skip_credentials_validation=True, skip_metadata_api_check=True, skip_region_validation=True,
    skip_requesting_account_id=True)
to = pulumi.ResourceOptions(provider=provider)
def policy(action, **more):
    statement = {{"Effect": "Allow", "Action": action, "Resource": "arn:aws:s3:::aws-plugin/*", **more}}
    return json.dumps({{"Version": "2012-10-17", "Statement": [statement]}})
bucket = aws.s3.Bucket("bucket", bucket="aws-plugin", force_destroy=True, tags={{"tier": "{tag}"}}, opts=to)
versions = aws.s3.BucketVersioning("versions", bucket=bucket.id,
    versioning_configuration={{"status": "Enabled"}}, opts=to)
user = aws.iam.User("user", name="aws-plugin-rw", path="/terrarium/", tags={{"of": "tests"}}, opts=to)
right = aws.iam.UserPolicy("right", user=user.name, name="store", policy=policy({actions}), opts=to)
key = aws.iam.AccessKey("key", user=user.name, opts=to)
open_ = aws.s3.BucketPolicy("open", bucket=bucket.bucket, policy=user.arn.apply(
    lambda arn: policy(["s3:GetObject"], Principal={{"AWS": [arn]}})), opts=to)
pulumi.export("id", key.id)
pulumi.export("secret", key.secret)
"""

OTHER = json.dumps(
    {"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "s3:PutObject", "Resource": "*"}}
)


@pytest.fixture
def clients(store: tuple[dict[str, str], str], monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any]:
    """S3 and IAM of the platform, by its administrator."""
    variables, profile = store
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    session = boto3.Session(profile_name=profile)
    return session.client("s3"), session.client("iam")


def test_a_store_is_made_changed_mended_and_deleted(
    project: Project, store: tuple[dict[str, str], str], clients: tuple[Any, Any]
) -> None:
    s3, iam = clients
    project.environment |= store[0]
    values = {"profile": store[1], "tag": "one", "actions": '["s3:GetObject"]'}
    project.write(PROGRAM.format(**values))
    project.pulumi("preview")
    written = project.up()
    key = project.resources()["key"]
    secret = json.loads(key["outputs"]["secret"]["plaintext"])
    assert secret not in written + project.stored()
    assert key["id"] == iam.list_access_keys(UserName="aws-plugin-rw")["AccessKeyMetadata"][0]["AccessKeyId"]
    project.pulumi("up", "--yes", "--skip-preview", "--refresh", "--expect-no-changes")
    assert json.loads(project.resources()["key"]["outputs"]["secret"]["plaintext"]) == secret

    # The same policy in another form is no change; a tag is.
    project.write(PROGRAM.format(**values | {"tag": "two", "actions": '"s3:GetObject"'}))
    assert project.steps() == {"bucket": ("update", {"tags.tier"})}
    project.up()

    s3.put_bucket_versioning(Bucket="aws-plugin", VersioningConfiguration={"Status": "Suspended"})
    s3.delete_bucket_policy(Bucket="aws-plugin")
    iam.put_user_policy(UserName="aws-plugin-rw", PolicyName="store", PolicyDocument=OTHER)
    iam.tag_user(UserName="aws-plugin-rw", Tags=[{"Key": "of", "Value": "hand"}])
    iam.delete_access_key(UserName="aws-plugin-rw", AccessKeyId=key["id"])
    project.up("--refresh")
    assert s3.get_bucket_versioning(Bucket="aws-plugin")["Status"] == "Enabled"
    assert "s3:GetObject" in s3.get_bucket_policy(Bucket="aws-plugin")["Policy"]
    assert "s3:PutObject" not in str(iam.get_user_policy(UserName="aws-plugin-rw", PolicyName="store"))
    assert iam.get_user(UserName="aws-plugin-rw")["User"]["Tags"] == [{"Key": "of", "Value": "tests"}]
    new = iam.list_access_keys(UserName="aws-plugin-rw")["AccessKeyMetadata"]
    assert [one["AccessKeyId"] for one in new] == [project.resources()["key"]["id"]] != [key["id"]]
    project.pulumi("preview", "--refresh", "--expect-no-changes")

    # Versions, markers and unfinished uploads keep a bucket from being deleted.
    for _ in range(2):
        s3.put_object(Bucket="aws-plugin", Key="a/b", Body=b"1")
    s3.delete_object(Bucket="aws-plugin", Key="a/b")
    s3.create_multipart_upload(Bucket="aws-plugin", Key="c")
    project.pulumi("destroy", "--yes", "--skip-preview")
    with pytest.raises(ClientError, match="404"):
        s3.head_bucket(Bucket="aws-plugin")
    with pytest.raises(ClientError, match="NoSuchEntity"):
        iam.get_user(UserName="aws-plugin-rw")


def test_what_is_there_is_refused_or_imported_and_not_emptied_unasked(
    project: Project, store: tuple[dict[str, str], str], clients: tuple[Any, Any]
) -> None:
    s3, iam = clients
    project.environment |= store[0]
    s3.create_bucket(Bucket="aws-plugin-there")
    s3.put_object(Bucket="aws-plugin-there", Key="kept", Body=b"1")
    iam.create_user(UserName="aws-plugin-there", Path="/x/")
    iam.put_user_policy(UserName="aws-plugin-there", PolicyName="store", PolicyDocument=OTHER)
    start = PROGRAM.split("bucket =", maxsplit=1)[0].format(profile=store[1])
    made = 'aws.s3.Bucket("there", bucket="aws-plugin-there", opts=to)\n'
    project.write(start + made)
    written = project.up(fails=True)
    assert "creating S3 Bucket (aws-plugin-there): BucketAlreadyOwnedByYou" in written
    project.pulumi("destroy", "--yes", "--skip-preview")

    taken = "opts=pulumi.ResourceOptions(provider=provider, import_="
    project.write(
        start
        + made.replace("opts=to", f'{taken}"aws-plugin-there")')
        + f'aws.iam.User("u", name="aws-plugin-there", path="/x/", {taken}"aws-plugin-there"))\n'
        + 'aws.iam.UserPolicy("p", user="aws-plugin-there", name="store", '
        + f"policy={OTHER!r}, "
        + f'{taken}"aws-plugin-there:store"))\n'
    )
    project.up()
    written = project.pulumi("destroy", "--yes", "--skip-preview", fails=True)
    assert "deleting S3 Bucket (aws-plugin-there): BucketNotEmpty" in written
    assert s3.get_object(Bucket="aws-plugin-there", Key="kept")
    s3.delete_object(Bucket="aws-plugin-there", Key="kept")
    project.pulumi("destroy", "--yes", "--skip-preview")


@pytest.mark.parametrize(
    "token",
    [
        "s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
        "s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        "s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
        "iam/role:Role",
    ],
)
def test_a_type_that_is_not_covered_is_named_with_what_to_do(token: str) -> None:
    with pytest.raises(
        ProviderError, match=rf"no {token}; it has iam/accessKey:AccessKey, .*: name it under `without`"
    ):
        Provider(EngineLog("")).check(Step(f"urn:pulumi:dev::tests::aws:{token}::b"), {}, {}, "b-1")


def test_a_preview_says_so_before_anything_is_made(
    project: Project, store: tuple[dict[str, str], str], clients: tuple[Any, Any]
) -> None:
    project.environment |= store[0]
    project.write(
        PROGRAM.split("versions =", maxsplit=1)[0].format(profile=store[1], tag="t")
        + 'aws.s3.BucketPublicAccessBlock("pab", bucket="aws-plugin", block_public_acls=True, opts=to)\n'
    )
    assert "no s3/bucketPublicAccessBlock:BucketPublicAccessBlock" in project.pulumi("preview", fails=True)
    with pytest.raises(ClientError, match="404"):
        clients[0].head_bucket(Bucket="aws-plugin")


class _Failing(BaseHTTPRequestHandler):
    """A store that answers with the codes it was given, in turn; the last one for ever."""

    codes: list[int]
    asked = 0

    def do_HEAD(self) -> None:
        code = self.codes[min(type(self).asked, len(self.codes) - 1)]
        type(self).asked += 1
        self.send_response(code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        pass


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, type[_Failing]]]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "none")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "none")
    handler: type[_Failing] = type("Handler", (_Failing,), {"codes": [500, 503, 200]})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield json.dumps([{"s3": f"http://127.0.0.1:{server.server_address[1]}"}]), handler
        server.shutdown()
        thread.join()


def test_what_may_pass_is_tried_again(failing: tuple[str, type[_Failing]]) -> None:
    account = Account({"endpoints": failing[0], "region": "us-east-1", "s3UsePathStyle": "true"}, threading.Event())
    assert account.call("reading S3 Bucket (b)", "head_bucket", Bucket="b")
    assert failing[1].asked == 3


def test_a_cancellation_ends_waiting(failing: tuple[str, type[_Failing]]) -> None:
    failing[1].codes = [503]
    stopping = threading.Event()
    threading.Timer(0.3, stopping.set).start()
    account = Account({"endpoints": failing[0], "region": "us-east-1", "s3UsePathStyle": "true"}, stopping)
    with pytest.raises(ProviderError, match=r"^reading S3 Bucket \(b\): 503"):
        account.call("reading S3 Bucket (b)", "head_bucket", Bucket="b")


@pytest.mark.parametrize(
    ("token", "inputs", "problems"),
    [
        ("s3/bucket:Bucket", {"acl": "private", "versioning": {}}, {"acl", "bucket", "versioning"}),
        ("s3/bucketPolicy:BucketPolicy", {"bucket": "b", "policy": "{"}, {"policy"}),
        ("iam/accessKey:AccessKey", {"status": "Inactive"}, {"status", "user"}),
    ],
)
def test_every_input_that_cannot_be_used_is_named(token: str, inputs: dict[str, Any], problems: set[str]) -> None:
    with pytest.raises(InputError) as refused:
        Provider(EngineLog("")).check(Step(f"urn:pulumi:dev::tests::aws:{token}::b"), {}, inputs, "b-1")
    assert set(refused.value.problems) == problems


def test_every_kind_can_say_what_its_inputs_are() -> None:
    for token, kind in KINDS.items():
        assert {*kind.key, *(kind.fixed or ()), *kind.ordered} <= set(kind.inputs), token


def test_policies_are_compared_by_meaning() -> None:
    one = {"Action": ["a", "b"], "Principal": {"AWS": "*"}, "Condition": {"Bool": {"x": True}}}
    other = {"Action": ["b", "a"], "Principal": "*", "Condition": {"Bool": {"x": ["true"]}}}
    assert meaning(one) == meaning(other)
    assert meaning(one) != meaning({**one, "Action": "a"})


def test_a_moved_server_replaces_nothing() -> None:
    provider = Provider(EngineLog(""))
    assert provider.place({"endpoints": '[{"s3": "http://127.0.0.1:1"}]'}) == provider.place(
        {"endpoints": '[{"s3": "http://227.0.0.2:2"}]'}
    )
