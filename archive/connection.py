"""The one door to MongoDB: a client per process, and driver errors told in our own words."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from bson.codec_options import CodecOptions
from pymongo import MongoClient, timeout
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import (
    ConnectionFailure,
    ExecutionTimeout,
    NetworkTimeout,
    OperationFailure,
    PyMongoError,
    WTimeoutError,
)

from archive import query_listener
from archive.errors import OutOfSpace, TooSlow, Unavailable

Document = dict[str, Any]

OUT_OF_DISK_SPACE = 14031
INTERRUPTED = 11601
CLIENT_OPTIONS: dict[str, Any] = {
    "w": "majority",
    "journal": True,
    "retryWrites": True,
    "readConcernLevel": "majority",
    "tz_aware": True,
    "minPoolSize": 0,
    "maxPoolSize": 50,
    "serverSelectionTimeoutMS": 10_000,
    "connectTimeoutMS": 10_000,
    "appname": "claudelens",
}


class _Connection:
    """Where the database is, and the client of this very process (a client does not survive a fork)."""

    def __init__(self) -> None:
        self.url = ""
        self.name = ""
        self.options: dict[str, Any] = {}
        self.lock = threading.Lock()
        self.client: MongoClient[Document] | None = None
        self.listener: query_listener.QueryListener | None = None
        self.pid = 0

    def open(self) -> MongoClient[Document]:
        with self.lock:
            if self.client is None or self.pid != os.getpid():
                self.client = self._made()
                self.pid = os.getpid()
            return self.client

    def _made(self) -> MongoClient[Document]:
        options = {**CLIENT_OPTIONS, **self.options}
        self.listener = query_listener.new_listener()
        if self.listener is None:
            return MongoClient(self.url, **options)
        options["event_listeners"] = [*options.get("event_listeners", ()), self.listener]
        client: MongoClient[Document] = MongoClient(self.url, **options)
        self.listener.attach(client, self.name)
        return client

    def close(self) -> None:
        with self.lock:
            if self.client is not None and self.pid == os.getpid():
                if self.listener is not None:
                    self.listener.close()
                self.client.close()
            self.client = self.listener = None


_connection = _Connection()


def configure(url: str, name: str, **options: Any) -> None:
    """Say where the archive lies. Idempotent; opens nothing until the first use.

    ``options`` go to ``MongoClient`` over the defaults above (pool sizes, time-outs).
    """
    if (url, name, options) == (_connection.url, _connection.name, _connection.options):
        return
    close()
    _connection.url, _connection.name, _connection.options = url, name, options


@dataclass(frozen=True)
class Configuration:
    """Where the archive lies, as another process can be told it. Holds the password, if there is one."""

    url: str = field(repr=False)
    name: str
    options: dict[str, Any] = field(repr=False)


def configuration() -> Configuration:
    """What this process was told by ``configure``."""
    return Configuration(_connection.url, _connection.name, _connection.options)


def close() -> None:
    """Close this process's client, if it has one; the next use opens a new one."""
    _connection.close()


def write_query_figures() -> None:
    """Have what this process has counted of its own queries written now."""
    if _connection.listener is not None and _connection.pid == os.getpid():
        _connection.listener.flush()


def client() -> MongoClient[Document]:
    """This process's client. Raises ``Unavailable`` when nothing was configured."""
    if not _connection.url:
        raise Unavailable("No MongoDB is configured.", hint="Set MONGODB_URL or start the embedded services.")
    return _connection.open()


def database() -> Database[Document]:
    """The archive's database."""
    return client().get_database(_connection.name, CodecOptions(tz_aware=True))


def collection(name: str) -> Collection[Document]:
    """One collection of the archive, by its name in ``archive.collections``."""
    return database()[name]


def is_transient(error: PyMongoError) -> bool:
    """Whether waiting may help: the server is away, electing, shutting down or restarting, or somebody ended
    our driver session (a successor, who will be noticed at the next try)."""
    if isinstance(error, OperationFailure) and error.code == INTERRUPTED:
        return True
    return isinstance(error, (ConnectionFailure, WTimeoutError)) or error.has_error_label(
        "TransientTransactionError"
    )


@contextmanager
def translated() -> Iterator[None]:
    """Turn the driver's errors that are not bugs into ours: ``Unavailable``, ``OutOfSpace``."""
    try:
        yield
    except OperationFailure as error:
        if error.code == OUT_OF_DISK_SPACE:
            raise OutOfSpace(
                "The database's disk is full.", hint="Free space, then retry the job."
            ) from error
        if is_transient(error):
            raise _unavailable(error) from error
        raise
    except PyMongoError as error:
        if is_transient(error):
            raise _unavailable(error) from error
        raise


def _unavailable(error: PyMongoError) -> Unavailable:
    return Unavailable(
        f"MongoDB does not answer: {error}", hint="Check the database server; the job tries again."
    )


@contextmanager
def within(seconds: float | None) -> Iterator[None]:
    """Let everything that is asked inside take so long altogether (None: as long as it takes); the database
    is told to stop then. Raises ``TooSlow``."""
    try:
        with timeout(seconds):
            yield
    except (ExecutionTimeout, NetworkTimeout, Unavailable) as error:
        cause = error.__cause__ if isinstance(error, Unavailable) else error
        if seconds is None or not isinstance(cause, (ExecutionTimeout, NetworkTimeout)):
            raise
        raise TooSlow(
            f"The database could not answer within {seconds:g} seconds.", hint="Ask for less at once."
        ) from error
