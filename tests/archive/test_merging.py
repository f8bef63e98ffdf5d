"""Streams merged into one: in order, each message once, and no stream opened before its time."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from archive.merging import Stream, merged, place_of, reach
from archive.partitions import Partition, PartitionState, Tier

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
TIME, BACK = (("timestamp", 1), ("_id", 1)), (("timestamp", -1), ("_id", -1))


def message(number, day=None):
    dated = {} if day is None else {"timestamp": BEGIN + timedelta(days=day)}
    return {"_id": number, **dated}


def partition(name, messages, state=PartitionState.SEALED):
    times = [each["timestamp"] for each in messages if "timestamp" in each]
    undated = len(messages) - len(times)
    return Partition(name, Tier.HOT, state, min(times, default=None), max(times, default=None), len(messages), undated=undated)


class Months:
    """Partitions with messages, and which of them were opened, with how many messages given before."""

    def __init__(self, months, order):
        self.months, self.order = months, order
        self.opened, self.given, self.checks = {}, 0, 0

    def stream(self, name):
        def open_():
            self.opened[name] = self.given
            return iter(sorted(self.months[name], key=lambda each: place_of(each, self.order)))

        return Stream(open_, reach([partition(name, self.months[name])], self.order)[0])

    def check(self):
        self.checks += 1

    def merged(self):
        for each in merged([self.stream(name) for name in self.months], self.order, self.check):
            self.given += 1
            yield each


@pytest.mark.parametrize("order", [TIME, BACK])
@pytest.mark.parametrize("seed", range(20))
def test_whatever_lies_where_all_comes_in_order(order, seed):
    chance = random.Random(seed)
    drawn = [message(number, chance.choice([None, *range(60)])) for number in range(200)]
    months = {f"m{number}": drawn[number::7] for number in range(chance.randint(1, 7))}
    expected = sorted((each for some in months.values() for each in some), key=lambda each: place_of(each, order))
    assert list(Months(months, order).merged()) == expected


def test_months_are_opened_one_after_the_other_and_checked_each_time():
    months = Months({f"m{month}": [message(10 * month + day, 30 * month + day) for day in range(5)] for month in (2, 0, 1)}, TIME)
    found = months.merged()
    assert [next(found)["_id"] for _ in range(5)] == [0, 1, 2, 3, 4]
    assert months.opened == {"m0": 0}
    assert [each["_id"] for each in found] == [10, 11, 12, 13, 14, 20, 21, 22, 23, 24]
    assert months.opened == {"m0": 0, "m1": 5, "m2": 10}
    assert months.checks == 4  # once for what has to be opened at once, of which there is nothing here


def test_backwards_the_last_month_comes_first_and_what_has_no_time_at_the_end():
    months = Months({"old": [message(1, 1), message(0)], "new": [message(2, 40)]}, BACK)
    assert [each["_id"] for each in months.merged()] == [2, 1, 0]
    assert months.opened == {"new": 0, "old": 1}


def test_a_month_with_undated_messages_is_there_from_the_beginning():
    months = Months({"old": [message(1, 1)], "new": [message(2, 40), message(0)]}, TIME)
    assert [each["_id"] for each in months.merged()] == [0, 1, 2]
    assert months.opened["new"] == 0


@pytest.mark.parametrize("state", [PartitionState.OPEN, PartitionState.ROTATING])
def test_of_what_is_not_sealed_nobody_knows_where_it_begins(state):
    assert reach([partition("m", [message(1, 1)], state)], TIME) == (None, None)


def test_by_another_order_nobody_knows_either():
    assert reach([partition("m", [message(1, 1)])], (("sessionId", 1), ("_id", 1))) == (None, None)
    assert reach([], TIME) == (None, None)
