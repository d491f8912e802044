"""The data store's parts of a platform: S3 and IAM by versitygw, and PostgreSQL."""

from __future__ import annotations

import http.client
import platform
import signal
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from rehearsal import versions
from rehearsal.platform import keys, postgresql, tls_front
from rehearsal.platform.layout import Layout
from rehearsal.platform.part import Part
from rehearsal.platform.ports import LOOPBACK

_HEALTH = "/health"
# Relative: a Unix socket's path has at most 107 characters, and a checkout's path alone may be longer.
_SOCKET = "run/versitygw-iam.sock"
# Seconds that a health check may take.
_PATIENCE = 2.0


def healthy(port: int, authority: Path | None = None) -> bool:
    """Return whether versitygw, or its IAM service, says on its port that it works.

    Args:
        port: The port.
        authority: Who vouches for it, where it speaks TLS.
    """
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=_PATIENCE)
    if authority:
        trust = ssl.create_default_context(cafile=str(authority))
        connection = http.client.HTTPSConnection(LOOPBACK, port, timeout=_PATIENCE, context=trust)
    try:
        connection.request("GET", _HEALTH)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def listens(port: int) -> bool:
    """Return whether somebody takes connections on a port."""
    with suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=_PATIENCE):
        return True
    return False


def make_folders(layout: Layout) -> None:
    """Make the folders that versitygw wants to find."""
    for folder in (layout.users, layout.objects, layout.object_versions, layout.folder / "run"):
        folder.mkdir(mode=0o700, exist_ok=True)


def _root_keys(layout: Layout) -> Mapping[str, str]:
    found = keys.read(layout)
    return {"ROOT_ACCESS_KEY_ID": found.access_key, "ROOT_SECRET_ACCESS_KEY": found.secret_key}


def _users_mark(layout: Layout) -> str:
    return f"--dir={layout.users}"


def _users(layout: Layout, ports: Mapping[str, int], _: Path) -> tuple[str, ...]:
    return (
        f"--port={LOOPBACK}:{ports['versitygw-iam']}",
        f"--health={_HEALTH}",
        "--quiet",
        "iam",
        _users_mark(layout),
        f"--private-ports={_SOCKET}",
        "--private-socket-perm=0600",
    )


def _objects_mark(layout: Layout) -> str:
    return f"--versioning-dir={layout.object_versions}"


def _objects(layout: Layout, ports: Mapping[str, int], _: Path) -> tuple[str, ...]:
    pair = layout.pair("versitygw")
    bridge = (f"--port={layout.host}:{ports['versitygw']}", f"--cert={pair.certificate}", f"--key={pair.key}")
    return (
        f"--port={LOOPBACK}:{ports['versitygw']}",
        *(bridge if layout.machine else ()),
        f"--health={_HEALTH}",
        f"--region={layout.region}",
        "--quiet",
        # It changes to the folder of its buckets first, and looked for the socket there.
        f"--iam-standalone-endpoint=../{_SOCKET}",
        # A right that is taken away ends at once, and not two minutes later.
        "--iam-cache-disable",
        "posix",
        _objects_mark(layout),
        "--dir-perms=0700",
        "--file-perms=0600",
        str(layout.objects),
    )


def _front_mark(layout: Layout) -> str:
    return f"--key={layout.pair('postgresql').key}"


def _front(layout: Layout, ports: Mapping[str, int], _: Path) -> tuple[str, ...]:
    return (
        # Nothing of the shell, no site packages: it needs neither, and would start three times as slowly.
        *("-I", "-S", str(Path(tls_front.__file__))),
        f"--certificate={layout.pair('postgresql').certificate}",
        _front_mark(layout),
        f"--listen={ports['postgresql-tls']}",
        f"--server={ports['postgresql']}",
        *([f"--address={layout.address}"] if layout.address else []),
        *([f"--bridge={layout.host}"] if layout.machine else []),
    )


_UNPROTECTED = "Without TLS, on loopback; nothing is encrypted on disk."

DATABASE = Part(
    name="postgresql",
    program="postgres",
    built_in="postgresql",
    version=postgresql.version,
    port="postgresql",
    scheme="postgresql",
    real=True,
    about=(
        "Real: the PostgreSQL server, with roles, and with its log archived so that it can be read as of any time "
        f"since its first start. One server, no standby. {_UNPROTECTED}"
    ),
    mark=postgresql.mark,
    arguments=postgresql.arguments,
    works_in=lambda layout: layout.database,
    owner=postgresql.owner,
    through=postgresql.through,
    # SIGTERM waits for every client to go; SIGINT sends them away.
    stop=signal.SIGINT,
)

STORE = (
    Part(
        name="versitygw-iam",
        program="versitygw",
        built_in="versitygw",
        version=versions.versitygw,
        port="versitygw-iam",
        scheme="http",
        real=True,
        about=f"Real: users, access keys and policies, asked by AWS' own IAM protocol. {_UNPROTECTED}",
        mark=_users_mark,
        arguments=_users,
        secrets=_root_keys,
    ),
    Part(
        name="versitygw",
        program="versitygw",
        built_in="versitygw",
        version=versions.versitygw,
        port="versitygw",
        scheme="http",
        real=True,
        about=(
            "Real: S3 with versions, multipart uploads, bucket and user policies, on files. Its API has no lifecycle, "
            f"encryption or public access block: expiry by age is not rehearsed. {_UNPROTECTED}"
        ),
        mark=_objects_mark,
        arguments=_objects,
        works_in=lambda layout: layout.objects,
        secrets=_root_keys,
    ),
    DATABASE,
    Part(
        name="postgresql-tls",
        program="python3",
        built_in="python",
        version=lambda: f"v{platform.python_version()}",
        port="postgresql-tls",
        scheme="postgresql",
        real=True,
        about=(
            "Real: TLS to the database with a certificate of this platform's authority, for clients that check it. A "
            "program of this project, as the server comes without TLS; plain connections go to the server's own port."
        ),
        mark=_front_mark,
        arguments=_front,
    ),
)
