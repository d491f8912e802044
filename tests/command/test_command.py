"""Proves: every ending of `terrarium` is a message and an honest exit code, on a machine that lacks what it needs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("Pulumi.yaml", "organisation.yaml", "Pulumi.dev.yaml", "Pulumi.platform.yaml", "Pulumi.prod.yaml"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / ".terrarium").mkdir()
    return tmp_path


def run(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": str(folder / "nothing"), "HOME": str(folder), "LANG": "C.UTF-8"} | variables
    done = subprocess.run(
        [str(Path(sys.executable).with_name("terrarium")), *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    return done


def test_no_backend_says_which_file_to_write(checkout: Path) -> None:
    done = run(checkout, "up", "dev")
    assert done.returncode == 3
    assert "PULUMI_BACKEND_URL" in done.stderr
    assert ".terrarium/experimentation.env" in done.stderr


def test_no_engine_says_how_to_get_one(checkout: Path) -> None:
    done = run(checkout, "up", "dev", PULUMI_BACKEND_URL=f"file://{checkout}")
    assert done.returncode == 1
    assert "make up" in done.stderr


@pytest.mark.parametrize("other", ["file:///states", "file:///states/", "file:///states?metadata=skip"])
def test_production_shares_no_backend(checkout: Path, other: str) -> None:
    (checkout / ".terrarium/production.env").write_text("PULUMI_BACKEND_URL=file:///states\n")
    (checkout / ".terrarium/experimentation.env").write_text(f"PULUMI_BACKEND_URL={other}\n")
    for stack in ("dev", "prod"):
        done = run(checkout, "preview", stack)
        assert done.returncode == 3
        assert "shares its state with no other tier" in done.stderr


@pytest.mark.parametrize("content", [b"PULUMI_BACKEND_URL='file:///x\n", b"\xff\xfe"], ids=["quote", "not text"])
def test_a_damaged_tier_file_is_named(checkout: Path, content: bytes) -> None:
    (checkout / ".terrarium/experimentation.env").write_bytes(content)
    done = run(checkout, "up", "dev")
    assert done.returncode == 2
    assert "experimentation.env" in done.stderr


@pytest.mark.parametrize("command", [("up",), ("preview",), ("destroy", "--yes"), ("check",), ("explain",)])
def test_every_problem_of_a_stack_file_comes_in_one_document(checkout: Path, command: tuple[str, ...]) -> None:
    path = checkout / "Pulumi.dev.yaml"
    path.write_text(path.read_text().replace("tier:", "teir:").replace("context:", "contxt:"))
    name, *options = command
    done = run(checkout, name, "dev", *options, "--json")
    assert done.returncode == 2
    problems = json.loads(done.stdout)["problems"]
    assert {"terrarium:environment.teir", "terrarium:environment.cloud.kubernetes.contxt"} <= {
        problem["key"] for problem in problems
    }
    assert all(problem["file"] == "Pulumi.dev.yaml" and problem["line"] for problem in problems)


def test_what_only_several_files_show_stops_up_as_well(checkout: Path) -> None:
    second = (checkout / "Pulumi.dev.yaml").read_text()
    (checkout / "Pulumi.twin.yaml").write_text(second)
    for stack in ("dev", "twin"):
        assert run(checkout, "check", stack).returncode == 2
        assert run(checkout, "up", stack).returncode == 2


def test_an_unknown_stack_is_invalid_for_every_command(checkout: Path) -> None:
    for command in ("up", "preview", "destroy", "status", "check", "explain"):
        done = run(checkout, command, "dve")
        assert done.returncode == 2, command
        assert "did you mean `dev`?" in done.stderr


def test_a_key_that_is_not_there_is_invalid(checkout: Path) -> None:
    assert run(checkout, "explain", "dev", "nokey").returncode == 2


def test_explain_names_file_and_line_and_what_is_overridden(checkout: Path) -> None:
    rows = json.loads(run(checkout, "explain", "dev", "quota.cpu", "--json").stdout)["values"]
    assert [(row["from"], bool(row["place"]), row["counts"]) for row in rows] == [
        ("tier experimentation of the organisation", True, True),
        ("tier experimentation", False, False),
    ]


def test_status_says_it_when_a_stack_can_not_be_asked(checkout: Path) -> None:
    done = run(checkout, "status", "--json")
    assert done.returncode == 1
    assert all("error" in state for state in json.loads(done.stdout)["stacks"])


def test_outside_a_checkout_it_says_so(tmp_path: Path) -> None:
    done = run(tmp_path, "status")
    assert done.returncode == 2
    assert "no Pulumi.yaml" in done.stderr


def test_a_relative_root_works(checkout: Path) -> None:
    done = run(checkout.parent, "check", "--root", checkout.name)
    assert done.returncode == 0, done.stderr
    assert os.sep + checkout.name not in done.stdout
