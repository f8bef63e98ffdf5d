"""What to think of each index, and what to do about it. Pure: whoever asks has read the facts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from archive.collections import HOT_SPEC, KEYS, SPECS, WARM_MESSAGES
from archive.index_usage import IndexFact, Keys, Usage
from archive.query_shapes import HOT_FAMILY, family_of
from archive.query_stats import Explanation, ShapeFigures

REASONS: dict[Keys, str] = {
    (("sessionId", 1), ("fileId", 1), ("seq", 1)): "reads a conversation in its order",
    (("fileId", 1), ("seq", 1)): "reads a file line by line",
    (("sessionId", 1), ("uuid", 1)): "finds a message by its number, and what it answers",
    (("timestamp", 1),): "finds the messages of a time",
    (("batch", 1),): "finds what moved together",
    (("metadata.b", 1), ("metadata.sessionId", 1)): "finds and removes what moved together",
    (("metadata.sessionId", 1), ("timestamp", 1)): "reads a conversation in the order of time",
}
_SPECS = {HOT_FAMILY: HOT_SPEC, KEYS: next(each for each in SPECS if each.name == KEYS)}
_WARM_KEYS = {keys for keys in REASONS if keys[0][0].startswith("metadata.")}


class Verdict(StrEnum):
    """What an index is to us."""

    REQUIRED = "required"
    UNIQUE = "unique"
    EXPIRING = "expiring"
    HIDDEN = "hidden"
    REDUNDANT = "redundant"
    UNUSED = "unused"
    USED = "used"
    UNKNOWN = "unknown"


PROTECTED = frozenset({Verdict.REQUIRED, Verdict.UNIQUE, Verdict.EXPIRING})
"""What is never hidden or dropped."""


@dataclass(frozen=True, slots=True)
class Limits:
    """When to advise: an index with fewer than ``min_uses`` uses in ``unused_days`` days is unused;
    a hidden one is dropped after ``hidden_days``; a query is slow from ``slow_ms`` on average on, if it was
    asked ``min_count`` times in ``unused_days`` days."""

    unused_days: int = 30
    min_uses: int = 1
    hidden_days: int = 14
    slow_ms: int = 20
    min_count: int = 10


@dataclass(frozen=True, slots=True)
class Judgement:
    """One index, what it is to us, and why. ``used`` is None where that is not known."""

    fact: IndexFact
    verdict: Verdict
    reason: str
    used: int | None = None
    known_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing to do. ``kind`` is unused, redundant or missing; for missing, ``collection`` is a family of
    collections and ``bytes`` is 0."""

    kind: str
    collection: str
    index: str
    keys: Keys
    bytes: int
    reason: str

    @property
    def id(self) -> str:
        """The same whenever the same is advised."""
        told = f"{self.kind} {self.collection} {self.index} {self.keys!r}"
        return hashlib.sha256(told.encode()).hexdigest()[:12]


def required_keys(collection: str) -> frozenset[Keys]:
    """The keys of the indexes that the product needs on this collection, besides ``_id``."""
    family = family_of(collection)
    if family == WARM_MESSAGES:
        return frozenset(_WARM_KEYS)
    spec = _SPECS.get(family)
    return frozenset(each.keys for each in spec.indexes) if spec else frozenset()


def judge(
    facts: Sequence[IndexFact], usage: Mapping[tuple[str, str], Usage], limits: Limits, now: datetime
) -> list[Judgement]:
    """What to think of each index, in the order given."""
    return [_judged(each, facts, usage.get((each.collection, each.name)), limits, now) for each in facts]


def _judged(
    fact: IndexFact, facts: Sequence[IndexFact], use: Usage | None, limits: Limits, now: datetime
) -> Judgement:
    verdict, reason = _protected(fact) or _dispensable(fact, facts) or _by_use(use, limits, now)
    return Judgement(fact, verdict, reason, use.used if use else None, use.known_since if use else None)


def _protected(fact: IndexFact) -> tuple[Verdict, str] | None:
    if fact.name == "_id_":
        return Verdict.REQUIRED, "MongoDB itself needs it."
    if fact.keys in required_keys(fact.collection):
        return (
            Verdict.REQUIRED,
            f"In use by the product: it {REASONS.get(fact.keys, 'is asked for by name')}.",
        )
    if fact.unique:
        return Verdict.UNIQUE, "It forbids duplicates: it is never touched."
    if any(name == "expireAfterSeconds" for name, _ in fact.options):
        return Verdict.EXPIRING, "It deletes what has expired: it is never touched."
    return None


def protection(fact: IndexFact) -> str:
    """Why this index is never hidden or dropped; empty where it may be."""
    found = _protected(fact)
    return found[1] if found else ""


def _dispensable(fact: IndexFact, facts: Sequence[IndexFact]) -> tuple[Verdict, str] | None:
    if fact.hidden:
        return Verdict.HIDDEN, "It is hidden: no query uses it."
    longer = covering(fact, facts)
    if longer is not None:
        return Verdict.REDUNDANT, f"{longer.name} begins with the same fields and serves the same queries."
    return None


def covering(fact: IndexFact, facts: Sequence[IndexFact]) -> IndexFact | None:
    """An index of the same collection that serves every query this one does; None where there is none."""
    if not fact.is_plain:
        return None
    others = (each for each in facts if each.collection == fact.collection and each.name != fact.name)
    return next((each for each in others if _covers(each, fact)), None)


def _covers(longer: IndexFact, fact: IndexFact) -> bool:
    begins = longer.keys[: len(fact.keys)]
    backwards = tuple((name, -way if isinstance(way, int | float) else way) for name, way in begins)
    fits = longer.is_plain and not longer.hidden and len(longer.keys) > len(fact.keys)
    return fits and fact.keys in (begins, backwards)


def _by_use(use: Usage | None, limits: Limits, now: datetime) -> tuple[Verdict, str]:
    if use is None:
        return Verdict.UNKNOWN, "The server does not tell how often it is used."
    if use.used >= limits.min_uses:
        return Verdict.USED, f"Used {use.used:,} times in the last {limits.unused_days} days."
    if use.known_since > now - timedelta(days=limits.unused_days):
        watched = max(0, (now - use.known_since).days)
        return Verdict.UNKNOWN, f"Watched for {watched} of {limits.unused_days} days: too short to tell."
    return Verdict.UNUSED, f"Used {use.used:,} times in the last {limits.unused_days} days."


def removals(judgements: Iterable[Judgement]) -> list[Advice]:
    """What is advised against: indexes that are unused or redundant."""
    return [
        Advice(
            str(each.verdict),
            each.fact.collection,
            each.fact.name,
            each.fact.keys,
            each.fact.bytes,
            each.reason,
        )
        for each in judgements
        if each.verdict in {Verdict.UNUSED, Verdict.REDUNDANT}
    ]


def is_slow(figures: ShapeFigures, limits: Limits) -> bool:
    """Whether a better index for this shape is worth a look."""
    return figures.count >= limits.min_count and figures.mean_ms >= limits.slow_ms


def missed(figures: ShapeFigures, facts: Sequence[IndexFact]) -> IndexFact | None:
    """The hidden index that a query of this shape would use if it were shown; None where there is none."""
    keys = figures.shape.index_keys()
    family = figures.shape.collection
    hidden = (each for each in facts if each.hidden and family_of(each.collection) == family)
    return next((each for each in hidden if keys and _serves(each.keys, figures)), None)


def _serves(keys: Keys, figures: ShapeFigures) -> bool:
    """Whether an index with these keys narrows down or orders what the shape asks for."""
    shape = figures.shape
    return keys[0][0] in {*shape.equal, *shape.bounded, *(each.removeprefix("-") for each in shape.sort[:1])}


def missing(
    figures: ShapeFigures, told: Explanation | None, facts: Sequence[IndexFact], limits: Limits
) -> Advice | None:
    """The index that would serve this shape; None where it is quick, has one, or none would help."""
    keys = figures.shape.index_keys()
    if not keys or told is None or not told.in_words or not is_slow(figures, limits):
        return None
    family = figures.shape.collection
    if any(family_of(each.collection) == family and each.keys[: len(keys)] == keys for each in facts):
        return None
    name = "_".join(f"{field}_{way}" for field, way in keys)
    looked = (
        "" if told.examined is None else f", {told.examined:,} documents looked at for {told.returned or 0:,}"
    )
    reason = (
        f"A query that {told.in_words} was asked about {figures.count:,} times, "
        f"{figures.mean_ms:,.0f} ms each{looked}: {figures.shape.key}"
    )
    return Advice("missing", family, name, keys, 0, reason)
