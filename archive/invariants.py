"""What must hold at the end of an import: every record accounted for, every file whole."""

from collections import Counter
from functools import partial

from bson.objectid import ObjectId
from pymongo.client_session import ClientSession

from archive import checkpoints, connection, import_reports, moments
from archive.batch import COUNTED, EMPTY_COUNTS
from archive.collections import COPIES, FILES, IMPORT_FILES, REJECTED, VERSIONS
from archive.connection import Document
from archive.moments import Moment

FILES_AT_ONCE = 500
Held = Counter[ObjectId]


def check_import(job_id: str) -> None:
    """Raises ``AssertionError`` naming the first figure of an import that does not agree with another.

    Its counts add up, they are the sum of its files' counts, and the archive holds of each file that it read
    to the end as many records and rejected records as the file has. Reads indexes; raises ``Unavailable``.
    """
    with connection.translated():
        counts = {**EMPTY_COUNTS, **checkpoints.find_counts(job_id)}
        told = sum(counts[name] for name in COUNTED)
        if counts["seen"] != told:
            raise AssertionError(f"{counts['seen']} records seen but {told} accounted for: {counts}")
        _check_sum(job_id, counts)
        ids = import_reports.file_ids(job_id)
        for start in range(0, len(ids), FILES_AT_ONCE):
            _check_files(job_id, ids[start : start + FILES_AT_ONCE])


def _check_sum(job_id: str, counts: dict[str, int]) -> None:
    sums: Document = {name: {"$sum": f"$counts.{name}"} for name in counts}
    pipeline = [{"$match": {"jobId": job_id}}, {"$group": {"_id": None, **sums}}]
    for found in connection.collection(IMPORT_FILES).aggregate(pipeline):
        by_file = {name: found[name] for name in counts}
        if by_file != counts:
            raise AssertionError(f"the files' counts are {by_file} together, the import's {counts}")


def _check_files(job_id: str, ids: list[ObjectId]) -> None:
    """At one moment, since other imports go on meanwhile; files that they took on are theirs to check."""
    files, records, rejected = moments.at_one_moment(partial(_held, job_id, ids))
    for file_id, file in files.items():
        if (records[file_id], rejected[file_id]) != (file["records"], file["rejected"]):
            raise AssertionError(
                f"{file['path']} has {file['records']} records and {file['rejected']} rejected ones, "
                f"the archive holds {records[file_id]} and {rejected[file_id]}"
            )


def _held(job_id: str, ids: list[ObjectId], moment: Moment) -> tuple[dict[ObjectId, Document], Held, Held]:
    """The files of the import, and how many records and rejected ones the archive holds of each."""
    session = moment.session
    query = {"_id": {"$in": ids}, "importId": job_id, "complete": True}
    fields = {"path": 1, "records": 1, "rejected": 1}
    files = {each["_id"]: each for each in connection.collection(FILES).find(query, fields, session=session)}
    of_files = {"fileId": {"$in": list(files)}}
    records: Held = Counter()
    for name in (*moment.cards(), COPIES, VERSIONS):
        records.update(_counted(name, of_files, session))
    waste = {**of_files, "part": 0, "superseded": {"$ne": True}}
    return files, records, Counter(_counted(REJECTED, waste, session))


def _counted(name: str, query: Document, session: ClientSession) -> dict[ObjectId, int]:
    pipeline = [{"$match": query}, {"$group": {"_id": "$fileId", "count": {"$sum": 1}}}]
    found = connection.collection(name).aggregate(pipeline, session=session)
    return {each["_id"]: each["count"] for each in found}
