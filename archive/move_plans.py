"""Which messages move: what policies come to at a moment, as moves that can be shown, stored and run."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from bson.objectid import ObjectId
from pymongo.client_session import ClientSession

from archive import connection, moments
from archive.collections import TIER_BATCHES, WARM_MESSAGES
from archive.connection import Document
from archive.filters import Query
from archive.moments import Moment
from archive.partitions import Partition, Tier, cold_name, frozen_name, month_of


@dataclass(frozen=True, slots=True)
class Ages:
    """After how many days the messages of ``project_id`` (None: of all that have no ages of their own) leave
    hot, warm and cold; ``frozen`` None: never by themselves."""

    warm: int
    cold: int
    frozen: int | None = None
    project_id: str | None = None


@dataclass(frozen=True, slots=True)
class PlannedMove:
    """Messages of the partition ``source`` that are older than ``before`` (None: all) go to ``target``; of
    the projects ``only`` (empty: of all), but of none of ``without``. So many ``messages`` and ``bytes`` when
    it was planned."""

    source: str
    target: Tier
    before: datetime | None = None
    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    messages: int = 0
    bytes: int = 0

    def to_dict(self) -> dict[str, Any]:
        """As JSON values; ``from_dict`` gives it back."""
        return {
            "source": self.source,
            "target": str(self.target),
            "before": self.before.isoformat() if self.before else None,
            "only": list(self.only),
            "without": list(self.without),
            "messages": self.messages,
            "bytes": self.bytes,
        }

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> PlannedMove:
        """The move that was stored."""
        before = datetime.fromisoformat(given["before"]) if given.get("before") else None
        return cls(
            given["source"],
            Tier(given["target"]),
            before,
            tuple(given.get("only", ())),
            tuple(given.get("without", ())),
            int(given.get("messages", 0)),
            int(given.get("bytes", 0)),
        )

    def hot_query(self, unfinished: Collection[str] = ()) -> Query:
        """What it takes of a hot partition, but for time: nothing of imports that are not finished."""
        query = self._projects("projectId")
        if unfinished:
            query["importId"] = {"$nin": sorted(unfinished)}
        return query

    def batch_query(self) -> Query:
        """Which batches of its source it takes: those that are as old as a whole; of messages without a time,
        those whose month was over by then."""
        query: Query = {"partition": self.source, "busy": None, **self._projects("projectIds")}
        if self.before is not None:
            undated = {"until": None, "month": {"$lt": month_of(self.before)}}
            query["$or"] = [{"until": {"$lt": self.before}}, undated]
        return query

    def _projects(self, field: str) -> Query:
        if self.only:
            return {field: {"$in": [ObjectId(each) for each in self.only]}}
        return {field: {"$nin": [ObjectId(each) for each in self.without]}} if self.without else {}


def plan_moves(
    policies: Sequence[Ages], now: datetime | None = None, unfinished: Collection[str] = ()
) -> list[PlannedMove]:
    """What the policies would move now, hot to warm first, then warm to cold, then cold to frozen; nothing
    that comes to nothing. ``unfinished`` are imports whose messages stay. Reads indexes only."""
    return moments.at_one_moment(partial(_planned, policies, now or datetime.now(UTC), unfinished))


def _planned(
    policies: Sequence[Ages], now: datetime, unfinished: Collection[str], moment: Moment
) -> list[PlannedMove]:
    own = tuple(each.project_id for each in policies if each.project_id is not None)
    found: list[PlannedMove] = []
    for tier in (Tier.HOT, Tier.WARM, Tier.COLD):
        for ages in policies:
            for move in _of_tier(tier, ages, now, moment):
                only = (ages.project_id,) if ages.project_id is not None else ()
                some = PlannedMove(move.source, move.target, move.before, only, () if only else own)
                found.append(_counted(some, unfinished, moment.session))
    return [each for each in found if each.messages]


def _of_tier(tier: Tier, ages: Ages, now: datetime, moment: Moment) -> Iterator[PlannedMove]:
    days, target = {
        Tier.HOT: (ages.warm, Tier.WARM),
        Tier.WARM: (ages.cold, Tier.COLD),
        Tier.COLD: (ages.frozen, Tier.FROZEN),
    }[tier]
    if days is not None:
        before = now - timedelta(days=days)
        for partition in moment.of(tier, None, before):
            yield PlannedMove(partition.name, target, before)


def plan_offload(month: str) -> list[PlannedMove]:
    """The whole cold month goes to files; and if it is the name of a sealed hot month, that one."""
    return _whole([cold_name(month), f"messages_{month}"], Tier.FROZEN)


def plan_restore(month: str) -> list[PlannedMove]:
    """The files of the month come back to cold."""
    return _whole([frozen_name(month)], Tier.COLD)


def _whole(names: Sequence[str], target: Tier) -> list[PlannedMove]:
    def plan(moment: Moment) -> list[PlannedMove]:
        there = [each for each in moment.partitions if each.name in names and each.count]
        return [_all_of(each, target) for each in there]

    return moments.at_one_moment(plan)


def _all_of(partition: Partition, target: Tier) -> PlannedMove:
    return PlannedMove(partition.name, target, messages=partition.count or 0, bytes=partition.bytes or 0)


def _counted(move: PlannedMove, unfinished: Collection[str], session: ClientSession) -> PlannedMove:
    name = move.source
    if name == WARM_MESSAGES or name.startswith("messages_archive_"):
        query = move.batch_query()
        sums = {"messages": {"$sum": "$count"}, "bytes": {"$sum": "$bytes"}}
        messages, size = _summed(TIER_BATCHES, query, sums, session)
    else:
        query = {**move.hot_query(unfinished), "timestamp": {"$lt": move.before}}
        messages, _ = _summed(name, query, {"messages": {"$sum": 1}}, session)
        undated = {**move.hot_query(unfinished), "timestamp": None, "importedAt": {"$lt": move.before}}
        messages += _summed(name, undated, {"messages": {"$sum": 1}}, session)[0]
        size = messages * _average(name)
    return PlannedMove(name, move.target, move.before, move.only, move.without, messages, size)


def _summed(name: str, query: Query, sums: Document, session: ClientSession) -> tuple[int, int]:
    stages: list[Document] = [{"$match": query}, {"$group": {"_id": None, **sums}}]
    with connection.translated():
        for each in connection.collection(name).aggregate(stages, session=session):
            return int(each["messages"]), int(each.get("bytes", 0))
    return 0, 0


def _average(name: str) -> int:
    with connection.translated():
        stats = connection.database().command("collStats", name)
    return int(stats.get("avgObjSize", 0))
