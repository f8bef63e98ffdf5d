"""Filters are typed: nothing that a person sends can act as an operator, or break a query."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive.errors import BadInput
from archive.filters import MessageFilter

PROJECT = "a" * 24
TIMES = st.integers(-(10**9), 5 * 10**9).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
TEXTS = st.lists(st.text(st.characters(exclude_categories=("Cs",)), max_size=5), max_size=3).map(tuple)


@given(TEXTS, TEXTS, TEXTS, TIMES, st.sampled_from([None, timedelta(1)]))
def test_a_filter_survives_being_written_down(sessions, sources, models, since, span):
    made = MessageFilter((PROJECT,), sessions, sources, models, since, since + span if span else None)
    assert MessageFilter.from_dict(json.loads(json.dumps(made.to_dict()))) == made


def test_an_empty_filter_fits_everything():
    assert MessageFilter().to_query() == {}
    assert MessageFilter.from_dict({}) == MessageFilter()
    assert MessageFilter.from_dict({"since": "", "until": None, "models": []}) == MessageFilter()


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
