"""One MongoDB transaction as a unit: all of it happened, or none of it."""

import random
import time
from collections.abc import Callable
from functools import cached_property
from typing import TypeVar

from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError, DuplicateKeyError, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from archive import connection, locks, partitions
from archive.collections import COUNTERS, EVENTS, KEYS
from archive.connection import Document
from archive.errors import Unavailable
from archive.locks import NotOurTurn
from archive.partitions import Partition, PartitionState, Tier, read_partitions

T = TypeVar("T")

DUPLICATE_KEY = 11000
PATIENCE_SECONDS = 600.0
MAX_DUPLICATE_RERUNS = 20
TURN_SECONDS = 0.02
"""About how long others write before it is one's turn: a tenth of what a batch takes."""


class UnitOfWork:
    """What code inside a transaction works with: collections, and the driver's session to pass along."""

    def __init__(self, session: ClientSession) -> None:
        self.session = session

    def __getitem__(self, name: str) -> Collection[Document]:
        return connection.collection(name)

    @cached_property
    def partitions(self) -> tuple[Partition, ...]:
        """The catalogue as this transaction sees it, read once. Raises ``Locked`` while hot messages are
        rotated: they may be under neither of their names."""
        found = read_partitions(self.session)
        if any(each.state == PartitionState.ROTATING for each in found):
            locks.check(self[COUNTERS].find_one({"_id": EVENTS}, session=self.session))
        return found

    @property
    def hot(self) -> list[str]:
        """The collections in which messages can be changed."""
        return [each.name for each in self.hot_partitions]

    @property
    def hot_partitions(self) -> list[Partition]:
        """Those of them in which there may be some."""
        return [each for each in self.partitions if each.tier == Tier.HOT and each.count != 0]

    @property
    def cards(self) -> list[str]:
        """The collections that between them have one document for each message, with the fields of
        ``keys.KEY_FIELDS``."""
        return self.hot + ([KEYS] if self.has_left_hot else [])

    @property
    def has_left_hot(self) -> bool:
        """Whether any message is elsewhere than hot."""
        return any(each.tier != Tier.HOT and each.count != 0 for each in self.partitions)

    def check_names(self) -> None:
        """For a transaction that only reads: have it run again where partitions have got other names since it
        began. One that takes a position (``events``) need not ask."""
        if partitions.version() != partitions.version(self.session):
            raise NotOurTurn


class Transactions:
    """Runs units of work one after the other in one driver session.

    The driver session's id is known (``session_id``), so that a successor can end whatever this
    process left open when it was killed: an abandoned transaction would otherwise hold its locks
    until the server's time limit.
    """

    def __init__(self, patience: float = PATIENCE_SECONDS) -> None:
        self.patience = patience
        self._session = connection.client().start_session()

    @property
    def session_id(self) -> Document:
        return dict(self._session.session_id)

    def close(self) -> None:
        self._session.end_session()

    def run(self, work: Callable[[UnitOfWork], T]) -> T:
        """Run ``work`` in one transaction, as often as it takes, until it is committed exactly once.

        ``work`` may run several times and must change nothing but the database. A server that is away
        is waited for up to ``patience`` seconds, then ``Unavailable`` is raised; a duplicate key means
        that somebody else inserted the same in between, and the work looks again.
        """
        deadline = time.monotonic() + self.patience
        for attempt in range(1_000_000):
            try:
                return self._attempt(work)
            except NotOurTurn as later:
                # The driver keeps what it last met in a frame that this holds: together they would keep the
                # whole batch alive until the collector comes by.
                later.__traceback__ = None
                # The driver would wait longer from time to time, up to half a second, while nobody writes.
                time.sleep((0.5 + random.random()) * TURN_SECONDS)  # noqa: S311 jitter, not a secret
            except PyMongoError as error:
                self._wait_or_raise(error, attempt, deadline)
        raise AssertionError("unreachable")

    def _attempt(self, work: Callable[[UnitOfWork], T]) -> T:
        return self._session.with_transaction(
            lambda session: work(UnitOfWork(session)),
            read_concern=ReadConcern("snapshot"),
            write_concern=WriteConcern("majority", j=True),
        )

    def _wait_or_raise(self, error: PyMongoError, attempt: int, deadline: float) -> None:
        if is_duplicate_key(error) and attempt < MAX_DUPLICATE_RERUNS:
            return
        if not connection.is_transient(error):
            raise error
        if time.monotonic() > deadline:
            raise Unavailable(
                f"MongoDB did not come back within {self.patience:.0f} s: {error}",
                hint="Start the database server; the job goes on from its checkpoint.",
            ) from error
        time.sleep(_back_off(attempt))


def patiently(call: Callable[[], T], patience: float = PATIENCE_SECONDS) -> T:
    """What ``call`` returns, however long the server is away within ``patience`` seconds. ``call`` must be
    idempotent. Raises ``Unavailable`` after that."""
    deadline = time.monotonic() + patience
    for attempt in range(1_000_000):
        try:
            return call()
        except Unavailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(_back_off(attempt))
    raise AssertionError("unreachable")


def _back_off(attempt: int) -> float:
    longest: float = min(5.0, 0.1 * 2 ** min(attempt, 6))
    return random.random() * longest  # noqa: S311 jitter, not a secret


def end_session(session_id: Document | None) -> None:
    """Abort whatever the driver session with this id still has open. Idempotent."""
    if session_id:
        connection.client().admin.command("killSessions", [session_id])


def is_duplicate_key(error: PyMongoError) -> bool:
    """Whether the error says that a unique key was taken already."""
    if isinstance(error, BulkWriteError):
        return any(each.get("code") == DUPLICATE_KEY for each in (error.details or {}).get("writeErrors", []))
    return isinstance(error, DuplicateKeyError)
