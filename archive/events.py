"""The event log: what changed, each with a position, without gaps.

The position comes from a counter document that is raised inside the same transaction as the change.
That makes the counter the archive's one write lock: two batches cannot commit at once, so positions
are committed in their order, and a follower never meets a later event before an earlier one. Who needs the
lock for longer than a transaction holds it by a name on the counter (``archive.locks``).
"""

from datetime import UTC, datetime
from typing import Any

from bson.int64 import Int64

from archive import locks
from archive.collections import EVENTS
from archive.unit_of_work import UnitOfWork


def take_turn(unit: UnitOfWork) -> None:
    """Take the write lock without a position. Call it first where something will be written as a rule: then
    waiting costs nothing but waiting. Raises ``NotOurTurn`` while another has it."""
    locks.raise_counter(unit, "turns")


def next_position(unit: UnitOfWork, job_id: str = "") -> int:
    """Take the next position. Call it before the unit's heavier work: a conflict then costs little.

    Raises ``Locked`` while another job than ``job_id`` holds the lock, ``NotOurTurn`` while another batch is
    being written.
    """
    counter = locks.raise_counter(unit, "value")
    locks.check(counter, job_id)
    return int(counter["value"])


def append(unit: UnitOfWork, position: int, kind: str, **facts: Any) -> None:
    """Write one event at ``position`` inside ``unit``; ``facts`` are plain BSON values."""
    unit[EVENTS].insert_one(
        {"position": Int64(position), "kind": kind, "at": datetime.now(UTC), **facts}, session=unit.session
    )
