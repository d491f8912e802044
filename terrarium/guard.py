"""The destructive-change guard: what must never happen as a side effect of `up`.

`protect` stands behind it for plain `pulumi`; the guard comes first, because it can say what would be lost and why.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from components.settings.models import AnySettings
from policies.gates.refusal import REFUSED
from terrarium.plan import Step

# Type token → what is lost with it.
STATEFUL: Mapping[str, str] = {
    "kubernetes:core/v1:Namespace": "everything in the namespace",
    "kubernetes:core/v1:PersistentVolumeClaim": "the data on the volume",
    "kubernetes:core/v1:PersistentVolume": "the data on the volume",
    "kubernetes:apps/v1:StatefulSet": "the pods that serve the data, all at once",
    "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition": "every object of the kind, in every namespace",
    "aws:s3/bucket:Bucket": "every object in the bucket",
    "aws:s3/bucketV2:BucketV2": "every object in the bucket",
    "aws:rds/instance:Instance": "every database on the server, and its backups",
    "aws:rds/cluster:Cluster": "every database of the cluster, and its backups",
    "aws:kms/key:Key": "all that was encrypted by the key, backups too",
    "aws:ecr/repository:Repository": "the images that run",
    "aws:eks/cluster:Cluster": "all that runs in the cluster",
    "aws:ec2/vpc:Vpc": "the network, and all that is reached through it",
    "aws:ec2/subnet:Subnet": "all machines and databases in the subnet",
    "gcp:storage/bucket:Bucket": "every object in the bucket",
    "gcp:sql/databaseInstance:DatabaseInstance": "every database on the server, and its backups",
    "gcp:kms/keyRing:KeyRing": "all that was encrypted by its keys, backups too",
    "gcp:kms/cryptoKey:CryptoKey": "all that was encrypted by the key, backups too",
    "gcp:artifactregistry/repository:Repository": "the images that run",
    "gcp:container/cluster:Cluster": "all that runs in the cluster",
    "gcp:compute/network:Network": "the network, and all that is reached through it",
    "gcp:compute/subnetwork:Subnetwork": "all machines in the subnetwork",
    "gcp:organizations/project:Project": "everything in the project",
    "scaleway:object/bucket:Bucket": "every object in the bucket",
    "scaleway:databases/instance:Instance": "every database on the server, and its backups",
    "scaleway:kubernetes/cluster:Cluster": "all that runs in the cluster",
    "scaleway:network/vpc:Vpc": "the network, and all that is reached through it",
    "scaleway:network/privateNetwork:PrivateNetwork": "all machines and databases in the network",
    "postgresql:index/database:Database": "every table of the database",
    "random:index/randomId:RandomId": "the environment's identity, to which its data is bound",
}
_DESTRUCTIVE = {"delete", "replace"}


def destructive(steps: Iterable[Step]) -> Iterator[tuple[Step, str]]:
    """Yield each step that would destroy something stateful, with a sentence that says what and why."""
    for step in steps:
        lost = STATEFUL.get(step.type)
        if lost is None or step.op not in _DESTRUCTIVE:
            continue
        because = f" because {', '.join(step.properties)} changed" if step.properties else ""
        what = f" ({step.id})" if step.id else ""
        yield step, f"would {step.op} {step.kind} {step.name}{what}{because}: {lost} would be lost"


# What the engine says of a protected resource that it should replace, and of one that it should delete (pkg/v3,
# resource/deploy/step_generator.go).
_KEPT = "because it is protected"
# What the engine adds to any error of a preview.
_ENDED = "preview failed"
_PROTECTED = ("marked for protection", _KEPT)


def protected(errors: Iterable[tuple[str | None, str]]) -> list[str]:
    """Return a sentence for each resource at which the engine stopped because it is protected.

    Args:
        errors: (urn, message) as the engine reported them.
    """
    return [_protected(urn) for urn, message in errors if urn and any(words in message for words in _PROTECTED)]


def planned_whole(errors: Iterable[tuple[str | None, str]]) -> bool:
    """Tell whether the engine has planned all that is declared, although it ended with errors.

    Args:
        errors: (urn, message) as the engine reported them.
    """
    # Rules refuse when the program has declared everything, and what is no longer declared is deleted last.
    messages = [message for _, message in errors if message != _ENDED]
    return bool(messages) and all(message.startswith(REFUSED) or _KEPT in message for message in messages)


def _protected(urn: str) -> str:
    *_, path, name = urn.split("::")
    token = path.rsplit("$", 1)[-1]
    lost = STATEFUL.get(token, "it and what depends on it")
    return f"would replace or delete {token.rsplit(':', 1)[-1]} {name}, which is protected: {lost} would be lost"


# Type token → where its outputs say that the cloud itself refuses to delete it, its name there, and what ends that.
_HELD: Mapping[str, tuple[tuple[str, ...], str, str]] = {
    "aws:eks/cluster:Cluster": (
        ("deletionProtection",),
        "name",
        "aws eks update-cluster-config --no-deletion-protection --name",
    ),
    "aws:rds/instance:Instance": (
        ("deletionProtection",),
        "identifier",
        "aws rds modify-db-instance --no-deletion-protection --apply-immediately --db-instance-identifier",
    ),
    "gcp:sql/databaseInstance:DatabaseInstance": (
        ("settings", "deletionProtectionEnabled"),
        "name",
        "gcloud sql instances patch --no-deletion-protection",
    ),
}
# These are held by the provider alone, which asks the state: as `protect`, a destroy that was agreed to lifts it.
_HELD_BY_STATE = ("gcp:container/cluster:Cluster", "gcp:sql/databaseInstance:DatabaseInstance")


def held(state: Mapping[str, Any]) -> dict[str, str]:
    """Return what the cloud itself refuses to delete, by URN: a sentence with the command that ends that.

    Args:
        state: The exported state.
    """
    found = {}
    for resource in state.get("resources") or ():
        path, name, command = _HELD.get(resource["type"], ((), "", ""))
        outputs = value = resource.get("outputs") or {}
        for key in path:
            value = value.get(key) or {}
        if path and value is True:
            kind = resource["type"].rsplit(":", 1)[-1]
            found[resource["urn"]] = f"{kind} {outputs.get(name)} is held by its cloud: {command} {outputs.get(name)}"
    return found


def lifted(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return a state in which no provider refuses to delete what the cloud itself would.

    Args:
        state: The exported state.
    """
    free = {"deletionProtection": False}
    return {
        **state,
        "resources": [
            {
                **each,
                "inputs": {**(each.get("inputs") or {}), **free},
                "outputs": {**(each.get("outputs") or {}), **free},
            }
            if each["type"] in _HELD_BY_STATE
            else each
            for each in state.get("resources") or ()
        ],
    }


FIXED: Mapping[str, tuple[str, ...]] = {
    "environment": ("project", "name", "tier"),
    "platform": ("name",),
    "lake": ("name",),
}
"""Settings that are fixed when a stack is first brought up."""


def fixed_at_creation(outputs: Mapping[str, Any], kind: str, settings: AnySettings) -> Iterator[tuple[str, str]]:
    """Yield (key, message) for each fixed setting that differs from what the stack was created with.

    Args:
        outputs: The stack's outputs; empty before the first `up`.
        kind: `environment`, `platform` or `lake`, as declared now.
        settings: What is declared now.
    """
    created = outputs.get("kind")
    if created is None:
        return
    if created != kind:
        yield "kind", f"the stack was created as {created} and is now declared as {kind}"
        return
    for key in FIXED[kind]:
        before, now = outputs.get(key), str(getattr(settings, key))
        if before is not None and before != now:
            yield key, f"`{key}` was `{before}` when the stack was created and is fixed since; now it says `{now}`"
