"""The last proof of the archive, as the storage page shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from archive import verifying

MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Shown:
    """When it was, how many messages it looked at, how many things do not hold: by name, and the first."""

    job_id: str
    at: datetime
    deep: bool
    messages: int
    violations: int
    names: list[tuple[str, str, int]]
    findings: list[dict[str, Any]]


def latest() -> Shown | None:
    """The last one; None before the first."""
    return next((_shown(each) for each in verifying.find_verifications(1)), None)


def _shown(told: Mapping[str, Any]) -> Shown:
    names = [(name, verifying.VIOLATIONS.get(name, ""), count) for name, count in told["found"].items()]
    return Shown(
        told["jobId"],
        told["at"],
        told["deep"],
        told["looked"].get("ids", 0),
        int(told["violations"]),
        sorted(names),
        told["findings"][:MOST_SHOWN],
    )
