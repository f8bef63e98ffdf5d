"""When schedules are due: exact in every zone, across every leap of the clocks."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exports.calendar import FREQUENCIES, Rule, build_rule, last_due, next_time
from exports.filters import BadFilter
from exports.reading import zone_names

ODD_ZONES = [
    "UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Nuuk", "Pacific/Apia",
    "Asia/Kathmandu", "Africa/Casablanca", "America/Havana", "Asia/Beirut", "Pacific/Chatham", "America/Sao_Paulo",
]  # fmt: skip

zones = st.sampled_from(ODD_ZONES) | st.sampled_from(zone_names())
rules = st.builds(
    Rule,
    st.sampled_from(FREQUENCIES),
    st.integers(0, 6),
    st.integers(1, 28),
    st.builds(time, st.integers(0, 23), st.integers(0, 59)),
    zones,
)
# Hypothesis wants the bounds without a zone.
BOUNDS = (datetime(1980, 1, 1, tzinfo=UTC).replace(tzinfo=None), datetime(2090, 1, 1, tzinfo=UTC).replace(tzinfo=None))
moments = st.datetimes(*BOUNDS, timezones=st.just(UTC))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def wall(moment: datetime, rule: Rule) -> datetime:
    """What the clocks of the zone show."""
    return moment.astimezone(ZoneInfo(rule.time_zone)).replace(tzinfo=None)


def day_meant(moment: datetime, rule: Rule) -> datetime:
    """The day and time that the rule means by this moment, which the clocks show or leap over."""
    shown = wall(moment, rule)
    if shown.time() == rule.time_of_day:
        return shown
    before = wall(moment - timedelta(seconds=1), rule)
    for day in (before.date(), shown.date()):
        meant = datetime.combine(day, rule.time_of_day)
        if before < meant < shown:
            return meant
    raise AssertionError(f"{moment} shows {shown}, and nothing was leapt over")


@given(rules, moments)
def test_it_is_strictly_later_and_the_clocks_show_the_time_or_leap_over_it(rule: Rule, after: datetime) -> None:
    due = next_time(rule, after)
    assert due > after
    assert due.tzinfo is UTC
    assert rule.fits(day_meant(due, rule).date())


@given(rules, moments)
def test_no_day_has_two_and_none_that_fits_is_left_out(rule: Rule, after: datetime) -> None:
    first = next_time(rule, after)
    second = next_time(rule, first)
    day, last = day_meant(first, rule).date() + timedelta(days=1), day_meant(second, rule).date()
    assert last >= day
    while day < last:
        assert not rule.fits(day) or is_left_out(day, rule)
        day += timedelta(days=1)


def is_left_out(day: Any, rule: Rule) -> bool:
    """Whether the zone's calendar has no such day at all: no minute of it is ever shown."""
    begin = datetime.combine(day, time(0), UTC) - timedelta(hours=30)
    return all(wall(begin + timedelta(minutes=minute), rule).date() != day for minute in range(0, 84 * 60, 15))


@given(rules, moments)
def test_nothing_is_due_in_between(rule: Rule, after: datetime) -> None:
    """Minute by minute, for a day: where the clocks show the time for the first time, that is the moment."""
    due = next_time(rule, after)
    minute = after.replace(second=0, microsecond=0) + timedelta(minutes=1)
    for _ in range(26 * 60):
        local = minute.astimezone(ZoneInfo(rule.time_zone))
        if minute >= due:
            break
        is_time = (local.hour, local.minute, local.second) == (rule.time_of_day.hour, rule.time_of_day.minute, 0)
        assert not (is_time and local.fold == 0 and rule.fits(local.date()))
        minute += timedelta(minutes=1)


@given(rules, moments, st.timedeltas(timedelta(0), timedelta(days=120)))
def test_the_last_that_is_due_is_the_one_before_the_next(rule: Rule, first: datetime, down: timedelta) -> None:
    begun = next_time(rule, first)
    last = last_due(rule, begun, begun + down)
    assert begun <= last <= begun + down < next_time(rule, last)


@pytest.mark.parametrize(
    ("zone", "at", "after", "due"),
    [
        ("Europe/Berlin", "02:30", "2026-03-28 12:00", "2026-03-29 01:00"),  # 2:00 becomes 3:00
        ("Europe/Berlin", "03:00", "2026-03-28 12:00", "2026-03-29 01:00"),
        ("Europe/Berlin", "02:30", "2026-03-29 01:00", "2026-03-30 00:30"),
        ("Europe/Berlin", "02:30", "2026-10-24 12:00", "2026-10-25 00:30"),  # 3:00 becomes 2:00: the first 2:30
        ("Europe/Berlin", "02:30", "2026-10-25 00:30", "2026-10-26 01:30"),  # and not the second
        ("America/Havana", "00:15", "2026-03-07 12:00", "2026-03-08 05:00"),  # midnight becomes 1:00
        ("America/Nuuk", "23:30", "2026-03-28 12:00", "2026-03-29 01:00"),  # 23:00 becomes the next day
        ("Australia/Lord_Howe", "02:15", "2026-10-03 00:00", "2026-10-03 15:30"),  # half an hour only
        ("Pacific/Apia", "03:00", "2011-12-29 13:30", "2011-12-30 13:00"),  # there was no 30 December
    ],
)
def test_leaps_of_the_clocks(zone: str, at: str, after: str, due: str) -> None:
    rule = build_rule({"frequency": "daily", "timeOfDay": at, "timezone": zone})
    assert next_time(rule, utc(after)) == utc(due)


def test_weeks_and_months() -> None:
    weekly = build_rule({"frequency": "weekly", "weekday": 4, "timeOfDay": "17:30", "timezone": "Asia/Tokyo"})
    assert next_time(weekly, utc("2026-11-24 00:00")) == utc("2026-11-27 08:30")
    monthly = build_rule({"frequency": "monthly", "monthday": 28, "timeOfDay": "00:00"})
    assert next_time(monthly, utc("2026-01-28 00:00")) == utc("2026-02-28 00:00")


def test_a_rule_is_told_in_words() -> None:
    assert str(Rule()) == "every Monday at 03:00 UTC"
    assert str(Rule("daily", time_of_day=time(17, 30), time_zone="Asia/Tokyo")) == "every day at 17:30 Asia/Tokyo"
    assert str(Rule("monthly", monthday=3)) == "every month on day 3 at 03:00 UTC"


def test_what_is_not_named_stays() -> None:
    rule = Rule("daily", 3, 7, time(4, 5), "Europe/Berlin")
    assert build_rule({"weekday": None, "preset": 3}, rule) == rule
    assert build_rule({"weekday": "6"}, rule).weekday == 6


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("frequency", "hourly"), ("frequency", {"$ne": 1}), ("frequency", True), ("frequency", ""),
        ("weekday", 7), ("weekday", -1), ("weekday", True), ("weekday", 1.5), ("weekday", "Monday"), ("weekday", "٣"),
        ("weekday", 10**400), ("monthday", 0), ("monthday", 29), ("monthday", [1]), ("monthday", "1\n2"),
        ("timeOfDay", "24:00"), ("timeOfDay", "3"), ("timeOfDay", "03:00:01"), ("timeOfDay", 3), ("timeOfDay", "٠٣:٠٠"),
        ("timezone", "../../etc"), ("timezone", "/etc/passwd"), ("timezone", "../../etc/passwd"), ("timezone", ""),
        ("timezone", "localtime"), ("timezone", "europe/berlin"), ("timezone", "a\x00b"), ("timezone", "x" * 10_000),
        ("timezone", "Europe"), ("timezone", "posix/UTC"), ("timezone", ["UTC"]), ("timezone", "\ud800"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(BadFilter) as refused:
        build_rule({field: value})
    assert refused.value.field == field
    assert refused.value.hint
    assert len(str(refused.value)) < 200


def test_a_zone_that_is_nearly_right_is_suggested() -> None:
    with pytest.raises(BadFilter) as refused:
        build_rule({"timezone": "europe/berlin"})
    assert refused.value.hint == "Did you mean Europe/Berlin?"
