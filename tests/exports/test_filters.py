"""A filter is understood exactly, or refused with the name of the field."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive.errors import BadInput
from archive.filters import MessageFilter
from exports.filters import FIELDS, BadFilter, asked_of, check_filter, resolve

AT = datetime(2025, 3, 12, 15, 30, tzinfo=UTC)
"""A Wednesday."""


def build_filter(asked: dict[str, Any]) -> MessageFilter:
    """What is asked for, as of ``AT``."""
    return resolve(check_filter(asked), AT)


def test_nothing_asked_is_everything() -> None:
    assert build_filter({}) == MessageFilter()
    assert build_filter({"project": "", "since": "", "until": None, "model": []}) == MessageFilter()


EACH: dict[str, Any] = {
    "project": "a" * 24, "session": ["a", "b", "a"], "tag": "work", "source": "claude-code", "type": ["user"],
    "role": "assistant", "model": ["m"], "tool": ["Bash", ""], "branch": "main", "since": "2025-01-31",
    "until": "2025-02-01T12:00:00+02:00", "text": " 100 % (.*) ", "minCost": 0.1, "maxCost": "20", "subagents": "only",
}  # fmt: skip


def test_each_field_is_understood() -> None:
    assert build_filter(EACH) == MessageFilter(
        project_ids=("a" * 24,),
        session_ids=("a", "b"),
        sources=("claude-code",),
        models=("m",),
        since=datetime(2025, 1, 31, tzinfo=UTC),
        until=datetime(2025, 2, 1, 10, tzinfo=UTC),
        types=("user",),
        roles=("assistant",),
        branches=("main",),
        tools=("Bash",),
        text="100 % (.*)",
        subagents=True,
        tags=("work",),
        min_cost=Decimal("0.1"),
        max_cost=Decimal(20),
    )
    assert {*EACH, "period", "timezone"} == set(FIELDS)


def test_a_form_that_was_left_empty_asks_for_everything() -> None:
    assert check_filter(dict.fromkeys(FIELDS, "")) == {}
    assert check_filter(dict.fromkeys(FIELDS)) == {}
    assert check_filter({"subagents": "yes"}) == {}


def test_zero_is_an_amount() -> None:
    for zero in (0, "0", 0.0, Decimal(0)):
        assert build_filter({"minCost": zero, "maxCost": zero}) == MessageFilter(min_cost=Decimal(0), max_cost=Decimal(0))


def test_what_is_asked_is_what_is_stored() -> None:
    """A period stays one: it is last week whenever it is made, until a job gives it a time."""
    stored = check_filter({"period": "Last-Week", "timezone": "Europe/Berlin", "source": "chatgpt"})
    assert stored == {"sources": ["chatgpt"], "period": "last-week", "timezone": "Europe/Berlin"}
    assert json.loads(json.dumps(stored)) == stored
    assert resolve(stored, AT) == MessageFilter(
        sources=("chatgpt",),
        since=datetime(2025, 3, 2, 23, tzinfo=UTC),
        until=datetime(2025, 3, 9, 23, tzinfo=UTC),
    )
    assert resolve(stored, AT) == resolve(stored, AT)
    assert resolve(stored, AT + timedelta(days=7)).since == datetime(2025, 3, 9, 23, tzinfo=UTC)


def test_times_without_a_zone_are_those_of_the_time_zone() -> None:
    made = build_filter({"timezone": "Europe/Berlin", "since": "2025-03-30", "until": "2025-03-31T00:00:00Z"})
    assert (made.since, made.until) == (datetime(2025, 3, 29, 23, tzinfo=UTC), datetime(2025, 3, 31, tzinfo=UTC))


def test_what_was_stored_before_there_were_periods_means_the_same() -> None:
    old = {"session_ids": ["a"], "since": "2025-01-31T00:00:00+00:00"}
    assert resolve(old, AT) == MessageFilter(session_ids=("a",), since=datetime(2025, 1, 31, tzinfo=UTC))
    assert asked_of(old) == {"session": ["a"], "since": "2025-01-31"}


@pytest.mark.parametrize(
    "stored",
    [{"period": "$now"}, {"period": 7}, {"timezone": "Mars", "period": "today"}, {"text": {"$ne": ""}}, {"nothing": 1}],
)
def test_what_cannot_have_been_stored_is_refused(stored: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        resolve(stored, AT)


ZONES = st.sampled_from(["", "UTC", "Europe/Berlin", "America/Havana", "Pacific/Apia", "Asia/Kathmandu"])
DAYS = st.dates(date(1, 1, 2), date(9999, 12, 30))
ASKED = st.fixed_dictionaries(
    {},
    optional={field: st.just(value) for field, value in EACH.items() if field not in {"since", "until"}}
    | {"timezone": ZONES},
).flatmap(
    lambda asked: st.one_of(
        st.sampled_from(["today", "last-year", "30d", ""]).map(lambda period: {**asked, "period": period}),
        st.one_of(DAYS, st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1))).map(  # noqa: DTZ001
            lambda moment: {**asked, "since": moment.isoformat()}
        ),
    )
)


@given(ASKED)
def test_a_stored_filter_can_be_asked_for_again(asked: dict[str, Any]) -> None:
    stored = check_filter(asked)
    again = asked_of(stored)
    assert json.loads(json.dumps(again)) == again
    assert check_filter(again) == stored


@pytest.mark.parametrize("edge", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
@pytest.mark.parametrize("zone", ["America/Havana", "Pacific/Apia"])
def test_the_ends_of_time_can_be_told(edge: str, zone: str) -> None:
    stored = check_filter({"since": edge, "timezone": zone})
    assert check_filter(asked_of(stored)) == stored


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2025-01-31", datetime(2025, 1, 31, tzinfo=UTC)),
        ("2025-01-31T10:00:00", datetime(2025, 1, 31, 10, tzinfo=UTC)),
        ("2025-01-31T10:00:00Z", datetime(2025, 1, 31, 10, tzinfo=UTC)),
        ("2025-01-31T10:00:00.5-05:30", datetime(2025, 1, 31, 15, 30, 0, 500000, tzinfo=UTC)),
        (date(2025, 1, 31), datetime(2025, 1, 31, tzinfo=UTC)),
        (" 2025-01-31 ", datetime(2025, 1, 31, tzinfo=UTC)),
        ("", None),
    ],
)
def test_times_are_read_as_utc(value: object, moment: datetime | None) -> None:
    assert build_filter({"since": value}).since == moment


HOSTILE: list[tuple[str, dict[str, Any]]] = [
    ("$where", {"$where": "sleep(1000)"}),
    ("projectId", {"projectId": "x"}),
    ("session", {"session": {"$ne": None}}),
    ("session", {"session": [{"$gt": ""}]}),
    ("project", {"project": [["nested"]]}),
    ("model", {"model": 7}),
    ("model", {"model": True}),
    ("source", {"source": "a\x00b"}),
    ("source", {"source": "x" * 600}),
    ("model", {"model": "\ud800"}),
    ("session", {"session": ["s"] * 1001}),
    ("since", {"since": "yesterday"}),
    ("since", {"since": 1735689600}),
    ("since", {"since": ["2025-01-01"]}),
    ("since", {"since": {"$date": "2025-01-01"}}),
    ("until", {"until": "2025-02-30"}),
    ("until", {"until": "0001-01-01T00:00:00+10:00"}),
    ("until", {"until": "9999-12-31T23:59:59-10:00"}),
    ("tag", {"tag": {"$exists": False}}),
    ("type", {"type": {"$in": ["user"]}}),
    ("role", {"role": [{"$ne": "user"}]}),
    ("tool", {"tool": {"$elemMatch": {"name": "Bash"}}}),
    ("tool", {"tool": ["t"] * 1001}),
    ("branch", {"branch": "a\nb"}),
    ("text", {"text": {"$regex": ".*"}}),
    ("text", {"text": ["a"]}),
    ("text", {"text": 7}),
    ("text", {"text": "x" * 513}),
    ("text", {"text": "\udfff"}),
    ("subagents", {"subagents": "maybe"}),
    ("subagents", {"subagents": True}),
    ("subagents", {"subagents": {"$ne": True}}),
    ("minCost", {"minCost": -0.01}),
    ("minCost", {"minCost": "-1"}),
    ("minCost", {"minCost": float("nan")}),
    ("minCost", {"minCost": float("inf")}),
    ("minCost", {"minCost": "-Infinity"}),
    ("minCost", {"minCost": True}),
    ("minCost", {"minCost": [1]}),
    ("minCost", {"minCost": {"$gt": 0}}),
    ("minCost", {"minCost": "1e999999999"}),
    ("minCost", {"minCost": "1e-400"}),
    ("minCost", {"minCost": 10**300}),
    ("maxCost", {"maxCost": "a lot"}),
    ("maxCost", {"maxCost": "9" * 600}),
    ("maxCost", {"minCost": 2, "maxCost": "1.99"}),
    ("period", {"period": "last-century"}),
    ("period", {"period": "0d"}),
    ("period", {"period": "99999d"}),
    ("period", {"period": 7}),
    ("period", {"period": ["today"]}),
    ("period", {"period": {"$gt": ""}}),
    ("period", {"period": "today", "since": "2025-01-01"}),
    ("period", {"period": "7d", "until": "2025-01-01"}),
    ("timezone", {"timezone": "Europe/Bärlin"}),
    ("timezone", {"timezone": "../../etc/passwd"}),
    ("timezone", {"timezone": "Europe"}),
    ("timezone", {"timezone": "/etc/localtime"}),
    ("timezone", {"timezone": "localtime"}),
    ("timezone", {"timezone": "UTC\x00"}),
    ("timezone", {"timezone": 1}),
    ("timezone", {"timezone": ["UTC"]}),
    ("until", {"since": "2025-02-01", "until": "2025-02-01"}),
    ("until", {"since": "2025-02-01", "until": "2025-01-01"}),
]


@pytest.mark.parametrize(("field", "asked"), HOSTILE, ids=[f"{field}-{number}" for number, (field, _) in enumerate(HOSTILE)])
def test_what_cannot_be_meant_is_refused_by_name(field: str, asked: dict[str, Any]) -> None:
    with pytest.raises(BadFilter) as refused:
        build_filter(asked)
    assert refused.value.field == field
    assert refused.value.message.startswith(field)
    assert refused.value.hint
    assert isinstance(refused.value, BadInput)
    assert len(refused.value.message) < 200
