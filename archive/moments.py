"""The archive at one moment: every partition and every key as they were then, whatever moves meanwhile.

All reads of a moment go through driver sessions with one snapshot time. MongoDB 6.0 has no snapshot of
names: a collection that was renamed away in between reads as empty. So whoever has opened what he wants to
read asks ``check``: if the catalogue has its version still, what was opened is what it told. A cursor that is
open already dies with an error when its collection is renamed, and is never silently short.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from datetime import datetime
from typing import TypeVar

from pymongo.client_session import ClientSession
from pymongo.errors import CursorNotFound, OperationFailure

from archive import connection, partitions
from archive.collections import KEYS
from archive.errors import TooSlow, Unavailable
from archive.interruption import Interruption
from archive.journal import TierBatch
from archive.partitions import Partition, PartitionState, Tier

T = TypeVar("T")
R = TypeVar("R")

# QueryPlanKilled, CursorKilled, SnapshotTooOld, SnapshotUnavailable: what reads die of when a collection is
# renamed or dropped, when somebody kills a cursor, or when it was open for too long.
LOST = (175, 237, 239, 246)
AWAY_SECONDS = 120.0
"""How long a partition may be away, under another name, before a reader gives up: longer than it takes until
a worker is known to have died and another has finished its rotation."""
KEPT_SECONDS = 300.0
"""How long the server keeps what was at a moment (its ``minSnapshotHistoryWindowInSeconds``)."""
READ_SECONDS = 1.0
"""Whoever loses a moment after longer than this was reading: the messages were there."""
MOST_LOSSES = 3
LOOK_SECONDS = 0.05
MOST_THREADS = 4


class MomentLost(Exception):
    """The catalogue changed, or the server let go of what was open: read again at another moment."""


class Moment:
    """What the catalogue says, and a driver session that sees everything as it was when it said that."""

    def __init__(self, session: ClientSession) -> None:
        self.session = session
        self.version, self.partitions = partitions.with_version(session)
        self.opened = time.monotonic()
        self.batches: dict[int, TierBatch] = {}
        if any(each.state == PartitionState.ROTATING for each in self.partitions):
            raise MomentLost

    def hot(self, since: datetime | None = None, until: datetime | None = None) -> list[str]:
        """The collections that hold hot messages, those that can hold some of this time."""
        return [each.name for each in self.of(Tier.HOT, since, until)]

    def of(self, tier: Tier, since: datetime | None = None, until: datetime | None = None) -> list[Partition]:
        """The partitions of a tier that can hold messages of this time."""
        return [each for each in self.partitions if each.tier == tier and each.may_hold(since, until)]

    def cards(self, since: datetime | None = None, until: datetime | None = None) -> list[str]:
        """The collections that between them have one document for each message of this time, with the fields
        of ``keys.KEY_FIELDS``."""
        return self.hot(since, until) + ([KEYS] if self.left_hot(since, until) else [])

    def left_hot(self, since: datetime | None = None, until: datetime | None = None) -> list[Partition]:
        """The partitions outside hot that can hold messages of this time."""
        return [each for each in self.partitions if each.tier != Tier.HOT and each.may_hold(since, until)]

    def check(self) -> None:
        """Raises ``MomentLost`` where names have changed since."""
        if partitions.version() != self.version:
            raise MomentLost

    def each(self, work: Callable[[ClientSession, R], T], items: list[R]) -> list[T]:
        """What ``work`` makes of each item, in their order, some at once, all of them at this moment.

        ``work`` runs in threads of its own, each with a driver session of its own at the same time.
        """
        if len(items) <= 1:
            return [work(self.session, each) for each in items]
        with ThreadPoolExecutor(min(MOST_THREADS, len(items)), "partitions") as pool:
            # Each in a copy of this context, which has the time that ``connection.within`` allows.
            begun = [pool.submit(copy_context().run, _beside, self.session, work, each) for each in items]
            return [each.result() for each in begun]


def _beside(session: ClientSession, work: Callable[[ClientSession, R], T], item: R) -> T:
    with connection.client().start_session(snapshot=True) as sibling:
        # The driver has no other way to give a second session the time of the first.
        sibling._snapshot_time = session._snapshot_time
        return work(sibling, item)


@contextmanager
def opened(interruption: Interruption | None = None) -> Iterator[Moment]:
    """A moment that is open as long as the block runs; raises ``MomentLost`` for what the server lost of it.
    ``interruption`` can end it. Raises ``Unavailable``."""
    with connection.translated():
        session = connection.client().start_session(snapshot=True)
        if interruption is not None:
            interruption.watch(session)
        try:
            with lost_or_raised():
                yield Moment(session)
        finally:
            if interruption is None or interruption.release(session):
                session.end_session()


@contextmanager
def lost_or_raised() -> Iterator[None]:
    """Turn what the server says of a moment that is gone into ``MomentLost``."""
    try:
        yield
    except OperationFailure as error:
        if isinstance(error, CursorNotFound) or error.code in LOST:
            raise MomentLost from error
        raise


class Patience:
    """How long a reader that has lost its moment goes on trying.

    Messages that are away are waited for for ``AWAY_SECONDS``. What takes longer than a moment is kept is
    not tried again, since it would end the same; nor what was lost ``MOST_LOSSES`` times while it was read.
    """

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> float:
        """Something could be read that need not be read again, just now: at what time is returned."""
        now = self._progress = self._there = self._tried = time.monotonic()
        self._losses = 0
        return now

    def wait(self) -> None:
        """The moment is lost: wait a little before the next one. Raises ``TooSlow`` where the answer takes
        longer than a moment lasts, ``Unavailable`` where the messages are away for too long."""
        now = time.monotonic()
        lasted = now - self._tried
        if lasted > READ_SECONDS:
            self._there = now
            self._losses += 1
            self._check_losses(lasted, now - self._progress)
        elif now - self._there > AWAY_SECONDS:
            raise Unavailable(
                "The messages are not where they were: they are being moved.", hint="Try again in a minute."
            )
        time.sleep(LOOK_SECONDS)
        self._tried = time.monotonic()

    def _check_losses(self, lasted: float, in_vain: float) -> None:
        if lasted < KEPT_SECONDS and (self._losses < MOST_LOSSES or in_vain < AWAY_SECONDS):
            return
        raise TooSlow(
            "The answer takes longer than the database keeps what was at one moment.",
            hint="Ask for less at once: a shorter time, or one project.",
        )


def at_one_moment(work: Callable[[Moment], T]) -> T:
    """What ``work`` reads at one moment; it may run several times. Raises ``Unavailable`` where the messages
    are away for longer than ``AWAY_SECONDS``, ``TooSlow`` where ``work`` takes longer than a moment lasts."""
    patience = Patience()
    while True:
        try:
            with opened() as moment:
                result = work(moment)
                moment.check()
                return result
        except MomentLost:
            patience.wait()
