"""What AWS and Google decide with, as others keep it: an IAM simulator, and Google's own CEL.

IAM: `@cloud-copilot/iam-simulate`, which knows federated principals and, from AWS' service reference, which claims of
an issuer IAM compares; no package for Python does. It runs on the Node that a wheel carries, as a process of its own.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cel_expr_python import cel

_IAM = Path(__file__).parent / "iam"
_BIN = Path(sys.prefix) / "bin"
_CEL = cel.NewEnv(variables={"assertion": cel.Type.Map(cel.Type.STRING, cel.Type.DYN)})


def _installed() -> Path:
    """Return the folder of the simulator, as it is locked; from the package registry the first time."""
    parts = sorted(_IAM.iterdir())
    digest = hashlib.sha256(b"".join(part.read_bytes() for part in parts)).hexdigest()[:16]
    place = Path(sys.prefix) / f"iam-{digest}"
    if not place.exists():
        # Beside it, then moved as a whole: another process of the tests may do the same.
        made = Path(tempfile.mkdtemp(prefix="iam-", dir=sys.prefix))
        for part in parts:
            shutil.copy(part, made)
        command = [_BIN / "npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        done = subprocess.run(command, cwd=made, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, f"the IAM simulator could not be installed: {done.stderr}"
        try:
            made.rename(place)
        except OSError:
            shutil.rmtree(made)
    return place


class Iam:
    """Answers as IAM would."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def lets_in(self, document: Mapping[str, Any], role: str, claims: Mapping[str, Any]) -> bool:
        """Whether a token may take a role, by the role's trust document."""
        return self._ask({"document": document, "role": role, "claims": claims})

    def may(
        self, policy: Mapping[str, Any], role: str, action: str, resource: str, context: Mapping[str, str] | None = None
    ) -> bool:
        """Whether a role may do something, by its own policy alone."""
        return self._ask(
            {"policy": policy, "role": role, "action": action, "resource": resource, "context": context or {}}
        )

    def _ask(self, asked: dict[str, Any]) -> bool:
        asked["account"] = asked["role"].split(":")[4]
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        assert "error" not in answer, answer
        return bool(answer["allowed"])


@contextmanager
def iam() -> Iterator[Iam]:
    """Run the simulator."""
    place = _installed()
    command = [_BIN / "node", place / "simulate.mjs"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Iam(process)
        finally:
            process.kill()


def evaluated(expression: str, claims: Mapping[str, Any]) -> Any:
    """Return what a CEL expression says of a token; None if it can't say, as of a claim that is missing."""
    found = _CEL.compile(expression).eval(data={"assertion": dict(claims)})
    return None if found.type() == cel.Type.ERROR else found.value()
