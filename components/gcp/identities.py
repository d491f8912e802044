"""Who may use a store's objects: service accounts of its namespace and groups of people, by name. No key exists.

Follows cloud.google.com: GKE ("About Workload Identity Federation for GKE", principal identifiers), Cloud Storage ("IAM
roles", "Use IAM Conditions on buckets"), IAM ("Attribute reference for IAM Conditions": a listing names no object, but
its prefix).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi_gcp import storage

from components.gcp.place import Project
from components.stores import layout
from components.stores.who import Key, Who

_WRITE, _READ = "roles/storage.objectUser", "roles/storage.objectViewer"


@dataclass(frozen=True)
class Bucket:
    """A bucket of Cloud Storage.

    Args:
        kind: What kind of objects it holds.
        name: Its name.
        adopted: Whether it was there before: then others' rights to it stay.
    """

    kind: str
    name: pulumi.Input[str]
    adopted: bool


@dataclass(frozen=True)
class Rights:
    """Gives identities their rights.

    Args:
        name: Prefix of the logical names.
        namespace: The namespace of their service accounts.
        project: The project of their cluster.
        after: The cluster, where it is made with them: IAM takes no member of a project's pool of workload identities
            before the project has its first cluster ("Identity Pool does not exist").
    """

    name: str
    namespace: str
    project: Project
    after: Sequence[pulumi.Resource] = ()

    @property
    def _opts(self) -> pulumi.ResourceOptions:
        return self.project.merged(pulumi.ResourceOptions(depends_on=list(self.after)))

    def principal(self, who: Who) -> pulumi.Output[str]:
        """Return the IAM member that an identity's service account is, in any cluster of the project."""
        project = self.project
        pool = f"/locations/global/workloadIdentityPools/{project.workload_pool}"
        subject = f"{pool}/subject/ns/{self.namespace}/sa/{service_account(who)}"
        return pulumi.Output.concat("principal://iam.googleapis.com/projects/", project.number, subject)

    def give(self, buckets: Sequence[Bucket], who: Who, people: Sequence[str]) -> None:
        """Let an identity use buckets.

        Args:
            buckets: The store's own.
            who: The identity.
            people: IAM members that may do the same.
        """
        role = _WRITE if who.writes else _READ
        for bucket in buckets:
            logical = f"{self.name}-{bucket.kind}-{who.name}"
            if bucket.adopted:
                self._members(logical, bucket, role, who, people)
            else:
                # All who have the role in this way: whoever was added by hand is taken out.
                storage.BucketIAMBinding(
                    logical,
                    bucket=bucket.name,
                    role=role,
                    members=[self.principal(who), *people],
                    condition=_binding_condition(bucket, who),
                    opts=self._opts,
                )

    def read(self, lake: pulumi.Input[str], who: Who, people: Sequence[str]) -> None:
        """Let an identity read a lake, beside all others that may.

        Args:
            lake: The lake's bucket.
            who: The identity.
            people: IAM members that may do the same.
        """
        whole = Who(who.name, writes=False)
        self._members(f"{self.name}-lake-{who.name}", Bucket("lake", lake, adopted=True), _READ, whole, people)

    def _members(self, logical: str, bucket: Bucket, role: str, who: Who, people: Sequence[str]) -> None:
        members: Mapping[str, pulumi.Input[str]] = {"pods": self.principal(who)} | {
            re.sub(r"[^a-z0-9]+", "-", each.lower()): each for each in people
        }
        for called, member in members.items():
            storage.BucketIAMMember(
                f"{logical}-{called}",
                bucket=bucket.name,
                role=role,
                member=member,
                condition=_member_condition(bucket, who),
                opts=self._opts,
            )


def service_account(who: Who) -> str:
    """Return the name of an identity's service account."""
    return f"store-{who.name}"


def key(who: Who) -> Key:
    """Return what an identity reaches objects with: what its pods are, and no file."""
    return Key({}, service_account(who))


def condition(bucket: str, prefix: str) -> str:
    """Return the condition under which an identity may use a bucket: what begins with its prefix.

    Args:
        bucket: The bucket's name.
        prefix: The prefix, which the settings let hold no quote.
    """
    objects = f"projects/_/buckets/{bucket}/objects/{prefix}"
    # Without the second half nobody could list what they may read; without its prefix they would see every name.
    listing = f"api.getAttribute('storage.googleapis.com/objectListPrefix', '').startsWith('{prefix}')"
    return f"resource.name.startsWith('{objects}') || {listing}"


def _expression(bucket: Bucket, who: Who) -> pulumi.Output[str]:
    prefix = layout.prefix(who.bucket)
    return pulumi.Output.from_input(bucket.name).apply(lambda name: condition(name, prefix))


def _binding_condition(bucket: Bucket, who: Who) -> storage.BucketIAMBindingConditionArgs | None:
    if not who.bucket:
        return None
    return storage.BucketIAMBindingConditionArgs(title=f"bucket {who.bucket}", expression=_expression(bucket, who))


def _member_condition(bucket: Bucket, who: Who) -> storage.BucketIAMMemberConditionArgs | None:
    if not who.bucket:
        return None
    return storage.BucketIAMMemberConditionArgs(title=f"bucket {who.bucket}", expression=_expression(bucket, who))
