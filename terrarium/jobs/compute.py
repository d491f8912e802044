"""What an environment's descriptor says of where its jobs run: queues, pools, quota. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from components.compute import Workers, ordered
from components.settings import quantities
from terrarium.errors import InvalidInput


@dataclass(frozen=True)
class Amount:
    """Cores, memory in bytes and GPUs; what is None has no bound."""

    cpu: Decimal | None = None
    memory: Decimal | None = None
    gpu: int | None = None


@dataclass(frozen=True)
class Compute:
    """Where an environment's jobs run.

    Args:
        queue: The queue of the whole environment; None where nothing queues jobs.
        bucket_queues: The queue of each bucket.
        priorities: What the cluster calls each priority of a job.
        pools: Its pools, in the order in which they are tried; none where nobody said which machines the cluster has.
        quota: The most that all its pods may have together.
        borrowed: The same with what others leave, where it may have that.
        pods: Pods at most.
        container: The most that one container may ask for.
    """

    queue: str | None
    bucket_queues: Mapping[str, str]
    priorities: Mapping[str, str]
    pools: Sequence[Workers]
    quota: Amount
    borrowed: Amount
    pods: int | None
    container: Amount

    def queue_of(self, bucket: str | None) -> str | None:
        """Return the queue for jobs of a bucket, or of the whole environment."""
        return self.queue if bucket is None else self.bucket_queues.get(bucket, self.queue)


def read(descriptor: Mapping[str, Any]) -> Compute:
    """Return what a descriptor says.

    Args:
        descriptor: An environment's.

    Raises:
        InvalidInput: If it says nothing, or nothing that can be understood.
    """
    said = descriptor.get("compute")
    if not said:
        raise InvalidInput(
            f"environment {descriptor.get('id')} does not say where its jobs run: it was brought up by an earlier "
            "version; `terrarium up` brings it up to date"
        )
    try:
        return _read(said)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise InvalidInput(
            f"what the descriptor of {descriptor.get('id')} says of jobs can't be read; `terrarium up` of the "
            "environment restores it"
        ) from None


def _read(said: Mapping[str, Any]) -> Compute:
    queues, quota = said.get("queues") or {}, said.get("quota") or {}
    pods = quota.get("pods")
    own, percent = _amount(quota), int(quota.get("borrowPercent") or 0)
    return Compute(
        queue=queues.get("default"),
        bucket_queues=dict(queues.get("buckets") or {}),
        priorities=dict(said.get("priorities") or {}),
        pools=ordered(Workers.model_validate(one) for one in said.get("pools") or ()),
        quota=own,
        borrowed=_more(own, percent if queues else 0),
        pods=None if pods is None else int(pods),
        container=_amount(said.get("container") or {}),
    )


def _amount(said: Mapping[str, Any]) -> Amount:
    cpu, memory, gpu = said.get("cpu"), said.get("memory"), said.get("gpu")
    return Amount(
        None if cpu is None else quantities.parse(str(cpu)),
        None if memory is None else quantities.parse(str(memory)),
        None if gpu is None else int(gpu),
    )


def _more(own: Amount, percent: int) -> Amount:
    def more(amount: Decimal | None) -> Decimal | None:
        return None if amount is None else amount * (100 + percent) / 100

    return Amount(more(own.cpu), more(own.memory), None if own.gpu is None else own.gpu * (100 + percent) // 100)
