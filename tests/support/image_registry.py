"""What tests look at in a real registry on loopback."""

from __future__ import annotations

from typing import Any

import urllib3

from rehearsal.images.loopback import Served

_ACCEPTED = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json"


def tags(registry: Served, repository: str) -> list[str]:
    """What a repository calls by name."""
    answer = urllib3.request("GET", f"http://{registry.address}/v2/{repository}/tags/list")
    return sorted(answer.json().get("tags") or []) if answer.status == 200 else []


def document(registry: Served, path: str) -> Any:
    """A JSON document of the registry."""
    return urllib3.request("GET", f"http://{registry.address}/v2/{path}", headers={"Accept": _ACCEPTED}).json()
