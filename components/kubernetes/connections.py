"""Administrators' connections, from the files that every client of the field reads: AWS profiles, libpq services."""

from __future__ import annotations

import configparser
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from components.contract import NotReached
from components.kubernetes.settings import DatabaseSettings, ObjectsSettings

_DEFAULT_REGION = "us-east-1"
_DEFAULT_PORT = "5432"
_VERIFIED = ("verify-full", "verify-ca")
_LOGIN = ("host", "user", "password")
SYSTEM = "system"
"""What libpq calls the system's certificate authorities."""


@dataclass(frozen=True)
class Profile:
    """An AWS profile.

    Args:
        name: Its name.
        region: Its region.
        endpoints: Its endpoint for each service that it names, and for all under an empty name.
        ca_bundle: File of certificate authorities, or None for the system's.
        access_key: Access key id.
        secret_key: Secret access key.
    """

    name: str
    region: str
    endpoints: Mapping[str, str]
    ca_bundle: str | None
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)


def profile(name: str, variables: Mapping[str, str]) -> Profile:
    """Read an AWS profile.

    Args:
        name: The profile's name.
        variables: AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE, if they are not where they usually are.

    Raises:
        NotReached: If it is not there, or holds no keys.
    """
    # Imported here: only who administers a store needs it. It reads the nested values that configparser does not.
    from botocore.configloader import load_config, raw_config_parse  # noqa: PLC0415
    from botocore.exceptions import ConfigNotFound, ConfigParseError  # noqa: PLC0415

    config_file = variables.get("AWS_CONFIG_FILE", "~/.aws/config")
    credentials_file = variables.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials")
    content: dict[str, Any] = {}
    keys: dict[str, Any] = {}
    try:
        content = load_config(config_file) if Path(config_file).expanduser().exists() else {}
        keys = raw_config_parse(credentials_file) if Path(credentials_file).expanduser().exists() else {}
    except (ConfigNotFound, ConfigParseError, OSError) as error:
        raise NotReached(f"AWS profile {name}: {type(error).__name__} in {config_file} or {credentials_file}") from None
    own = content.get("profiles", {}).get(name, {})
    both = {**own, **keys.get(name, {})}
    if not both.get("aws_access_key_id") or not both.get("aws_secret_access_key"):
        known = ", ".join(sorted({*content.get("profiles", {}), *keys})) or "none"
        raise NotReached(
            f"AWS profile {name} has no keys in {credentials_file} or {config_file}; profiles there: {known}. "
            "`make up` writes those of embedded platforms; for others set AWS_SHARED_CREDENTIALS_FILE"
        )
    services = content.get("services", {}).get(own.get("services"), {})
    found = {service: values["endpoint_url"] for service, values in services.items() if "endpoint_url" in values}
    return Profile(
        name=name,
        region=own.get("region", _DEFAULT_REGION),
        endpoints={"": own["endpoint_url"], **found} if "endpoint_url" in own else found,
        ca_bundle=own.get("ca_bundle"),
        access_key=both["aws_access_key_id"],
        secret_key=both["aws_secret_access_key"],
    )


def service(name: str, variables: Mapping[str, str], needed: Sequence[str] = _LOGIN) -> dict[str, str]:
    """Read a libpq connection service and return its keywords.

    Args:
        name: The service's name.
        variables: PGSERVICEFILE, if the file is not where it usually is.
        needed: Keywords without which it is of no use.

    Raises:
        NotReached: If it is not there, or lacks one that is needed.
    """
    file = variables.get("PGSERVICEFILE", "~/.pg_service.conf")
    # As libpq reads it: no interpolation, `#` only at the beginning of a line, `=` and nothing else between.
    parser = configparser.RawConfigParser(delimiters=("=",), comment_prefixes=("#",), strict=False)
    try:
        parser.read(Path(file).expanduser(), encoding="utf-8")
        found = dict(parser[name])
    except KeyError:
        known = ", ".join(parser.sections()) or "none"
        raise NotReached(
            f"PostgreSQL service {name} is not in {file}; services there: {known}. `make up` writes those of embedded "
            "platforms; for others set PGSERVICEFILE"
        ) from None
    except (configparser.Error, OSError, UnicodeDecodeError) as error:
        raise NotReached(f"PostgreSQL services can't be read from {file}: {type(error).__name__}") from None
    missing = [key for key in needed if not found.get(key)]
    if missing:
        raise NotReached(f"PostgreSQL service {name} in {file} lacks {', '.join(missing)}")
    return {"port": _DEFAULT_PORT, "sslmode": _VERIFIED[0], "dbname": "postgres", **found}


def server(settings: DatabaseSettings, variables: Mapping[str, str], key: str) -> Mapping[str, str]:
    """Return the keywords of a connection to a server: those of its service, and over them what the stack file says.

    Args:
        settings: What the stack file says.
        variables: As for `service`.
        key: The key of the stack file, for messages.

    Raises:
        NotReached: As `service`, and if the server would be reached unverified.
    """
    own = {"host": settings.host, "port": settings.port, "sslmode": settings.sslmode}
    found = service(settings.service, variables)
    found |= {word: str(value) for word, value in own.items() if value is not None}
    return _trusting(found, key)


def for_workloads(settings: DatabaseSettings, variables: Mapping[str, str], key: str) -> Mapping[str, str]:
    """Return the keywords by which workloads find a server; who logs in is not among them.

    Args:
        settings: What the stack file says.
        variables: As for `service`.
        key: The key of the stack file, for messages.

    Raises:
        NotReached: As `server`.
    """
    if settings.workloads is None:
        return server(settings, variables, key)
    return _trusting(service(settings.workloads, variables, ("host",)), f"{key}.workloads")


def _trusting(found: dict[str, str], key: str) -> Mapping[str, str]:
    if found["sslmode"] == _VERIFIED[0] and not is_here(found["host"]):
        # libpq would look for a file in the home folder, and end without it.
        found = {"sslrootcert": SYSTEM, **found}
    return verified(found, key)


def authorities(keywords: Mapping[str, str]) -> str | None:
    """Return the certificate authorities that a connection names by a file; None for the system's.

    Args:
        keywords: libpq's.

    Raises:
        NotReached: If the file can't be read.
    """
    file = keywords.get("sslrootcert", SYSTEM)
    if file == SYSTEM:
        return None
    try:
        return Path(file).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise NotReached(f"sslrootcert {file} can't be read: {type(error).__name__}") from None


def authorities_in(found: Profile) -> str | None:
    """Return the certificate authorities that an AWS profile names; None for the system's.

    Args:
        found: The profile.

    Raises:
        NotReached: If the file can't be read.
    """
    if found.ca_bundle is None:
        return None
    try:
        return Path(found.ca_bundle).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise NotReached(f"ca_bundle {found.ca_bundle} can't be read: {type(error).__name__}") from None


@dataclass(frozen=True)
class Endpoints:
    """Where an S3 store's services are.

    Args:
        profile: The administrator's.
        s3: The S3 endpoint.
        iam: The IAM endpoint.
        sts: Where service account tokens are exchanged.
        region: The region.
    """

    profile: Profile
    s3: str
    iam: str
    sts: str
    region: str


def endpoints(settings: ObjectsSettings, variables: Mapping[str, str]) -> Endpoints:
    """Return where an S3 store's services are: what the stack file says, else what its profile says.

    Args:
        settings: What the stack file says.
        variables: As for `profile`.

    Raises:
        NotReached: As `profile`, if none says where it is, or it would be reached unencrypted.
    """
    found, key = profile(settings.profile, variables), "cloud.kubernetes.store.objects"
    s3 = endpoint(settings.endpoint, found, "s3", f"{key}.endpoint")
    iam = settings.iam_endpoint or found.endpoints.get("iam") or s3
    sts = (settings.tokens and settings.tokens.sts_endpoint) or found.endpoints.get("sts") or s3
    return Endpoints(
        profile=found,
        s3=s3,
        iam=endpoint(iam, found, "iam", f"{key}.iam_endpoint"),
        sts=endpoint(sts, found, "sts", f"{key}.tokens.sts_endpoint"),
        region=settings.region or found.region,
    )


def endpoint(written: str | None, found: Profile, service_name: str, key: str) -> str:
    """Return where a service is: what the stack file says, else the profile; over TLS unless it is on this machine.

    Args:
        written: What the stack file says, or None.
        found: The profile.
        service_name: `s3`, `iam` or `sts`.
        key: The key of the stack file, for messages.

    Raises:
        NotReached: If neither says it, or it would be reached unencrypted.
    """
    url = written or found.endpoints.get(service_name) or found.endpoints.get("")
    if url is None:
        raise NotReached(
            f"neither {key} nor AWS profile {found.name} says where the store is: give the key, or `endpoint_url`"
        )
    if urlsplit(url).scheme != "https" and not is_here(urlsplit(url).hostname or ""):
        raise NotReached(f"{url} is not encrypted: give an https:// address in {key} or AWS profile {found.name}")
    return url.rstrip("/")


def verified(keywords: Mapping[str, str], key: str) -> Mapping[str, str]:
    """Return a connection's keywords if the server is verified by TLS, or on this machine.

    Args:
        keywords: libpq's.
        key: The key of the stack file, for messages.

    Raises:
        NotReached: If it would be reached unencrypted, or by whoever answers there.
    """
    if keywords["sslmode"] not in _VERIFIED and not is_here(keywords["host"]):
        raise NotReached(
            f"the connection to {keywords['host']} has sslmode {keywords['sslmode']}, which does not verify whom it "
            f"talks to: set {key}.sslmode, or that of the service, to {' or '.join(_VERIFIED)}"
        )
    return keywords


def is_here(host: str) -> bool:
    """Tell whether a host is this machine, where nobody can listen in between."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.startswith("/")


def address(host: str) -> str | None:
    """Return a host that is an address as a range of one; None for a name and for this machine itself."""
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return None
    return None if found.is_loopback else f"{found}/{found.max_prefixlen}"
