"""An environment's queues: its share of the cluster's pools, and one queue for each who submits there."""

from __future__ import annotations

from components import compute, queues
from components.contract import PlatformFacts
from components.labels import environment_labels
from components.settings.models import EnvironmentSettings
from components.workspace.scope import Scope


def queued(scope: Scope, settings: EnvironmentSettings, facts: PlatformFacts, *, cohort: str | None) -> None:
    """Make the environment's ClusterQueue, the LocalQueue `default`, and one for each bucket.

    Args:
        scope: Where.
        settings: The environment.
        facts: What the platform below offers.
        cohort: With whom the environment shares what it does not use; None shares nothing.
    """
    # Not the namespace's output: the queue must outlive the namespace, whose end takes away the jobs that hold it.
    spec = facts.compute.apply(lambda found: queues.shares(found, settings.id, settings.quota, cohort))
    queue = queues.cluster_queue(scope.name, settings.id, spec, environment_labels(settings), scope.opts)
    names = [compute.DEFAULT_QUEUE, *map(compute.bucket_queue, sorted(settings.buckets))]
    for called in names:
        queues.local_queue(scope.logical(f"queue-{called}"), scope.metadata(called), queue, scope.opts)
