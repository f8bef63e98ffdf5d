"""The event log: what changed, each with a position, without gaps.

The position comes from a counter document that is raised inside the same transaction as the change.
That makes the counter the archive's one write lock: two batches cannot commit at once, so positions
are committed in their order, and a follower never meets a later event before an earlier one.
"""

from datetime import UTC, datetime
from typing import Any

from bson.int64 import Int64
from pymongo import ReturnDocument

from archive.collections import COUNTERS, EVENTS
from archive.connection import Document
from archive.unit_of_work import UnitOfWork


def next_position(unit: UnitOfWork) -> int:
    """Take the next position. Call it before the unit's heavier work: a conflict then costs little."""
    counter: Document = unit[COUNTERS].find_one_and_update(
        {"_id": EVENTS},
        {"$inc": {"value": Int64(1)}},
        upsert=True,
        return_document=ReturnDocument.AFTER,
        session=unit.session,
    )  # type: ignore[assignment]  # with upsert there always is one
    return int(counter["value"])


def append(unit: UnitOfWork, position: int, kind: str, **facts: Any) -> None:
    """Write one event at ``position`` inside ``unit``; ``facts`` are plain BSON values."""
    unit[EVENTS].insert_one(
        {"position": Int64(position), "kind": kind, "at": datetime.now(UTC), **facts}, session=unit.session
    )
