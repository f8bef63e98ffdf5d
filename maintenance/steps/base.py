"""What a step of maintenance is: understand what was asked, plan it, do the plan. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from archive.errors import BadInput


class BadParameter(BadInput):
    """A parameter of a step that cannot be taken; ``field`` is its name."""

    code = "bad_parameter"

    def __init__(self, name: str, message: str, *, hint: str = "", code: str = "") -> None:
        super().__init__(f"{name}: {message}", hint=hint, code=code)
        self.field = name
        self.more = {"field": name}


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be done, JSON-able: what was shown is what runs.

    ``summary`` is one plain sentence, ``items`` has one row of plain values for each thing that is done,
    ``totals`` sums them up. Progress is told in records: ``totals["records"]``, else ``["messages"]``.
    """

    summary: str
    items: list[dict[str, Any]] = field(default_factory=list)
    totals: dict[str, int] = field(default_factory=dict)

    @property
    def records(self) -> int | None:
        """How many records the run will tell of, None where that is not known."""
        return self.totals.get("records", self.totals.get("messages"))

    def to_dict(self) -> dict[str, Any]:
        """As a job stores it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Plan:
        """The plan that a job stores."""
        return cls(stored["summary"], list(stored["items"]), dict(stored["totals"]))


@dataclass(frozen=True, slots=True)
class Holder:
    """Who runs a step: the job's id and its token, for fencing."""

    job_id: str
    token: int


@dataclass(frozen=True, slots=True)
class Advance:
    """What a step has done since the last one; one committed unit.

    ``records`` and ``bytes`` say how much, ``counts`` is added to the job's counts. ``note`` is a line for
    the job's log at ``level``. ``problems`` found make the job end as completed with errors.
    ``result`` is merged into the job's result: plain JSON values.
    """

    records: int = 0
    bytes: int = 0
    phase: str = ""
    note: str = ""
    counts: dict[str, int] = field(default_factory=dict)
    level: str = "info"
    problems: int = 0
    result: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """One kind of maintenance.

    ``understand`` checks and completes parameters (plain JSON values by camelCase names) and raises BadInput
    naming the one that is wrong. ``plan`` only reads. ``run`` does the stored plan, however often it was
    begun: it is resumable, and a cancel is looked at after each Advance. ``asks`` are the parameters that a
    page offers as a line of text, by name, each with what to write there; those in ``ticks`` as a tick, which
    is given as "on", and those in ``choices`` as one of some words.
    """

    name: str
    label: str
    command: str
    about: str
    understand: Callable[[Mapping[str, Any]], dict[str, Any]]
    plan: Callable[[dict[str, Any]], Plan]
    run: Callable[[dict[str, Any], Plan, Holder], Iterator[Advance]]
    asks: dict[str, str] = field(default_factory=dict)
    ticks: tuple[str, ...] = ()
    choices: dict[str, tuple[str, ...]] = field(default_factory=dict)


def only(asked: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    """``asked`` again, if it has no other names. Raises BadParameter naming one that there is not."""
    for name in asked:
        if name not in names:
            hint = f"There are: {', '.join(names)}." if names else "It takes none."
            raise BadParameter(str(name)[:60], "there is no such parameter.", hint=hint)
    return asked


def no_parameters(asked: Mapping[str, Any]) -> dict[str, Any]:
    """For a step that takes none."""
    return dict(only(asked))


def flag(asked: Mapping[str, Any], name: str) -> bool:
    """Whether it was asked for: true or false, or "on" from a page. Raises BadParameter."""
    given = asked.get(name) or False
    if given not in (True, False, "on"):
        raise BadParameter(name, "it is neither true nor false.", hint="Give true or false.")
    return bool(given)


def whole_number(asked: Mapping[str, Any], name: str) -> int | None:
    """A number from 0 on, which may be written as text; None where it was not given. Raises BadParameter."""
    given = asked.get(name)
    if given in (None, ""):
        return None
    if isinstance(given, str) and given.isdecimal() and len(given) < 19:
        given = int(given)
    if not isinstance(given, int) or isinstance(given, bool) or not 0 <= given < 2**63:
        raise BadParameter(name, "it is no whole number from 0 on.", hint="Give one such as 1000.")
    return given
