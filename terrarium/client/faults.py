"""What went wrong at a store, as Python's usual errors with a sentence for people.

The libraries' own messages quote requests and answers, among them key ids and signatures: they are never passed on.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from http import HTTPStatus
from typing import Any

from components.tiers import TIERS, StoreRight, Tier
from terrarium.client.connection import Connection
from terrarium.errors import CommandFailed, InvalidInput, Refused

_CODE = re.compile(r"(?:<Code>|\(code: )(\w{1,64})")
_STATUS = re.compile(r"status code: (\d{3})")
_KEY = re.compile(r'Path "([^\n]{1,1024}?)" ')
# What obstore makes of what a provider of keys said, which is ours and for people.
_PROVIDER = re.compile(r"credential provider: \w+: \[Errno (\d+)\] ([^\n]+)")
_STALE_KEYS = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken"}

# What boto3 calls what obstore says.
_BOTO = {"EndpointConnectionError": "error sending request", "SSLError": "InvalidCertificate"}


class StoreFailed(CommandFailed):
    """The store did not do what was asked; the message says what and why."""


def right(identity: str, tier: str | None = None) -> str:
    """Return who has an identity, for people who have not.

    Args:
        identity: The identity.
        tier: The environment's tier, if it is known.
    """
    bucket = identity.removeprefix("bucket-")
    if bucket != identity:
        return f"{identity} is for the users and groups that the stack file names under buckets.{bucket}"
    if tier not in set(Tier):
        return f"{identity} is for groups that the stack file names under people (docs/tiers.md)"
    given = TIERS[Tier(tier)].store
    kinds = [f"people.{kind}" for kind, what in given.items() if identity != "rw" or what is StoreRight.WRITE]
    whose = f"the groups that the stack file names under {' or '.join(kinds)}" if kinds else "nobody"
    return f"{identity} is for {whose}"


@contextmanager
def told(connection: Connection, place: str) -> Iterator[None]:
    """Turn what obstore raises inside into an OSError that says what is wrong at which place.

    Args:
        connection: Whose keys are used.
        place: The object or folder, for people.

    Raises:
        FileNotFoundError: Nothing is there.
        PermissionError: The identity may not, or its key is no longer valid.
        FileExistsError: Something is there, and it was to be created.
        OSError: The path is none (EINVAL), the object was replaced while it was read (ESTALE), or the store is full
            (ENOSPC), does not answer (ECONNREFUSED, ETIMEDOUT), is not trusted (ECONNABORTED), does not know what was
            asked for (ENOSYS) or failed (EIO).
    """
    # Imported here: the client is imported by programs that never touch an object.
    from obstore.exceptions import BaseError, InvalidPathError  # noqa: PLC0415

    try:
        yield
    except InvalidPathError as error:
        key = _KEY.search(str(error))
        raise OSError(
            errno.EINVAL,
            f"{place} can't be listed: key `{key.group(1) if key else ''}` in it is no path; rename or delete it by "
            "another S3 client",
        ) from None
    except (BaseError, OSError) as error:
        # An OSError without this is told already, or Python's own of a local file, which it names.
        if isinstance(error, OSError) and "Error performing" not in str(error):
            raise
        raise _plain(error, connection, place) from None
    except ValueError as error:
        if "Could not parse path" not in str(error):
            raise
        raise OSError(
            errno.EINVAL, f"{place} has a part that names nothing: empty, `.`, `..` or a character that can't be shown"
        ) from None


def _plain(error: Exception, connection: Connection, place: str) -> OSError:
    from obstore.exceptions import AlreadyExistsError  # noqa: PLC0415 - see told

    text = str(error)
    said = _PROVIDER.search(text)
    if said:
        return OSError(int(said.group(1)), said.group(2))
    if "performing token request" in text:
        # Of Google's alone: keys of S3 come from providers of ours, which say it themselves.
        service_account = getattr(connection.objects.keys, "service_account", f"store-{connection.identity}")
        return PermissionError(
            errno.EACCES,
            f"no Google credentials for {connection.who}: sign in (`gcloud auth application-default login`); a pod "
            f"must run as service account {service_account}",
        )
    found = _CODE.search(text)
    status = _STATUS.search(text)
    code = found.group(1) if found else ""
    number = int(status.group(1)) if status else 0
    # obstore says so of every 409; these come only if it was to be created.
    if isinstance(error, AlreadyExistsError) and (number == 412 or code == "ConditionalRequestConflict"):
        return FileExistsError(errno.EEXIST, f"{place} exists already")
    return (
        _refused(code, number, connection, place)
        or _failed(code, number, connection, place)
        or _silent(text, connection, place)
    )


def from_client_error(error: Exception, connection: Connection, place: str) -> OSError:
    """Return what `told` raises, for an error of boto3's.

    Args:
        error: A ClientError or BotoCoreError.
        connection: Whose keys were used.
        place: The object, for people.
    """
    answer: Mapping[str, Any] = getattr(error, "response", {})
    code = str(answer.get("Error", {}).get("Code", ""))
    number = int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    text = _BOTO.get(type(error).__name__, "")
    return (
        _refused(code, number, connection, place)
        or _failed(code, number, connection, place)
        or _silent(text, connection, place)
    )


def _refused(code: str, number: int, connection: Connection, place: str) -> OSError | None:
    environment = connection.environment
    if code == "NoSuchBucket":
        return FileNotFoundError(
            errno.ENOENT, f"the S3 bucket of {place} does not exist: was environment {environment} destroyed?"
        )
    if code in _STALE_KEYS:
        return PermissionError(
            errno.EACCES, f"the key of {connection.who} is no longer valid: it was renewed or taken back; connect again"
        )
    if number == 404:
        return FileNotFoundError(errno.ENOENT, f"{place} does not exist")
    # Of many deletions in one request, each has an answer of its own, and no status.
    if number in {401, 403} or code == "AccessDenied":
        return PermissionError(errno.EACCES, f"{connection.who} may not do this to {place}; {_remedy(connection)}")
    if number == 412:
        return OSError(errno.ESTALE, f"{place} was replaced while it was read; read it again")
    return None


def _failed(code: str, number: int, connection: Connection, place: str) -> OSError | None:
    if number == 507 or code in {"InsufficientStorage", "QuotaExceeded"}:
        return OSError(
            errno.ENOSPC, f"the store is full: {place} was not written; delete what is not needed, or have it enlarged"
        )
    if number:
        said = f"{number} {code}".strip()
        endpoint = connection.objects.endpoint
        number = errno.ENOSYS if number == HTTPStatus.NOT_IMPLEMENTED else errno.EIO
        return OSError(number, f"the store at {endpoint} failed with {said} for {place}, also when asked again")
    return None


def _silent(text: str, connection: Connection, place: str) -> OSError:
    endpoint = connection.objects.endpoint
    if "InvalidCertificate" in text:
        return ConnectionAbortedError(
            errno.ECONNABORTED,
            f"the store at {endpoint} is not trusted: no authority that this machine or ca.crt of the store's files "
            "trusts vouches for its certificate",
        )
    if "timed out" in text or "TimedOut" in text:
        return TimeoutError(errno.ETIMEDOUT, f"the store at {endpoint} was too slow for {place}; try again")
    if "error sending request" in text:
        return ConnectionRefusedError(
            errno.ECONNREFUSED, f"the store at {endpoint} does not answer: is it running, and does a way lead there?"
        )
    return OSError(errno.EIO, f"the connection to the store at {endpoint} failed during {place}; try again")


def _remedy(connection: Connection) -> str:
    if connection.identity == "ro":
        return f"it only reads; {right('rw')}"
    if connection.bucket:
        return f"it is limited to bucket {connection.bucket}; {right('rw')}"
    return "what it may do is fixed by the environment's stack"


@contextmanager
def as_command() -> Iterator[None]:
    """Turn an OSError into the ending of a command.

    Raises:
        InvalidInput: For what does not exist, or is no path.
        Refused: For what is not allowed.
        StoreFailed: For anything else.
    """
    try:
        yield
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError, FileExistsError) as error:
        raise InvalidInput(_sentence(error)) from None
    except PermissionError as error:
        raise Refused(_sentence(error)) from None
    except OSError as error:
        kind = InvalidInput if error.errno == errno.EINVAL else StoreFailed
        raise kind(_sentence(error)) from None


def _sentence(error: OSError) -> str:
    text = error.strerror or str(error)
    return f"{text}: {error.filename}" if error.filename else text


def nearest(name: str, siblings: Callable[[], list[str]]) -> str:
    """Return a hint at names like a missing one; empty if there is none, or they can't be had.

    Args:
        name: The name that does not exist.
        siblings: Returns those that do.
    """
    try:
        found = get_close_matches(name, siblings(), n=3, cutoff=0.6)
    except OSError:
        return ""
    return f"; did you mean {' or '.join(f'`{one}`' for one in found)}?" if found else ""
