"""Watches the product's own queries on partitions: how often each shape is asked, and how long it takes.

Every command that is slow is counted, and of the quick ones a sample, each standing for those that were not
looked at. What is counted is kept in memory and written in bulk now and then; what a process had not written
when it was killed is lost, and nothing else depends on it. Nothing here makes a command fail or wait.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bson.int64 import Int64
from pymongo import MongoClient, UpdateOne, timeout
from pymongo.errors import PyMongoError
from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)

from archive.collections import QUERY_STATS
from archive.query_shapes import COMMANDS, Shape, shape_of

logger = logging.getLogger(__name__)

SLOW_MS = 50.0
FLUSH_SECONDS = 10.0
WRITE_SECONDS = 2.0
MOST_SHAPES = 500
MOST_PENDING = 10_000
# What a command that is not as the driver makes them can do to us.
ODD = (TypeError, ValueError, KeyError, IndexError, AttributeError, RecursionError, RuntimeError)


class _Settings:
    sample = 0.0


def configure(sample: float) -> None:
    """Of how many quick commands one is counted: 0.1 is each tenth, 1 is all, 0 switches all watching off.

    Clients that are open already go on as they were.
    """
    _Settings.sample = min(1.0, max(0.0, sample))


def new_listener() -> QueryListener | None:
    """A listener for one client; None where watching is off."""
    return QueryListener(_Settings.sample) if _Settings.sample else None


@dataclass(slots=True)
class Tally:
    """What a shape came to on one day; ``count`` is an estimate where only a sample was counted."""

    shape: Shape
    count: float = 0
    total_ms: float = 0
    max_ms: float = 0

    def add(self, milliseconds: float, weight: float) -> None:
        """Count one command that stands for ``weight`` of them."""
        self.count += weight
        self.total_ms += weight * milliseconds
        self.max_ms = max(self.max_ms, milliseconds)


class QueryListener(CommandListener):
    """One client's; give it the client with ``attach``. Threads may use the client as they like."""

    def __init__(self, sample: float) -> None:
        self._sample = sample
        self._pending: dict[int, Mapping[str, Any]] = {}
        self._tallies: dict[tuple[str, str], Tally] = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._writer: threading.Thread | None = None
        self._client: MongoClient[dict[str, Any]] | None = None
        self._database = ""

    def attach(self, client: MongoClient[dict[str, Any]], database: str) -> None:
        """Whose commands these are, and where the figures go."""
        self._client, self._database = client, database

    def started(self, event: CommandStartedEvent) -> None:
        """Remember the command until it has ended."""
        if event.command_name not in COMMANDS:
            return
        if len(self._pending) >= MOST_PENDING:
            self._pending.clear()
        self._pending[event.request_id] = event.command

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Count it, if it is slow or in the sample."""
        command = self._pending.pop(event.request_id, None)
        if command is None or event.database_name != self._database:
            return
        milliseconds = event.duration_micros / 1000
        if milliseconds >= SLOW_MS:
            self._count(event.command_name, command, milliseconds, 1.0)
        elif random.random() < self._sample:  # noqa: S311 a sample, not a secret
            self._count(event.command_name, command, milliseconds, 1.0 / self._sample)

    def failed(self, event: CommandFailedEvent) -> None:
        """Forget it."""
        self._pending.pop(event.request_id, None)

    def _count(self, name: str, command: Mapping[str, Any], milliseconds: float, weight: float) -> None:
        try:
            shape = shape_of(name, command)
        except ODD:
            return
        if shape is None:
            return
        key = (f"{datetime.now(UTC):%Y-%m-%d}", shape.key)
        with self._lock:
            tally = self._tallies.get(key)
            if tally is None:
                if len(self._tallies) >= MOST_SHAPES:
                    return
                tally = self._tallies[key] = Tally(shape)
            tally.add(milliseconds, weight)
            self._start_writer()

    def _start_writer(self) -> None:
        if self._writer is None and not self._ended.is_set():
            self._writer = threading.Thread(target=self._write_on, name="query-stats", daemon=True)
            self._writer.start()

    def _write_on(self) -> None:
        while not self._ended.wait(FLUSH_SECONDS):
            self.flush()

    def flush(self) -> None:
        """Write what was counted since the last time. A server that does not take it within two seconds
        does not get it."""
        with self._lock:
            tallies, self._tallies = self._tallies, {}
        if not tallies or self._client is None:
            return
        try:
            with timeout(WRITE_SECONDS):
                figures = self._client[self._database][QUERY_STATS]
                figures.bulk_write([_update(*key, each) for key, each in tallies.items()], ordered=False)
        except (PyMongoError, RuntimeError) as error:  # RuntimeError: the interpreter is ending
            logger.debug("query figures were not written: %s", error)

    def close(self) -> None:
        """Write the rest, and stop."""
        self._ended.set()
        self.flush()


def _update(day: str, key: str, tally: Tally) -> UpdateOne:
    facts = {"day": day, "shape": tally.shape.to_document()}
    sums = {"count": Int64(round(tally.count)), "totalMs": tally.total_ms}
    change = {"$inc": sums, "$max": {"maxMs": tally.max_ms}, "$setOnInsert": facts}
    return UpdateOne({"_id": f"{day} {key}"}, change, upsert=True)
