"""YAML in which every value knows its line, so that an error can name it. Pure.

Types are JSON's only: `no`, `0x10`, `12:30` stay text, as containerlab's users mean them.
"""

import re
from dataclasses import dataclass
from typing import Any

import yaml

from felixpy.model.errors import Usage

INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")
MERGE = "<<"
MAX_DEPTH = 32


class InvalidTopology(Usage):
    """The topology file cannot be deployed as it is; each line of the message names file, line, node and fix."""


@dataclass(frozen=True, slots=True)
class At:
    """A scalar, a `dict[str, At]` or a `list[At]`, and the line (from 1) on which it stands."""

    value: Any
    line: int

    def get(self, key: str) -> "At | None":
        """The entry of a mapping; None when there is none, or when it is null, or this is no mapping."""
        found = self.value.get(key) if isinstance(self.value, dict) else None
        return found if isinstance(found, At) and found.value is not None else None

    def plain(self) -> Any:
        """The value without lines."""
        if isinstance(self.value, dict):
            return {key: entry.plain() for key, entry in self.value.items()}
        if isinstance(self.value, list):
            return [entry.plain() for entry in self.value]
        return self.value


def read(text: str, file: str) -> At:
    """Parse one document; InvalidTopology when it is not YAML, is empty or is no mapping."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InvalidTopology(f"{file}:{line}: not YAML: {error.problem}") from error
    except yaml.YAMLError as error:  # bytes that are no text
        raise InvalidTopology(f"{file}:1: not YAML: {error}") from error
    if not isinstance(node, yaml.MappingNode):
        raise InvalidTopology(f"{file}:1: a topology is a mapping with `name` and `topology`")
    return _located(node, file, 0)


def _located(node: yaml.Node, file: str, depth: int) -> At:
    line = node.start_mark.line + 1
    if depth > MAX_DEPTH:
        raise InvalidTopology(f"{file}:{line}: nested more than {MAX_DEPTH} deep (an anchor inside itself?)")
    if isinstance(node, yaml.MappingNode):
        return At(_mapping(node, file, depth), line)
    if isinstance(node, yaml.SequenceNode):
        return At([_located(entry, file, depth + 1) for entry in node.value], line)
    assert isinstance(node, yaml.ScalarNode)
    return At(_scalar(node), line)


def _mapping(node: yaml.MappingNode, file: str, depth: int) -> dict[str, At]:
    own: dict[str, At] = {}
    merged: dict[str, At] = {}
    for key, entry in node.value:
        name, line = str(key.value), key.start_mark.line + 1
        value = _located(entry, file, depth + 1)
        if name == MERGE:
            sources = value.value if isinstance(value.value, list) else [value]
            for source in reversed(sources):
                merged.update(source.value if isinstance(source.value, dict) else {})
        elif name in own:
            raise InvalidTopology(f"{file}:{line}: {name!r} stands here a second time")
        else:
            own[name] = value
    return {**merged, **own}


def _scalar(node: yaml.ScalarNode) -> str | int | bool | float | None:
    text: str = node.value
    if node.style is not None:  # quoted or a block: text as it stands
        return text
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text in ("true", "True", "TRUE", "false", "False", "FALSE"):
        return text.lower() == "true"
    if INTEGER.fullmatch(text):
        return int(text)
    return text
