"""API responses, each counted once in the whole archive.

One response spans several lines, and its lines are copied into resumed sessions and progress lines. All of
them carry the response's id, so a response is one document here, merged from its lines in any order:
the largest usage counts (the last line of a response has it), the first time, and the main conversation
before a side one. (Anthropic publishes no specification; measured on 17,629 responses.)
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from pymongo import ReplaceOne

from archive import costs
from archive.collections import CALLS
from archive.connection import Document
from archive.money import from_decimal128, to_decimal128
from archive.preimages import CALL, PreImages
from archive.records import Call, long
from archive.unit_of_work import UnitOfWork

OF_EITHER = ("requestId", "reportedCostUsd")
LEFT_OUT = ("usageSidechain", "importId", *OF_EITHER)
TOKEN_KINDS = ("input", "output", "cacheRead", "cacheWrite5m", "cacheWrite1h")


def document_of(call: Call) -> Document:
    """One line's view of a response, as a document. Fields of no value are left out."""
    document: Document = {
        "_id": call.id,
        "sessionId": call.session_id,
        "projectId": call.project_id,
        "model": call.model,
        "usage": call.usage,
        "timestamp": call.timestamp,
        "ownerAt": call.timestamp,
    }
    if call.is_sidechain:
        document["isSidechain"] = document["usageSidechain"] = True
    if call.request_id:
        document["requestId"] = call.request_id
    if call.reported_cost is not None:
        document["reportedCostUsd"] = to_decimal128(call.reported_cost)
    return document


def merge(one: Document, other: Document) -> Document:
    """The response that both views tell of. Associative and commutative, so that the order of imports and
    of lines does not matter."""
    owner = min(one, other, key=_owner_rank)
    usage = max(one, other, key=_usage_rank)
    times = [each["timestamp"] for each in (one, other) if each["timestamp"]]
    merged = {name: value for name, value in owner.items() if name not in LEFT_OUT}
    merged.update(usage=usage["usage"], model=usage["model"], timestamp=min(times, default=None))
    if usage.get("usageSidechain"):
        merged["usageSidechain"] = True
    for name in OF_EITHER:
        known = [each[name] for each in (one, other) if name in each]
        if known:
            merged[name] = min(known, key=str)
    return merged


def _owner_rank(call: Document) -> tuple[Any, ...]:
    at: datetime | None = call["ownerAt"]
    told = ("isSidechain" in call, at is None, at.timestamp() if at else 0)
    return (*told, call["sessionId"], call["projectId"])


def _usage_rank(call: Document) -> tuple[Any, ...]:
    usage = call["usage"]
    total = sum(usage.get(kind, 0) for kind in TOKEN_KINDS)
    told = ("usageSidechain" not in call, total, usage.get("output", 0), "speed" in usage)
    return (*told, call["model"], sorted(usage.items()))


def priced(call: Document) -> Document:
    """The response with its cost; ``costUsd`` is None where no rate is known."""
    cost = costs.picodollars(call["model"], call["usage"], call["timestamp"])
    call["costUsd"] = None if cost is None else to_decimal128(cost)
    call["priceVersion"] = costs.PRICE_VERSION
    return call


class Totals:
    """What responses add to one session's sums; ``cost`` in picodollars."""

    def __init__(self) -> None:
        self.cost = 0
        self.calls = 0
        self.unpriced = 0
        self.tokens = dict.fromkeys(TOKEN_KINDS, 0)

    def add(self, call: Document, sign: int = 1) -> None:
        cost = call["costUsd"]
        self.calls += sign
        if cost is None:
            self.unpriced += sign
        else:
            self.cost += sign * from_decimal128(cost)
        usage, tokens = call["usage"], self.tokens
        for kind in TOKEN_KINDS:
            tokens[kind] += sign * usage.get(kind, 0)


def responses_of(lines: Iterable[Call]) -> dict[str, Document]:
    """The responses that these lines tell of, merged and priced, by id. Pure."""
    merged: dict[str, Document] = {}
    for line in lines:
        seen = merged.get(line.id)
        merged[line.id] = document_of(line) if seen is None else merge(seen, document_of(line))
    return {call_id: priced(call) for call_id, call in merged.items()}


def record_calls(unit: UnitOfWork, responses: dict[str, Document], images: PreImages) -> dict[str, Totals]:
    """Merge these responses into the archive inside ``unit``; the change of each session's sums.

    A response that turns out to belong to an earlier session takes its cost along with it. Whoever tells of a
    response that is known has built on it, though nothing else changes.
    """
    if not responses:
        return {}
    stored = _stored(unit, list(responses))
    changes: dict[str, Totals] = {}
    replaced: list[ReplaceOne[Document]] = []
    for call_id, before in stored.items():
        after = priced(merge(before, responses[call_id])) | {"importId": images.job_id}
        if before != after:
            images.keep(CALL, before)
            changes.setdefault(before["sessionId"], Totals()).add(before, -1)
            changes.setdefault(after["sessionId"], Totals()).add(after)
            replaced.append(ReplaceOne({"_id": call_id}, after))
    new = [call | {"importId": images.job_id} for call_id, call in responses.items() if call_id not in stored]
    for call in new:
        changes.setdefault(call["sessionId"], Totals()).add(call)
    if new:
        unit[CALLS].insert_many(new, session=unit.session)
    if replaced:
        unit[CALLS].bulk_write(replaced, session=unit.session)
    return changes


def _stored(unit: UnitOfWork, call_ids: list[str]) -> dict[str, Document]:
    found = unit[CALLS].find({"_id": {"$in": call_ids}}, session=unit.session)
    return {call["_id"]: call for call in found}


def as_fields(totals: Totals) -> dict[str, Any]:
    """The counts under the names that a session document has for them."""
    tokens = totals.tokens
    return {
        "callCount": long(totals.calls),
        "unpricedCalls": long(totals.unpriced),
        "inputTokens": long(tokens["input"]),
        "outputTokens": long(tokens["output"]),
        "cacheReadTokens": long(tokens["cacheRead"]),
        "cacheWriteTokens": long(tokens["cacheWrite5m"] + tokens["cacheWrite1h"]),
    }
