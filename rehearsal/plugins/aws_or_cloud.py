"""What stands in for the official `pulumi-aws` provider: a store's where one is named, else the rehearsed AWS."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from pulumi.runtime.proto import provider_pb2_grpc

from rehearsal.cloud.aws import CLOUD
from rehearsal.cloud.provider import CloudProvider
from rehearsal.plugins import aws
from rehearsal.plugins.base import Context
from rehearsal.plugins.resource import ResourceProvider
from rehearsal.plugins.serving import EngineLog, engine_address, serve

# A store of one's own is named by its endpoints, here or in a profile; then there is no account to ask for.
_OF_A_STORE = {"endpoints", "skipRequestingAccountId"}
_ASKED_FIRST = {"CheckConfig": "news", "DiffConfig": "news", "Configure": "variables"}


class Either(provider_pb2_grpc.ResourceProviderServicer):
    """One of two providers, by the settings that the engine sends before anything else."""

    def __init__(self, log: EngineLog) -> None:
        self._log = log
        self._stopping: list[threading.Event] = []
        self._chosen: ResourceProvider | None = None
        self._choosing = threading.Lock()

    def stop(self) -> None:
        """End all waiting."""
        for one in self._stopping:
            one.set()

    def chosen(self, settings: Any = None) -> ResourceProvider:
        """The provider; settings, when there are some, choose it."""
        with self._choosing:
            store = isinstance(self._chosen, aws.Provider)
            if settings is not None:
                store = any(name.rpartition(":")[2] in _OF_A_STORE for name in settings)
            if self._chosen is None or store != isinstance(self._chosen, aws.Provider):
                self._chosen = aws.Provider(self._log) if store else CloudProvider(self._log, CLOUD)
                self._stopping.append(self._chosen.stopping)
            return self._chosen


def _passed_on(name: str) -> Callable[[Either, Any, Context], Any]:
    def call(self: Either, request: Any, context: Context) -> Any:
        settings = getattr(request, _ASKED_FIRST[name]) if name in _ASKED_FIRST else None
        return getattr(self.chosen(settings), name)(request, context)

    return call


for _name in [name for name in vars(provider_pb2_grpc.ResourceProviderServicer) if name[0].isupper()]:
    setattr(Either, _name, _passed_on(_name))


def main() -> None:
    """Serve one engine."""
    either = Either(EngineLog(engine_address()))
    serve(lambda server: provider_pb2_grpc.add_ResourceProviderServicer_to_server(either, server), on_exit=either.stop)
