"""A Python language host: runs Pulumi programs and policy packs in the project's virtual environment.

Does what the official `pulumi-language-python` does for `runtime: {name: python, options: {virtualenv: DIR}}`. The
SDK's own `pulumi-language-python-exec`, which stands beside this executable, runs the program.
"""

# ruff: noqa: N802, ARG002 - the methods' names and parameters are the protocol's.

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import grpc
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

from rehearsal.plugins.serving import engine_address, sdk_version, serve

# The program has already shown its error through the engine's log (pulumi-language-python-exec).
SHOWN_EXIT_CODE = 32
_LIST_PACKAGES = (
    "import json, importlib.metadata as m; "
    "print(json.dumps(sorted({(d.metadata['Name'], d.version) for d in m.distributions() if d.metadata['Name']})))"
)


class LanguageHost(language_pb2_grpc.LanguageRuntimeServicer):
    """Answers the engine about one project and runs its program."""

    def __init__(self, engine: str, folder: Path) -> None:
        """Keep where things are.

        Args:
            engine: the engine's `host:port`.
            folder: where this executable stands, and `pulumi-language-python-exec` beside it.
        """
        self._engine = engine
        self._folder = folder
        self._lock = threading.Lock()
        self._children: set[subprocess.Popen[bytes]] = set()

    def stop_children(self) -> None:
        """End the programs that still run, and what they started."""
        with self._lock:
            children = list(self._children)
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGTERM)
        for child in children:
            try:
                child.wait(timeout=2)
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)

    def Handshake(
        self, request: language_pb2.LanguageHandshakeRequest, context: grpc.ServicerContext
    ) -> language_pb2.LanguageHandshakeResponse:
        """Take the engine's address."""
        self._engine = request.engine_address or self._engine
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(self, request: Empty, context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        """Say the SDK's version."""
        return plugin_pb2.PluginInfo(version=sdk_version("pulumi"))

    def GetRequiredPlugins(
        self, request: language_pb2.GetRequiredPluginsRequest, context: grpc.ServicerContext
    ) -> language_pb2.GetRequiredPluginsResponse:
        """Name none: a named plugin is downloaded before the program starts, which is what can't be done here."""
        return language_pb2.GetRequiredPluginsResponse()

    def GetRequiredPackages(
        self, request: language_pb2.GetRequiredPackagesRequest, context: grpc.ServicerContext
    ) -> language_pb2.GetRequiredPackagesResponse:
        """Name none, as above: the engine finds each plugin on PATH when the first resource asks for it."""
        return language_pb2.GetRequiredPackagesResponse()

    def About(self, request: language_pb2.AboutRequest, context: grpc.ServicerContext) -> language_pb2.AboutResponse:
        """Say which Python runs the program."""
        python = _python(request.info, context)
        version = subprocess.run([python, "--version"], capture_output=True, text=True, check=False).stdout
        return language_pb2.AboutResponse(executable=python, version=version.removeprefix("Python ").strip())

    def InstallDependencies(
        self, request: language_pb2.InstallDependenciesRequest, context: grpc.ServicerContext
    ) -> Iterator[language_pb2.InstallDependenciesResponse]:
        """Install `requirements.txt` into the virtual environment, as the official host does with pip."""
        folder = Path(request.info.program_directory or request.directory)
        if not (folder / "requirements.txt").is_file():
            yield language_pb2.InstallDependenciesResponse(stdout=b"no requirements.txt: nothing to install\n")
            return
        command = [_python(request.info, context), "-m", "pip", "install", "-r", "requirements.txt"]
        child = self._start(command, folder, dict(os.environ), pipes=True)
        for is_error, data in _stream(child):
            name = "stderr" if is_error else "stdout"
            yield language_pb2.InstallDependenciesResponse(**{name: data})
        if self._finish(child) != 0:
            context.abort(grpc.StatusCode.UNKNOWN, "pip could not install the requirements; its output says why")

    def GetProgramDependencies(
        self, request: language_pb2.GetProgramDependenciesRequest, context: grpc.ServicerContext
    ) -> language_pb2.GetProgramDependenciesResponse:
        """List the packages of the program's environment."""
        command = [_python(request.info, context), "-c", _LIST_PACKAGES]
        listed = subprocess.run(command, capture_output=True, text=True, check=False)
        packages = json.loads(listed.stdout) if listed.returncode == 0 else []
        dependencies = [language_pb2.DependencyInfo(name=name, version=version) for name, version in packages]
        return language_pb2.GetProgramDependenciesResponse(dependencies=dependencies)

    def Run(self, request: language_pb2.RunRequest, context: grpc.ServicerContext) -> language_pb2.RunResponse:
        """Run the program to its end; its output goes to the engine through ours."""
        executor = self._folder / "pulumi-language-python-exec"
        if not executor.is_file():
            context.abort(
                grpc.StatusCode.NOT_FOUND,
                f"{executor} is missing: the engine's set-up puts it there from the Pulumi SDK's Go module",
            )
        options = {
            "monitor": request.monitor_address,
            "engine": self._engine,
            "project": request.project,
            "root_directory": request.info.root_directory,
            "stack": request.stack,
            "pwd": request.pwd,
            "dry_run": "true" if request.dryRun else "false",
            "parallel": str(request.parallel),
            "organization": request.organization,
        }
        flags = [part for name, value in options.items() if value for part in (f"--{name}", value)]
        program = request.info.entry_point or request.program or "."
        command = [_python(request.info, context), "-u", str(executor), *flags, program, *request.args]
        environment = _activated(request.info)
        environment["PULUMI_CONFIG"] = json.dumps(dict(request.config))
        environment["PULUMI_CONFIG_SECRET_KEYS"] = json.dumps(list(request.configSecretKeys))
        folder = Path(request.pwd or request.info.program_directory)
        code = self._finish(self._start(command, folder, environment, pipes=False))
        if code == SHOWN_EXIT_CODE:
            return language_pb2.RunResponse(bail=True)
        return language_pb2.RunResponse(error=f"Program exited with non-zero exit code: {code}" if code else "")

    def RunPlugin(
        self, request: language_pb2.RunPluginRequest, context: grpc.ServicerContext
    ) -> Iterator[language_pb2.RunPluginResponse]:
        """Run a policy pack, or another plugin written in Python, and pass its output on as it comes."""
        folder = request.info.program_directory or request.program
        started = ["-m", "pulumi.policy", *request.args, folder]
        arguments = started if request.kind == "analyzer" else [folder, *request.args]
        environment = _activated(request.info)
        environment.update({name: value for name, _, value in (pair.partition("=") for pair in request.env)})
        command = [_python(request.info, context), "-u", *arguments]
        child = self._start(command, Path(request.pwd or folder), environment, pipes=True)
        # The engine ends a plugin by cancelling this call, not by a signal.
        context.add_callback(lambda: self._end(child))
        for is_error, data in _stream(child):
            if is_error:
                yield language_pb2.RunPluginResponse(stderr=data)
            else:
                yield language_pb2.RunPluginResponse(stdout=data)
        yield language_pb2.RunPluginResponse(exitcode=self._finish(child))

    def Cancel(self, request: Empty, context: grpc.ServicerContext) -> Empty:
        """End the running programs."""
        self.stop_children()
        return Empty()

    def _start(
        self, command: Sequence[str], folder: Path, environment: dict[str, str], *, pipes: bool
    ) -> subprocess.Popen[bytes]:
        output = subprocess.PIPE if pipes else None
        # A process group of its own: what the program itself started ends with it.
        child = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        with self._lock:
            self._children.add(child)
        return child

    def _finish(self, child: subprocess.Popen[bytes]) -> int:
        code = child.wait()
        with self._lock:
            self._children.discard(child)
        return code

    @staticmethod
    def _end(child: subprocess.Popen[bytes]) -> None:
        if child.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGTERM)


def _virtualenv(info: language_pb2.ProgramInfo) -> Path | None:
    option = info.options.fields["virtualenv"].string_value if "virtualenv" in info.options.fields else ""
    return Path(info.root_directory, option) if option else None


def _python(info: language_pb2.ProgramInfo, context: grpc.ServicerContext) -> str:
    environment = _virtualenv(info)
    if environment is None:
        return shutil.which("python3") or sys.executable
    python = environment / "bin" / "python"
    if not python.exists():
        context.abort(
            grpc.StatusCode.FAILED_PRECONDITION,
            f"Pulumi.yaml's runtime option virtualenv names {environment}, which is no virtual environment: "
            f"make it with `python3 -m venv {environment}` and install the project's requirements into it",
        )
    return str(python)


def _activated(info: language_pb2.ProgramInfo) -> dict[str, str]:
    environment = dict(os.environ)
    folder = _virtualenv(info)
    if folder is not None:
        environment["VIRTUAL_ENV"] = str(folder)
        environment["PATH"] = os.pathsep.join([str(folder / "bin"), environment.get("PATH", "")])
        environment.pop("PYTHONHOME", None)
    return environment


def _stream(child: subprocess.Popen[bytes]) -> Iterator[tuple[bool, bytes]]:
    """What a child writes, as it comes: whether it was to stderr, and the bytes."""
    pieces: queue.SimpleQueue[tuple[bool, bytes]] = queue.SimpleQueue()

    def pump(pipe: IO[bytes], is_error: bool) -> None:
        with pipe:
            while data := os.read(pipe.fileno(), 65536):
                pieces.put((is_error, data))
        pieces.put((is_error, b""))

    open_pipes = 0
    for pipe, is_error in ((child.stdout, False), (child.stderr, True)):
        if pipe is not None:
            open_pipes += 1
            threading.Thread(target=pump, args=(pipe, is_error), daemon=True).start()
    while open_pipes:
        is_error, data = pieces.get()
        if data:
            yield is_error, data
        else:
            open_pipes -= 1


def main() -> None:
    """Serve one engine."""
    host = LanguageHost(engine_address(), Path(sys.argv[0]).absolute().parent)
    serve(
        lambda server: language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server),
        on_exit=host.stop_children,
    )
