"""Streams of messages in one order merged into one, each opened no earlier than its first message may be due.

A page by time over many months is read from the one or two that it lies in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from heapq import heapify, heappop, heapreplace
from typing import Any

from archive.connection import Document
from archive.paging import Order
from archive.partitions import Partition, PartitionState

Place = list[Any]
"""What messages are compared by; the values of the order's keys."""


@dataclass(frozen=True, slots=True)
class Stream:
    """Messages in order, once ``open`` is called. None of them stands before ``begins``, which is the first
    part of a ``Place``; None where that is not known."""

    open: Callable[[], Iterator[Document]]
    begins: Any = None


def place_of(message: Document, order: Order) -> Place:
    """Where a message stands in ``order``, as MongoDB compares: what is missing comes before every value."""
    return [_part(message.get(name), way) for name, way in order]


def reach(partitions: Sequence[Partition], order: Order) -> tuple[Any, Any]:
    """The first parts of the places of what comes first and last of these partitions in ``order``; None for
    both where the catalogue does not tell."""
    name, way = order[0]
    if name != "timestamp" or not partitions:
        return None, None
    times: list[datetime] = []
    for each in partitions:
        if each.state != PartitionState.SEALED or each.since is None or each.until is None:
            return None, None
        times += [each.since, each.until]
    ends = [None if any(each.undated for each in partitions) else min(times), max(times)]
    first, last = ends if way > 0 else reversed(ends)
    return _part(first, way), _part(last, way)


def merged(streams: Sequence[Stream], order: Order, check: Callable[[], None]) -> Iterator[Document]:
    """All messages of the streams in their order. ``check`` is called whenever streams were opened, before
    anything of them is given. Memory is what the open streams hold."""
    waiting = [each for each in streams if each.begins is not None]
    waiting.sort(key=lambda each: _Last(each.begins))
    begun = [_Begun(number, each, order) for number, each in enumerate(streams) if each.begins is None]
    heap = [each for each in begun if each.step()]
    heapify(heap)
    check()
    while heap or waiting:
        while waiting and not (heap and heap[0].place[0] < waiting[-1].begins):
            fresh = _Begun(len(streams) + len(waiting), waiting.pop(), order)
            if fresh.step():
                heap.append(fresh)
                heapify(heap)
            check()
        if len(heap) == 1 and not waiting:
            yield heap[0].message
            yield from heap[0].stream
            return
        if heap:
            first = heap[0]
            yield first.message
            if first.step():
                heapreplace(heap, first)
            else:
                heappop(heap)


class _Begun:
    """A stream that is open, and the message that is its next."""

    __slots__ = ("message", "number", "order", "place", "stream")

    def __init__(self, number: int, stream: Stream, order: Order) -> None:
        self.number, self.order = number, order
        self.stream = stream.open()
        self.message: Document = {}
        self.place: Place = []

    def step(self) -> bool:
        """Go on to the next message; False behind the last one."""
        for message in self.stream:
            self.message, self.place = message, place_of(message, self.order)
            return True
        return False

    def __lt__(self, other: _Begun) -> bool:
        return (self.place, self.number) < (other.place, other.number)


class _Last:
    """Turns an order round."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __lt__(self, other: _Last) -> bool:
        return bool(other.value < self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Last) and bool(self.value == other.value)

    __hash__ = None  # type: ignore[assignment]


def _part(value: Any, way: int) -> Any:
    part = (value is not None, value)
    return part if way > 0 else _Last(part)
