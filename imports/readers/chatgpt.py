"""Exports of ChatGPT. Pure.

No specification is published. A conversation is an object whose ``mapping`` holds the nodes of a tree, by
their ids and in no order; a node has a ``message``, or none. Keys that matter stand behind the mapping.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from archive.projects import Project
from archive.records import Record
from imports.messages import Context, Said, parse_time, speaks
from imports.readers.base import Format, Match, Sample, first_of, has
from imports.readers.document import HEAD, read_document
from imports.readers.texts import joined, text_of, unnamed

NAME = "chatgpt"
PROJECT = Project("chatgpt", "ChatGPT")
PLACES: dict[tuple[str, ...], str] = {
    ("*",): "ChatGPT export: an array of conversations with a mapping of nodes",
    (): "ChatGPT conversation: an object with a mapping of nodes",
}
NODE_KEYS = ("message", "children", "parent")
# Profiles and instructions that ChatGPT puts before what a person says.
CONTEXT_CONTENT = ("user_editable_context", "model_editable_context")


def detect(sample: Sample) -> Match | None:
    for path, why in PLACES.items():
        if _is_conversation(first_of(sample.root, *path)):
            return Match(why, {"shape": {"record": [*path, "mapping", "*"], "head": list(path)}})
    return None


def _is_conversation(value: Any) -> bool:
    """Some conversations have no mapping, and some an empty one."""
    node = first_of(value, "mapping", "*")
    if node is not None:
        return isinstance(node, dict) and any(key in node for key in NODE_KEYS)
    return has(value, "title", "create_time") and ("mapping" in value or "current_node" in value)


def start(sample: Sample, match: Match) -> Context:
    return Context(unnamed(NAME, sample.inside), PROJECT)


def said(record: Record, context: Context) -> Said:
    if record.kind == HEAD:
        return _conversation(record.value, context)
    return _node(record.value, context)


def _conversation(value: dict[str, Any], context: Context) -> Said:
    context.session_id = text_of(value, "conversation_id", "id") or unnamed(NAME, value)
    context.facts = {"model": text_of(value, "default_model_slug")}
    context.last_time = _time(value.get("create_time"))
    title = text_of(value, "title")
    return Said(
        NAME,
        "conversation",
        context.session_id,
        PROJECT,
        timestamp=context.last_time,
        text=title,
        title=("custom", title) if title else None,
    )


def _node(value: dict[str, Any], context: Context) -> Said:
    told = Said(
        NAME,
        "node",
        context.session_id,
        PROJECT,
        timestamp=context.last_time,
        uuid=text_of(value, "id"),
        parent_uuid=text_of(value, "parent"),
    )
    if isinstance(value.get("message"), dict):
        _add_message(told, value["message"], context)
    return told


def _add_message(told: Said, message: dict[str, Any], context: Context) -> None:
    """What a node's message says. Hidden ones are nobody's words: their record alone keeps them."""
    context.last_time = told.timestamp = _time(message.get("create_time")) or context.last_time
    told.role = text_of(message.get("author"), "role")
    told.type = told.role or "message"
    if told.role == "assistant":
        model = text_of(message.get("metadata"), "model_slug")
        told.model = model or context.facts.get("model", "")
    if is_hidden(message):
        told.more = {"isMeta": True}
        return
    told.text = message_text(message)
    if told.role == "user" and told.text.strip():
        told.is_prompt, told.title = True, ("prompt", told.text)


def is_hidden(message: dict[str, Any]) -> bool:
    metadata = message.get("metadata")
    hidden = isinstance(metadata, dict) and metadata.get("is_visually_hidden_from_conversation") is True
    return hidden or text_of(message.get("content"), "content_type") in CONTEXT_CONTENT


def message_text(message: dict[str, Any]) -> str:
    """The texts of a message of any content type; of pictures and sounds what was said in them."""
    content = message.get("content")
    if not isinstance(content, dict):
        return ""
    own = text_of(content, "text", "content", "result")
    return joined(*_parts(content.get("parts")), own, *_thoughts(content.get("thoughts")))


def _parts(parts: Any) -> Iterator[str]:
    for part in parts if isinstance(parts, list) else ():
        yield part if isinstance(part, str) else text_of(part, "text")


def _thoughts(thoughts: Any) -> Iterator[str]:
    for thought in thoughts if isinstance(thoughts, list) else ():
        yield joined(text_of(thought, "summary"), text_of(thought, "content"))


def _time(seconds: Any) -> datetime | None:
    """A time that is told in seconds since 1970, or as a text."""
    if isinstance(seconds, (int, float)) and not isinstance(seconds, bool):
        return parse_time(seconds * 1000)
    return parse_time(seconds)


FORMAT = Format(
    name=NAME,
    label="ChatGPT export",
    description="conversations.json of a data export, in one file or in numbered parts, or one conversation.",
    source=NAME,
    detect=detect,
    records=read_document,
    message=speaks(said),
    start=start,
    layout="spans",
)
