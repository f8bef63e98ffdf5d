"""Compact collections: give back to the disk what lies free in the files, where that is much."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from archive import compaction
from archive.compaction import LEAST_FREE_BYTES, LEAST_FREE_PERCENT, Candidate, NotCompactable
from archive.errors import NotFound
from jobs.wording import human_bytes, human_count
from maintenance.steps.base import Advance, BadParameter, Holder, Plan, Step, only

ASKS = {
    "collections": "Only these, whatever lies free in them: names with commas between them.",
    "minFreeBytes": f"So many bytes must lie free; {LEAST_FREE_BYTES} if empty.",
    "minFreePercent": f"And so many percent of the file; {LEAST_FREE_PERCENT} if empty.",
    "force": "Even when the server is busy.",
}


def understand(asked: Mapping[str, Any]) -> dict[str, Any]:
    """``collections`` (a list, or names with commas), ``minFreeBytes``, ``minFreePercent``, ``force``."""
    only(asked, *ASKS)
    names = asked.get("collections") or []
    if isinstance(names, str):
        names = [name.strip() for name in names.split(",") if name.strip()]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise BadParameter("collections", "it must be a list of names.")
    force = asked.get("force", False)
    if force not in (True, False, "on", ""):
        raise BadParameter("force", "it must be true or false.")
    return {
        "collections": list(dict.fromkeys(names)),
        "minFreeBytes": _whole(asked, "minFreeBytes", LEAST_FREE_BYTES, 2**60),
        "minFreePercent": _whole(asked, "minFreePercent", LEAST_FREE_PERCENT, 100),
        "force": force in (True, "on"),
    }


def _whole(asked: Mapping[str, Any], name: str, otherwise: int, most: int) -> int:
    value = asked.get(name)
    if value is None or value == "":
        return otherwise
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise BadParameter(name, f"it must be a whole number from 0 to {most}.")
    return value


def plan(parameters: dict[str, Any]) -> Plan:
    """The collections that are worth it, one row each, the one with most free room first."""
    found = compaction.candidates(
        parameters["minFreeBytes"], parameters["minFreePercent"], parameters["collections"]
    )
    free = sum(each.free for each in found)
    return Plan(
        _summary(found, free),
        [_item(each) for each in found],
        {"records": len(found), "bytes": free},
    )


def _summary(found: list[Candidate], free: int) -> str:
    if not found:
        return "No collection has so much free room that compacting it is worth it."
    what = "1 collection" if len(found) == 1 else f"{human_count(len(found))} collections"
    return f"{what}, {human_bytes(free)} of free room to give back to the disk."


def _item(found: Candidate) -> dict[str, Any]:
    return {
        "collection": found.name,
        "storedBytes": found.stored,
        "freeBytes": found.free,
        "freePercent": found.percent,
    }


def run(parameters: dict[str, Any], plan: Plan, holder: Holder) -> Iterator[Advance]:
    """One collection after another; one that the server is too busy for is left for the next time.

    A run that goes on compacts again what was done before it: there is nothing to do there then.
    """
    done: list[dict[str, Any]] = []
    for item in plan.items:
        name = item["collection"]
        busy = "" if parameters["force"] else compaction.busy_with()
        if busy:
            note = f"{name} is left as it is: the server is busy, {busy}. Run it again, or force it."
            yield Advance(1, phase=name, note=note, level="warning", counts={"skipped": 1}, problems=1)
        else:
            yield _compacted(name, done)


def _compacted(name: str, done: list[dict[str, Any]]) -> Advance:
    try:
        result = compaction.compact(name)
    except (NotFound, NotCompactable) as refusal:
        note = f"{name} is left as it is: {refusal.message}"
        return Advance(1, phase=name, note=note, level="warning", counts={"skipped": 1}, problems=1)
    seconds = round(result.seconds, 1)
    done.append(
        {"collection": name, "beforeBytes": result.before, "afterBytes": result.after, "seconds": seconds}
    )
    note = f"{name}: {human_bytes(result.before)} before, {human_bytes(result.after)} after, {seconds} s."
    counts = {"compacted": 1, "bytesFreed": result.freed}
    return Advance(1, result.freed, name, note, counts, result={"compacted": list(done)})


STEP = Step(
    name="compact",
    label="Compact collections",
    command="compact_collections",
    about="Give back to the disk what deleted messages left free.",
    understand=understand,
    plan=plan,
    run=run,
    asks=ASKS,
    ticks=("force",),
)
