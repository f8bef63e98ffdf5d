"""What must hold, what we aim at, and whether it was met."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Check:
    """One measured value against its limit. ``hard``: missing the limit fails the run; missing only the
    ``goal`` does not."""

    bench: str
    name: str
    value: float
    limit: float
    unit: str = ""
    goal: float | None = None
    at_least: bool = False
    hard: bool = True

    @property
    def is_met(self) -> bool:
        return self._reaches(self.limit)

    @property
    def reaches_goal(self) -> bool:
        return self._reaches(self.limit if self.goal is None else self.goal)

    @property
    def verdict(self) -> str:
        if self.is_met:
            return "met" if self.reaches_goal else "met, goal missed"
        return "MISSED" if self.hard else "missed"

    @property
    def wanted(self) -> str:
        """The limit as people write it, with the goal behind it."""
        sign = "≥" if self.at_least else "≤"
        text = f"{sign} {self.limit:g}{self.unit}"
        return text if self.goal is None else f"{text} (goal {self.goal:g})"

    def as_dict(self) -> dict[str, Any]:
        return {"kind": "check", **asdict(self), "met": self.is_met, "goal_met": self.reaches_goal}

    def _reaches(self, bound: float) -> bool:
        return self.value >= bound if self.at_least else self.value <= bound


def at_least(bench: str, name: str, value: float, limit: float, **more: Any) -> Check:
    """A ratio or rate that must not be lower."""
    return Check(bench, name, value, limit, at_least=True, **more)


def at_most(bench: str, name: str, value: float, limit: float, **more: Any) -> Check:
    """A time, ratio or size that must not be higher."""
    return Check(bench, name, value, limit, **more)
