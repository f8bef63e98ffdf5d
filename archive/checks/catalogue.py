"""Whether the database has the collections, indexes and validators it must have, and the catalogue tells what
its partitions hold."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from pymongo.client_session import ClientSession

from archive import connection, moments
from archive.checks.base import Asked, Finding, Look
from archive.collections import HOT_SPEC, SPECS, TIER_BATCHES, WARM_MESSAGES, CollectionSpec
from archive.connection import Document
from archive.moments import Moment
from archive.partitions import Partition, PartitionState, Tier

OF_MESSAGES = re.compile(r"messages_(current|timeseries|archive_[0-9]{4}_[0-9]{2}.*|[0-9]{4}_[0-9]{2}.*)")
"""The names of collections that hold messages, or would be taken for such."""
Infos = dict[str, Mapping[str, Any]]


def look_at_collections(asked: Asked) -> Iterator[Look]:
    """Every collection is there, with its indexes and validator, and none holds messages that the catalogue
    does not know."""
    del asked
    with connection.translated():
        first = moments.at_one_moment(_collections)
        if not first.findings:
            yield first
            return
        # What is dropped leaves the catalogue first: such a collection is gone when we look again.
        second = moments.at_one_moment(_collections)
        yield Look(second.records, tuple(each for each in second.findings if each in first.findings))


def _collections(moment: Moment) -> Look:
    infos: Infos = {each["name"]: each for each in connection.database().list_collections()}
    hot = set(moment.hot())
    specs = [(spec.name, spec) for spec in SPECS if spec is not HOT_SPEC]
    found: list[Finding] = []
    for name, spec in [*((name, HOT_SPEC) for name in sorted(hot)), *specs]:
        found += _compare(name, spec, infos.get(name))
    found += _unlike(moment, infos)
    found += _unknown({each.name for each in moment.partitions}, infos)
    return Look(len(infos), tuple(found))


def _compare(name: str, spec: CollectionSpec, info: Mapping[str, Any] | None) -> Iterator[Finding]:
    if info is None:
        yield Finding("collection_missing", name, f"There is no collection {name}.")
        return
    if info["options"].get("validator", {}) != spec.validator:
        message = f"{name} does not have the validator that its documents are held to."
        yield Finding("validator_differs", name, message)
    present = connection.collection(name).index_information()
    kept = {(tuple(each["key"]), bool(each.get("unique"))) for each in present.values()}
    for index in spec.indexes:
        if (index.keys, index.unique) not in kept:
            yield Finding("index_missing", name, f"{name} has no index {index.name}.")


def _unlike(moment: Moment, infos: Infos) -> Iterator[Finding]:
    """Partitions outside hot whose collection is not there, or is of another kind."""
    for each in moment.partitions:
        info = infos.get(each.name)
        if each.tier in (Tier.HOT, Tier.FROZEN):
            continue
        if info is None:
            if each.count:
                message = f"There is no collection {each.name}; {each.count:,} messages should be in it."
                yield Finding("collection_missing", each.name, message)
        elif (info["type"] == "timeseries") != (each.name == WARM_MESSAGES):
            message = f"{each.name} is a {info['type']}: it was created by something else."
            yield Finding("collection_unlike", each.name, message)


def _unknown(known: set[str], infos: Infos) -> Iterator[Finding]:
    for name in sorted(infos):
        if not OF_MESSAGES.fullmatch(name) or name in known:
            continue
        # One that is prepared, or about to be dropped, is empty.
        if connection.collection(name).find_one({}, {"_id": 1}) is not None:
            message = f"{name} holds messages, and the catalogue does not know it: nobody finds them."
            yield Finding("collection_unknown", name, message)


@dataclass(frozen=True, slots=True)
class _Real:
    """What a partition really holds."""

    count: int
    undated: int
    since: datetime | None
    until: datetime | None
    bytes: int | None = None


def look_at_counts(asked: Asked) -> Iterator[Look]:
    """What the catalogue says of each sealed, warm, cold and frozen partition is what is there."""
    with connection.translated():
        names = moments.at_one_moment(lambda moment: [each.name for each in moment.partitions])
        for name in names:
            yield moments.at_one_moment(partial(_count, asked, name))


def _count(asked: Asked, name: str, moment: Moment) -> Look:
    told = next((each for each in moment.partitions if each.name == name), None)
    if told is None or told.state == PartitionState.OPEN:
        return Look()
    hot = told.tier == Tier.HOT
    real = _hot(name, moment.session, asked.deep) if hot else _journalled(name, moment.session)
    return Look(real.count, tuple(_differences(told, real)))


def _hot(name: str, session: ClientSession, deep: bool) -> _Real:
    collection = connection.collection(name)
    dated = {"timestamp": {"$ne": None}}
    ends = [
        next((each["timestamp"] for each in collection.find(
            dated, {"timestamp": 1}, session=session).sort("timestamp", way).limit(1)), None)
        for way in (1, -1)
    ]  # fmt: skip
    size = None
    if deep:
        stages = [{"$group": {"_id": None, "bytes": {"$sum": {"$bsonSize": "$$ROOT"}}}}]
        size = sum(int(each["bytes"]) for each in collection.aggregate(stages, session=session))
    return _Real(
        collection.count_documents({}, session=session),
        collection.count_documents({"timestamp": None}, session=session),
        ends[0],
        ends[1],
        size,
    )


def _journalled(name: str, session: ClientSession) -> _Real:
    sums: Document = {each: {"$sum": f"${each}"} for each in ("count", "undated", "bytes")}
    ends = {"since": {"$min": "$since"}, "until": {"$max": "$until"}}
    stages = [{"$match": {"partition": name}}, {"$group": {"_id": None, **sums, **ends}}]
    for each in connection.collection(TIER_BATCHES).aggregate(stages, session=session):
        return _Real(
            int(each["count"]), int(each["undated"]), each["since"], each["until"], int(each["bytes"])
        )
    return _Real(0, 0, None, None, 0)


def _differences(told: Partition, real: _Real) -> Iterator[Finding]:
    for what in ("count", "undated", "bytes"):
        says, has = getattr(told, what), getattr(real, what)
        if None not in (says, has) and says != has:
            message = f"The catalogue says {says:,} for the {what} of {told.name}; it is {has:,}."
            yield Finding("count_differs", told.name, message)
    begins_before = told.since is not None and real.since is not None and real.since < told.since
    ends_after = told.until is not None and real.until is not None and real.until > told.until
    if begins_before or ends_after:
        message = (
            f"{told.name} has messages from {real.since} to {real.until}, beyond what the catalogue says."
        )
        yield Finding("range_differs", told.name, message)
