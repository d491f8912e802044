"""An existing cluster, with S3 and PostgreSQL servers that its owner runs."""

from __future__ import annotations

import atexit
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from pulumi.runtime.mocks import MockCallArgs, MockResourceArgs

from tests.support import recording

# What a new object must be made for: names and places (kubernetes.io, "Object Names and IDs"), a class's value, a
# Job's pods, what a role binding refers to, a claim's class and access modes (API reference, fields marked immutable).
_FIXED = (
    *("metadata.name", "metadata.namespace", "roleRef", "value", "preemptionPolicy", "immutable", "type"),
    # Of a StorageClass (API reference: all but labels, mount options and whether volumes may grow).
    *("parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"),
)
_POSTGRESQL_FIXED = {
    "postgresql:index/database:Database": {"template", "encoding", "lcCollate", "lcCtype"},
    "postgresql:index/schema:Schema": {"database"},
    "postgresql:index/grant:Grant": {"database", "role", "schema", "objectType", "objects"},
    "postgresql:index/defaultPrivileges:DefaultPrivileges": {"database", "role", "owner", "schema", "objectType"},
}
_AWS_FIXED = {"aws:s3/bucket:Bucket": {"bucket"}, "aws:iam/accessKey:AccessKey": {"user"}}
_NAMED = {
    "aws:s3/bucket:Bucket": frozenset({"bucket"}),
    "aws:iam/user:User": frozenset({"name"}),
    "postgresql:index/database:Database": frozenset({"name"}),
    "postgresql:index/role:Role": frozenset({"name"}),
}


_OWN = {
    **{"context": "c", "kueue": True},
    "pools": {"general": {"labels": {"node-group": "general"}, "cpu": 7, "memory": "28Gi", "max": 9}},
}


def _connections() -> None:
    folder = Path(mkdtemp(prefix="terrarium-conformance-"))
    # The variables name these files until the process ends.
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    service = "[here]\nhost=127.0.0.1\nuser=terrarium\npassword=hidden\nsslmode=disable\n"
    for variable, text in {
        "AWS_CONFIG_FILE": "[profile here]\nendpoint_url = http://127.0.0.1:9000\n",
        "AWS_SHARED_CREDENTIALS_FILE": "[here]\naws_access_key_id = admin\naws_secret_access_key = hidden\n",
        "PGSERVICEFILE": service,
    }.items():
        file = folder / variable.lower()
        file.write_text(text, encoding="utf-8")
        os.environ[variable] = str(file)


def kubernetes_replaces(kind: str, changed: str) -> bool:
    """Tell whether a changed field makes a new object, or a database's thing anew."""
    if kind.startswith("postgresql:"):
        return changed in _POSTGRESQL_FIXED.get(kind, set())
    if kind.startswith("kubernetes:core/v1:Secret") and changed.startswith("stringData"):
        return False
    return any(changed == field or changed.startswith(f"{field}.") for field in _FIXED)


class KubernetesHarness:
    cloud = "kubernetes"
    sdks = frozenset({"pulumi_aws"})
    offers = frozenset({"store"})

    def block(self, tier: str, *, shared: bool = False) -> dict[str, Any]:
        _connections()
        store = {
            "objects": {"profile": "here", "without": {"encryption": "a test"}},
            "database": {"service": "here", "point_in_time": ["restore"]},
        }
        own = _OWN if tier == "production" and not shared else {"context": "c", "kueue": True, "platform": "shared"}
        return {"cloud": {"kubernetes": {**own, "store": store}}}

    def platform(self, tiers: list[str]) -> dict[str, Any]:
        del tiers
        return {"cloud": {"kubernetes": _OWN}}

    def made(self, args: MockResourceArgs) -> Mapping[str, Any]:
        return recording.nothing_more(args)

    def answer(self, args: MockCallArgs) -> Mapping[str, Any]:
        return recording.no_answer(args)

    def replaces(self, kind: str, changed: str) -> bool:
        return changed in _AWS_FIXED.get(kind, set()) or kubernetes_replaces(kind, changed)

    def named(self, kind: str) -> frozenset[str]:
        return _NAMED.get(kind, frozenset())


harness = KubernetesHarness()
