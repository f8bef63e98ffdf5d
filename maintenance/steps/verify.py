"""Verify the archive: prove that nothing is lost, doubled or out of place, and tell what is by its name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from archive import verifying
from archive.checks.base import Asked, Finding
from maintenance.steps.base import Advance, BadParameter, Holder, Plan, Step, only

MOST_NOTES = 50
"""So many findings stand in the job's log; all are counted, and the result has more of them."""


def understand(asked: Mapping[str, Any]) -> dict[str, Any]:
    """``deep`` and ``repair`` (false unless given), ``checks`` (all unless given)."""
    only(asked, "deep", "repair", "checks")
    for name in ("deep", "repair"):
        if not isinstance(asked.get(name, False), bool):
            raise BadParameter(name, "it must be true or false.")
    return {
        "deep": asked.get("deep", False),
        "repair": asked.get("repair", False),
        "checks": _checks(asked.get("checks") or []),
    }


def _checks(given: Any) -> list[str]:
    names = given if isinstance(given, list) else [given]
    for name in names:
        if name not in verifying.CHECKS:
            hint = f"Checks: {', '.join(verifying.CHECKS)}."
            raise BadParameter("checks", f"{str(name)[:60]!r} is no check.", hint=hint)
    return [str(name) for name in names]


def plan(parameters: dict[str, Any]) -> Plan:
    """The checks, one row each."""
    chosen = parameters["checks"] or list(verifying.CHECKS)
    how = "with every payload" if parameters["deep"] else "with the payloads whose turn it is tonight"
    swept = "; copies that are nobody's are removed" if parameters["repair"] else "; nothing is changed"
    return Plan(
        f"{len(chosen)} checks, {how}{swept}.",
        [{"check": name, "about": verifying.CHECKS[name].about} for name in chosen],
        {"checks": len(chosen)},
    )


def run(parameters: dict[str, Any], plan: Plan, holder: Holder) -> Iterator[Advance]:
    """Look at everything, anew each time it is run; what was found is kept at the end."""
    asked = Asked(parameters["deep"], parameters["repair"], datetime.now(UTC).toordinal())
    found = verifying.begin(deep=asked.deep)
    for name, look in verifying.verify(asked, tuple(each["check"] for each in plan.items)):
        notes = _notes(found, look.findings)
        found.take(name, look)
        yield Advance(records=look.records, phase=name, counts={"violations": len(look.findings)})
        for finding in notes:
            yield Advance(note=f"{finding.name}: {finding.message}", level="warning")
    verifying.keep(found, holder.job_id)
    yield Advance(note=_conclusion(found), problems=found.violations - found.repaired, result=found.to_dict())


def _notes(found: verifying.Verification, findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    return findings[: max(0, MOST_NOTES - found.violations)]


def _conclusion(found: verifying.Verification) -> str:
    if not found.violations:
        return "Everything holds."
    told = ", ".join(f"{name} {count:,} times" for name, count in sorted(found.found.items()))
    mended = f"; {found.repaired:,} repaired" if found.repaired else ""
    return f"Found: {told}{mended}."


STEP = Step(
    name="verify",
    label="Verify the archive",
    command="verify_archive",
    about="Prove that no message is lost, doubled or out of place.",
    understand=understand,
    plan=plan,
    run=run,
)
