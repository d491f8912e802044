"""What `make up` writes for shells, and which clusters it leads to; what `make reset` refuses."""

from __future__ import annotations

import configparser
import json
import shlex
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from rehearsal import __main__ as commands
from rehearsal import engine, paths, site, stacks
from rehearsal.build import NODE_SETS
from rehearsal.cloud.state import State
from rehearsal.errors import RehearsalError
from rehearsal.platform import Connections, Platform
from rehearsal.rented.platforms import Rehearsed
from tests.build.conftest import Listener


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty checkout, and a home without a kubeconfig; nothing is built, started or run."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    monkeypatch.setattr(paths, "root", lambda: folder)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    return folder


def declare(root: Path, stack: str, kind: str = "environment", **settings: Any) -> None:
    (root / f"Pulumi.{stack}.yaml").write_text(yaml.safe_dump({"config": {f"terrarium:{kind}": settings}}))


def on(context: str, **rest: str) -> dict[str, Any]:
    return {"kubernetes": {"context": context, **rest}}


def variables(path: Path) -> dict[str, str]:
    return dict(word.split("=", 1) for word in shlex.split(path.read_text(), comments=True))


def write(root: Path, listener: Listener) -> Path:
    local = paths.local()
    site.write(root, local, {tier: site.Access([root / "kubeconfig"]) for tier in site.TIERS}, listener)
    return local


def test_a_file_that_somebody_wrote_is_kept_and_said(root: Path, listener: Listener) -> None:
    (root / ".terrarium").mkdir()
    theirs = root / ".terrarium" / "production.env"
    theirs.write_text("PULUMI_BACKEND_URL=s3://the-real-one\n")
    write(root, listener)
    assert theirs.read_text() == "PULUMI_BACKEND_URL=s3://the-real-one\n"
    assert [str(theirs) in note and "is kept" in note for note in listener.notes] == [True]


def test_a_file_that_was_generated_is_made_anew(root: Path, listener: Listener) -> None:
    path = write(root, listener) / "testing.env"
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text(path.read_text() + "STALE=1\n")
    write(root, listener)
    assert "STALE" not in variables(path)
    assert listener.notes == []
    path.write_text(path.read_text().split("\n", 1)[1] + "MINE=1\n")
    write(root, listener)
    assert variables(path)["MINE"] == "1"


def test_a_build_writes_no_tier(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def build(sets: Sequence[str], _: object) -> None:
        asked.extend(sets)

    monkeypatch.setattr(commands, "build_sets", build)
    monkeypatch.setattr(engine, "must_build", lambda _: True)
    monkeypatch.setattr(engine, "prepare", lambda _: None)
    commands.build()
    # One call: the counts of what is left would start anew with each.
    assert asked[:5] == ["pulumi", "kubernetes", "kwok", "versitygw", "kueue"]
    assert set(asked[5:]) <= set(NODE_SETS)
    assert not (root / ".terrarium").exists() or not list((root / ".terrarium").glob("*.env"))


def test_a_stack_of_another_cluster_starts_nothing_and_finds_the_persons_kubeconfig(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    declare(root, "real", tier="production", cloud=on("eks-paris"))
    monkeypatch.setenv("KUBECONFIG", f"{root}/own:{root}/other/.terrarium/platforms/shared/kubeconfig")
    monkeypatch.setattr(engine, "must_build", lambda _: False)
    monkeypatch.setattr(engine, "prepare", lambda _: None)
    built: list[str] = []
    monkeypatch.setattr(commands, "build_sets", lambda sets, _: built.extend(sets))
    monkeypatch.setattr(Platform, "start", lambda *_: pytest.fail("a platform was started"))
    run: list[tuple[str, ...]] = []
    monkeypatch.setattr(commands, "_terrarium", lambda *arguments: run.append(arguments))
    commands.up("real")
    assert built == []
    assert run == [("up", "real"), ("status",)]
    assert ". .terrarium/activate-production && pulumi up -s real" in capsys.readouterr().out
    local = root / ".terrarium"
    ours = local / "platforms" / "prod" / "kubeconfig"
    assert variables(local / "production.env")["KUBECONFIG"] == f"{ours}:{root}/own"
    # The others need no cluster but the embedded one, and get none.
    assert variables(local / "testing.env")["KUBECONFIG"] == str(local / "platforms" / "shared" / "kubeconfig")


def test_without_a_variable_the_usual_kubeconfig_is_the_persons(root: Path, tmp_path: Path) -> None:
    assert site.own_kubeconfigs() == []
    (tmp_path / ".kube").mkdir()
    (tmp_path / ".kube" / "config").touch()
    assert site.own_kubeconfigs() == [tmp_path / ".kube" / "config"]


def test_each_side_finds_its_own_embedded_platforms(root: Path) -> None:
    declare(root, "a", tier="testing", cloud=on("terrarium-wide"))
    declare(root, "b", "platform", tiers=["experimentation"], cloud=on("terrarium-shared"))
    declare(root, "c", tier="production", cloud=on("terrarium-vault"))
    declare(root, "d", tier="production", cloud=on("terrarium-not-ours", kubeconfig="elsewhere"))
    assert stacks.side(root, production=False) == stacks.Side(("shared", "wide"), others=False)
    assert stacks.side(root, production=True) == stacks.Side(("vault",), others=True)
    assert stacks.needs(root, "d") == stacks.Needs(None, None, production=True)


def state(root: Path, stack: str, context: str) -> Path:
    path = root / ".terrarium" / "state" / "shared" / ".pulumi" / "stacks" / "terrarium" / f"{stack}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    provider = {"type": "pulumi:providers:kubernetes", "inputs": {"context": context}}
    path.write_text(json.dumps({"checkpoint": {"latest": {"resources": [provider]}}}))
    return path


def test_reset_keeps_the_state_of_objects_in_other_clusters(root: Path) -> None:
    kept = state(root, "real", "eks-paris")
    state(root, "dev", "terrarium-shared")
    with pytest.raises(RehearsalError, match=r"real \(context eks-paris\).*terrarium destroy"):
        commands.reset()
    assert kept.is_file()
    kept.write_text(json.dumps({"checkpoint": {"latest": {}}}))
    commands.reset()
    assert not (root / ".terrarium" / "state").exists()


def connected(root: Path, name: str, password: str) -> Connections:
    made = Connections.within(root / name)
    for path, text in (
        (made.aws_config, f"[profile terrarium-{name}]\nregion = us-east-1\n"),
        (made.aws_credentials, f"[terrarium-{name}]\naws_secret_access_key = {password}\n"),
        (made.pg_service, f"[terrarium-{name}]\npassword={password}\n"),
    ):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return made


def test_each_side_has_the_keys_of_its_own_platforms_alone(root: Path, listener: Listener) -> None:
    shared, wide, prod = (connected(root, name, f"{name}-key") for name in ("shared", "wide", "prod"))
    never_started = Connections.within(root / "absent")
    access = dict.fromkeys(site.TIERS, site.Access([], [shared, never_started, wide]))
    site.write(root, paths.local(), access | {"production": site.Access([], [prod])}, listener)
    local = root / ".terrarium"
    for tier, held, absent in (
        ("testing", ("shared", "wide"), ("prod",)),
        ("experimentation", ("shared", "wide"), ("prod",)),
        ("production", ("prod",), ("shared", "wide")),
    ):
        found = variables(local / f"{tier}.env")
        for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "PGSERVICEFILE"):
            path = Path(found[name])
            assert path.stat().st_mode & 0o777 == 0o600
            assert path.parent.stat().st_mode & 0o777 == 0o700
            sections = configparser.ConfigParser()
            sections.read(path)
            named = {section.rsplit("-", 1)[1] for section in sections.sections()}
            assert named == set(held)
            assert not any(f"{other}-key" in path.read_text() for other in absent)


def test_every_platform_that_was_started_is_known(root: Path) -> None:
    (root / ".terrarium" / "platforms" / "wide").mkdir(parents=True)
    (root / ".terrarium" / "platforms" / "Not A Platform").mkdir()
    assert [platform.name for platform in commands._embedded()] == ["prod", "shared", "wide"]
    commands.reset()
    assert [platform.name for platform in commands._embedded()] == ["prod", "shared"]


AWS = {"aws": {"account": 123456789012, "region": "eu-central-1", "platform": "wide"}}
RESOURCE = "urn:pulumi:aws::terrarium::aws:ec2/vpc:Vpc::vpc"


def parts(**origins: str) -> engine.EngineParts:
    return engine.EngineParts(Path("bin"), origins, {})


def test_a_stack_on_a_cloud_needs_its_account_and_its_platforms_stack(root: Path) -> None:
    declare(root, "cloudy", tier="testing", cloud=AWS)
    declare(root, "base", "platform", name="wide", tiers=["testing"], cloud=AWS)
    account = stacks.Account("aws", "123456789012", "eu-central-1")
    assert stacks.needs(root, "cloudy") == stacks.Needs(None, "base", production=False, account=account)
    assert stacks.side(root, production=False) == stacks.Side((), others=False, accounts=(account,))
    assert stacks.side(root, production=True).accounts == ()


def test_a_rehearsed_account_is_asked_where_no_profile_is_named(root: Path, listener: Listener) -> None:
    declare(root, "cloudy", tier="testing", cloud=AWS)
    account = Rehearsed("aws", "123456789012", "eu-central-1").platform
    Path(account.folder).mkdir(parents=True)
    connected(account.folder, "aws-123456789012", "its-key").aws_config.parent.rename(account.folder / "connections")
    commands._write_site(root, parts(aws="stand-in"), listener)
    found = variables(root / ".terrarium" / "testing.env")
    assert found["KUBECONFIG"].split(":")[0] == str(root / ".terrarium" / "connections" / "shared" / "kubeconfig")
    config = configparser.ConfigParser()
    config.read([found["AWS_CONFIG_FILE"], found["AWS_SHARED_CREDENTIALS_FILE"]])
    assert config["default"]["aws_secret_access_key"].startswith("its")
    # Whatever else is asked with these keys reaches nobody.
    assert config["default"]["endpoint_url"] == "http://127.0.0.1:9"
    assert "aws-123456789012" not in (root / ".terrarium" / "production.env").read_text()


def test_a_real_account_is_the_persons_own_business(root: Path, listener: Listener) -> None:
    declare(root, "cloudy", tier="testing", cloud=AWS)
    commands._write_site(root, parts(aws="official"), listener)
    found = variables(root / ".terrarium" / "testing.env")
    assert "default" not in Path(found["AWS_CONFIG_FILE"]).read_text()
    assert "connections" not in found["KUBECONFIG"]


def test_reset_keeps_the_state_of_what_a_real_cloud_holds(root: Path) -> None:
    path = state(root, "cloudy", "")
    provider = {"urn": "urn:p", "id": "1", "type": "pulumi:providers:aws", "inputs": {"region": "eu-central-1"}}
    cluster = {"urn": "urn:k", "id": "2", "type": "pulumi:providers:kubernetes", "inputs": {"kubeconfig": "{}"}}
    made = {"urn": RESOURCE, "id": "vpc-1", "type": "aws:ec2/vpc:Vpc", "provider": "urn:p::1"}
    path.write_text(json.dumps({"checkpoint": {"latest": {"resources": [provider, cluster, made]}}}))
    with pytest.raises(RehearsalError, match=r"cloudy \(cloud aws\).*terrarium destroy"):
        commands.reset()
    # Known to the rehearsed cloud, it is no more than that.
    known = State("aws", {}).file
    with sqlite3.connect(known) as rows:
        rows.execute("INSERT INTO resources (id, type, account) VALUES ('vpc-1', 'ec2/vpc:Vpc', '123456789012')")
    rows.close()
    commands.reset()
    assert not path.exists()
    assert not known.exists()


def test_a_file_in_the_way_is_named(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / ".terrarium").touch()
    with pytest.raises(RehearsalError, match=r"\.terrarium can't be made: .* Check free space"):
        commands.down()


@pytest.mark.parametrize("error", [RehearsalError("do this"), PermissionError(13, "Permission denied", "there")])
def test_every_failure_is_a_sentence(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(commands, "app", fail)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    with pytest.raises(SystemExit) as ended:
        commands.main()
    assert ended.value.code == 1
    assert capsys.readouterr().err.startswith("error: ")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_in_order(number: signal.Signals) -> None:
    script = (
        "import time; from rehearsal import __main__ as commands\n"
        "def work():\n"
        "    try:\n        print('working', flush=True); time.sleep(60)\n"
        "    finally:\n        print('cleaned', flush=True)\n"
        "commands.app = work; commands.main()"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout
        assert running.stdout.readline() == "working\n"
        running.send_signal(number)
        assert running.stdout.read() == "cleaned\n"
        assert running.wait(30) == 128 + number
