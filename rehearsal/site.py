"""What the checkout needs to know of the rehearsal: one file of variables per tier, and a script to source.

Every tier's variables name its own state, kubeconfigs and data stores; production's are apart, and its passphrase is.
The passphrases are public on purpose: they protect nothing but a rehearsal.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rehearsal.errors import explained
from rehearsal.files import write as write_file
from rehearsal.paths import pulumi_home
from rehearsal.platform.connections import Connections, combine
from rehearsal.progress import Report
from rehearsal.rented import kubeconfigs
from rehearsal.rented.platforms import Rehearsed

SHARED = "shared"
PRODUCTION = "prod"
TIERS = {"experimentation": SHARED, "testing": SHARED, "production": PRODUCTION}
"""Each tier, and the embedded platform that it lives on unless a stack file says otherwise."""

# A team's own file, with the backend of its real production, was once replaced by the rehearsal's: a file without this
# line is somebody's, and stays.
_MARK = "# Written by make up"
_HEAD = f"{_MARK}, which replaces it. Remove this line to keep what you change below it.\n"


@dataclass(frozen=True)
class Access:
    """Where a tier's clusters and data stores are found.

    Attributes:
        kubeconfigs: Of two files that name one context, the first is taken.
        connections: To the data stores of embedded platforms, whether they were ever started or not.
        default: Of them, the rehearsed AWS account's that is asked where no profile is named.
        clusters: Rehearsed clusters, which get a context each; None where no cloud is rehearsed.
    """

    kubeconfigs: Sequence[Path]
    connections: Sequence[Connections] = ()
    default: Connections | None = None
    clusters: Sequence[Rehearsed] | None = None


def write(root: Path, local: Path, access: Mapping[str, Access], report: Report) -> None:
    """Write `<tier>.env` for each tier that has none of a person's own, `activate`, and `activate-production`.

    Args:
        root: The checkout.
        local: Its folder for what is never committed.
        access: By tier.
        report: Told which files are kept.

    Raises:
        RehearsalError: A file can't be written.
    """
    with explained(f"What a shell needs can't be written to {local}"):
        for tier, side in TIERS.items():
            state = local / "state" / side
            state.mkdir(parents=True, exist_ok=True)
            # Production's keys in files of their own, which no other tier names.
            folder, given = local / "connections" / side, access[tier]
            connections = combine(folder, given.connections, given.default)
            files = [*given.kubeconfigs]
            if given.clusters is not None:
                # First: the clouds' commands write to the first, and a platform writes its own anew at each start.
                files = [folder / "kubeconfig", *files]
                kubeconfigs.refresh(files[0], given.clusters)
            path = local / f"{tier}.env"
            if _is_somebodys(path):
                report.note(f"{path} is kept: it was not written by `make up`. To have it made anew, delete it.")
            else:
                write_file(path, _HEAD + _variables(side, state, files, connections))
        write_file(local / "activate", _script(root, local, "experimentation"))
        write_file(local / "activate-production", _script(root, local, "production"))


def own_kubeconfigs() -> list[Path]:
    """Return the kubeconfigs a person had before anything of ours: KUBECONFIG's, else `~/.kube/config` if it exists.

    Those of embedded and rehearsed clusters are left out, of this checkout and others: they are in KUBECONFIG of a
    shell that sourced `activate`, and would open production's to the other tiers.
    """
    if listed := os.environ.get("KUBECONFIG"):
        paths = [Path(entry).expanduser() for entry in listed.split(os.pathsep) if entry]
    else:
        paths = [path for path in [Path.home() / ".kube" / "config"] if path.is_file()]
    return [path for path in paths if path.parts[-4:-3] != (".terrarium",)]


def _variables(side: str, state: Path, files: Sequence[Path], connections: Connections) -> str:
    variables = {
        # Without it the engine keeps a second file beside each state, which a kill can leave half-written.
        "PULUMI_BACKEND_URL": f"{state.as_uri()}?metadata=skip",
        "PULUMI_CONFIG_PASSPHRASE": "rehearsal" if side == SHARED else "rehearsal-production",
        "PULUMI_HOME": str(pulumi_home()),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "KUBECONFIG": os.pathsep.join(str(path) for path in files),
        **connections.variables(),
    }
    return "".join(f"{key}={shlex.quote(value)}\n" for key, value in variables.items())


def _is_somebodys(path: Path) -> bool:
    try:
        return not path.read_text(encoding="utf-8", errors="replace").startswith(_MARK)
    except FileNotFoundError:
        return False


def _script(root: Path, local: Path, tier: str) -> str:
    path = f"{shlex.quote(str(local / 'bin'))}:{shlex.quote(str(root / '.venv' / 'bin'))}"
    return (
        f"# Source this file to work by hand: pulumi, terrarium and kubectl for {tier}.\n"
        f"set -a\n. {shlex.quote(str(local / f'{tier}.env'))}\nset +a\n"
        f'export PATH={path}:"$PATH"\n'
    )
