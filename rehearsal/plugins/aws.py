"""A stand-in for the official `pulumi-aws` provider: S3 buckets and IAM users, on AWS or any store with these APIs.

Same inputs, outputs, ids and imports for the types in `KINDS`. Not the same: other inputs and settings are refused,
nothing is asked of STS, and lifecycle rules can't filter by several tags.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as BotoConnectionError

from rehearsal.plugins.changes import pruned
from rehearsal.plugins.properties import Properties, plain
from rehearsal.plugins.resource import ProviderError, run
from rehearsal.plugins.tabular import Kind, TabularProvider, persistently

# The official provider's: 25 times after an answer that may be better next time, nine when nobody answers at all.
RETRIES: Final = 25
NETWORK_RETRIES: Final = 9
# What one call of DeleteObjects takes.
BATCH: Final = 1000
_PASSING = frozenset({"RequestTimeout", "SlowDown", "Throttling", "ThrottlingException", "OperationAborted"})
_GONE = re.compile("404|NoSuch.*|.*NotFoundError")
_SKIPS = ("skipCredentialsValidation", "skipMetadataApiCheck", "skipRegionValidation", "skipRequestingAccountId")
_BLOCKS = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
_API_NAMES = {"id": "ID", "sseAlgorithm": "SSEAlgorithm", "kmsMasterKeyId": "KMSMasterKeyID"}
_INPUT_NAMES = {name: key for key, name in _API_NAMES.items()}


class ApiError(ProviderError):
    """A call that the service refused; `code` is its name for why."""

    def __init__(self, doing: str, code: str, said: str) -> None:
        super().__init__(": ".join(part for part in (doing, code, said) if part))
        self.code = code


class Account:
    """The clients of one account; `settings` are the provider's, `stopping` is set when the engine cancels."""

    def __init__(self, settings: Mapping[str, str], stopping: threading.Event) -> None:
        self.stopping = stopping
        self.retries = int(settings.get("maxRetries") or RETRIES)
        urls = {name: url for one in json.loads(settings.get("endpoints") or "[]") for name, url in one.items()}
        style: Literal["path", "auto"] = "path" if settings.get("s3UsePathStyle", "").lower() == "true" else "auto"
        # botocore sleeps between tries where a cancellation can't end it: `call` does it instead.
        config = Config(s3={"addressing_style": style}, retries={"total_max_attempts": 1}, max_pool_connections=64)
        more = {"config": config, "verify": settings.get("customCaBundle")}
        try:
            session: Any = boto3.Session(profile_name=settings.get("profile"), region_name=settings.get("region"))
            self.clients = {name: session.client(name, endpoint_url=urls.get(name), **more) for name in ("s3", "iam")}
        except (BotoCoreError, ValueError) as error:
            raise ProviderError(f"configuring the aws provider: {error}") from error
        self.region: str = session.region_name or ""

    def call(self, doing: str, operation: str, **parameters: Any) -> Properties:
        """Call an API until it answers; `doing` is what a failure is told with, `operation` is boto3's name.

        Raises:
            ApiError: the service refused, or did not answer however often it was asked.
        """
        api: Callable[..., Properties] = getattr(self.clients["s3" if " S3 " in doing else "iam"], operation)
        try:
            return persistently(lambda: api(**parameters), self._worth, self.stopping)
        except ClientError as error:
            code, said = error.response["Error"].get("Code", ""), error.response["Error"].get("Message", "")
            lacks = f"the store has no {error.operation_name}, so this can't be declared on it"
            raise ApiError(doing, code, lacks if code == "NotImplemented" else said) from error
        except BotoCoreError as error:
            raise ApiError(doing, "", str(error)) from error

    def find(self, doing: str, operation: str, **parameters: Any) -> Properties | None:
        """As `call`; None when what is asked for is not there."""
        try:
            return self.call(doing, operation, **parameters)
        except ApiError as error:
            if not _GONE.fullmatch(error.code):
                raise
            return None

    def _worth(self, error: Exception) -> int:
        if isinstance(error, (BotoConnectionError, HTTPClientError)):
            return min(self.retries, NETWORK_RETRIES)
        if not isinstance(error, ClientError):
            return 0
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        passing = status in (429, 500, 502, 503, 504) or error.response["Error"].get("Code") in _PASSING
        return self.retries * passing


def _to_api(value: Any) -> Any:
    return plain(value, lambda name: _API_NAMES.get(name, name[:1].upper() + name[1:]))


def _from_api(value: Any) -> Any:
    return plain(value, lambda name: _INPUT_NAMES.get(name, name[:1].lower() + name[1:]))


def _tag_set(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _tags(found: list[dict[str, str]]) -> Properties:
    tags = {tag["Key"]: tag["Value"] for tag in found}
    return {"tags": tags, "tagsAll": tags}


@dataclass(frozen=True)
class _Thing(Kind[Account]):
    """What has an operation each to make, read, change and delete it, and parameters that say which one it is.

    `where` holds these parameters with the inputs they come from, which make its id; `write` gives the others, `told`
    makes inputs and outputs of an answer and of what is known.
    """

    label: str = ""
    operations: tuple[str, str, str, str] = ("", "", "", "")
    end: Properties = field(default_factory=dict)
    where: Mapping[str, str] = field(default_factory=lambda: {"Bucket": "bucket"})
    write: Callable[[Properties], Properties] = lambda _wanted: {}
    told: Callable[[Properties, Properties], Properties] = lambda _answer, _known: {}

    def create(self, remote: Account, wanted: Properties) -> tuple[str, Properties]:
        identifier = ":".join(wanted[name] for name in self.where.values())
        parameters = self._which(wanted) | self.write(wanted)
        remote.call(f"creating {self.label} ({identifier})", self.operations[0], **parameters)
        return identifier, {}

    def read(self, remote: Account, identifier: str, known: Properties) -> Properties | None:
        which = dict(zip(self.where.values(), identifier.split(":"), strict=False)) | known
        answer = remote.find(f"reading {self.label} ({identifier})", self.operations[1], **self._which(which))
        named = {name: which[name] for name in self.where.values()}
        return None if answer is None else named | self.told(answer, known)

    def update(self, remote: Account, old: Properties, wanted: Properties) -> None:
        parameters = self._which(old | wanted) | self.write(wanted)
        remote.call(f"updating {self.label} ({old['id']})", self.operations[2], **parameters)

    def delete(self, remote: Account, state: Properties) -> None:
        remote.find(f"deleting {self.label} ({state['id']})", self.operations[3], **self._which(state), **self.end)

    def _which(self, values: Properties) -> Properties:
        return {parameter: values[name] for parameter, name in self.where.items()}


class _Bucket(_Thing):
    def create(self, remote: Account, wanted: Properties) -> tuple[str, Properties]:
        name = wanted["bucket"]
        doing, place = f"creating S3 Bucket ({name})", {"LocationConstraint": remote.region}
        # Asked first: AWS's oldest region answers 200 for a bucket one has, and a try whose answer was lost made ours.
        if remote.find(doing, "head_bucket", Bucket=name) is not None:
            raise ApiError(doing, "BucketAlreadyOwnedByYou", "it is there already")
        try:
            more = {} if remote.region == "us-east-1" else {"CreateBucketConfiguration": place}
            remote.call(doing, "create_bucket", Bucket=name, **more)
        except ApiError as error:
            if error.code != "BucketAlreadyOwnedByYou":
                raise
        return name, {}

    def complete(self, remote: Account, identifier: str, wanted: Properties) -> None:
        self.update(remote, {"id": identifier}, wanted)

    def read(self, remote: Account, identifier: str, _known: Properties) -> Properties | None:
        doing, name = f"reading S3 Bucket ({identifier})", identifier
        if remote.find(doing, "head_bucket", Bucket=name) is None:
            return None
        found = remote.find(doing, "get_bucket_tagging", Bucket=name) or {"TagSet": []}
        place = dict.fromkeys(("region", "bucketRegion"), remote.region)
        return {"bucket": name, "arn": f"arn:aws:s3:::{name}", **place, **_tags(found["TagSet"])}

    def update(self, remote: Account, old: Properties, wanted: Properties) -> None:
        doing, name = f"tagging S3 Bucket ({old['id']})", wanted["bucket"]
        if wanted.get("tags"):
            remote.call(doing, "put_bucket_tagging", Bucket=name, Tagging={"TagSet": _tag_set(wanted["tags"])})
        elif old.get("tags"):
            remote.call(doing, "delete_bucket_tagging", Bucket=name)

    def delete(self, remote: Account, state: Properties) -> None:
        try:
            super().delete(remote, state)
        except ApiError as error:
            if error.code != "BucketNotEmpty" or not state.get("forceDestroy"):
                raise
            _empty(remote, state["bucket"])
            super().delete(remote, state)


def _empty(remote: Account, bucket: str) -> None:
    """Delete all versions, delete markers and unfinished uploads."""
    doing = f"emptying S3 Bucket ({bucket})"
    while True:
        found = remote.call(doing, "list_object_versions", Bucket=bucket, MaxKeys=BATCH)
        listed = [*found.get("Versions", ()), *found.get("DeleteMarkers", ())]
        if not listed:
            break
        batch = {"Objects": [{name: one[name] for name in ("Key", "VersionId")} for one in listed], "Quiet": True}
        for error in remote.call(doing, "delete_objects", Bucket=bucket, Delete=batch).get("Errors", ()):
            raise ApiError(f"{doing}: {error.get('Key')}", error.get("Code", ""), error.get("Message", ""))
    while uploads := remote.call(doing, "list_multipart_uploads", Bucket=bucket).get("Uploads"):
        for one in uploads:
            which = {name: one[name] for name in ("Key", "UploadId")}
            remote.find(doing, "abort_multipart_upload", Bucket=bucket, **which)


class _User(_Thing):
    def update(self, remote: Account, old: Properties, wanted: Properties) -> None:
        doing, name = f"updating IAM User ({old['name']})", wanted["name"]
        if any(old.get(part) != wanted[part] for part in ("name", "path")):
            moved = {"UserName": old["name"], "NewUserName": name, "NewPath": wanted["path"]}
            remote.call(doing, "update_user", **moved)
        tags = wanted.get("tags") or {}
        if gone := sorted((old.get("tags") or {}).keys() - tags.keys()):
            remote.call(doing, "untag_user", UserName=name, TagKeys=gone)
        if tags:
            remote.call(doing, "tag_user", UserName=name, Tags=_tag_set(tags))

    def delete(self, remote: Account, state: Properties) -> None:
        which, doing = self._which(state), f"deleting IAM User ({state['name']})"
        if state.get("forceDestroy"):
            for key in (remote.find(doing, "list_access_keys", **which) or {}).get("AccessKeyMetadata", ()):
                remote.find(doing, "delete_access_key", AccessKeyId=key["AccessKeyId"], **which)
        super().delete(remote, state)


class _AccessKey(_Thing):
    def create(self, remote: Account, wanted: Properties) -> tuple[str, Properties]:
        doing = f"creating IAM Access Key ({wanted['user']})"
        made = remote.call(doing, self.operations[0], UserName=wanted["user"])["AccessKey"]
        return made["AccessKeyId"], {"secret": made["SecretAccessKey"]}

    def complete(self, remote: Account, identifier: str, wanted: Properties) -> None:
        if wanted["status"] != "Active":
            self.update(remote, {"id": identifier}, wanted)

    def read(self, remote: Account, identifier: str, known: Properties) -> Properties | None:
        doing, user = f"reading IAM Access Key ({identifier})", known.get("user")
        if not user:
            user = (remote.find(doing, "get_access_key_last_used", AccessKeyId=identifier) or {}).get("UserName")
        found = (remote.find(doing, self.operations[1], UserName=user) if user else None) or {}
        for key in found.get("AccessKeyMetadata", ()):
            if key["AccessKeyId"] == identifier:
                made = key["CreateDate"].strftime("%Y-%m-%dT%H:%M:%SZ")
                return {"user": user, "status": key["Status"], "createDate": made}
        return None


def _user(user: Properties) -> Properties:
    told = {"id": user["UserName"], "path": user["Path"], "arn": user["Arn"], "uniqueId": user["UserId"]}
    return told | _tags(user.get("Tags", []))


def _blocks(wanted: Properties) -> Properties:
    given = {name: bool(wanted.get(name)) for name in _BLOCKS}
    return {"PublicAccessBlockConfiguration": _to_api(given)}


def _rules(answer: Properties, known: Properties) -> Properties:
    """The rules in an answer; what the service adds to them is no change."""
    rules = _from_api(answer["Rules"])
    return {"rules": pruned(rules, known["rules"]) if "rules" in known else rules}


def _part(label: str, name: str, inputs: tuple[str, ...], **more: Any) -> _Thing:
    """A subresource of a bucket, whose operations are called alike."""
    operations = (f"put_{name}", f"get_{name}", f"put_{name}", more.pop("end_with", f"delete_{name}"))
    place: dict[str, Any] = {"required": ("bucket", *inputs), "key": ("bucket",), "fixed": ("bucket",)}
    given = dict.fromkeys(("bucket", *inputs)) | more.pop("defaults", {})
    return _Thing(given, label=f"S3 Bucket {label}", operations=operations, **place, **more)


def _operations(name: str) -> tuple[str, str, str, str]:
    return (f"create_{name}", f"get_{name}", f"update_{name}", f"delete_{name}")


KINDS: Final[Mapping[str, Kind[Account]]] = {
    "s3/bucket:Bucket": _Bucket(
        {"bucket": None, "forceDestroy": False, "tags": None},
        key=("bucket",),
        fixed=("bucket",),
        named="bucket",
        outputs=("arn", "bucketRegion", "region", "tagsAll"),
        label="S3 Bucket",
        operations=_operations("bucket"),
    ),
    "s3/bucketVersioning:BucketVersioning": _part(
        "Versioning",
        "bucket_versioning",
        ("versioningConfiguration",),
        # It can't be taken away, only suspended, which the official provider does.
        end_with="put_bucket_versioning",
        end={"VersioningConfiguration": {"Status": "Suspended"}},
        write=lambda wanted: _to_api({"versioningConfiguration": wanted["versioningConfiguration"]}),
        told=lambda answer, _: {"versioningConfiguration": {"status": answer.get("Status") or "Disabled"}},
    ),
    "s3/bucketPolicy:BucketPolicy": _part(
        "Policy",
        "bucket_policy",
        ("policy",),
        documents=("policy",),
        write=lambda wanted: {"Policy": wanted["policy"]},
        told=lambda answer, _: {"policy": answer["Policy"]},
    ),
    "s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": _part(
        "Lifecycle Configuration",
        "bucket_lifecycle_configuration",
        ("rules",),
        end_with="delete_bucket_lifecycle",
        write=lambda wanted: {"LifecycleConfiguration": {"Rules": _to_api(wanted["rules"])}},
        told=_rules,
    ),
    "s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": _part(
        "Server Side Encryption Configuration",
        "bucket_encryption",
        ("rules",),
        write=lambda wanted: {"ServerSideEncryptionConfiguration": {"Rules": _to_api(wanted["rules"])}},
        told=lambda answer, known: _rules(answer["ServerSideEncryptionConfiguration"], known),
    ),
    "s3/bucketPublicAccessBlock:BucketPublicAccessBlock": _part(
        "Public Access Block",
        "public_access_block",
        (),
        defaults=dict.fromkeys(_BLOCKS, False),
        write=_blocks,
        told=lambda answer, _: _from_api(answer["PublicAccessBlockConfiguration"]),
    ),
    "iam/user:User": _User(
        {"name": None, "path": "/", "tags": None, "forceDestroy": False},
        key=("name",),
        named="name",
        outputs=("arn", "tagsAll", "uniqueId"),
        label="IAM User",
        operations=_operations("user"),
        where={"UserName": "name"},
        write=lambda wanted: {"Path": wanted["path"], "Tags": _tag_set(wanted.get("tags") or {})},
        told=lambda answer, _: _user(answer["User"]),
    ),
    "iam/userPolicy:UserPolicy": _Thing(
        {"name": None, "user": None, "policy": None},
        required=("user", "policy"),
        key=("user", "name"),
        fixed=("user", "name"),
        named="name",
        documents=("policy",),
        label="IAM User Policy",
        operations=("put_user_policy", "get_user_policy", "put_user_policy", "delete_user_policy"),
        where={"UserName": "user", "PolicyName": "name"},
        write=lambda wanted: {"PolicyDocument": wanted["policy"]},
        told=lambda answer, _: {"policy": json.dumps(answer["PolicyDocument"])},
    ),
    "iam/accessKey:AccessKey": _AccessKey(
        {"user": None, "status": "Active"},
        required=("user",),
        fixed=("user",),
        outputs=("secret", "createDate"),
        label="IAM Access Key",
        operations=("create_access_key", "list_access_keys", "update_access_key", "delete_access_key"),
        where={"UserName": "user", "AccessKeyId": "id"},
        write=lambda wanted: {"Status": wanted["status"]},
    ),
}


class Provider(TabularProvider[Account]):
    """The operations, on one account."""

    package = "aws"
    kinds = KINDS
    hidden = frozenset({"secret"})
    settings = frozenset({"profile", "region", "endpoints", "s3UsePathStyle", "maxRetries", "customCaBundle", *_SKIPS})

    def connect(self) -> Account:
        """Read profile and credentials, as the files of the environment have them."""
        return Account(self.given, self.stopping)

    def place(self, settings: Properties) -> Any:
        """The account's services."""
        return tuple(settings.get(name) for name in ("profile", "region", "endpoints"))


def main() -> None:
    """Serve one engine."""
    run(Provider)
