"""What a record of any format says, and the message made of it. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from archive.projects import Project
from archive.records import Call, Message, Record, bson_safe, content_hash, identity, long, stored_record

# Longer names of sessions, models, branches and folders are no names.
MAX_FIELD = 1000
MAX_TEXT = 32 * 1024
MAX_TITLE = 1000


@dataclass(slots=True)
class Context:
    """What runs along a file's records: the conversation, its project, the time of the record before, and
    what else its format needs (``facts``, plain values). ``warnings`` counts by code what people should know
    of the file (``Format.warnings`` has the words)."""

    session_id: str
    project: Project
    fixed_project: bool = False
    has_path: bool = False
    last_time: datetime | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    warnings: dict[str, int] = field(default_factory=dict)

    def warn(self, code: str, number: int = 1) -> None:
        """Count a warning; a negative number takes back what was counted too early."""
        self.warnings[code] = self.warnings.get(code, 0) + number

    def as_dict(self) -> dict[str, Any]:
        return {
            "sessionId": self.session_id,
            "slug": self.project.slug,
            "path": self.project.path,
            "fixedProject": self.fixed_project,
            "hasPath": self.has_path,
            "lastTime": self.last_time,
            **({"facts": self.facts} if self.facts else {}),
            **({"warnings": self.warnings} if self.warnings else {}),
        }

    @classmethod
    def from_dict(cls, saved: dict[str, Any]) -> "Context":
        project = Project(saved["slug"], saved["path"])
        fixed, has_path = saved["fixedProject"], saved["hasPath"]
        made = cls(saved["sessionId"], project, fixed, has_path, saved["lastTime"], saved.get("facts", {}))
        made.warnings = saved.get("warnings", {})
        return made


@dataclass(slots=True)
class Said:
    """What a record says, in the archive's words. Texts may be of any length and hold anything: they are cut
    and made safe here. ``title`` is (kind, text), ``titles`` what else the conversation is called, by kind;
    ``record`` is what is stored as the original object, the
    record's own value unless said otherwise; ``more`` holds further stored fields."""

    source: str
    type: str
    session_id: str
    project: Project
    timestamp: datetime | None = None
    role: str = ""
    text: str = ""
    uuid: str = ""
    parent_uuid: str = ""
    model: str = ""
    is_prompt: bool = False
    title: tuple[str, str] | None = None
    titles: Mapping[str, str] | None = None
    record: dict[str, Any] | None = None
    more: dict[str, Any] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)


TEXT_FIELDS = (("role", "role"), ("uuid", "uuid"), ("parentUuid", "parent_uuid"), ("model", "model"))


def speaks(said: Callable[[Record, Context], Said]) -> Callable[[Record, Context, str, datetime], Message]:
    """Makes messages of records by what ``said`` tells of each. ``said`` may use and change the context,
    whose conversation and project are then those of the record."""

    def message(record: Record, context: Context, import_id: str, now: datetime) -> Message:
        told = said(record, context)
        context.session_id, context.project = told.session_id, told.project
        return message_from(told, record, import_id, now)

    return message


def message_from(said: Said, record: Record, import_id: str, now: datetime) -> Message:
    """The message that a record is, of whatever format."""
    value = record.value if said.record is None else said.record
    content = content_hash(value)
    document = _document(said, record, value, content)
    document["importId"], document["importedAt"] = import_id, now
    session_id = document["sessionId"]
    return Message(
        key=identity(session_id, content),
        file_id=record.file_id,
        seq=record.seq,
        end=record.end,
        session_id=session_id,
        project_id=said.project.id,
        document=document,
        timestamp=said.timestamp,
        size=record.size,
        implied=record.implied,
        has_raw=record.raw is not None,
        crc=record.crc,
        is_prompt=said.is_prompt,
        title=None if said.title is None else (said.title[0], one_line(said.title[1])),
        titles={kind: one_line(text) for kind, text in (said.titles or {}).items() if text},
        calls=said.calls,
    )


def _document(said: Said, record: Record, value: dict[str, Any], content: bytes) -> dict[str, Any]:
    document: dict[str, Any] = {
        "sessionId": short_text(said.session_id) or "unnamed",
        "projectId": said.project.id,
        "type": short_text(said.type) or "unknown",
        "fileId": record.file_id,
        "seq": long(record.seq),
        "source": said.source,
        "isSidechain": False,
        "contentHash": content,
        **said.more,
    }
    if said.timestamp is not None:
        document["timestamp"] = said.timestamp
    for stored, name in TEXT_FIELDS:
        if text := short_text(getattr(said, name)):
            document[stored] = text
    if said.text:
        document["text"] = bson_safe(said.text[:MAX_TEXT])
    document.update(kept_of(record, value))
    return document


def kept_of(record: Record, value: dict[str, Any]) -> dict[str, Any]:
    """The stored fields that keep the original object, and what its bytes are known by."""
    kept = stored_record(value, record.raw)
    if record.raw is None:
        return {"crc32": record.crc, **kept}
    return {"lead": record.lead, **kept} if record.lead else kept


def short_text(value: Any) -> str:
    """A short text that BSON can hold; "" for anything else (the record itself keeps whatever it was)."""
    if not isinstance(value, str) or len(value) > MAX_FIELD:
        return ""
    safe: str = value if value.isascii() else bson_safe(value)
    return safe


def one_line(text: str) -> str:
    """A title: one line of it, safe to store."""
    return str(bson_safe(" ".join(text[:MAX_TITLE].split())))


def parse_time(time: Any) -> datetime | None:
    """A time in UTC to the millisecond, as the database keeps it; None where the value names none that a
    calendar has. Numbers are milliseconds since 1970; a text without a zone is UTC.

    >>> parse_time("2026-01-06T09:15:59.915Z")
    datetime.datetime(2026, 1, 6, 9, 15, 59, 915000, tzinfo=datetime.timezone.utc)
    """
    try:
        if isinstance(time, str):
            moment = datetime.fromisoformat(time)
            if moment.tzinfo is not UTC:
                moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        elif isinstance(time, (int, float)) and not isinstance(time, bool):
            moment = datetime.fromtimestamp(time / 1000, UTC)
        else:
            return None
    except (ValueError, OverflowError, OSError):
        return None
    finer = moment.microsecond % 1000
    return moment.replace(microsecond=moment.microsecond - finer) if finer else moment
