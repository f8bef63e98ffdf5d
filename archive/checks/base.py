"""What a check of the archive is, and what it finds. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not hold: its ``name`` is of ``verifying.VIOLATIONS``, ``subject`` is what it was
    found in (a partition, batch, session or file), ``message`` says what is expected and what is there.
    ``repaired``: it was put right."""

    name: str
    subject: str
    message: str
    repaired: bool = False

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Look:
    """A unit of checking that is done: how much was looked at, and what was found."""

    records: int = 0
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """How thoroughly to look: ``deep`` reads every payload and object, otherwise those of the batches whose
    turn it is on this ``day``. ``repair`` puts right what can be without a loss."""

    deep: bool = False
    repair: bool = False
    day: int = 0


@dataclass(frozen=True, slots=True)
class Check:
    """One kind of looking. ``look`` goes through what there is unit by unit; memory is one unit."""

    name: str
    about: str
    look: Callable[[Asked], Iterator[Look]]
