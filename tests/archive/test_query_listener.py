"""The listener: counts what ran, breaks nothing, costs next to nothing."""

import time
from types import SimpleNamespace

import pytest
from pymongo.errors import OperationFailure

from archive import connection, query_listener, query_stats
from archive.query_listener import MOST_PENDING, MOST_SHAPES, QueryListener
from tests.waiting import until


@pytest.fixture
def watched(archive_db):
    """The archive, whose queries are all counted; afterwards as before."""
    where = connection.configuration()
    connection.close()
    query_listener.configure(1.0)
    yield connection.database()
    query_listener.configure(0)
    connection.close()
    connection.configure(where.url, where.name, **where.options)


def event(command, *, name="find", number=1, micros=300, database="d"):
    return SimpleNamespace(command=command, command_name=name, request_id=number, duration_micros=micros, database_name=database)


def listener(sample=1.0):
    made = QueryListener(sample)
    made.attach(None, "d")
    return made


def counted(made):
    return {each.shape.key: each for each in made._tallies.values()}


QUERY = {"find": "messages_current", "filter": {"sessionId": "s"}, "sort": {"seq": 1}}


def test_what_ran_is_counted_by_shape_with_its_times(watched):
    for number in range(5):
        list(watched.messages_current.find({"sessionId": f"s{number}"}).sort("seq", 1))
    watched.sessions.find_one({"sessionId": "x"})
    watched.messages_current.delete_many({"uuid": "nobody's"})
    connection.write_query_figures()
    found = {each.shape.key: each for each in query_stats.find_shapes(1)}
    assert set(found) == {"messages find =(sessionId) sort(seq)", "messages delete =(uuid)"}
    asked = found["messages find =(sessionId) sort(seq)"]
    assert asked.count == 5
    assert 0 < asked.mean_ms <= asked.max_ms <= asked.total_ms


def test_figures_of_two_processes_add_up(watched):
    for _ in range(2):
        watched.messages_current.find_one({"uuid": "x"})
        connection.write_query_figures()
    (one,) = query_stats.find_shapes(1)
    assert one.count == 2


def test_closing_the_client_writes_the_rest(watched):
    watched.messages_current.find_one({"uuid": "x"})
    connection.close()
    assert [each.count for each in query_stats.find_shapes(1)] == [1]


def test_figures_are_written_now_and_then_without_being_asked(watched, monkeypatch):
    monkeypatch.setattr(query_listener, "FLUSH_SECONDS", 0.05)
    watched.messages_current.find_one({"uuid": "x"})
    assert until(lambda: watched.query_stats.count_documents({}), 5)


def test_old_figures_are_forgotten(watched):
    watched.query_stats.insert_one({"_id": "old", "day": "2020-01-01", "shape": {}})
    assert query_stats.forget_old() == 1


def test_a_command_that_fails_is_forgotten(watched):
    with pytest.raises(OperationFailure):
        list(watched.messages_current.find({"$nonsense": 1}))
    with pytest.raises(OperationFailure):
        watched.command("aggregate", "messages_current", pipeline=[{"$nonsense": 1}], cursor={})
    connection.write_query_figures()
    assert query_stats.find_shapes(1) == []
    assert connection._connection.listener._pending == {}


def test_with_sampling_off_there_is_no_listener(archive_db):
    query_listener.configure(0)
    assert query_listener.new_listener() is None


def test_of_a_sample_each_stands_for_those_not_looked_at(monkeypatch):
    made = listener(0.25)
    monkeypatch.setattr(query_listener.random, "random", iter([0.1, 0.9, 0.3, 0.8] * 5).__next__)
    for number in range(20):
        made.started(event(QUERY, number=number))
        made.succeeded(event(QUERY, number=number))
    (tally,) = counted(made).values()
    assert tally.count == 20


def test_a_slow_command_is_always_counted_and_as_one(monkeypatch):
    made = listener(0.000001)
    made.started(event(QUERY))
    made.succeeded(event(QUERY, micros=70_000))
    (tally,) = counted(made).values()
    assert (tally.count, tally.max_ms) == (1, 70)


@pytest.mark.parametrize(
    "command",
    [
        {},
        {"find": None},
        {"find": "messages_current", "filter": None, "sort": None},
        {"find": "messages_current", "filter": 5},
        {"find": "messages_current", "filter": [1]},
        {"find": "messages_current", "filter": {"$and": 5}},
        {"find": "messages_current", "filter": {"$and": [None]}},
        {"find": "messages_current", "filter": {1: 2}},
        {"find": "messages_current", "filter": {"a": {1: 2, None: 3}}},
        {"find": "messages_current", "sort": 3},
        {"find": "messages_current", "sort": [("a", 1)]},
        {"aggregate": "messages_current", "pipeline": [{}]},
        {"aggregate": "messages_current", "pipeline": {"a": 1}},
        {"update": "messages_current", "updates": [{}]},
        {"delete": "messages_current", "deletes": 7},
    ],
)
def test_odd_commands_raise_nothing(command):
    made = listener()
    name = next(iter(command), "find")
    made.started(event(command, name=name))
    made.succeeded(event(command, name=name))
    assert made._pending == {}


def test_a_condition_nested_deeply_raises_nothing():
    asked: dict = {"a": 1}
    for _ in range(5_000):
        asked = {"$and": [asked]}
    made = listener()
    made.started(event({"find": "messages_current", "filter": asked}))
    made.succeeded(event({}))
    assert counted(made) == {}


def test_an_end_without_a_beginning_and_another_database_are_passed_over():
    made = listener()
    made.succeeded(event(QUERY))
    made.failed(event(QUERY))
    made.started(event(QUERY))
    made.succeeded(event(QUERY, database="admin"))
    assert counted(made) == {}


def test_memory_is_bounded():
    made = listener()
    for number in range(MOST_PENDING + 10):
        made.started(event(QUERY, number=number))
    assert len(made._pending) <= MOST_PENDING
    for number in range(MOST_SHAPES + 10):
        made.started(event({"find": "messages_current", "filter": {f"f{number}": 1}}, number=-1))
        made.succeeded(event({}, number=-1))
    assert len(made._tallies) == MOST_SHAPES


def test_a_server_that_takes_no_figures_stops_nobody(monkeypatch):
    made = listener()
    made.started(event(QUERY))
    made.succeeded(event(QUERY))
    from pymongo import MongoClient

    with MongoClient("mongodb://127.0.0.1:9/", serverSelectionTimeoutMS=100) as client:
        made.attach(client, "d")
        made.close()
    assert made._tallies == {}


def test_our_part_costs_less_than_a_fiftieth_of_a_command(archive_db):
    """At the sample that is the default, against what the quickest query there is takes on this machine. What the
    driver spends on telling of its commands comes on top: see docs/decisions.md."""
    made = listener(0.1)
    rounds = 2_000
    told = event(QUERY)

    def watch():
        made.started(told)
        made.succeeded(told)

    def timed(work, times):
        best = []
        for _ in range(5):
            begun = time.perf_counter()
            for _ in range(times):
                work()
            best.append((time.perf_counter() - begun) / times)
        return min(best)

    query = timed(lambda: archive_db.messages_current.find_one({"sessionId": "s"}), 200)
    cost = timed(watch, rounds)
    assert cost < query / 50, f"{cost * 1e6:.1f} µs of {query * 1e6:.0f} µs"
