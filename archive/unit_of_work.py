"""One MongoDB transaction as a unit: all of it happened, or none of it."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError, DuplicateKeyError, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from archive import connection
from archive.connection import Document
from archive.errors import Unavailable

T = TypeVar("T")

DUPLICATE_KEY = 11000
PATIENCE_SECONDS = 600.0
MAX_DUPLICATE_RERUNS = 20


class UnitOfWork:
    """What code inside a transaction works with: collections, and the driver's session to pass along."""

    def __init__(self, session: ClientSession) -> None:
        self.session = session

    def __getitem__(self, name: str) -> Collection[Document]:
        return connection.collection(name)


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
