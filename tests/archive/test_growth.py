"""Growth and forecast: pure arithmetic over days."""

import random
from datetime import date, timedelta

import pytest

from archive.growth import forecast, growth_of

TODAY = date(2026, 11, 24)


def days(*amounts: int, last: date = TODAY) -> list[tuple[date, int]]:
    first = last - timedelta(days=len(amounts) - 1)
    return [(first + timedelta(days=place), amount) for place, amount in enumerate(amounts)]


def test_steady_growth_is_told_exactly_with_no_width():
    growth = growth_of(days(*(1000 + 70 * day for day in range(30))))

    assert (growth.per_day, growth.low, growth.high, growth.days) == (70, 70, 70, 30)


def test_one_day_of_a_hundred_fold_does_not_bend_the_slope():
    amounts = [100 * day for day in range(60)]
    amounts[30:] = [amount + 50_000 for amount in amounts[30:]]  # a year's transcripts came in at once

    growth = growth_of(days(*amounts))

    mean = (amounts[-1] - amounts[0]) / 59
    assert mean > 900, "the plain slope between the ends is nine times too steep"
    assert growth.per_day == growth.low == 100


def test_days_of_work_and_days_of_rest_come_to_what_a_week_comes_to():
    amounts = [0]
    for day in range(60):
        amounts.append(amounts[-1] + (0 if day % 7 in (5, 6) else 700))

    assert 480 <= growth_of(days(*amounts)).per_day <= 520


def test_a_single_spike_that_goes_away_again_changes_nothing():
    amounts = [10 * day for day in range(40)]
    amounts[20] = 1_000_000

    assert growth_of(days(*amounts)).per_day == 10


def test_gaps_and_order_do_not_matter():
    points = days(*(5 * day for day in range(50)))
    some = random.Random(4).sample(points, 20)

    assert growth_of(some).per_day == 5


def test_the_true_slope_lies_in_the_range_about_nineteen_times_of_twenty():
    chance = random.Random(7)
    held = 0
    for _ in range(200):
        growth = growth_of(days(*(round(1000 * day + chance.gauss(0, 4000)) for day in range(90))))
        held += growth.low <= 1000 <= growth.high
    assert held >= 188


@pytest.mark.parametrize("amounts", [(), (1,), (1, 2)])
def test_of_fewer_than_three_days_nothing_is_told(amounts):
    assert growth_of(days(*amounts)) is None


def test_two_measurements_of_one_day_are_one_point_and_the_later_one_counts():
    assert growth_of([(TODAY, 1), (TODAY, 5), (TODAY, 9)]) is None


def test_the_disk_is_full_when_what_is_left_is_divided_by_the_growth():
    growth = growth_of(days(*(100 * day for day in range(30))))

    told = forecast(2_900, 4_000, growth, TODAY)

    assert told.day == told.earliest == told.latest == TODAY + timedelta(days=11)


def test_the_range_of_the_forecast_comes_from_that_of_the_growth():
    chance = random.Random(3)
    growth = growth_of(days(*(round(1000 * day + chance.gauss(0, 1000)) for day in range(90))))

    told = forecast(90_000, 460_000, growth, TODAY)

    assert told.earliest < told.day < told.latest
    assert told.earliest <= TODAY + timedelta(days=370) <= told.latest
    assert abs((told.day - TODAY).days - 370) < 40


@pytest.mark.parametrize("step", [0, -50])
def test_what_does_not_grow_is_never_full(step):
    assert forecast(500, 1_000, growth_of(days(*(5000 + step * day for day in range(20)))), TODAY) is None


def test_what_would_be_full_in_hundreds_of_years_is_not_foretold():
    assert forecast(0, 10**15, growth_of(days(*range(20))), TODAY) is None


def test_there_is_no_latest_day_where_it_may_not_grow_at_all():
    amounts = [0, 10, 3, 12, 5, 9, 14, 6, 13]

    told = forecast(13, 100, growth_of(days(*amounts)), TODAY)

    assert told.day > TODAY
    assert told.latest is None


def test_a_disk_that_is_full_already_is_full_today():
    growth = growth_of(days(1, 2, 3))

    assert forecast(120, 100, growth, TODAY).day == TODAY


def test_a_disk_of_unknown_size_is_not_foretold():
    assert forecast(5, 0, growth_of(days(1, 2, 3)), TODAY) is None
