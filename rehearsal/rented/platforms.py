"""The embedded platforms behind a rehearsed cloud: one for each cluster, one for each account's buckets and databases.

They outlive the plugin that starts them. Each has a record in its folder, written before it is started: what was half
made, or was stopped, is found again by it and started by the next call.
"""

from __future__ import annotations

import hashlib
import os
import re
import socket
import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from rehearsal.files import read_json, write_json
from rehearsal.paths import local
from rehearsal.platform import Platform
from rehearsal.platform.layout import Layout

HOME = "TERRARIUM_REHEARSAL_HOME"
"""Variable that moves the rehearsed clouds, and the platforms behind them, out of the checkout."""
_RECORD = "rehearsed.json"
_LONGEST = 40  # characters of a platform's name
# As RDS and Cloud SQL call theirs: every other name is free for an administrator.
_SUPERUSERS = {"aws": "rdsadmin", "gcp": "cloudsqladmin"}
_starting: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)


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
    def platform(self) -> Platform:
        """The platform, started or not. Two clusters of one name, in two regions or accounts, have two."""
        identity = f"{self.account}/{self.region}/{self.cluster}" if self.cluster else ""
        # What the stand-in of the Kubernetes plugin takes for the release of Kueue, which the stack declares.
        return Platform(
            _short(f"{self.cloud}-{self.cluster or self.account}", identity), home(), queues=bool(self.cluster)
        )

    def start(self) -> Platform:
        """Start the platform, or what is missing of it, and return it. Quick when all of it runs.

        Raises:
            RehearsalError: It could not start.
        """
        platform = self.platform
        record = platform.folder / _RECORD
        # The engine asks for many things at once, and what runs a moment after its start does not answer yet.
        with _starting[platform.name]:
            if read_json(record) is None:
                if not self.cluster:
                    own = {"account": self.account, "region": self.region, "address": _address(platform)}
                    own["superuser"] = _SUPERUSERS[self.cloud]
                    write_json(Layout(platform.folder).service, own)
                write_json(record, asdict(self))
            if not platform.whole():
                platform.start()
        return platform


def home() -> Path:
    """Return the folder of the platforms behind rehearsed clouds."""
    chosen = os.environ.get(HOME)
    return Path(chosen).absolute() / "platforms" if chosen else local() / "platforms"


def found(cloud: str = "", account: str = "") -> list[Rehearsed]:
    """Return what was made and not removed, running or not, by the platforms' names.

    Args:
        cloud: Only of this cloud.
        account: Only of this account or project.
    """
    records = [read_json(file) or {} for file in sorted(home().glob(f"*/{_RECORD}"))]
    known = [Rehearsed(**record) for record in records if record.keys() == Rehearsed.__dataclass_fields__.keys()]
    return [it for it in known if cloud in ("", it.cloud) and account in ("", it.account)]


def heal(cloud: str = "", account: str = "") -> None:
    """Start what was made and does not run, such as after `make down` or a reboot; all at once.

    Args:
        cloud: Of this cloud; by default of all.
        account: Only of this account or project.

    Raises:
        RehearsalError: A platform could not start.
    """
    if stopped := [it for it in found(cloud, account) if not it.platform.whole()]:
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
    for it in found(cloud, account):
        it.platform.reset()


def _address(platform: Platform) -> str:
    numbers = hashlib.sha256(str(platform.folder).encode()).digest()
    # Above 127.64: the lower ones are what people give to something by hand.
    address = f"127.{64 + numbers[0] % 190}.{numbers[1]}.{1 + numbers[2] % 254}"
    with socket.socket() as probe:
        try:
            probe.bind((address, 5432))
        except OSError:
            return ""  # only Linux answers on all of 127.0.0.0/8; or somebody's server has the port on every address
    return address


def _short(text: str, identity: str) -> str:
    """Return a platform's name: what can stand in one, and a digest where that could be another's, too."""
    name = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    if not identity and name == text and len(name) <= _LONGEST:
        return name
    digest = hashlib.sha256((identity or text).encode()).hexdigest()[:6]
    return f"{name[: _LONGEST - len(digest) - 1].strip('-')}-{digest}"
