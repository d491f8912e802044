from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import Mock

import grpc
import psutil
import pytest
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime.proto import language_pb2

from rehearsal.plugins import install, install_plugin
from rehearsal.plugins.kubernetes.client import Client, MissingError
from rehearsal.plugins.language_python import LanguageHost

from .project import NAMESPACE, Project

# Seconds; several interpreters start and end, on a machine that may be busy with other tests. 5 s were not enough.
PATIENCE = 60.0

WAITS = """
import pulumi, pulumi_kubernetes as k8s
provider = k8s.Provider("cluster", kubeconfig={kubeconfig!r})
k8s.core.v1.Pod("waits", metadata={{"name": {name!r}, "namespace": "plugins"}}, spec={{
    "nodeSelector": {{"tests.invalid/node": "none"}},
    "containers": [{{"name": "main", "image": "example.invalid/a"}}], "automountServiceAccountToken": False,
}}, opts=pulumi.ResourceOptions(provider=provider))
"""


def wait_until(condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.1)


@contextlib.contextmanager
def waiting_update(
    project: Project, cluster: Path, api: Client, name: str
) -> Iterator[tuple[psutil.Popen, list[psutil.Process]]]:
    """An update that waits for a pod no node will run, and the processes it started."""
    project.write(WAITS.format(kubeconfig=str(cluster), name=name))
    engine = psutil.Popen(
        [project.engine / "pulumi", "up", "--yes", "--skip-preview", "--non-interactive"],
        cwd=project.folder,
        env=project.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": NAMESPACE}}

    def made() -> bool:
        with contextlib.suppress(MissingError):
            return bool(api.get(pod))
        return False

    try:
        wait_until(made)
        children = engine.children(recursive=True)
        # The language host, the program, the provider.
        assert len(children) >= 3
        yield engine, children
    finally:
        if engine.poll() is None:
            engine.kill()
        engine.wait()
        api.delete(pod, "Background")


def test_a_killed_engine_leaves_no_process(project: Project, cluster: Path, api: Client) -> None:
    with waiting_update(project, cluster, api, "killed") as (engine, children):
        engine.kill()
        _, alive = psutil.wait_procs(children, timeout=PATIENCE)
        assert not alive


def test_an_interrupted_update_keeps_what_it_made(project: Project, cluster: Path, api: Client) -> None:
    with waiting_update(project, cluster, api, "interrupted") as (engine, children):
        engine.send_signal(signal.SIGINT)
        assert engine.wait(timeout=PATIENCE) != 0
        _, alive = psutil.wait_procs(children, timeout=PATIENCE)
        assert not alive
        assert "cancelled while waiting" in str(project.resources()["waits"]["initErrors"])


def test_a_program_that_fails_says_where(project: Project) -> None:
    project.write("import pulumi\nprint('said before')\n\ndef broken():\n    raise KeyError('color')\n\nbroken()\n")
    written = project.pulumi("preview", fails=True)
    assert "said before" in written
    assert '__main__.py", line 5, in broken' in written
    assert "KeyError: 'color'" in written
    # Shown once, by the program; the official host adds nothing.
    assert "exit code" not in written
    project.write("import sys\nsys.exit(7)\n")
    assert "Program exited with non-zero exit code: 7" in project.pulumi("preview", fails=True)


def test_a_policy_pack_is_run_and_heard(tmp_path: Path) -> None:
    (tmp_path / "__main__.py").write_text("import sys\nprint('4711')\nprint('wrong', file=sys.stderr)\nsys.exit(3)\n")
    options = Struct()
    options.update({"virtualenv": sys.prefix})
    request = language_pb2.RunPluginRequest(kind="analyzer", pwd=str(tmp_path), args=["127.0.0.1:1"])
    request.info.root_directory = request.info.program_directory = str(tmp_path)
    request.info.options.CopyFrom(options)
    host = LanguageHost("127.0.0.1:1", tmp_path)
    answers = list(host.RunPlugin(request, Mock(spec=grpc.ServicerContext)))
    assert b"".join(answer.stdout for answer in answers) == b"4711\n"
    assert b"wrong" in b"".join(answer.stderr for answer in answers)
    assert answers[-1].exitcode == 3


def test_plugins_are_installed_whole_and_by_known_names(tmp_path: Path) -> None:
    install(tmp_path / "bin", Path("/a folder/python"), ["pulumi-resource-random"])
    assert [path.name for path in (tmp_path / "bin").iterdir()] == ["pulumi-resource-random"]
    assert "'/a folder/python'" in (tmp_path / "bin" / "pulumi-resource-random").read_text()
    # A folder of its own, as the engine keeps plugins: then it does not say at each call that it found one on PATH.
    install_plugin(tmp_path / "resource-random-v1.0.0", Path("/a/python"), "pulumi-resource-random")
    assert [path.name for path in (tmp_path / "resource-random-v1.0.0").iterdir()] == ["pulumi-resource-random"]
    with pytest.raises(ValueError, match="pulumi-resource-azure; there are pulumi-language-python"):
        install(tmp_path, Path("python"), ["pulumi-resource-azure"])
