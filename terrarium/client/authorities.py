"""Certificate authorities that a site has of its own, as the libraries want them: as text, or as a file."""

from __future__ import annotations

import atexit
import os
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

_lock = threading.Lock()
_written: dict[tuple[int, str], Path] = {}


@dataclass(frozen=True)
class Authorities:
    """Who vouches for the certificates of a store's servers.

    Args:
        pem: Their certificates.
        file: The file that holds them, where the store's files are mounted; None where they came from a Secret.
    """

    pem: str
    file: Path | None = None

    @property
    def path(self) -> str:
        """A file that holds them: the mounted one, or one that lives as long as this process and that it alone reads.

        Raises:
            OSError: If there is no room for it.
        """
        return str(self.file) if self.file is not None else _file(self.pem)

    def beside(self, others: str) -> str:
        """Return such a file that holds these and others, for a library that would else trust these alone.

        Args:
            others: A file of certificates.

        Raises:
            OSError: If it can't be read, or there is no room.
        """
        return _file(Path(others).read_text(encoding="utf-8") + "\n" + self.pem)


def _file(pem: str) -> str:
    # A fork makes its own: it would delete its parent's when it ends.
    key = (os.getpid(), pem)
    with _lock:
        if key not in _written:
            descriptor, name = tempfile.mkstemp(prefix="terrarium-", suffix=".crt")
            atexit.register(_remove, *key)
            _written[key] = Path(name)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(pem)
        return str(_written[key])


def _remove(process: int, pem: str) -> None:
    if process == os.getpid():
        _written.pop((process, pem)).unlink(missing_ok=True)
