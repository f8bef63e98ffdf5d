"""Sharding: a plan from the catalogue and from what the keys really are, and its commands run on a mongos."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from archive import connection, moments, partitions, shard_plan
from archive.collections import KEYS, MESSAGES, SESSIONS
from archive.connection import Document
from archive.errors import Conflict
from archive.moments import Moment
from archive.partitions import Tier
from archive.shard_plan import Balance, Command, KeyFacts, Spread

SAMPLED = 2000
SESSIONS_LOOKED_AT = 100_000
CANDIDATES = ("sessionId", "_id", "timestamp", "projectId", "fileId")
MAX_SECONDS = 60.0
HOT_SESSIONS = 5


class NotSharded(Conflict):
    """The server is no mongos: there is nothing to spread over."""

    code = "not_a_mongos"


class ShardedOtherwise(Conflict):
    """A collection is sharded already, by another key."""

    code = "sharded_otherwise"


@dataclass(frozen=True, slots=True)
class ShardingPlan:
    """Which collections get which key on so many shards, and what is known that speaks for it. ``done`` are
    those that are sharded so already."""

    database: str
    shards: int
    is_mongos: bool
    spreads: tuple[Spread, ...]
    done: tuple[str, ...]
    keys: tuple[KeyFacts, ...]
    hot_sessions: tuple[tuple[str, int], ...]
    balance: Balance
    commands: tuple[Command, ...]


def is_mongos() -> bool:
    """Whether the archive's server is a mongos. Raises ``Unavailable``."""
    with connection.translated():
        return bool(connection.client().admin.command("hello").get("msg") == "isdbgrid")


def require_mongos() -> None:
    """Raises ``NotSharded`` where the archive's server is no mongos, ``Unavailable``."""
    if not is_mongos():
        raise NotSharded(
            "The archive's server is no mongos, so nothing can be sharded.",
            hint="Point MONGODB_URL at a mongos of your sharded cluster, or only look at the plan.",
        )


def plan_sharding(shards: int) -> ShardingPlan:
    """Plan for so many shards, or for those that the mongos has, if there are more. Reads samples of at most
    ``SAMPLED`` messages and ``SESSIONS_LOOKED_AT`` sessions. Raises ``Unavailable``, ``ShardedOtherwise``."""
    on_mongos = is_mongos()
    with connection.translated(), connection.within(MAX_SECONDS):
        shards = max(shards, len(_shards()) if on_mongos else 1)
        spreads = moments.at_one_moment(lambda moment: _spreads(moment, shards))
        sharded = _sharded() if on_mongos else {}
        done = tuple(each.name for each in spreads if _is_sharded(each, sharded))
        name = connection.database().name
        commands = [
            command
            for each in spreads
            if each.name not in done
            for command in shard_plan.commands_for(name, each)
        ]
        balance, hottest = _balance(spreads, shards)
        return ShardingPlan(
            name, shards, on_mongos, spreads, done, _key_facts(), hottest, balance, tuple(commands)
        )


def apply(commands: list[Command]) -> Iterator[Command]:
    """Run the commands in their order on the archive's mongos, yielding each that is done. Run again, what is
    done already changes nothing. Raises ``NotSharded`` before anything is changed, ``Unavailable``."""
    if commands:
        require_mongos()
    for command in commands:
        with connection.translated():
            connection.client()[command.database].command(command.document)
        yield command


def _spreads(moment: Moment, shards: int) -> tuple[Spread, ...]:
    sizes = {each.name: _size(each) for each in moment.partitions if each.tier != Tier.FROZEN}
    found = shard_plan.spreads_of(moment.partitions, sizes, shards)
    count, size = _stored(KEYS)
    chunks = shard_plan.chunks_for(size, shards)
    keys = Spread(KEYS, shard_plan.SESSION_KEY, count, size, chunks, shard_plan.WHY_KEYS)
    return (*found, keys)


def _size(partition: partitions.Partition) -> tuple[int, int]:
    if partition.count is not None and partition.bytes is not None:
        return partition.count, partition.bytes
    return _stored(partition.name)


def _stored(name: str) -> tuple[int, int]:
    stages: list[Document] = [
        {"$collStats": {"storageStats": {}}},
        {"$project": {"count": "$storageStats.count", "size": "$storageStats.size"}},
    ]
    # A mongos answers once for each shard.
    found = list(connection.collection(name).aggregate(stages))
    counts = sum(int(each.get("count", 0)) for each in found)
    return counts, sum(int(each.get("size", 0)) for each in found)


def _shards() -> list[Document]:
    found: list[Document] = connection.client().admin.command("listShards")["shards"]
    return found


def _sharded() -> dict[str, Document]:
    """The keys of the archive's collections that are sharded, by their names."""
    prefix = f"{connection.database().name}."
    found = connection.client()["config"]["collections"].find({}, {"key": 1, "dropped": 1})
    return {
        each["_id"].removeprefix(prefix).removeprefix("system.buckets."): each["key"]
        for each in found
        if each["_id"].startswith(prefix) and not each.get("dropped") and "key" in each
    }


def _is_sharded(spread: Spread, sharded: dict[str, Document]) -> bool:
    """Whether it is, as planned. Raises ``ShardedOtherwise``."""
    if spread.name not in sharded:
        return False
    key = dict(sharded[spread.name])
    # The buckets of a time-series collection call their metadata "meta".
    plain = {name.replace("meta.", "metadata.", 1): kind for name, kind in key.items()}
    if spread.key not in (key, plain):
        raise ShardedOtherwise(
            f"{spread.name} is sharded by {key}, not by {spread.key}.",
            hint="Reshard it with reshardCollection, then plan again.",
        )
    return True


def _key_facts() -> tuple[KeyFacts, ...]:
    """What a sample of the newest partition tells of the keys one could think of, in the order of arrival."""
    fields: dict[str, Any] = dict.fromkeys((*CANDIDATES, "importedAt", "seq"), 1)
    stages: list[Document] = [{"$sample": {"size": SAMPLED}}, {"$project": fields}]
    found = list(connection.collection(MESSAGES).aggregate(stages))
    found.sort(key=lambda each: (each["importedAt"], each["seq"]) if "importedAt" in each else ())
    return tuple(
        shard_plan.facts_of(name, [each[name] for each in found if each.get(name) is not None])
        for name in CANDIDATES
    )


def _balance(spreads: tuple[Spread, ...], shards: int) -> tuple[Balance, tuple[tuple[str, int], ...]]:
    """How sessions fall onto the shards, and the largest ones with their messages."""
    messages = sum(each.count for each in spreads if each.name != KEYS)
    mean = sum(each.bytes for each in spreads if each.name != KEYS) // max(1, messages)
    sessions = connection.collection(SESSIONS)
    fields = {"messageCount": 1}
    some = sessions.find({}, fields).limit(SESSIONS_LOOKED_AT)
    sizes = ((each["_id"], each["messageCount"] * mean) for each in some)
    balance = shard_plan.balance_of(sizes, shards, max(each.chunks for each in spreads))
    largest = sessions.find({}, fields).sort([("messageCount", -1), ("sessionId", -1)]).limit(HOT_SESSIONS)
    return balance, tuple((each["_id"], each["messageCount"]) for each in largest)
