"""Bars and plots as coordinates: pure."""

from datetime import date, timedelta

import pytest

from archive.growth import Growth
from archive.storage_figures import Disk
from maintenance.storage.charts import HEIGHT, WIDTH, bar, disk_plot, growth_plot
from maintenance.storage.forecasting import Day, outlook

TODAY = date(2026, 11, 24)


def days(count, a_day=100, total=10_000):
    return [
        Day(
            TODAY - timedelta(days=back),
            {"hot": 5_000 - a_day * back, "warm": 1_000, "cold": 0, "frozen": 0, "others": 50},
            {"hot": 10, "warm": 5, "cold": 0, "frozen": 0},
            Disk(total, 6_000 - a_day * back),
        )
        for back in reversed(range(count))
    ]


def points(shape):
    return [tuple(map(float, each.split(","))) for each in shape.points.split()]


def test_a_bar_is_full_and_its_parts_do_not_touch():
    segments = bar({"hot": 0.5, "warm": 0.3, "cold": 0.2, "frozen": 0})

    assert [each.name for each in segments] == ["hot", "warm", "cold"]
    assert segments[-1].x + segments[-1].width == pytest.approx(WIDTH, abs=0.5)
    for left, right in zip(segments, segments[1:], strict=False):
        assert right.x > left.x + left.width


def test_the_thousandth_part_can_be_seen():
    assert bar({"hot": 0.9999, "frozen": 0.0001})[1].width > 4


@pytest.mark.parametrize("shares", [{}, {"hot": 0.0, "warm": 0.0}])
def test_of_nothing_there_is_no_bar(shares):
    assert bar(shares) == []


def test_tiers_are_stacked_and_those_with_nothing_are_left_out():
    plot = growth_plot(days(10))

    assert [shape.name for shape in plot.shapes] == ["hot", "warm", "others"]
    hot, warm = points(plot.shapes[0]), points(plot.shapes[1])
    assert warm[10:] == hot[:10][::-1], "warm stands on what hot reaches"
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in hot + warm)
    assert (plot.days[0], plot.days[-1]) == (TODAY - timedelta(days=9), TODAY)
    assert plot.values == ["8 KiB", "6 KiB", "4 KiB", "2 KiB", "0 B"]


def test_one_day_is_no_plot():
    assert growth_plot(days(1)) is None
    assert disk_plot(days(1), Disk(10, 5), outlook(days(1), Disk(10, 5), TODAY, 90), TODAY, 90) is None


def test_the_foretold_line_begins_today_and_ends_at_the_top():
    past, now = days(40), Disk(10_000, 6_000)

    plot = disk_plot(past, now, outlook(past, now, TODAY, 90), TODAY, 90)

    shapes = {shape.name: points(shape) for shape in plot.shapes}
    assert shapes["used"][-1] == shapes["foretold"][0]
    assert shapes["foretold"][0][0] == pytest.approx(plot.today, abs=0.1)
    assert shapes["foretold"][-2][1] == shapes["foretold"][-1][1] == 0, "full, and no fuller"
    assert shapes["foretold"][-1][0] == WIDTH
    assert points(plot.marks[0]) == [(0, 30), (WIDTH, 30)], "jobs wait from 90 % on"


def test_a_shrinking_disk_ends_at_the_bottom_and_is_never_full():
    past, now = days(40, a_day=-100, total=100_000), Disk(100_000, 300)

    told = outlook(past, now, TODAY, 90)
    plot = disk_plot(past, now, told, TODAY, 90)

    assert told.full is None
    assert isinstance(told.disk, Growth)
    line = next(points(shape) for shape in plot.shapes if shape.name == "foretold")
    assert line[-1] == (WIDTH, HEIGHT)
