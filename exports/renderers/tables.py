"""The archive as tables: which columns messages, conversations and API responses have. Pure.

A format that writes rows (``csv``, ``parquet``) takes the columns from here, so they mean the same in each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from exports.renderers.base import EVERY_COLUMN, OWN_COLUMNS, Document, Material
from exports.renderers.conversations import NOT_OURS_TO_TELL, join
from exports.renderers.values import encode

ID, TEXT, COUNT, TRUTH, TIME, MONEY, LIST, JSON, BYTES = (
    "id", "text", "count", "truth", "time", "money", "list", "json", "bytes",
)  # fmt: skip
"""What a column holds: the id of something in this archive, str, int, bool, datetime, an amount of money, a
list of str, a JSON value, bytes. A row need not have a value, but for a truth, which is false then."""

LOSES = (
    "What has no column among those that were chosen: as a rule the original records.",
    "Texts of more than 32,768 characters, unless the record is among the columns.",
    "The layout of the original files and the lines that could not be read.",
    "When, and by which import, a message came into the archive.",
)


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name, what its values are, what they say, the ``key`` of a row that holds them, and the
    stored ``fields`` that they are made of; None: of all fields."""

    name: str
    kind: str
    says: str
    key: str
    fields: tuple[str, ...] | None


def _stored(name: str, kind: str, says: str, key: str = "") -> Column:
    """A column that is a stored field as it stands."""
    return Column(name, kind, says, key or name, (key or name,))


def _joined(name: str, says: str, *fields: str, kind: str = TEXT) -> Column:
    """A column that ``rows_of`` puts beside the stored fields."""
    return Column(name, kind, says, name, fields)


def as_text(value: Any) -> str:
    """The text of a value; what is none, in a field that somebody else's export filled, is told as JSON."""
    return value if type(value) is str else encode(value).decode()


def as_id(value: Any) -> str:
    """Binary ids are hex."""
    return value.hex() if isinstance(value, bytes) else str(value)


def as_decimal(value: Any) -> Decimal:
    """An exact amount, whatever the database's driver calls it."""
    return value if isinstance(value, Decimal) else Decimal(str(value))


USAGE_NAMES = {
    "input": "inputTokens", "output": "outputTokens", "cacheRead": "cacheReadTokens",
    "cacheWrite5m": "cacheWrite5mTokens", "cacheWrite1h": "cacheWrite1hTokens",
    "webSearches": "webSearches", "speed": "speed", "tier": "serviceTier", "geo": "inferenceGeo",
}  # fmt: skip
"""What is said in ``usage`` -> the column that it is."""
USAGE = (
    _joined("inputTokens", "tokens read", "usage", kind=COUNT),
    _joined("outputTokens", "tokens written", "usage", kind=COUNT),
    _joined("cacheReadTokens", "tokens read from the cache", "usage", kind=COUNT),
    _joined("cacheWrite5mTokens", "tokens written to the cache for five minutes", "usage", kind=COUNT),
    _joined("cacheWrite1hTokens", "tokens written to the cache for an hour", "usage", kind=COUNT),
    _joined("webSearches", "searches of the web", "usage", kind=COUNT),
    _joined("speed", "`fast`, where it was", "usage"),
    _joined("serviceTier", "the service tier", "usage"),
    _joined("inferenceGeo", "where it was worked out", "usage"),
)
PROJECT = (
    _joined("project", "the project's folder, or its name", "projectId"),
    _joined("projectSlug", "the project as Claude Code calls it", "projectId"),
)
GUARDED = _joined("guarded", "`true` where a cell of this row has a `'` before it")
SESSION_ID = _stored("sessionId", TEXT, "the conversation's id")

MESSAGES = (
    SESSION_ID,
    _stored("timestamp", TIME, "when"),
    _stored("type", TEXT, "what kind of record: user, assistant, summary …"),
    _stored("role", TEXT, "who said it: user, assistant"),
    _stored("isPrompt", TRUTH, "whether a person wrote it"),
    _stored("isSidechain", TRUTH, "whether it is a subagent's"),
    _stored("model", TEXT, "the model that answered"),
    _stored("text", TEXT, "what was said"),
    *USAGE,
    _stored("apiMessageId", TEXT, "the API response that it is of; its tokens stand in each of its rows"),
    _stored("requestId", TEXT, "the request of that response"),
    _stored("reportedCostUsd", MONEY, "what the source said that it cost, in US dollars"),
    _stored("uuid", TEXT, "the message's id where it came from"),
    _stored("parentUuid", TEXT, "that of the message before it"),
    _stored("agentId", TEXT, "the subagent"),
    _stored("cwd", TEXT, "the working directory"),
    _stored("gitBranch", TEXT, "the branch"),
    _stored("version", TEXT, "the version of Claude Code"),
    _joined("source", "where it came from first", "source", "origin"),
    *PROJECT,
    _joined("title", "what the conversation is called"),
    GUARDED,
    _stored("id", ID, "its id in this archive", "_id"),
    _stored("projectId", ID, "the project's id in this archive"),
    _stored("fileId", ID, "the file's id in this archive"),
    _stored("seq", COUNT, "the line in its file × 1024 + the place on that line"),
    _stored("contentHash", ID, "SHA-256 of the record without its session"),
    _stored("usage", JSON, "the tokens of all kinds"),
    _joined("titles", "in a conversation's first row: what it is called, by kind", kind=JSON),
    _stored("record", JSON, "the original record"),
    _stored("raw", BYTES, "the record's exact bytes, where `record` is only a reading of them"),
    Column("other", JSON, "an object of all fields that no other column has", "other", None),
)
SESSIONS = (
    SESSION_ID,
    _stored("title", TEXT, "what it is called"),
    *PROJECT,
    _stored("source", TEXT, "where it came from"),
    _stored("startedAt", TIME, "its first message's time"),
    _stored("endedAt", TIME, "its last message's time"),
    _stored("messageCount", COUNT, "all its messages"),
    _stored("exportedMessages", COUNT, "those that the filter lets through"),
    _stored("promptCount", COUNT, "those that a person wrote"),
    _stored("callCount", COUNT, "API responses that belong to it"),
    _stored("inputTokens", COUNT, "tokens that they read"),
    _stored("outputTokens", COUNT, "tokens that they wrote"),
    _stored("cacheReadTokens", COUNT, "tokens that they read from the cache"),
    _stored("cacheWriteTokens", COUNT, "tokens that they wrote to the cache"),
    _stored("costUsd", MONEY, "what they cost, in US dollars", "totalCost"),
    _stored("unpricedCalls", COUNT, "those of them whose price is not known"),
    _stored("models", LIST, "the models that answered"),
    _stored("tags", LIST, "its tags"),
    _stored("summary", TEXT, "its summary"),
    _stored("cwd", TEXT, "the last working directory"),
    _stored("gitBranch", TEXT, "the last branch"),
    _stored("version", TEXT, "the last version of Claude Code"),
    GUARDED,
)  # fmt: skip
CALLS = (
    _stored("id", TEXT, "the response's id, as the API gave it", "_id"),
    SESSION_ID,
    *PROJECT,
    _stored("model", TEXT, "the model"),
    _stored("timestamp", TIME, "its first line's time"),
    *USAGE,
    _stored("costUsd", MONEY, "what it cost, in US dollars; empty where no price is known"),
    _stored("priceVersion", TEXT, "the price list that says so"),
    _stored("reportedCostUsd", MONEY, "what the source said that it cost"),
    _stored("requestId", TEXT, "its request"),
    _stored("isSidechain", TRUTH, "whether it is a subagent's"),
    GUARDED,
)
TABLES: dict[str, tuple[Column, ...]] = {"messages": MESSAGES, "sessions": SESSIONS, "api_calls": CALLS}
LEFT_OUT = {
    "messages": frozenset(
        (
            "projectSlug", "id", "projectId", "fileId", "seq", "contentHash", "usage", "titles", "record",
            "raw", "other",
        )
    ),
    "sessions": frozenset({"projectSlug"}),
    "api_calls": frozenset({"projectSlug"}),
}  # fmt: skip
"""Columns that are there only where they are asked for."""
TOLD = NOT_OURS_TO_TELL | {
    field for column in MESSAGES for field in column.fields or () if field != "origin"
}  # fmt: skip
"""Fields of a stored message that columns of their own hold."""


def names_of(rows: str) -> tuple[str, ...]:
    """The names of all columns that these rows have."""
    return tuple(column.name for column in TABLES[rows])


def own_names(rows: str) -> tuple[str, ...]:
    """The names of those that they have where none is chosen."""
    return tuple(name for name in names_of(rows) if name not in LEFT_OUT[rows])


def chosen(rows: str, names: Sequence[str], own: Sequence[str], asked: Iterable[str]) -> list[Column]:
    """The columns ``asked`` for, in that order, each once; those of ``own`` where none is.

    ``all`` and ``default`` among them stand for all ``names`` of the format and for ``own``. Raises KeyError.
    """
    known = {column.name: column for column in TABLES[rows]}
    words = {EVERY_COLUMN: names, OWN_COLUMNS: own}
    found = [name for word in asked or (OWN_COLUMNS,) for name in words.get(word, (word,))]
    return [known[name] for name in dict.fromkeys(found)]


def rows_of(rows: str, material: Material, columns: Iterable[Column]) -> Iterator[Document]:
    """The rows, as documents that these columns can be read from. Memory: one row."""
    if rows == "api_calls":
        projects = _Projects(material)
        return ({**call, **projects.names(call.get("projectId")), **_used(call)} for call in material.calls())
    return _messages(material, columns) if rows == "messages" else _sessions(material)


def needed_fields(columns: Iterable[Column]) -> set[str]:
    """The stored fields that these columns are made of; nothing where they take whole documents."""
    needed: set[str] = set()
    for column in columns:
        if column.fields is None:
            return set()
        needed.update(column.fields)
    return needed | {"sessionId"}


def _messages(material: Material, columns: Iterable[Column]) -> Iterator[Document]:
    projects, needed = _Projects(material), needed_fields(columns)
    for _, session, messages in join(material.messages(needed), material.sessions()):
        title, titles = session.get("title"), session.get("titles")
        for message in messages:
            names = projects.names(message.get("projectId"))
            row = {**message, **names, **_used(message), "title": title, "titles": titles}
            if "origin" in message:
                row["source"] = _source(message)
            if not needed:
                row["other"] = _other(message)
            titles = None
            yield row


def _source(message: Document) -> Any:
    """Where it came from; of a message out of a table, what that table said."""
    origin = message["origin"]
    told = origin.get("toldSource") if isinstance(origin, Mapping) else None
    return told or message.get("source")


def _other(message: Document) -> dict[str, Any] | None:
    return {name: value for name, value in message.items() if name not in TOLD} or None


def _used(document: Document) -> dict[str, Any]:
    """The columns out of ``usage``; of kinds that have none only that column tells."""
    usage = document.get("usage")
    if not usage:
        return {}
    return {USAGE_NAMES[kind]: value for kind, value in usage.items() if kind in USAGE_NAMES}


def _sessions(material: Material) -> Iterator[Document]:
    projects = _Projects(material)
    found = material.messages(("sessionId", "projectId"))
    for session_id, session, messages in join(found, material.sessions()):
        count, project_id = 0, session.get("projectId")
        for message in messages:
            count, project_id = count + 1, project_id or message.get("projectId")
        names = projects.names(project_id)
        yield {**session, **names, "sessionId": session_id, "exportedMessages": count}


class _Projects:
    """The columns of a project; those of the last one are remembered, since rows come session by session."""

    def __init__(self, material: Material) -> None:
        self.material = material
        self.last: Any = None
        self.told: dict[str, Any] = {}

    def names(self, project_id: Any) -> dict[str, Any]:
        """What people call it, and its slug."""
        if project_id != self.last:
            names = {} if project_id is None else self.material.project(project_id)
            self.last = project_id
            self.told = {"project": names.get("path") or names.get("slug"), "projectSlug": names.get("slug")}
        return self.told
