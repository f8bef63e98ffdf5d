"""Bars and plots as coordinates, for SVG that the page stretches to its width. Pure.

x runs from 0 to 1000 and y from 0 (above) to 300; words stand beside the drawing, so that they are not
stretched with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from archive.growth import Growth
from archive.storage_figures import Disk
from jobs.wording import human_bytes
from maintenance.storage.forecasting import SERIES, Day, Outlook

WIDTH, HEIGHT = 1000.0, 300.0
GAP = 3.0
THINNEST = 6.0
LINES = 4
LEAST_AHEAD, MOST_AHEAD = 30, 730


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a bar."""

    name: str
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Shape:
    """A polygon or a line: its points as SVG has them."""

    name: str
    points: str


@dataclass(frozen=True, slots=True)
class Plot:
    """What is drawn, and what stands beside it: values from above to below, days from left to right."""

    shapes: Sequence[Shape]
    values: Sequence[str]
    days: Sequence[date]
    lines: Sequence[float]
    today: float | None = None
    marks: Sequence[Shape] = ()


def bar(shares: Mapping[str, float]) -> list[Segment]:
    """The parts of a whole side by side; what is there at all can be seen. Nothing where nothing is."""
    there = {name: share for name, share in shares.items() if share > 0}
    room = WIDTH - GAP * (len(there) - 1)
    wide = {name: max(share / sum(there.values()) * room, THINNEST) for name, share in there.items()}
    factor = room / sum(wide.values()) if wide else 1.0
    segments: list[Segment] = []
    x = 0.0
    for name, width in wide.items():
        segments.append(Segment(name, _rounded(x), _rounded(width * factor)))
        x += width * factor + GAP
    return segments


def growth_plot(days: Sequence[Day]) -> Plot | None:
    """The archive's bytes by tier, one above the other; None for fewer than two days."""
    if len(days) < 2:
        return None
    step, top = _scale(max(day.total for day in days))
    first, last = days[0].day, days[-1].day
    xs = [_x(day.day, first, last) for day in days]
    below = [0] * len(days)
    shapes = []
    for name in SERIES:
        above = [low + day.taken[name] for low, day in zip(below, days, strict=True)]
        if above != below:
            edge = [*zip(xs, above, strict=True), *reversed(list(zip(xs, below, strict=True)))]
            shapes.append(Shape(name, _points(edge, top)))
        below = above
    values = [_value(step * place) for place in range(LINES, -1, -1)]
    return Plot(shapes, values, _dates(first, last), _lines())


def disk_plot(days: Sequence[Day], disk: Disk, told: Outlook, today: date, pause_percent: int) -> Plot | None:
    """The disk that is used, as it was and as it is foretold; None where nothing is known of it."""
    if len(days) < 2 or not disk.total:
        return None
    first, last = days[0].day, today + timedelta(days=_ahead(days, told, today))
    x_today = _x(today, first, last)
    used = [(_x(day.day, first, last), day.disk.used) for day in days]
    shapes = [Shape("used", _points([*used, (x_today, disk.used)], disk.total))]
    if told.disk is not None:
        shapes[:0] = _foretold(told.disk, disk, x_today, (last - today).days)
    pause = disk.total * pause_percent // 100
    marks = [Shape("pause", _points([(0, pause), (WIDTH, pause)], disk.total))]
    values = [f"{100 * place // LINES} %" for place in range(LINES, -1, -1)]
    return Plot(shapes, values, _dates(first, last), _lines(), x_today, marks)


def _ahead(days: Sequence[Day], told: Outlook, today: date) -> int:
    """How far to look ahead: until the disk is full, or as far as we look back."""
    back = (today - days[0].day).days
    wanted = (told.full.day - today).days + 7 if told.full else back
    return min(max(wanted, LEAST_AHEAD), MOST_AHEAD, max(3 * back, LEAST_AHEAD))


def _foretold(growth: Growth, disk: Disk, x: float, days: int) -> list[Shape]:
    """The range as an area, and the growth itself as a line; both end where the disk does."""
    edge = [(x, disk.used), *_ray(growth.high, disk, x, days), *_ray(growth.low, disk, x, days)[::-1]]
    line = [(x, disk.used), *_ray(growth.per_day, disk, x, days)]
    return [Shape("range", _points(edge, disk.total)), Shape("foretold", _points(line, disk.total))]


def _ray(per_day: float, disk: Disk, x: float, days: int) -> list[tuple[float, float]]:
    """Where a line of this slope ends; one that meets the top or the bottom goes on along it."""
    end = disk.used + per_day * days
    bound = min(max(end, 0.0), float(disk.total))
    if bound == end:
        return [(WIDTH, end)]
    met = (bound - disk.used) / (end - disk.used)
    return [(x + (WIDTH - x) * met, bound), (WIDTH, bound)]


def _x(day: date, first: date, last: date) -> float:
    return WIDTH * (day - first).days / max((last - first).days, 1)


def _points(points: Iterable[tuple[float, float]], top: float) -> str:
    return " ".join(f"{_rounded(x):g},{_rounded(HEIGHT * (1 - y / top)):g}" for x, y in points)


def _rounded(number: float) -> float:
    return round(number, 1)


def _lines() -> list[float]:
    return [HEIGHT * place / LINES for place in range(LINES + 1)]


def _dates(first: date, last: date) -> list[date]:
    """The first day, the one in the middle, the last."""
    return [first, first + (last - first) / 2, last]


def _scale(most: int) -> tuple[int, int]:
    """A round step, four of which hold ``most``, and those four."""
    unit = 1
    while unit * 1024 * LINES < most:
        unit *= 1024
    for factor in (1, 2, 5, 10, 20, 50, 100, 200, 250, 500):
        if unit * factor * LINES >= most:
            return unit * factor, unit * factor * LINES
    return unit * 1024, unit * 1024 * LINES


def _value(size: int) -> str:
    return human_bytes(size).replace(".0 ", " ")
