"""What a backup holds: its manifest, written last, and its listings of objects.

<time>/manifest.json          a backup without one does not exist
<time>/database/<schema>.dump a schema of the database, in PostgreSQL's custom format
<time>/<kind>.jsonl.gz        one object per line
<time>/<kind>/<number>        copies of objects, for a kind that is not versioned
"""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from terrarium.backups import moments
from terrarium.errors import CommandFailed

FORMAT = 1
"""Version of this form. A reader refuses one that it does not know."""
MANIFEST = "manifest.json"
VERSIONS, COPIES = "versions", "copies"
"""How a kind is kept: by naming its objects' versions, or by copies."""


@dataclass(frozen=True)
class Item:
    """An object as of the backup's time.

    Args:
        key: Its key.
        size: Bytes.
        etag: The store's digest of its content.
        version: Its version's id; None where it was copied.
        copy: Key of its copy in the bucket of backups; None where its version is named.
    """

    key: str
    size: int
    etag: str
    version: str | None = None
    copy: str | None = None


@dataclass(frozen=True)
class Kept:
    """How a kind of objects is kept.

    Args:
        how: `versions` or `copies`.
        bucket: The S3 bucket of the kind.
        listing: Key of its listing.
        sha256: Of the listing.
        objects: How many.
        size: Bytes of them all.
    """

    how: str
    bucket: str
    listing: str
    sha256: str
    objects: int
    size: int


@dataclass(frozen=True)
class Inventory:
    """What a database holds.

    Args:
        schemas: Those that hold something.
        tables: Rows and checksum of each table, by quoted name.
        extensions: The schema of each extension, by name.
        large_objects: How many there are.
        uses: For each schema the others that something in it needs, each with what that is, for people.
    """

    schemas: list[str]
    tables: dict[str, dict[str, Any]]
    extensions: dict[str, str]
    large_objects: int
    uses: dict[str, dict[str, str]]

    @property
    def rows(self) -> int:
        """Rows of all tables."""
        return sum(int(table["rows"]) for table in self.tables.values())


@dataclass(frozen=True)
class Dump:
    """A schema in a backup.

    Args:
        key: Key of the dump.
        size: Bytes of it.
        sha256: Of it.
    """

    key: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Database:
    """The database in a backup.

    Args:
        name: Its name.
        server_version: The server's, as it says it.
        held: What it holds.
        dumps: The dump of each schema.
    """

    name: str
    server_version: str
    held: Inventory
    dumps: dict[str, Dump]

    @property
    def size(self) -> int:
        """Bytes of all dumps."""
        return sum(dump.size for dump in self.dumps.values())


@dataclass(frozen=True)
class Manifest:
    """A backup.

    Args:
        time: As of when, RFC 3339.
        environment: The environment's id.
        uid: Its uid.
        tier: Its tier.
        database: Its database.
        objects: Its objects, by kind.
        not_covered: Why other kinds are left out.
        format: Version of this form.
    """

    time: str
    environment: str
    uid: str
    tier: str
    database: Database
    objects: dict[str, Kept]
    not_covered: dict[str, str]
    format: int = FORMAT

    @property
    def moment(self) -> datetime:
        """As of when it is."""
        return moments.parse(self.time)

    def encode(self) -> bytes:
        """Return it as JSON."""
        return json.dumps(asdict(self), indent=1, sort_keys=True).encode()


def decode(text: bytes, where: str) -> Manifest:
    """Read a manifest.

    Args:
        text: The JSON.
        where: The backup, for messages.

    Raises:
        CommandFailed: If it is none, or a later program's.
    """
    try:
        found: Mapping[str, Any] = json.loads(text)
        if found["format"] != FORMAT:
            raise CommandFailed(f"backup {where} has format {found['format']}, and this program reads {FORMAT}")
        objects = {kind: Kept(**kept) for kind, kept in found["objects"].items()}
        database = found["database"]
        dumps = {schema: Dump(**dump) for schema, dump in database["dumps"].items()}
        held = Inventory(**database["held"])
        return Manifest(
            **{**found, "database": Database(**{**database, "held": held, "dumps": dumps}), "objects": objects}
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        raise CommandFailed(f"{MANIFEST} of backup {where} is damaged") from None


def listing(items: Iterable[Item]) -> tuple[bytes, int, int]:
    """Return a listing, and how many objects and bytes it names.

    A hundred thousand objects take about 2 MB of it.

    Args:
        items: The objects.
    """
    buffer, count, size = io.BytesIO(), 0, 0
    with gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=3, mtime=0) as file:
        for item in items:
            fields = {key: value for key, value in asdict(item).items() if value is not None}
            file.write(json.dumps(fields, separators=(",", ":")).encode() + b"\n")
            count, size = count + 1, size + item.size
    return buffer.getvalue(), count, size


def listed(content: bytes, where: str) -> Iterator[Item]:
    """Yield the objects of a listing.

    Args:
        content: The listing.
        where: Its key, for messages.

    Raises:
        CommandFailed: If it is damaged.
    """
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
            for line in file:
                yield Item(**json.loads(line))
    except (OSError, EOFError, ValueError, TypeError, zlib.error):
        raise CommandFailed(f"{where} is damaged; choose a time of another backup") from None
