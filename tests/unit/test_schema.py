"""The schemas that editors read are those of the models, and accept and refuse what the settings do."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from components.settings import schema
from components.settings.declaration import ORGANISATION_FILE, all_stack_files

ROOT = Path(__file__).parents[2]
STACK_FILES = [path for _, path in all_stack_files(ROOT)]
STACK = Draft202012Validator(schema.stack_schema())
ORGANISATION = Draft202012Validator(schema.organisation_schema())


@pytest.mark.parametrize("name", [schema.STACK_FILE, schema.ORGANISATION_FILE])
def test_the_committed_schemas_are_fresh(name: str, tmp_path: Path) -> None:
    schema.write(tmp_path)
    committed = (ROOT / schema.FOLDER / name).read_text(encoding="utf-8")
    assert committed == (tmp_path / name).read_text(encoding="utf-8"), (
        "regenerate with: .venv/bin/python -m components.settings.schema"
    )
    Draft202012Validator.check_schema(json.loads(committed))


def test_there_are_stack_files_to_prove_this_on() -> None:
    assert len(STACK_FILES) >= 4


@pytest.mark.parametrize("path", STACK_FILES, ids=lambda path: path.name)
def test_every_stack_file_is_valid_and_names_its_schema(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert [e.message for e in STACK.iter_errors(yaml.safe_load(text))] == []
    named = text.splitlines()[0].removeprefix("# yaml-language-server: $schema=")
    assert (path.parent / named).resolve() == ROOT / schema.FOLDER / schema.STACK_FILE


def test_the_organisation_is_valid_and_names_its_schema() -> None:
    text = (ROOT / ORGANISATION_FILE).read_text(encoding="utf-8")
    assert [e.message for e in ORGANISATION.iter_errors(yaml.safe_load(text))] == []
    assert text.startswith(f"# yaml-language-server: $schema={schema.FOLDER}/{schema.ORGANISATION_FILE}\n")


def _dev() -> dict[str, Any]:
    data = yaml.safe_load((ROOT / "Pulumi.dev.yaml").read_text(encoding="utf-8"))
    assert isinstance(data, dict)
    return data


ENVIRONMENT = ("config", "terrarium:environment")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ((*ENVIRONMENT, "ownr"), "me"),
        ((*ENVIRONMENT, "tier"), "staging"),
        ((*ENVIRONMENT, "name"), "my-dev"),
        ((*ENVIRONMENT, "name"), "d" * 21),
        ((*ENVIRONMENT, "people"), ["a"]),
        ((*ENVIRONMENT, "people", "members"), "a"),
        ((*ENVIRONMENT, "quota"), {"cpus": 1}),
        ((*ENVIRONMENT, "quota"), {"cpu": "lots"}),
        ((*ENVIRONMENT, "quota"), {"gpu": -1}),
        ((*ENVIRONMENT, "network"), {"cidr": "office"}),
        ((*ENVIRONMENT, "network"), {"egress_to": {"Web": {}}}),
        ((*ENVIRONMENT, "network"), {"egress_to": {"web": {"ports": [70_000]}}}),
        ((*ENVIRONMENT, "cloud"), {"kubernets": {}}),
        ((*ENVIRONMENT, "cloud", "kubernetes", "kontext"), "x"),
        ((*ENVIRONMENT, "owner"), {"secure": "v1:x"}),
        (("config", "terrarium:enviroment"), {}),
        (("config", "terrarium:platform"), {"name": "p"}),
        (("config", "pulumi:disable-default-providers"), ["aws"]),
    ],
    ids=str,
)
def test_what_the_settings_refuse_an_editor_shows(path: tuple[str, ...], value: Any) -> None:
    data = copy.deepcopy(_dev())
    target = data
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    assert not STACK.is_valid(data)


@pytest.mark.parametrize(
    "changes",
    [
        {"quota": {"cpu": 8, "memory": "32Gi"}},
        {"cost_centre": 4711},
        {"network": {"egress_to": {"registry": {"ports": [80]}}}},
        {"owner": None},
    ],
    ids=str,
)
def test_what_inherits_counts_and_takes_back_is_valid(changes: dict[str, Any]) -> None:
    data = _dev()
    data["config"]["terrarium:environment"].update(changes)
    assert STACK.is_valid(data)


def test_pulumis_own_keys_are_left_to_pulumi() -> None:
    data = _dev()
    data["encryptionsalt"] = "v1:x"
    data["config"]["aws:region"] = "x"
    assert STACK.is_valid(data)


@pytest.mark.parametrize(
    "changes", [{"team": 1}, {"organisation": []}, {"tiers": {"staging": {}}}, {"projects": {"A!": {}}}], ids=str
)
def test_a_wrong_organisation_is_refused(changes: dict[str, Any]) -> None:
    assert not ORGANISATION.is_valid({"organisation": "E", **changes})


def test_every_key_of_a_stack_file_is_described() -> None:
    definitions = schema.stack_schema()["$defs"]
    bare = [
        f"{n}.{k}"
        for n, d in definitions.items()
        for k, p in d.get("properties", {}).items()
        if not p.get("description")
    ]
    assert len(definitions) > 5
    assert bare == []
