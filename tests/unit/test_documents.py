"""YAML is read with the line of every key, and what is wrong in it is refused, whatever it is."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from components.settings import documents
from components.settings.problems import InvalidSettings, Problem


def _problems(text: str) -> list[Problem]:
    with pytest.raises(InvalidSettings) as refused:
        documents.parse(text, "file.yaml")
    return list(refused.value.problems)


def test_every_key_and_item_knows_its_line() -> None:
    document = documents.parse("# why\na:\n  b: 1\n  c:\n    - x\n    - d: 2\n", "file.yaml")
    assert document.lines == {
        ("a",): 2,
        ("a", "b"): 3,
        ("a", "c"): 4,
        ("a", "c", 0): 5,
        ("a", "c", 1): 6,
        ("a", "c", 1, "d"): 6,
    }
    assert str(document.place(("a", "c", 1, "d", "e", "f"))) == "file.yaml:6"
    assert str(document.place(("z",))) == "file.yaml"


def test_a_repeated_key_is_refused_at_its_second_line_and_names_the_first() -> None:
    [problem] = _problems("a:\n  b: 1\n  c: 2\n  b: 3\n")
    assert (str(problem.place), problem.key) == ("file.yaml:4", "a.b")
    assert "first on line 2" in problem.message


def test_several_problems_of_one_file_are_said_at_once() -> None:
    assert [problem.place and problem.place.line for problem in _problems("a: 1\na: 2\n[b]: 3\nc: 4\nc: 5\n")] == [
        2,
        3,
        5,
    ]


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("a: &x\n  b: *x\n", 1, "an alias holds itself or too much"),
        ("a: [1\nb: 2\n", 2, "is not YAML"),
        ("a: 1\n\tb: 2\n", 2, "is not YAML"),
        ("a: 1\n---\nb: 2\n", 2, "is not YAML"),
        ("a: !!python/name:os.system x\n", None, "is not YAML"),
        ("a: !!bool maybe\n", None, "is not YAML"),
        ('a: !!int ""\n', None, "is not YAML"),
        ('a: !!float ""\n', None, "is not YAML"),
        ("a: !!timestamp never\n", None, "is not YAML"),
        ("a: 2020-13-45\n", None, "is not YAML"),
        ("a: \x00\n", None, "is not YAML"),
        ("{" * 5_000, None, "nests too deep"),
        ("a: " + "9" * 5_000, None, "is not YAML"),
        ("- a\n- b\n", 1, "must hold `key: value` lines at its top"),
        ("42\n", 1, "must hold `key: value` lines at its top"),
        ("? [a, b]\n: 1\n", 1, "a key must be a word"),
    ],
)
def test_what_is_no_settings_file_is_refused(text: str, line: int | None, says: str) -> None:
    [problem] = _problems(text)
    assert says in problem.message
    if line is not None:
        assert problem.place
        assert problem.place.line == line


def test_aliases_that_explode_are_stopped() -> None:
    levels = ["l0: &l0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 12)]
    [problem] = _problems("\n".join(levels))
    assert "an alias holds itself or too much" in problem.message


def test_an_ordinary_alias_is_read() -> None:
    assert documents.parse("a: &x {b: 1}\nc: *x\n", "file.yaml").data == {"a": {"b": 1}, "c": {"b": 1}}


def test_an_empty_file_is_an_empty_document() -> None:
    assert documents.parse("# nothing yet\n", "file.yaml").data == {}


def test_keys_stay_words() -> None:
    assert documents.parse("yes: 1\n2: 3\nnull: 4\n", "file.yaml").data == {"yes": 1, "2": 3, "null": 4}


def test_text_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file.yaml").write_bytes("owner: M\xfcller\n".encode("latin-1"))
    with pytest.raises(InvalidSettings, match=r"file\.yaml  file\n +can't be read: it is not UTF-8 text"):
        documents.read(tmp_path / "file.yaml", tmp_path)


def test_a_folder_in_place_of_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file.yaml").mkdir()
    with pytest.raises(InvalidSettings, match="can't be read: Is a directory"):
        documents.read(tmp_path / "file.yaml", tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "password: *hunter2secret\n",
        "password: !hunter2secret x\n",
        "a: &hunter2secret 1\nb: 'hunter2secret\n",
        "password: !hunter2secret!x y\n",
        'password: "hunter2secret\n',
        "password: hunter2secret\n password: x: hunter2secret\n",
        "password: %hunter2secret\n",
        "password: @hunter2secret\n",
        "password: `hunter2secret\n",
    ],
)
def test_yamls_own_words_never_show_what_was_written(text: str) -> None:
    with pytest.raises(InvalidSettings) as refused:
        documents.parse(text, "file.yaml")
    assert "hunter2secret" not in str(refused.value)


def test_a_key_that_a_terminal_would_obey_is_shown_as_its_escape() -> None:
    [problem] = _problems('a: 1\n"\\e[2J\\uD800": 1\n"\\e[2J\\uD800": 2\n')
    assert problem.key == "\\x1b[2J\\ud800"


pieces = st.sampled_from(
    [
        "a",
        "b",
        ":",
        " ",
        "\n",
        "-",
        "[",
        "]",
        "{",
        "}",
        ",",
        "&x",
        "*x",
        "!!int",
        "!!set",
        "!",
        "'",
        '"',
        "#",
        "|",
        ">",
        "?",
        "<<",
        "%",
        "@",
        "\t",
        "1",
        "0o7",
        "2001-01-01",
        "~",
        "\u2028",
        "é",
        "\\",
        "---",
        "...",
    ]
)


@settings(max_examples=1_500)
@given(text=st.one_of(st.lists(pieces, max_size=25).map("".join), st.text(max_size=40)))
def test_any_text_is_a_document_or_invalid_settings(text: str) -> None:
    try:
        document = documents.parse(text, "file.yaml")
    except InvalidSettings as error:
        assert error.problems  # noqa: PT017 - either outcome is right, none is expected
    else:
        assert isinstance(document.data, dict)


values = st.recursive(
    st.one_of(st.booleans(), st.integers(), st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]))),
    lambda below: st.one_of(
        st.lists(below, max_size=3), st.dictionaries(st.from_regex("[a-z]{1,5}", fullmatch=True), below, max_size=3)
    ),
    max_leaves=10,
)


@settings(max_examples=200)
@given(data=st.dictionaries(st.from_regex("[a-z]{1,5}", fullmatch=True), values, max_size=4))
def test_what_yaml_writes_is_read_back(data: dict[str, object]) -> None:
    assert documents.parse(yaml.safe_dump(data, allow_unicode=True), "file.yaml").data == data
