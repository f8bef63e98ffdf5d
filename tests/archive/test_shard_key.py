"""Which commands on messages and their keys carry the shard key, so that a mongos asks one shard and not all of them.

``EVERYWHERE`` lists every shape that does not, with its reason: a new one has to be argued for here, and one that is gone is struck.
"""

import re
from datetime import UTC, datetime

import pytest
from pymongo.monitoring import CommandListener

from archive import connection, files, invariants, reader, shard_plan, undo
from archive.collections import SPECS
from archive.reader import MessageFilter
from tests import run as test_run
from tests.imports.running import run
from tests.samples.making import ONE, TWO, conversation, joined, session_file, write

MESSAGES = re.compile(r"messages_(current|timeseries|\d{4}_\d{2}\w*|archive_\d{4}_\d{2})|message_keys")
KEYS = {"sessionId", "metadata.sessionId"}

EVERYWHERE = {
    "find _id": "look-up by identity, of an import's batch and of one message: the id covers the session's id, but does not tell it",
    "find fileId,seq": "places of a file that are filled already, where a record was seen before; a file can hold several sessions",
    "find fileId": "a file is given back whole, in its order; it can hold several sessions",
    "find fileId,importId": "what an import put into a file, to be undone",
    "find fileId,importId,seq": "the same, going on behind the last one",
    "delete _id": "deleted by identity in the transaction that undoes an import",
    "aggregate fileId": "records of each file are counted at the end of an import",
    "find": "everything is wanted: an export without a filter, the first of all messages",
    "find timestamp": "a page of all messages in the order of time, or a range of time",
}


class Listener(CommandListener):
    """Remembers the commands on collections of messages, while it is told to."""

    def __init__(self):
        self.seen = []

    def started(self, event):
        name = event.command.get(event.command_name)
        if isinstance(name, str) and MESSAGES.fullmatch(name):
            self.seen.append((event.command_name, dict(event.command)))

    def succeeded(self, event):
        pass

    def failed(self, event):
        pass


def filters_of(name, command):
    """The filters of a command; none of one that has none by nature."""
    if name == "aggregate":
        first = command["pipeline"][0] if command["pipeline"] else {}
        return [] if "$collStats" in first else [first.get("$match", {})]
    if name in ("delete", "update"):
        return [each["q"] for each in command[name + "s"]]
    if name in ("find", "count", "distinct"):
        return [command.get("filter", command.get("query", {}))]
    if name == "findAndModify":
        return [command.get("query", {})]
    return []


def carries(query):
    """Whether the filter names the shard key, on every way through it."""
    if KEYS & set(query):
        return True
    if any(carries(each) for each in query.get("$and", ())):
        return True
    return bool(query.get("$or")) and all(carries(each) for each in query["$or"])


def fields_of(query):
    found = set()
    for name, value in query.items():
        if name in ("$and", "$or"):
            found.update(*map(fields_of, value))
        else:
            found.add(name)
    return found


def shapes(seen):
    """The shapes of those that do not carry it."""
    return {
        " ".join(filter(None, [name, ",".join(sorted(fields_of(query)))]))
        for name, command in seen
        for query in filters_of(name, command)
        if not carries(query)
    }


@pytest.fixture
def listener(archive_db, servers):
    listener = Listener()
    connection.configure(servers.mongodb_url, test_run.DATABASE, event_listeners=[listener])
    yield listener
    connection.configure(servers.mongodb_url, test_run.DATABASE)


@pytest.fixture
def tree(tmp_path):
    write(tmp_path, session_file(ONE), joined(conversation(ONE, 12)))
    write(tmp_path, session_file(TWO), joined(conversation(TWO, 5) + conversation(ONE, 3)))
    return tmp_path


def test_what_a_filter_carries_is_told_apart():
    assert carries({"sessionId": "a", "seq": 1})
    assert carries({"$and": [{"seq": 1}, {"sessionId": {"$gt": "a"}}]})
    assert carries({"$or": [{"sessionId": "a"}, {"sessionId": "b", "seq": 1}]})
    assert not carries({"$or": [{"sessionId": "a"}, {"seq": 1}]})
    assert not carries({"timestamp": 1})


def test_a_conversation_is_read_from_its_shard_alone(listener, tree):
    run(tree)
    listener.seen.clear()
    page = reader.page_messages(MessageFilter(), session_id=ONE, limit=4)
    reader.page_messages(MessageFilter(), session_id=ONE, cursor=page.next, limit=4)
    list(reader.scan_messages(MessageFilter(session_ids=(ONE,))))
    reader.count_messages(MessageFilter(session_ids=(ONE,)))
    found = reader.message_at(ONE, 3)
    reader.count_before(found)
    assert len(listener.seen) >= 6
    assert shapes(listener.seen) == set()


def test_every_command_without_the_key_is_one_of_those_that_are_argued_for(listener, tree):
    run(tree, job="one")
    write(tree, "again/" + session_file(ONE), joined(conversation(ONE, 14)))
    run(tree, job="two", token=2)
    ids = [each["_id"] for each in reader.scan_messages(MessageFilter())]
    reader.find_by_ids(ids[:3])
    reader.page_messages(MessageFilter(), limit=3)
    list(reader.scan_messages(MessageFilter(since=datetime(2025, 1, 1, tzinfo=UTC)), order="time"))
    invariants.check_import("two")
    for file in connection.collection("source_files").find():
        b"".join(files.file_chunks(file["_id"]))
    list(undo.undo_import("two", 100))
    assert len(listener.seen) > 20
    found = shapes(listener.seen)
    assert found == set(EVERYWHERE), found ^ set(EVERYWHERE)


def test_what_is_written_has_the_key(listener, tree):
    run(tree)
    inserted = [command for name, command in listener.seen if name == "insert"]
    assert inserted
    assert all("sessionId" in each for command in inserted for each in command["documents"])


def test_every_unique_index_of_a_sharded_collection_holds_the_key():
    sharded = {"messages_current": shard_plan.SESSION_KEY, "message_keys": shard_plan.SESSION_KEY}
    checked = [spec for spec in SPECS if spec.name in sharded]
    assert len(checked) == 2
    for spec in checked:
        for index in spec.indexes:
            assert not index.unique or index.keys[0][0] in sharded[spec.name], index.name
