"""`markdown`: conversations to be read, one after the other in one document.

Prompts and answers stand as they were written, tools are folded. Marks that no reader sees tell where each
message begins and ends, so that what the transcript holds can be taken in again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from exports.renderers.base import Document, Material, Renderer, gather
from exports.renderers.conversations import conversations
from exports.renderers.marks import end_mark, escaped, mark, open_fence
from exports.renderers.values import encode, iso

FORMAT = "claudelens-markdown/1"
LONGEST_TOOL = 10_000
"""Characters of a tool's input or output that are shown."""
NAMES = {"user": "User", "assistant": "Assistant", "system": "System"}
TOLD = ("type", "role", "uuid", "parentUuid", "model")


def _session(session_id: str, session: Document, project: Mapping[str, Any]) -> str:
    title = " ".join(str(session.get("title") or "").split())
    facts = {"id": session_id, "title": title, "source": session.get("source"), "project": project or None}
    told = {name: value for name, value in facts.items() if value}
    return f"{mark('session', told)}\n## {title or session_id}\n\n{_facts(session, project)}\n"


def _facts(session: Document, project: Mapping[str, Any]) -> str:
    """What is known of a conversation, as a list."""
    times = [iso(session[name]) for name in ("startedAt", "endedAt") if session.get(name)]
    facts = {
        "Project": project.get("path") or project.get("slug"),
        "Time": " – ".join(times),
        "Messages": session.get("messageCount"),
        "Models": ", ".join(session.get("models") or ()),
        "Cost": f"{session['totalCost']} USD" if session.get("totalCost") else "",
    }
    return "".join(f"- {name}: {_line(value)}\n" for name, value in facts.items() if value)


def _line(value: Any) -> str:
    return " ".join(str(value).split())


def _message(message: Document) -> str:
    text = message.get("text") or ""
    more = "".join(_folded(message))
    return "".join(
        (
            mark("message", _mark_facts(message)),
            f"### {_heading(message)}\n\n",
            f"{escaped(text)}\n",
            f"{mark('more')}{open_fence(text)}\n{more}" if more or open_fence(text) else "",
            end_mark("message"),
            "\n",
        )
    )


def _mark_facts(message: Document) -> dict[str, Any]:
    told = {"id": bytes(message["_id"]).hex()}
    told |= {name: message[name] for name in TOLD if message.get(name)}
    if message.get("timestamp"):
        told["time"] = iso(message["timestamp"])
    return told


def _heading(message: Document) -> str:
    kind = str(message.get("role") or message.get("type") or "")
    time = f" · {iso(message['timestamp'])}" if message.get("timestamp") else ""
    return f"{NAMES.get(kind, _line(kind) or 'Message')}{time}"


def _folded(message: Document) -> Iterator[str]:
    """The tools and images of a message; text is not repeated."""
    for block in _blocks(message.get("record")):
        kind = block.get("type")
        if kind == "tool_use":
            told = encode(block.get("input")).decode()
            yield _details(f"Tool: {block.get('name')}", told, "json")
        elif kind == "tool_result":
            yield _details("Tool result", _output(block.get("content")), "")
        elif kind in ("image", "document"):
            yield f"*{str(kind).title()}: kept with message {bytes(message['_id']).hex()}*\n\n"


def _blocks(record: Any) -> Iterator[Mapping[str, Any]]:
    inner = record.get("message") if isinstance(record, Mapping) else None
    holder = inner if isinstance(inner, Mapping) else record
    content = holder.get("content") if isinstance(holder, Mapping) else None
    return (each for each in content if isinstance(each, Mapping)) if isinstance(content, list) else iter(())


def _output(content: Any) -> str:
    if isinstance(content, str):
        return content
    texts = (
        each.get("text") or f"({each.get('type')})"
        for each in (content if isinstance(content, list) else ())
        if isinstance(each, Mapping)
    )
    return "\n".join(str(text) for text in texts)


def _details(title: str, text: str, language: str) -> str:
    """A folded block of code whose fence the text cannot close."""
    shown = text[:LONGEST_TOOL]
    cut = f"\n*{len(text) - len(shown):,} more characters are in the archive.*\n" if shown != text else ""
    fence = "`" * (max((len(run) for run in re.findall("`+", shown)), default=2) + 1)
    fence = fence if len(fence) > 2 else "```"
    summary = _line(title).replace("&", "&amp;").replace("<", "&lt;")
    return (
        f"<details><summary>{summary}</summary>\n\n"
        f"{fence}{language}\n{escaped(shown)}\n{fence}\n{cut}\n</details>\n\n"
    )


def _document(material: Material) -> Iterator[bytes]:
    yield f"{mark('export', {'format': FORMAT})}\n# Conversations\n\n".encode()
    for session_id, session, messages in conversations(material):
        project = material.project(session.get("projectId"))
        yield _session(session_id, session, project).encode()
        for message in messages:
            yield _message(message).encode("utf-8", "replace")
        yield b"---\n\n"


def render(material: Material) -> Iterator[bytes]:
    """One document of all conversations. Memory: one message and one chunk."""
    return gather(_document(material))


RENDERER = Renderer(
    name="markdown",
    label="Markdown, to be read",
    description=(
        "A transcript of all conversations in one document: prompts and answers as they were written, "
        "tools folded. For people; what it holds can be imported again."
    ),
    extension=".md",
    media_type="text/markdown",
    needs=frozenset({"messages", "sessions"}),
    loses=(
        "The original records: tokens, costs, versions and all that is not said in words.",
        "Texts of more than 32,768 characters, tools' inputs and outputs of more than 10,000; images.",
        "The layout of the original files and the lines that could not be read.",
    ),
    render=render,
)
