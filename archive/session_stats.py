"""Keeping sessions and projects in step with their messages, inside the batch's transaction."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from bson.objectid import ObjectId
from pymongo import InsertOne, ReplaceOne, UpdateOne

from archive.calls import Totals, as_fields
from archive.collections import PROJECTS, SESSIONS
from archive.connection import Document
from archive.money import from_decimal128, to_decimal128
from archive.preimages import PROJECT, SESSION, PreImages
from archive.projects import Project
from archive.records import Message, long
from archive.unit_of_work import UnitOfWork

TITLE_ORDER = ("custom", "agent", "ai", "summary", "prompt")
TITLE_LENGTH = 200
# A session's files, branches and models are few; a hostile file must not grow its document without end.
MAX_LISTED = 1000
SUMS = ("callCount", "unpricedCalls", "inputTokens", "outputTokens", "cacheReadTokens", "cacheWriteTokens")


@dataclass(slots=True)
class SessionChange:
    """What one batch adds to one session."""

    session_id: str
    project_id: ObjectId | None = None
    source: str = ""
    messages: int = 0
    prompts: int = 0
    started: datetime | None = None
    ended: datetime | None = None
    titles: dict[str, str] = field(default_factory=dict)
    latest: dict[str, str] = field(default_factory=dict)
    models: set[str] = field(default_factory=set)
    file_ids: set[ObjectId] = field(default_factory=set)
    totals: Totals = field(default_factory=Totals)

    def add(self, message: Message) -> None:
        document = message.document
        self.messages += 1
        self.prompts += message.is_prompt
        self.project_id = self.project_id or message.project_id
        self.source = document["source"]
        self.file_ids.add(message.file_id)
        self._add_time(message.timestamp)
        for title in (message.titles or {}).items():
            self._add_title(title)
        self._add_title(message.title)
        for name in ("cwd", "gitBranch", "version"):
            if document.get(name):
                self.latest[name] = document[name]
        if document.get("model"):
            self.models.add(document["model"])

    def anew(self) -> "SessionChange":
        """The same change for another try of the transaction, which finds its own sums."""
        return replace(self, file_ids=set(self.file_ids), totals=Totals())

    def _add_time(self, at: datetime | None) -> None:
        if at is not None:
            self.started = at if self.started is None else min(self.started, at)
            self.ended = at if self.ended is None else max(self.ended, at)

    def _add_title(self, title: tuple[str, str] | None) -> None:
        if title is None:
            return
        kind, text = title
        # The first prompt names a session; of every other kind of title the last one does.
        if kind != "prompt" or "prompt" not in self.titles:
            self.titles[kind] = text[:TITLE_LENGTH]


def changes_of(messages: Iterable[Message]) -> dict[str, SessionChange]:
    """What these messages add to each of their sessions."""
    changes: dict[str, SessionChange] = {}
    for message in messages:
        change = changes.get(message.session_id)
        if change is None:
            change = changes[message.session_id] = SessionChange(message.session_id)
        change.add(message)
    return changes


def record_changes(unit: UnitOfWork, changes: dict[str, SessionChange], images: PreImages) -> None:
    """Apply the changes to the sessions, and their sums to the projects, inside ``unit``."""
    if not changes:
        return
    found = unit[SESSIONS].find({"_id": {"$in": list(changes)}}, session=unit.session)
    stored = {session["_id"]: session for session in found}
    writes: list[InsertOne[Document] | ReplaceOne[Document]] = []
    projects: dict[ObjectId, Document] = {}
    for session_id, change in changes.items():
        before = stored.get(session_id)
        after = merged(before, change) | {"importId": images.job_id}
        if before is None:
            writes.append(InsertOne(after))
        else:
            images.keep(SESSION, before)
            writes.append(ReplaceOne({"_id": session_id}, after))
        _add_to_project(projects, after, change, sessions=int(before is None))
    unit[SESSIONS].bulk_write(writes, session=unit.session)
    _record_projects(unit, projects)


def merged(before: Document | None, change: SessionChange) -> Document:
    """The session document after the change. Pure; the same for changes in any order, but for texts of
    which the last one counts."""
    old = before or {}
    titles = _merged_titles(old.get("titles", {}), change.titles)
    added = as_fields(change.totals)
    return {
        "_id": change.session_id,
        "sessionId": change.session_id,
        "projectId": old.get("projectId") or change.project_id,
        "source": old.get("source") or change.source,
        "title": next((titles[kind] for kind in TITLE_ORDER if titles.get(kind)), ""),
        "titles": titles,
        "summary": titles.get("summary", ""),
        "startedAt": _earliest(old.get("startedAt"), change.started),
        "endedAt": _latest(old.get("endedAt"), change.ended),
        "messageCount": long(old.get("messageCount", 0) + change.messages),
        "promptCount": long(old.get("promptCount", 0) + change.prompts),
        "totalCost": to_decimal128(from_decimal128(old.get("totalCost")) + change.totals.cost),
        **{name: long(old.get(name, 0) + added[name]) for name in SUMS},
        "models": sorted({*old.get("models", []), *change.models})[:MAX_LISTED],
        **{name: change.latest.get(name) or old.get(name, "") for name in ("cwd", "gitBranch", "version")},
        "fileIds": sorted({*old.get("fileIds", []), *change.file_ids})[:MAX_LISTED],
        "tags": old.get("tags", []),
        "deletedAt": old.get("deletedAt"),
    }


def _merged_titles(old: dict[str, str], new: dict[str, str]) -> dict[str, str]:
    titles = {**old, **new}
    if "prompt" in old:
        titles["prompt"] = old["prompt"]
    return titles


def _earliest(one: datetime | None, other: datetime | None) -> datetime | None:
    return min(one, other) if one and other else one or other


def _latest(one: datetime | None, other: datetime | None) -> datetime | None:
    return max(one, other) if one and other else one or other


def _add_to_project(
    projects: dict[ObjectId, Document], session: Mapping[str, Any], change: SessionChange, *, sessions: int
) -> None:
    project_id = session["projectId"]
    if project_id is None:
        return
    stats = projects.setdefault(
        project_id, {"sessions": 0, "messages": 0, "totalCost": 0, "unpricedCalls": 0}
    )
    stats["sessions"] += sessions
    stats["messages"] += change.messages
    stats["totalCost"] += change.totals.cost
    stats["unpricedCalls"] += change.totals.unpriced


def subtract_sessions(
    unit: UnitOfWork, changes: Iterable[tuple[Mapping[str, Any] | None, Mapping[str, Any]]]
) -> None:
    """Take what sessions gained, from before (None: they were not there) to now, out of their projects' sums
    inside ``unit``: the reverse of what ``record_changes`` added there."""
    projects: dict[ObjectId, Document] = {}
    for before, now in changes:
        old = before or {}
        change = SessionChange(now["sessionId"])
        change.messages = old.get("messageCount", 0) - now["messageCount"]
        change.totals.cost = from_decimal128(old.get("totalCost")) - from_decimal128(now["totalCost"])
        change.totals.unpriced = old.get("unpricedCalls", 0) - now["unpricedCalls"]
        _add_to_project(projects, now, change, sessions=0 if before else -1)
    _record_projects(unit, projects)


def _record_projects(unit: UnitOfWork, projects: dict[ObjectId, Document]) -> None:
    writes: list[UpdateOne] = []
    for project_id, stats in projects.items():
        sums: dict[str, Any] = {
            f"stats.{name}": to_decimal128(value) if name == "totalCost" else long(value)
            for name, value in stats.items()
        }
        writes.append(UpdateOne({"_id": project_id}, {"$inc": sums}))
    if writes:
        unit[PROJECTS].bulk_write(writes, session=unit.session)


def record_projects(unit: UnitOfWork, projects: Iterable[Project], images: PreImages) -> None:
    """Make these projects known inside ``unit``; a path, once learned, replaces the bare slug. Idempotent."""
    # Of a slug alone and of its path the path is what counts.
    wanted = {each.id: each for each in sorted(projects, key=lambda each: each.path)}
    found = unit[PROJECTS].find({"_id": {"$in": list(wanted)}}, session=unit.session)
    stored = {each["_id"]: each for each in found}
    writes: list[InsertOne[Document] | UpdateOne] = []
    for key, project in wanted.items():
        told = {"path": project.path or project.slug, "name": project.name, "importId": images.job_id}
        if key not in stored:
            writes.append(InsertOne({"_id": key, "slug": project.slug, **told}))
        elif project.path and stored[key]["path"] == project.slug != project.path:
            images.keep(PROJECT, stored[key])
            writes.append(UpdateOne({"_id": key}, {"$set": told}))
    if writes:
        unit[PROJECTS].bulk_write(writes, session=unit.session)
