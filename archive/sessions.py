"""Reading sessions and projects."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from bson.decimal128 import Decimal128

from archive import connection
from archive.choosing import session_chunks
from archive.collections import FILES, PROJECTS, SESSIONS
from archive.connection import Document
from archive.errors import BadInput, NotFound
from archive.filters import MessageFilter, literal_pattern, object_id
from archive.paging import Order, Page, find_in, find_page
from archive.scanning import EVERYTHING, Span

DEFAULT_SORT = "-endedAt"
SORTS = ("endedAt", "startedAt", "totalCost", "messageCount", "title")


@dataclass(frozen=True, slots=True)
class SessionFilter:
    """Sessions of a project, source and model, with ``text`` in their title, that went on in a time range;
    ``sort`` is one of ``SORTS``, with "-" before it for the highest first."""

    project_id: str = ""
    source: str = ""
    model: str = ""
    text: str = ""
    since: datetime | None = None
    until: datetime | None = None
    sort: str = DEFAULT_SORT

    def to_query(self) -> Document:
        query: Document = {"deletedAt": None}
        if self.project_id:
            query["projectId"] = {"$eq": object_id(self.project_id)}
        if self.source:
            query["source"] = {"$eq": self.source}
        if self.model:
            query["models"] = {"$eq": self.model}
        if self.text:
            query["title"] = {"$regex": literal_pattern(self.text[:200]), "$options": "i"}
        if self.since:
            query["endedAt"] = {"$gte": self.since}
        if self.until:
            query["startedAt"] = {"$lt": self.until}
        return query

    def order(self) -> Order:
        """Raises ``BadInput`` for a sort that is not known."""
        name, way = self.sort.removeprefix("-"), -1 if self.sort.startswith("-") else 1
        if name not in SORTS:
            raise BadInput(f"Sessions cannot be sorted by {name!r}.", hint=f"Known are: {', '.join(SORTS)}.")
        return ((name, way), ("sessionId", way))


def page_sessions(session_filter: SessionFilter, *, cursor: str | None = None, limit: int = 50) -> Page:
    """A page of sessions. Raises ``BadInput``."""
    find = find_in(connection.collection(SESSIONS), session_filter.to_query())
    page = find_page(find, session_filter.order(), cursor=cursor, limit=limit)
    return Page([_plain(each) for each in page.items], page.next, page.previous)


def get_session(session_id: str) -> Document:
    """One session. Raises ``NotFound``."""
    with connection.translated():
        found = connection.collection(SESSIONS).find_one({"_id": session_id, "deletedAt": None})
    if found is None:
        raise NotFound("There is no such conversation.", hint="Look for it in the list of conversations.")
    return _plain(found)


def find_sessions(message_filter: MessageFilter, span: Span = EVERYTHING) -> Iterator[Document]:
    """The sessions that can hold messages the filter fits in ``span``, by ``sessionId``: a superset, read in
    chunks."""
    wanted = [message_filter.session_query(), span.session_query()]
    for chunk in session_chunks({"$and": wanted}):
        yield from map(_plain, chunk)


def message_counts(message_filter: MessageFilter) -> Iterator[tuple[str, int]]:
    """The ids of those sessions, with how many messages each has as a whole."""
    for chunk in session_chunks(message_filter.session_query(), {"messageCount": 1}):
        yield from ((each["_id"], each["messageCount"]) for each in chunk)


def count_sessions() -> int:
    with connection.translated():
        return connection.collection(SESSIONS).count_documents({})


def list_projects(limit: int = 1000) -> list[Document]:
    """Projects by name, with their sums."""
    with connection.translated():
        return [_plain(each) for each in connection.collection(PROJECTS).find().sort("name", 1).limit(limit)]


def get_project(project_id: str) -> Document:
    """One project. Raises ``BadInput``, ``NotFound``."""
    with connection.translated():
        found = connection.collection(PROJECTS).find_one({"_id": object_id(project_id)})
    if found is None:
        raise NotFound("There is no such project.", hint="Look for it in the list of projects.")
    return _plain(found)


DISTINCT = {"sources": "source", "models": "models"}


def distinct_values(name: str) -> list[str]:
    """The ``sources`` or ``models`` of all sessions, sorted."""
    with connection.translated():
        return sorted(each for each in connection.collection(SESSIONS).distinct(DISTINCT[name]) if each)


def totals() -> dict[str, Any]:
    """The size of the archive: sessions, messages, projects, files and their bytes, calls and their cost.

    Exact, from the sessions' own sums: a server that was killed may estimate its collections wrongly.
    """
    sums = {
        "_id": None,
        "totalCost": {"$sum": "$totalCost"},
        "unpricedCalls": {"$sum": "$unpricedCalls"},
        "sessions": {"$sum": 1},
        "messages": {"$sum": "$messageCount"},
        "calls": {"$sum": "$callCount"},
    }
    with connection.translated():
        found = list(connection.collection(SESSIONS).aggregate([{"$group": sums}]))
        size = list(
            connection.collection(FILES).aggregate([{"$group": {"_id": None, "bytes": {"$sum": "$size"}}}])
        )
        counts = {
            "projects": connection.collection(PROJECTS).count_documents({}),
            "files": connection.collection(FILES).count_documents({"size": {"$gt": 0}}),
        }
    nothing: Document = {
        "totalCost": Decimal(0), "unpricedCalls": 0, "sessions": 0, "messages": 0, "calls": 0,
    }  # fmt: skip
    known = _plain(found[0]) if found else nothing
    known.pop("_id", None)
    if not known["totalCost"]:
        known["totalCost"] = Decimal(0)
    return {**known, **counts, "bytes": size[0]["bytes"] if size else 0}


def _plain(document: Document) -> Document:
    """The document with ``Decimal`` money, one level of ``stats`` included."""
    plain: Document = {}
    for key, value in document.items():
        plain[key] = value.to_decimal() if isinstance(value, Decimal128) else value
    if isinstance(plain.get("stats"), dict):
        plain["stats"] = _plain(plain["stats"])
    return plain
