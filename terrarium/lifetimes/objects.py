"""Objects of a cluster as plain data: listed, and changed so that nobody else's change is lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from typing import Any

from terrarium.cluster import Cluster, Denied
from terrarium.errors import CommandFailed, Refused

Object = dict[str, Any]

FIELD_MANAGER = "terrarium-lifetimes"
"""Who owns what is changed here. It is not the engine: what `terrarium up` applies leaves these fields alone."""
# Seconds for one question, objects in one answer, and how often a change is tried that others came before.
_PATIENCE, _PAGE, _TRIES = 15, 500, 10


class Objects:
    """What stands in a cluster, by its API's paths.

    Args:
        cluster: The cluster.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def get(self, path: str) -> Object | None:
        """Return an object, or what the API says of a group; None if there is none.

        Args:
            path: As `/api/v1/namespaces/churn-dev`.

        Raises:
            Denied: If this person may not.
            CommandFailed: If the cluster does not answer, or fails.
        """
        return self._ask("GET", path)

    def items(self, path: str) -> list[Object]:
        """Return all objects of a kind; none where the cluster knows no such kind.

        Args:
            path: As `/apis/batch/v1/namespaces/churn-dev/jobs`.
        """
        found: list[Object] = []
        onward = ""
        while True:
            query = [("limit", str(_PAGE)), *([("continue", onward)] if onward else [])]
            page = self._ask("GET", path, query)
            if page is None:
                return found
            found.extend(page["items"])
            onward = page["metadata"].get("continue", "")
            if not onward:
                return found

    def change(self, path: str, how: Callable[[Object], bool]) -> bool:
        """Change one object in one step, or not at all, whoever else changes it meanwhile.

        Args:
            path: The object's.
            how: Changes the object in place, and tells whether it did. It may be asked again, of a newer object.

        Returns:
            Whether it was changed; what does not exist is not.
        """
        for _ in range(_TRIES):
            found = self.get(path)
            if found is None or not how(found):
                return False
            # With its version in it: if somebody was faster, it is refused, and looked at again.
            if self._ask("PUT", path, [("fieldManager", FIELD_MANAGER)], found, again=True) is not None:
                return True
        raise CommandFailed(f"{path} is being changed all the time by something else; try again")

    def _ask(
        self,
        method: str,
        path: str,
        query: list[tuple[str, str]] | None = None,
        body: Object | None = None,
        *,
        again: bool = False,
    ) -> Object | None:
        answer = self._cluster.send(method, path, query or [], body, _PATIENCE)
        with closing(answer):
            if answer.status == 404 or (again and answer.status == 409):
                return None
            if answer.status < 300:
                found: Object = json.loads(answer.data)
                return found
            said = _message(answer)
        if answer.status in {401, 403}:
            raise Denied(f"the cluster of context {self._cluster.context} does not let you do this: {said}")
        if answer.status in {400, 409, 422}:
            raise Refused(f"the cluster of context {self._cluster.context} refused it: {said}")
        raise CommandFailed(f"the cluster of context {self._cluster.context} failed: {said}")


def _message(answer: Any) -> str:
    try:
        return str(json.loads(answer.data)["message"])
    except (ValueError, KeyError, TypeError):
        return f"status {answer.status}"
