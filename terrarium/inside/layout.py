"""Where a job's log and outputs are in the store, and how they become the job's. Pure.

    jobs/<job>/<index>/done.json                 the marker: names the attempt that counts
    jobs/<job>/<index>/attempts/<attempt>/       what one attempt left: ended.json, log.txt, outputs/...

An index may be tried more than once: its machine died, or it was to be repeated. What an attempt leaves is nobody's
result until the marker names it, and the marker is made once, by the first attempt that succeeded. So a reader sees the
whole of one attempt, or nothing. (A store without conditional writes may replace the marker by that of an attempt that
ended in the same moment; it names the whole of that one.)
"""

from __future__ import annotations

from dataclasses import dataclass

KIND = "results"
"""The kind of objects that all of it is."""
VERSION = 1
"""Version of the records."""
FOLDER = "jobs"
DONE, ENDED, LOG, OUTPUTS = "done.json", "ended.json", "log.txt", "outputs"
METRICS = "metrics.json"
"""A file that a script leaves in its working folder: a JSON object of what it measured."""


@dataclass(frozen=True)
class Place:
    """Where one index of a job keeps what it leaves.

    Args:
        job: The job's name.
        index: The index; 0 of a job that has none.
    """

    job: str
    index: int

    @property
    def folder(self) -> str:
        """Key of all of it, without a `/` at its end."""
        return f"{FOLDER}/{self.job}/{self.index}"

    @property
    def done(self) -> str:
        """Key of the marker."""
        return f"{self.folder}/{DONE}"

    @property
    def attempts(self) -> str:
        """Key of what attempts left."""
        return f"{self.folder}/attempts"

    def attempt(self, attempt: str) -> str:
        """Return the key of what one attempt left."""
        return f"{self.attempts}/{attempt}"
