"""Client certificates for people, so that the API server can be asked what they may do, as themselves."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from rehearsal.files import read_json, write_json
from rehearsal.platform.certificates import Authority, Pair
from rehearsal.platform.kubeconfigs import write_kubeconfig
from rehearsal.platform.layout import AUTHORITY, Layout, server


def equip(layout: Layout, user: str, groups: Sequence[str], port: int) -> Path:
    """Give a person a certificate, unless there is one that lasts, and a kubeconfig that logs in with it.

    Args:
        layout: The platform's folder, locked by the caller.
        user: The user name the API server sees.
        groups: The groups it sees.
        port: Where the API server listens.
    """
    # The name alone would not do: two sets of groups, and characters that a file name can't have.
    digest = hashlib.sha256("\0".join([user, *groups]).encode()).hexdigest()[:10]
    folder = layout.people / f"{re.sub(r'[^a-zA-Z0-9.-]', '_', user)[:60]}-{digest}"
    if not (folder / "person.json").exists():
        write_json(folder / "person.json", {"user": user, "groups": list(groups)})
    pair = Pair.at(folder, "client")
    Authority(layout.certificates, AUTHORITY).issue(pair, user, groups)
    write_kubeconfig(
        folder / "kubeconfig",
        context=layout.context,
        server=server(port, layout.host),
        authority=layout.authority.certificate,
        client=pair,
    )
    return folder / "kubeconfig"


def renew(layout: Layout, port: int) -> None:
    """Write everybody's kubeconfig and certificate anew where they changed: a port moved, a certificate ends soon.

    Args:
        layout: The platform's folder, locked by the caller.
        port: Where the API server listens.
    """
    for file in layout.people.glob("*/person.json"):
        content = read_json(file) or {}
        user, groups = content.get("user"), content.get("groups")
        if isinstance(user, str) and isinstance(groups, list):
            equip(layout, user, [str(group) for group in groups], port)
