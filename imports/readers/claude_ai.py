"""Exports of claude.ai, and what its API gives of one conversation. Pure.

Of the official export no specification is published; conversations are objects with ``chat_messages``, in an
array, wrapped in an object, or alone. A branch of a conversation is told by ``parent_message_uuid`` alone.
"""

from typing import Any

from archive.projects import Project
from archive.records import Record
from imports.messages import Context, Said, parse_time, speaks
from imports.readers.base import Format, Match, Sample, first_of, has
from imports.readers.document import HEAD, read_document
from imports.readers.texts import block_texts, joined, text_of, unnamed

NAME = "claude-ai"
PROJECT = Project("claude.ai", "claude.ai")
ROLES = {"human": "user", "assistant": "assistant"}
# What the first messages of a conversation name as their parent. No message has this uuid.
NO_PARENT = "00000000-0000-4000-8000-000000000000"
# What the export writes where a message stood in for something else.
NOT_SUPPORTED = "```\nThis block is not supported on your current device yet.\n```"
# Where the conversations stand, by where the first one was found.
PLACES: dict[str, tuple[tuple[str, ...], str]] = {
    "official": (("*",), "claude.ai export: an array of conversations with chat_messages"),
    "wrapped": (("conversations", "*"), "claude.ai export: conversations with chat_messages"),
    "single": ((), "claude.ai conversation: an object with chat_messages"),
}
MESSAGE_KEYS = ("chat_messages", "messages")


def detect(sample: Sample) -> Match | None:
    for path, why in PLACES.values():
        conversation = first_of(sample.root, *path)
        for key in MESSAGE_KEYS:
            if _is_conversation(conversation, key):
                shape = {"record": [*path, key, "*"], "head": list(path)}
                return Match(why, {"shape": shape})
    return None


def _is_conversation(value: Any, key: str) -> bool:
    """Whether it is a conversation of claude.ai; "messages" is what some tools call ``chat_messages``."""
    if not has(value, key) or not isinstance(value[key], list):
        return False
    message = first_of(value, key, "*")
    if message is None:
        return key == "chat_messages" and has(value, "uuid")
    return has(message, "sender") and message["sender"] in (*ROLES, None, "")


def start(sample: Sample, match: Match) -> Context:
    return Context(unnamed(NAME, sample.inside), PROJECT)


def said(record: Record, context: Context) -> Said:
    if record.kind == HEAD:
        return _conversation(record.value, context)
    return _message(record.value, context)


def _conversation(value: dict[str, Any], context: Context) -> Said:
    context.session_id = text_of(value, "uuid") or unnamed(NAME, value)
    context.facts = {"model": text_of(value, "model")}
    context.last_time = parse_time(value.get("created_at"))
    name = text_of(value, "name", "title")
    summary = text_of(value, "summary")
    return Said(
        NAME,
        "conversation",
        context.session_id,
        _project_of(value),
        timestamp=context.last_time,
        text=joined(name, summary),
        title=("custom", name) if name else ("summary", summary) if summary else None,
    )


def _project_of(value: dict[str, Any]) -> Project:
    """The project that the API names; exports name none."""
    key = text_of(value, "project_uuid")
    return project_of(key, text_of(value.get("project"), "name")) if key else PROJECT


def project_of(key: str, name: str) -> Project:
    """A project of claude.ai."""
    return Project(f"claude.ai-{key}", name)


def _message(value: dict[str, Any], context: Context) -> Said:
    sender = text_of(value, "sender")
    role, parent = ROLES.get(sender, sender), text_of(value, "parent_message_uuid")
    timestamp = parse_time(value.get("created_at")) or context.last_time
    context.last_time = timestamp
    text = message_text(value)
    is_prompt = role == "user" and bool(text.strip())
    model = text_of(value, "model") or context.facts.get("model", "")
    return Said(
        NAME,
        role or "message",
        context.session_id,
        context.project,
        timestamp=timestamp,
        role=role,
        text=text,
        uuid=text_of(value, "uuid"),
        parent_uuid="" if parent == NO_PARENT else parent,
        model=model if role == "assistant" else "",
        is_prompt=is_prompt,
        title=("prompt", text) if is_prompt else None,
    )


def message_text(value: dict[str, Any]) -> str:
    """What was said: the content's texts, which the flat ``text`` replaces by placeholders; then what was
    extracted from attachments."""
    content = value.get("content")
    texts = list(block_texts(content)) if isinstance(content, list) else []
    spoken = "\n\n".join(texts) or text_of(value, "text").replace(NOT_SUPPORTED, "").strip()
    attached = value.get("attachments")
    extracted = (
        [text_of(each, "extracted_content") for each in attached] if isinstance(attached, list) else []
    )
    return joined(spoken, *extracted)


FORMAT = Format(
    name=NAME,
    label="claude.ai export",
    description="conversations.json of a data export, one conversation as the API gives it, or wrapped ones.",
    source=NAME,
    detect=detect,
    records=read_document,
    message=speaks(said),
    start=start,
    layout="spans",
)
