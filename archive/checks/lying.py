"""Whether every message lies in one place, and where its batch says: no id twice, none missing, none over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from functools import partial
from heapq import merge
from itertools import groupby, islice
from typing import Any

from bson.raw_bson import RawBSONDocument

from archive import connection, journal, moments, places
from archive.aggregating import is_in_motion
from archive.checks.base import Asked, Finding, Look
from archive.collections import KEYS, TIER_BATCHES, WARM_MESSAGES
from archive.connection import Document
from archive.errors import NotFound
from archive.journal import TierBatch
from archive.moments import Moment, MomentLost, Patience
from archive.partitions import Partition, Tier, tier_of
from archive.places.frozen import DamagedObject
from archive.records import identity

IDS_AT_ONCE = 20_000
BATCHES_AT_ONCE = 500
MARKS_AT_ONCE = 1000
DAYS = 30
"""Each batch is read whole once in so many nightly looks."""


def look_at_ids(asked: Asked) -> Iterator[Look]:
    """No id stands in two hot partitions, or in one and among the keys of what has left hot."""
    del asked
    last: bytes | None = None
    patience = Patience()
    while True:
        try:
            with connection.translated():
                look, last, is_end = _ids(last)
        except MomentLost:
            patience.wait()
            continue
        patience.renew()
        yield look
        if is_end:
            return


def _ids(behind: bytes | None) -> tuple[Look, bytes | None, bool]:
    """The next ids in their order, with the collections that have them."""
    query: Document = {} if behind is None else {"_id": {"$gt": behind}}
    found: list[Finding] = []
    last, looked = behind, 0
    with moments.opened() as moment, ExitStack() as stack:
        streams = [stack.enter_context(closing(_ids_of(moment, name, query))) for name in moment.cards()]
        for key, group in islice(groupby(merge(*streams), key=lambda each: each[0]), IDS_AT_ONCE):
            names = [name for _, name in group]
            looked += len(names)
            last = key
            if len(names) > 1:
                message = f"Message {key.hex()} is in {' and in '.join(sorted(names))}."
                found.append(Finding("message_twice", key.hex(), message))
        moment.check()
    return Look(looked, tuple(found)), last, looked < IDS_AT_ONCE


def _ids_of(moment: Moment, name: str, query: Document) -> Any:
    cursor = connection.collection(name).find(query, {"_id": 1}, session=moment.session)
    with cursor.sort("_id", 1).batch_size(5000):
        yield from ((bytes(each["_id"]), name) for each in cursor)


# ------------------------------------------------------------------ batches


def look_at_batches(asked: Asked) -> Iterator[Look]:
    """Each batch has the keys that the journal says, and its messages lie where it says."""
    behind: Document = {}
    with connection.translated():
        while True:
            source = connection.collection(TIER_BATCHES).find(behind, {"_id": 1})
            numbers = [int(each["_id"]) for each in source.sort("_id", 1).limit(BATCHES_AT_ONCE)]
            is_end = len(numbers) < BATCHES_AT_ONCE
            bounds = behind.get("_id", {}) | ({} if is_end else {"$lte": numbers[-1]})
            yield moments.at_one_moment(partial(_batches, asked.deep, bounds))
            for number in numbers:
                if asked.deep or number % DAYS == asked.day % DAYS:
                    yield _read(number)
            if is_end:
                return
            behind = {"_id": {"$gt": numbers[-1]}}


def _batches(deep: bool, bounds: Document, moment: Moment) -> Look:
    session = moment.session
    stages: list[Document] = [
        {"$match": {"batch": bounds} if bounds else {}},
        # The index alone tells how many; the bytes stand in the rows.
        {"$group": {"_id": "$batch", "n": {"$sum": 1}, "bytes": {"$sum": "$bytes"} if deep else {"$sum": 0}}},
    ]
    keys = connection.collection(KEYS).aggregate(stages, hint="batch_1", session=session)
    held = {int(each["_id"]): (int(each["n"]), int(each["bytes"])) for each in keys}
    query = {"_id": bounds} if bounds else {}
    batches = {
        int(each["_id"]): each for each in connection.collection(TIER_BATCHES).find(query, session=session)
    }
    found = []
    for number in sorted(held.keys() - batches.keys()):
        message = f"{held[number][0]:,} keys are of batch {number}, which the journal does not have."
        found.append(Finding("keys_without_batch", f"batch {number}", message))
    for number, batch in batches.items():
        told = (int(batch["count"]), int(batch["bytes"]) if deep else 0) if batch["partition"] else (0, 0)
        has = held.get(number, (0, 0))
        if has != told:
            message = f"Batch {number} has {_sized(told)} by the journal, {_sized(has)} by its keys."
            found.append(Finding("keys_differ", f"batch {number}", message))
    found += _missing_marks(moment, list(batches.values()))
    found += _unknown_partitions(moment, list(batches.values()))
    return Look(sum(count for count, _ in held.values()), tuple(found))


def _sized(told: tuple[int, int]) -> str:
    count, size = told
    return f"{count:,} messages ({size:,} bytes)" if size else f"{count:,} messages"


def _missing_marks(moment: Moment, batches: Sequence[Document]) -> Iterator[Finding]:
    """Batches that do not have all of their messages in the time-series."""
    warm = {each["mark"]: each for each in batches if each["partition"] == WARM_MESSAGES}
    if not warm:
        return
    stages: list[Document] = [
        {"$match": {"metadata.b": {"$in": sorted(warm)}}},
        {"$group": {"_id": "$metadata.b", "n": {"$sum": 1}}},
    ]
    found = connection.collection(WARM_MESSAGES).aggregate(stages, session=moment.session)
    held = {each["_id"]: int(each["n"]) for each in found}
    for mark, batch in sorted(warm.items()):
        if held.get(mark, 0) != batch["count"]:
            message = (
                f"Batch {batch['_id']} should have {batch['count']:,} messages in {WARM_MESSAGES}; "
                f"{held.get(mark, 0):,} are there."
            )
            yield Finding("messages_missing", f"batch {batch['_id']}", message)


def _unknown_partitions(moment: Moment, batches: Sequence[Document]) -> Iterator[Finding]:
    known = {each.name for each in moment.partitions} | {""}
    for batch in batches:
        if batch["partition"] not in known:
            message = f"Batch {batch['_id']} lies in {batch['partition']}, which the catalogue does not know."
            yield Finding("partition_unknown", f"batch {batch['_id']}", message)


def _read(number: int) -> Look:
    """A batch read whole: 16 MB at most. Where it moved on meanwhile, its next turn comes."""
    batch = journal.find_batches([number]).get(number)
    if batch is None or not batch.partition:
        return Look()
    keys = connection.collection(KEYS).find({"batch": number}, {"bytes": 1, "contentHash": 1})
    wanted = {bytes(each["_id"]): each for each in keys}
    try:
        documents = list(places.place_of(tier_of(batch.partition)).read(batch))
    except (NotFound, DamagedObject) as error:
        name = "object_missing" if isinstance(error, NotFound) else "object_damaged"
        found = [Finding(name, f"batch {number}", error.message)]
        documents = []
    else:
        found = list(_differences(batch, wanted, documents))
    if journal.find_batches([number]).get(number) != batch:
        return Look()
    return Look(len(documents), tuple(found))


def _differences(
    batch: TierBatch, wanted: dict[bytes, Document], documents: list[RawBSONDocument]
) -> Iterator[Finding]:
    """What is wrong with the documents of a batch, by its keys and its digest."""
    subject = f"batch {batch.number}"
    held = {bytes(each["_id"]): each for each in documents}
    missing, over = len(wanted.keys() - held.keys()), len(held.keys() - wanted.keys())
    spoiled = sum(not _is_itself(held[key], wanted[key]) for key in held.keys() & wanted.keys())
    if missing:
        message = f"{missing:,} messages of batch {batch.number} are not in {batch.partition}."
        yield Finding("messages_missing", subject, message)
    if over:
        message = f"{over:,} messages of batch {batch.number} in {batch.partition} have no key."
        yield Finding("messages_without_key", subject, message)
    if spoiled:
        message = (
            f"{spoiled:,} messages of batch {batch.number} in {batch.partition} are not what their keys say."
        )
        yield Finding("messages_differ", subject, message)
    elif not missing and not over and journal.digest_of(documents) != batch.digest:
        message = f"The messages of batch {batch.number} in {batch.partition} are not those that left hot."
        yield Finding("messages_differ", subject, message)


def _is_itself(message: RawBSONDocument, row: Document) -> bool:
    """Whether a message has the length and the content that its key tells."""
    content = row.get("contentHash")
    is_same = (
        identity(message["sessionId"], message["contentHash"]) == bytes(row["_id"])
        if content is None
        else message["contentHash"] == content
    )
    return bool(is_same and len(message.raw) == row["bytes"])


# ------------------------------------------------------------------ strays


def look_for_strays(asked: Asked) -> Iterator[Look]:
    """Nothing lies in warm or cold that is nobody's: copies that a failed move left behind."""
    with connection.translated():
        parts = moments.at_one_moment(lambda moment: [*moment.of(Tier.WARM), *moment.of(Tier.COLD)])
        for part in parts:
            yield from _warm_strays(asked) if part.tier == Tier.WARM else _cold_strays(asked, part)


def _warm_strays(asked: Asked) -> Iterator[Look]:
    stages: list[Document] = [{"$group": {"_id": "$metadata.b", "n": {"$sum": 1}}}, {"$sort": {"_id": 1}}]
    with connection.collection(WARM_MESSAGES).aggregate(stages, allowDiskUse=True) as marks:
        while some := list(islice(marks, MARKS_AT_ONCE)):
            found = []
            for mark in _nobodys([str(each["_id"]) for each in some]):
                # What was swept since we looked is no longer there.
                count = _count_marked(mark)
                if count:
                    found.append(_swept(asked, mark, count))
            yield Look(sum(int(each["n"]) for each in some), tuple(found))


def _count_marked(mark: str) -> int:
    stages: list[Document] = [{"$match": {"metadata.b": mark}}, {"$count": "n"}]
    return sum(int(each["n"]) for each in connection.collection(WARM_MESSAGES).aggregate(stages))


def _swept(asked: Asked, mark: str, count: int) -> Finding:
    if asked.repair:
        places.place_of(Tier.WARM).remove(TierBatch(0, WARM_MESSAGES, mark))
    message = f"{count:,} copies of mark {mark} in {WARM_MESSAGES} belong to no batch."
    return Finding("strays", mark, message, repaired=asked.repair)


def _nobodys(marks: list[str]) -> list[str]:
    """Those of the marks that the journal neither says are there, nor is about to remove or to copy."""
    numbers = [int(mark.partition("#")[0]) for mark in marks if mark.partition("#")[0].isdigit()]
    known = set(journal.hidden_marks())
    for batch in connection.collection(TIER_BATCHES).find(
        {"_id": {"$in": numbers}}, {"partition": 1, "mark": 1}
    ):
        if batch["partition"] == WARM_MESSAGES:
            known.add(batch["mark"])
    return [mark for mark in marks if mark not in known]


def _cold_strays(asked: Asked, part: Partition) -> Iterator[Look]:
    """Documents of a cold partition whose keys say otherwise, or that have none."""
    if is_in_motion(part.name, None):
        return
    collection = connection.collection(part.name)
    behind: Document = {}
    while True:
        ids = [
            each["_id"] for each in collection.find(behind, {"_id": 1}).sort("_id", 1).limit(MARKS_AT_ONCE)
        ]
        if ids:
            yield moments.at_one_moment(partial(_cold, asked, part.name, ids))
            behind = {"_id": {"$gt": ids[-1]}}
        if len(ids) < MARKS_AT_ONCE:
            return


def _cold(asked: Asked, name: str, ids: list[Any], moment: Moment) -> Look:
    """At one moment: what the keys say of these documents."""
    session, query = moment.session, {"_id": {"$in": ids}}
    if is_in_motion(name, session):
        return Look()
    there = {each["_id"] for each in connection.collection(name).find(query, {"_id": 1}, session=session)}
    rows = {
        each["_id"]: int(each["batch"])
        for each in connection.collection(KEYS).find(query, {"batch": 1}, session=session)
    }
    batches = journal.find_batches(sorted(set(rows.values())), session)
    here = {key for key, number in rows.items() if number in batches and batches[number].partition == name}
    strays = there - here
    elsewhere = (strays & rows.keys()) | _hot_ids(moment, list(strays - rows.keys()))
    return Look(len(there), tuple(_cold_findings(asked, name, elsewhere, strays - elsewhere)))


def _hot_ids(moment: Moment, ids: list[Any]) -> set[Any]:
    query = {"_id": {"$in": ids}}
    return {
        each["_id"]
        for name in (moment.hot() if ids else [])
        for each in connection.collection(name).find(query, {"_id": 1}, session=moment.session)
    }


def _cold_findings(asked: Asked, name: str, copies: set[Any], lost: set[Any]) -> Iterator[Finding]:
    if copies:
        if asked.repair:
            connection.collection(name).delete_many({"_id": {"$in": list(copies)}})
        message = f"{len(copies):,} documents of {name} are copies of messages that lie elsewhere."
        yield Finding("strays", name, message, repaired=asked.repair)
    if lost:
        message = f"{len(lost):,} documents of {name} have no key and lie nowhere else: nobody finds them."
        yield Finding("messages_without_key", name, message)
