"""Where a store's connection comes from: a mounted folder, or the cluster, asked with a person's own rights."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from terrarium.client.connection import FILES, Connection, parse
from terrarium.client.faults import StoreFailed, right
from terrarium.cluster import Cluster, Denied
from terrarium.errors import InvalidInput, Refused

# As in components.descriptor, which imports Pulumi's SDKs (0.7 s); a test holds them equal.
DESCRIPTOR_KEY = "descriptor.json"
DESCRIPTOR_NAMESPACE = "terrarium-system"


@dataclass(frozen=True)
class Published:
    """What everybody who works in an environment may read of it.

    Args:
        descriptor: What its stack says.
        annotations: What was noted since, as that it sleeps.
    """

    descriptor: dict[str, Any]
    annotations: Mapping[str, str]


class Source(Protocol):
    """Knows the way to one environment's store."""

    @property
    def environment(self) -> str:
        """The environment's id."""

    def connection(self, bucket: str | None, wanted: Sequence[str]) -> Connection:
        """Return the way, by the first identity that there is and that may be used.

        Args:
            bucket: A bucket of the environment, or None for all of it.
            wanted: Identities, the best one first. A bucket's own comes before these.

        Raises:
            Refused: If none may be used.
            InvalidInput: If there is no store, no such bucket, or what describes it can't be read.
        """


class Folder:
    """A folder with a store's files, as pods have it mounted: it holds one identity.

    Args:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def environment(self) -> str:
        """The environment's id."""
        return self._read().environment

    def connection(self, bucket: str | None, wanted: Sequence[str]) -> Connection:
        """Return the way; see `Source`. The one identity is taken, unless others were asked for by name."""
        found = self._read()
        if bucket is None and found.identity not in wanted and found.bucket is None:
            raise Refused(f"{self._path} holds identity {found.identity}, not {' or '.join(wanted)}")
        return found if bucket is None else found.narrowed(bucket)

    def _read(self) -> Connection:
        files = {}
        for name in FILES:
            try:
                files[name] = (self._path / name).read_text(encoding="utf-8")
            except FileNotFoundError:
                continue
            except (OSError, UnicodeDecodeError) as error:
                raise InvalidInput(f"{self._path / name} can't be read: {type(error).__name__}") from None
        return parse(files, f"folder {self._path}", self._path)


class InCluster:
    """An environment whose descriptor and Secrets are asked of the cluster's API server.

    Args:
        environment: The environment's id.
        access: How to reach the cluster: `context`, and `kubeconfig` if it is not the site's.
        kubeconfig: The site's kubeconfig; None for the one that kubectl would take.
        root: The project's checkout; None outside of one.
    """

    def __init__(
        self, environment: str, access: Mapping[str, str], kubeconfig: str | None, root: Path | None = None
    ) -> None:
        self._id = environment
        self._context = access["context"]
        self.cluster = Cluster(access, kubeconfig)
        """The cluster, by this person's rights."""
        self.root = root
        """The project's checkout; None outside of one."""

    @property
    def environment(self) -> str:
        """The environment's id."""
        return self._id

    def connection(self, bucket: str | None, wanted: Sequence[str]) -> Connection:
        """Return the way; see `Source`. Whoever may use the whole store reaches each bucket by that."""
        files, where = self.files(bucket, wanted)
        found = parse(files, where)
        return found if bucket is None else found.narrowed(bucket)

    def files(self, bucket: str | None, wanted: Sequence[str]) -> tuple[dict[str, str], str]:
        """Return the files that say the way, and where they are from, for messages. They hold keys.

        Args:
            bucket: As for `connection`.
            wanted: As for `connection`.

        Raises:
            Refused: As `connection`.
            InvalidInput: As `connection`.
        """
        descriptor = self.descriptor()
        store = descriptor.get("store")
        if not store:
            raise InvalidInput(
                f"environment {self._id} has no store: declare one in its stack file, under cloud.<cloud>.store, "
                "and run `terrarium up`"
            )
        if bucket is not None and bucket not in store["buckets"]:
            known = ", ".join(store["buckets"]) or "none"
            raise InvalidInput(f"environment {self._id} has no bucket `{bucket}`; it has: {known}")
        own = [] if bucket is None else [f"bucket-{bucket}"]
        candidates = [name for name in (*own, *wanted) if name in store["identities"]]
        if not candidates:
            known = ", ".join(store["identities"])
            raise InvalidInput(f"environment {self._id} has no identity {' or '.join(wanted)}; it has: {known}")
        for identity in candidates:
            secret = store["identities"][identity]["secret"]
            try:
                files = self.cluster.secret(secret, descriptor["namespace"])
            except Denied:
                continue
            if files is None:
                raise StoreFailed(
                    f"Secret {descriptor['namespace']}/{secret} of {identity} is missing: somebody deleted it, "
                    "and `terrarium up` makes it anew"
                )
            return files, f"Secret {descriptor['namespace']}/{secret}"
        raise Refused(self._denied(candidates, descriptor, bucket))

    def _denied(self, candidates: Sequence[str], descriptor: Mapping[str, Any], bucket: str | None) -> str:
        reasons = "; ".join(right(identity, descriptor.get("tier")) for identity in candidates)
        buckets = descriptor["store"]["buckets"]
        hint = ""
        if bucket is None and buckets:
            hint = (
                f'. If one of the buckets {", ".join(buckets)} is yours, ask for it (`-b NAME`, or ["NAME"] in Python)'
            )
        return f"you may not use the store of {self._id} as {' or '.join(candidates)}: {reasons}{hint}"

    def descriptor(self) -> dict[str, Any]:
        """Return what the environment publishes about itself; errors as for `published`."""
        return self.published().descriptor

    def published(self) -> Published:
        """Return what the environment publishes about itself, and what is noted there.

        Raises:
            Refused: If this person has no right in the environment.
            InvalidInput: If there is no such environment, or what it publishes can't be read.
        """
        try:
            found = self.cluster.config_map(self._id, DESCRIPTOR_NAMESPACE)
        except Denied:
            raise Refused(
                f"you have no right in environment {self._id}: ask its owner to add a group of yours under `people`, "
                "or you under one of its `buckets`, in its stack file"
            ) from None
        if found is None:
            raise InvalidInput(
                f"the cluster of context {self._context} has no environment {self._id}: is it another's, or not up "
                "yet (`terrarium up`)?"
            )
        try:
            descriptor: dict[str, Any] = json.loads(found.data[DESCRIPTOR_KEY])
        except (KeyError, ValueError):
            raise InvalidInput(
                f"the descriptor of {self._id} can't be read; `terrarium up` of the environment restores it"
            ) from None
        return Published(descriptor, found.annotations)
