"""What later imports built on an import: the reasons why it cannot be undone."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from archive import connection, import_reports, moments
from archive.collections import CALLS, CHECKPOINTS, COPIES, FILES, SESSIONS, UNDO, VERSIONS
from archive.connection import Document
from archive.errors import Conflict
from archive.moments import Moment
from archive.preimages import FILE, PROJECT, SESSION
from archive.unit_of_work import UnitOfWork

SHOWN = 20
WORDS = {SESSION: "conversation", FILE: "file"}


@dataclass(frozen=True, slots=True)
class Entangled:
    """One thing that the import ``job_id`` built on: a conversation, a file or an API response."""

    kind: str
    name: str
    job_id: str

    def __str__(self) -> str:
        return f"{self.kind} “{self.name}” (import {self.job_id})"


class RollbackConflict(Conflict):
    """Later imports built on this one; ``shown`` are the first things of ``count``."""

    code = "rollback_conflict"

    def __init__(self, count: int, shown: list[Entangled]) -> None:
        more = f" and {count - len(shown):,} more" if count > len(shown) else ""
        jobs = sorted({each.job_id for each in shown})
        super().__init__(
            f"Later imports built on this one: {'; '.join(map(str, shown))}{more}.",
            hint=f"Roll these back first, the newest before the others: {', '.join(jobs)}.",
        )
        self.count, self.shown = count, shown
        told = [{"kind": each.kind, "name": each.name, "import": each.job_id} for each in shown]
        self.more = {"conflicts": told, "conflictCount": count}


class NoPreImages(Conflict):
    """The import was made by a version that kept nothing to undo it by."""

    code = "no_pre_images"


def check_can_undo(job_id: str, unit: UnitOfWork | None = None) -> None:
    """Raises ``RollbackConflict`` or ``NoPreImages``. Looks inside ``unit`` where one is given."""
    options = {"session": unit.session} if unit else {}
    with connection.translated():
        began = connection.collection(CHECKPOINTS).find_one({"_id": job_id}, **options) or {}
        if began.get("batch") and not began.get("keepsPreImages"):
            raise NoPreImages(
                "This import was made by a version that could not undo.", hint="It stays as it is."
            )
        # Projects are sums of their conversations: those are taken out again, whoever else counts there.
        query: Document = {"over": job_id, "kind": {"$ne": PROJECT}}
        rows = connection.collection(UNDO)
        if count := rows.count_documents(query, **options):
            fields = {"jobId": 1, "kind": 1, "key": 1, "before.path": 1, "before.title": 1}
            found = rows.find(query, fields, **options).sort("kind", -1).limit(SHOWN)
            raise RollbackConflict(count, [_entangled(row) for row in found])


def _entangled(row: Document) -> Entangled:
    before = row["before"]
    name = before.get("title") or before.get("path") or str(row["key"])
    return Entangled(WORDS.get(row["kind"], "API response"), name, row["jobId"])


def count_changes(job_id: str) -> dict[str, Any]:
    """What undoing the import would take away and put back, counted in the archive as it is."""
    mine = {"importId": job_id}
    with connection.translated():
        rows = connection.collection(UNDO)
        changed = {
            each["_id"]: each["count"]
            for each in rows.aggregate(
                [{"$match": {"jobId": job_id}}, {"$group": {"_id": "$kind", "count": {"$sum": 1}}}]
            )
        }
        touched = [row["key"] for row in rows.find({"jobId": job_id, "kind": FILE}, {"key": 1})]
        made = [each["_id"] for each in connection.collection(FILES).find(mine, {"_id": 1})]
        seen = {*touched, *made, *import_reports.file_ids(job_id)}
        of_files = {"fileId": {"$in": sorted(seen)}, **mine}
        replaced = {"setAside.jobId": job_id, "importId": {"$ne": job_id}}
        return {
            "messages": moments.at_one_moment(partial(_count_messages, of_files)),
            "copies": connection.collection(COPIES).count_documents(of_files),
            "setAside": connection.collection(VERSIONS).count_documents(of_files),
            "putBack": connection.collection(VERSIONS).count_documents(replaced),
            "conversations": connection.collection(SESSIONS).count_documents(mine),
            "responses": connection.collection(CALLS).count_documents(mine),
            "files": len({*touched, *made}),
            "changedBefore": changed,
        }


def _count_messages(query: Document, moment: Moment) -> int:
    return sum(
        connection.collection(name).count_documents(query, session=moment.session) for name in moment.cards()
    )
