"""What a batch says of its files: how far each is held, what was rejected, how the job fared with it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from bson.int64 import Int64
from bson.objectid import ObjectId
from pymongo import ReplaceOne, UpdateOne

from archive.batch import Batch, FileMark
from archive.collections import FILES, IMPORT_FILES, REJECTED
from archive.connection import Document
from archive.errors import Conflict
from archive.preimages import FILE, PreImages
from archive.records import Rejected, long
from archive.unit_of_work import UnitOfWork

MAX_COPIES = 1000


class FileMoved(Conflict):
    """The archive holds more of a file, or less, than this import knew of: look at the file again."""

    code = "file_moved"

    def __init__(self) -> None:
        super().__init__("The archive holds another part of a file now.", hint="It is looked at again.")


def find_files(unit: UnitOfWork, batch: Batch, job_id: str) -> dict[ObjectId, Document]:
    """The batch's files as they are now; new ones as they are before their first byte.

    Raises ``FileMoved`` where one is not as the batch expects, or another has taken the path of a new one.
    """
    found = unit[FILES].find({"_id": {"$in": list(batch.files)}}, session=unit.session)
    known = {each["_id"]: each for each in found}
    missing = [mark for mark in batch.files.values() if mark.file_id not in known]
    if missing:
        _check_new(unit, missing)
        known |= {mark.file_id: {"_id": mark.file_id, "importId": job_id, **mark.new} for mark in missing}
    for mark in batch.files.values():
        is_expected = mark.expected is None and not mark.held
        if not (is_expected or known[mark.file_id].get("heldSha256") == mark.expected):
            raise FileMoved
    return known


def _check_new(unit: UnitOfWork, missing: list[FileMark]) -> None:
    paths = [mark.new["path"] for mark in missing if mark.new]
    taken = unit[FILES].find_one({"path": {"$in": paths}}, {"_id": 1}, session=unit.session)
    if taken or len(paths) < len(missing):
        raise FileMoved


def is_new_copy(mark: FileMark, file: Document) -> bool:
    """Whether the file was found at a place that is not known yet."""
    copies = file.get("copies", [])
    known = {file["path"], *(copy["path"] for copy in copies)}
    return bool(mark.place) and mark.place not in known and len(copies) < MAX_COPIES


def record_files(
    unit: UnitOfWork, files: dict[ObjectId, Document], marks: list[FileMark], before: PreImages
) -> None:
    """Write how far these files are held, where else they were found, and that this import changed them."""
    now = datetime.now(UTC)
    writes = []
    for mark in marks:
        file = files[mark.file_id]
        before.keep(FILE, file)
        changed = mark.held | {"updatedAt": now, "importId": before.job_id}
        if is_new_copy(mark, file):
            copy = {"path": mark.place, "jobId": before.job_id}
            changed["copies"] = [*file.get("copies", []), copy]
        made = {"$setOnInsert": {**mark.new, "createdAt": now}} if mark.new else {}
        writes.append(UpdateOne({"_id": mark.file_id}, {"$set": changed, **made}, upsert=bool(made)))
    unit[FILES].bulk_write(writes, session=unit.session)


def record_reports(
    unit: UnitOfWork, batch: Batch, job_id: str, counts: dict[ObjectId, dict[str, int]]
) -> None:
    """Write how the job fared with each file."""
    reports = [
        UpdateOne(
            {"jobId": job_id, "path": mark.path},
            {"$set": {"fileId": mark.file_id, **mark.report}, "$inc": _increments(counts[mark.file_id])},
            upsert=True,
        )
        for mark in batch.files.values()
    ]
    if reports:
        unit[IMPORT_FILES].bulk_write(reports, session=unit.session)


def _increments(counts: Mapping[str, int]) -> dict[str, Int64]:
    return {f"counts.{name}": long(value) for name, value in counts.items()}


def record_rejected(
    unit: UnitOfWork, rejected: list[Rejected], job_id: str, planned: Mapping[ObjectId, str] | None = None
) -> None:
    """Write what was rejected inside ``unit``. Idempotent for one job.

    ``planned`` names the files of a dry run, which may not be in the archive: what is rejected then is told
    by the job, and belongs to no file.
    """
    if not rejected:
        return
    writes = []
    for each in rejected:
        fields = _rejected_document(each, job_id)
        if planned is not None:
            fields |= {"path": planned.get(each.file_id, ""), "superseded": True}
        key = f"{job_id}:{each.file_id}:{each.seq}:{each.part}"
        writes.append(ReplaceOne({"_id": key}, fields, upsert=True))
    unit[REJECTED].bulk_write(writes, session=unit.session)


def _rejected_document(each: Rejected, job_id: str) -> dict[str, Any]:
    return {
        "jobId": job_id,
        "fileId": each.file_id,
        "seq": long(each.seq),
        "part": each.part,
        "byte": long(each.start),
        "end": long(each.end),
        "code": each.code,
        "reason": each.reason,
        "hint": each.hint,
        "raw": each.raw,
    }


def supersede(unit: UnitOfWork, batch: Batch, job_id: str) -> None:
    """Mark what was rejected before in the parts that were read again: the file has it no longer, or this
    batch rejects it again."""
    for mark in batch.files.values():
        if mark.reread is not None:
            start, end = mark.reread
            read_again = {"$gte": start} if end is None else {"$gte": start, "$lt": end}
            unit[REJECTED].update_many(
                {"fileId": mark.file_id, "byte": read_again, "superseded": {"$ne": True}},
                {"$set": {"superseded": True, "supersededBy": job_id}},
                session=unit.session,
            )
