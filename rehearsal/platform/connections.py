"""The data store administrator's connections, in the files that AWS' and PostgreSQL's own tools read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rehearsal.files import write
from rehearsal.platform import keys
from rehearsal.platform.layout import REGISTRY, Layout
from rehearsal.platform.ports import LOOPBACK

_DISCARD = 9  # RFC 863; nobody has it any more


@dataclass(frozen=True)
class Connections:
    """Files that lead to a platform's data store; there after the first start. Mode 0600: they hold keys.

    Attributes:
        aws_config: For AWS_CONFIG_FILE, with a profile named as the platform's context.
        aws_credentials: For AWS_SHARED_CREDENTIALS_FILE, with the same profile.
        pg_service: For PGSERVICEFILE, with a service of that name, and one for where workloads find the server.
        registries: For CONTAINERS_REGISTRIES_CONF: where images of the embedded registry are.
    """

    aws_config: Path
    aws_credentials: Path
    pg_service: Path
    registries: Path

    @staticmethod
    def within(folder: Path) -> Connections:
        """Return the files of a folder."""
        return Connections(
            folder / "aws-config", folder / "aws-credentials", folder / "pg-service.conf", folder / "registries.conf"
        )

    def variables(self) -> dict[str, str]:
        """Return the variables by which tools find the files."""
        return {
            "AWS_CONFIG_FILE": str(self.aws_config),
            "AWS_SHARED_CREDENTIALS_FILE": str(self.aws_credentials),
            "PGSERVICEFILE": str(self.pg_service),
            "CONTAINERS_REGISTRIES_CONF": str(self.registries),
        }


def write_connections(layout: Layout, ports: Mapping[str, int]) -> None:
    """Write a platform's files anew: a port may have moved.

    Args:
        layout: The platform's folder, which holds its keys.
        ports: Those of `layout.PORTS`.
    """
    name, secret = layout.context, keys.read(layout)
    files = Connections.within(layout.connections)
    # Pods come from beyond this machine's own addresses: to them it is all encrypted, and the authority is named.
    trust = f"ca_bundle = {layout.authority.certificate}\n" if layout.machine else ""
    scheme = "https" if layout.machine else "http"
    write(
        files.aws_config,
        f"[profile {name}]\nregion = {layout.region}\n{trust}services = {name}\n\n"
        f"[services {name}]\n"
        f"s3 =\n    endpoint_url = {scheme}://{layout.host}:{ports['versitygw']}\n"
        f"iam =\n    endpoint_url = http://{LOOPBACK}:{ports['versitygw-iam']}\n",
    )
    account = f"aws_account_id = {layout.account}\n" if layout.account else ""
    write(
        files.aws_credentials,
        f"[{name}]\naws_access_key_id = {secret.access_key}\naws_secret_access_key = {secret.secret_key}\n{account}",
    )
    # libpq takes a blank around `=` for part of the name or value.
    write(
        files.pg_service,
        f"[{name}]\nhost={LOOPBACK}\nport={ports['postgresql']}\nuser={layout.superuser}\npassword={secret.password}\n"
        f"dbname=postgres\nsslmode=disable\n\n[{name}-workloads]\n{_for_workloads(layout, ports)}",
    )
    _write_registries(files.registries, layout, ports)


def _write_registries(path: Path, layout: Layout, ports: Mapping[str, int]) -> None:
    # containers-registries.conf(5), version 2.
    here = {"prefix": REGISTRY, "location": f"{layout.host}:{ports['registry']}", "insecure": True}
    lines = [f"{key} = {json.dumps(value)}" for key, value in here.items()]
    write(path, "[[registry]]\n" + "\n".join(lines) + "\n" if layout.machine else "")


def _for_workloads(layout: Layout, ports: Mapping[str, int]) -> str:
    """Return where workloads find the database server; who logs in is for them to say."""
    if layout.machine is None:
        return f"host={LOOPBACK}\nport={ports['postgresql']}\nsslmode=disable\n"
    trust = f"sslmode=verify-full\nsslrootcert={layout.authority.certificate}\n"
    return f"host={layout.host}\nport={ports['postgresql-tls']}\n{trust}"


def combine(folder: Path, sources: Sequence[Connections], default: Connections | None = None) -> Connections:
    """Write one file of each kind that holds the sections of several platforms.

    Args:
        folder: Where; made with mode 0700 if missing.
        sources: The platforms' files. Those of a platform that was never started are left out.
        default: Those of a rehearsed account: what asks AWS without naming a profile asks there.
    """
    made = Connections.within(folder)
    kinds = (
        (made.aws_config, [source.aws_config for source in sources]),
        (made.aws_credentials, [source.aws_credentials for source in sources]),
        (made.pg_service, [source.pg_service for source in sources]),
    )
    for path, parts in kinds:
        write(path, "\n".join(part.read_text(encoding="utf-8") for part in parts if part.is_file()))
    # Each platform's registry is called the same: the first that there is.
    registries = [source.registries for source in sources if source.registries.is_file()]
    write(made.registries, next((text for file in registries if (text := file.read_text(encoding="utf-8"))), ""))
    if default and default.aws_config.is_file() and default.aws_credentials.is_file():
        _add_default(made, default)
    return made


def _add_default(made: Connections, default: Connections) -> None:
    profile = _unnamed(default.aws_config.read_text(encoding="utf-8"))
    # Of all other services: nobody is there, and nothing that is meant for a rehearsal is sent to AWS.
    profile += f"\nendpoint_url = http://{LOOPBACK}:{_DISCARD}\n"
    for path, text in (
        (made.aws_config, profile),
        (made.aws_credentials, _unnamed(default.aws_credentials.read_text(encoding="utf-8"))),
    ):
        write(path, f"{path.read_text(encoding='utf-8')}\n{text}")


def _unnamed(text: str) -> str:
    """Return the first section of a file, named as the default."""
    return "\n".join(["[default]", *text.partition("\n\n")[0].splitlines()[1:]])
