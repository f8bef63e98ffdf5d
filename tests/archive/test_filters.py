"""Filters are typed: nothing that a person sends can act as an operator, or break a query."""

import json
from dataclasses import fields
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from bson.decimal128 import Decimal128
from hypothesis import given
from hypothesis import strategies as st

from archive.errors import BadInput
from archive.filters import MessageFilter

PROJECT = "a" * 24
TIMES = st.integers(-(10**9), 5 * 10**9).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
TEXTS = st.lists(st.text(st.characters(exclude_categories=("Cs",)), max_size=5), max_size=3).map(tuple)


RANGES = st.tuples(TIMES, st.sampled_from([None, timedelta(1)])).map(
    lambda told: {"since": told[0], "until": told[0] + told[1] if told[1] else None}
)
AMOUNTS = st.none() | st.decimals(0, 10**12, allow_nan=False, allow_infinity=False, places=20)
COSTS = st.tuples(AMOUNTS, AMOUNTS).filter(lambda pair: None in pair or pair[0] <= pair[1])
FILTERS = st.builds(
    lambda spans, costs, **more: MessageFilter(**more, **spans, min_cost=costs[0], max_cost=costs[1]),
    spans=RANGES,
    costs=COSTS,
    project_ids=st.sampled_from([(), (PROJECT,)]),
    **dict.fromkeys(
        ("session_ids", "sources", "models", "types", "roles", "branches", "tools", "tags"), TEXTS
    ),
    text=TEXTS.map("".join),
    subagents=st.sampled_from([None, True, False]),
)


@given(FILTERS)
def test_a_filter_survives_being_written_down(made):
    assert MessageFilter.from_dict(json.loads(json.dumps(made.to_dict()))) == made


def test_an_empty_filter_fits_everything():
    assert MessageFilter().to_query() == {}
    assert MessageFilter.from_dict({}) == MessageFilter()
    assert MessageFilter.from_dict({"since": "", "until": None, "models": []}) == MessageFilter()


def test_every_part_of_a_filter_is_asked_of_messages_or_of_sessions():
    """None can be forgotten: each part by itself changes a query."""
    one = {
        "project_ids": (PROJECT,), "text": "x", "subagents": False, "min_cost": Decimal(0), "max_cost": Decimal(0),
        "since": datetime(2026, 1, 1, tzinfo=UTC), "until": datetime(2026, 1, 1, tzinfo=UTC),
    }  # fmt: skip
    for field in fields(MessageFilter):
        made = MessageFilter(**{field.name: one.get(field.name, ("x",))})
        asked_of_session = field.name in {"tags", "min_cost", "max_cost"}
        assert made.chooses_sessions is asked_of_session
        assert bool(made.session_query() if asked_of_session else made.to_query())


def test_what_sessions_know_is_asked_of_them_exactly():
    made = MessageFilter(tags=("$ne",), min_cost=Decimal("0.10"), max_cost=Decimal(2), session_ids=("a",))
    assert made.session_query() == {
        "_id": {"$in": ["a"]},
        "tags": {"$in": ["$ne"]},
        "totalCost": {"$gte": Decimal128("0.10"), "$lte": Decimal128("2")},
    }


def test_values_are_compared_as_they_are():
    query = MessageFilter(session_ids=("$ne", "{'$gt':''}"), models=("$where",)).to_query()
    assert query == {"sessionId": {"$in": ["$ne", "{'$gt':''}"]}, "model": {"$in": ["$where"]}}


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"session_id": ["x"]}, "session_id"),
        ({"$where": "1"}, "$where"),
        ({"models": "x"}, "models"),
        ({"models": {"$ne": None}}, "models"),
        ({"models": [{"$ne": None}]}, "models"),
        ({"models": [1]}, "models"),
        ({"models": None}, "models"),
        ({"session_ids": ["half \ud83d"]}, "session_ids"),
        ({"project_ids": ["x"]}, "x"),
        ({"project_ids": [""]}, "''"),
        ({"tools": {"$elemMatch": {}}}, "tools"),
        ({"tags": [["x"]]}, "tags"),
        ({"branches": [None]}, "branches"),
        ({"roles": "user"}, "roles"),
        ({"types": [b"x"]}, "types"),
        ({"text": {"$regex": "x"}}, "text"),
        ({"text": ["x"]}, "text"),
        ({"text": None}, "text"),
        ({"text": "x" * 1001}, "text"),
        ({"text": "half \ud83d"}, "text"),
        ({"subagents": "no"}, "subagents"),
        ({"subagents": 1}, "subagents"),
        ({"subagents": {"$ne": True}}, "subagents"),
        ({"min_cost": -1}, "min_cost"),
        ({"min_cost": 0.5}, "min_cost"),
        ({"min_cost": True}, "min_cost"),
        ({"min_cost": {"$gt": 0}}, "min_cost"),
        ({"max_cost": "-0.01"}, "max_cost"),
        ({"max_cost": "-0"}, "max_cost"),
        ({"max_cost": "NaN"}, "max_cost"),
        ({"max_cost": "sNaN"}, "max_cost"),
        ({"max_cost": "Infinity"}, "max_cost"),
        ({"max_cost": "1e400"}, "max_cost"),
        ({"max_cost": "1e999999999"}, "max_cost"),
        ({"max_cost": "1e-21"}, "max_cost"),
        ({"max_cost": "much"}, "max_cost"),
        ({"min_cost": "2", "max_cost": "1"}, "min_cost"),
        ({"since": "yesterday"}, "since"),
        ({"since": 5}, "since"),
        ({"since": ["2026"]}, "since"),
        ({"until": "0001-01-01T00:00+14:00"}, "until"),
        ({"until": "9999-12-31T23:59-12:00"}, "until"),
        ({"since": "2026-02-01", "until": "2026-02-01"}, "since"),
        ({"since": "2026-02-02", "until": "2026-02-01"}, "since"),
    ],
)
def test_what_is_wrong_is_named(given, named):
    with pytest.raises(BadInput) as caught:
        MessageFilter.from_dict(given)
    assert named in caught.value.message
    assert caught.value.hint


def test_times_without_a_zone_are_utc():
    made = MessageFilter.from_dict(
        {"since": "2026-01-31", "until": datetime(2026, 2, 1, 12, tzinfo=timezone(timedelta(hours=2)))}
    )
    assert made.since == datetime(2026, 1, 31, tzinfo=UTC)
    assert made.until == datetime(2026, 2, 1, 10, tzinfo=UTC)
