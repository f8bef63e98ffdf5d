"""The one door to MongoDB: a client per process, and driver errors told in our own words."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bson.codec_options import CodecOptions
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import ConnectionFailure, OperationFailure, PyMongoError, WTimeoutError

from archive.errors import OutOfSpace, Unavailable

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
        self.pid = 0

    def open(self) -> MongoClient[Document]:
        with self.lock:
            if self.client is None or self.pid != os.getpid():
                self.client = MongoClient(self.url, **{**CLIENT_OPTIONS, **self.options})
                self.pid = os.getpid()
            return self.client


_connection = _Connection()


def configure(url: str, name: str, **options: Any) -> None:
    """Say where the archive lies. Idempotent; opens nothing until the first use.

    ``options`` go to ``MongoClient`` over the defaults above (pool sizes, time-outs).
    """
    if (url, name, options) == (_connection.url, _connection.name, _connection.options):
        return
    close()
    _connection.url, _connection.name, _connection.options = url, name, options


def close() -> None:
    """Close this process's client, if it has one; the next use opens a new one."""
    with _connection.lock:
        if _connection.client is not None and _connection.pid == os.getpid():
            _connection.client.close()
        _connection.client = None


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
