"""The rejected records of an import as files: to look at, to mend, and to try again."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Iterator
from typing import Any

import orjson

from archive import files, rejected
from archive.errors import BadInput
from imports.models import ImportJob, Upload
from imports.uploads import receive_whole

FACTS = ("file", "line", "byte", "code", "reason", "hint")
COLUMNS = (*FACTS, "text", "base64")
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
MEDIA_TYPES = {"jsonl": "application/jsonl", "csv": "text/csv; charset=utf-8"}
HEADER_BYTES = 64 * 1024


def download(job: ImportJob, form: str) -> Iterator[bytes]:
    """A job's rejected records, one a line: where each stands, why, and its bytes as text, or as base64 where
    they are none. ``jsonl`` or ``csv``; a cell that a spreadsheet would run begins with an apostrophe.

    :raises BadInput: another form
    """
    if form not in MEDIA_TYPES:
        raise BadInput(f"There is no form {form!r:.50}.", hint="Forms are: jsonl, csv.", code="bad_form")
    return _as_jsonl(job) if form == "jsonl" else _as_csv(job)


def _facts(record: dict[str, Any]) -> dict[str, Any]:
    told = {name: record[name] for name in FACTS}
    try:
        return told | {"text": record["bytes"].decode()}
    except UnicodeDecodeError:
        return told | {"base64": base64.b64encode(record["bytes"]).decode("ascii")}


def _as_jsonl(job: ImportJob) -> Iterator[bytes]:
    for record in rejected.iter_rejected(str(job.pk)):
        yield orjson.dumps(_facts(record)) + b"\n"


def _as_csv(job: ImportJob) -> Iterator[bytes]:
    yield _row(COLUMNS)
    for record in rejected.iter_rejected(str(job.pk)):
        facts = _facts(record)
        yield _row([_cell(facts.get(name, "")) for name in COLUMNS])


def _cell(value: Any) -> str:
    text = str(value)
    return "'" + text if text.startswith(FORMULA_STARTS) else text


def _row(cells: Any) -> bytes:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue().encode("utf-8", "backslashreplace")


def rejected_again(job: ImportJob) -> Upload:
    """The records that an import rejected as a new upload of its owner, so that they alone are tried again:
    with another format or mapping, or by a newer ClaudeLens. Records too long to be held are left out.

    :raises BadInput: there is none
    :raises ArchiveError: as ``imports.uploads.create_upload``
    """
    size = sum(map(len, _lines(job)))
    if not size:
        raise BadInput(
            "No record of this import can be tried again.",
            hint="None was rejected, or all of them are too long.",
            code="nothing_rejected",
        )
    ending = "csv" if _header(job) else "jsonl"
    name = f"rejected-{str(job.pk)[:8]}.{ending}"
    return receive_whole(job.owner, name=name, size=size, stream=_Pieces(_lines(job)))


def _lines(job: ImportJob) -> Iterator[bytes]:
    """Each record on a line of its own, under the first table's header."""
    header = _header(job)
    if header:
        yield header
    for record in rejected.iter_rejected(str(job.pk)):
        if record["code"] != "too_large":
            yield record["bytes"].strip(b", \t\r\n" if not header else b"\r\n") + b"\n"


def _header(job: ImportJob) -> bytes:
    """The first line of the table that the first rejected record stands in; empty where it is no table."""
    first = next(rejected.iter_rejected(str(job.pk)), None)
    file = files.get_file(first["fileId"]) if first else None
    if file is None or file.source != "csv":
        return b""
    head = next(files.file_chunks(file.id), b"")[:HEADER_BYTES]
    return head.partition(b"\n")[0].rstrip(b"\r") + b"\n"


class _Pieces:
    """An iterator of bytes that can be read like a file."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._held = pieces, b""

    def read(self, size: int, /) -> bytes:
        while len(self._held) < size and (piece := next(self._pieces, None)) is not None:
            self._held += piece
        taken, self._held = self._held[:size], self._held[size:]
        return taken
