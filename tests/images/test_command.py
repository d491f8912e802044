"""`terrarium image`, as a person or a script runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from terrarium.errors import Exit
from tests.images.conftest import approve, script
from tests.images.test_papers import key_pair

pytestmark = pytest.mark.usefixtures("advisories")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("terrarium")), "image", *arguments]
    return subprocess.run(command, env=dict(os.environ), capture_output=True, text=True, check=False)


def test_build_show_and_verify(project: Path) -> None:
    script(project, "print('by hand')\n", "six==1.17.0")
    built = run("build", "train.py", "-e", "churn-dev", "--json")
    assert built.returncode == Exit.DONE, built.stderr
    told = json.loads(built.stdout)
    assert told["cached"] is False
    assert told["scan"]["holes"] == []
    again = run("build", "train.py", "-e", "dev")
    assert again.stdout.splitlines()[0] == f"{told['reference']} (unchanged)"
    assert again.stderr == ""

    shown = run("show", told["reference"], "-e", "dev").stdout
    assert "no known holes, by advisories of" in shown
    record = [line.strip() for line in shown.splitlines()[-6:]]
    assert record[0] == f"{told['digest']}:"
    assert record[1:4:2] == [f"base: {told['base']}", "clean: true"]
    assert record[4:] == ["signed: false", 'release: ""']

    refused = run("verify", f"train@{told['digest']}", "-e", "dev")
    assert refused.returncode == Exit.INVALID
    assert "security approves no signer" in refused.stderr
    private, public = key_pair(project, "me")
    assert run("build", "train.py", "-e", "dev", "--sign-key", str(private)).returncode == Exit.DONE
    (project / "policies" / "waivers" / "me.pub").write_bytes(public.read_bytes())
    approve(project, signers={"me": "me.pub"})
    assert "signed by me" in run("verify", f"train@{told['digest']}", "-e", "dev").stdout
    _, other = key_pair(project, "other")
    assert run("verify", f"train@{told['digest']}", "-e", "dev", "--key", str(other)).returncode == Exit.REFUSED


def test_what_is_refused_is_said_to_machines_too(project: Path) -> None:
    script(project, "", "six==1.15.0")
    refused = run("build", "train.py", "-e", "dev", "--json")
    assert refused.returncode == Exit.REFUSED
    [hole] = json.loads(refused.stdout)["holes"]
    assert (hole["package"], hole["id"], hole["fixed"]) == ("six", "PYSEC-2099-1", ["1.16.0"])


def test_images_that_are_not_there(project: Path) -> None:
    for name, said in (
        ("train", "names neither a digest nor a tag"),
        ("train:none", "does not exist in its registry"),
        ("Train@x", "is no image"),
    ):
        shown = run("show", name, "-e", "dev")
        assert shown.returncode == Exit.INVALID
        assert said in shown.stderr
