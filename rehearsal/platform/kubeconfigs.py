"""Kubeconfigs that refer to certificate files and hold no secret themselves."""

from __future__ import annotations

from pathlib import Path

import yaml

from rehearsal.files import write
from rehearsal.platform.certificates import Pair


def write_kubeconfig(path: Path, *, context: str, server: str, authority: Path, client: Pair) -> bool:
    """Write a kubeconfig with one context.

    Args:
        path: The file, mode 0600; left alone if it already says this.
        context: Name of the context, the cluster and the user.
        server: URL of the API server.
        authority: Certificate that the server's one is checked with.
        client: Certificate and key to log in with.

    Returns:
        Whether the file changed.
    """
    user = {"client-certificate": str(client.certificate), "client-key": str(client.key)}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": context, "cluster": {"server": server, "certificate-authority": str(authority)}}],
        "users": [{"name": context, "user": user}],
        "contexts": [{"name": context, "context": {"cluster": context, "user": context}}],
        "current-context": context,
    }
    text = yaml.safe_dump(content, sort_keys=False)
    if path.is_file() and path.read_text(encoding="utf-8", errors="replace") == text:
        return False
    write(path, text)
    return True
