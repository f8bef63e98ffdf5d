"""Whether a message fits what only its content tells, asked here instead of by MongoDB. Pure.

For messages that MongoDB holds packed or not at all. It answers as the queries of ``archive.filters`` do.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from archive.filters import CALLS, CONTENTS, MessageFilter, literal_pattern

Fits = Callable[[Mapping[str, Any]], bool]


def content_of(message_filter: MessageFilter) -> Fits:
    """A function that says whether a stored message has the text and calls the tools that are asked for."""
    tools = frozenset(message_filter.tools)
    pattern = _pattern(message_filter.text) if message_filter.text else None

    def fits(message: Mapping[str, Any]) -> bool:
        return (pattern is None or any(map(pattern.search, _texts(message)))) and (
            not tools or _calls_any(message, tools)
        )

    return fits


@lru_cache(16)
def _pattern(text: str) -> re.Pattern[str]:
    # MongoDB reads the same pattern line by line only where it is told to; so does this.
    return re.compile(literal_pattern(text), re.IGNORECASE)


def _texts(message: Mapping[str, Any]) -> Iterator[str]:
    found = message.get("text")
    for each in found if isinstance(found, list) else [found]:
        if isinstance(each, str):
            yield each


def _calls_any(message: Mapping[str, Any], tools: frozenset[str]) -> bool:
    for place in CONTENTS:
        for blocks in values_at(message, place):
            if isinstance(blocks, list) and any(_is_call(block, tools) for block in blocks):
                return True
    return message.get("source") == "chatgpt" and _speaks_to(message, tools)


def _is_call(block: Any, tools: frozenset[str]) -> bool:
    return isinstance(block, dict) and _has(block.get("type"), CALLS) and _has(block.get("name"), tools)


def _speaks_to(message: Mapping[str, Any], tools: frozenset[str]) -> bool:
    roles = values_at(message, "record.message.author.role")
    spoken_to = values_at(message, "record.message.recipient")
    return not any(_has(role, ("tool",)) for role in roles) and any(_has(to, tools) for to in spoken_to)


def _has(value: Any, wanted: frozenset[str] | tuple[str, ...]) -> bool:
    """As ``$in`` has it: the value is one of the wanted, or a list that holds one."""
    return any(
        isinstance(each, str) and each in wanted for each in (value if isinstance(value, list) else [value])
    )


def values_at(document: Any, path: str) -> Iterator[Any]:
    """What stands at a dotted path, in every object of the lists on the way."""
    name, _, rest = path.partition(".")
    if isinstance(document, dict):
        if name in document:
            if rest:
                yield from values_at(document[name], rest)
            else:
                yield document[name]
    elif isinstance(document, list):
        for each in document:
            if isinstance(each, dict):
                yield from values_at(each, path)


def projected(document: Mapping[str, Any], fields: Mapping[str, Any] | None) -> dict[str, Any]:
    """The document as a MongoDB projection of fields (``{"text": 1, "record.cwd": 1}``, or ``{"text": 0}``)
    leaves it, ``_id`` included unless it is shut out."""
    if not fields:
        return dict(document)
    is_kept = {name: bool(each) for name, each in fields.items() if name != "_id" or len(fields) == 1}
    if any(is_kept.values()):
        named = [*is_kept, *(["_id"] if fields.get("_id", 1) else [])]
        kept: dict[str, Any] = _kept(document, _tree(named))
        return kept
    left: dict[str, Any] = _left(document, _tree([name for name, each in fields.items() if not each]))
    return left


Tree = dict[str, Any]


def _tree(paths: list[str]) -> Tree:
    """Dotted paths as a tree; what a path ends at has no branches, and covers all below it."""
    tree: Tree = {}
    for path in sorted(paths, reverse=True):
        branch = tree
        *way, last = path.split(".")
        for name in way:
            branch = branch.setdefault(name, {})
        branch[last] = {}
    return tree


def _kept(value: Any, tree: Tree) -> Any:
    if not tree:
        return value
    if isinstance(value, dict):
        return {
            name: _kept(each, tree[name]) for name, each in value.items() if _leads_on(each, tree.get(name))
        }
    return [_kept(each, tree) for each in value if _leads_on(each, tree)]


def _leads_on(value: Any, tree: Tree | None) -> bool:
    """Whether a path ends here, or can go on."""
    return tree is not None and (not tree or isinstance(value, (dict, list)))


def _left(value: Any, tree: Tree | None) -> Any:
    if tree is None:
        return value
    if isinstance(value, dict):
        return {name: _left(each, tree.get(name)) for name, each in value.items() if tree.get(name) != {}}
    return [_left(each, tree) for each in value] if isinstance(value, list) else value
