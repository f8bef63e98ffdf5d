"""The database of ClaudeLens before this program, read and never written to.

Its collections: ``projects``, ``sessions``, and messages in ``messages`` and, since they were kept by the
month, in ``messages_YYYY_MM``. What is read is told in plain values: ids as hexadecimal text, times as ISO
8601 in UTC with milliseconds, decimals as text, bytes as base64.
"""

import base64
import math
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from typing import Any

from bson.codec_options import CodecOptions, DatetimeConversion
from bson.datetime_ms import DatetimeMS
from bson.dbref import DBRef
from bson.objectid import ObjectId
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import ConfigurationError, InvalidURI, OperationFailure
from pymongo.uri_parser import parse_uri

from archive import connection
from archive.connection import Document
from archive.errors import BadInput

DEFAULT_NAME = "claudelens"
MESSAGES = re.compile(r"messages(_\d{4}_\d{2})?")
OURS = "source_files"
BATCH = 500
NO_ACCESS = (13, 18)
OPTIONS: dict[str, Any] = {
    "readPreference": "secondaryPreferred",
    "retryWrites": False,
    "serverSelectionTimeoutMS": 10_000,
    "connectTimeoutMS": 10_000,
    "appname": "claudelens-migration",
}
# A time beyond the years that Python knows is a number, a text that is no UTF-8 is mended.
CODEC: CodecOptions[Document] = CodecOptions(
    tz_aware=True,
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
    unicode_decode_error_handler="replace",
)
URL_HINT = "Give it like mongodb://user:password@host:27017/claudelens, special characters as %XX."


class OldDatabase:
    """One ClaudeLens database. ``server`` is where it lies, without user and password."""

    def __init__(self, database: Database[Document], server: str) -> None:
        self._database = database
        self.name = database.name
        self.server = server
        self._project = lru_cache(maxsize=10_000)(self._find_project)

    def collections(self) -> dict[str, int]:
        """The collections that hold messages, each with about how many; those without any are left out."""
        with _translated():
            names = sorted(filter(MESSAGES.fullmatch, self._database.list_collection_names()))
            counts = {name: self._database[name].estimated_document_count() for name in names}
        return {name: count for name, count in counts.items() if count}

    def totals(self) -> dict[str, Any]:
        """What the database says of itself: sessions, projects, and what their messages cost as it saw it."""
        sums = {"_id": None, "sessions": {"$sum": 1}, "costUsd": {"$sum": "$totalCost"}}
        with _translated():
            found = next(iter(self._database["sessions"].aggregate([{"$group": sums}])), {})
            projects = self._database["projects"].count_documents({})
        cost = found.get("costUsd", 0)
        return {"sessions": found.get("sessions", 0), "projects": projects, "costUsd": f"{plain(cost)}"}

    def messages(self, collection: str, after: str = "") -> Iterator[list[Document]]:
        """The messages of a collection by ``_id``, some hundred at a time: each with its session's title and
        summary and its project's path and name. ``after`` is the ``_id`` to go on behind."""
        batch: list[Document] = []
        for document in self._documents(collection, after):
            batch.append(document)
            if len(batch) == BATCH:
                yield self._told(batch)
                batch = []
        if batch:
            yield self._told(batch)

    def _documents(self, collection: str, after: str) -> Iterator[Document]:
        found = self._database[collection].find({}).sort("_id", 1).batch_size(BATCH)
        last: Any = ObjectId(after) if ObjectId.is_valid(after) else after
        if after:
            # A filter by $gt would leave out ids of another type.
            found = found.min([("_id", last)]).hint([("_id", 1)])
        with _translated(), found:
            yield from (each for each in found if not after or each["_id"] != last)

    def _told(self, batch: list[Document]) -> list[Document]:
        sessions = self._sessions({each.get("sessionId") for each in batch})
        return [
            {
                "session": _some(session, "title", "summary"),
                "project": self._project(session.get("projectId")),
                "message": plain(each),
            }
            for each in batch
            for session in [sessions.get(each.get("sessionId"), {})]
        ]

    def _sessions(self, ids: Iterable[Any]) -> dict[Any, Document]:
        fields = {"_id": 0, "sessionId": 1, "title": 1, "summary": 1, "projectId": 1}
        with _translated():
            found = self._database["sessions"].find({"sessionId": {"$in": list(ids)}}, fields)
            return {each["sessionId"]: each for each in found}

    def _find_project(self, project_id: Any) -> Document:
        with _translated():
            found = self._database["projects"].find_one({"_id": project_id}, {"path": 1, "name": 1})
        return _some(found or {}, "path", "name")


def _some(document: Document, *names: str) -> Document:
    return {name: plain(document[name]) for name in names if document.get(name)}


@contextmanager
def opened(url: str, name: str = "") -> Iterator[OldDatabase]:
    """The database that the URL names, or else ``name``, or else "claudelens".

    Raises ``BadInput`` for a URL that is none, a refused password, or a database that is not ClaudeLens's;
    ``Unavailable`` when the server does not answer. No message holds the URL, which has a password in it.
    """
    client, told = _client(url)
    try:
        database = client.get_database(name or told["database"] or DEFAULT_NAME, CODEC)
        old = OldDatabase(database, ", ".join(f"{host}:{port}" for host, port in told["nodelist"]))
        _check(old, database)
        yield old
    finally:
        client.close()


def _client(url: str) -> tuple[MongoClient[Document], dict[str, Any]]:
    try:
        return MongoClient(url, **OPTIONS), parse_uri(url)
    except (InvalidURI, ConfigurationError, ValueError):
        # What the driver says may quote the URL.
        raise BadInput("This is no URL of a MongoDB.", hint=URL_HINT, code="bad_url") from None


def _check(old: OldDatabase, database: Database[Document]) -> None:
    with _translated():
        names = set(database.list_collection_names())
    if OURS in names:
        raise BadInput(
            f"The database {old.name!r} is an archive of this program.",
            hint="It needs no migration: set MONGODB_URL to use it.",
            code="no_classic_database",
        )
    if "sessions" not in names or not any(map(MESSAGES.fullmatch, names)):
        raise BadInput(
            f"The database {old.name!r} on {old.server} is not ClaudeLens's: it has no messages in sessions.",
            hint="Name the right one with --database.",
            code="no_classic_database",
        )


@contextmanager
def _translated() -> Iterator[None]:
    try:
        with connection.translated():
            yield
    except OperationFailure as error:
        if error.code not in NO_ACCESS:
            raise
        raise BadInput(
            "The database refuses this user.", hint="Check user, password and authSource.", code="no_access"
        ) from None


def plain(value: Any) -> Any:
    """A value of the database as JSON has it; the same text for the same value."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, (int, DatetimeMS)):
        return int(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return _PLAIN.get(type(value), str)(value)


def _time(value: datetime) -> str:
    return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


_PLAIN: dict[type, Any] = {
    datetime: _time,
    bytes: _base64,
    DBRef: lambda value: plain(dict(value.as_doc())),
}
