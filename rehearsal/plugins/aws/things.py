"""Buckets, users and keys; and what all kinds have in common."""

# ruff: noqa: D102 - the methods are those of `Kind`, which says what each does.

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from rehearsal.plugins.aws.account import Account, ApiError
from rehearsal.plugins.properties import Properties
from rehearsal.plugins.tabular import Kind

# What one call of DeleteObjects takes.
BATCH: Final = 1000


def tag_set(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as the APIs have them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def tags_of(found: list[dict[str, str]]) -> Properties:
    """The outputs that tags make."""
    tags = {tag["Key"]: tag["Value"] for tag in found}
    return {"tags": tags, "tagsAll": tags}


@dataclass(frozen=True)
class Thing(Kind[Account]):
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


class Bucket(Thing):
    """A bucket, which must not be there when it is made."""

    def create(self, remote: Account, wanted: Properties) -> tuple[str, Properties]:
        name = wanted["bucket"]
        doing, place = f"creating S3 Bucket ({name})", {"LocationConstraint": remote.region}
        # Asked first: AWS's oldest region answers 200 for a bucket one has, and a try whose answer was lost made ours.
        try:
            there = remote.find(doing, "head_bucket", Bucket=name) is not None
        except ApiError as error:
            # Another account's, which creating says better.
            if error.code != "403":
                raise
            there = False
        if there:
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
        return {"bucket": name, "arn": f"arn:aws:s3:::{name}", **place, **tags_of(found["TagSet"])}

    def update(self, remote: Account, old: Properties, wanted: Properties) -> None:
        doing, name = f"tagging S3 Bucket ({old['id']})", wanted["bucket"]
        if wanted.get("tags"):
            remote.call(doing, "put_bucket_tagging", Bucket=name, Tagging={"TagSet": tag_set(wanted["tags"])})
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


class User(Thing):
    """A user, who can be renamed and moved, and must not be there when made."""

    def create(self, remote: Account, wanted: Properties) -> tuple[str, Properties]:
        # Asked first: if nobody was there, whom the second try finds is the one that the first, its answer lost, made.
        doing = f"creating IAM User ({wanted['name']})"
        there = remote.find(doing, self.operations[1], **self._which(wanted)) is not None
        try:
            return super().create(remote, wanted)
        except ApiError as error:
            if there or error.code != "EntityAlreadyExists":
                raise
            return wanted["name"], {}

    def update(self, remote: Account, old: Properties, wanted: Properties) -> None:
        doing, name = f"updating IAM User ({old['name']})", wanted["name"]
        if any(old.get(part) != wanted[part] for part in ("name", "path")):
            moved = {"UserName": old["name"], "NewUserName": name, "NewPath": wanted["path"]}
            remote.call(doing, "update_user", **moved)
        tags = wanted.get("tags") or {}
        if gone := sorted((old.get("tags") or {}).keys() - tags.keys()):
            remote.call(doing, "untag_user", UserName=name, TagKeys=gone)
        if tags:
            remote.call(doing, "tag_user", UserName=name, Tags=tag_set(tags))

    def delete(self, remote: Account, state: Properties) -> None:
        which, doing = self._which(state), f"deleting IAM User ({state['name']})"
        if state.get("forceDestroy"):
            for key in (remote.find(doing, "list_access_keys", **which) or {}).get("AccessKeyMetadata", ()):
                remote.find(doing, "delete_access_key", AccessKeyId=key["AccessKeyId"], **which)
        super().delete(remote, state)


class AccessKey(Thing):
    """A user's key, whose secret is told once: a refresh keeps it, and an imported key has none."""

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
