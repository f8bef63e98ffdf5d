"""Figures of many messages over all partitions at one moment, exact wherever the messages lie.

Each partition that can hold the time is asked once (and once more for every field whose values are counted),
some at a time, by MongoDB itself; ``archive.reducing`` puts the answers together. What is asked of keys alone
is answered by hot partitions and ``message_keys``. Otherwise warm messages are added up where their flat
fields tell all of it, and cold ones where no batch is on its way to or from their partition. All others are
read, some hundred at a time: frozen ones always, warm ones where text, tools or further fields are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from typing import Any

from bson.objectid import ObjectId
from pymongo.client_session import ClientSession

from archive import connection, grouping, journal, moments
from archive.choosing import Wanted, wanted_by
from archive.collections import KEYS, TIER_BATCHES
from archive.connection import Document
from archive.errors import BadInput
from archive.filters import EQUAL, MessageFilter
from archive.keys import KEY_FIELDS
from archive.moments import Moment
from archive.partitions import Partition, Tier
from archive.places import warm
from archive.reducing import SCALARS, Measure, Reduction, Tally, plain, require_field, value_at

MOST_GROUPS = 100_000
BATCHES_AT_ONCE = 200
SPANS = ("hour", "day", "week", "month", "year")
"""What a message's time can be grouped by, in UTC; weeks begin on Monday."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One row for each group, with the values it is grouped by and the measures by their names. ``native``
    are the collections that MongoDB added up, ``read`` the partitions whose messages were read for it."""

    rows: list[dict[str, Any]]
    native: tuple[str, ...] = ()
    read: tuple[str, ...] = ()


def aggregate(
    message_filter: MessageFilter,
    by: Sequence[str],
    measures: Mapping[str, Measure],
    *,
    max_seconds: float | None = None,
) -> Answer:
    """The measures of the messages that the filter fits, by the values of fields and the span of their time
    (``SPANS``), ordered by them, what is missing first. Without ``by`` there is exactly one row.

    Values are plain: ids are texts. All of it is of one moment, and nothing is left out: a filter without
    times is all times. Memory is the groups. Raises ``BadInput`` naming a field or name, ``TooLarge`` over
    ``MOST_GROUPS`` or ``reducing.MOST_VALUES``, ``TooSlow`` after ``max_seconds``, and ``Unavailable``
    where it takes longer than MongoDB keeps a moment (five minutes by default).
    """
    asked = _Question(message_filter, tuple(by), tuple(measures.values()))
    asked.require_known(measures)
    with connection.translated(), connection.within(max_seconds):
        reduction, native, read = moments.at_one_moment(partial(_at, asked))
    if not by and not reduction.groups:
        reduction.groups[()] = [measure.empty() for measure in reduction.measures]
    names = (*by, *measures)
    rows = [
        dict(zip(names, map(_told, (*key, *answers)), strict=True)) for key, answers in reduction.answers()
    ]
    return Answer(rows, tuple(sorted(native)), tuple(sorted(read)))


def _told(value: Any) -> Any:
    return str(value) if isinstance(value, ObjectId) else value


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked, as pipelines for MongoDB and as figures of one message."""

    message_filter: MessageFilter
    by: tuple[str, ...]
    measures: tuple[Measure, ...]

    def require_known(self, names: Mapping[str, Measure]) -> None:
        """Raises ``BadInput`` naming what is unknown or there twice."""
        for name in self.by:
            if name not in SPANS:
                require_field(name, SCALARS, "A group")
        if not names or len({*self.by, *names}) != len(self.by) + len(names):
            raise BadInput(
                "Groups and measures need names, each its own.",
                hint="Name at least one measure, each name once.",
            )

    @property
    def fields(self) -> set[str]:
        """All that must be known of a message, but for its text and tools."""
        asked = {"timestamp" if name in SPANS else name for name in self.by}
        filtered = {stored for name, stored in EQUAL.items() if getattr(self.message_filter, name)}
        timed = {"timestamp"} if self.message_filter.since or self.message_filter.until else set()
        side = {"isSidechain"} if self.message_filter.subagents is not None else set()
        return (asked | filtered | timed | side | {each.field for each in self.measures}) - {""}

    @property
    def of_keys(self) -> bool:
        """Whether the keys of messages tell all of it."""
        return not self.message_filter.reads_content and self.fields <= KEY_FIELDS

    def new(self) -> Reduction:
        """Nothing yet."""
        return Reduction(self.measures, MOST_GROUPS)

    def key_of(self, message: Mapping[str, Any]) -> tuple[Any, ...]:
        """The group of one message."""
        moment = message.get("timestamp")
        return tuple(
            _first_of(moment, name) if name in SPANS else plain(value_at(message, name)) for name in self.by
        )

    def pipelines(self, path: Callable[[str], str]) -> Iterator[tuple[list[Document], list[int]]]:
        """The stages that tell the states of these measures (by their numbers); ``path`` says under which
        name a collection has a field."""
        keys = {f"k{number}": _key(name, path) for number, name in enumerate(self.by)}
        summed = [n for n, each in enumerate(self.measures) if not isinstance(each, Tally)]
        if summed:
            sums = {
                f"m{number}{name}": _renamed(operation, path)
                for number in summed
                for name, operation in self.measures[number].accumulators().items()
            }
            yield [{"$group": {"_id": keys, **sums}}], summed
        tallies: dict[str, tuple[Any, list[int]]] = {}
        for number, each in enumerate(self.measures):
            if isinstance(each, Tally):
                expression = _renamed(each.tallied(), path)
                tallies.setdefault(repr(expression), (expression, []))[1].append(number)
        for expression, numbers in tallies.values():
            yield [{"$group": {"_id": {**keys, "v": expression}, "n": {"$sum": 1}}}], numbers


def _key(name: str, path: Callable[[str], str]) -> Document:
    if name in SPANS:
        return {"$dateTrunc": {"date": f"${path('timestamp')}", "unit": name, "startOfWeek": "monday"}}
    return {"$ifNull": [f"${path(name)}", None]}


def _renamed(expression: Any, path: Callable[[str], str]) -> Any:
    """The expression with the fields' names as the collection has them."""
    if isinstance(expression, dict):
        return {name: _renamed(each, path) for name, each in expression.items()}
    if isinstance(expression, list):
        return [_renamed(each, path) for each in expression]
    return f"${path(expression[1:])}" if isinstance(expression, str) and expression[:1] == "$" else expression


def _first_of(moment: datetime | None, span: str) -> datetime | None:
    """The first moment of the hour, day, week, month or year in UTC."""
    if moment is None:
        return None
    day = datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    if span == "hour":
        return day.replace(hour=moment.hour)
    if span == "week":
        return day - timedelta(days=day.weekday())
    return day if span == "day" else day.replace(day=1, month=day.month if span == "month" else 1)


# ------------------------------------------------------------------ where it is asked

Part = Callable[[ClientSession], Reduction]
Parts = tuple[dict[str, list[Part]], list[Partition]]


def _at(asked: _Question, moment: Moment) -> tuple[Reduction, set[str], set[str]]:
    total = asked.new()
    native: set[str] = set()
    read: set[str] = set()
    for wanted in wanted_by(asked.message_filter):
        parts, others = _parts(asked, wanted, moment)
        work = [(copy_context(), part) for each in parts.values() for part in each]
        for found in moment.each(_run, work):
            total.take_all(found)
        for message in _read(moment, wanted, others):
            total.take_message(asked.key_of(message), message)
        native |= set(parts)
        read |= {each.name for each in others}
    return total, native, read


def _run(session: ClientSession, item: tuple[Context, Part]) -> Reduction:
    """In a thread of the pool, within the time that the caller has left."""
    context, part = item
    return context.run(part, session)


def _parts(asked: _Question, wanted: Wanted, moment: Moment) -> Parts:
    """What MongoDB adds up, by collection, and the partitions of which messages must be read."""
    bounds = asked.message_filter.since, asked.message_filter.until
    if asked.of_keys:
        cards = moment.cards(*bounds)
        return {name: _native(asked, name, _query(wanted, name)) for name in cards}, []
    parts = {name: _native(asked, name, wanted.query) for name in moment.hot(*bounds)}
    others: list[Partition] = []
    for each in (part for tier in (Tier.WARM, Tier.COLD, Tier.FROZEN) for part in moment.of(tier, *bounds)):
        if each.tier == Tier.COLD and not is_in_motion(each.name, moment.session):
            parts[each.name] = _native(asked, each.name, wanted.query)
        elif each.tier == Tier.WARM and _is_flat(asked, wanted):
            parts[each.name] = _native(asked, each.name, _warm_query(wanted, moment.session), warm_path)
        else:
            others.append(each)
    return parts, others


def _query(wanted: Wanted, name: str) -> Document:
    return wanted.key_query if name == KEYS else wanted.query


def _native(asked: _Question, name: str, query: Document, path: Callable[[str], str] = str) -> list[Part]:
    return [
        partial(_added_up, asked, name, [{"$match": query}, *stages], numbers)
        for stages, numbers in asked.pipelines(path)
    ]


def _added_up(
    asked: _Question, name: str, stages: list[Document], numbers: list[int], session: ClientSession
) -> Reduction:
    """The states that one pipeline tells."""
    found = asked.new()
    with connection.collection(name).aggregate(stages, allowDiskUse=True, session=session) as cursor:
        for row in cursor:
            key = tuple(plain(row["_id"][f"k{number}"]) for number in range(len(asked.by)))
            for number in numbers:
                measure = asked.measures[number]
                if not isinstance(measure, Tally):
                    beginning = f"m{number}"
                    told = {each: row[f"{beginning}{each}"] for each in measure.accumulators()}
                    found.take(key, number, measure.state(told))
                elif row["_id"].get("v") is None:
                    found.take(key, number, measure.empty())
                else:
                    found.take(key, number, measure.state({"v": row["_id"]["v"], "n": row["n"]}))
    return found


# ------------------------------------------------------------------ warm, cold, frozen


def warm_path(field: str) -> str:
    """Under which name the time-series has a field."""
    return f"metadata.{field}" if field in warm.META else field


def _is_flat(asked: _Question, wanted: Wanted) -> bool:
    """Whether the flat fields of the time-series tell all of it."""
    roots = {field.partition(".")[0] for field in asked.fields | set(wanted.part)}
    return not asked.message_filter.reads_content and roots <= warm.Warm.flat_fields


def _warm_query(wanted: Wanted, session: ClientSession) -> Document:
    """Its messages, without the copies that the journal says are not there."""
    query = {warm_path(name): value for name, value in wanted.key_query.items() if name != "$and"}
    parts = [
        {warm_path(name): value for name, value in part.items()} for part in wanted.key_query.get("$and", [])
    ]
    hidden = journal.hidden_marks(session)
    if hidden:
        parts.append({"metadata.b": {"$nin": list(hidden)}})
    return query | ({"$and": parts} if parts else {})


def is_in_motion(name: str, session: ClientSession | None) -> bool:
    """Whether messages are being copied to this partition, or are still to be removed from it: then its
    documents are more than its messages."""
    touching = {"busy": True, "$or": [{"move.target": name}, {"sweep.partition": name}]}
    return connection.collection(TIER_BATCHES).find_one(touching, {"_id": 1}, session=session) is not None


def _read(moment: Moment, wanted: Wanted, others: Sequence[Partition]) -> Iterator[Document]:
    """The messages of these partitions that fit, batch by batch."""
    if not others:
        return
    query = {"partition": {"$in": [each.name for each in others]}}
    found = connection.collection(TIER_BATCHES).find(query, {"_id": 1}, session=moment.session)
    numbers = (int(each["_id"]) for each in found.sort("_id", 1))
    while some := list(islice(numbers, BATCHES_AT_ONCE)):
        yield from grouping.fitting(moment, wanted.but({"batch": {"$in": some}}))
