"""Stand-in Pulumi plugins, used only on machines where the official ones can't be downloaded.

They speak the engine's real gRPC protocols, so the same program, state and tests run on the official plugins by
leaving these out of the binary folder. Each module says at its head what it covers and what not.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path

MODULES = {
    "pulumi-language-python": "language_python",
    "pulumi-resource-aws": "aws_or_cloud",
    "pulumi-resource-gcp": "gcp",
    "pulumi-resource-kubernetes": "helm",
    "pulumi-resource-postgresql": "postgresql",
    "pulumi-resource-random": "random",
}

# Started through /bin/sh as pip does: a `#!` line with a blank or more than 127 characters in the interpreter's path is
# refused by the kernel. `-I` keeps the caller's PYTHONPATH and current folder out, `-X utf8` any terminal's encoding.
_LAUNCHER = """\
#!/bin/sh
'''exec' {python} -I -X utf8 "$0" "$@"
' '''
import sys

sys.path.insert(0, {root!r})
from rehearsal.plugins.launch import launch

launch({module!r})
"""


def install(bin_dir: Path, python: Path, names: Iterable[str]) -> None:
    """Write the executables the engine looks for into a folder.

    Args:
        bin_dir: folder that holds the `pulumi` binary; made if it is missing. The engine wants the language host beside
            it, and `pulumi-language-python-exec` (from the SDK's Go module) must stand there too.
        python: interpreter of the environment the project is installed in.
        names: executables to write, of `MODULES`.

    Raises:
        ValueError: a name is not one of `MODULES`.
    """
    wanted = list(names)
    unknown = sorted(set(wanted) - set(MODULES))
    if unknown:
        raise ValueError(f"no stand-in plugin is called {', '.join(unknown)}; there are {', '.join(MODULES)}")
    for name in wanted:
        install_plugin(bin_dir, python, name)


def install_plugin(folder: Path, python: Path, name: str) -> None:
    """Write one plugin's executable into a folder, such as `plugins/resource-random-v4.21.4` of PULUMI_HOME.

    Args:
        folder: made if it is missing.
        python: interpreter of the environment the project is installed in.
        name: one of `MODULES`.
    """
    root = Path(__file__).resolve().parents[2]
    folder.mkdir(parents=True, exist_ok=True)
    # Replaced in one step: an engine that starts a half-written plugin reports only "exec format error".
    draft = folder / f".{name}.new"
    draft.write_text(_LAUNCHER.format(python=shlex.quote(str(python)), root=str(root), module=MODULES[name]))
    draft.chmod(0o755)
    draft.replace(folder / name)
