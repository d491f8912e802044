"""The clouds' own commands, so far as kubeconfigs and people need them to reach a rehearsed cluster.

They answer for rehearsed clusters. All else goes to the real command, if there is one further down on PATH.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NoReturn

from rehearsal.errors import RehearsalError
from rehearsal.files import write
from rehearsal.paths import root
from rehearsal.platform.layout import Layout
from rehearsal.rented import kubeconfigs
from rehearsal.rented.platforms import Rehearsed, found

_API = "client.authentication.k8s.io/v1beta1"
_MARK = "rehearsal.rented.commands"
# Started as PostgreSQL's tools are (rehearsal/database_tools.py).
_LAUNCHER = """\
#!/bin/sh
'''exec' {python} -I -X utf8 "$0" "$@"
' '''
import sys

sys.path.insert(0, {root!r})
from rehearsal.rented.commands import main

main({name!r})
"""


_OF_CLOUD = {"aws": ("aws",), "gcp": ("gke-gcloud-auth-plugin", "gcloud")}
NAMES = tuple(name for names in _OF_CLOUD.values() for name in names)
"""Of all commands, whether they are placed or not."""


def install(folder: Path, clouds: Iterable[str]) -> None:
    """Place the commands of rehearsed clouds in a folder.

    Args:
        folder: It exists, and holds no other cloud's.
        clouds: Names of stand-in plugins; those that are no cloud's are passed over.
    """
    for name in (name for cloud in clouds for name in _OF_CLOUD.get(cloud, ())):
        text = _LAUNCHER.format(python=shlex.quote(sys.executable), root=str(root()), name=name)
        write(folder / name, text, mode=0o755)


class _Parser(argparse.ArgumentParser):
    """A parser that knows part of a command's words, and leaves the rest to the real one."""

    def error(self, message: str) -> NoReturn:
        raise _NotOursError(message)


class _NotOursError(Exception):
    """The real command's business."""


def aws(arguments: Sequence[str]) -> None:
    """`aws eks get-token` and `aws eks update-kubeconfig`."""
    parser = _Parser(add_help=False, allow_abbrev=False)
    for word in ("--region", "--profile", "--output", "--role-arn", "--kubeconfig", "--alias", "--user-alias"):
        parser.add_argument(word, default="")
    parser.add_argument("--name", "--cluster-name", default="")
    parser.add_argument("words", nargs="*")
    given = parser.parse_intermixed_args(arguments)
    if given.words not in (["eks", "get-token"], ["eks", "update-kubeconfig"]):
        raise _NotOursError
    region = given.region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or ""
    cluster = _one("aws", lambda it: it.cluster == given.name and region in ("", it.region), given.name)
    if given.words[1] == "get-token":
        _credential(cluster)
    else:
        path = kubeconfigs.chosen(given.kubeconfig)
        _say(f"Updated context {kubeconfigs.add(path, cluster, given.alias)} in {path}")


def gke(arguments: Sequence[str]) -> None:
    """`gke-gcloud-auth-plugin`, which is told the cluster by its server, in a variable of kubectl's."""
    parser = _Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("--impersonate_service_account", default="")
    parser.parse_args(arguments)
    try:
        server = json.loads(os.environ["KUBERNETES_EXEC_INFO"])["spec"]["cluster"]["server"]
    except (KeyError, TypeError, ValueError):
        raise _NotOursError from None
    _credential(_one("gcp", lambda it: f"https://127.0.0.1:{_port(it)}" == server, f"at {server}"))


def gcloud(arguments: Sequence[str]) -> None:
    """`gcloud container clusters get-credentials`."""
    parser = _Parser(add_help=False, allow_abbrev=False)
    for word in ("--project", "--account", "--configuration"):
        parser.add_argument(word, default="")
    parser.add_argument("--location", "--region", "--zone", default="")
    for word in ("--internal-ip", "--dns-endpoint", "--quiet"):
        parser.add_argument(word, action="store_true")
    parser.add_argument("words", nargs="*")
    given = parser.parse_intermixed_args(arguments)
    if given.words[:3] != ["container", "clusters", "get-credentials"] or len(given.words) != 4:
        raise _NotOursError
    name = given.words[3]

    def fits(it: Rehearsed) -> bool:
        return it.cluster == name and given.location in ("", it.region) and given.project in ("", it.account)

    path = kubeconfigs.chosen()
    _say(f"kubeconfig entry generated for {kubeconfigs.add(path, _one('gcp', fits, name))} in {path}.")


_REHEARSED = {
    "aws": "`aws eks get-token` and `aws eks update-kubeconfig`",
    "gke-gcloud-auth-plugin": "`gke-gcloud-auth-plugin`, as kubectl runs it",
    "gcloud": "`gcloud container clusters get-credentials`",
}
_COMMANDS: dict[str, Callable[[Sequence[str]], None]] = {"aws": aws, "gke-gcloud-auth-plugin": gke, "gcloud": gcloud}


def _one(cloud: str, fits: Callable[[Rehearsed], bool], named: str) -> Rehearsed:
    known = [it for it in found(cloud) if it.cluster and fits(it)]
    if len(known) > 1:
        where = ", ".join(f"{it.account} {it.region}" for it in known)
        raise RehearsalError(f"There are {len(known)} rehearsed clusters {named}: {where}. Name the region.")
    if not known:
        raise _NotOursError(f"there is no rehearsed cluster {named}")
    return known[0]


def _port(cluster: Rehearsed) -> int | None:
    try:
        return cluster.platform.port("kube-apiserver")
    except RehearsalError:
        return None  # half made


def _credential(cluster: Rehearsed) -> None:
    """Print what proves to a cluster that its administrator asks; a stopped one is started, as clouds don't stop."""
    pair = Layout(cluster.start().folder).pair("admin")
    status = {
        "clientCertificateData": pair.certificate.read_text(encoding="ascii"),
        "clientKeyData": pair.key.read_text(encoding="ascii"),
    }
    _say(json.dumps({"kind": "ExecCredential", "apiVersion": _API, "spec": {}, "status": status}))


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _real(name: str) -> str | None:
    """Return the real command of a name, behind ours and those of other checkouts on PATH."""
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        path = shutil.which(name, path=folder) if folder else None
        if path and _MARK.encode() not in _beginning(path):
            return path
    return None


def _beginning(path: str) -> bytes:
    with Path(path).open("rb") as stream:
        return stream.read(2000)


def main(name: str) -> None:
    """Run one of the commands; what is not ours is done by the real one."""
    arguments = sys.argv[1:]
    try:
        _COMMANDS[name](arguments)
    except _NotOursError as error:
        if real := _real(name):
            os.execv(real, [real, *arguments])  # noqa: S606 - the person's own command line, without a shell
        reason = str(error) or f"`{shlex.join([name, *arguments[:3]])}` is not rehearsed"
        rest = f"and there is no real `{name}` on PATH. Rehearsed is {_REHEARSED[name]}."
        sys.stderr.write(f"error: {reason}, {rest}\n")
        sys.exit(2)
    except (RehearsalError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(1)
