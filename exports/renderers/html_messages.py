"""Messages as HTML: what was said is read, what was thought and done by tools is folded. Pure."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from exports.renderers.base import Document
from exports.renderers.contents import money, one_line
from exports.renderers.parts import Image, Part, mapping, parts_of
from exports.renderers.prose import shown, to_html
from exports.renderers.values import iso, pretty

LONGEST_TEXT = 64 * 1024
"""Characters of a text or a thought that are shown."""
LONGEST_TOOL = 10_000
"""Characters of a tool's input, of its output, of a file's text, and of an event that are shown."""
LARGEST_IMAGE = 2_000_000
"""Bytes of a picture that stands in the page."""
MOST_PARTS = 500
MOST_MEMBERS = 50
BRIEF = 120
NAMES = {"user": "User", "assistant": "Assistant", "system": "System"}
TELLING = ("command", "pattern", "query", "url", "file_path", "path", "description", "prompt")
"""What says most about a tool's call in one line, the most telling first."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where messages stand: the level of their headings, and what their anchors begin with."""

    level: int
    prefix: str = ""


def thread(messages: Iterable[Document], place: Place) -> Iterator[str]:
    """The messages of a conversation in their order; events of the program that follow each other are folded
    into one. Memory: one message."""
    is_folded = False
    for message in messages:
        parts = list(parts_of(message))
        is_event = _is_event(message, parts)
        if is_event != is_folded:
            yield EVENTS if is_event else "</details>\n"
            is_folded = is_event
        yield _event(message, place) if is_event else _article(message, parts, place)
    if is_folded:
        yield "</details>\n"


EVENTS = '<details class="events"><summary>Events of the program</summary>\n'


def _is_event(message: Document, parts: list[Part]) -> bool:
    """Whether the line tells of the program and not of what was said or done."""
    if message.get("isPrompt"):
        return False
    is_line = message.get("source") == "claude-code" and message.get("type") not in ("user", "assistant")
    return is_line or not any(part.kind != "text" or part.text.strip() for part in parts)


# ------------------------------------------------------------------ one message


def hex_id(message: Document) -> str:
    """The id by which the archive knows the message."""
    return bytes(message["_id"]).hex()


def _anchor(message: Document, place: Place) -> str:
    return f"{place.prefix}m-{hex_id(message)[:16]}"


def _event(message: Document, place: Place) -> str:
    kind = one_line(message.get("type")).replace("-", " ").replace("_", " ") or "event"
    text = one_line(str(message.get("text") or "")[:BRIEF])
    fold = _fold("more", kind.capitalize(), text, _cut(pretty(message.get("record")), message))
    return f'<article class="event" id="{_anchor(message, place)}">{_time(message)} {fold}</article>\n'


def _article(message: Document, parts: list[Part], place: Place) -> str:
    kind = _kind(message, parts)
    side = " side" if message.get("isSidechain") or message.get("agentId") else ""
    body = "".join(_part(part, message, place.level) for part in parts[:MOST_PARTS])
    if len(parts) > MOST_PARTS:
        body += f'<p class="cut">{len(parts) - MOST_PARTS:,} more parts: {_kept(message)}</p>\n'
    return (
        f'<article class="message {kind}{side}" id="{_anchor(message, place)}">\n'
        f"{_head(message, kind, place)}{body}</article>\n"
    )


def _kind(message: Document, parts: list[Part]) -> str:
    """prompt, answer, work (nothing but folds), or note (what another said)."""
    if not any(part.kind in ("text", "image") for part in parts):
        return "work"
    role = str(message.get("role") or message.get("type"))
    if role in ("user", "human"):
        return "prompt" if _is_typed(message) else "note"
    return "answer" if role == "assistant" else "note"


def _is_typed(message: Document) -> bool:
    """Whether a person wrote it: Claude Code puts reminders, outputs and the like among what a user says."""
    return bool(message.get("isPrompt")) or message.get("source") != "claude-code"


def _head(message: Document, kind: str, place: Place) -> str:
    role = str(message.get("role") or message.get("type") or "")
    name = "Tools" if kind == "work" else NAMES.get(role) or one_line(role)[:40].capitalize() or "Message"
    tags = "".join(f' <span class="tag">{_escaped(tag)}</span>' for tag in _tags(message, kind))
    link = f'<a class="when" href="#{_anchor(message, place)}">{_time(message) or "no time"}</a>'
    level = place.level
    return f"<header><h{level}>{_escaped(name)}</h{level}> {link}{tags}</header>\n"


def _tags(message: Document, kind: str) -> Iterator[str]:
    if message.get("model"):
        yield one_line(message["model"])[:80]
    if message.get("isSidechain") or message.get("agentId"):
        yield f"subagent {one_line(message.get('agentId'))[:8]}".strip()
    elif kind == "note" and message.get("role") == "user":
        yield "not typed by the user"
    if cost := money(message.get("costUsd")):
        yield cost


def _time(message: Document) -> str:
    return clock(iso(message["timestamp"])) if message.get("timestamp") else ""


def clock(time: str) -> str:
    """A time as ``iso`` writes it, for people and for programs.

    >>> clock("2025-01-02T03:04:05.678Z")
    '<time datetime="2025-01-02T03:04:05.678Z">2025-01-02 03:04:05</time>'
    """
    return f'<time datetime="{time}">{time[:10]} {time[11:19]}</time>'


# ------------------------------------------------------------------ its parts


def _part(part: Part, message: Document, level: int) -> str:
    if part.kind == "text":
        return _prose(part.text, message, level)
    if part.kind == "image":
        return _picture(part, message)
    if part.kind == "thinking":
        return _fold("thinking", "Thinking", _brief(part.text), _prose(part.text, message, level))
    if part.kind == "tool_use":
        return _fold("tool", part.title, _telling(part.value), _members(part.value, message))
    if part.kind == "data":
        return _fold("data", part.title, "", _cut(pretty(part.value), message))
    name = f"{part.title}: an error" if part.failed else part.title
    empty = "not in the archive" if part.kind == "file" else "no output"
    body = _cut(part.text, message) if part.text else ""
    body += "".join(_picture(each, message) for each in part.inside)
    return _fold("failed" if part.failed else "result", name, _brief(part.text) or empty, body)


def _prose(text: str, message: Document, level: int) -> str:
    if not text.strip():
        return ""
    return (
        f'<div class="prose" dir="auto">{to_html(text[:LONGEST_TEXT], level)}</div>\n'
        f"{_rest(text, LONGEST_TEXT, message)}"
    )


def _fold(kind: str, title: str, brief: str, body: str) -> str:
    told = f" <span>{_escaped(brief)}</span>" if brief else ""
    name = _escaped(one_line(title)[:BRIEF])
    if not body:
        return f'<p class="empty"><b>{name}</b>{told}</p>\n'
    return f'<details class="{kind}"><summary><b>{name}</b>{told}</summary>\n{body}</details>\n'


def _members(value: Any, message: Document) -> str:
    """What a tool was asked, member by member: in a JSON string line breaks cannot be read."""
    if not isinstance(value, Mapping):
        return _cut(value if isinstance(value, str) else pretty(value), message) if value else ""
    members, left, made = list(value.items()), LONGEST_TOOL, []
    for name, each in members[:MOST_MEMBERS]:
        text = each if isinstance(each, str) else pretty(each)
        made.append(f'<p class="name">{_escaped(one_line(name)[:BRIEF])}</p>\n{_cut(text, message, left)}')
        left = max(0, left - len(text))
    if len(members) > MOST_MEMBERS:
        made.append(f'<p class="cut">{len(members) - MOST_MEMBERS:,} more members: {_kept(message)}</p>\n')
    return "".join(made)


def _cut(text: str, message: Document, limit: int = LONGEST_TOOL) -> str:
    # A line break behind <pre> is dropped by browsers: with one of ours the text keeps its own.
    return f"<pre>\n{_escaped(text[:limit])}</pre>\n{_rest(text, limit, message)}"


def _rest(text: str, limit: int, message: Document) -> str:
    left = len(text) - limit
    return f'<p class="cut">{left:,} more characters: {_kept(message)}</p>\n' if left > 0 else ""


def _kept(message: Document) -> str:
    return f"kept in the archive with message <code>{hex_id(message)}</code>"


def _picture(part: Part, message: Document) -> str:
    image = part.image
    if image is None or len(image.data) > LARGEST_IMAGE:
        size = f" ({image.media_type}, {len(image.data):,} bytes)" if image else ""
        return f'<p class="cut">{_escaped(part.title)}{size}: {_kept(message)}</p>\n'
    return f'<p class="picture"><img src="{_address(image)}" alt="Image in the message"></p>\n'


def _address(image: Image) -> str:
    return f"data:{image.media_type};base64,{base64.b64encode(image.data).decode('ascii')}"


def _telling(value: Any) -> str:
    """What a call does, in one line."""
    texts = (mapping(value).get(name) for name in TELLING)
    found = next((text for text in texts if isinstance(text, str) and text.strip()), "")
    return _brief(value if isinstance(value, str) else found)


def _brief(text: str) -> str:
    """The first line that says something, shortened."""
    line = next((line.strip() for line in text[:LONGEST_TOOL].splitlines() if line.strip()), "")
    return line if len(line) <= BRIEF else f"{line[: BRIEF - 1]}…"


def _escaped(text: str) -> str:
    return escape(shown(text))
