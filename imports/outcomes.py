"""What became of an import's files and records, as pages and the API show it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from archive import import_reports, rejected
from imports.formats import FORMATS
from imports.models import ImportJob
from jobs.states import DONE

SHOWN_PER_CAUSE = 20
SAMPLE_CHARACTERS = 300
READ_AT_MOST = 500
CONVERSATIONS_SHOWN = 10

FILES_SHOWN = 200
FILE_STATES = {
    "": "waiting",
    "reading": "being read",
    "done": "read",
    "held": "was held already",
    "copy": "a copy of a file that was held already",
    "refused": "refused",
    "passed": "passed over",
}


def files_of(job: ImportJob) -> list[dict[str, Any]]:
    """The first files with what became of each; as they were given, before it began."""
    reports = import_reports.list_files(str(job.pk), FILES_SHOWN)
    if not reports:
        return [_file(each | {"path": each["name"]}) for each in job.sources[:FILES_SHOWN]]
    return [_file(report) for report in reports]


def _file(report: dict[str, Any]) -> dict[str, Any]:
    state = report.get("state", "")
    told = ("bytes", "code", "reason", "hint", "explanation")
    counts = report.get("counts") or {}
    return {
        "name": report["path"],
        "state": state,
        "stateLabel": "undone" if _is_undone(report) else FILE_STATES.get(state, state),
        "as": report.get("as", ""),
        "counts": counts,
        "format": FORMATS[report["format"]].label if report.get("format") in FORMATS else "",
        "warnings": report.get("warnings") or [],
        **{name: report.get(name) for name in told},
    }


def _is_undone(report: dict[str, Any]) -> bool:
    """Whether what the import took of the file was taken out again."""
    return bool(report.get("undone")) and report.get("state") in ("reading", "done", "copy")


def conversations_of(job: ImportJob) -> list[dict[str, Any]]:
    """The first conversations that stand in an import's files, newest first: id, title, messages."""
    if job.is_dry_run or job.state not in DONE:
        return []
    return import_reports.list_sessions(str(job.pk), CONVERSATIONS_SHOWN)


@dataclass
class Cause:
    """One reason, how many records it took, and the first of them."""

    code: str
    count: int
    hint: str = ""
    records: list[dict[str, Any]] = field(default_factory=list)

    @property
    def label(self) -> str:
        """The code in words."""
        return self.code.replace("_", " ").replace("json", "JSON").replace("utf8", "UTF-8")


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
