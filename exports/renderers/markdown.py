"""`markdown`: conversations to be read, in one document or in a file each.

Prompts and answers stand as they were written, thoughts and tools are folded. Marks that no reader sees tell
where each message begins and ends, so that what the transcript holds can be taken in again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from exports.choices import Choices
from exports.renderers.base import Document, Material, Renderer, gather
from exports.renderers.contents import Contents, Counted, Line, counted, facts_of, one_line, title_of
from exports.renderers.conversations import conversations
from exports.renderers.marks import closing, end_mark, escaped, mark, plain
from exports.renderers.parts import Part, mapping, parts_of
from exports.renderers.pictures import Filed, Named, Pictures
from exports.renderers.thoughts import spans_of
from exports.renderers.values import encode, iso
from exports.renderers.zips import Member, zipped

FORMAT = "claudelens-markdown/1"
SOURCE = "markdown"
INDEX = "README.md"
LONGEST_TOOL = 10_000
"""Characters of a tool's input or output that are shown."""
NAMES = {"user": "User", "assistant": "Assistant", "system": "System"}
TOLD = ("type", "role", "uuid", "parentUuid", "model")


class _Style(NamedTuple):
    """The level of a message's heading (a conversation's is the one above), and what becomes of pictures."""

    level: int
    pictures: Pictures


# ------------------------------------------------------------------ a conversation


def _session(session_id: str, session: Document, project: Mapping[str, Any], style: _Style) -> str:
    # What changes when a transcript is taken in again, such as the source, makes no other messages of it.
    facts = {"id": session_id, "title": one_line(session.get("title")), "project": project or None}
    told = {name: value for name, value in facts.items() if value}
    heading = f"{'#' * (style.level - 1)} {plain(title_of(session_id, session))}"
    known = facts_of(session, project).items()
    listed = "".join(f"- {name}: {plain(value)}\n" for name, value in known)
    return f"{mark('session', told)}{heading}\n\n{listed}\n"


def _messages(messages: Iterable[Document], style: _Style) -> Iterator[bytes]:
    return (_message(message, style).encode("utf-8", "replace") for message in messages)


def _message(message: Document, style: _Style) -> str:
    parts = list(parts_of(message))
    spans = spans_of(message.get("text") or "", parts)
    end = closing(spans[-1].text) if not spans[-1].is_thought else ""
    more = "".join(_more(part, message, style) for part in parts)
    return "".join(
        (
            mark("message", _mark_facts(message)),
            f"{'#' * style.level} {_heading(message)}\n\n",
            *(_thought(span.text, span.before) if span.is_thought else escaped(span.text) for span in spans),
            "\n",
            f"{mark('more')}{end}\n{more}" if more or end else "",
            end_mark("message"),
            "\n",
        )
    )


def _mark_facts(message: Document) -> dict[str, Any]:
    """What a mark says of a message. Of one that came from a transcript it says what stood there: that stays
    the same message however often it goes out and in."""
    record = mapping(message.get("record"))
    if message.get("source") == SOURCE and record.get("id"):
        return {name: record[name] for name in ("id", *TOLD, "isPrompt", "time") if name in record}
    told: dict[str, Any] = {"id": bytes(message["_id"]).hex()}
    told |= {name: message[name] for name in TOLD if message.get(name)}
    if message.get("role") == "user":
        told["isPrompt"] = bool(message.get("isPrompt"))
    if message.get("timestamp"):
        told["time"] = iso(message["timestamp"])
    return told


def _heading(message: Document) -> str:
    kind = one_line(message.get("role") or message.get("type"))
    time = f" · {iso(message['timestamp'])}" if message.get("timestamp") else ""
    return f"{NAMES.get(kind) or plain(kind) or 'Message'}{time}"


# ------------------------------------------------------------------ what is folded


def _thought(text: str, before: str) -> str:
    """A folded thought. What stands between its marks is read again; what ``before`` it or it leaves open is
    closed outside of them."""
    return (
        f"{mark('thinking')}{closing(before)}<details><summary>Thinking</summary>\n\n"
        f"{escaped(text)}\n{end_mark('thinking')}{closing(text)}\n</details>\n{mark('said')}"
    )


def _more(part: Part, message: Document, style: _Style) -> str:
    """The tools and pictures of a message; its text is not repeated."""
    if part.kind == "tool_use":
        return _details(f"Tool: {part.title}", encode(part.value).decode(), "json")
    if part.kind == "tool_result":
        inside = "".join(_more(each, message, style) for each in part.inside)
        return _details(part.title, part.text, "") + inside
    return style.pictures.refer(part, bytes(message["_id"]).hex()) if part.kind == "image" else ""


def _details(title: str, text: str, language: str) -> str:
    """A folded block of code whose fence the text cannot close."""
    shown = text[:LONGEST_TOOL]
    cut = f"\n*{len(text) - len(shown):,} more characters are in the archive.*\n" if shown != text else ""
    fence = "`" * (max((len(run) for run in re.findall("`+", shown)), default=2) + 1)
    fence = fence if len(fence) > 2 else "```"
    summary = one_line(title).replace("&", "&amp;").replace("<", "&lt;")
    return (
        f"<details><summary>{summary}</summary>\n\n"
        f"{fence}{language}\n{escaped(shown)}\n{fence}\n{cut}\n</details>\n\n"
    )


# ------------------------------------------------------------------ files


def _document(material: Material) -> Iterator[bytes]:
    style = _Style(3, Named())
    yield f"{mark('export', {'format': FORMAT})}\n# Conversations\n\n".encode()
    for session_id, session, messages in conversations(material):
        project = material.project(session.get("projectId"))
        yield _session(session_id, session, project, style).encode("utf-8", "replace")
        yield from _messages(messages, style)
        yield b"---\n\n"


def _members(material: Material) -> Iterator[Member]:
    """Each conversation with its pictures; at last what there is, which is known only then."""
    contents = Contents()
    with Filed() as pictures:
        for session_id, session, messages in conversations(material):
            project = material.project(session.get("projectId"))
            name, told = contents.name(session_id, session, ".md"), Counted(messages)
            head = _session(session_id, session, project, _Style(2, pictures))
            yield name, gather(_file(head, told, _Style(2, pictures)))
            yield from pictures.members()
            contents.add(quote(name), session_id, session, project, told.count)
    yield INDEX, gather(_index(contents))


def _file(head: str, messages: Iterable[Document], style: _Style) -> Iterator[bytes]:
    yield f"{mark('export', {'format': FORMAT})}{head}".encode("utf-8", "replace")
    yield from _messages(messages, style)


def _index(contents: Contents) -> Iterator[bytes]:
    yield f"# Conversations\n\n{contents.summary}\n\n".encode()
    for line in contents.newest_first():
        yield f"- [{plain(line.title)}]({line.address}) · {_about(line)}\n".encode("utf-8", "replace")


def _about(line: Line) -> str:
    facts = (line.began, plain(line.project), counted(line.messages, "message"))
    return " · ".join(fact for fact in facts if fact)


def render(material: Material, choices: Choices) -> Iterator[bytes]:
    """One document of all conversations, or a zip of them. Memory: one message and one chunk; in a zip also
    1.5 KB a conversation, 1 MB of pictures, and 1 KB for each of those."""
    if RENDERER.layout_of(choices) == "each":
        return gather(zipped(_members(material)))
    return gather(_document(material))


RENDERER = Renderer(
    name="markdown",
    label="Markdown, to be read",
    description=(
        "A transcript of all conversations in one document, or a zip with a file for each and its pictures: "
        "prompts and answers as they were written, thoughts and tools folded. For people; what it holds can "
        "be imported again."
    ),
    extension=".md",
    media_type="text/markdown",
    needs=frozenset({"messages", "sessions"}),
    loses=(
        "The original records: tokens, costs, versions and all that is not said in words.",
        "Texts of more than 32,768 characters, tools' inputs and outputs of more than 10,000.",
        "Pictures; those of type PNG, JPEG, GIF and WebP are files in a zip, but are not imported again.",
        "The layout of the original files and the lines that could not be read.",
    ),
    render=render,
    takes=frozenset({"layout"}),
    layouts=("one", "each"),
)
