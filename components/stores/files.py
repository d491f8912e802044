"""The files that a pod mounts to use a store, in the formats that every S3 and PostgreSQL client reads. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

MOUNT = "/var/run/terrarium/store"
"""Where a pod finds them, as a folder."""
CONFIG, CREDENTIALS, SERVICE, DESCRIPTION = "config", "credentials", "pg_service.conf", "store.json"
AUTHORITIES = "ca.crt"
"""The certificate authorities that the servers are verified by, where they are not the system's."""
TOKEN = f"{MOUNT}-token/token"
"""Where a pod finds the token of its service account, if the store takes those."""
VERSION = 1
"""Version of `store.json`."""


def aws_config(
    endpoint: str, region: str, role: str | None = None, sts_endpoint: str | None = None, *, authorities: bool = False
) -> str:
    """Return an AWS config file.

    Args:
        endpoint: The S3 endpoint.
        region: Its region.
        role: ARN of the role to take with the service account's token; None where there are keys.
        sts_endpoint: Where tokens are exchanged, if there is a role.
        authorities: Whether certificate authorities that vouch for it stand beside it, see `AUTHORITIES`.
    """
    lines = ["[default]", f"region = {region}", "services = store", "s3 =", "    addressing_style = path"]
    if authorities:
        lines += [f"ca_bundle = {MOUNT}/{AUTHORITIES}"]
    if role:
        lines += [f"role_arn = {role}", f"web_identity_token_file = {TOKEN}"]
    lines += ["", "[services store]", "s3 =", f"    endpoint_url = {endpoint}"]
    if role:
        lines += ["sts =", f"    endpoint_url = {sts_endpoint or endpoint}"]
    return "\n".join(lines) + "\n"


def aws_credentials(access_key: str, secret_key: str) -> str:
    """Return an AWS credentials file."""
    return f"[default]\naws_access_key_id = {access_key}\naws_secret_access_key = {secret_key}\n"


def pg_service(database: Mapping[str, Any], user: str, password: str, *, authorities: bool = False) -> str:
    """Return a libpq connection service file.

    Args:
        database: `host`, `port`, `name` and `sslmode`.
        user: The login role.
        password: Its password: letters and digits, as the file's format has no quoting.
        authorities: Whether certificate authorities stand beside it, see `AUTHORITIES`.
    """
    values = {
        "host": database["host"],
        "port": database["port"],
        "dbname": database["name"],
        "sslmode": database["sslmode"],
        "user": user,
        "password": password,
    }
    if authorities:
        values["sslrootcert"] = f"{MOUNT}/{AUTHORITIES}"
    elif database["sslmode"] == "verify-full":
        # Else libpq looks for a file in the home folder, and ends without it.
        values["sslrootcert"] = "system"
    return "[store]\n" + "".join(f"{key}={value}\n" for key, value in values.items())


def description(content: Mapping[str, Any]) -> str:
    """Return `store.json`: what is where, and nothing secret."""
    return json.dumps({"version": VERSION, **content}, sort_keys=True)
