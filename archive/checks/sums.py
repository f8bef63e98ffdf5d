"""Whether sessions, projects and files have what the messages come to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any

from pymongo.client_session import ClientSession

from archive import connection, moments
from archive.checks.base import Asked, Finding, Look
from archive.choosing import session_chunks
from archive.collections import COPIES, FILES, PROJECTS, REJECTED, SESSIONS, VERSIONS
from archive.connection import Document
from archive.moments import Moment
from archive.money import from_decimal128
from archive.records import NOT_KEPT

AT_ONCE = 500


def look_at_sessions(asked: Asked) -> Iterator[Look]:
    """Each session counts as many messages as there are of it, and each message has its session."""
    del asked
    behind: Document = {"$gte": ""}
    with connection.translated():
        for chunk in session_chunks({}, {"_id": 1}):
            last = chunk[-1]["_id"]
            yield moments.at_one_moment(partial(_sessions, {**behind, "$lte": last}))
            behind = {"$gt": last}
        yield moments.at_one_moment(partial(_sessions, behind))


def _sessions(bounds: Document, moment: Moment) -> Look:
    held = _grouped(moment, {"sessionId": bounds}, "sessionId")
    told = {
        each["_id"]: int(each["messageCount"])
        for each in connection.collection(SESSIONS).find(
            {"_id": bounds}, {"messageCount": 1}, session=moment.session
        )
    }
    found = []
    for name in sorted({*held, *told}):
        if name not in told:
            message = f"{held[name]:,} messages are of session {name}, which there is not."
            found.append(Finding("session_missing", name, message))
        elif held[name] != told[name]:
            message = f"Session {name} counts {told[name]:,} messages; there are {held[name]:,}."
            found.append(Finding("session_count_differs", name, message))
    return Look(held.total(), tuple(found))


def _grouped(moment: Moment, query: Document, field: str, *others: str) -> Counter[Any]:
    """How many messages (and documents of further collections) there are of each value."""

    def count(session: ClientSession, name: str) -> Counter[Any]:
        stages: list[Document] = [{"$match": query}, {"$group": {"_id": f"${field}", "n": {"$sum": 1}}}]
        found = connection.collection(name).aggregate(stages, session=session)
        return Counter({each["_id"]: int(each["n"]) for each in found})

    return sum(moment.each(count, [*moment.cards(), *others]), Counter())


def look_at_projects(asked: Asked) -> Iterator[Look]:
    """The sums of each project are those of its sessions."""
    del asked
    with connection.translated():
        yield moments.at_one_moment(_projects)


def _projects(moment: Moment) -> Look:
    sums: Document = {
        "sessions": {"$sum": 1},
        "messages": {"$sum": "$messageCount"},
        "totalCost": {"$sum": "$totalCost"},
        "unpricedCalls": {"$sum": "$unpricedCalls"},
    }
    stages = [{"$group": {"_id": "$projectId", **sums}}]
    sessions = connection.collection(SESSIONS).aggregate(stages, session=moment.session)
    held = {each.pop("_id"): each for each in sessions}
    found, looked = [], 0
    for project in connection.collection(PROJECTS).find({}, {"name": 1, "stats": 1}, session=moment.session):
        looked += 1
        stats, real = project.get("stats", {}), held.get(project["_id"], {})
        for name in sums:
            says, has = _whole(stats.get(name, 0)), _whole(real.get(name, 0))
            if says != has:
                message = f"Project {project['name']} has {says:,} as its {name}; its sessions make {has:,}."
                found.append(Finding("project_sums_differ", str(project["_id"]), message))
    return Look(looked, tuple(found))


def _whole(value: Any) -> int:
    """A count, or an amount in picodollars."""
    return int(value) if isinstance(value, int) else from_decimal128(value)


def look_at_files(asked: Asked) -> Iterator[Look]:
    """Of each file that was read to its end there are as many records as it has."""
    del asked
    behind: Document = {}
    with connection.translated():
        while True:
            some = connection.collection(FILES).find(behind, {"_id": 1}).sort("_id", 1).limit(AT_ONCE)
            ids = [each["_id"] for each in some]
            if ids:
                yield moments.at_one_moment(partial(_files, ids))
                behind = {"_id": {"$gt": ids[-1]}}
            if len(ids) < AT_ONCE:
                return


def _files(ids: list[Any], moment: Moment) -> Look:
    query = {"_id": {"$in": ids}, "complete": True, "layout": {"$ne": NOT_KEPT}}
    fields = {"path": 1, "records": 1, "rejected": 1}
    files = list(connection.collection(FILES).find(query, fields, session=moment.session))
    of_files: Document = {"fileId": {"$in": [each["_id"] for each in files]}}
    records = _grouped(moment, of_files, "fileId", COPIES, VERSIONS)
    stages: list[Document] = [
        {"$match": {**of_files, "part": 0, "superseded": {"$ne": True}}},
        {"$group": {"_id": "$fileId", "n": {"$sum": 1}}},
    ]
    waste = connection.collection(REJECTED).aggregate(stages, session=moment.session)
    rejected = Counter({each["_id"]: int(each["n"]) for each in waste})
    found = []
    for file in files:
        says, has = (file["records"], file["rejected"]), (records[file["_id"]], rejected[file["_id"]])
        if says != has:
            message = (
                f"{file['path']} has {says[0]:,} records and {says[1]:,} rejected ones; "
                f"the archive holds {has[0]:,} and {has[1]:,}."
            )
            found.append(Finding("file_not_whole", file["path"], message))
    return Look(records.total(), tuple(found))
