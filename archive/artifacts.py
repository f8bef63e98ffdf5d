"""The documents that Claude wrote beside a conversation, rebuilt from the calls that wrote them. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

# Tools whose calls make and change documents; the names of their arguments are in ``_step``.
TOOLS = frozenset(("artifacts", "create_file", "str_replace"))
MAX_ARTIFACTS = 200
# A longer text is no document that a person reads; a change that would make one is counted as missed.
MAX_CHARACTERS = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Artifact:
    """A document as its last change left it. ``kind`` is its media type or "", ``versions`` how often it was
    written, ``missed`` how many changes could not be made: their place was not found, their text not told."""

    id: str
    title: str
    kind: str
    language: str
    versions: int
    text: str
    missed: int = 0


def replay(messages: Iterable[Mapping[str, Any]]) -> list[Artifact]:
    """The artifacts of these stored messages, given in the order of one conversation, by first appearance.

    Texts of any shape are taken; further artifacts than ``MAX_ARTIFACTS`` are left out.
    """
    found: dict[str, Artifact] = {}
    for message in messages:
        for name, given in _calls(message):
            key = _text(given, "id") or _text(given, "path")
            if key in found or (key and len(found) < MAX_ARTIFACTS):
                found[key] = _step(found.get(key), key, name, given)
    return list(found.values())


def _calls(message: Mapping[str, Any]) -> Iterable[tuple[str, Mapping[str, Any]]]:
    record = message.get("record")
    content = record.get("content") if isinstance(record, Mapping) else None
    for block in content if isinstance(content, list) else ():
        if isinstance(block, Mapping) and block.get("type") == "tool_use":
            name, given = _text(block, "name"), block.get("input")
            if name in TOOLS and isinstance(given, Mapping):
                yield name, given


def _step(before: Artifact | None, key: str, name: str, given: Mapping[str, Any]) -> Artifact:
    old = before or Artifact(key, "", "", "", 0, "")
    told = replace(
        old,
        title=_text(given, "title") or old.title or key.rsplit("/", 1)[-1],
        kind=_text(given, "type") or old.kind,
        language=_text(given, "language") or old.language,
    )
    text = _written(old.text, name, given)
    if text is None or len(text) > MAX_CHARACTERS:
        return replace(told, missed=old.missed + 1)
    return replace(told, text=text, versions=old.versions + 1)


def _written(text: str, name: str, given: Mapping[str, Any]) -> str | None:
    if name == "str_replace" or given.get("command") == "update":
        return _changed(text, given)
    return next((given[key] for key in ("content", "file_text") if isinstance(given.get(key), str)), None)


def _changed(text: str, given: Mapping[str, Any]) -> str | None:
    """The text with one passage replaced; None where the passage is not in it."""
    passage = _text(given, "old_str")
    if not passage or passage not in text:
        return None
    return text.replace(passage, _text(given, "new_str"), 1)


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name)
    return value if isinstance(value, str) else ""
