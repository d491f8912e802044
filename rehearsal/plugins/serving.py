"""What every plugin does alike: serve gRPC on a loopback port, tell the engine the port, end with the engine."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from types import FrameType
from typing import Literal

import grpc
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

# State of a large custom resource passes 4 MB, gRPC's default limit; the engine itself allows 400 MB.
MESSAGE_OPTIONS = [
    ("grpc.max_receive_message_length", 400 * 1024 * 1024),
    ("grpc.max_send_message_length", 400 * 1024 * 1024),
]
# The engine runs up to 16 steps at once by default, and an await holds its thread for minutes.
THREADS = 64
PARENT_POLL_SECONDS = 0.5

Severity = Literal["info", "warning", "error"]
_SEVERITIES = {"info": engine_pb2.INFO, "warning": engine_pb2.WARNING, "error": engine_pb2.ERROR}


class EngineLog:
    """The engine's log: lines a person sees beside the resource they are about."""

    def __init__(self, address: str) -> None:
        """Remember where the engine listens.

        Args:
            address: `host:port`, the plugin's last command-line argument; empty when a person starts it by hand.
        """
        self.address = address
        self._lock = threading.Lock()
        self._stub: engine_pb2_grpc.EngineStub | None = None

    def __call__(self, severity: Severity, message: str, urn: str = "", *, passing: bool = False) -> None:
        """Show a line.

        Args:
            severity: how it is shown.
            message: for a person, without secrets.
            urn: the resource it is about; empty for none.
            passing: shown only while the resource is worked on, as progress is.
        """
        if not self.address:
            return
        with self._lock:
            if self._stub is None:
                self._stub = engine_pb2_grpc.EngineStub(grpc.insecure_channel(self.address))
        request = engine_pb2.LogRequest(severity=_SEVERITIES[severity], message=message, urn=urn, ephemeral=passing)
        try:
            self._stub.Log(request, timeout=5)
        except grpc.RpcError:
            # A line that can't be shown must not fail the work it tells of; a dead engine is seen by the parent watch.
            return


def engine_address() -> str:
    """The engine's `host:port`: the last argument that is no flag, or empty."""
    plain = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    return plain[-1] if plain else ""


def sdk_version(package: str) -> str:
    """Version of the installed Python SDK, which is the plugin version that SDK asks the engine for.

    Args:
        package: distribution name, such as `pulumi-kubernetes`.
    """
    try:
        return version(package)
    except PackageNotFoundError:
        return "0.0.0"


def serve(register: Callable[[grpc.Server], None], *, on_exit: Callable[[], None] = lambda: None) -> None:
    """Serve until the engine asks to end (SIGINT, SIGTERM) or dies.

    Args:
        register: adds the servicers to the server.
        on_exit: ends what the plugin started; called once, also when the engine was killed.
    """
    parent = os.getppid()
    done = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        done.set()

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    server = grpc.server(ThreadPoolExecutor(THREADS), options=[*MESSAGE_OPTIONS, ("grpc.so_reuseport", 0)])
    register(server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    # A killed engine (kill -9) sends no signal: its plugins are then handed to another parent, and must not wait on.
    while not done.wait(PARENT_POLL_SECONDS) and os.getppid() == parent:
        pass
    on_exit()
    server.stop(None)
    # Threads may be inside a ten-minute await; the engine no longer listens, so nothing is lost by leaving at once.
    sys.stderr.flush()
    os._exit(0)


def backoff(first: float = 0.1, longest: float = 1.0) -> Callable[[threading.Event], bool]:
    """A pause that doubles from `first` to `longest` seconds; returns true when `stop` was set meanwhile."""
    pause = first

    def wait(stop: threading.Event) -> bool:
        nonlocal pause
        stopped = stop.wait(pause)
        pause = min(pause * 2, longest)
        return stopped

    return wait


def attempts(seconds: float, stop: threading.Event) -> Iterator[str]:
    """Look again and again, with growing pauses: yields an empty text each time, and at last why it was the last.

    Args:
        seconds: how long.
        stop: set when the engine cancels.
    """
    end, pause = time.monotonic() + seconds, backoff()
    yield ""
    while time.monotonic() < end:
        if pause(stop):
            yield "when the update was cancelled while waiting"
            return
        yield ""
    yield f"after {seconds:.0f} seconds"
