"""Figures of messages that can be put together from parts: each part tells a state, states are merged. Pure.

A figure of several partitions is never the figure of one of them: an average comes from sums and counts, the
number of different values from the values themselves, a percentile from counts by size.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Any, ClassVar

from bson.decimal128 import Decimal128

from archive.errors import BadInput, TooLarge

Document = dict[str, Any]
Number = int | float | Decimal

RELATIVE_ERROR = 0.01
"""A percentile is told at most this share of it too low or too high."""
_GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_LN_GAMMA = math.log(_GAMMA)
MOST_VALUES = 200_000
"""So many different values are held to count them, in all groups together."""
# Sums of amounts keep every digit that Decimal128 can hold of them.
_EXACT = Context(prec=80)

USAGE = ("input", "output", "cacheRead", "cacheWrite5m", "cacheWrite1h", "webSearches")
NUMBERS = frozenset({"seq", "costUsd", *(f"usage.{kind}" for kind in USAGE)})
"""The fields that are numbers: those that can be summed."""
SCALARS = NUMBERS | {
    "sessionId", "projectId", "fileId", "uuid", "parentUuid", "type", "role", "model", "source", "gitBranch",
    "isSidechain", "isPrompt", "agentId", "cwd", "version", "apiMessageId", "requestId", "importId",
    "timestamp",
}  # fmt: skip
"""The fields that have one value in a message, or none."""


class TooManyValues(TooLarge):
    """More different values than can be held to count them."""

    code = "too_many_values"


def require_field(field: str, known: frozenset[str], what: str) -> None:
    """Raises ``BadInput`` naming a field of which there is no such figure."""
    if field not in known:
        raise BadInput(f"{what} of {field[:60]!r} is none.", hint=f"Fields: {', '.join(sorted(known))}.")


def value_at(message: Mapping[str, Any], path: str) -> Any:
    """What stands at a dotted path of objects; None for nothing."""
    found: Any = message
    for name in path.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(name)
    return found


def number_of(value: Any) -> Number | None:
    """The value, if it is a number."""
    if isinstance(value, Decimal128):
        return value.to_decimal()
    return value if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool) else None


def plus(one: Number, other: Number) -> Number:
    """The sum: of whole numbers and of decimals exact."""
    if isinstance(one, Decimal) or isinstance(other, Decimal):
        return _EXACT.add(Decimal(one), Decimal(other))
    return one + other


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure of a group of messages. ``accumulators`` and ``tallied`` say how MongoDB tells the state of
    a part, ``of`` how one message does."""

    field: str = ""
    fields: ClassVar[frozenset[str]] = SCALARS

    def __post_init__(self) -> None:
        require_field(self.field, self.fields, type(self).__name__)

    @property
    def path(self) -> str:
        """The field as an expression of MongoDB."""
        return f"${self.field}"

    def accumulators(self) -> Document:
        """What MongoDB adds up of a group, by name; none where values are counted."""
        return {}

    def tallied(self) -> Any:
        """The expression of which MongoDB counts the values; None where it is none."""
        return None

    def state(self, row: Mapping[str, Any]) -> Any:
        """The state that a part tells by the names of ``accumulators``."""
        raise NotImplementedError

    def of(self, message: Mapping[str, Any]) -> Any:
        """The state of one message."""
        raise NotImplementedError

    def merge(self, one: Any, other: Any) -> Any:
        """The state of both. Associative and commutative; may change and return ``one``."""
        raise NotImplementedError

    def empty(self) -> Any:
        """The state of no messages."""
        raise NotImplementedError

    def answer(self, state: Any) -> Any:
        """The figure."""
        return state


@dataclass(frozen=True, slots=True)
class Count(Measure):
    """How many messages. Takes no field."""

    fields: ClassVar[frozenset[str]] = frozenset({""})

    def accumulators(self) -> Document:
        return {"n": {"$sum": 1}}

    def state(self, row: Mapping[str, Any]) -> int:
        return int(row["n"])

    def of(self, message: Mapping[str, Any]) -> int:
        return 1

    def merge(self, one: int, other: int) -> int:
        return one + other

    def empty(self) -> int:
        return 0


@dataclass(frozen=True, slots=True)
class Sum(Measure):
    """The sum of a number: exact for whole numbers below 2^63 in each part, and for amounts."""

    fields: ClassVar[frozenset[str]] = NUMBERS

    def accumulators(self) -> Document:
        return {"n": {"$sum": self.path}}

    def state(self, row: Mapping[str, Any]) -> Number:
        return number_of(row["n"]) or 0

    def of(self, message: Mapping[str, Any]) -> Number:
        return number_of(value_at(message, self.field)) or 0

    def merge(self, one: Number, other: Number) -> Number:
        return plus(one, other)

    def empty(self) -> Number:
        return 0


@dataclass(frozen=True, slots=True)
class Average(Measure):
    """The mean of the messages that have the number; None where none has. A float."""

    fields: ClassVar[frozenset[str]] = NUMBERS

    def accumulators(self) -> Document:
        return {"n": {"$sum": self.path}, "of": {"$sum": {"$cond": [{"$isNumber": self.path}, 1, 0]}}}

    def state(self, row: Mapping[str, Any]) -> tuple[Number, int]:
        return number_of(row["n"]) or 0, int(row["of"])

    def of(self, message: Mapping[str, Any]) -> tuple[Number, int]:
        value = number_of(value_at(message, self.field))
        return (0, 0) if value is None else (value, 1)

    def merge(self, one: tuple[Number, int], other: tuple[Number, int]) -> tuple[Number, int]:
        return plus(one[0], other[0]), one[1] + other[1]

    def empty(self) -> tuple[Number, int]:
        return 0, 0

    def answer(self, state: tuple[Number, int]) -> float | None:
        total, count = state
        return float(total / count) if count else None


@dataclass(frozen=True, slots=True)
class Min(Measure):
    """The least value: of texts by their characters' numbers, of times the first. None where none has one."""

    operator: ClassVar[str] = "$min"

    def accumulators(self) -> Document:
        return {"n": {self.operator: self.path}}

    def state(self, row: Mapping[str, Any]) -> Any:
        return plain(row["n"])

    def of(self, message: Mapping[str, Any]) -> Any:
        return plain(value_at(message, self.field))

    def merge(self, one: Any, other: Any) -> Any:
        return one if other is None or (one is not None and self.is_before(one, other)) else other

    def is_before(self, one: Any, other: Any) -> bool:
        """Whether ``one`` is what is looked for rather than ``other``."""
        return bool(one <= other)

    def empty(self) -> Any:
        return None


@dataclass(frozen=True, slots=True)
class Max(Min):
    """The greatest value, as ``Min`` has the least."""

    operator: ClassVar[str] = "$max"

    def is_before(self, one: Any, other: Any) -> bool:
        return bool(one >= other)


@dataclass(frozen=True, slots=True)
class Tally(Measure):
    """What is told by how often each value of something comes."""

    def state(self, row: Mapping[str, Any]) -> Counter[Any]:
        return Counter({plain(row["v"]): int(row["n"])})

    def merge(self, one: Counter[Any], other: Counter[Any]) -> Counter[Any]:
        one.update(other)
        return one

    def empty(self) -> Counter[Any]:
        return Counter()


@dataclass(frozen=True, slots=True)
class Distinct(Tally):
    """How many different values there are. Exact; more than ``MOST_VALUES`` are refused."""

    def tallied(self) -> Any:
        return self.path

    def of(self, message: Mapping[str, Any]) -> Counter[Any]:
        value = plain(value_at(message, self.field))
        return Counter() if value is None else Counter([value])

    def answer(self, state: Counter[Any]) -> int:
        return len(state)


@dataclass(frozen=True, slots=True)
class Percentile(Tally):
    """The least value of the field that a share ``q`` (0 to 1) of its values does not exceed, but for
    ``RELATIVE_ERROR`` of it; None where there is none.

    Values are counted by the power of a base they lie below (Masson, Rim, Lee: DDSketch, 2019): such counts
    add up exactly, so that parts tell what the whole does.
    """

    q: float = 0.5
    fields: ClassVar[frozenset[str]] = NUMBERS

    def __post_init__(self) -> None:
        require_field(self.field, self.fields, "A percentile")
        if not 0 <= self.q <= 1:
            raise BadInput(f"A share of {self.q!r} is none.", hint="Take one from 0 to 1: 0.5 is the median.")

    def tallied(self) -> Any:
        size: Document = {"$ceil": {"$divide": [{"$ln": {"$abs": {"$toDouble": self.path}}}, _LN_GAMMA]}}
        signed = {"$cond": [{"$gt": [self.path, 0]}, [1, size], [-1, size]]}
        bucket = {"$cond": [{"$eq": [self.path, 0]}, [0, 0], signed]}
        return {"$cond": [{"$isNumber": self.path}, bucket, None]}

    def state(self, row: Mapping[str, Any]) -> Counter[Any]:
        sign, size = row["v"]
        return Counter({(int(sign), int(size)): int(row["n"])})

    def of(self, message: Mapping[str, Any]) -> Counter[Any]:
        value = number_of(value_at(message, self.field))
        return Counter() if value is None else Counter([_bucket(float(value))])

    def answer(self, state: Counter[Any]) -> float | None:
        wanted = max(1, math.ceil(self.q * state.total()))
        seen = 0
        for sign, size in sorted(state, key=lambda bucket: (bucket[0], bucket[0] * bucket[1])):
            seen += state[sign, size]
            if seen >= wanted:
                return sign * 2 * _GAMMA**size / (_GAMMA + 1) if sign else 0.0
        return None


def _bucket(value: float) -> tuple[int, int]:
    """The sign of a number, and between which powers it lies."""
    if value == 0:
        return 0, 0
    return (1 if value > 0 else -1), math.ceil(math.log(abs(value)) / _LN_GAMMA)


def plain(value: Any) -> Any:
    """A stored value as Python compares it."""
    return value.to_decimal() if isinstance(value, Decimal128) else value


Key = tuple[Any, ...]


class Reduction:
    """Figures by group, put together from the states of parts. Memory is one state for each group."""

    def __init__(self, measures: Iterable[Measure], most_groups: int) -> None:
        self.measures = tuple(measures)
        self.groups: dict[Key, list[Any]] = {}
        self._most_groups = most_groups
        self._values = 0

    def take(self, key: Key, number: int, state: Any) -> None:
        """Add a part's state of one measure. Raises ``TooLarge`` naming what there is too much of."""
        states = self._states(key)
        before = states[number]
        known = len(before) if isinstance(before, Counter) else 0
        states[number] = merged = self.measures[number].merge(before, state)
        if isinstance(merged, Counter):
            self._hold(len(merged) - known)

    def take_message(self, key: Key, message: Mapping[str, Any]) -> None:
        """Add one message."""
        for number, measure in enumerate(self.measures):
            self.take(key, number, measure.of(message))

    def take_all(self, other: Reduction) -> None:
        """Add all that another one of the same measures has."""
        for key, states in other.groups.items():
            for number, state in enumerate(states):
                self.take(key, number, state)

    def answers(self) -> list[tuple[Key, list[Any]]]:
        """The figures of each group, in the order of the groups; what is missing comes first."""
        ordered = sorted(self.groups.items(), key=lambda item: [(each is not None, each) for each in item[0]])
        return [
            (key, [m.answer(s) for m, s in zip(self.measures, states, strict=True)])
            for key, states in ordered
        ]

    def _states(self, key: Key) -> list[Any]:
        states = self.groups.get(key)
        if states is None:
            if len(self.groups) >= self._most_groups:
                raise TooLarge(
                    f"There are more than {self._most_groups:,} groups.",
                    hint="Group by fewer fields, or ask for a shorter time.",
                    code="too_many_groups",
                )
            states = self.groups[key] = [measure.empty() for measure in self.measures]
        return states

    def _hold(self, more: int) -> None:
        self._values += more
        if self._values > MOST_VALUES:
            raise TooManyValues(
                f"There are more than {MOST_VALUES:,} different values to count.",
                hint="Ask for a shorter time or fewer groups, or count something else.",
            )
