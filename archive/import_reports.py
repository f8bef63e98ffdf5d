"""What became of each file of an import."""

from bson.objectid import ObjectId

from archive import connection
from archive.collections import IMPORT_FILES, SESSIONS
from archive.connection import Document
from archive.errors import ArchiveError

REFUSED = "refused"
PASSED = "passed"
READING = "reading"


def refusal(error: ArchiveError, state: str = REFUSED) -> Document:
    """What a file's report says of its refusal, or of why it was passed over."""
    return {"state": state, "code": error.code, "reason": error.message, "hint": error.hint}


def refuse(job_id: str, name: str, error: ArchiveError, state: str = REFUSED) -> None:
    """Note that a file was refused, given up after a fault in it, or passed over. Idempotent."""
    with connection.translated():
        connection.collection(IMPORT_FILES).update_one(
            {"jobId": job_id, "path": name}, {"$set": refusal(error, state)}, upsert=True
        )


def done_names(job_id: str) -> set[str]:
    """The names of the files that the job read to the end, knew, or refused."""
    query = {"jobId": job_id, "state": {"$exists": True, "$ne": READING}}
    with connection.translated():
        found = connection.collection(IMPORT_FILES).find(query, {"path": 1, "_id": 0})
        return {each["path"] for each in found}


def count_refused(job_id: str, state: str = REFUSED) -> int:
    with connection.translated():
        return connection.collection(IMPORT_FILES).count_documents({"jobId": job_id, "state": state})


def first_refused(job_id: str) -> Document | None:
    with connection.translated():
        return connection.collection(IMPORT_FILES).find_one(
            {"jobId": job_id, "state": {"$in": [REFUSED, PASSED]}}, sort=[("path", 1)]
        )


def list_files(job_id: str, limit: int = 1000) -> list[Document]:
    """The first ``limit`` files of an import by name: path, state, counts, bytes, reason of a refusal."""
    with connection.translated():
        return list(connection.collection(IMPORT_FILES).find({"jobId": job_id}).sort("path", 1).limit(limit))


def file_ids(job_id: str) -> list[ObjectId]:
    query = {"jobId": job_id, "fileId": {"$exists": True}}
    with connection.translated():
        return [each["fileId"] for each in connection.collection(IMPORT_FILES).find(query, {"fileId": 1})]


def count_sessions(job_id: str) -> int:
    """How many conversations the files of an import hold, new and known."""
    with connection.translated():
        return connection.collection(SESSIONS).count_documents({"fileIds": {"$in": file_ids(job_id)}})


SUMS = ("inputTokens", "outputTokens", "cacheReadTokens", "cacheWriteTokens", "callCount", "unpricedCalls")


def sums(job_id: str) -> Document:
    """Tokens, API responses and ``costUsd`` (a decimal as text) of the conversations that stand in the files
    of an import, whatever else brought some of their messages."""
    wanted = {"$match": {"fileIds": {"$in": file_ids(job_id)}}}
    added = {name: {"$sum": f"${name}"} for name in (*SUMS, "totalCost")}
    with connection.translated():
        sums = connection.collection(SESSIONS).aggregate([wanted, {"$group": {"_id": None, **added}}])
        found = next(iter(sums), {})
    return {**{name: found.get(name, 0) for name in SUMS}, "costUsd": str(found.get("totalCost", 0))}


def list_sessions(job_id: str, limit: int) -> list[Document]:
    """The newest conversations that stand in the files of an import: ``id``, ``title``, ``messages``."""
    query = {"fileIds": {"$in": file_ids(job_id)}, "deletedAt": None}
    with connection.translated():
        found = connection.collection(SESSIONS).find(query, {"title": 1, "messageCount": 1})
        newest = found.sort([("endedAt", -1), ("_id", 1)]).limit(limit)
        return [
            {"id": each["_id"], "title": each.get("title") or "", "messages": each.get("messageCount", 0)}
            for each in newest
        ]
