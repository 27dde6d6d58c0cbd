"""Edit `params.yaml` and keep its comments and layout. `params` defines which values are legal."""

import sys
from collections.abc import Iterator, Mapping
from io import StringIO
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from redacoes import params
from redacoes.errors import UserError, nearest
from redacoes.files import write_whole


def values(text: str) -> dict[str, str]:
    """Return the value of each key, ``section.key``, as it is written in the text of a parameter file."""
    return {key: text[begin:end].strip() for key, (begin, end) in _leaves(text)}


def _leaves(text: str) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield each key with the span of its value, which begins after the colon and is empty for null."""
    root = YAML(typ="safe", pure=True).compose(text)
    todo = [("", root)]
    while todo:
        prefix, node = todo.pop()
        for key, value in node.value if isinstance(node, MappingNode) else []:
            name = f"{prefix}{key.value}"
            if isinstance(value, MappingNode):
                todo.append((f"{name}.", value))
            else:
                begin = text.index(":", key.end_mark.index) + 1
                yield name, (begin, begin if value.start_mark.index == value.end_mark.index else _end(value))


def _end(node: Node) -> int:
    """Return where a value ends. A list on several lines ends with its last item, before any comment."""
    if isinstance(node, SequenceNode) and not node.flow_style:
        return _end(node.value[-1])
    end: int = node.end_mark.index
    return end


def written(value: str | float | None) -> str:
    """Return a value as YAML text on one line, as DVC writes it: null is empty."""
    stream = StringIO()
    yaml = YAML()
    yaml.width = sys.maxsize
    yaml.dump({"": value}, stream)
    return stream.getvalue().partition(":")[2].strip()


def edit(path: Path, changes: Mapping[str, str]) -> list[str]:
    """Set keys of a parameter file, whole or not at all, and return those whose text has changed.

    Args:
        path: A legal parameter file.
        changes: The new values by ``section.key``, as YAML text on one line.

    Raises:
        UserError: The file cannot be read, lacks a key, or would become illegal. Nothing is written.
    """
    text, changed = edited(path, changes)
    write_whole(path, text)
    return changed


def edited(path: Path, changes: Mapping[str, str]) -> tuple[str, list[str]]:
    """Return what `edit` would write, and the keys whose text changes."""
    params.load(path)
    text = path.read_text(encoding="utf-8")
    places = dict(_leaves(text))
    if unknown := sorted(changes.keys() - places.keys()):
        raise UserError(f"{path} has no key {unknown[0]}{nearest(unknown[0], places)}")
    before = values(text)
    changed = [key for key, value in changes.items() if before[key] != value]
    for key in sorted(changed, key=places.__getitem__, reverse=True):
        begin, end = places[key]
        text = f"{text[:begin]}{' ' if changes[key] else ''}{changes[key]}{text[end:]}"
    params.parse(text, path)
    return text, changed
