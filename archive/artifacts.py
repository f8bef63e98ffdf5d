"""The documents that were written in the course of a claude.ai conversation, played back to what they became.

A conversation tells only what was done to them: one was made, a text in it was replaced by another, it was
written anew. Three ways of telling are known: the tool ``artifacts``, the tools for files (``create_file``,
``str_replace``), and, in 2024, ``<antArtifact>`` tags in the text. Pure.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

MAX_ARTIFACTS = 200
# A longer text is no document that a person reads: a change that would make one fails.
MAX_CHARACTERS = 4 * 1024 * 1024
# What all changes of a conversation together may go through and make; the changes after that fail.
MAX_WORK = 32 * 1024 * 1024
_OPENING, _CLOSING, _LONGEST_OPENING = "<antArtifact ", "</antArtifact>", 4000
_ATTRIBUTE = re.compile(r'(\w+)="([^"]*)"')
_FILE_COMMANDS = {"create_file": "create", "create": "create", "str_replace": "update"}
_FILE_TOOLS = ("create_file", "str_replace", "str_replace_editor", "str_replace_based_edit_tool")


@dataclass(frozen=True, slots=True)
class Version:
    """A document after one change: its whole text, and the message that made the change."""

    content: str
    command: str
    message_uuid: str


@dataclass(slots=True)
class Artifact:
    """A document with all its versions, the oldest first; of what it is, the last word counts. ``failed``
    counts the changes that did not fit, which change nothing."""

    id: str
    title: str = ""
    type: str = ""
    language: str = ""
    versions: list[Version] = field(default_factory=list)
    failed: int = 0

    @property
    def content(self) -> str:
        """The document as it is at the end."""
        return self.versions[-1].content if self.versions else ""


@dataclass(frozen=True, slots=True)
class _Change:
    id: str
    command: str
    told: Mapping[str, Any]
    content: str = ""
    old: str = ""
    new: str = ""


def replay(messages: Iterable[Mapping[str, Any]]) -> list[Artifact]:
    """The documents of a conversation, in the order in which they were begun.

    ``messages`` are the records of one branch, the oldest first. Whatever in them is of another shape says
    nothing; nothing is raised. A replacement whose text does not stand in the document exactly once failed,
    as it did for Claude; so did what the tool's result calls an error. Documents beyond ``MAX_ARTIFACTS`` are
    left out. Memory is all versions, at most ``MAX_WORK`` characters.
    """
    artifacts: dict[str, Artifact] = {}
    left = MAX_WORK
    for message in messages:
        uuid = _text(message, "uuid")
        for change in _changes(message):
            if change.id in artifacts or len(artifacts) < MAX_ARTIFACTS:
                left -= _apply(artifacts.setdefault(change.id, Artifact(change.id)), change, uuid, left)
    return list(artifacts.values())


def _apply(artifact: Artifact, change: _Change, uuid: str, left: int) -> int:
    """Make the change, if it fits; the work that it took."""
    for name in ("title", "type", "language"):
        setattr(artifact, name, _text(change.told, name) or getattr(artifact, name))
    before = artifact.content
    work = max(len(before), len(change.content))
    content = _changed(before, change) if work <= left else None
    if content is None or len(content) > MAX_CHARACTERS:
        artifact.failed += 1
        return min(work, left)
    artifact.versions.append(Version(content, change.command, uuid))
    return max(work, len(content))


def _changed(content: str, change: _Change) -> str | None:
    if change.command != "update":
        return change.content
    if not change.old or content.count(change.old) != 1:
        return None
    return content.replace(change.old, change.new)


def _changes(message: Mapping[str, Any]) -> Iterator[_Change]:
    """What a message does to documents, in its order."""
    content = message.get("content")
    blocks = [each for each in content if isinstance(each, dict)] if isinstance(content, list) else []
    failed = {_text(each, "tool_use_id") for each in blocks if each.get("is_error") is True}
    for block in blocks:
        told = block.get("input")
        if block.get("type") == "text":
            yield from _tagged(_text(block, "text"))
        elif block.get("type") == "tool_use" and isinstance(told, dict) and _text(block, "id") not in failed:
            yield from _by_tool(_text(block, "name"), told)
    if not blocks:
        yield from _tagged(_text(message, "text"))


def _by_tool(tool: str, told: Mapping[str, Any]) -> Iterator[_Change]:
    if tool == "artifacts":
        key, command = _text(told, "id"), _text(told, "command") or "create"
    elif tool in _FILE_TOOLS:
        key, command = _text(told, "path"), _FILE_COMMANDS.get(_text(told, "command") or tool, "")
        told = {"title": key.rsplit("/", 1)[-1], **told}
    else:
        return
    if key and command in ("create", "rewrite", "update"):
        content = _text(told, "content") or _text(told, "file_text")
        yield _Change(key, command, told, content, _text(told, "old_str"), _text(told, "new_str"))


def _tagged(text: str) -> Iterator[_Change]:
    """The documents that stand in a text between tags. The same one again is written anew. Reads once."""
    start = text.find(_OPENING)
    while start >= 0 and (end := text.find(_CLOSING, start)) >= 0:
        opening = text[start : min(end, start + _LONGEST_OPENING)].partition(">")[0]
        told = dict(_ATTRIBUTE.findall(opening))
        content = text[start + len(opening) + 1 : end]
        yield _Change(told.get("identifier", ""), "create", told, content.strip("\n"))
        start = text.find(_OPENING, end)


def _text(value: Mapping[str, Any], key: str) -> str:
    text = value.get(key)
    return text if isinstance(text, str) else ""
