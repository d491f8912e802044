"""What a rehearsed cloud hands out that is real: a cluster is an embedded platform, an account's data are on another.

Platforms outlive the plugin that starts them. Each has a record in its folder, written before it is started: what was
half made, or was stopped, is found again by it and started by the next call.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rehearsal.errors import RehearsalError
from rehearsal.files import read_json, write, write_json
from rehearsal.paths import local
from rehearsal.platform import Platform
from rehearsal.platform.layout import Layout

HOME = "TERRARIUM_REHEARSAL_HOME"
"""Variable that moves the rehearsed clouds, and the platforms behind them, out of the checkout."""
_RECORD = "rehearsed.json"
# As `Platform` takes them.
_LONGEST = 40
# Seconds until the API server serves a kind that was just defined; it takes less than one.
_PATIENCE = 20.0

# What EKS Auto Mode defines in each cluster (EKS user guide, "Create a Node Class", "Create a Node Pool").
_AUTO_MODE = (
    ("karpenter.sh", "nodepools", "NodePool"),
    ("karpenter.sh", "nodeclaims", "NodeClaim"),
    ("eks.amazonaws.com", "nodeclasses", "NodeClass"),
)


@dataclass(frozen=True)
class Rehearsed:
    """What one platform stands for.

    Attributes:
        cloud: `aws` or `gcp`.
        account: Account or project.
        region: The region; of an account the one that was first asked for.
        cluster: The cluster's name; empty if it holds the account's buckets and databases.
    """

    cloud: str
    account: str
    region: str
    cluster: str = ""

    @property
    def name(self) -> str:
        """The platform's name; two clusters of one name, in two regions or accounts, have two."""
        if not self.cluster:
            return _short(f"{self.cloud}-{self.account}")
        return _short(f"{self.cloud}-{self.cluster}", f"{self.account}/{self.region}/{self.cluster}")

    @property
    def platform(self) -> Platform:
        """The platform, started or not."""
        return Platform(self.name, home())

    def start(self) -> Platform:
        """Start the platform, or what is missing of it, and return it. Quick when all of it runs.

        Raises:
            RehearsalError: It could not start.
        """
        platform, record = self.platform, self.platform.folder / _RECORD
        whole = platform.whole()
        if read_json(record) is None:
            write_json(record, asdict(self))
            if not self.cluster:
                write(Layout(platform.folder).region_file, self.region)
            whole = False
        if not whole:
            platform.start()
        return platform


def home() -> Path:
    """Return the folder of the platforms behind rehearsed clouds."""
    chosen = os.environ.get(HOME)
    return Path(chosen).absolute() / "platforms" if chosen else local() / "platforms"


def found(cloud: str = "", *, account: str = "", region: str = "", cluster: str | None = None) -> list[Rehearsed]:
    """Return what was made and not removed, running or not, by the platforms' names.

    Args:
        cloud: Only of this cloud.
        account: Only of this account or project.
        region: Only in this region.
        cluster: Only the clusters of this name, or with `""` only the accounts.
    """
    return [
        it
        for it in _recorded()
        if cloud in ("", it.cloud)
        and account in ("", it.account)
        and region in ("", it.region)
        and cluster in (None, it.cluster)
    ]


def _recorded() -> Iterator[Rehearsed]:
    for file in sorted(home().glob(f"*/{_RECORD}")):
        content = read_json(file) or {}
        words = [content.get(key) for key in ("cloud", "account", "region", "cluster")]
        if all(isinstance(word, str) for word in words):
            yield Rehearsed(*map(str, words))


def heal(cloud: str, account: str = "") -> None:
    """Start what was made and does not run, such as after `make down` or a reboot; all at once.

    Args:
        cloud: Of this cloud.
        account: Only of this account or project.

    Raises:
        RehearsalError: A platform could not start.
    """
    stopped = [it for it in found(cloud, account=account) if not it.platform.whole()]
    if stopped:
        with ThreadPoolExecutor(len(stopped)) as pool:
            list(pool.map(Rehearsed.start, stopped))


def reset(cloud: str = "", account: str = "") -> None:
    """End and delete the platforms behind a rehearsed cloud, with all that lives on them.

    Args:
        cloud: Of this cloud; by default of all.
        account: Only of this account or project.

    Raises:
        RehearsalError: A process survived.
    """
    for it in found(cloud, account=account):
        it.platform.reset()


@dataclass(frozen=True)
class Endpoint:
    """How a cluster is reached.

    Attributes:
        url: Of its API server.
        authority: PEM of the authority that signed the server's certificate, in Base64, as clouds give it.
    """

    url: str
    authority: str


def make_cluster(cloud: str, account: str, region: str, name: str) -> Endpoint:
    """Make a cluster, or what is missing of it, and return how it is reached. Asked again, it changes nothing.

    Args:
        cloud: `aws` or `gcp`; one of AWS has the kinds of EKS Auto Mode.
        account: Account or project.
        region: Its region.
        name: Its name.

    Raises:
        RehearsalError: It could not start.
    """
    platform = Rehearsed(cloud, account, region, name).start()
    if cloud == "aws":
        _define_auto_mode(platform)
    authority = Layout(platform.folder).authority.certificate.read_bytes()
    return Endpoint(f"https://127.0.0.1:{platform.port('kube-apiserver')}", base64.b64encode(authority).decode("ascii"))


def remove_cluster(cloud: str, account: str, region: str, name: str) -> None:
    """Delete a cluster with all that lives in it; nothing happens if there is none.

    Args:
        cloud: `aws` or `gcp`.
        account: Account or project.
        region: Its region.
        name: Its name.

    Raises:
        RehearsalError: A process survived.
    """
    Rehearsed(cloud, account, region, name).platform.reset()


def _define_auto_mode(platform: Platform) -> None:
    api = platform.api()
    definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    for group, plural, kind in _AUTO_MODE:
        name = f"{plural}.{group}"
        if api.get(f"{definitions}/{name}") is None:
            api.apply(f"{definitions}/{name}", _definition(name, group, plural, kind))
    deadline = time.monotonic() + _PATIENCE
    while not all(_serves(api.get(f"/apis/{group}/v1"), plural) for group, plural, _ in _AUTO_MODE):
        if time.monotonic() > deadline:
            raise RehearsalError(f"The platform '{platform.name}' does not serve the kinds of EKS Auto Mode.")
        time.sleep(0.05)


def _definition(name: str, group: str, plural: str, kind: str) -> dict[str, Any]:
    # Open: AWS publishes no schema of its own kinds, and one of ours would refuse what they take.
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema, "subresources": {"status": {}}}
    names = {"plural": plural, "singular": kind.lower(), "kind": kind, "listKind": f"{kind}List"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": name},
        "spec": {"group": group, "names": names, "scope": "Cluster", "versions": [version]},
    }


def _serves(listed: dict[str, Any] | None, plural: str) -> bool:
    return any(entry.get("name") == plural for entry in (listed or {}).get("resources", []))


def _short(text: str, identity: str = "") -> str:
    """Return a platform's name: what can stand in one, and a digest where that could be another's, too."""
    name = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    if not identity and name == text and len(name) <= _LONGEST:
        return name
    digest = hashlib.sha256((identity or text).encode()).hexdigest()[:6]
    return f"{name[: _LONGEST - len(digest) - 1].strip('-')}-{digest}"
