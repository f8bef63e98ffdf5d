"""Advice on indexes as rows, and what a person makes of it: apply, dismiss, undo.

An index that is not needed is hidden first: no query uses it, and showing it again takes a moment. Only after
some days it is dropped, and its definition is kept. What is done to the database comes first and can be done
twice; then the row's state changes, if it still is what was seen.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import bson
from bson.int64 import Int64
from pymongo import ReturnDocument

from archive import connection
from archive.collections import INDEX_ADVICE
from archive.connection import Document
from archive.errors import Conflict, NotFound
from archive.index_advice import Advice, protection
from archive.index_usage import IndexFact, read_facts
from archive.partitions import PartitionState, Tier, find_partitions
from archive.query_shapes import HOT_FAMILY


class AdviceState(StrEnum):
    """Open: nobody has decided. Hidden, created, dropped: what was done. Outdated: it holds no longer."""

    OPEN = "open"
    DISMISSED = "dismissed"
    HIDDEN = "hidden"
    CREATED = "created"
    DROPPED = "dropped"
    OUTDATED = "outdated"


@dataclass(frozen=True, slots=True)
class AdviceRow:
    """One piece of advice and what became of it, as plain values."""

    id: str
    kind: str
    collection: str
    index: str
    keys: tuple[tuple[str, Any], ...]
    bytes: int
    reason: str
    state: AdviceState
    made_at: datetime
    decided_at: datetime | None = None
    decided_by: str = ""

    @property
    def fields(self) -> str:
        """The keys in words: sessionId, -timestamp."""
        return ", ".join(f"-{name}" if way == -1 else name for name, way in self.keys)


def _row(stored: Document) -> AdviceRow:
    return AdviceRow(
        id=stored["_id"],
        kind=stored["kind"],
        collection=stored["collection"],
        index=stored["index"],
        keys=tuple((name, way) for name, way in stored["keys"]),
        bytes=int(stored["bytes"]),
        reason=stored["reason"],
        state=AdviceState(stored["state"]),
        made_at=stored["createdAt"],
        decided_at=stored.get("decidedAt"),
        decided_by=stored.get("decidedBy", ""),
    )


def find_advice(states: Iterable[str] = ()) -> list[AdviceRow]:
    """Rows in these states, in any but outdated by default; the largest first. Raises ``Unavailable``."""
    asked = {"$in": list(states)} if states else {"$ne": AdviceState.OUTDATED}
    with connection.translated():
        found = connection.collection(INDEX_ADVICE).find({"state": asked})
        return [_row(each) for each in found.sort([("bytes", -1), ("_id", 1)])]


def get_advice(advice_id: str) -> AdviceRow:
    """One row. Raises ``NotFound``, ``Unavailable``."""
    return _row(_stored(advice_id))


def _stored(advice_id: str) -> Document:
    with connection.translated():
        found = connection.collection(INDEX_ADVICE).find_one({"_id": advice_id})
    if found is None:
        hint = "Run analyze_indexes; it tells the ids."
        raise NotFound(f"There is no advice {advice_id[:40]!r}.", hint=hint)
    return found


def store_advice(advice: Iterable[Advice]) -> int:
    """Keep what is advised now; what was advised before, is open and is not among it becomes outdated.

    What a person has decided stays decided. Idempotent; returns how many rows there are open.
    """
    given = {each.id: each for each in advice}
    rows, now = connection.collection(INDEX_ADVICE), datetime.now(UTC)
    with connection.translated():
        for key, each in given.items():
            rows.update_one({"_id": key}, _kept(each, now), upsert=True)
        reopened = {"_id": {"$in": list(given)}, "state": AdviceState.OUTDATED}
        rows.update_many(reopened, {"$set": {"state": AdviceState.OPEN}})
        gone = {"_id": {"$nin": list(given)}, "state": AdviceState.OPEN}
        rows.update_many(gone, {"$set": {"state": AdviceState.OUTDATED}})
        return rows.count_documents({"state": AdviceState.OPEN})


def _kept(advice: Advice, now: datetime) -> Document:
    what = {"kind": advice.kind, "collection": advice.collection, "index": advice.index}
    first = {
        **what,
        "keys": [list(each) for each in advice.keys],
        "state": AdviceState.OPEN,
        "createdAt": now,
    }
    seen = {"reason": advice.reason, "bytes": Int64(advice.bytes), "seenAt": now}
    return {"$set": seen, "$setOnInsert": first}


def apply(advice_id: str, who: str = "") -> AdviceRow:
    """Do what is advised: create the index, or hide it. Done already: nothing happens.

    Raises ``NotFound``, ``Conflict`` where it was decided otherwise, the index is gone or may not be touched.
    """
    row = _stored(advice_id)
    done = AdviceState.CREATED if row["kind"] == "missing" else AdviceState.HIDDEN
    if row["state"] == done:
        return _row(row)
    _expect(row, AdviceState.OPEN, AdviceState.DISMISSED)
    more = _create(row) if done == AdviceState.CREATED else _hide(row)
    return _decide(row, done, who, more)


def dismiss(advice_id: str, who: str = "") -> AdviceRow:
    """Leave it as it is; it is not asked again until this is undone. Raises ``NotFound``, ``Conflict``."""
    row = _stored(advice_id)
    if row["state"] == AdviceState.DISMISSED:
        return _row(row)
    _expect(row, AdviceState.OPEN)
    return _decide(row, AdviceState.DISMISSED, who, {})


def undo(advice_id: str, who: str = "") -> AdviceRow:
    """Take back what was decided: show what was hidden, build again what was dropped, drop what was created.

    Undone already: nothing happens. Raises ``NotFound``, ``Conflict``.
    """
    row = _stored(advice_id)
    if row["state"] == AdviceState.OPEN:
        return _row(row)
    _expect(row, AdviceState.DISMISSED, AdviceState.HIDDEN, AdviceState.DROPPED, AdviceState.CREATED)
    if row["state"] == AdviceState.HIDDEN:
        _set_hidden(_place_of(row), row["index"], hidden=False)
    elif row["state"] == AdviceState.DROPPED:
        _build(_place_of(row), bson.decode(row["definition"]))
    elif row["state"] == AdviceState.CREATED:
        for name in row.get("made", []):
            _drop_own(name, row)
    return _decide(row, AdviceState.OPEN, who, {})


def _expect(row: Document, *states: AdviceState) -> None:
    if row["state"] not in states:
        message = f"The advice {row['_id']} is {row['state']}: this cannot be done now."
        raise Conflict(message, hint="Undo what was decided first.", code="advice_decided")


def _decide(row: Document, state: AdviceState, who: str, more: Document) -> AdviceRow:
    told = {"state": state, "decidedAt": datetime.now(UTC), "decidedBy": who, **more}
    with connection.translated():
        changed = connection.collection(INDEX_ADVICE).find_one_and_update(
            {"_id": row["_id"], "state": row["state"]}, {"$set": told}, return_document=ReturnDocument.AFTER
        )
    if changed is None:
        message = f"Somebody else has decided about the advice {row['_id']} just now."
        raise Conflict(message, hint="Look at it again.", code="advice_decided")
    return _row(changed)


def _hide(row: Document) -> Document:
    _fact(row["collection"], row)
    with connection.translated():
        specs = connection.collection(row["collection"]).list_indexes()
        definition = next(dict(each) for each in specs if each["name"] == row["index"])
    _set_hidden(row["collection"], row["index"], hidden=True)
    definition.pop("hidden", None)
    return {
        "definition": bson.encode(definition),
        "uuid": _uuids()[row["collection"]],
        "hiddenAt": datetime.now(UTC),
    }


def _fact(collection: str, row: Document) -> IndexFact:
    """The index that a row is about, if it may be touched."""
    fact = next((each for each in read_facts([collection]) if each.name == row["index"]), None)
    if fact is None:
        message = f"{collection} has no index {row['index']} any more."
        raise Conflict(message, hint="Run analyze_indexes again.", code="index_gone")
    if protection(fact) or [list(each) for each in fact.keys] != row["keys"]:
        reason = protection(fact) or "It has other fields than it had."
        raise Conflict(f"{fact.name} of {collection} is not touched. {reason}", code="index_protected")
    return fact


def _set_hidden(collection: str, name: str, *, hidden: bool) -> None:
    with connection.translated():
        connection.database().command("collMod", collection, index={"name": name, "hidden": hidden})


def _uuids() -> dict[str, Any]:
    """What stays the same of a collection when it is renamed; a time-series has it where its data lies."""
    with connection.translated():
        return {
            each["name"].removeprefix("system.buckets."): each["info"]["uuid"]
            for each in connection.database().list_collections(filter={"type": "collection"})
        }


def _place_of(row: Document) -> str:
    """What the collection is called by now: rotation gives it another name."""
    found = next((name for name, uuid in _uuids().items() if uuid == row.get("uuid")), None)
    if found is None:
        raise Conflict(f"{row['collection']} is gone, and its indexes with it.", code="index_gone")
    return found


def _build(collection: str, definition: Document) -> None:
    spec = {name: value for name, value in definition.items() if name != "ns"}
    with connection.translated():
        connection.database().command("createIndexes", collection, indexes=[spec])


def _create(row: Document) -> Document:
    targets = targets_of(row["collection"])
    for name in targets:
        _build(name, {"key": dict(row["keys"]), "name": row["index"]})
    return {"made": targets}


def targets_of(family: str) -> list[str]:
    """The collections in which an index for the whole family is built. Raises ``Conflict`` in a rotation."""
    if family != HOT_FAMILY:
        return [family]
    hot = [each for each in find_partitions() if each.tier == Tier.HOT]
    if any(each.state == PartitionState.ROTATING for each in hot):
        raise Conflict(
            "Messages are rotated at this moment.", hint="Try again in a minute.", code="index_busy"
        )
    return [each.name for each in hot]


def _drop_own(collection: str, row: Document) -> None:
    """Drop an index that we created, if it is still there as we made it."""
    fact = next((each for each in read_facts([collection]) if each.name == row["index"]), None)
    if fact and not protection(fact) and [list(each) for each in fact.keys] == row["keys"]:
        with connection.translated():
            connection.collection(collection).drop_index(row["index"])


def due_to_drop(hidden_days: int) -> list[AdviceRow]:
    """What has been hidden for so many days. Raises ``Unavailable``."""
    asked = {
        "state": AdviceState.HIDDEN,
        "hiddenAt": {"$lte": datetime.now(UTC) - timedelta(days=hidden_days)},
    }
    with connection.translated():
        return [_row(each) for each in connection.collection(INDEX_ADVICE).find(asked).sort("_id", 1)]


def drop_hidden(advice_id: str) -> str:
    """Drop the hidden index of this row; its collection's name, or nothing where there is nothing to drop.

    An index that somebody has shown again stays, and its advice is open again. Idempotent.
    """
    row = _stored(advice_id)
    if row["state"] != AdviceState.HIDDEN:
        return ""
    try:
        place = _place_of(row)
        fact = _fact(place, row)
    except Conflict:
        _decide(row, AdviceState.OUTDATED, "", {})
        return ""
    if not fact.hidden:
        _decide(row, AdviceState.OPEN, "", {})
        return ""
    with connection.translated():
        connection.collection(place).drop_index(fact.name)
    _decide(row, AdviceState.DROPPED, row.get("decidedBy", ""), {})
    return place


def lacking() -> list[tuple[AdviceRow, str]]:
    """Indexes that a person had created, and collections made since that have them not yet."""
    rows = find_advice([AdviceState.CREATED])
    facts = read_facts({name for row in rows for name in targets_of(row.collection)})
    there = {(each.collection, each.keys) for each in facts}
    return [
        (row, name) for row in rows for name in targets_of(row.collection) if (name, row.keys) not in there
    ]


def create_again(advice_id: str, collection: str) -> bool:
    """Build a created index in a further collection of its family; whether it was. Idempotent."""
    row = _stored(advice_id)
    if row["state"] != AdviceState.CREATED or collection not in targets_of(row["collection"]):
        return False
    _build(collection, {"key": dict(row["keys"]), "name": row["index"]})
    with connection.translated():
        connection.collection(INDEX_ADVICE).update_one(
            {"_id": advice_id}, {"$addToSet": {"made": collection}}
        )
    return True
