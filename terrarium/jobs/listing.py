"""What jobs an environment has now, as rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from terrarium.jobs import waiting
from terrarium.jobs.manifest import BUCKET, JOB_LABEL
from terrarium.jobs.place import Place
from terrarium.jobs.state import Phase, state


def listed(place: Place) -> list[dict[str, Any]]:
    """Return the schedules and jobs of an environment, or of one bucket of it, the oldest first.

    Args:
        place: Where.
    """
    selector = JOB_LABEL if place.bucket is None else f"{JOB_LABEL},{BUCKET}={place.bucket}"
    jobs = place.workloads.jobs(selector)
    queued = place.workloads.queued() if any(job["spec"].get("suspend") for job in jobs) else None
    schedules = [_schedule(one) for one in place.workloads.schedules(selector)]
    return [*schedules, *(_job(place, job, queued) for job in jobs)]


def _job(place: Place, job: Mapping[str, Any], queued: list[dict[str, Any]] | None) -> dict[str, Any]:
    name, how = job["metadata"]["name"], state(job)
    pods = place.workloads.pods(name) if how.phase is Phase.STARTING else []
    failed = f", {how.failed} failed" if how.failed else ""
    return {
        "job": name,
        "kind": "job",
        "state": how.phase.value,
        "progress": f"{how.done}/{how.tasks}{failed}",
        "since": job["metadata"]["creationTimestamp"],
        "why": how.why or waiting.why(job, pods, queued),
    }


def _schedule(schedule: Mapping[str, Any]) -> dict[str, Any]:
    last = (schedule.get("status") or {}).get("lastScheduleTime")
    return {
        "job": schedule["metadata"]["name"],
        "kind": "schedule",
        "state": "scheduled",
        "progress": "",
        "since": schedule["metadata"]["creationTimestamp"],
        "why": f"at `{schedule['spec']['schedule']}`" + (f", last {last}" if last else ", not yet run"),
    }
