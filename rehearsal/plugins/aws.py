"""A stand-in for the official `pulumi-aws` provider: S3 buckets and IAM users, on AWS or any store with these APIs.

What `KINDS` lists has the official inputs, outputs, ids and imports; names must be given, keys can't be imported.
"""

# ruff: noqa: D102 - the methods are those of `Kind`, which says what each does.

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

# Not boto3: it takes twice as long to import, and adds nothing that is used here.
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError, HTTPClientError
from botocore.session import Session

from rehearsal.plugins.properties import Properties
from rehearsal.plugins.resource import ProviderError, run
from rehearsal.plugins.tabular import Kind, TabularProvider, persistently

# The official provider's: 25 times after an answer that may be better next time, nine when nobody answers at all.
RETRIES, NETWORK_RETRIES = 25, 9
_PASSING = frozenset({"RequestTimeout", "SlowDown", "Throttling", "ThrottlingException", "OperationAborted"})
_GONE = "404|NoSuch.*|.*NotFoundError"
_SKIPS = ("skipCredentialsValidation", "skipMetadataApiCheck", "skipRegionValidation", "skipRequestingAccountId")


class Account:
    """The clients of one account; `settings` are the provider's, `stopping` is set when the engine cancels."""

    def __init__(self, settings: Mapping[str, str], stopping: threading.Event) -> None:
        self.stopping = stopping
        at = {name: url for one in json.loads(settings.get("endpoints") or "[]") for name, url in one.items()}
        style: Literal["path", "auto"] = "path" if settings.get("s3UsePathStyle", "").lower() == "true" else "auto"
        # botocore sleeps between tries where a cancellation can't end it: `call` does it instead.
        config = Config(s3={"addressing_style": style}, retries={"total_max_attempts": 1}, max_pool_connections=64)
        try:
            session: Any = Session(profile=settings.get("profile"))
            self.region: str = settings.get("region") or session.get_config_variable("region") or ""
            more = {"config": config, "verify": settings.get("customCaBundle"), "region_name": self.region or None}
            self.clients = {api: session.create_client(api, endpoint_url=at.get(api), **more) for api in ("s3", "iam")}
        except (BotoCoreError, ValueError) as error:
            raise ProviderError(f"configuring the aws provider: {error}") from error

    def call(self, doing: str, operation: str, fine: str = "", **parameters: Any) -> Any:
        """Call an API until it answers; None when it refuses with a code like `fine`; `doing` is for failures."""
        api: Callable[..., Properties] = getattr(self.clients["s3" if " S3 " in doing else "iam"], operation)
        try:
            return persistently(lambda: api(**parameters), _worth, self.stopping)
        except ClientError as error:
            code, said = (str(error.response.get("Error", {}).get(part, "")) for part in ("Code", "Message"))
            if fine and re.fullmatch(fine, code):
                return None
            said = f"the store has no {error.operation_name}: leave it out" if code == "NotImplemented" else said
            raise ProviderError(": ".join(part for part in (doing, code, said) if part)) from error
        except BotoCoreError as error:
            raise ProviderError(f"{doing}: {error}") from error


def _worth(error: Exception) -> int:
    if isinstance(error, ClientError):
        # An answer that is no XML, as of a proxy in between, has no error in it.
        status, code = error.response["ResponseMetadata"]["HTTPStatusCode"], error.response.get("Error", {}).get("Code")
        return RETRIES if status in (429, 500, 502, 503, 504) or code in _PASSING else 0
    return NETWORK_RETRIES if isinstance(error, (EndpointConnectionError, HTTPClientError)) else 0


@dataclass(frozen=True)
class Thing(Kind[Account]):
    """What is put (made or changed), read and deleted by an operation each, named after `label`: `put_bucket_policy`.

    `where` holds the parameters that say which one it is with the inputs they come from, which make its id; `write`
    gives the others, `told` makes inputs and outputs of an answer.
    """

    label: str = "S3 Bucket"
    where: Mapping[str, str] = field(default_factory=lambda: {"Bucket": "bucket"})
    end: Properties = field(default_factory=dict)
    write: Callable[[Properties], Properties] = lambda _wanted: {}
    told: Callable[[Properties], Properties] = lambda _answer: {}
    make, look, taken = "put", "", ""

    def problems(self, given: Properties) -> dict[str, str]:
        try:
            fine = isinstance(json.loads(given.get("policy", "{}")), dict)
        except (TypeError, ValueError):
            fine = False
        return {} if fine else {"policy": "this is no JSON object"}

    def alike(self, name: str, one: Any, other: Any) -> bool:
        one, other = (meaning(json.loads(item)) if name == "policy" else item for item in (one, other))
        return super().alike(name, one, other)

    def create(self, remote: Account, wanted: Properties) -> tuple[str, Properties]:
        key = ":".join(wanted[name] for name in self.where.values())
        self._make(remote, f"creating {self.label} ({key})", wanted)
        return key, {}

    def read(self, remote: Account, identifier: str, known: Properties) -> Properties | None:
        which = dict(zip(self.where.values(), identifier.split(":"), strict=False)) | known
        answer = remote.call(f"reading {self.label} ({identifier})", self.api("get"), _GONE, **self.which(which))
        return None if answer is None else {name: which[name] for name in self.where.values()} | self.told(answer)

    def update(self, remote: Account, old: Properties, wanted: Properties) -> None:
        remote.call(f"updating {self.label} ({old['id']})", self.api("put"), **self.which(wanted), **self.write(wanted))

    def delete(self, remote: Account, state: Properties) -> None:
        operation = self.api("put" if self.end else "delete")
        remote.call(f"deleting {self.label} ({state['id']})", operation, _GONE, **self.which(state), **self.end)

    def _make(self, remote: Account, doing: str, wanted: Properties, **more: Any) -> None:
        # Asked first: if it was not there, what a second try finds is what the first, whose answer was lost, made; and
        # AWS's oldest region answers 200 for a bucket one has. Of another account's (403) creating tells more.
        if self.look and remote.call(doing, self.look, f"403|{_GONE}", **self.which(wanted)):
            raise ProviderError(f"{doing}: {self.taken}: it is there already")
        remote.call(doing, self.api(self.make), self.taken, **self.which(wanted), **self.write(wanted), **more)

    def api(self, verb: str) -> str:
        return f"{verb}_{self.label.split(' ', 1)[1].lower().replace(' ', '_')}"

    def which(self, values: Properties) -> Properties:
        return {parameter: values[name] for parameter, name in self.where.items()}


class Bucket(Thing):
    """A bucket, which must not be there when it is made."""

    make, look, taken = "create", "head_bucket", "BucketAlreadyOwnedByYou"

    def _make(self, remote: Account, doing: str, wanted: Properties, **more: Any) -> None:
        place = {"CreateBucketConfiguration": {"LocationConstraint": remote.region}}
        super()._make(remote, doing, wanted, **more, **(place if remote.region != "us-east-1" else {}))

    def complete(self, remote: Account, identifier: str, wanted: Properties) -> None:
        self.update(remote, {"id": identifier}, wanted)

    def read(self, remote: Account, identifier: str, _known: Properties) -> Properties | None:
        doing, name = f"reading S3 Bucket ({identifier})", identifier
        if remote.call(doing, "head_bucket", _GONE, Bucket=name) is None:
            return None
        found = remote.call(doing, "get_bucket_tagging", _GONE, Bucket=name) or {"TagSet": []}
        return {"bucket": name, "arn": f"arn:aws:s3:::{name}", **_tags_of(found["TagSet"])}

    def update(self, remote: Account, old: Properties, wanted: Properties) -> None:
        doing, name = f"tagging S3 Bucket ({old['id']})", wanted["bucket"]
        if wanted.get("tags"):
            remote.call(doing, "put_bucket_tagging", Bucket=name, Tagging={"TagSet": _tag_set(wanted)})
        elif old.get("tags"):
            remote.call(doing, "delete_bucket_tagging", Bucket=name)

    def delete(self, remote: Account, state: Properties) -> None:
        if state.get("forceDestroy"):
            _empty(remote, state["bucket"])
        super().delete(remote, state)


class User(Thing):
    """A user, who can be renamed and moved, and must not be there when made."""

    make, look, taken = "create", "get_user", "EntityAlreadyExists"

    def update(self, remote: Account, old: Properties, wanted: Properties) -> None:
        doing, name = f"updating IAM User ({old['name']})", wanted["name"]
        if any(old.get(part) != wanted[part] for part in ("name", "path")):
            remote.call(doing, "update_user", UserName=old["name"], NewUserName=name, NewPath=wanted["path"])
        if gone := sorted((old.get("tags") or {}).keys() - (wanted.get("tags") or {}).keys()):
            remote.call(doing, "untag_user", UserName=name, TagKeys=gone)
        if wanted.get("tags"):
            remote.call(doing, "tag_user", UserName=name, Tags=_tag_set(wanted))

    def delete(self, remote: Account, state: Properties) -> None:
        which, doing = self.which(state), f"deleting IAM User ({state['name']})"
        if state.get("forceDestroy"):
            for key in (remote.call(doing, "list_access_keys", _GONE, **which) or {}).get("AccessKeyMetadata", ()):
                remote.call(doing, "delete_access_key", _GONE, AccessKeyId=key["AccessKeyId"], **which)
        super().delete(remote, state)


class AccessKey(Thing):
    """A user's key, whose secret is told once: a refresh keeps it."""

    def create(self, remote: Account, wanted: Properties) -> tuple[str, Properties]:
        doing = f"creating {self.label} ({wanted['user']})"
        made = remote.call(doing, "create_access_key", UserName=wanted["user"])["AccessKey"]
        return made["AccessKeyId"], {"secret": made["SecretAccessKey"]}

    def read(self, remote: Account, identifier: str, known: Properties) -> Properties | None:
        found = remote.call(f"reading {self.label} ({identifier})", "list_access_keys", _GONE, UserName=known["user"])
        keys = (found or {}).get("AccessKeyMetadata", ())
        return {"user": known["user"]} if any(key["AccessKeyId"] == identifier for key in keys) else None


def meaning(value: Any) -> Any:
    """A policy, or a part of it, in one form for all that mean the same: lists in order, a list of one as its item."""
    if isinstance(value, dict):
        return "*" if value == {"AWS": "*"} else {key: meaning(item) for key, item in value.items()}
    if isinstance(value, list):
        items = sorted((meaning(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
        return items[0] if len(items) == 1 else items
    # A condition's true and "true" are one thing.
    return str(value).lower() if isinstance(value, bool) else str(value)


def _tag_set(wanted: Properties) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in (wanted.get("tags") or {}).items()]


def _tags_of(found: list[dict[str, str]]) -> Properties:
    tags = {tag["Key"]: tag["Value"] for tag in found}
    return {"tags": tags, "tagsAll": tags}


def _empty(remote: Account, bucket: str) -> None:
    """Delete all versions, delete markers and unfinished uploads; of versions as many at once as a call takes."""
    doing = f"emptying S3 Bucket ({bucket})"
    while found := remote.call(doing, "list_object_versions", _GONE, Bucket=bucket, MaxKeys=1000):
        listed = [*found.get("Versions", ()), *found.get("DeleteMarkers", ())]
        if not listed:
            break
        batch = {"Objects": [{name: one[name] for name in ("Key", "VersionId")} for one in listed], "Quiet": True}
        for error in remote.call(doing, "delete_objects", Bucket=bucket, Delete=batch).get("Errors", ()):
            raise ProviderError(f"{doing}: {error.get('Key')}: {error.get('Code')}: {error.get('Message')}")
    while uploads := (remote.call(doing, "list_multipart_uploads", _GONE, Bucket=bucket) or {}).get("Uploads"):
        for one in uploads:
            remote.call(doing, "abort_multipart_upload", _GONE, Bucket=bucket, Key=one["Key"], UploadId=one["UploadId"])


def _user(user: Properties) -> Properties:
    return {"id": user["UserName"], "path": user["Path"], "arn": user["Arn"], **_tags_of(user.get("Tags", []))}


KINDS: Final[Mapping[str, Kind[Account]]] = {
    "s3/bucket:Bucket": Bucket(
        ("bucket",), {"forceDestroy": False, "tags": None}, key=("bucket",), outputs=("arn", "tagsAll")
    ),
    "s3/bucketVersioning:BucketVersioning": Thing(
        ("bucket", "versioningConfiguration"),
        key=("bucket",),
        label="S3 Bucket Versioning",
        # It can't be taken away, only suspended, which the official provider does.
        end={"VersioningConfiguration": {"Status": "Suspended"}},
        write=lambda wanted: {"VersioningConfiguration": {"Status": wanted["versioningConfiguration"]["status"]}},
        told=lambda answer: {"versioningConfiguration": {"status": answer.get("Status") or "Disabled"}},
    ),
    "s3/bucketPolicy:BucketPolicy": Thing(
        ("bucket", "policy"),
        key=("bucket",),
        label="S3 Bucket Policy",
        write=lambda wanted: {"Policy": wanted["policy"]},
        told=lambda answer: {"policy": answer["Policy"]},
    ),
    "iam/user:User": User(
        ("name",),
        {"path": "/", "tags": None, "forceDestroy": False},
        key=("name",),
        fixed=(),
        outputs=("arn", "tagsAll"),
        label="IAM User",
        where={"UserName": "name"},
        write=lambda wanted: {"Path": wanted["path"], "Tags": _tag_set(wanted)},
        told=lambda answer: _user(answer["User"]),
    ),
    "iam/userPolicy:UserPolicy": Thing(
        ("name", "user", "policy"),
        key=("user", "name"),
        label="IAM User Policy",
        where={"UserName": "user", "PolicyName": "name"},
        write=lambda wanted: {"PolicyDocument": wanted["policy"]},
        told=lambda answer: {"policy": json.dumps(answer["PolicyDocument"])},
    ),
    "iam/accessKey:AccessKey": AccessKey(
        ("user",),
        fixed=("user",),
        outputs=("secret",),
        importable=False,
        label="IAM Access Key",
        where={"UserName": "user", "AccessKeyId": "id"},
    ),
}


class Provider(TabularProvider[Account]):
    """The operations, on one account."""

    package = "aws"
    remote = Account
    kinds = KINDS
    hidden = frozenset({"secret"})
    settings = frozenset({"profile", "region", "endpoints", "s3UsePathStyle", "customCaBundle", *_SKIPS})
    instead = "name it under `without` of the store in the stack file, or use Pulumi's own plugin"


def main() -> None:
    """Serve one engine."""
    run(Provider)
