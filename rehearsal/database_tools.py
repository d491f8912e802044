"""PostgreSQL's own tools, and the way back in time, in the folder that goes first on PATH."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from rehearsal.files import write
from rehearsal.paths import root
from rehearsal.platform import postgresql

TOOLS = ("pg_dump", "pg_restore", "psql")
"""Of the server's version: an older pg_dump refuses a newer server."""
AT = "terrarium-database-at"

# Started through /bin/sh as the stand-ins are: a `#!` line takes no blank and no more than 127 characters.
_LAUNCHER = """\
#!/bin/sh
'''exec' {python} -I -X utf8 "$0" "$@"
' '''
import sys

sys.path.insert(0, {root!r})
from rehearsal.platform.database_at import main

main()
"""


def install(folder: Path) -> None:
    """Place the tools in a folder, or leave them if they are there.

    Args:
        folder: It exists.

    Raises:
        RehearsalError: PostgreSQL is not installed.
    """
    for name in TOOLS:
        source, target = postgresql.programs() / name, folder / name
        # A link, not a copy: they find their libraries beside themselves.
        if not target.is_symlink() or target.readlink() != source:
            target.unlink(missing_ok=True)
            target.symlink_to(source)
    launcher, text = folder / AT, _LAUNCHER.format(python=shlex.quote(sys.executable), root=str(root()))
    if not launcher.is_file() or launcher.read_text(encoding="utf-8") != text:
        write(launcher, text, mode=0o755)
