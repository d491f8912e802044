"""What an engine that was killed leaves behind: a lock, and creations of which nobody knows whether they happened."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import psutil

# As the engine's file, S3, GCS and Azure backends say it:
#   s3://…/locks/…/UUID.json: created by ana@laptop (pid 4711) at 2026-11-21T14:35:02Z
_LOCK = re.compile(
    r"(?P<file>[\w-]+\.json)(?:\?\S*)?: created by (?P<user>\S+)@(?P<host>\S+) \(pid (?P<pid>\d+)\) at (?P<time>\S+)"
)


@dataclass(frozen=True)
class Lock:
    """Who holds a stack.

    Args:
        user: The user's name on that host.
        host: The host's name.
        pid: The engine's process there.
        time: When it was taken, RFC 3339.
        file: The lock's file name in the backend.
    """

    user: str
    host: str
    pid: int
    time: str
    file: str

    def is_dead(self) -> bool:
        """Tell whether the holder ran on this host and is gone.

        A process that was born after the lock was taken is another one with the same number.
        """
        if self.host != socket.gethostname():
            return False
        try:
            process = psutil.Process(self.pid)
            born, ended = process.create_time(), process.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True
        return ended or born > datetime.fromisoformat(self.time).timestamp() + 1

    def __str__(self) -> str:
        return f"{self.user}@{self.host} (process {self.pid}) since {self.time}"


def locks(message: str) -> list[Lock]:
    """Return the locks that an engine's error message names."""
    return [
        Lock(match["user"], match["host"], int(match["pid"]), match["time"], match["file"])
        for match in _LOCK.finditer(message)
    ]


def clear_dead(url: str, held: Iterable[Lock]) -> list[Lock]:
    """Delete the locks of dead processes and return those that are left.

    Only in a folder of states. In a bucket the same host name may be another container, whose processes can't be seen
    from here. `pulumi cancel` is not used: it deletes every lock, one that somebody took a moment ago too.

    Args:
        url: The backend.
        held: The locks that stand in the way.
    """
    folder = _folder(url)
    left = []
    for lock in held:
        if folder is None or not lock.is_dead():
            left.append(lock)
            continue
        for path in (folder / "locks").rglob(lock.file):
            path.unlink(missing_ok=True)
    return left


@dataclass(frozen=True)
class PendingCreate:
    """A creation that was begun and never confirmed.

    Args:
        urn: The resource's URN.
        type: Its type token.
        name: The id under which the provider finds it if it was made; None if its name was left to the cloud.
        labels: The labels, or tags, that were sent with it.
        again: Whether it can simply be made again: it has nothing outside the state (components, providers, the stack
            itself, what the `random` provider draws), or making it twice is making it once (policies, grants).
        user: The IAM user whose key it would have been. Its secret half is lost: what was made must be revoked.
    """

    urn: str
    type: str
    name: str | None
    labels: Mapping[str, str]
    again: bool
    user: str | None = None


ACCESS_KEY = "aws:iam/accessKey:AccessKey"
# Of these, how the id follows from the inputs that the engine noted.
_NAMED: Mapping[str, Callable[[Mapping[str, Any]], str | None]] = {
    "aws:s3/bucket:Bucket": lambda inputs: inputs.get("bucket"),
    "aws:iam/user:User": lambda inputs: inputs.get("name"),
    "aws:iam/role:Role": lambda inputs: inputs.get("name"),
    "postgresql:index/database:Database": lambda inputs: inputs.get("name"),
    "postgresql:index/role:Role": lambda inputs: inputs.get("name"),
    "postgresql:index/schema:Schema": lambda inputs: f"{inputs['database']}.{inputs['name']}",
}
# These say how something that has a resource of its own is to be; saying it twice changes nothing.
_IDEMPOTENT = frozenset(
    {
        *(f"aws:s3/{kind[0].lower()}{kind[1:]}:{kind}" for kind in ("BucketVersioning", "BucketPolicy")),
        "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
        "aws:iam/userPolicy:UserPolicy",
        "aws:iam/rolePolicy:RolePolicy",
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
        "aws:ecr/lifecyclePolicy:LifecyclePolicy",
        "aws:eks/accessPolicyAssociation:AccessPolicyAssociation",
        "gcp:projects/service:Service",
        "gcp:projects/serviceIdentity:ServiceIdentity",
        "gcp:projects/iAMMember:IAMMember",
        "gcp:serviceaccount/iAMMember:IAMMember",
        "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember",
        "gcp:storage/bucketIAMMember:BucketIAMMember",
        "gcp:storage/bucketIAMBinding:BucketIAMBinding",
        "gcp:artifactregistry/repositoryIamMember:RepositoryIamMember",
        "gcp:binaryauthorization/policy:Policy",
        "postgresql:index/grant:Grant",
        "postgresql:index/defaultPrivileges:DefaultPrivileges",
    }
)


def pending_creates(deployment: Mapping[str, Any]) -> Iterator[PendingCreate]:
    """Yield the unconfirmed creations of an exported state.

    Args:
        deployment: The `deployment` of an exported stack.
    """
    for operation in deployment.get("pending_operations") or ():
        if operation["type"] == "creating":
            resource = operation["resource"]
            token = resource["type"]
            inputs = resource.get("inputs") or {}
            yield PendingCreate(
                urn=resource["urn"],
                type=token,
                name=_name(token, inputs),
                labels=_marks(inputs),
                again=_again(token, custom=bool(resource.get("custom"))),
                user=inputs.get("user") if token == ACCESS_KEY else None,
            )


def _again(token: str, *, custom: bool) -> bool:
    return not custom or token.startswith(("pulumi:", "random:")) or token in _IDEMPOTENT or token == ACCESS_KEY


def _marks(content: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the labels or tags in a resource's inputs or outputs, by which its owner is known."""
    return (content.get("metadata") or {}).get("labels") or content.get("tags") or {}


def _name(token: str, inputs: Mapping[str, Any]) -> str | None:
    """Return the name that was sent: the engine noted it before it called the provider."""
    if token in _NAMED:
        return _NAMED[token](inputs)
    if not token.startswith("kubernetes:"):
        return None
    metadata = inputs.get("metadata") or {}
    name, namespace = metadata.get("name"), metadata.get("namespace")
    return f"{namespace}/{name}" if name and namespace else name


def adopted(state: Mapping[str, Any], pending: Iterable[PendingCreate]) -> dict[str, Any]:
    """Return an exported state in which unconfirmed creations are resources, as if they had been confirmed.

    A refresh of these then reads what exists and drops what does not. The engine's own
    `refresh --import-pending-creates` promises this, and in v3.250.0 forgets them: the next `up` fails because the
    objects exist already.

    Args:
        state: The exported state.
        pending: The unconfirmed creations that can be found by name; all others are dropped, to be made again.
    """
    names = {item.urn: item.name for item in pending if item.name is not None}
    confirmed = [
        {**resource, "id": names[resource["urn"]], "outputs": resource.get("inputs") or {}}
        for resource in (operation["resource"] for operation in state.get("pending_operations") or ())
        if resource["urn"] in names
    ]
    before = (
        _replaced(resource) if resource["urn"] in names else resource for resource in state.get("resources") or ()
    )
    kept = [resource for resource in before if resource is not None]
    return {**state, "resources": [*kept, *confirmed], "pending_operations": []}


def key_users(state: Mapping[str, Any], urns: Collection[str]) -> set[str]:
    """Return the IAM users whose access keys have these URNs.

    Args:
        state: The exported state.
        urns: The keys' URNs.
    """
    return {r["inputs"]["user"] for r in state.get("resources") or () if r["urn"] in urns and r["type"] == ACCESS_KEY}


def keys_in_use(state: Mapping[str, Any]) -> frozenset[str]:
    """Return the ids of the IAM access keys that a state knows of."""
    return frozenset(r["id"] for r in state.get("resources") or () if r["type"] == ACCESS_KEY and r.get("id"))


def _replaced(resource: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return what is left of a resource whose replacement was being made: nothing, or something still to delete."""
    return None if resource.get("pendingReplacement") else {**resource, "delete": True}


def foreign(state: Mapping[str, Any], pending: Iterable[PendingCreate]) -> list[str]:
    """Return the URNs of adopted resources that are somebody else's: they lack labels that our creation sends.

    Args:
        state: The state after the adopted ones were read.
        pending: The creations that were unconfirmed.
    """
    sent = {item.urn: item.labels for item in pending}
    strangers = []
    for resource in state.get("resources") or ():
        if resource["urn"] in sent and not resource.get("delete"):
            found = _marks(resource.get("outputs") or {})
            # S3 and IAM are tagged in a second call, and a kill may fall between: the uid in the name says whose it is.
            if not found and resource["type"].startswith("aws:"):
                continue
            if any(found.get(key) != value for key, value in sent[resource["urn"]].items()):
                strangers.append(resource["urn"])
    return strangers


def without(state: Mapping[str, Any], urns: Iterable[str]) -> dict[str, Any]:
    """Return a state without some resources; what they stand for in the world is left alone."""
    dropped = set(urns)
    return {**state, "resources": [r for r in state.get("resources") or () if r["urn"] not in dropped]}


def mend_file_backend(url: str) -> None:
    """Remove what an engine that was killed while it wrote leaves in a folder of states.

    The engine replaces a state in one step, but writes a `.attrs` file beside it in two; an empty one makes every later
    command end with `error: EOF`. It holds nothing but a checksum.

    Args:
        url: The backend; only `file://` ones can have been left so.
    """
    folder = _folder(url)
    for path in () if folder is None else folder.rglob("*.attrs"):
        with suppress(FileNotFoundError):  # a running engine replaces these
            if path.stat().st_size == 0:
                path.unlink()


def _folder(url: str) -> Path | None:
    """Return the folder of a file backend; None for any other."""
    if not url.startswith("file://"):
        return None
    return Path(unquote(url.removeprefix("file://").partition("?")[0])).expanduser() / ".pulumi"
