"""How far a job is, and how many it counted: the truth of a job, written in its batches' transactions.

A checkpoint document: ``{_id: job id, token, batch, position, counts, keepsPreImages, lsid, updatedAt}``.
Every write names the token of the holder and the number of the batch it follows, so that a process that lost
its claim can change nothing any more, and no batch is ever written twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from bson.int64 import Int64
from pymongo import ReturnDocument

from archive import connection
from archive.collections import CHECKPOINTS
from archive.errors import Conflict
from archive.unit_of_work import Transactions, UnitOfWork, end_session

Position = dict[str, Any]


class Fenced(Conflict):
    """Somebody else has taken this job over; this process must stop and write nothing more."""

    code = "fenced"


class AlreadyWritten(Exception):
    """This very batch was committed, but the answer was lost; ``counts`` are those after it."""

    def __init__(self, counts: dict[str, int]) -> None:
        super().__init__("the batch was committed before")
        self.counts = counts


@dataclass(slots=True)
class Checkpoint:
    """A job's checkpoint as held by one process under one token."""

    job_id: str
    token: int
    position: Position
    counts: dict[str, int]
    batch: int
    transactions: Transactions = field(repr=False)

    def save(self, unit: UnitOfWork, position: Position, counts: Mapping[str, int]) -> None:
        """Write the next position and counts inside ``unit``. Raises ``Fenced`` when taken over, and
        ``AlreadyWritten`` when this was done before."""
        written = unit[CHECKPOINTS].update_one(
            {"_id": self.job_id, "token": self.token, "batch": self.batch},
            {
                "$set": {"position": position, "counts": dict(counts), "updatedAt": datetime.now(UTC)},
                "$inc": {"batch": 1},
            },
            session=unit.session,
        )
        if not written.matched_count:
            mine = {"_id": self.job_id, "token": self.token, "batch": self.batch + 1}
            if earlier := unit[CHECKPOINTS].find_one(mine, session=unit.session):
                raise AlreadyWritten(earlier["counts"])
            raise Fenced(f"Job {self.job_id} was taken over by another worker.")

    def saved(self, position: Position, counts: Mapping[str, int]) -> None:
        """Remember, after the commit, what ``save`` wrote."""
        self.batch += 1
        self.position = position
        self.counts = dict(counts)

    def close(self) -> None:
        self.transactions.close()


def take(job_id: str, token: int) -> Checkpoint:
    """Take a job's checkpoint under ``token``, which must be higher than every one before it.

    Ends what the former holder left open, so that its locks are free at once. Idempotent for the same
    token in the same process. Raises ``Fenced`` when a higher token has been here, ``Unavailable``.
    """
    with connection.translated():
        former = connection.collection(CHECKPOINTS).find_one({"_id": job_id}, {"lsid": 1})
        end_session((former or {}).get("lsid"))
        transactions = Transactions()
        held = _claim(job_id, token, transactions)
    return Checkpoint(job_id, token, held["position"], held["counts"], held["batch"], transactions)


def _claim(job_id: str, token: int, transactions: Transactions) -> dict[str, Any]:
    checkpoints = connection.collection(CHECKPOINTS)
    checkpoints.update_one(
        {"_id": job_id},
        {
            "$setOnInsert": {
                "token": Int64(0),
                "batch": 0,
                "position": {},
                "counts": {},
                "keepsPreImages": True,
            }
        },
        upsert=True,
    )
    held = checkpoints.find_one_and_update(
        {"_id": job_id, "token": {"$lte": token}},
        {"$set": {"token": Int64(token), "lsid": transactions.session_id}},
        return_document=ReturnDocument.AFTER,
    )
    if held is None:
        raise Fenced(f"Job {job_id} was taken over by another worker.")
    return held


def find_counts(job_id: str) -> dict[str, int]:
    """The counts of a job as last committed; empty when it never wrote a batch."""
    with connection.translated():
        found = connection.collection(CHECKPOINTS).find_one({"_id": job_id}, {"counts": 1})
    return dict((found or {}).get("counts", {}))
