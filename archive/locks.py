"""The archive's write lock held for longer than one transaction: by an import that is rolled back, by a
rotation.

It is a name on the counter that gives events their positions (``archive.events``). Whoever writes takes a
position first: so a lock that is committed is seen by every transaction that commits after it, and none that
began before it can commit any more.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from bson.int64 import Int64
from pymongo import ReturnDocument
from pymongo.errors import OperationFailure

from archive import connection
from archive.collections import COUNTERS, EVENTS
from archive.connection import Document
from archive.errors import Conflict

if TYPE_CHECKING:
    from archive.unit_of_work import UnitOfWork

POLL_SECONDS = 0.1
WRITE_CONFLICT = 112


class NotOurTurn(Exception):
    """Somebody else is writing what only one may write at a time: try again in a moment."""


class Locked(Conflict):
    """Nothing can be written until the job ``job_id`` is done with what it does to the whole archive."""

    code = "locked"
    field: ClassVar[str]
    reason: ClassVar[str]
    hint_words: ClassVar[str]

    def __init__(self, job_id: str) -> None:
        self.why = self.reason.format(job_id=job_id)
        super().__init__(f"{self.why[0].upper()}{self.why[1:]}.", hint=self.hint_words)
        self.job_id = job_id


class RollingBack(Locked):
    """The import ``job_id`` is being rolled back: nothing else can be written until that is done."""

    code = "rolling_back"
    field = "rollingBack"
    reason = "import {job_id} is being rolled back"
    hint_words = "Others wait for it. If it has failed, run it again."


class Rotating(Locked):
    """The job ``job_id`` is rotating the hot messages: nothing can be written until that is done."""

    code = "rotating"
    field = "rotating"
    reason = "messages are being rotated by job {job_id}"
    hint_words = "Others wait for it. If it has failed, rotate again: what it began is finished."


KINDS: tuple[type[Locked], ...] = (RollingBack, Rotating)


def check(counter: Mapping[str, Any] | None, job_id: str = "") -> None:
    """Raises the ``Locked`` that the counter tells of, unless ``job_id`` holds the lock."""
    for kind in KINDS:
        holder = (counter or {}).get(kind.field, job_id)
        if holder != job_id:
            raise kind(holder)


def lock(unit: UnitOfWork, kind: type[Locked], job_id: str) -> None:
    """Let nobody but ``job_id`` take a position from here on. Raises ``Locked`` where another has the lock,
    ``NotOurTurn`` while a batch is being written. Idempotent."""
    check(raise_counter(unit, "locks"), job_id)
    unit[COUNTERS].update_one({"_id": EVENTS}, {"$set": {kind.field: job_id}}, session=unit.session)


def raise_counter(unit: UnitOfWork, field: str) -> Document:
    """The counter after one more of ``field``, held until the unit is committed. Raises ``NotOurTurn`` while
    another holds it."""
    first = {} if field == "value" else {"$setOnInsert": {"value": Int64(0)}}
    try:
        return unit[COUNTERS].find_one_and_update(
            {"_id": EVENTS},
            {"$inc": {field: Int64(1)}, **first},
            upsert=True,
            return_document=ReturnDocument.AFTER,
            session=unit.session,
        )  # type: ignore[return-value]  # with upsert there always is one
    except OperationFailure as error:
        if error.code == WRITE_CONFLICT:
            error.__traceback__ = None  # as in ``Transactions.run``
            raise NotOurTurn from error
        raise


def unlock(unit: UnitOfWork, kind: type[Locked], job_id: str) -> None:
    """Let the others write again. Idempotent."""
    mine = {"_id": EVENTS, kind.field: job_id}
    unit[COUNTERS].update_one(mine, {"$unset": {kind.field: ""}}, session=unit.session)


def holder(session: Any = None) -> Locked | None:
    """Who holds the lock now, or as ``session`` sees it."""
    with connection.translated():
        counter = connection.collection(COUNTERS).find_one({"_id": EVENTS}, session=session)
    try:
        check(counter)
    except Locked as held:
        return held
    return None


def is_free_within(seconds: float) -> bool:
    """Wait until nobody holds the lock, at most so long; whether that came true."""
    deadline = time.monotonic() + seconds
    while holder():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True
