"""Reading the rejected records of a job: what was refused, where, why, and what to do."""

from collections.abc import Iterator

from bson.objectid import ObjectId

from archive import connection
from archive.collections import FILES, REJECTED
from archive.connection import Document
from archive.paging import Page, find_in, find_page
from archive.records import line_of

SAMPLE_BYTES = 500
ORDER = (("fileId", 1), ("seq", 1), ("_id", 1))
WHOLE_ORDER = (("fileId", 1), ("seq", 1), ("part", 1))
FETCH = 50


def page_rejected(job_id: str, *, cursor: str | None = None, limit: int = 100) -> Page:
    """A page of a job's rejected records: file, line, byte, code, reason, hint, size and the first bytes.

    Raises ``BadInput`` for a bad cursor.
    """
    find = find_in(connection.collection(REJECTED), {"jobId": job_id, "part": 0})
    page = find_page(find, ORDER, cursor=cursor, limit=limit)
    paths = _paths({each["fileId"] for each in page.items})
    return Page([_told(each, paths) for each in page.items], page.next, page.previous)


def _told(each: Document, paths: dict[ObjectId, str]) -> Document:
    return {
        "file": each.get("path") or paths.get(each["fileId"], ""),
        "line": line_of(each["seq"]),
        "byte": int(each["byte"]),
        "code": each["code"],
        "reason": each["reason"],
        "hint": each["hint"],
        "size": int(each["end"]) - int(each["byte"]),
        "bytes": each["raw"][:SAMPLE_BYTES],
    }


def _paths(file_ids: set[ObjectId]) -> dict[ObjectId, str]:
    with connection.translated():
        found = connection.collection(FILES).find({"_id": {"$in": list(file_ids)}}, {"path": 1})
        return {each["_id"]: each["path"] for each in found}


def count_by_code(job_id: str) -> dict[str, int]:
    """How many records of the job were rejected for each reason's code."""
    group: list[Document] = [
        {"$match": {"jobId": job_id, "part": 0}},
        {"$group": {"_id": "$code", "count": {"$sum": 1}}},
    ]
    with connection.translated():
        return {each["_id"]: each["count"] for each in connection.collection(REJECTED).aggregate(group)}


def iter_rejected(job_id: str) -> Iterator[Document]:
    """All that a job rejected, in the order of its files: as ``page_rejected`` tells it, but with all of its
    ``bytes``, its ``fileId``, and ``part`` > 0 where it continues the one before. Memory is some records."""
    found = connection.collection(REJECTED).find({"jobId": job_id}).sort(list(WHOLE_ORDER)).batch_size(FETCH)
    paths: dict[ObjectId, str] = {}
    with connection.translated(), found:
        for each in found:
            if each["fileId"] not in paths:
                paths = _paths({each["fileId"]})
            told = _told(each, paths)
            yield told | {"bytes": each["raw"], "fileId": each["fileId"], "part": each["part"]}
