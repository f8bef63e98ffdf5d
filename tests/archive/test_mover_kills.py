"""Moves between tiers whose process, or whose database, is killed at any moment while readers count: every
message is there once, always, and is what it was."""

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import bson
import pytest
from bson.int64 import Int64
from bson.objectid import ObjectId

from archive import connection, moments, mover, object_store, reader, recalling
from archive.aggregating import aggregate
from archive.errors import Unavailable
from archive.indexes import ensure_indexes
from archive.partitions import Tier
from archive.reader import MessageFilter
from archive.reducing import Count, Sum
from tests import run as test_run
from tests.archive import mover_child
from tests.archive.mover_child import Given
from tests.archive.storing import message
from tests.imports.test_kills import own_mongod  # noqa: F401 the fixture of a server that may be killed
from tests.waiting import until

POINTS = ("entered", "copied", "verified", "committed", "swept", "recalled")
MESSAGES = 120
FIRST = datetime(2026, 1, 30, tzinfo=UTC)

pytestmark = pytest.mark.timeout(300)


def made(number: int) -> dict[str, Any]:
    """A message: of two months, some without a time, of a few sessions and projects."""
    more: dict[str, Any] = {
        "timestamp": FIRST + timedelta(hours=number),
        "importedAt": FIRST,
        "importId": "import",
        "projectId": ObjectId(f"{number % 2 + 1:024}"),
        "model": f"model-{number % 2}",
        "role": "user",
        "usage": {"output": Int64(number)},
        "text": f"Message {number}. " * (number % 40),
    }
    if number % 17 == 0:
        del more["timestamp"]
    return message(number, **more)


@dataclass
class Readers:
    """Threads that read all the time. What they saw wrong stands in ``wrong``."""

    expected: dict[bytes, bytes]
    wrong: list[str] = field(default_factory=list)
    looks: Counter[str] = field(default_factory=Counter)
    away: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    def ids(self) -> str:
        """The ids of all cards at one moment."""

        def find(moment: Any) -> Counter[bytes]:
            return Counter(
                bytes(each["_id"])
                for name in moment.cards()
                for each in connection.collection(name).find({}, {"_id": 1}, session=moment.session)
            )

        return self._compared(moments.at_one_moment(find))

    def scan(self) -> str:
        """Whole messages, in order."""
        found = list(reader.scan_messages(MessageFilter(), batch_size=50))
        for each in found:
            if bson.encode(each) != self.expected.get(bytes(each["_id"])):
                return f"message {each['seq']} is not what it was"
        return self._compared(Counter(bytes(each["_id"]) for each in found))

    def sums(self) -> str:
        """Figures, for which places are asked directly."""
        rows = aggregate(MessageFilter(), ["model"], {"n": Count(), "sum": Sum("usage.output")}).rows
        told = (sum(each["n"] for each in rows), sum(each["sum"] for each in rows))
        return "" if told == (MESSAGES, sum(range(MESSAGES))) else f"sums are {told}"

    def _compared(self, found: Counter[bytes]) -> str:
        missing = self.expected.keys() - found.keys()
        twice = [key for key, count in found.items() if count > 1]
        return f"{len(missing)} missing, {len(twice)} twice" if missing or twice else ""

    def _read(self, name: str) -> None:
        while not self._stop.is_set():
            try:
                if trouble := getattr(self, name)():
                    self.wrong.append(f"{name}: {trouble}")
                self.looks[name] += 1
            except Unavailable:
                self.away += 1

    @contextmanager
    def at_work(self) -> Iterator[None]:
        threads = [threading.Thread(target=self._read, args=(name,)) for name in ("ids", "scan", "sums")]
        for each in threads:
            each.start()
        try:
            yield
            # Whatever is left behind is seen at least once.
            seen = Counter(self.looks)
            until(lambda: all(self.looks[each] > seen[each] for each in ("ids", "scan", "sums")), 60)
        finally:
            self._stop.set()
            for each in threads:
                each.join(60)


@dataclass
class Bench:
    """An archive of this test's own, and the children that move its messages about."""

    url: str
    name: str
    folder: Path
    token: int = 0
    readers: Readers = field(init=False)

    def prepare(self) -> None:
        db = connection.database()
        db.client.drop_database(self.name)
        ensure_indexes()
        documents = [made(number) for number in range(MESSAGES)]
        db.messages_current.insert_many(documents)
        self.readers = Readers({bytes(each["_id"]): bson.encode(each) for each in documents})

    def child(self, **more: Any) -> tuple[Any, Any]:
        self.token += 1
        return mover_child.start(Given(self.url, self.name, str(self.folder), self.token, **more))

    def kill(self, process: Any) -> None:
        assert process.exitcode is None, [each.read_text() for each in self.folder.glob("died-*")]
        process.kill()
        process.join()

    def brought_home(self) -> None:
        """What the dead left is removed, everything goes down and back to hot, and all is as it was."""
        self.token += 1
        for source in (Tier.HOT, Tier.WARM, Tier.COLD):
            list(mover.move(mover_child.planned(source), "last", self.token))
        self.expect_nothing_left()
        db = connection.database()
        assert db.messages_current.count_documents({}) == 0
        assert {each["partition"][:6] for each in db.tier_batches.find()} == {"frozen"}
        recalling.recall([int(each["_id"]) for each in db.tier_batches.find({}, {"_id": 1})])
        self.expect_nothing_left()
        assert db.message_keys.count_documents({}) == 0
        assert list(db.tier_batches.find()) == []
        assert {bytes(each["_id"]): bson.encode(each) for each in db.messages_current.find()} == self.readers.expected
        assert not list(object_store.store().list("frozen"))

    def expect_nothing_left(self) -> None:
        db = connection.database()
        assert list(db.tier_batches.find({"busy": True})) == []
        lying = Counter(
            each["_id"] for row in db.partitions.find() if row["tier"] == "cold" for each in db[row["_id"]].find({}, {"_id": 1})
        )
        keys = {each["_id"] for each in db.message_keys.find({}, {"_id": 1})}
        assert set(lying) <= keys
        assert db.messages_timeseries.count_documents({}) <= len(keys)
        for row in db.partitions.find({"state": "sealed"}):
            sums = {"$group": {"_id": None, "n": {"$sum": "$count"}, "bytes": {"$sum": "$bytes"}}}
            found = list(db.tier_batches.aggregate([{"$match": {"partition": row["_id"]}}, sums]))
            told = (found[0]["n"], found[0]["bytes"]) if found else (0, 0)
            assert (row["count"], row["bytes"]) == told, row


@pytest.fixture
def configured() -> Iterator[None]:
    now = connection._connection
    before = (now.url, now.name, now.options)
    yield
    connection.configure(before[0], before[1], **before[2])


@pytest.fixture
def bench(servers, tmp_path, configured) -> Iterator[Bench]:
    found = Bench(servers.mongodb_url, f"{test_run.DATABASE}_moves", tmp_path)
    mover_child.configure(Given(found.url, found.name, str(tmp_path), 0))
    found.prepare()
    yield found
    connection.client().drop_database(found.name)


def test_killed_at_every_point_while_readers_read(bench):
    with bench.readers.at_work():
        for point in POINTS:
            for times in (1, 9, 18, 30) if point != "recalled" else (1, 5):
                process, told = bench.child(stop=point, times=times)
                until(lambda: told.is_set() or process.exitcode is not None, 60, what=f"{point} reached {times} times")  # noqa: B023
                bench.kill(process)
    assert bench.readers.wrong == []
    assert all(bench.readers.looks[name] > 3 for name in ("ids", "scan", "sums"))
    bench.brought_home()


def test_killed_fifty_times_at_random_while_readers_read(bench):
    killed_at_random(bench, kills=50, seed=7)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_killed_two_hundred_times_at_random_while_readers_read(bench):
    killed_at_random(bench, kills=200, seed=8)


def killed_at_random(bench: Bench, kills: int, seed: int) -> None:
    chance = random.Random(seed)
    with bench.readers.at_work():
        for _ in range(kills):
            process, _told = bench.child()
            process.join(chance.random() * 0.8)
            bench.kill(process)
    assert bench.readers.wrong == []
    assert all(bench.readers.looks[name] > 10 for name in ("ids", "scan", "sums"))
    bench.brought_home()


def test_two_movers_and_a_recaller_at_once(bench):
    with bench.readers.at_work():
        first, _ = bench.child(job="one", rounds=2)
        second, _ = bench.child(job="two", rounds=2)
        third, _ = bench.child(job="three", rounds=2)
        for each in (first, second, third):
            each.join(120)
    assert bench.readers.wrong == []
    bench.brought_home()


def test_the_database_is_killed_ten_times(own_mongod, tmp_path, configured):  # noqa: F811
    bench = Bench(own_mongod.url, "test_moves_mongod_kills", tmp_path / "objects")
    mover_child.configure(Given(bench.url, bench.name, str(bench.folder), 0))
    bench.prepare()
    chance = random.Random(3)
    process, _told = bench.child()

    def goes_on(before: int) -> bool:
        """Whether more has moved. A mover whose database was away for too long ends, be it a moment later: another
        one takes its place, as the reaper does it."""
        nonlocal process
        if process.exitcode is not None:
            process, _ = bench.child()
        return connection.database().events.count_documents({}) > before + 1

    with bench.readers.at_work():
        for kill in range(11):
            before = connection.database().events.count_documents({})
            until(lambda before=before: goes_on(before), 60)
            if kill < 10:
                time.sleep(chance.random() * 0.2)  # the moment itself is what the test draws by lot
                own_mongod.kill()
                own_mongod.start()
        bench.kill(process)
    assert bench.readers.wrong == []
    bench.brought_home()
