"""Indexes on the real server: found unused, redundant or missing; hidden, dropped, created, and undone."""

from datetime import UTC, datetime, timedelta

import pytest
from bson.int64 import Int64

from archive import connection, index_changes, partitions, query_listener
from archive.errors import Conflict, NotFound
from archive.index_advice import Advice, Limits, Verdict
from archive.index_analysis import analyse, judgements
from archive.index_changes import AdviceState
from archive.index_usage import collections_with_indexes, read_facts, record_usage, usage_of
from archive.indexes import ensure_indexes
from tests.archive.storing import Storing, message, month

CURRENT = "messages_current"
SEALED = "messages_2025_01"
AT_ONCE = Limits(slow_ms=0, min_count=5)


@pytest.fixture
def stored(archive_db):
    """Messages in messages_current and a sealed month; indexes of others are removed afterwards."""
    storing = Storing()
    archive_db[CURRENT].insert_many([message(n, timestamp=month(2, n % 28 + 1), cwd=f"/{n % 30}") for n in range(300)])
    storing.hot(SEALED, [message(n, timestamp=month(1, n % 28 + 1), cwd="/") for n in range(300, 340)])
    yield archive_db
    archive_db = connection.database()  # the client may be another by now
    storing.clean()
    known = {each.name for each in index_changes_spec()} | {"_id_"}
    for name in (CURRENT, "message_keys"):
        for each in set(archive_db[name].index_information()) - known:
            archive_db[name].drop_index(each)


def index_changes_spec():
    from archive.collections import HOT_SPEC, KEYS, SPECS

    return [*HOT_SPEC.indexes, *next(each for each in SPECS if each.name == KEYS).indexes]


def fact(name, collection=CURRENT):
    return next(each for each in read_facts([collection]) if each.name == name)


def make_old(days=100):
    """As if somebody had looked at all indexes so many days ago, when none had been used."""
    record_usage(read_facts(collections_with_indexes()))
    then = datetime.now(UTC) - timedelta(days=days)
    connection.database().index_usage.update_many({}, {"$set": {"at": then, "since": then, "ops": Int64(0), "used": Int64(0)}})


LIMITS = Limits()


def advised(kind, index, limits=LIMITS):
    return next((each for each in analyse(limits).advice if (each.kind, each.index) == (kind, index)), None)


def unused(name="cwd_1", keys="cwd"):
    connection.database()[CURRENT].create_index(keys)
    make_old()
    found = advised("unused", name)
    index_changes.store_advice(analyse(Limits()).advice)
    return found


def states():
    return {each.index: str(each.state) for each in index_changes.find_advice()}


class TestUnused:
    def test_an_unused_index_is_found_with_its_size(self, stored):
        found = unused()
        assert (found.collection, found.keys) == (CURRENT, (("cwd", 1),))
        assert found.bytes == fact("cwd_1").bytes > 0

    def test_one_that_is_new_is_not_told_to_be_unused(self, stored):
        stored[CURRENT].create_index("cwd")
        assert advised("unused", "cwd_1") is None
        assert next(each for each in judgements() if each.fact.name == "cwd_1").verdict == Verdict.UNKNOWN

    def test_one_that_is_used_is_not(self, stored):
        stored[CURRENT].create_index("cwd")
        make_old()
        list(stored[CURRENT].find({"cwd": "/1"}))
        assert advised("unused", "cwd_1") is None

    def test_those_of_the_product_are_required_and_never_advised_against(self, stored):
        make_old()
        found = judgements()
        assert {each.fact.collection for each in found} == {CURRENT, SEALED, "message_keys"}
        assert {each.verdict for each in found} == {Verdict.REQUIRED}
        assert analyse(Limits()).advice == []

    def test_a_unique_one_is_never_touched(self, stored):
        stored[CURRENT].create_index("crc32", unique=True, sparse=True)
        make_old()
        assert analyse(Limits()).advice == []
        index_changes.store_advice([Advice("unused", CURRENT, "crc32_1", (("crc32", 1),), 1, "planted")])
        (row,) = index_changes.find_advice()
        with pytest.raises(Conflict) as refusal:
            index_changes.apply(row.id)
        assert refusal.value.code == "index_protected"
        assert not fact("crc32_1").hidden
        assert states() == {"crc32_1": "open"}

    @pytest.mark.parametrize("name", ["_id_", "timestamp_1", "sessionId_1_uuid_1"])
    def test_nor_is_one_of_the_products_whatever_a_row_says(self, stored, name):
        planted = fact(name)
        index_changes.store_advice([Advice("unused", CURRENT, name, planted.keys, 1, "planted")])
        with pytest.raises(Conflict, match="not touched"):
            index_changes.apply(index_changes.find_advice()[0].id)
        assert not fact(name).hidden


class TestUsageOverRestarts:
    def test_uses_before_a_reset_are_summed(self, stored):
        """A rebuilt index counts from nothing, as all do after a restart of the server."""
        stored[CURRENT].create_index("cwd")
        for _ in range(3):
            list(stored[CURRENT].find({"cwd": "/1"}))
        record_usage(read_facts([CURRENT]))
        list(stored[CURRENT].find({"cwd": "/1"}))
        record_usage(read_facts([CURRENT]))
        stored[CURRENT].drop_index("cwd_1")
        stored[CURRENT].create_index("cwd")
        for _ in range(2):
            list(stored[CURRENT].find({"cwd": "/1"}))
        now = fact("cwd_1")
        assert now.ops == 2
        rows = list(stored.index_usage.find({"index": "cwd_1"}).sort("at", 1))
        assert [each["used"] for each in rows] == [3, 1]
        assert usage_of([now], 30)[CURRENT, "cwd_1"].used == 6
        record_usage([now])
        assert usage_of([now], 30)[CURRENT, "cwd_1"].used == 6

    def test_uses_longer_ago_do_not_count(self, stored):
        stored[CURRENT].create_index("cwd")
        list(stored[CURRENT].find({"cwd": "/1"}))
        record_usage(read_facts([CURRENT]))
        then = datetime.now(UTC) - timedelta(days=40)
        stored.index_usage.update_many({}, {"$set": {"at": then}})
        now = fact("cwd_1")
        assert usage_of([now], 30)[CURRENT, "cwd_1"].used == 0
        assert usage_of([now], 50)[CURRENT, "cwd_1"].used == 1


class TestRedundant:
    def test_a_redundant_beginning_is_found_and_names_the_longer_one(self, stored):
        stored[CURRENT].create_index("cwd")
        stored[CURRENT].create_index([("cwd", 1), ("timestamp", 1)])
        found = advised("redundant", "cwd_1")
        assert "cwd_1_timestamp_1" in found.reason
        assert advised("redundant", "cwd_1_timestamp_1") is None


class TestHiding:
    def test_applied_it_is_hidden_and_no_query_uses_it(self, stored):
        found = unused()
        row = index_changes.apply(found.id, "root")
        assert (row.state, row.decided_by) == (AdviceState.HIDDEN, "root")
        assert fact("cwd_1").hidden
        plan = stored[CURRENT].find({"cwd": "/1"}).explain()["queryPlanner"]["winningPlan"]
        assert plan["stage"] == "COLLSCAN"

    def test_twice_is_once_and_undone_it_is_shown(self, stored):
        found = unused()
        index_changes.apply(found.id)
        assert index_changes.apply(found.id).state == AdviceState.HIDDEN
        assert index_changes.undo(found.id).state == AdviceState.OPEN
        assert index_changes.undo(found.id).state == AdviceState.OPEN
        assert not fact("cwd_1").hidden

    def test_it_is_dropped_only_when_its_days_are_over_and_can_be_built_again(self, stored):
        stored[CURRENT].create_index([("cwd", 1), ("seq", -1)], name="mine", sparse=True)
        make_old()
        index_changes.store_advice(analyse(Limits()).advice)
        (row,) = index_changes.find_advice()
        index_changes.apply(row.id)
        before = dict(stored[CURRENT].index_information()["mine"])
        assert analyse(Limits()).due == []
        long_ago = datetime.now(UTC) - timedelta(days=15)
        stored.index_advice.update_one({}, {"$set": {"hiddenAt": long_ago}})
        assert [each.id for each in analyse(Limits()).due] == [row.id]
        assert index_changes.drop_hidden(row.id) == CURRENT
        assert index_changes.drop_hidden(row.id) == ""
        assert "mine" not in stored[CURRENT].index_information()
        assert index_changes.get_advice(row.id).state == AdviceState.DROPPED
        index_changes.undo(row.id)
        before.pop("hidden")
        assert stored[CURRENT].index_information()["mine"] == before

    def test_one_that_somebody_has_shown_again_is_not_dropped(self, stored):
        found = unused()
        index_changes.apply(found.id)
        stored.command("collMod", CURRENT, index={"name": "cwd_1", "hidden": False})
        assert index_changes.drop_hidden(found.id) == ""
        assert "cwd_1" in stored[CURRENT].index_information()
        assert states() == {"cwd_1": "open"}

    def test_it_is_found_under_the_name_that_its_collection_has_by_then(self, stored):
        stored[SEALED].create_index("cwd")
        make_old()
        index_changes.store_advice(analyse(Limits()).advice)
        (row,) = index_changes.find_advice()
        index_changes.apply(row.id)
        stored[SEALED].rename("messages_2025_01b")
        try:
            index_changes.undo(row.id)
            assert not fact("cwd_1", "messages_2025_01b").hidden
        finally:
            stored.drop_collection("messages_2025_01b")

    def test_one_that_is_gone_is_refused(self, stored):
        found = unused()
        stored[CURRENT].drop_index("cwd_1")
        with pytest.raises(Conflict) as refusal:
            index_changes.apply(found.id)
        assert refusal.value.code == "index_gone"

    def test_one_that_has_other_fields_by_now_is_not_touched(self, stored):
        found = unused()
        stored[CURRENT].drop_index("cwd_1")
        stored[CURRENT].create_index("gitBranch", name="cwd_1")
        with pytest.raises(Conflict) as refusal:
            index_changes.apply(found.id)
        assert refusal.value.code == "index_protected"

    def test_making_all_indexes_anew_leaves_a_hidden_one_hidden(self, stored):
        found = unused()
        index_changes.apply(found.id)
        ensure_indexes()
        assert fact("cwd_1").hidden


@pytest.fixture
def asked(stored):
    """A query without an index, asked ten times under the listener's eyes."""
    where = connection.configuration()
    connection.close()
    query_listener.configure(1.0)
    database = connection.database()
    for number in range(10):
        list(database[CURRENT].find({"cwd": f"/{number}"}).sort("timestamp", -1))
    connection.write_query_figures()
    query_listener.configure(0)
    connection.close()
    connection.configure(where.url, where.name, **where.options)
    return connection.database()


class TestMissing:
    NAME = "cwd_1_timestamp_-1"

    def test_it_is_found_from_a_query_that_ran(self, asked):
        found = advised("missing", self.NAME, AT_ONCE)
        assert (found.collection, found.keys) == ("messages", (("cwd", 1), ("timestamp", -1)))
        assert "300 documents looked at" in found.reason
        assert advised("missing", self.NAME, Limits(slow_ms=60_000)) is None

    def test_applied_it_is_created_in_every_hot_partition_and_used(self, asked):
        index_changes.store_advice(analyse(AT_ONCE).advice)
        row = next(each for each in index_changes.find_advice() if each.index == self.NAME)
        assert index_changes.apply(row.id).state == AdviceState.CREATED
        for name in (CURRENT, SEALED):
            assert fact(self.NAME, name).keys == row.keys
        assert "COLLSCAN" not in str(asked[CURRENT].find({"cwd": "/1"}).sort("timestamp", -1).explain()["queryPlanner"])
        assert advised("missing", self.NAME, AT_ONCE) is None
        index_changes.undo(row.id)
        for name in (CURRENT, SEALED):
            assert self.NAME not in asked[name].index_information()
        assert states()[self.NAME] == "open"

    def test_a_newer_partition_gets_it_too(self, asked):
        index_changes.store_advice(analyse(AT_ONCE).advice)
        row = next(each for each in index_changes.find_advice() if each.index == self.NAME)
        index_changes.apply(row.id)
        assert analyse(AT_ONCE).lacking == []
        storing = Storing()
        storing.hot("messages_2025_03", [message(999, timestamp=month(3))])
        try:
            assert [(each.id, name) for each, name in analyse(AT_ONCE).lacking] == [(row.id, "messages_2025_03")]
            assert index_changes.create_again(row.id, "messages_2025_03")
            assert analyse(AT_ONCE).lacking == []
            index_changes.undo(row.id)
            assert self.NAME not in asked["messages_2025_03"].index_information()
            assert not index_changes.create_again(row.id, "messages_2025_03")
        finally:
            asked.drop_collection("messages_2025_03")

    def test_a_hidden_index_that_slow_queries_miss_is_not_dropped(self, asked):
        asked[CURRENT].create_index("cwd")
        index_changes.store_advice([Advice("unused", CURRENT, "cwd_1", (("cwd", 1),), 1, "planted")])
        row = next(each for each in index_changes.find_advice() if each.index == "cwd_1")
        index_changes.apply(row.id)
        asked.index_advice.update_one({"_id": row.id}, {"$set": {"hiddenAt": datetime(2020, 1, 1, tzinfo=UTC)}})
        found = analyse(AT_ONCE)
        assert ([each.id for each in found.missed], found.due) == ([row.id], [])
        quick = analyse(Limits(slow_ms=60_000))
        assert (quick.missed, [each.id for each in quick.due]) == ([], [row.id])

    def test_in_a_rotation_it_is_refused(self, asked):
        index_changes.store_advice(analyse(AT_ONCE).advice)
        row = next(each for each in index_changes.find_advice() if each.index == self.NAME)
        asked.partitions.update_one({"_id": CURRENT}, {"$set": {"state": partitions.PartitionState.ROTATING}})
        with pytest.raises(Conflict) as refusal:
            index_changes.apply(row.id)
        assert refusal.value.code == "index_busy"


class TestRows:
    ONE = Advice("unused", CURRENT, "a_1", (("a", 1),), 5, "because")
    TWO = Advice("unused", CURRENT, "b_1", (("b", -1),), 9, "because")

    def test_what_is_not_advised_any_more_is_outdated_and_may_come_back(self, archive_db):
        assert index_changes.store_advice([self.ONE, self.TWO]) == 2
        assert [each.index for each in index_changes.find_advice()] == ["b_1", "a_1"]
        assert index_changes.store_advice([self.ONE]) == 1
        assert states() == {"a_1": "open"}
        assert index_changes.get_advice(self.TWO.id).state == AdviceState.OUTDATED
        assert index_changes.store_advice([self.ONE, self.TWO]) == 2

    def test_what_was_dismissed_is_not_asked_again_until_that_is_undone(self, archive_db):
        index_changes.store_advice([self.ONE])
        index_changes.dismiss(self.ONE.id, "root")
        index_changes.dismiss(self.ONE.id, "root")
        index_changes.store_advice([self.ONE])
        assert states() == {"a_1": "dismissed"}
        index_changes.undo(self.ONE.id)
        assert states() == {"a_1": "open"}

    def test_what_cannot_be_done_now_is_refused(self, archive_db):
        index_changes.store_advice([self.ONE])
        archive_db.index_advice.update_one({}, {"$set": {"state": "hidden"}})
        with pytest.raises(Conflict) as refusal:
            index_changes.dismiss(self.ONE.id)
        assert refusal.value.code == "advice_decided"

    def test_unknown_advice_is_not_found(self, archive_db):
        with pytest.raises(NotFound):
            index_changes.apply("nothing")


class TestOtherTiers:
    @pytest.fixture
    def warm(self, archive_db):
        from archive.collections import WARM_MESSAGES

        archive_db.drop_collection(WARM_MESSAGES)
        archive_db.create_collection(WARM_MESSAGES, timeseries={"timeField": "timestamp", "metaField": "metadata"})
        warm = archive_db[WARM_MESSAGES]
        warm.create_index([("metadata.b", 1), ("metadata.sessionId", 1)])
        warm.create_index([("metadata.sessionId", 1), ("timestamp", 1)])
        warm.create_index([("metadata.model", 1)])
        warm.insert_many([{"timestamp": month(3, n + 1), "metadata": {"b": "1#1", "sessionId": "s", "model": "m"}} for n in range(9)])
        storing = Storing()
        storing.enter(WARM_MESSAGES, [])
        storing.cold("messages_archive_2025_01", [message(1)])
        yield warm
        archive_db.drop_collection(WARM_MESSAGES)
        storing.clean()

    def test_indexes_of_warm_and_cold_are_judged_too(self, warm):
        make_old()
        found = {(each.fact.collection, each.fact.name): each for each in judgements()}
        both = [each for (name, _), each in found.items() if name == warm.name]
        assert {str(each.verdict) for each in both if each.fact.name != "metadata.model_1"} == {"required"}
        assert found[warm.name, "metadata.model_1"].verdict == Verdict.UNUSED
        assert all(each.fact.bytes > 0 for each in both)
        assert found["messages_archive_2025_01", "_id_"].verdict == Verdict.REQUIRED

    def test_one_of_warm_is_hidden_dropped_and_built_again(self, warm):
        make_old()
        index_changes.store_advice(analyse(Limits()).advice)
        (row,) = index_changes.find_advice()
        index_changes.apply(row.id)
        assert fact("metadata.model_1", warm.name).hidden
        warm.database.index_advice.update_one({}, {"$set": {"hiddenAt": datetime(2020, 1, 1, tzinfo=UTC)}})
        assert index_changes.drop_hidden(row.id) == warm.name
        index_changes.undo(row.id)
        assert not fact("metadata.model_1", warm.name).hidden
