"""Pre-images: what an import changes, as it was before, so that the import can be undone exactly.

Sessions, API responses, files and projects carry ``importId``, the import that changed them last. An import
that changes one that is not its own keeps it whole in a row of ``import_undo``, in the transaction of the
change; ``over`` then names the import whose work it built on. What an import made itself has no row.
"""

from bson.objectid import ObjectId
from pymongo import UpdateOne

from archive.collections import UNDO
from archive.connection import Document
from archive.unit_of_work import UnitOfWork

SESSION = "session"
CALL = "call"
FILE = "file"
PROJECT = "project"


class PreImages:
    """The pre-images of one batch of the import ``job_id``."""

    def __init__(self, job_id: str) -> None:
        self.job_id = job_id
        self._rows: list[UpdateOne] = []

    def keep(self, kind: str, before: Document) -> None:
        """Remember a document as it is before this import changes it, unless it was the last to do so."""
        last = before.get("importId")
        if last == self.job_id:
            return
        key = before["_id"]
        row: Document = {
            "$setOnInsert": {"jobId": self.job_id, "kind": kind, "key": key, "before": before},
            # Not only at first: another import may have come in between.
            "$addToSet": {"over": {"$each": [last] if last else []}},
        }
        self._rows.append(UpdateOne({"_id": row_id(self.job_id, kind, key)}, row, upsert=True))

    def write(self, unit: UnitOfWork) -> None:
        """Write them inside ``unit``."""
        if self._rows:
            unit[UNDO].bulk_write(self._rows, session=unit.session)


def row_id(job_id: str, kind: str, key: str | ObjectId) -> Document:
    """The ``_id`` of a pre-image: there is one for each document that an import changed."""
    return {"jobId": job_id, "kind": kind, "key": key}
