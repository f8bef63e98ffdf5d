"""Scans that lose their cursors, or whose collection is away for a moment: every message exactly once."""

import random
import threading
from datetime import UTC, datetime, timedelta

import pytest
from bson.int64 import Int64
from bson.objectid import ObjectId
from pymongo.read_concern import ReadConcern

from archive import connection, moments, reader, scanning
from archive.errors import Unavailable
from archive.filters import MessageFilter
from archive.reader import Span

FILE = ObjectId()
COUNT = 600


@pytest.fixture
def messages(archive_db):
    """600 messages of 30 sessions, each of 48 kilobytes: many batches."""
    made = [
        {
            "_id": number.to_bytes(32, "big"),
            "sessionId": f"s{number // 20:03}",
            "type": "user",
            "fileId": FILE,
            "seq": Int64(number * 1024),
            "contentHash": bytes(32),
            "text": "lorem " * 8000,  # more of them than fit into a socket: the cursor stays open
        }
        for number in range(COUNT)
    ]
    random.Random(1).shuffle(made)
    archive_db.messages_current.insert_many(made)
    return archive_db.messages_current


def numbers(found) -> list[int]:
    return [each["seq"] // 1024 for each in found]


def kill_cursors(database) -> int:
    """All that are open on the messages, as an operator would; how many there were."""
    pipeline = [{"$currentOp": {"idleCursors": True, "allUsers": True}}]
    name = f"{database.name}.messages_current"
    admin = database.client.get_database("admin", read_concern=ReadConcern("local"))
    open_cursors = [
        operation["cursor"]["cursorId"]
        for operation in admin.aggregate(pipeline)
        if operation.get("ns") == name and "cursor" in operation
    ]
    if open_cursors:
        database.command("killCursors", "messages_current", cursors=open_cursors)
    return len(open_cursors)


@pytest.mark.parametrize("order", ["session", "file"])
@pytest.mark.parametrize("seed", range(5))
def test_a_scan_whose_cursor_is_killed_again_and_again_gives_every_message_once(messages, order, seed):
    chance, found, killed = random.Random(seed), [], 0
    for message in reader.scan_messages(MessageFilter(), order=order, batch_size=10):
        found.append(message)
        if chance.random() < 0.2:
            killed += kill_cursors(messages.database)
    assert numbers(found) == list(range(COUNT))
    assert killed


def tell(database, state: str) -> None:
    """Have the catalogue say so of the messages, under a new version."""
    database.partitions.update_one({"_id": "messages_current"}, {"$set": {"state": state}})
    database.counters.update_one({"_id": "partitions"}, {"$inc": {"value": 1}}, upsert=True)


def away_and_back(messages, seconds: float) -> threading.Timer:
    """Rename the collection away now, and back so much later, as a rotation does."""
    database = messages.database

    def come_back() -> None:
        database.messages_elsewhere.rename("messages_current")
        tell(database, "open")

    tell(database, "rotating")
    messages.rename("messages_elsewhere")
    timer = threading.Timer(seconds, come_back)
    timer.start()
    return timer


@pytest.mark.parametrize("seconds", [0.0, 0.3])
def test_a_collection_that_is_away_for_a_moment_is_waited_for(messages, seconds):
    found, timers = [], []
    for message in reader.scan_messages(MessageFilter(), batch_size=10):
        found.append(message)
        if len(found) % 149 == 0:
            if timers:
                timers[-1].join()
            timers.append(away_and_back(messages, seconds))
    timers[-1].join()
    assert numbers(found) == list(range(COUNT))
    assert len(timers) == 4


def test_a_scan_that_begins_while_the_collection_is_away_waits_too(messages):
    timer = away_and_back(messages, 0.3)
    assert numbers(reader.scan_messages(MessageFilter())) == list(range(COUNT))
    timer.join()


def test_a_collection_that_stays_away_is_a_passing_fault_and_no_short_answer(messages, monkeypatch):
    monkeypatch.setattr(moments, "AWAY_SECONDS", 0.3)
    scan = reader.scan_messages(MessageFilter(), batch_size=10)
    next(scan)
    timer = away_and_back(messages, 2)
    with pytest.raises(Unavailable, match="being moved"):
        list(scan)
    timer.join()


def test_messages_that_were_sealed_under_a_scan_are_read_where_they_are(messages):
    database = messages.database
    scan = reader.scan_messages(MessageFilter(), batch_size=10)
    found = [next(scan) for _ in range(50)]
    tell(database, "rotating")
    messages.rename("messages_2026_01")
    database.create_collection("messages_current")
    sealed = {"_id": "messages_2026_01", "tier": "hot", "state": "sealed"}
    database.partitions.insert_one(sealed)
    tell(database, "open")
    late = {"_id": COUNT.to_bytes(32, "big"), "sessionId": "s999", "type": "user", "fileId": FILE}
    database.messages_current.insert_one(late | {"seq": Int64(COUNT * 1024), "contentHash": bytes(32)})
    assert numbers([*found, *scan]) == list(range(COUNT + 1))
    database.messages_current.drop()
    database.messages_2026_01.rename("messages_current")
    database.partitions.delete_one(sealed)


def test_messages_that_are_deleted_under_a_scan_do_not_stop_it(messages):
    scan = reader.scan_messages(MessageFilter(), batch_size=10)
    found = [next(scan)["seq"] // 1024 for _ in range(5)]
    messages.delete_many({"seq": {"$lt": 200 * 1024}})
    kill_cursors(messages.database)
    rest = numbers(scan)
    assert found == [0, 1, 2, 3, 4]
    assert rest[-400:] == list(range(200, COUNT))
    assert sorted(set(rest)) == rest


def seal(database, months: int) -> None:
    """Spread the messages over so many hot partitions, one in eight without a time."""
    made = list(database.messages_current.find())
    for number, each in enumerate(made):
        if number % 8:
            each["timestamp"] = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=number % 97)
    database.messages_current.delete_many({})
    for month in range(months):
        name = f"messages_2026_{month + 1:02}"
        database[name].insert_many(made[month::months])
        database.partitions.insert_one({"_id": name, "tier": "hot", "state": "sealed"})


@pytest.mark.parametrize("session", ["s007", None])
def test_pages_over_many_partitions_are_those_over_one(messages, session):
    seal(messages.database, 12)
    whole = list(reader.scan_messages(MessageFilter(), order="time" if session is None else "session"))
    expected = [each["_id"] for each in whole if session in (None, each["sessionId"])]
    found, pages = [], [reader.page_messages(MessageFilter(), session_id=session, limit=37)]
    while pages[-1].next:
        pages.append(reader.page_messages(MessageFilter(), session_id=session, limit=37, cursor=pages[-1].next))
    found = [each["_id"] for page_ in pages for each in page_.items]
    assert found == expected
    assert len(expected) == (20 if session else COUNT)
    if len(pages) > 1:
        back = reader.page_messages(MessageFilter(), session_id=session, limit=37, cursor=pages[-1].previous)
        assert back.items == pages[-2].items


def test_a_page_by_time_asks_only_the_months_that_it_lies_in(messages, monkeypatch):
    database, asked = messages.database, []
    for month in range(1, 7):
        name, some = f"messages_2026_{month:02}", range(100 * (month - 1), 100 * month)
        times = [datetime(2026, month, 1 + number % 28, tzinfo=UTC) for number in some]
        database[name].insert_many(
            {"_id": n.to_bytes(32, "big"), "sessionId": "s", "fileId": FILE, "seq": Int64(n), "timestamp": at}
            for n, at in zip(some, times, strict=True)
        )
        facts = {"count": Int64(100), "since": min(times), "until": max(times), "undated": 0}
        database.partitions.insert_one({"_id": name, "tier": "hot", "state": "sealed", **facts})
    messages.delete_many({})
    find, united = scanning.Scan._find, scanning.Scan._united
    monkeypatch.setattr(scanning.Scan, "_find", lambda *given: asked.append(given[2]) or find(*given))
    monkeypatch.setattr(scanning.Scan, "_united", lambda *given: asked.extend(given[2]) or united(*given))
    first = reader.page_messages(MessageFilter(), limit=60)
    assert asked == ["messages_current", "messages_2026_01"]
    asked.clear()
    second = reader.page_messages(MessageFilter(), limit=60, cursor=first.next)
    assert asked == ["messages_current", "messages_2026_01", "messages_2026_02"]
    asked.clear()
    third = reader.page_messages(MessageFilter(), limit=90, cursor=second.next)
    assert asked[:2] == ["messages_current", "messages_2026_02"]  # the first is behind us
    found = [*first.items, *second.items, *third.items]
    assert len({each["_id"] for each in found}) == 210
    assert found == sorted(found, key=lambda each: (each["timestamp"], each["_id"]))


def test_a_page_that_ends_with_its_moment_is_no_longer_for_that(messages, monkeypatch):
    monkeypatch.setattr(scanning, "MOMENT_SECONDS", -1.0)  # each message at another moment
    assert len(reader.page_messages(MessageFilter(), session_id="s007", limit=7).items) == 7
    assert numbers(reader.scan_messages(MessageFilter(), batch_size=100))[:3] == [0, 1, 2]


class TestSpans:
    def found(self, **span):
        return numbers(reader.scan_messages(MessageFilter(), span=Span(**span)))

    def test_neighbouring_spans_make_the_whole(self, messages):
        first, second = self.found(before="s010"), self.found(first="s010")
        assert first + second == list(range(COUNT))
        assert first[-1] == 199

    def test_a_span_goes_on_behind_a_message(self, messages):
        assert self.found(behind=("s000", FILE, Int64(7 * 1024))) == list(range(8, COUNT))

    def test_undated_messages_are_those_without_a_time(self, messages):
        messages.update_many({"seq": {"$gte": 10 * 1024}}, [{"$set": {"timestamp": "$$NOW"}}])
        assert self.found(undated=True) == list(range(10))

    def test_a_span_of_chosen_sessions(self, messages):
        connection.collection("sessions").insert_many(
            {"_id": f"s{each:03}", "sessionId": f"s{each:03}", "messageCount": Int64(20), "tags": ["x"]}
            for each in (3, 9, 20)
        )
        found = reader.scan_messages(MessageFilter(tags=("x",)), span=Span(first="s004", before="s020"))
        assert numbers(found) == list(range(180, 200))
