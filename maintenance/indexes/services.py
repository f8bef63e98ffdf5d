"""Advice on indexes for people: the list, and what they decide. Every door calls these."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from archive import index_changes, query_stats
from archive.errors import BadInput
from archive.index_advice import Judgement
from archive.index_analysis import judgements
from archive.index_changes import AdviceRow, AdviceState

VERBS = {
    "apply": "Do what is advised: create the index, or hide it, and drop it some weeks later.",
    "dismiss": "Leave it as it is, and do not ask again.",
    "undo": "Take back what was decided, whatever it was.",
}
_DEEDS: dict[str, Callable[[str, str], AdviceRow]] = {
    "apply": index_changes.apply,
    "dismiss": index_changes.dismiss,
    "undo": index_changes.undo,
}
UNDOABLE = frozenset(AdviceState) - {AdviceState.OPEN, AdviceState.OUTDATED}


def decide(advice_id: str, verb: str, user: Any = None) -> AdviceRow:
    """Apply, dismiss or undo one piece of advice in the name of ``user``; twice is once.

    Raises NotFound, Conflict (decided otherwise, index gone or protected), Unavailable.
    """
    return _DEEDS[verb](advice_id, user.get_username() if user is not None else "")


def verbs_for(row: AdviceRow) -> list[str]:
    """What can be done about it now."""
    if row.state == AdviceState.OPEN:
        return ["apply", "dismiss"]
    return ["undo"] if row.state in UNDOABLE else []


def list_advice(state: str = "") -> list[dict[str, Any]]:
    """All advice as plain values, largest first: in one state, or in any but outdated. Raises BadInput."""
    if state and state not in set(AdviceState):
        hint = f"States: {', '.join(AdviceState)}."
        raise BadInput(f"{state[:40]!r} is no state of advice.", hint=hint, code="unknown_state")
    return [advice_as_dict(each) for each in index_changes.find_advice([state] if state else [])]


def advice_as_dict(row: AdviceRow) -> dict[str, Any]:
    """One row as programs see it."""
    return {
        "id": row.id,
        "kind": row.kind,
        "collection": row.collection,
        "index": row.index,
        "keys": [{"field": name, "direction": way} for name, way in row.keys],
        "bytes": row.bytes,
        "reason": row.reason,
        "state": str(row.state),
        "madeAt": row.made_at,
        "decidedAt": row.decided_at,
        "decidedBy": row.decided_by,
        "can": verbs_for(row),
    }


def list_indexes() -> list[dict[str, Any]]:
    """Each index of partitions and keys: size, use within 30 days (None: not told), verdict and why."""
    return [_index_as_dict(each) for each in judgements()]


def _index_as_dict(judgement: Judgement) -> dict[str, Any]:
    fact = judgement.fact
    return {
        "collection": fact.collection,
        "index": fact.name,
        "keys": [{"field": name, "direction": way} for name, way in fact.keys],
        "bytes": fact.bytes,
        "used": judgement.used,
        "knownSince": judgement.known_since,
        "verdict": str(judgement.verdict),
        "reason": judgement.reason,
    }


def list_shapes(days: int = 7, most: int = 20) -> list[dict[str, Any]]:
    """The shapes of queries that took the longest altogether in the last days."""
    return [
        {
            "shape": each.shape.key,
            "collection": each.shape.collection,
            "operation": each.shape.operation,
            "count": each.count,
            "totalMs": round(each.total_ms, 3),
            "meanMs": round(each.mean_ms, 3),
            "maxMs": round(each.max_ms, 3),
        }
        for each in query_stats.find_shapes(days, most)
    ]
