"""Analyse indexes: keep how often each is used, advise on what is unused, redundant or missing.

What a person has applied is seen to: hidden indexes are dropped when their time has come, and created ones
are built in collections that are newer than they.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from archive import index_changes, index_usage, query_stats
from archive.index_advice import Advice, Limits
from archive.index_analysis import Analysis, analyse
from maintenance.steps.base import Advance, BadParameter, Holder, Plan, Step, only

PARAMETERS = {
    "unusedDays": ("unused_days", 1, 400, "Days without use after which an index is unused. Default: 30."),
    "minUses": ("min_uses", 1, 1_000_000, "Uses in those days that are enough to keep it. Default: 1."),
    "hiddenDays": ("hidden_days", 1, 400, "Days hidden after which an index is dropped. Default: 14."),
    "slowMs": ("slow_ms", 1, 600_000, "Milliseconds from which a query is slow, on average. Default: 20."),
    "minCount": ("min_count", 1, 1_000_000, "How often it must have been asked for advice. Default: 10."),
}


def understand(asked: Mapping[str, Any]) -> dict[str, Any]:
    """``unusedDays``, ``minUses``, ``hiddenDays``, ``slowMs``, ``minCount``: whole numbers."""
    only(asked, *PARAMETERS)
    defaults = Limits()
    return {
        name: _number(name, asked.get(name, getattr(defaults, field)), least, most)
        for name, (field, least, most, _) in PARAMETERS.items()
    }


def _number(name: str, given: Any, least: int, most: int) -> int:
    text = str(given).strip()
    known = not isinstance(given, bool) and len(text) < 10 and text.isascii() and text.isdigit()
    if not known or not least <= int(text) <= most:
        raise BadParameter(name, f"it must be a whole number from {least} to {most}.")
    return int(text)


def limits_of(parameters: Mapping[str, Any]) -> Limits:
    """The same as the archive takes it."""
    return Limits(**{field: parameters[name] for name, (field, *_) in PARAMETERS.items()})


def plan(parameters: dict[str, Any]) -> Plan:
    """What is advised, what is due to be dropped, and what is to be built once more."""
    found = analyse(limits_of(parameters))
    items = [
        *(_advised(each) for each in found.advice),
        *(_item("drop", row.id, row.collection, row.index, row.bytes) for row in found.due),
        *(_item("create", row.id, name, row.index, 0) for row, name in found.lacking),
        *(_item("keep", row.id, row.collection, row.index, row.bytes) for row in found.missed),
    ]
    return Plan(_summary(found), items, _totals(found, len(items)))


def _item(do: str, advice_id: str, collection: str, index: str, size: int) -> dict[str, Any]:
    return {"do": do, "advice": advice_id, "collection": collection, "index": index, "bytes": size}


def _advised(advice: Advice) -> dict[str, Any]:
    what = _item("advise", advice.id, advice.collection, advice.index, advice.bytes)
    keys = [f"{name}:{way}" for name, way in advice.keys]
    return {**what, "kind": advice.kind, "keys": keys, "reason": advice.reason}


def _totals(found: Analysis, items: int) -> dict[str, int]:
    return {
        "indexes": len(found.judgements),
        "bytes": sum(each.fact.bytes for each in found.judgements),
        "unneededBytes": sum(each.bytes for each in found.advice),
        "records": items,
    }


def _summary(found: Analysis) -> str:
    kinds = [each.kind for each in found.advice]
    told = [f"{kinds.count(kind)} {kind}" for kind in ("unused", "redundant", "missing")]
    told += [f"{len(found.due)} hidden to be dropped"] if found.due else []
    told += [f"{len(found.lacking)} to be built in newer collections"] if found.lacking else []
    told += [f"{len(found.missed)} hidden that slow queries miss"] if found.missed else []
    return f"{len(found.judgements):,} indexes: {', '.join(told)}."


def run(parameters: dict[str, Any], plan: Plan, holder: Holder) -> Iterator[Advance]:
    """Keep the usage and the advice, then drop and build what the plan names. Safe to repeat."""
    facts = index_usage.read_facts(index_usage.collections_with_indexes())
    count = index_usage.record_usage(facts)
    query_stats.forget_old()
    yield Advance(phase="usage", note=f"The use of {count:,} indexes is kept.")
    advised = [_advice_of(each) for each in plan.items if each["do"] == "advise"]
    still_open = index_changes.store_advice(advised)
    yield Advance(len(advised), phase="advice", counts={"advised": len(advised)}, result={"open": still_open})
    for item in plan.items:
        if item["do"] in _DEEDS:
            yield _DEEDS[item["do"]](item)


def _advice_of(item: Mapping[str, Any]) -> Advice:
    pairs = (each.rpartition(":") for each in item["keys"])
    keys = tuple((name, _way(way)) for name, _, way in pairs)
    what = (item["kind"], item["collection"], item["index"])
    return Advice(*what, keys, item["bytes"], item["reason"])


def _way(text: str) -> Any:
    """A direction, or the kind of an index (hashed, text)."""
    return int(float(text)) if text.lstrip("-").replace(".", "", 1).isdigit() else text


def _drop(item: Mapping[str, Any]) -> Advance:
    place = index_changes.drop_hidden(item["advice"])
    if not place:
        return Advance(1, phase="dropping", note=f"{item['index']} is not hidden any more: it stays.")
    note = f"{item['index']} of {place} was hidden long enough: dropped. It can be undone."
    return Advance(1, phase="dropping", note=note, counts={"dropped": 1})


def _create(item: Mapping[str, Any]) -> Advance:
    if not index_changes.create_again(item["advice"], item["collection"]):
        return Advance(1, phase="building", note=f"{item['index']} is not wanted any more.")
    note = f"{item['index']} was built in {item['collection']}."
    return Advance(1, phase="building", note=note, counts={"built": 1})


def _keep(item: Mapping[str, Any]) -> Advance:
    note = (
        f"{item['index']} of {item['collection']} is hidden, and slow queries miss it. Undo {item['advice']}."
    )
    return Advance(1, phase="looking", note=note, level="warning", counts={"missed": 1})


_DEEDS: dict[str, Callable[[Mapping[str, Any]], Advance]] = {
    "drop": _drop,
    "create": _create,
    "keep": _keep,
}

STEP = Step(
    name="analyse",
    label="Analyse indexes",
    command="analyze_indexes",
    about="Find indexes that are unused, redundant or missing.",
    understand=understand,
    plan=plan,
    run=run,
    asks={name: text for name, (*_, text) in PARAMETERS.items()},
)
