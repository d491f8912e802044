"""Run a Python program as its own interpreter would, and note the processor time that it took.

Usage: `python -IS measured.py NOTE INTERPRETER ARGUMENT...`. The language host, official or not, takes this for the
interpreter of the virtual environment. It is the kernel's count for the process and what it waited for, from its first
instruction to its last: the interpreter's own start and end are in it, the engine, the plugins and this script are not.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

# The host also starts the interpreter to ask for versions and packages.
PROGRAM = "pulumi-language-python-exec"


def main() -> int:
    """Run it and return its exit code."""
    note, interpreter, *arguments = sys.argv[1:]
    child = os.posix_spawn(interpreter, [interpreter, *arguments], os.environ)
    _, status, usage = os.wait4(child, 0)
    if any(Path(argument).name == PROGRAM for argument in arguments):
        Path(note).write_text(f"{usage.ru_utime + usage.ru_stime:.6f}", encoding="ascii")
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
