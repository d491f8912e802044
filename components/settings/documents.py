"""YAML files read with the line of every key, so that a problem can say where it stands."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from components.quoting import printable
from components.settings.problems import InvalidSettings, Place, Problem

Path_ = tuple[str | int, ...]

# A stack file has a few hundred values. Aliases inside aliases can make billions of a short text.
_MOST_VALUES = 50_000


@dataclass(frozen=True)
class Document:
    """One YAML file.

    Args:
        file: Its name as people know it, relative to the project's root.
        data: Its content.
        lines: The line of each key and list item, by path.
    """

    file: str
    data: Mapping[str, Any]
    lines: Mapping[Path_, int] = field(default_factory=dict)

    def place(self, path: Path_) -> Place:
        """Return where a path stands, or the nearest part of it that does."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.lines:
                return Place(self.file, self.lines[path[:end]])
        return Place(self.file)


def read(path: Path, root: Path) -> Document:
    """Read a YAML file whose top is a mapping.

    Args:
        path: The file.
        root: The project's root, from which the file is named in messages.

    Raises:
        InvalidSettings: If it can't be read, is not YAML, repeats a key, or holds something else than a mapping.
    """
    file = str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise InvalidSettings(file, [Problem("file", f"can't be read: {reason}", Place(file))]) from None
    return parse(text, file)


def parse(text: str, file: str) -> Document:
    """Read YAML text whose top is a mapping; see `read`."""
    reader = _Reader(file)
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        data = {} if node is None else reader.value(node, ())
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        message = f"is not YAML: {_without_names(error.problem)}"
        raise InvalidSettings(file, [Problem("file", message, Place(file, line))]) from None
    # PyYAML answers a value that its tag does not allow (`!!bool maybe`, `!!int ""`) with whatever its own code hits.
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError):
        message = "is not YAML: it holds a character or a value that YAML does not allow, or nests too deep"
        raise InvalidSettings(file, [Problem("file", message, Place(file))]) from None
    if not isinstance(data, dict):
        reader.problems.append(Problem("file", "must hold `key: value` lines at its top", Place(file, 1)))
    if reader.problems:
        raise InvalidSettings(file, reader.problems)
    return Document(file, data, reader.lines)


def _without_names(problem: str | None) -> str:
    """Return YAML's own words without what they quote: a password that begins with `*` or `!` is an alias or a tag."""
    return re.sub(r"\s*(['\"]).{2,}\1", "", problem or "the text breaks off", flags=re.DOTALL)


class _Reader:
    def __init__(self, file: str) -> None:
        self.file = file
        self.lines: dict[Path_, int] = {}
        self.problems: list[Problem] = []
        self._scalars = yaml.SafeLoader("")
        self._values = 0

    def value(self, node: yaml.Node, path: Path_, above: tuple[int, ...] = ()) -> Any:
        self._values += 1
        if id(node) in above or self._values > _MOST_VALUES:
            raise yaml.constructor.ConstructorError(None, None, "an alias holds itself or too much", node.start_mark)
        above = (*above, id(node))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, above)
        if isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                self.lines.setdefault((*path, index), item.start_mark.line + 1)
            return [self.value(item, (*path, index), above) for index, item in enumerate(node.value)]
        return self._scalars.construct_object(node)

    def _mapping(self, node: yaml.MappingNode, path: Path_, above: tuple[int, ...]) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self.problems.append(Problem(_dotted(path) or "file", "a key must be a word", Place(self.file, line)))
                continue
            key = printable(str(key_node.value))
            where = (*path, key)
            if key in mapping:
                first = self.lines[where]
                message = f"is given twice, first on line {first}; YAML would silently take the last"
                self.problems.append(Problem(_dotted(where), message, Place(self.file, line)))
            self.lines[where] = line
            mapping[key] = self.value(value_node, where, above)
        return mapping


def _dotted(path: Path_) -> str:
    return ".".join(str(part) for part in path)
