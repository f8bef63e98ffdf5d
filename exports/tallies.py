"""What came of an export, or of a part of it: counted, noted, and added up. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from exports.shaping import Changes

MOST_LISTED = 1000
"""Entries of any list in a manifest; the counts beside it are always exact."""
COUNTERS = ("message_count", "file_count", "call_count", "bytes_done")


@dataclass
class BoundedList:
    """Keeps the first entries and counts all of them."""

    first: list[Any] = field(default_factory=list)
    total: int = 0

    def add(self, entry: Any) -> None:
        """Count it, and keep it while there is room."""
        self.total += 1
        if self.total <= MOST_LISTED:
            self.first.append(entry)

    def take_in(self, other: BoundedList) -> None:
        """Count all of the other's, and keep them while there is room."""
        self.first += other.first[: MOST_LISTED - len(self.first)]
        self.total += other.total


@dataclass(kw_only=True)
class Tally:
    """How much there is so far, and what is unusual about it; a job's ``Step``."""

    phase: str = "writing"
    message_count: int = 0
    session_count: int = 0
    file_count: int = 0
    call_count: int = 0
    bytes_done: int = 0
    continued: int = 0
    """Sessions among them that another part has begun."""
    notes: BoundedList = field(default_factory=BoundedList)
    copies: BoundedList = field(default_factory=BoundedList)
    damaged: BoundedList = field(default_factory=BoundedList)
    changes: Changes = field(default_factory=Changes)

    @property
    def counts(self) -> dict[str, int]:
        """Whole numbers so far, in the words of the report."""
        told = {"messages": self.message_count, "sessions": self.session_count}
        others = {"files": self.file_count, "calls": self.call_count}
        return told | {name: count for name, count in others.items() if count}

    @property
    def records_done(self) -> int:
        """What the progress bar counts."""
        return self.message_count + self.call_count

    @property
    def is_empty(self) -> bool:
        """Nothing matched."""
        return not (self.message_count or self.file_count or self.call_count)

    def take_in(self, other: Tally) -> None:
        """Add what came of another part."""
        for name in COUNTERS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.session_count += other.session_count - other.continued
        self.notes.take_in(other.notes)
        self.copies.take_in(other.copies)
        self.damaged.take_in(other.damaged)
        self.changes.take_in(other.changes)


def copied(tally: Tally) -> Tally:
    """The tally alone, of whatever it is the tally."""
    return Tally(**{each.name: getattr(tally, each.name) for each in fields(Tally)})


@dataclass(frozen=True)
class Together:
    """Tallies that still grow, read as one; a job's ``Step``."""

    each: Sequence[Tally]

    @property
    def phase(self) -> str:
        """What the last one is at."""
        return self.each[-1].phase

    @property
    def counts(self) -> dict[str, int]:
        """The sums, in the words of the report."""
        total: Counter[str] = Counter()
        for tally in self.each:
            total.update(tally.counts)
            total["sessions"] -= tally.continued
        return dict(total)

    @property
    def records_done(self) -> int:
        """The sum of theirs."""
        return sum(tally.records_done for tally in self.each)

    @property
    def bytes_done(self) -> int:
        """The sum of theirs."""
        return sum(tally.bytes_done for tally in self.each)
