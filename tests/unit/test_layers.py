"""Inheritance: the last word counts, and every value can say where it comes from."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from components.settings.documents import parse
from components.settings.layers import Layer, merge

leaves = st.one_of(st.none(), st.integers(0, 9), st.lists(st.integers(0, 3), max_size=2))
trees = st.recursive(
    leaves, lambda below: st.dictionaries(st.sampled_from(["a", "b", "cloud"]), below, max_size=3), max_leaves=8
)
layers = st.lists(st.dictionaries(st.sampled_from(["a", "b", "cloud"]), trees, max_size=3), max_size=5)


def _merged(*layers: Mapping[str, Any]) -> dict[str, Any]:
    return merge([Layer(f"layer {n}", data) for n, data in enumerate(layers)]).data


def _leaves(data: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    if not isinstance(data, dict) or not data:
        return {path: data} if path else {}
    return {where: value for key, below in data.items() for where, value in _leaves(below, (*path, key)).items()}


def test_later_layers_win_key_by_key() -> None:
    assert _merged({"quota": {"cpu": 1, "gpu": 2}}, {"quota": {"cpu": 3}}) == {"quota": {"cpu": 3, "gpu": 2}}


def test_lists_are_replaced_whole() -> None:
    assert _merged({"members": ["a", "b"]}, {"members": ["c"]}) == {"members": ["c"]}


def test_null_takes_back_a_value_and_a_whole_block() -> None:
    assert _merged({"a": 1, "b": {"c": 2}}, {"a": None, "b": None}) == {}


def test_a_value_can_follow_a_null() -> None:
    assert _merged({"a": {"b": 1, "c": 2}}, {"a": None}, {"a": {"b": 3}}) == {"a": {"b": 3}}


def test_an_empty_block_changes_nothing_below() -> None:
    assert _merged({"a": {"b": 1}}, {"a": {}}) == {"a": {"b": 1}}


def test_another_clouds_block_replaces_the_inherited_one() -> None:
    kubernetes = {"cloud": {"kubernetes": {"context": "x"}}}
    assert _merged(kubernetes, {"cloud": {"aws": {"region": "y"}}}) == {"cloud": {"aws": {"region": "y"}}}
    assert _merged(kubernetes, {"cloud": {"kubernetes": {"platform": "p"}}}) == {
        "cloud": {"kubernetes": {"context": "x", "platform": "p"}}
    }


def test_only_the_top_level_cloud_is_a_choice() -> None:
    assert _merged({"a": {"cloud": {"x": 1}}}, {"a": {"cloud": {"y": 2}}}) == {"a": {"cloud": {"x": 1, "y": 2}}}


def test_every_layer_that_spoke_of_a_value_is_named_with_its_line() -> None:
    shared = parse("defaults:\n  quota:\n    cpu: 8\n", "organisation.yaml")
    own = parse("quota:\n  cpu: 16\n", "Pulumi.dev.yaml")
    merged = merge(
        [
            Layer("tier", {"quota": {"cpu": 4}}),
            Layer("organisation", shared.data["defaults"], shared, ("defaults",)),
            Layer("stack file", own.data, own),
        ]
    )
    said = merged.origins["quota", "cpu"]
    assert [(o.layer, str(o.place), o.value) for o in said] == [
        ("tier", "None", 4),
        ("organisation", "organisation.yaml:3", 8),
        ("stack file", "Pulumi.dev.yaml:2", 16),
    ]


@given(layers=layers)
def test_the_last_word_on_every_path_is_what_the_settings_hold(layers: list[dict[str, Any]]) -> None:
    merged = merge([Layer(f"layer {n}", data) for n, data in enumerate(layers)])
    held = {path: value for path, value in _leaves(merged.data).items() if value != {}}
    last = {path: said[-1].value for path, said in merged.origins.items() if said[-1].value not in (None, {})}
    assert held == last


@given(layers=layers)
def test_merging_changes_no_layer_and_shares_no_block_with_one(layers: list[dict[str, Any]]) -> None:
    before = copy.deepcopy(layers)
    assert _merged(*layers) == _merged(*layers)
    assert layers == before


@given(layer=st.dictionaries(st.sampled_from(["a", "b", "c"]), trees, max_size=3))
def test_a_layer_over_itself_is_itself(layer: dict[str, Any]) -> None:
    assert _merged(layer, layer) == _merged(layer)
