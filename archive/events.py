"""The event log: what changed, each with a position, without gaps.

The position comes from a counter document that is raised inside the same transaction as the change.
That makes the counter the archive's one write lock: two batches cannot commit at once, so positions
are committed in their order, and a follower never meets a later event before an earlier one. An import
that is rolled back holds the lock from its first step to its last, by its name on the counter.
"""

import time
from datetime import UTC, datetime
from typing import Any

from bson.int64 import Int64
from pymongo import ReturnDocument

from archive import connection
from archive.collections import COUNTERS, EVENTS
from archive.connection import Document
from archive.errors import Conflict
from archive.unit_of_work import UnitOfWork

POLL_SECONDS = 0.1


class RollingBack(Conflict):
    """The import ``job_id`` is being rolled back: nothing else can be written until that is done."""

    code = "rolling_back"

    def __init__(self, job_id: str) -> None:
        super().__init__(
            f"Import {job_id} is being rolled back.",
            hint="Others wait for it. If it has failed, run it again.",
        )
        self.job_id = job_id


def next_position(unit: UnitOfWork, job_id: str = "") -> int:
    """Take the next position. Call it before the unit's heavier work: a conflict then costs little.

    Raises ``RollingBack`` while another job than ``job_id`` is rolled back.
    """
    counter: Document = unit[COUNTERS].find_one_and_update(
        {"_id": EVENTS},
        {"$inc": {"value": Int64(1)}},
        upsert=True,
        return_document=ReturnDocument.AFTER,
        session=unit.session,
    )  # type: ignore[assignment]  # with upsert there always is one
    if counter.get("rollingBack", job_id) != job_id:
        raise RollingBack(counter["rollingBack"])
    return int(counter["value"])


def append(unit: UnitOfWork, position: int, kind: str, **facts: Any) -> None:
    """Write one event at ``position`` inside ``unit``; ``facts`` are plain BSON values."""
    unit[EVENTS].insert_one(
        {"position": Int64(position), "kind": kind, "at": datetime.now(UTC), **facts}, session=unit.session
    )


def lock(unit: UnitOfWork, job_id: str) -> None:
    """Let nobody but ``job_id`` take a position from here on. Raises ``RollingBack`` when another has."""
    held = unit[COUNTERS].find_one_and_update(
        {"_id": EVENTS},
        {"$inc": {"locks": Int64(1)}, "$setOnInsert": {"value": Int64(0)}},
        upsert=True,
        return_document=ReturnDocument.AFTER,
        session=unit.session,
    )
    if (held or {}).get("rollingBack", job_id) != job_id:
        raise RollingBack((held or {})["rollingBack"])
    unit[COUNTERS].update_one({"_id": EVENTS}, {"$set": {"rollingBack": job_id}}, session=unit.session)


def unlock(unit: UnitOfWork, job_id: str) -> None:
    """Let the others write again. Idempotent."""
    mine = {"_id": EVENTS, "rollingBack": job_id}
    unit[COUNTERS].update_one(mine, {"$unset": {"rollingBack": ""}}, session=unit.session)


def is_free_within(seconds: float) -> bool:
    """Wait until no import is being rolled back, at most so long; whether that came true."""
    deadline = time.monotonic() + seconds
    while True:
        with connection.translated():
            counter = connection.collection(COUNTERS).find_one({"_id": EVENTS}, {"rollingBack": 1})
        if not (counter or {}).get("rollingBack"):
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
