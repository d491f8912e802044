"""How a registry is told who asks: by what Docker's, podman's or a cloud's command left after signing in."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

from terrarium.errors import Refused
from terrarium.images.places import Place


def authorization(challenge: str, where: Place) -> str:
    """Return the header that answers a registry's challenge.

    Args:
        challenge: Its header `WWW-Authenticate`.
        where: The repository.

    Raises:
        Refused: Nobody has signed in to it here, or it takes what is there no longer.
    """
    # 0.3 s, and most builds of unchanged code ask a registry nothing that it keeps to itself.
    from oras.auth import get_auth_backend  # type: ignore[import-untyped]  # noqa: PLC0415 - it has no types
    from oras.container import Container  # type: ignore[import-untyped]  # noqa: PLC0415 - as above
    from oras.logger import setup_logger  # type: ignore[import-untyped]  # noqa: PLC0415 - as above

    setup_logger(quiet=True)
    scheme = "basic" if challenge.strip().lower().startswith("basic") else "token"
    backend = get_auth_backend(scheme, insecure=where.url.startswith("http:"))
    # By the name that people signed in to, not the address that serves it.
    backend.load_configs(Container(f"{where.host}/x", registry=where.host), [str(file) for file in _files()])
    if scheme == "basic" and not getattr(backend, "_basic_auth", None):
        raise _nobody(where)
    headers, changed = backend.authenticate_request(SimpleNamespace(headers={"Www-Authenticate": challenge}), {})
    if not changed or "Authorization" not in headers:
        raise _nobody(where)
    return str(headers["Authorization"])


def _nobody(where: Place) -> Refused:
    return Refused(
        f"{where.name} is only for those who signed in: run `docker login {where.host}` (or `podman login`), or set up "
        " the cloud's credential helper in ~/.docker/config.json"
    )


def _files() -> list[Path]:
    """Return where credentials may be, besides ~/.docker/config.json."""
    named = [os.environ.get("REGISTRY_AUTH_FILE")]
    if folder := os.environ.get("DOCKER_CONFIG"):
        named.append(f"{folder}/config.json")
    if folder := os.environ.get("XDG_RUNTIME_DIR"):
        named.append(f"{folder}/containers/auth.json")
    return [path for path in (Path(name) for name in named if name) if path.is_file()]
