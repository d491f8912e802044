"""A store as its administrator sees it: what it holds, and keys that nobody knows of."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from components.contract import Administration
from terrarium.errors import CommandFailed

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_s3 import S3Client

_PATIENCE = 30  # seconds until a store that fails, or a server that does not answer, is given up
# One page of a listing: whoever loses a thousand objects need not know how many more there were.
_PAGE = 1000


class Administrator:
    """A store's administrator.

    Args:
        way: How the store is reached.
    """

    def __init__(self, way: Administration) -> None:
        self._way = way

    def contents(self, store: Mapping[str, Any]) -> list[str]:
        """Return what a store holds, as counted kinds (`12 objects in results`, `3 tables`); empty if nothing.

        Args:
            store: The stack's output of this name.

        Raises:
            CommandFailed: If it can't be asked.
        """
        return [*self._objects(store["objects"]["buckets"]), *self._tables(store["database"])]

    def revoke_unknown(self, user: str, known: Collection[str]) -> list[str]:
        """Delete the access keys of an IAM user that nobody holds, and return their ids.

        The secret half of a key is given once, when it is made: what an interrupted `up` did not note is lost, and
        the key would stay valid for ever.

        Args:
            user: The user's name.
            known: Ids of the keys that are in use.

        Raises:
            CommandFailed: If it can't be asked.
        """
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - see _client

        endpoint = self._way.iam_endpoint
        if endpoint is None:
            return []
        iam: IAMClient = self._client("iam", endpoint)
        try:
            found = [key["AccessKeyId"] for key in iam.list_access_keys(UserName=user)["AccessKeyMetadata"]]
            lost = [key for key in found if key not in known]
            for key in lost:
                iam.delete_access_key(UserName=user, AccessKeyId=key)
        except iam.exceptions.NoSuchEntityException:
            return []
        except (BotoCoreError, ClientError) as error:
            raise self._unreachable(error) from None
        return lost

    def _objects(self, buckets: Mapping[str, str]) -> Iterator[str]:
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - see _client

        endpoint = self._way.endpoint
        if endpoint is None:
            # Not taken for empty: whoever decides on them must look.
            yield f"objects that can't be counted from here, in {', '.join(buckets)}"
            return
        s3: S3Client = self._client("s3", endpoint)
        for kind, bucket in buckets.items():
            try:
                page = s3.list_object_versions(Bucket=bucket, MaxKeys=_PAGE)
            except s3.exceptions.NoSuchBucket:
                continue
            except (BotoCoreError, ClientError) as error:
                raise self._unreachable(error) from None
            # Deleted ones count: they can be brought back until the bucket goes.
            count = len({version["Key"] for version in page.get("Versions", ())})
            more = " or more" if page.get("IsTruncated") else ""
            # What marks an object as deleted outlives its last version, and S3 deletes no bucket that holds one.
            marks = len(page.get("DeleteMarkers", ()))
            if count:
                yield f"{count}{more} object{'s' if count > 1 else ''} in {kind}"
            elif marks:
                yield f"{marks}{more} mark{'s' if marks > 1 else ''} of deleted objects in {kind}"

    def _tables(self, database: Mapping[str, Any] | None) -> Iterator[str]:
        # Imported here: most commands ask no store.
        import psycopg  # noqa: PLC0415

        if not database:
            return
        if not self._way.database:
            # libpq would take this machine's own server.
            yield "a database that can't be asked from here"
            return
        keywords: dict[str, Any] = {**self._way.database, "connect_timeout": str(_PATIENCE)}
        try:
            # Asked of the server: "does not exist" in a failure to connect may be said of a certificate or a role.
            with psycopg.connect(**keywords) as connection:
                if not _count(connection, "FROM pg_database WHERE datname = %s", database["name"]):
                    return
            with psycopg.connect(**{**keywords, "dbname": database["name"]}) as connection:
                tables = _count(connection, "FROM pg_stat_user_tables")
        except psycopg.Error as error:
            raise self._unreachable(error) from None
        if tables:
            yield f"{tables} table{'s' if tables > 1 else ''}"

    def _client(self, service: Any, endpoint: str) -> Any:
        # Imported here: boto3 costs 0.2 s, and most commands ask no store.
        from terrarium.s3 import Keys, client  # noqa: PLC0415

        way = self._way
        # None signs nothing: an account without keys is asked as anybody is.
        keys = Keys(way.access_key, way.secret_key, way.session_token) if way.access_key and way.secret_key else None
        return client(service, endpoint, self._way.region, keys, ca_bundle=self._way.ca_bundle, patience=_PATIENCE)

    def _unreachable(self, error: Exception) -> CommandFailed:
        # Not the error's own text: a driver may quote the connection, password included.
        return CommandFailed(f"the store can't be asked what it holds ({type(error).__name__}): is it running?")


def _count(connection: Any, what: str, *values: str) -> int:
    row = connection.execute(f"SELECT count(*) {what}", values).fetchone()
    return int(row[0])
