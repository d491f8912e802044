"""The store through our client, against boto3 and psycopg by hand: same servers, same keys, same machine."""

from __future__ import annotations

import configparser
import gc
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import psycopg
from botocore.config import Config
from botocore.session import Session
from psycopg.conninfo import make_conninfo

from benchmarks import workshop
from benchmarks.figures import Figure, Spread
from components.stores import files, layout
from rehearsal.platform import Platform
from rehearsal.progress import Report, Silent
from terrarium.client.environment import Environment
from terrarium.client.sources import Folder

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from terrarium.client.store import Store

TARGET = 1 / 0.9
"""Times what the reference takes: at least 0.9 times its speed."""
SMALL = 500
"""Objects of 4 KiB."""
LARGE = 64 << 20
"""Bytes of the large object."""
KEYS = 5_000
"""Keys of the listing."""
ROWS = 1_000
"""Rows of the query."""
QUERIES = 300
"""How often it is asked: 50 took 40 ms, and told of the machine rather than of us."""
_QUERY = "select n, n * 0.5 as score, 'run-' || n as name from generate_series(1, %s) as n"


@dataclass(frozen=True)
class _Both:
    """The two ways to one store."""

    store: Store
    s3: S3Client
    database: psycopg.Connection[tuple[object, ...]]
    bucket: str
    folder: Path
    content: bytes


Way = Callable[[_Both], object]


def measure(pairs: int, report: Report) -> list[Figure]:
    """Start a platform, and let both ways take turns at each task.

    Args:
        pairs: Runs of each way at each task, after one that is not counted.
        report: Told what goes on.
    """
    with workshop.workshop() as folder:
        report.step("Starting a platform for the store")
        platform = workshop.platform(folder)
        platform.start(Silent())
        with _both(platform, folder) as both:
            figures = []
            for name, (ours, reference) in _TASKS.items():
                report.step(f"Measuring the store: {name}")
                figures.append(_figure(name, ours, reference, both, pairs))
            return figures


def _figure(name: str, ours: Way, reference: Way, both: _Both, pairs: int) -> Figure:
    samples: tuple[list[float], list[float]] = ([], [])
    for number in range(pairs + 1):
        # Each way is first in every other pair: what the first leaves in caches serves the second.
        order = ((0, ours), (1, reference)) if number % 2 else ((1, reference), (0, ours))
        for which, way in order:
            gc.collect()
            start = time.perf_counter()
            way(both)
            if number:
                samples[which].append(time.perf_counter() - start)
    return Figure(f"store: {name}", "s", Spread(tuple(samples[0])), TARGET, Spread(tuple(samples[1])))


def _put_small(both: _Both) -> None:
    for number in range(SMALL):
        both.store.scratch.pipe_file(f"small/{number}", both.content[:4096])


def _put_small_directly(both: _Both) -> None:
    for number in range(SMALL):
        both.s3.put_object(Bucket=both.bucket, Key=f"small/{number}", Body=both.content[:4096])


def _get_small(both: _Both) -> None:
    for number in range(SMALL):
        both.store.scratch.cat_file(f"small/{number}")


def _get_small_directly(both: _Both) -> None:
    for number in range(SMALL):
        both.s3.get_object(Bucket=both.bucket, Key=f"small/{number}")["Body"].read()


def _put_large(both: _Both) -> None:
    both.store.scratch.put_file(str(both.folder / "large"), "large")


def _put_large_directly(both: _Both) -> None:
    both.s3.upload_file(str(both.folder / "large"), both.bucket, "large")


def _get_large(both: _Both) -> None:
    both.store.scratch.get_file("large", str(both.folder / "down"))


def _get_large_directly(both: _Both) -> None:
    both.s3.download_file(both.bucket, "large", str(both.folder / "down"))


def _read_large(both: _Both) -> None:
    with both.store.scratch.open("large") as file:
        _whole(file.read())


def _read_large_directly(both: _Both) -> None:
    _whole(both.s3.get_object(Bucket=both.bucket, Key="large")["Body"].read())


def _list(both: _Both) -> None:
    _all(len(both.store.scratch.find("keys", detail=True)))


def _list_directly(both: _Both) -> None:
    pages = both.s3.get_paginator("list_objects_v2").paginate(Bucket=both.bucket, Prefix="keys/")
    _all(sum(len(page.get("Contents", ())) for page in pages))


def _query(both: _Both) -> None:
    for _ in range(QUERIES):
        both.store.sql(_QUERY, [ROWS])


def _query_directly(both: _Both) -> None:
    for _ in range(QUERIES):
        both.database.execute(_QUERY, [ROWS]).fetchall()


def _whole(data: bytes) -> None:
    if len(data) != LARGE:
        raise workshop.CommandFailedError(f"{len(data)} of {LARGE} bytes were read")


def _all(found: int) -> None:
    if found != KEYS:
        raise workshop.CommandFailedError(f"{found} of {KEYS} keys were listed")


_TASKS: dict[str, tuple[Way, Way]] = {
    f"put {SMALL} objects of 4 KiB": (_put_small, _put_small_directly),
    f"get {SMALL} objects of 4 KiB": (_get_small, _get_small_directly),
    "put a file of 64 MiB": (_put_large, _put_large_directly),
    "get a file of 64 MiB": (_get_large, _get_large_directly),
    "read 64 MiB into memory": (_read_large, _read_large_directly),
    f"list {KEYS:,} keys": (_list, _list_directly),
    f"{QUERIES} queries of {ROWS:,} rows": (_query, _query_directly),
}


@contextmanager
def _both(platform: Platform, folder: Path) -> Iterator[_Both]:
    """Give both ways to a store with its keys in place, and close them."""
    given, name = platform.connections, platform.context
    known = Session(
        session_vars={
            "profile": (None, None, name, None),
            "config_file": (None, None, str(given.aws_config), None),
            "credentials_file": (None, None, str(given.aws_credentials), None),
        }
    )
    session = boto3.Session(botocore_session=known)
    s3 = session.client("s3", config=Config(s3={"addressing_style": "path"}))
    service = configparser.RawConfigParser(delimiters=("=",))
    service.read(given.pg_service)
    database = dict(service[name])
    buckets = {kind: f"bench-{kind}" for kind in layout.KINDS}
    for bucket in buckets.values():
        s3.create_bucket(Bucket=bucket)
    _mount(folder / "store", session, s3.meta.endpoint_url, buckets, database)
    content = os.urandom(LARGE)
    (folder / "large").write_bytes(content)
    with (
        Environment(Folder(folder / "store")) as environment,
        psycopg.connect(make_conninfo("", **database), autocommit=True) as direct,
    ):
        for number in range(KEYS):
            environment.store.objects("scratch").put(f"keys/{number:05}", b"")
        yield _Both(environment.store, s3, direct, buckets["scratch"], folder, content)


def _mount(
    folder: Path, session: boto3.Session, endpoint: str, buckets: dict[str, str], database: dict[str, str]
) -> None:
    """Write the files that our client reads, with the keys that the other way uses."""
    keys = session.get_credentials()
    if keys is None:
        raise workshop.CommandFailedError("the platform's credentials file holds no key")
    where = {"host": database["host"], "port": database["port"], "name": database["dbname"], "sslmode": "disable"}
    content = {
        "environment": "bench",
        "identity": "rw",
        "bucket": None,
        "objects": {"endpoint": endpoint, "region": session.region_name, "buckets": buckets, "prefix": ""},
        "database": {**where, "schema": layout.schema(None)},
        "lake": None,
    }
    folder.mkdir()
    for name, text in {
        files.CONFIG: files.aws_config(endpoint, session.region_name or ""),
        files.CREDENTIALS: files.aws_credentials(keys.access_key, keys.secret_key),
        files.SERVICE: files.pg_service(where, database["user"], database["password"]),
        files.DESCRIPTION: files.description(content),
    }.items():
        (folder / name).write_text(text, encoding="utf-8")
