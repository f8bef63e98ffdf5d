"""What the product's queries on partitions came to: which shapes, how often, how long, and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pymongo.errors import OperationFailure

from archive import connection
from archive.collections import QUERY_STATS
from archive.connection import Document
from archive.query_shapes import HOT_FAMILY, Shape, family_of

KEPT_DAYS = 90
EXPLAIN_MS = 5_000
WASTE = 10
LITTLE = 100


@dataclass(frozen=True, slots=True)
class ShapeFigures:
    """One shape over some days. ``count`` is an estimate; times are milliseconds as the driver saw them, of
    the first answer of each command."""

    shape: Shape
    count: int
    total_ms: float
    max_ms: float

    @property
    def mean_ms(self) -> float:
        """Milliseconds on average."""
        return self.total_ms / self.count if self.count else 0.0


@dataclass(frozen=True, slots=True)
class Explanation:
    """How the server would answer a shape: whether it reads the whole collection, whether it sorts in
    memory, how many documents it looked at and gave back (None where that took too long)."""

    scans: bool
    sorts: bool
    examined: int | None = None
    returned: int | None = None

    @property
    def wastes(self) -> bool:
        """Whether it looks at more than ten documents for each that it gives back, and at not just a few."""
        return (self.examined or 0) > max(LITTLE, WASTE * (self.returned or 0))

    @property
    def in_words(self) -> str:
        """What is wrong with it; empty where nothing is."""
        if self.scans:
            return "reads the whole collection"
        if self.sorts:
            return "sorts in memory"
        return "looks at far more than it finds" if self.wastes else ""


def find_shapes(days: int, most: int = 200) -> list[ShapeFigures]:
    """The shapes of the last ``days``, what took longest altogether first. Raises ``Unavailable``."""
    first = f"{datetime.now(UTC) - timedelta(days=days):%Y-%m-%d}"
    group: Document = {
        "_id": "$shape",
        "count": {"$sum": "$count"},
        "totalMs": {"$sum": "$totalMs"},
        "maxMs": {"$max": "$maxMs"},
    }
    stages: list[Document] = [
        {"$match": {"day": {"$gte": first}}}, {"$group": group}, {"$sort": {"totalMs": -1}}, {"$limit": most}
    ]  # fmt: skip
    with connection.translated():
        rows = list(connection.collection(QUERY_STATS).aggregate(stages))
    return [
        ShapeFigures(Shape.from_document(each["_id"]), int(each["count"]), each["totalMs"], each["maxMs"])
        for each in rows
    ]


def forget_old(days: int = KEPT_DAYS) -> int:
    """Delete figures of days longer ago than that; how many rows."""
    first = f"{datetime.now(UTC) - timedelta(days=days):%Y-%m-%d}"
    with connection.translated():
        return connection.collection(QUERY_STATS).delete_many({"day": {"$lt": first}}).deleted_count


def explain_shape(shape: Shape, collection: str) -> Explanation | None:
    """How ``collection`` would answer a query of this shape, asked with the values of a message in it.

    None where it has none that could be asked with. It reads as much as the query would, for at most five
    seconds. Raises ``Unavailable``.
    """
    fields = {*shape.equal, *shape.bounded}
    with connection.translated():
        sample = connection.collection(collection).find_one(
            {name: {"$exists": True} for name in fields}, max_time_ms=EXPLAIN_MS
        )
        if sample is None:
            return None
        command = {"find": collection, "filter": _filter(shape, sample), "limit": 200}
        command["sort"] = {each.removeprefix("-"): -1 if each[0] == "-" else 1 for each in shape.sort}
        return _explained(command)


def _filter(shape: Shape, sample: Document) -> Document:
    asked: Document = {name: {"$eq": _value(sample, name)} for name in shape.equal}
    return asked | {name: {"$gte": _value(sample, name)} for name in shape.bounded}


def _value(sample: Any, name: str) -> Any:
    for part in name.split("."):
        sample = sample.get(part) if isinstance(sample, dict) else None
    return sample


def _explained(command: Document) -> Explanation:
    database = connection.database()
    try:
        told = database.command("explain", command, verbosity="executionStats", maxTimeMS=EXPLAIN_MS)
    except OperationFailure as error:
        if error.code != 50:  # it took too long: the plan alone
            raise
        told = database.command("explain", command, verbosity="queryPlanner")
    stages = set(_stages(told))
    figures = told.get("executionStats", {})
    examined, returned = figures.get("totalDocsExamined"), figures.get("nReturned")
    return Explanation("COLLSCAN" in stages, "SORT" in stages, examined, returned)


def _stages(told: Any) -> list[str]:
    """Every stage of the winning plan, whatever its form."""
    if isinstance(told, list):
        return [stage for each in told for stage in _stages(each)]
    if not isinstance(told, dict):
        return []
    own = [told["stage"]] if isinstance(told.get("stage"), str) else []
    return own + [s for name, each in told.items() if name != "rejectedPlans" for s in _stages(each)]


def largest_of(family: str, collections: Iterable[str]) -> str:
    """The collection of a family with the most documents: there a missing index costs the most. Empty where
    there is none. Raises ``Unavailable``."""
    with connection.translated():
        counts = {
            name: connection.collection(name).estimated_document_count()
            for name in collections
            if family_of(name) == family
        }
    return max(counts, key=lambda name: counts[name], default="")


def may_have_more_indexes(family: str) -> bool:
    """Cold is kept small by having none, warm finds its messages by their keys: only hot ones and the keys
    take further indexes."""
    return family in {HOT_FAMILY, "message_keys"}
