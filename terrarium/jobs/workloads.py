"""Jobs, their pods and their logs in one namespace, as plain data."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

from terrarium.cluster import Cluster, Denied
from terrarium.errors import CommandFailed, Refused

# Seconds for one question; of a log that is followed, without a line: then it is asked for anew.
_PATIENCE, _SILENCE = 15, 120
_MOMENT = re.compile(rb"\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)")
_BATCH, _CORE = "/apis/batch/v1", "/api/v1"
# Which of them a cluster serves depends on its Kueue; what is read here stands in both alike.
_KUEUE = ("/apis/kueue.x-k8s.io/v1beta2", "/apis/kueue.x-k8s.io/v1beta1")

Object = dict[str, Any]


class NoLog(CommandFailed):
    """There is no log to be had of a pod, or no more: it has not begun or is gone, or its node fails."""


class Silence(NoLog):
    """A log that is followed had no line for a while; ask again."""


class Workloads:
    """What runs in one namespace.

    Args:
        cluster: The cluster.
        namespace: The namespace.
    """

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster = cluster
        self._namespace = namespace

    def may(self, verb: str, group: str, resource: str) -> bool:
        """Ask whether this person may do something in the namespace.

        Args:
            verb: As `create`.
            group: API group, as `batch`.
            resource: As `jobs`, or `pods/log`.
        """
        name, _, sub = resource.partition("/")
        attributes = {"namespace": self._namespace, "verb": verb, "group": group, "resource": name, "subresource": sub}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        answer = self._ask("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body=review)
        return bool(answer and answer["status"].get("allowed"))

    def create(self, manifest: Mapping[str, Any]) -> Object:
        """Make a Job or CronJob.

        Raises:
            Denied: If this person may not.
            Refused: If admission or a quota refuses it, or there is one of its name.
        """
        made = self._ask("POST", self._path(_plural(manifest["kind"])), body=manifest)
        if made is None:
            raise Refused(f"namespace {self._namespace} does not exist")
        return made

    def jobs(self, selector: str) -> list[Object]:
        """Return the Jobs that bear labels, the oldest first."""
        return _by_age(self._list(self._path("jobs"), selector))

    def schedules(self, selector: str) -> list[Object]:
        """Return the CronJobs that bear labels, the oldest first."""
        return _by_age(self._list(self._path("cronjobs"), selector))

    def job(self, name: str) -> Object | None:
        """Return a Job, or None."""
        return self._ask("GET", f"{self._path('jobs')}/{name}")

    def schedule(self, name: str) -> Object | None:
        """Return a CronJob, or None."""
        return self._ask("GET", f"{self._path('cronjobs')}/{name}")

    def pods(self, job: str) -> list[Object]:
        """Return the pods of a Job, the oldest first."""
        return _by_age(self._list(f"{_CORE}/namespaces/{self._namespace}/pods", f"batch.kubernetes.io/job-name={job}"))

    def queued(self) -> list[Object] | None:
        """Return what Kueue holds of the namespace; None if there is no Kueue, or this person may not look."""
        for version in _KUEUE:
            try:
                found = self._ask("GET", f"{version}/namespaces/{self._namespace}/workloads")
            except Denied:
                return None
            if found is not None:
                return list(found["items"])
        return None

    def delete(self, kind: str, name: str) -> bool:
        """Delete a Job or CronJob, and what it made; its pods are given their time to end.

        Args:
            kind: `Job` or `CronJob`.
            name: Its name.

        Returns:
            Whether there was one.
        """
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        return self._ask("DELETE", f"{self._path(_plural(kind))}/{name}", body=body) is not None

    def log(self, pod: str, *, since: str | None = None, follow: bool = False) -> Iterator[tuple[str, bytes]]:
        """Yield each line of a pod's log with its time, the line end included.

        Args:
            pod: The pod.
            since: Leave out what is older than this time (RFC 3339).
            follow: Go on until the container ends.

        Raises:
            Silence: If it is followed, and no line came for two minutes.
            NoLog: If there is none to be had, or what was read is not all: the connection broke, or the node failed or
                sent nothing for two minutes.
        """
        # The client's, which is imported when it is needed.
        from urllib3.exceptions import HTTPError, ReadTimeoutError  # noqa: PLC0415

        query = [("timestamps", "true"), ("follow", str(follow).lower()), *([("sinceTime", since)] if since else [])]
        path = f"{_CORE}/namespaces/{self._namespace}/pods/{pod}/log"
        answer = self._cluster.send("GET", path, query, None, _SILENCE)
        with closing(answer):
            if answer.status != 200:
                raise NoLog(f"there is no log of pod {pod}: {_message(answer)}")
            cut_off = f"the log of pod {pod} was cut off"
            # A line of over 16 KiB is logged in parts with a time each. Of one that began before, the last part comes
            # without, as it begins no line.
            begun_before = since is not None
            try:
                for line in _lines(answer.stream(amt=65536)):
                    moment, _, text = line.partition(b" ")
                    if _MOMENT.fullmatch(moment):
                        yield moment.decode(), text
                    elif not (begun_before and line.endswith(b"\n")):
                        # Of what fails once the answer has begun, a node writes the reason where the log would go on.
                        raise NoLog(f"{cut_off}: {line.decode('utf-8', 'replace').strip()}")
                    begun_before = False
            except ReadTimeoutError:
                if follow:
                    raise Silence(f"pod {pod} printed nothing for {_SILENCE} s") from None
                raise NoLog(f"{cut_off}: its node sent nothing for {_SILENCE} s") from None
            except (HTTPError, OSError):
                raise NoLog(cut_off) from None

    def _path(self, plural: str) -> str:
        return f"{_BATCH}/namespaces/{self._namespace}/{plural}"

    def _list(self, path: str, selector: str) -> list[Object]:
        found = self._ask("GET", path, [("labelSelector", selector)])
        return [] if found is None else list(found["items"])

    def _ask(
        self, method: str, path: str, query: list[tuple[str, str]] | None = None, body: Any = None
    ) -> Object | None:
        """Return the answer, or None if what was asked for does not exist."""
        answer = self._cluster.send(method, path, query or [], body, _PATIENCE)
        with closing(answer):
            if answer.status == 404:
                return None
            if answer.status < 300:
                found: Object = json.loads(answer.data)
                return found
            said = _message(answer)
        if answer.status == 403 and "forbidden: User" in said:
            raise Denied(f"the cluster of context {self._cluster.context} does not let you do this: {said}")
        if answer.status in (403, 409, 422, 400):
            raise Refused(f"the cluster of context {self._cluster.context} refused it: {said}")
        raise CommandFailed(f"the cluster of context {self._cluster.context} failed: {said}")


def _plural(kind: str) -> str:
    return f"{kind.lower()}s"


def _by_age(items: list[Object]) -> list[Object]:
    return sorted(items, key=lambda item: (item["metadata"]["creationTimestamp"], item["metadata"]["name"]))


def _message(answer: Any) -> str:
    try:
        return str(json.loads(answer.data)["message"])
    except (ValueError, KeyError, TypeError):
        return f"{answer.status} {answer.reason}"


def _lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    held = b""
    for piece in pieces:
        *whole, held = (held + piece).split(b"\n")
        for line in whole:
            yield line + b"\n"
    if held:
        yield held
