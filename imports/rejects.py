"""The rejected records of an import, grouped by why, as pages and the API show them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from archive import rejected
from imports.models import ImportJob

SHOWN_PER_CAUSE = 20
SAMPLE_CHARACTERS = 300
READ_AT_MOST = 500


@dataclass
class Cause:
    """One reason, how many records it took, and the first of them."""

    code: str
    count: int
    hint: str = ""
    records: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class RejectedPage:
    """Some rejected records, where the next ones begin, and how many there are of each code."""

    items: list[dict[str, Any]]
    next: str | None
    by_code: dict[str, int]


def rejected_page(job: ImportJob, cursor: str | None, limit: int) -> RejectedPage:
    """The records after ``cursor``, in the order of the files."""
    page = rejected.page_rejected(str(job.pk), cursor=cursor, limit=limit)
    items = [as_plain(record) for record in page.items]
    return RejectedPage(items, page.next, rejected.count_by_code(str(job.pk)))


def rejected_by_cause(job: ImportJob) -> list[Cause]:
    """The causes, commonest first, each with its first records. Empty while there are none."""
    counts = rejected.count_by_code(str(job.pk))
    causes = {code: Cause(code, count) for code, count in counts.items()}
    page = rejected.page_rejected(str(job.pk), cursor=None, limit=READ_AT_MOST)
    for record in page.items:
        cause = causes.get(record["code"])
        if cause and len(cause.records) < SHOWN_PER_CAUSE:
            cause.hint = cause.hint or record.get("hint", "")
            cause.records.append(as_plain(record))
    return sorted(causes.values(), key=lambda cause: -cause.count)


def as_plain(record: dict[str, Any]) -> dict[str, Any]:
    """A rejected record with its bytes as text that is safe to show (never decoded blindly)."""
    told = {name: record.get(name) for name in ("file", "line", "byte", "code", "reason", "hint")}
    return told | {"sample": sample_text(record.get("bytes") or b"")}


def sample_text(raw: bytes) -> str:
    """The first characters; what is not printable UTF-8 stands as an escape."""
    text = bytes(raw[: SAMPLE_CHARACTERS * 4]).decode("utf-8", "backslashreplace")
    shown = "".join(c if c.isprintable() else _escape(c) for c in text[:SAMPLE_CHARACTERS])
    return shown + ("…" if len(text) > SAMPLE_CHARACTERS or len(raw) > len(text) * 4 else "")


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
