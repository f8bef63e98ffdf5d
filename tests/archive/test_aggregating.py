"""Figures over many partitions are those of one collection that holds everything."""

import math
from datetime import UTC, datetime, timedelta

import pytest
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.objectid import ObjectId
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo import monitoring

from archive import aggregating, connection, partitions, reducing
from archive.aggregating import aggregate
from archive.collections import WARM_MESSAGES
from archive.errors import BadInput, TooLarge
from archive.filters import MessageFilter
from archive.partitions import Tier
from archive.reducing import Average, Count, Distinct, Max, Min, Percentile, Sum
from tests.archive.storing import Storing, message, month

NAMES = ("messages_current", "messages_2025_01", "messages_2025_02", "messages_archive_2024_11", "messages_archive_2024_12", "frozen_2024_10", WARM_MESSAGES)
EVERYTHING = {
    "messages": Count(),
    "output": Sum("usage.output"),
    "cost": Sum("costUsd"),
    "mean": Average("usage.output"),
    "first": Min("timestamp"),
    "last": Max("timestamp"),
    "sessions": Distinct("sessionId"),
    "models": Distinct("model"),
    "median": Percentile("usage.output", 0.5),
    "high": Percentile("usage.output", 0.95),
}


@pytest.fixture
def storing(archive_db):
    found = Storing()
    found.clean()
    yield found
    found.clean()
    partitions.ensure_current()


def put(storing: Storing, placed: dict[str, list[dict]]) -> None:
    """These messages where their partition is."""
    for name, documents in placed.items():
        if name == "messages_current":
            storing.db.partitions.replace_one({"_id": name}, {"tier": "hot", "state": "open"}, upsert=True)
            if documents:
                storing.db[name].insert_many(documents)
        else:
            is_hot = partitions.tier_of(name) == Tier.HOT
            (storing.hot if is_hot else storing.lay)(name, documents)


facts = st.fixed_dictionaries(
    {"place": st.sampled_from(NAMES), "sessionId": st.sampled_from(["a", "ü", "\U0001f600", "zz"])},
    optional={
        "timestamp": st.integers(0, 52 * 86_400).map(lambda second: datetime(2024, 12, 20, tzinfo=UTC) + timedelta(seconds=second)),
        "model": st.sampled_from(["opus", "haiku"]),
        "agentId": st.sampled_from(["one", "two"]),
        "projectId": st.sampled_from([ObjectId("1" * 24), ObjectId("2" * 24)]),
        "output": st.one_of(st.integers(0, 5000), st.integers(0, 2**40)),
        "costUsd": st.decimals("0", "99", places=12).map(Decimal128),
    },
)


def made(number: int, given: dict) -> tuple[str, dict]:
    fields = {name: value for name, value in given.items() if name not in ("place", "output")}
    if "output" in given:
        fields["usage"] = {"output": Int64(given["output"])}
    return given["place"], message(number, **fields)


def plainly(documents: list[dict], by: str) -> dict:
    """The same figures by a loop that knows nothing of the product."""
    groups: dict = {}
    for each in documents:
        groups.setdefault(key_of(each, by), []).append(each)
    return {key: figures(some) for key, some in groups.items()}


def key_of(each: dict, by: str):
    if by == "projectId":
        return str(each[by]) if by in each else None
    at = each.get("timestamp")
    if by == "month":
        return at and at.replace(day=1, hour=0, minute=0, second=0)
    if by == "week":
        return at and at.replace(hour=0, minute=0, second=0) - timedelta(days=at.weekday())
    return each.get(by)


def figures(some: list[dict]) -> dict:
    outputs = [int(each["usage"]["output"]) for each in some if "usage" in each]
    times = [each["timestamp"] for each in some if "timestamp" in each]
    return {
        "messages": len(some),
        "output": sum(outputs),
        "cost": sum(each["costUsd"].to_decimal() for each in some if "costUsd" in each),
        "mean": sum(outputs) / len(outputs) if outputs else None,
        "first": min(times, default=None),
        "last": max(times, default=None),
        "sessions": len({each["sessionId"] for each in some}),
        "models": len({each["model"] for each in some if "model" in each}),
        "outputs": sorted(outputs),
    }


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(facts, max_size=40), st.sampled_from(["model", "projectId", "month", "week", "sessionId", "agentId"]))
def test_figures_over_any_partitions_are_those_of_one_collection(storing, several, by):
    storing.clean()
    placed: dict[str, list[dict]] = {name: [] for name in NAMES}
    for number, given_facts in enumerate(several):
        name, document = made(number, given_facts)
        if name == WARM_MESSAGES and "timestamp" not in document:
            name = NAMES[0]  # what has no time never lies in warm
        placed[name].append(document)
    everything = [each for some in placed.values() for each in some]
    put(storing, placed)
    apart = aggregate(MessageFilter(), [by], EVERYTHING)
    storing.clean()
    put(storing, {"messages_current": everything})
    assert aggregate(MessageFilter(), [by], EVERYTHING).rows == apart.rows
    expected = plainly(everything, by)
    assert [row[by] for row in apart.rows] == sorted(expected, key=lambda key: (key is not None, key))
    for row in apart.rows:
        wanted = expected[row[by]]
        outputs = wanted.pop("outputs")
        assert {name: row[name] for name in wanted} == wanted
        for name, share in (("median", 0.5), ("high", 0.95)):
            if outputs:
                exact = outputs[max(1, math.ceil(share * len(outputs))) - 1]
                assert row[name] == pytest.approx(exact, rel=reducing.RELATIVE_ERROR + 1e-9)
            else:
                assert row[name] is None


@given(st.lists(st.one_of(st.integers(-(10**15), 10**15), st.floats(-1e9, 1e9)), min_size=1), st.floats(0, 1))
def test_a_percentile_of_parts_is_within_its_stated_error(values, share):
    measure = Percentile("seq", share)
    state = measure.empty()
    for value in values:
        state = measure.merge(state, measure.of({"seq": value}))
    exact = sorted(values)[max(1, math.ceil(share * len(values))) - 1]
    assert measure.answer(state) == pytest.approx(exact, rel=reducing.RELATIVE_ERROR + 1e-9)


class Heard(monitoring.CommandListener):
    """Which collections were asked anything."""

    def __init__(self):
        self.asked = []

    def started(self, event):
        self.asked.append((event.command_name, event.command.get(event.command_name)))

    def succeeded(self, event):
        pass

    def failed(self, event):
        pass

    @property
    def aggregated(self) -> set[str]:
        # A moment asks ``counters`` for the catalogue's version.
        return {name for command, name in self.asked if command == "aggregate"} - {"counters"}


@pytest.fixture
def heard(storing):
    """What was asked of which collection."""
    where = connection.configuration()
    listener = Heard()
    connection.configure(where.url, where.name, **where.options, event_listeners=[listener])
    yield listener
    connection.configure(where.url, where.name, **where.options)


def months(storing):
    """Three sealed hot months, a cold and a frozen one, two messages each."""
    placed = {
        "messages_2025_03": [message(n, timestamp=month(3, n + 1)) for n in range(2)],
        "messages_2025_04": [message(10 + n, timestamp=month(4, n + 1)) for n in range(2)],
        "messages_2025_05": [message(20 + n, timestamp=month(5, n + 1)) for n in range(2)],
        "messages_archive_2025_02": [message(30 + n, timestamp=month(2, n + 1), cwd="/x") for n in range(2)],
        "frozen_2025_01": [message(40 + n, timestamp=month(1, n + 1), cwd="/x") for n in range(2)],
    }
    put(storing, placed)


def in_warm(storing) -> list[dict]:
    """Three messages in the time-series, and a copy that a move under way has made of another one."""
    lying = [message(60 + n, timestamp=month(6, n + 1), usage={"output": Int64(n)}, cwd="/x", model="opus") for n in range(3)]
    number = storing.lay(WARM_MESSAGES, lying)
    storing.write(number, [message(70, timestamp=month(6, 9), usage={"output": Int64(9)}, cwd="/x", model="opus")], mark="99#1")
    storing.db.tier_batches.insert_one(
        {"_id": Int64(99), "partition": "", "month": "2025_06", "count": Int64(1), "busy": True, "move": {"target": WARM_MESSAGES, "mark": "99#1"}}
    )
    return lying


def test_warm_messages_are_added_up_by_their_flat_fields_without_copies_under_way(storing, heard):
    in_warm(storing)
    june = MessageFilter(since=month(6), models=("opus",))
    answer = aggregate(june, ["day", "model"], {"n": Count(), "s": Sum("usage.output"), "m": Percentile("usage.output", 1)})
    assert [row["s"] for row in answer.rows] == [0, 1, 2]
    assert [row["n"] for row in answer.rows] == [1, 1, 1]
    assert answer.rows[2]["m"] == pytest.approx(2, rel=0.01)
    assert answer.native == (WARM_MESSAGES,)
    assert heard.aggregated - {"sessions"} == {WARM_MESSAGES}  # sessions: how the time-series was made


def test_warm_messages_are_read_where_flat_fields_do_not_tell(storing):
    in_warm(storing)
    answer = aggregate(MessageFilter(since=month(6)), ["cwd"], {"s": Sum("usage.output")})
    assert answer.rows == [{"cwd": "/x", "s": 3}]
    assert (answer.native, answer.read) == ((), (WARM_MESSAGES,))


def test_partitions_of_another_time_are_not_asked(storing, heard):
    months(storing)
    only_april = MessageFilter(since=month(4), until=month(5))
    answer = aggregate(only_april, ["month"], {"n": Count()})
    assert answer.rows == [{"month": month(4), "n": 2}]
    assert heard.aggregated == {"messages_2025_04"}
    assert answer.native == ("messages_2025_04",)


def test_keys_answer_what_they_know_and_cold_messages_the_rest(storing, heard):
    months(storing)
    winter = MessageFilter(until=month(3))
    assert aggregate(winter, [], {"n": Count(), "s": Distinct("sessionId")}).rows == [{"n": 4, "s": 3}]
    assert heard.aggregated == {"message_keys"}
    heard.asked.clear()
    answer = aggregate(winter, ["cwd"], {"n": Count()})
    assert answer.rows == [{"cwd": "/x", "n": 4}]
    assert (answer.native, answer.read) == (("messages_archive_2025_02",), ("frozen_2025_01",))
    assert heard.aggregated == {"messages_archive_2025_02"}


def test_a_cold_partition_with_copies_under_way_is_read_by_its_keys(storing):
    months(storing)
    storing.db.messages_archive_2025_02.insert_one(message(99, timestamp=month(2, 20), cwd="/x"))
    storing.db.tier_batches.insert_one(
        {"_id": Int64(77), "partition": "", "month": "2025_02", "count": Int64(1), "busy": True, "move": {"target": "messages_archive_2025_02", "state": "copying"}}
    )
    answer = aggregate(MessageFilter(until=month(3)), [], {"n": Count(), "w": Distinct("cwd")})
    assert answer.rows == [{"n": 4, "w": 1}]
    assert answer.read == ("frozen_2025_01", "messages_archive_2025_02")


def test_text_is_looked_for_wherever_messages_lie(storing):
    put(
        storing,
        {
            "messages_2025_03": [message(1, timestamp=month(3), text="the weather in March"), message(2, text="no")],
            "messages_archive_2025_02": [message(3, timestamp=month(2), text="WEATHER")],
            "frozen_2025_01": [message(4, timestamp=month(1), text="weather!"), message(5, text="no")],
        },
    )
    answer = aggregate(MessageFilter(text="weather"), ["month"], {"n": Count()})
    assert answer.rows == [{"month": month(n), "n": 1} for n in (1, 2, 3)]


def test_without_groups_there_is_one_row_even_of_nothing(storing):
    partitions.ensure_current()
    (row,) = aggregate(MessageFilter(), [], EVERYTHING).rows
    assert row == {
        "messages": 0, "output": 0, "cost": 0, "mean": None, "first": None, "last": None,
        "sessions": 0, "models": 0, "median": None, "high": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("by", "make"),
    [
        (["$where"], lambda: {"n": Count()}),
        (["record"], lambda: {"n": Count()}),
        ([], dict),
        (["model"], lambda: {"model": Count()}),
        ([], lambda: {"n": Sum("model")}),
        ([], lambda: {"n": Percentile("seq", 1.5)}),
        ([], lambda: {"n": Distinct("text")}),
    ],
)
def test_what_cannot_be_measured_is_refused_by_name(storing, by, make):
    with pytest.raises(BadInput) as refusal:
        aggregate(MessageFilter(), by, make())
    assert refusal.value.hint


def test_too_many_groups_and_values_are_refused_by_name_and_nothing_is_cut_off(storing, monkeypatch):
    put(storing, {"messages_2025_03": [message(n, sessionId=f"s{n}") for n in range(6)], "messages_2025_04": [message(50 + n, sessionId=f"t{n}") for n in range(6)]})
    monkeypatch.setattr(aggregating, "MOST_GROUPS", 10)
    with pytest.raises(TooLarge) as refusal:
        aggregate(MessageFilter(), ["sessionId"], {"n": Count()})
    assert refusal.value.code == "too_many_groups"
    monkeypatch.setattr(reducing, "MOST_VALUES", 10)
    with pytest.raises(TooLarge) as refusal:
        aggregate(MessageFilter(), [], {"n": Distinct("sessionId")})
    assert refusal.value.code == "too_many_values"
