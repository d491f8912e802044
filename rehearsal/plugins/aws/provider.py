"""The table of kinds, and the provider's settings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from rehearsal.plugins.aws.account import Account
from rehearsal.plugins.aws.things import AccessKey, Bucket, Thing, User, tag_set, tags_of
from rehearsal.plugins.changes import pruned
from rehearsal.plugins.properties import Properties, plain
from rehearsal.plugins.resource import run
from rehearsal.plugins.tabular import Kind, TabularProvider

_SKIPS = ("skipCredentialsValidation", "skipMetadataApiCheck", "skipRegionValidation", "skipRequestingAccountId")
_BLOCKS = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
_API_NAMES = {"id": "ID", "sseAlgorithm": "SSEAlgorithm", "kmsMasterKeyId": "KMSMasterKeyID"}
_INPUT_NAMES = {name: key for key, name in _API_NAMES.items()}


def _to_api(value: Any) -> Any:
    return plain(value, lambda name: _API_NAMES.get(name, name[:1].upper() + name[1:]))


def _from_api(value: Any) -> Any:
    return plain(value, lambda name: _INPUT_NAMES.get(name, name[:1].lower() + name[1:]))


def _user(user: Properties) -> Properties:
    told = {"id": user["UserName"], "path": user["Path"], "arn": user["Arn"], "uniqueId": user["UserId"]}
    return told | tags_of(user.get("Tags", []))


def _blocks(wanted: Properties) -> Properties:
    given = {name: bool(wanted.get(name)) for name in _BLOCKS}
    return {"PublicAccessBlockConfiguration": _to_api(given)}


def _rules(answer: Properties, known: Properties) -> Properties:
    """The rules in an answer; what the service adds to them is no change."""
    rules = _from_api(answer["Rules"])
    return {"rules": pruned(rules, known["rules"]) if "rules" in known else rules}


def _part(label: str, name: str, inputs: tuple[str, ...], **more: Any) -> Thing:
    """A subresource of a bucket, whose operations are called alike."""
    operations = (f"put_{name}", f"get_{name}", f"put_{name}", more.pop("end_with", f"delete_{name}"))
    place: dict[str, Any] = {"required": ("bucket", *inputs), "key": ("bucket",), "fixed": ("bucket",)}
    given = dict.fromkeys(("bucket", *inputs)) | more.pop("defaults", {})
    return Thing(given, label=f"S3 Bucket {label}", operations=operations, **place, **more)


def _operations(name: str) -> tuple[str, str, str, str]:
    return (f"create_{name}", f"get_{name}", f"update_{name}", f"delete_{name}")


KINDS: Final[Mapping[str, Kind[Account]]] = {
    "s3/bucket:Bucket": Bucket(
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
    "iam/user:User": User(
        {"name": None, "path": "/", "tags": None, "forceDestroy": False},
        key=("name",),
        named="name",
        outputs=("arn", "tagsAll", "uniqueId"),
        label="IAM User",
        operations=_operations("user"),
        where={"UserName": "name"},
        write=lambda wanted: {"Path": wanted["path"], "Tags": tag_set(wanted.get("tags") or {})},
        told=lambda answer, _: _user(answer["User"]),
    ),
    "iam/userPolicy:UserPolicy": Thing(
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
    "iam/accessKey:AccessKey": AccessKey(
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


def main() -> None:
    """Serve one engine."""
    run(Provider)
