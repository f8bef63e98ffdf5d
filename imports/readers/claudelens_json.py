"""ClaudeLens's JSON exports: those of this program, which are whole, and the classic ones. Pure.

In the classic form a message is flat text; ``metadata`` has its true ids, those of the database do not count.
An answer's parts that are tool calls are messages of their own there, called ``<uuid>_tool_<i>``. Costs were
worked out line by line, about twice what was paid: they are kept in the record and count for nothing. Where
the old program kept messages by the month, its export holds conversations without them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from archive.projects import Project, slug_of
from archive.records import NOT_KEPT, Record, Rejected
from imports.messages import Context, Said, parse_time, short_text, speaks
from imports.readers import claudelens_messages
from imports.readers.base import Bytes, Format, Match, Sample, first_of, has
from imports.readers.claudelens_messages import NAME, is_message, unwrapped, within
from imports.readers.document import HEAD, read_document
from imports.readers.texts import joined, text_of

CONVERSATIONS, MESSAGES = "conversations", "messages"
HEAD_PATH = [CONVERSATIONS, "*"]
RECORD_PATH = [*HEAD_PATH, MESSAGES, "*"]
MARK = "claudelens/"
CLASSIC_KEYS = ("messageCount", "costUsd", "createdAt")
MISSING = "messages_missing"


# ------------------------------------------------------------------ whole


def detect(sample: Sample) -> Match | None:
    if not (is_message(first_of(sample.root, *RECORD_PATH)) or _is_empty(sample.root)):
        return None
    why = "ClaudeLens export: conversations whose messages have their original record"
    return Match(why, {"shape": {"record": RECORD_PATH}})


def _is_empty(root: Any) -> bool:
    return has(root, CONVERSATIONS) and not root[CONVERSATIONS] and text_of(root, "format").startswith(MARK)


def read_messages(given: Bytes) -> Iterator[Record | Rejected]:
    """A record for each message, in the form that ``jsonl`` gives it."""
    found = read_document(within(given))
    return unwrapped(given, (_normal(each) if isinstance(each, Record) else each for each in found))


def _normal(record: Record) -> Record:
    value = record.value
    metadata = value.get("metadata")
    told = metadata if isinstance(metadata, dict) else {}
    text = {"text": value["content"]} if "content" in value else {}
    return replace(record, value={**told, **value, **text})


FORMAT = Format(
    name="claudelens-json",
    label="ClaudeLens export, JSON",
    description="What this program exports as json: nothing is lost on the way back.",
    source=NAME,
    detect=detect,
    records=read_messages,
    message=claudelens_messages.message,
    start=claudelens_messages.context_of,
    layout=NOT_KEPT,
    warnings=claudelens_messages.WARNINGS,
)


# ------------------------------------------------------------------ classic


def detect_classic(sample: Sample) -> Match | None:
    conversation = first_of(sample.root, *HEAD_PATH)
    if not has(conversation, "id", MESSAGES) or not any(key in conversation for key in CLASSIC_KEYS):
        return None
    message = first_of(sample.root, *RECORD_PATH)
    if message is not None and (is_message(message) or not has(message, "type", "content")):
        return None
    why = "Classic ClaudeLens export: conversations with costs and flat messages"
    return Match(why, {"shape": {"record": RECORD_PATH, "head": HEAD_PATH, "first": True}})


def start(sample: Sample, match: Match) -> Context:
    return Context("unnamed", Project(NAME))


def said(record: Record, context: Context) -> Said:
    if record.kind == HEAD:
        return _conversation(record.value, context)
    return _message(record.value, context)


def _conversation(value: dict[str, Any], context: Context) -> Said:
    """What is known of a conversation. Its first message says what it is called: its own id is the
    database's."""
    bare = {key: each for key, each in value.items() if key != MESSAGES}
    first = first_of(value, MESSAGES, "*")
    context.session_id = _session_of(first) or f"{NAME}-{text_of(bare, 'id') or 'unnamed'}"
    context.project = _project_of(first, bare)
    context.last_time = parse_time(bare.get("createdAt"))
    _expect(context, bare.get("messageCount"))
    title, summary = text_of(bare, "title"), text_of(bare, "summary")
    return Said(
        NAME,
        "conversation",
        context.session_id,
        context.project,
        timestamp=context.last_time,
        text=joined(title, summary),
        titles={"custom": title, "summary": summary},
        record=bare,
    )


def _expect(context: Context, count: Any) -> None:
    """Take it that the messages are missing, until they are here."""
    expected = count if type(count) is int and count > 0 else 0
    context.facts = {"expected": expected}
    if expected:
        context.warn(MISSING)


def _arrived(context: Context) -> None:
    expected = context.facts.get("expected", 0)
    context.facts = {"expected": expected - 1}
    if expected == 1:
        context.warn(MISSING, -1)


def _session_of(message: Any) -> str:
    return text_of(message.get("metadata"), "sessionId") if isinstance(message, dict) else ""


def _project_of(message: Any, conversation: Mapping[str, Any]) -> Project:
    """The folder that the first message was said in; else the project's id in the database."""
    if path := text_of(message.get("metadata") if isinstance(message, dict) else None, "cwd"):
        return Project(slug_of(path), path)
    key = text_of(conversation, "projectId")
    return Project(f"{NAME}-{key}" if key else NAME)


def _message(value: dict[str, Any], context: Context) -> Said:
    _arrived(context)
    metadata, kind = value.get("metadata"), text_of(value, "type")
    context.last_time = parse_time(value.get("timestamp")) or context.last_time
    text = text_of(value, "content")
    uuid = text_of(metadata, "uuid")
    is_prompt = kind == "user" and bool(text.strip())
    return Said(
        NAME,
        kind,
        _session_of(value) or context.session_id,
        context.project,
        timestamp=context.last_time,
        role=kind if kind in ("user", "assistant") else "",
        text=text,
        uuid=uuid,
        parent_uuid=uuid.rpartition("_tool_")[0],
        model=text_of(value, "model"),
        is_prompt=is_prompt,
        title=("prompt", text) if is_prompt else None,
        more=_more(metadata),
    )


def _more(metadata: Any) -> dict[str, Any]:
    told = ((name, short_text(text_of(metadata, name))) for name in ("cwd", "gitBranch", "version"))
    return {name: text for name, text in told if text}


CLASSIC = Format(
    name="claudelens-classic",
    label="Classic ClaudeLens export, JSON",
    description="conversations.json of ClaudeLens before this program: titles and flat texts.",
    source=NAME,
    detect=detect_classic,
    records=read_document,
    message=speaks(said),
    start=start,
    layout="spans",
    warnings={MISSING: "{count} conversations tell of messages that are not in the file."},
)
