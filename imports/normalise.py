"""From records to messages: what a line says, in the archive's words. Pure.

Lines that do not say when, or in which conversation, take it from the line before them, so a little context
runs along a file. It is a function of the file's lines alone, and is saved in the checkpoint: a restarted
import makes the same messages.
"""

import re
from datetime import datetime
from typing import Any

from archive.costs import SYNTHETIC_MODEL
from archive.money import from_dollars
from archive.projects import Project, slug_of
from archive.records import Call, Message, Record, bson_safe, content_hash, identity, long
from imports.messages import Context, kept_of, parse_time, short_text
from imports.readers import claude_code

TEXT_FIELDS = ("uuid", "parentUuid", "agentId", "cwd", "gitBranch", "version", "requestId")
USAGE_COUNTS = (
    ("input", "input_tokens"),
    ("output", "output_tokens"),
    ("cacheRead", "cache_read_input_tokens"),
    ("cacheWrite5m", "cache_creation_input_tokens"),
)
SESSION_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(\.|$)", re.IGNORECASE)
USAGE_TEXTS = (("speed", "speed"), ("tier", "service_tier"), ("geo", "inference_geo"))


def start_context(tree_path: str, session_id: str, cwd: str) -> Context:
    """The context before a file's first line.

    A folder of Claude Code's own naming (a slug: "-home-ada-shop") is the project of all its lines; in any
    other place the lines' working directory names it. ``session_id`` and ``cwd`` are the first that the
    file's head tells; a file without any is a conversation named like its folder or itself.
    """
    session_id, cwd = short_text(session_id), short_text(cwd)
    parts = tree_path.split("/")
    folder = parts[1] if len(parts) > 2 else ""
    # A journal, or any other file beside a conversation, lies in the folder that is named like it.
    named = (part for part in reversed(parts) if SESSION_ID.match(part))
    stem = next(named, parts[-1]).rsplit(".", 1)[0]
    is_slug = folder.startswith("-") or folder[1:3] == "--"
    path = cwd if cwd and (not is_slug or slug_of(cwd) == folder) else ""
    slug = folder if is_slug else slug_of(cwd) if cwd else folder or "unsorted"
    return Context(session_id or stem, Project(slug, path), is_slug)


def message_of(record: Record, context: Context, import_id: str, now: datetime) -> Message:
    """One record as a message. Moves ``context`` to this line."""
    value = record.value
    session_id = _follow(value, context)
    own = own_time(value)
    timestamp = context.last_time = context.last_time if own is None else own
    content = content_hash(value)
    prompt = claude_code.prompt_text(value)
    document = _document(record, context, content, timestamp)
    document["importId"], document["importedAt"] = import_id, now
    return Message(
        key=identity(session_id, content),
        file_id=record.file_id,
        seq=record.seq,
        end=record.end,
        session_id=session_id,
        project_id=document["projectId"],
        document=document,
        timestamp=timestamp,
        is_timed=own is not None,
        size=record.size,
        implied=record.implied,
        has_raw=record.raw is not None,
        crc=record.crc,
        is_prompt=bool(prompt),
        title=_title(claude_code.title_of(value, prompt)),
        calls=_calls(document, value, context, timestamp),
    )


def _title(title: tuple[str, str] | None) -> tuple[str, str] | None:
    return None if title is None else (title[0], bson_safe(title[1]))


def _follow(value: dict[str, Any], context: Context) -> str:
    """Move the context to this line's conversation and project."""
    if "display" in value:
        return _follow_history(value, context)
    session_id = short_text(value.get("sessionId") or value.get("session_id")) or context.session_id
    if session_id != context.session_id:
        context.session_id, context.has_path = session_id, False
    cwd = short_text(value.get("cwd"))
    if not context.has_path and cwd:
        context.has_path = True
        if not context.fixed_project:
            context.project = Project(slug_of(cwd), cwd)
        elif slug_of(cwd) == context.project.slug:
            context.project = Project(context.project.slug, cwd)
    return session_id


def _follow_history(value: dict[str, Any], context: Context) -> str:
    """The same for a line of the prompt history. It names a folder; before 2.1 no conversation: such prompts
    are one of their own for each folder."""
    if path := short_text(value.get("project")):
        context.project = Project(slug_of(path), path)
    own = short_text(value.get("sessionId"))
    context.session_id, context.has_path = own or f"history-{context.project.slug.lstrip('-')}", True
    return context.session_id


def _document(record: Record, context: Context, content: bytes, timestamp: datetime | None) -> dict[str, Any]:
    value = record.value
    message = value.get("message")
    message = message if isinstance(message, dict) else {}
    document: dict[str, Any] = {
        "sessionId": context.session_id,
        "projectId": context.project.id,
        "type": _type(value, message),
        "fileId": record.file_id,
        "seq": long(record.seq),
        "source": claude_code.NAME,
        "isSidechain": value.get("isSidechain") is True,
        "contentHash": content,
    }
    if timestamp is not None:
        document["timestamp"] = timestamp
    for name in TEXT_FIELDS:
        if name in value and (text := short_text(value[name])):
            document[name] = text
    if role := short_text(message.get("role")):
        document["role"] = role
    if model := _model(message):
        document["model"] = model
    if text := claude_code.plain_text(value):
        document["text"] = text
    document.update(kept_of(record, value))
    return document


def _type(value: dict[str, Any], message: dict[str, Any]) -> str:
    """The line's type; the earliest versions told only the role, the prompt history tells nothing."""
    named = short_text(value.get("type")) or short_text(message.get("role"))
    return named or ("prompt-history" if "display" in value else "unknown")


def _model(message: dict[str, Any]) -> str:
    model = short_text(message.get("model"))
    return "" if model == SYNTHETIC_MODEL else model


def own_time(value: dict[str, Any]) -> datetime | None:
    """The line's own time in UTC: ``timestamp`` (ISO 8601, or milliseconds), else its snapshot's."""
    time = value.get("timestamp")
    if time is None:
        snapshot = value.get("snapshot")
        time = snapshot.get("timestamp") if isinstance(snapshot, dict) else None
    return parse_time(time)


def _calls(
    document: dict[str, Any], value: dict[str, Any], context: Context, timestamp: datetime | None
) -> list[Call]:
    """The API response this line tells of; its usage is put on the document as well."""
    response = claude_code.response_of(value)
    if response is None or response.get("model") == SYNTHETIC_MODEL:
        return []
    usage = usage_of(response["usage"])
    call_id = short_text(response.get("id")) or document["contentHash"].hex()
    is_inner = value.get("type") == "progress"
    if not is_inner:
        document["usage"], document["apiMessageId"] = usage, call_id
    call = Call(
        call_id,
        context.session_id,
        document["projectId"],
        document.get("model") or _model(response),
        usage,
        timestamp,
        is_inner or document["isSidechain"],
        document.get("requestId"),
    )
    if "costUSD" in value or "costUsd" in value:
        call.reported_cost = _money(value.get("costUSD", value.get("costUsd")))
    return [call]


def usage_of(usage: dict[str, Any]) -> dict[str, Any]:
    """The tokens of one response by kind (those that are not 0), and what else decides its price.

    Before 1.0.98 the time to live of what was written to the cache is not told: five minutes, the default.
    """
    counts: dict[str, Any] = {}
    for kind, name in USAGE_COUNTS:
        if count := _count(usage.get(name)):
            counts[kind] = count
    split = usage.get("cache_creation")
    if isinstance(split, dict) and "cacheWrite5m" in counts:
        _split_cache_writes(counts, _count(split.get("ephemeral_1h_input_tokens")))
    tools = usage.get("server_tool_use")
    if isinstance(tools, dict) and (searches := _count(tools.get("web_search_requests"))):
        counts["webSearches"] = searches
    for kind, name in USAGE_TEXTS:
        if text := short_text(usage.get(name)):
            counts[kind] = text
    return counts


def _split_cache_writes(counts: dict[str, Any], hour: int) -> None:
    if not hour:
        return
    written = counts.pop("cacheWrite5m")
    counts["cacheWrite1h"] = min(hour, written)
    if written > hour:
        counts["cacheWrite5m"] = written - hour


MAX_TOKENS = 10**12
MAX_DOLLARS = 10**6


def _count(value: Any) -> int:
    """A number of tokens; whatever is none, or absurd, counts as 0."""
    return value if type(value) is int and 0 <= value <= MAX_TOKENS else 0


def _money(value: Any) -> int | None:
    """Picodollars of a cost that the earliest versions wrote on the line."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return from_dollars(value) if is_number and 0 <= value < MAX_DOLLARS else None
