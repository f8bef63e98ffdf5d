"""Shard keys from the catalogue and from what is stored, and the commands as a mongos is told them."""

import random
from uuid import UUID

import pytest

from archive import connection, shard_plan, sharding
from archive.collections import SPECS
from archive.partitions import Partition, PartitionState, Tier
from archive.sharding import NotSharded, ShardedOtherwise
from tests import run as test_run
from tests.archive import wire
from tests.imports.running import run
from tests.samples.making import ONE, TWO, conversation, joined, session_file, write

HASHED = "sessionId_hashed"


def ids(count, seed=1):
    some = random.Random(seed)
    return [str(UUID(int=some.getrandbits(128), version=4)) for _ in range(count)]


def partition(name, tier):
    return Partition(name, tier, PartitionState.SEALED, count=10, bytes=1000)


@pytest.fixture
def held(archive_db, tmp_path):
    """Two conversations."""
    write(tmp_path, session_file(ONE), joined(conversation(ONE, 40)))
    write(tmp_path, session_file(TWO), joined(conversation(TWO, 10)))
    run(tmp_path)
    return archive_db


@pytest.fixture
def fake(servers):
    """The archive's connection leads to a stand-in for a mongos while the test runs."""
    with wire.mongos() as fake:
        connection.configure(fake.url, "lens")
        try:
            yield fake
        finally:
            connection.configure(servers.mongodb_url, test_run.DATABASE)


# ------------------------------------------------------------------ the keys


def test_each_tier_has_its_key_and_none_is_time_alone():
    keys = [shard_plan.key_of(partition(str(tier), tier)) for tier in Tier]
    assert keys == [{"sessionId": "hashed"}, {"metadata.sessionId": "hashed"}, {"sessionId": "hashed"}, None]


def test_every_collection_is_sharded_or_has_a_reason_not_to_be():
    planned = {"messages_current", "message_keys"}
    stored = {spec.name for spec in SPECS}
    assert planned <= stored
    assert not planned & set(shard_plan.UNSHARDED)
    assert stored <= planned | set(shard_plan.UNSHARDED)


def test_unique_indexes_of_sharded_collections_hold_the_key():
    for spec in SPECS:
        if spec.name in {"messages_current", "message_keys"}:
            assert not [index for index in spec.indexes if index.unique and index.keys[0][0] != "sessionId"]


def test_a_rising_a_poor_and_a_lopsided_key_are_spoken_against():
    names = ids(500)
    assert shard_plan.facts_of("sessionId", names).against(8) == ""
    assert "rises with time" in shard_plan.facts_of("timestamp", range(500)).against(8)
    assert "fewer than" in shard_plan.facts_of("projectId", [n * 7919 % 5 for n in range(500)]).against(8)
    lopsided = [names[n] if n * 7919 % 3 else "hot" for n in range(500)]
    assert "one value has 33" in shard_plan.facts_of("sessionId", lopsided).against(8)


def test_hashes_are_those_of_the_servers_hashed_index(archive_db):
    names = [*ids(50), "", "ümlaut", "a" * 300]
    archive_db["hashes"].insert_many([{"_id": name, "sessionId": name} for name in names])
    archive_db["hashes"].create_index([("sessionId", "hashed")], name=HASHED)
    for name in names:
        seen = archive_db["hashes"].find({"sessionId": name}, hint=HASHED, return_key=True)
        assert [each["sessionId"] for each in seen] == [shard_plan.hash_of(name)]
    archive_db.drop_collection("hashes")


def test_chunks_cover_the_hashes_and_each_shard_has_as_many():
    points = shard_plan.split_points(12)
    assert len(points) == 11
    edges = [-(2**63), *points, 2**63]
    assert {high - low for low, high in zip(edges, edges[1:], strict=False)} <= {2**64 // 12, 2**64 // 12 + 1}
    shards = [shard_plan.shard_of(low, 3, 12) for low in edges[:-1]]
    assert [shards.count(each) for each in range(3)] == [4, 4, 4]


def test_many_sessions_lie_evenly_and_a_hot_one_is_told():
    even = shard_plan.balance_of(((name, 100) for name in ids(20_000)), 4, 16)
    assert even.skew < 1.05
    assert sum(even.shards) == 2_000_000
    hot = shard_plan.balance_of([*((name, 100) for name in ids(1000)), ("hot", 100_000)], 4, 16)
    assert hot.skew > 2
    assert hot.largest_session == 100_000


# ------------------------------------------------------------------ the plan


def test_a_plan_tells_keys_commands_and_balance(held):
    plan = sharding.plan_sharding(3)
    assert (plan.shards, plan.is_mongos, plan.done) == (3, False, ())
    spreads = {each.name: each for each in plan.spreads}
    assert spreads["messages_current"].count == 50
    assert spreads["messages_current"].key == spreads["message_keys"].key == {"sessionId": "hashed"}
    assert plan.hot_sessions == ((ONE, 40), (TWO, 10))
    assert plan.balance.sessions == 2
    assert sum(plan.balance.shards) > 0
    facts = {each.field: each for each in plan.keys}
    assert facts["sessionId"].values == 2
    assert facts["sessionId"].top_share == 0.8
    assert facts["_id"].values == 50
    assert [next(iter(each.document)) for each in plan.commands] == ["createIndexes", "shardCollection", "shardCollection"]


def test_what_is_empty_is_split_at_once_and_what_is_not_gets_its_index_first(held):
    commands = sharding.plan_sharding(3).commands
    name = connection.database().name
    assert commands[0].database == name
    assert commands[0].document["indexes"] == [{"key": {"sessionId": "hashed"}, "name": HASHED}]
    assert commands[1].document == {"shardCollection": f"{name}.messages_current", "key": {"sessionId": "hashed"}}
    assert commands[2].document == {
        "shardCollection": f"{name}.message_keys", "key": {"sessionId": "hashed"}, "numInitialChunks": 6,
    }  # fmt: skip
    assert commands[1].mongosh().startswith('db.getSiblingDB("admin").runCommand({"shardCollection"')


def test_the_index_command_is_one_that_the_server_takes(held):
    command = sharding.plan_sharding(3).commands[0]
    try:
        connection.client()[command.database].command(command.document)
        assert HASHED in held.messages_current.index_information()
    finally:
        held.messages_current.drop_index(HASHED)


# ------------------------------------------------------------------ a mongos


def test_without_a_mongos_nothing_is_applied(held):
    commands = list(sharding.plan_sharding(3).commands)
    with pytest.raises(NotSharded) as refused:
        list(sharding.apply(commands))
    assert refused.value.code == "not_a_mongos"
    assert HASHED not in held.messages_current.index_information()


def test_a_mongos_is_told_the_commands_in_their_order(fake):
    spread = shard_plan.Spread("messages_current", shard_plan.SESSION_KEY, 5, 100, 6, "")
    warm = shard_plan.Spread("messages_timeseries", shard_plan.WARM_KEY, 5, 100, 6, "")
    commands = [*shard_plan.commands_for("lens", spread), *shard_plan.commands_for("lens", warm)]
    assert list(sharding.apply(commands)) == commands
    assert fake.commands == [(each.database, each.document) for each in commands]


def test_a_refusal_of_the_mongos_stops_the_rest(fake):
    fake.refuse["createIndexes"] = {"ok": 0, "code": 91, "codeName": "ShutdownInProgress", "errmsg": "going down"}
    spread = shard_plan.Spread("messages_current", shard_plan.SESSION_KEY, 5, 100, 6, "")
    with pytest.raises(Exception, match="going down"):
        list(sharding.apply(shard_plan.commands_for("lens", spread)))
    assert "shardCollection" not in {next(iter(document)) for _, document in fake.commands}


def test_what_is_sharded_so_already_is_done_and_otherwise_is_refused():
    spread = shard_plan.Spread("messages_timeseries", shard_plan.WARM_KEY, 5, 100, 6, "")
    assert sharding._is_sharded(spread, {"messages_timeseries": {"meta.sessionId": "hashed"}})
    assert not sharding._is_sharded(spread, {})
    with pytest.raises(ShardedOtherwise):
        sharding._is_sharded(spread, {"messages_timeseries": {"timestamp": 1}})
