"""The data store's administrator's keys and password: random, made at the first start, kept as long as the data."""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass

from rehearsal.errors import RehearsalError
from rehearsal.files import read_json, write_json
from rehearsal.platform.layout import Layout


@dataclass(frozen=True, repr=False)
class Keys:
    """What opens everything in one platform's data store.

    Attributes:
        access_key: Of S3 and IAM, 20 characters like those of AWS.
        secret_key: Belongs to it.
        password: Of the database's superuser `terrarium`.
    """

    access_key: str
    secret_key: str
    password: str


def read(layout: Layout) -> Keys:
    """Return a platform's keys.

    Raises:
        RehearsalError: The platform was never started.
    """
    if keys := _read(layout):
        return keys
    raise RehearsalError(f"{layout.keys} holds no keys: start the platform '{layout.folder.name}' first.")


def make(layout: Layout) -> bool:
    """Make the keys if they are missing or damaged.

    Returns:
        Whether they are new: what knows the old ones must then start anew.
    """
    if _read(layout):
        return False
    # Hexadecimal: nothing to be quoted in a connection file or in SQL.
    keys = Keys(f"TERR{secrets.token_hex(8).upper()}", secrets.token_hex(20), secrets.token_hex(20))
    write_json(layout.keys, asdict(keys))
    return True


def _read(layout: Layout) -> Keys | None:
    content = read_json(layout.keys) or {}
    values = [content.get(name) for name in ("access_key", "secret_key", "password")]
    return Keys(*map(str, values)) if all(isinstance(value, str) and value for value in values) else None
