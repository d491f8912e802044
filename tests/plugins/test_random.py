from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from rehearsal.plugins import random as plugin
from rehearsal.plugins.random import KINDS, BadInputError
from rehearsal.plugins.resource import InputError, ProviderError, Step
from rehearsal.plugins.serving import EngineLog

from .project import Project

PROGRAM = """
import pulumi, pulumi_random as r
keep = {{"generation": "{generation}"}}
one = r.RandomId("one", byte_length=4, prefix="env-", keepers=keep)
word = r.RandomPassword("word", length=20, min_special=2, keepers=keep)
text = r.RandomString("text", length=8, special=False, upper=False)
number = r.RandomInteger("number", min=1, max=6)
uid = r.RandomUuid("uid")
pet = r.RandomPet("pet")
mixed = r.RandomShuffle("mixed", inputs=["a", "b", "c"])
made = r.RandomPassword("made", length=9, opts=pulumi.ResourceOptions(import_="elsewhere"))
pulumi.export("word", word.result)
"""


def outputs(project: Project) -> Mapping[str, Any]:
    return {name: resource.get("outputs", {}) for name, resource in project.resources().items()}


def test_values_stay_until_their_keepers_change(project: Project) -> None:
    project.write(PROGRAM.format(generation=1))
    written = project.up()
    first = outputs(project)
    word = json.loads(first["word"]["result"]["plaintext"])
    assert len(word) == 20
    hidden = json.dumps(word)[1:-1]
    for text in (written, project.stored()):
        assert word not in text
        assert hidden not in text
    assert first["made"]["result"]["plaintext"] == '"elsewhere"'
    assert re.fullmatch("[a-z0-9]{8}", first["text"]["result"])
    assert 1 <= first["number"]["result"] <= 6
    assert sorted(first["mixed"]["results"]) == ["a", "b", "c"]
    data = base64.urlsafe_b64decode(first["one"]["b64Url"].removeprefix("env-") + "==")
    assert first["one"]["hex"] == "env-" + data.hex()
    project.pulumi("preview", "--refresh", "--expect-no-changes")

    project.write(PROGRAM.format(generation=2))
    assert project.steps() == {"one": ("replace", {"keepers"}), "word": ("replace", {"keepers"})}
    project.up()
    second = outputs(project)
    assert {name for name in first if first[name] != second[name]} - {"tests-dev"} == {"one", "word"}


def test_an_unknown_type_is_refused_with_what_exists() -> None:
    step = Step("urn:pulumi:dev::tests::random:index/randomBytes:RandomBytes::b")
    with pytest.raises(ProviderError, match="no RandomBytes; it has RandomId, RandomString, RandomPassword"):
        plugin.Provider(EngineLog("")).check(step, {}, {"length": 4}, "")


def test_every_input_that_cannot_be_used_is_named() -> None:
    step = Step("urn:pulumi:dev::tests::random:index/randomId:RandomId::b")
    with pytest.raises(InputError) as refused:
        plugin.Provider(EngineLog("")).check(step, {}, {"size": 4}, "")
    assert set(refused.value.problems) == {"byteLength", "size"}


@pytest.mark.parametrize(
    ("token", "inputs"),
    [
        ("randomString:RandomString", {"length": 2, "minLower": 3}),
        (
            "randomString:RandomString",
            {"length": 2, "lower": False, "upper": False, "numeric": False, "special": False},
        ),
        ("randomInteger:RandomInteger", {"min": 2, "max": 1}),
        ("randomId:RandomId", {"byteLength": 0}),
    ],
)
def test_impossible_inputs_are_refused(token: str, inputs: dict[str, Any]) -> None:
    with pytest.raises(BadInputError):
        KINDS[token].make({**KINDS[token].defaults, **inputs})


def test_every_class_of_characters_is_present() -> None:
    kind = KINDS["randomPassword:RandomPassword"]
    for _ in range(200):
        inputs = {**kind.defaults, "length": 4, "minLower": 1, "minUpper": 1, "minNumeric": 1, "minSpecial": 1}
        text = kind.make(inputs)[1]["result"]
        assert len(text) == 4
        assert re.search("[a-z]", text)
        assert re.search("[A-Z]", text)
        assert re.search("[0-9]", text)
        assert set(text) & set(plugin.SPECIAL)
