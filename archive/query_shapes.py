"""The shape of a query: which fields it asks for and how, without a single value. Pure.

Values are never looked at further than to tell what kind of condition they are: what people search for stays
theirs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from archive.collections import KEYS, WARM_MESSAGES

HOT_FAMILY = "messages"
COLD_FAMILY = "messages_archive"
MOST_FIELDS = 16
LONGEST_NAME = 80
_HOT = re.compile(r"messages_(current|\d{4}_\d{2}\w*)")
_RANGES = frozenset({"$gt", "$gte", "$lt", "$lte"})
_EQUALS = frozenset({"$eq", "$in"})
# Where the condition of each command stands.
_FILTERS = {
    "find": "filter", "count": "query", "distinct": "query", "findAndModify": "query",
    "update": "updates", "delete": "deletes", "aggregate": "pipeline",
}  # fmt: skip
COMMANDS = frozenset(_FILTERS)
"""The commands that have a shape."""


def family_of(collection: object) -> str:
    """What the partition is one of: ``messages`` (hot), ``messages_timeseries``, ``messages_archive``, or
    ``message_keys``; empty for every other collection."""
    if not isinstance(collection, str):
        return ""
    name = collection.removeprefix("system.buckets.")
    if name in {KEYS, WARM_MESSAGES}:
        return name
    if _HOT.fullmatch(name):
        return HOT_FAMILY
    return COLD_FAMILY if name.startswith(f"{COLD_FAMILY}_") else ""


@dataclass(frozen=True, slots=True)
class Shape:
    """Fields by how they are asked for: with a value (or some), with a bound, in which order they come back
    ("-timestamp" is downwards), and in any other way (patterns, alternatives, absence)."""

    collection: str
    operation: str
    equal: tuple[str, ...] = ()
    bounded: tuple[str, ...] = ()
    sort: tuple[str, ...] = ()
    other: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The shape in one line; two shapes with the same line are the same."""
        parts = [("=", self.equal), ("<>", self.bounded), ("sort", self.sort), ("other", self.other)]
        told = [f"{name}({', '.join(fields)})" for name, fields in parts if fields]
        return " ".join([self.collection, self.operation, *told])

    def to_document(self) -> dict[str, Any]:
        """As it is stored."""
        return {name: list(each) if isinstance(each, tuple) else each for name, each in asdict(self).items()}

    @classmethod
    def from_document(cls, stored: Mapping[str, Any]) -> Shape:
        """The shape that was stored."""
        fields = (tuple(stored.get(name, ())) for name in ("equal", "bounded", "sort", "other"))
        return cls(stored["collection"], stored["operation"], *fields)

    def index_keys(self) -> tuple[tuple[str, int], ...]:
        """The keys of an index that would serve it: equality, then order, then bounds. Empty where none
        would: where it asks for nothing, or in a way that an index does not help."""
        if self.other or self.equal == ("_id",):
            return ()
        ordered = [(name.removeprefix("-"), -1 if name.startswith("-") else 1) for name in self.sort]
        wanted = [*((name, 1) for name in self.equal), *ordered, *((name, 1) for name in self.bounded)]
        found: dict[str, int] = {}
        for name, direction in wanted:
            found.setdefault(name, direction)
        return () if "_id" in list(found)[:1] else tuple(found.items())


def shape_of(name: str, command: Mapping[str, Any]) -> Shape | None:
    """The shape of a command of the driver; None where it has none or concerns no partition.

    Raises what odd commands make Python raise (TypeError, ValueError, …): callers are ready for it.
    """
    family = family_of(command.get(name))
    if not family or name not in _FILTERS:
        return None
    asked, sort = _asked(name, command)
    if asked is None:
        return None
    found = _Found()
    found.take(asked)
    return Shape(
        family,
        name,
        _sorted(found.equal),
        _sorted(found.bounded - found.equal),
        tuple(_direction(each, way) for each, way in list(sort.items())[:MOST_FIELDS]),
        _sorted(found.other),
    )


def _asked(name: str, command: Mapping[str, Any]) -> tuple[Mapping[str, Any] | None, Mapping[str, Any]]:
    """The condition and the order; None for what asks for nothing that an index could serve."""
    given = command.get(_FILTERS[name])
    if name == "aggregate":
        return _of_pipeline(list(given or ()))
    if name in {"update", "delete"}:
        statements = list(given or ())
        return (statements[0]["q"] if statements else None), {}
    if name == "count" and not given:
        return None, {}  # answered from the collection's own figures
    return given or {}, command.get("sort") or {}


def _of_pipeline(stages: list[Mapping[str, Any]]) -> tuple[Mapping[str, Any] | None, Mapping[str, Any]]:
    if stages and next(iter(stages[0]), "") in {"$indexStats", "$collStats", "$geoNear", "$search"}:
        return None, {}
    conditions: list[Any] = []
    while stages and "$match" in stages[0]:
        conditions.append(stages.pop(0)["$match"])
    sort = stages[0].get("$sort", {}) if stages else {}
    return {"$and": conditions} if conditions else {}, sort


class _Found:
    """The fields of a condition, by what is asked of them."""

    def __init__(self) -> None:
        self.equal: set[str] = set()
        self.bounded: set[str] = set()
        self.other: set[str] = set()

    def take(self, asked: Mapping[str, Any]) -> None:
        for name, value in asked.items():
            if name == "$and":
                for each in value:
                    self.take(each)
            elif name.startswith("$"):
                self.other.add(name)
            else:
                self._field(name, value)

    def _field(self, name: str, value: Any) -> None:
        operators = set(value) if isinstance(value, Mapping) else set()
        if not any(str(each).startswith("$") for each in operators):
            kept = self.other if _is_pattern(value) else self.equal
        elif operators <= _EQUALS:
            kept = self.equal
        else:
            kept = self.bounded if operators <= _RANGES | _EQUALS else self.other
        kept.add(name)


def _is_pattern(value: Any) -> bool:
    return hasattr(value, "pattern")


def _sorted(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(name[:LONGEST_NAME] for name in names)[:MOST_FIELDS])


def _direction(name: str, way: Any) -> str:
    return f"-{name[:LONGEST_NAME]}" if way == -1 else name[:LONGEST_NAME]
