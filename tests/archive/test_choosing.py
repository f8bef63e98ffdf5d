"""Counting and reading agree with a plain look at each message, whatever the filter."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any

import pytest
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.objectid import ObjectId
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pymongo.monitoring import CommandListener
from pymongo.read_concern import ReadConcern

from archive import choosing, connection, files, offers, reader, sessions
from archive.errors import TooSlow
from archive.filters import MessageFilter

PROJECTS = [ObjectId(f"{number:024x}") for number in (1, 2, 3)]
SESSIONS = [f"session-{number:02}" for number in range(9)]
TAGS = ["work", "$ne", "ĝardeno"]
TOOLS = ["Bash", "Read", "python", "$where"]
TYPES = ["user", "assistant", "summary"]
ROLES = ["user", "assistant", ""]
BRANCHES = ["main", "feature/x", ""]
MODELS = ["opus", "sonnet", None]
SOURCES = ["claude-code", "claude-ai", "chatgpt"]
TEXTS = ["", "Ĝis revido", "100 % (a+b)* [x].*", "back\\slash $where", "line\nline", "ONE two"]
WORDS = ["ĝIS", ".*", "(a+b)*", "\\", "$", "LINE\nl", "e t", "[x]", "nowhere", "\0", "^"]
COSTS = [None, "0", "0.5", "0.5000", "1.000000000001", "20"]
START = datetime(2025, 3, 1, tzinfo=UTC)
HOURS = 48


def call(tool: object, kind: str = "tool_use") -> dict[str, Any]:
    return {"type": kind, "name": tool, "input": {}}


def records(chance: random.Random) -> Iterator[dict[str, Any]]:
    """Contents of every shape that comes, calls of tools among them."""
    while True:
        tool = chance.choice(TOOLS)
        text = {"type": "text", "text": tool}
        yield {"message": {"content": [text, call(tool)]}}
        yield {"content": [call(tool, "server_tool_use"), call("Read")]}
        yield {
            "message": {
                "content": tool,
                "recipient": tool,
                "author": {"role": chance.choice(["assistant", "tool"])},
            }
        }
        yield {"message": {"content": [tool, call(7), {"type": "tool_result", "name": tool}, [call(tool)]]}}
        yield {"content": {"name": tool}, "message": None}
        yield {}


def seed(database: Any) -> None:
    """Some 200 messages in nine sessions, one of which no session document knows."""
    chance = random.Random(4)
    of_every_shape = records(chance)
    for session_id in SESSIONS[:-1]:
        database.sessions.insert_one(session(session_id, chance))
    database.messages_current.insert_many(
        message(number, chance.choice(SESSIONS), next(of_every_shape), chance) for number in range(200)
    )
    database.source_files.insert_many(
        {"_id": file_id, "path": f"{number:02}.jsonl", "size": 1} for number, file_id in enumerate(FILES)
    )


FILES = [ObjectId(f"{number:024x}") for number in range(100, 106)]


def session(session_id: str, chance: random.Random) -> dict[str, Any]:
    cost = chance.choice(COSTS)
    return {
        "_id": session_id,
        "sessionId": session_id,
        "messageCount": Int64(0),
        "startedAt": START,
        "endedAt": START + timedelta(hours=HOURS),
        "fileIds": [],
        **({"totalCost": Decimal128(cost)} if cost else {}),
        **chance.choice(
            [{"tags": chance.sample(TAGS, 2)}, {"tags": [chance.choice(TAGS)]}, {"tags": []}, {}]
        ),
    }


def message(number: int, session_id: str, record: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    told = {
        "_id": sha256(b"%d" % number).digest(),
        "sessionId": session_id,
        "projectId": chance.choice(PROJECTS),
        "type": chance.choice(TYPES),
        "role": chance.choice(ROLES),
        "timestamp": chance.choice([None, START + timedelta(hours=chance.randrange(HOURS))]),
        "fileId": chance.choice(FILES),
        "seq": Int64(number),
        "model": chance.choice(MODELS),
        "gitBranch": chance.choice(BRANCHES),
        "isSidechain": chance.choice([True, False]),
        "source": chance.choice(SOURCES),
        "text": chance.choice(TEXTS),
        "record": record,
        "contentHash": b"%d" % number,
    }
    for name in chance.sample(
        ["role", "model", "gitBranch", "isSidechain", "text", "timestamp"], chance.choice([0, 0, 2])
    ):
        del told[name]
    return told


# ------------------------------------------------------------------ a plain look


def fits(wanted: MessageFilter, message: dict[str, Any], session: dict[str, Any] | None) -> bool:
    """What the filter promises, said in plain Python."""
    lists = [
        (wanted.project_ids, {str(message["projectId"])}),
        (wanted.session_ids, {message["sessionId"]}),
        (wanted.sources, {message["source"]}),
        (wanted.models, {message.get("model")}),
        (wanted.types, {message["type"]}),
        (wanted.roles, {message.get("role")}),
        (wanted.branches, {message.get("gitBranch")}),
        (wanted.tools, set(tools_of(message))),
        (wanted.tags, set((session or {}).get("tags", ()))),
    ]
    at = message.get("timestamp")
    return (
        all(not asked or set(asked) & found for asked, found in lists)
        and (wanted.since is None or (at is not None and at >= wanted.since))
        and (wanted.until is None or (at is not None and at < wanted.until))
        and wanted.text.lower() in message.get("text", "").lower()
        and wanted.subagents in (None, message.get("isSidechain", False))
        and in_costs(wanted, session)
    )


def in_costs(wanted: MessageFilter, session: dict[str, Any] | None) -> bool:
    if wanted.min_cost is None and wanted.max_cost is None:
        return True
    if session is None or "totalCost" not in session:
        return False
    cost = session["totalCost"].to_decimal()
    return (
        (wanted.min_cost or 0)
        <= cost
        <= (Decimal("Infinity") if wanted.max_cost is None else wanted.max_cost)
    )


def tools_of(message: dict[str, Any]) -> Iterator[str]:
    record = message["record"]
    inner = record.get("message") or {}
    if message["source"] == "chatgpt" and "recipient" in inner and inner["author"]["role"] != "tool":
        yield inner["recipient"]
    for content in (inner.get("content"), record.get("content")):
        for block in content if isinstance(content, list) else ():
            if (
                isinstance(block, dict)
                and block["type"] in ("tool_use", "server_tool_use")
                and isinstance(block["name"], str)
            ):
                yield block["name"]


# ------------------------------------------------------------------ the same from the archive


def some(*values: str) -> st.SearchStrategy[tuple[str, ...]]:
    return st.just(()) | st.lists(st.sampled_from([*values, "nobody's"]), max_size=3, unique=True).map(tuple)


MOMENTS = st.none() | st.integers(-1, HOURS).map(lambda hours: START + timedelta(hours=hours))
AMOUNTS = st.none() | st.sampled_from([Decimal(cost) for cost in COSTS if cost] + [Decimal("0.7")])
WANTED = st.builds(
    MessageFilter,
    project_ids=st.just(())
    | st.lists(st.sampled_from([*map(str, PROJECTS), "f" * 24]), max_size=2).map(tuple),
    session_ids=some(*SESSIONS),
    sources=some(*SOURCES),
    models=some("opus", "sonnet"),
    since=MOMENTS,
    until=MOMENTS,
    types=some(*TYPES),
    roles=some(*ROLES),
    branches=some(*BRANCHES),
    tools=some(*TOOLS),
    text=st.just("") | st.sampled_from(WORDS),
    subagents=st.sampled_from([None, None, True, False]),
    tags=some(*TAGS),
    min_cost=AMOUNTS,
    max_cost=AMOUNTS,
)


CHOOSING = [
    *(MessageFilter(tags=(tag,)) for tag in TAGS),
    *(MessageFilter(tags=(tag,), types=(kind,)) for tag in TAGS for kind in TYPES[:2]),
    *(MessageFilter(min_cost=Decimal(cost)) for cost in COSTS if cost),
    *(MessageFilter(max_cost=Decimal(cost)) for cost in COSTS if cost),
]
"""Some that choose sessions, whatever is drawn."""


@pytest.mark.parametrize("at_once", [2, 500])
def test_counting_and_reading_agree_with_a_plain_look(
    archive_db: Any, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(choosing, "SESSIONS_AT_ONCE", at_once)
    seed(archive_db)
    by_id = {each["_id"]: each for each in archive_db.sessions.find()}
    everything = sorted(
        archive_db.messages_current.find(), key=lambda each: (each["sessionId"], each["fileId"], each["seq"])
    )
    found_any = set()

    @given(WANTED)
    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    def agrees(wanted: MessageFilter) -> None:
        expected = [each for each in everything if fits(wanted, each, by_id.get(each["sessionId"]))]
        assert [each["_id"] for each in reader.scan_messages(wanted, batch_size=3)] == [
            each["_id"] for each in expected
        ]
        if wanted != MessageFilter():  # all of them are counted by their sessions, which these do not do
            assert reader.count_messages(wanted) == len(expected)
        of_sessions = {each["_id"] for each in sessions.find_sessions(wanted)}
        assert of_sessions >= {each["sessionId"] for each in expected} & set(by_id)
        if wanted != MessageFilter():
            assert [file.id for file in files.find_files(wanted)] == sorted(
                {each["fileId"] for each in expected}
            )
        if expected and wanted.chooses_sessions:
            found_any.add(len(expected))

    for chosen in CHOOSING:
        agrees = example(chosen)(agrees)
    agrees()
    assert len(found_any) > 5, "filters that choose sessions have found messages"


@pytest.mark.parametrize("field", ["tools", "types", "roles", "branches", "tags", "text"])
@pytest.mark.parametrize(
    "text", ['{"$ne": null}', "$where", "this.x || true", "(a+)+$", "\\", "[", "*", "\0", "a" * 1000]
)
def test_what_looks_like_an_operator_is_looked_for_as_it_stands(
    archive_db: Any, field: str, text: str
) -> None:
    seed(archive_db)
    wanted = MessageFilter(**{field: text if field == "text" else (text,)})
    by_id = {each["_id"]: each for each in archive_db.sessions.find()}
    expected = {
        each["_id"]
        for each in archive_db.messages_current.find()
        if fits(wanted, each, by_id.get(each["sessionId"]))
    }
    assert {each["_id"] for each in reader.scan_messages(wanted)} == expected
    assert reader.count_messages(wanted) == len(expected) < 200


class TestChosenSessions:
    CHOSEN = MessageFilter(tags=("work",), types=("user",))

    def test_are_looked_up_some_at_a_time_and_never_held(
        self, archive_db: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        archive_db.sessions.insert_many(
            {"_id": f"s{number:04}", "sessionId": f"s{number:04}", "messageCount": Int64(0), "tags": ["work"]}
            for number in range(1201)
        )
        queries = list(choosing.message_queries(MessageFilter(tags=("work",))))
        named = [query["sessionId"]["$in"] for query in queries]
        assert [len(each) for each in named] == [500, 500, 201]
        assert sum(named, []) == [f"s{number:04}" for number in range(1201)]

    def test_of_a_multiple_of_the_chunk_come_all_once(
        self, archive_db: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(choosing, "SESSIONS_AT_ONCE", 4)
        seed(archive_db)
        every = [each["_id"] for chunk in choosing.session_chunks({}) for each in chunk]
        assert every == SESSIONS[:-1]

    def test_are_those_of_when_the_export_runs(self, archive_db: Any) -> None:
        seed(archive_db)
        before = reader.count_messages(MessageFilter(tags=("later",)))
        archive_db.sessions.update_one({"_id": SESSIONS[0]}, {"$set": {"tags": ["later"]}})
        after = reader.count_messages(MessageFilter(tags=("later",)))
        assert (before, after) == (0, archive_db.messages_current.count_documents({"sessionId": SESSIONS[0]}))

    def test_leave_no_cursor_open_between_their_chunks(
        self, archive_db: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whoever takes an hour over the messages of one chunk still finds the next."""
        monkeypatch.setattr(choosing, "SESSIONS_AT_ONCE", 2)
        seed(archive_db)
        chunks = choosing.session_chunks({})
        next(chunks)
        admin = archive_db.client.get_database("admin", read_concern=ReadConcern("local"))
        operations = admin.aggregate([{"$currentOp": {"idleCursors": True}}])
        assert archive_db.sessions.full_name not in {
            each["ns"] for each in operations if each["type"] == "idleCursor"
        }
        assert sum(len(chunk) for chunk in chunks) == len(SESSIONS) - 1 - 2

    def test_are_read_in_their_order_alone(self, archive_db: Any) -> None:
        for order in ("time", "file"):
            with pytest.raises(ValueError, match="order of sessions"):
                next(reader.scan_messages(self.CHOSEN, order=order))
        with pytest.raises(ValueError, match="order of sessions"):
            reader.page_messages(self.CHOSEN)

    def test_need_no_sort_in_the_database(self, archive_db: Any) -> None:
        """The index gives the order: memory does not grow with the export."""
        seed(archive_db)
        (query,) = choosing.message_queries(self.CHOSEN)
        cursor = archive_db.messages_current.find(query).sort(list(reader.ORDERS["session"]))
        plan = cursor.explain()["queryPlanner"]["winningPlan"]
        assert (plan["stage"], plan["inputStage"]["stage"]) == ("FETCH", "IXSCAN")


class Limits(CommandListener):
    """Notes how long the database may take over each command that reads."""

    def __init__(self) -> None:
        self.told: list[int | None] = []

    def started(self, event: Any) -> None:
        if event.command_name in {"find", "aggregate"}:
            self.told.append(event.command.get("maxTimeMS"))

    def succeeded(self, event: Any) -> None:
        """Not of interest."""

    def failed(self, event: Any) -> None:
        """Not of interest."""


class TestTime:
    def test_counting_stops_when_nobody_would_wait(self, archive_db: Any) -> None:
        text = "ab" * 100_000
        archive_db.messages_current.insert_many(
            message(number, "s", {}, random.Random(number)) | {"text": text} for number in range(100)
        )
        with pytest.raises(TooSlow) as refused:
            reader.count_messages(MessageFilter(text="abc"), max_seconds=0.002)
        assert refused.value.code == "too_slow"
        assert "0.002 seconds" in refused.value.message
        assert refused.value.hint
        assert reader.count_messages(MessageFilter(text="BA"), max_seconds=60) == 100
        assert reader.count_messages(MessageFilter(text="abc")) == 0

    def test_the_database_is_told_when_to_stop(self, archive_db: Any, servers: Any) -> None:
        limits = Limits()
        connection.configure(servers.mongodb_url, archive_db.name, event_listeners=[limits])
        seed(connection.database())
        limits.told.clear()
        reader.count_messages(MessageFilter(text="x", tags=("work",)), max_seconds=5)
        assert limits.told
        assert all(limit is not None and 0 < limit <= 5000 for limit in limits.told)
        limits.told.clear()
        reader.count_messages(MessageFilter(text="x"))
        assert set(limits.told) == {None}

    def test_the_time_is_that_of_all_chunks_together(
        self, archive_db: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(choosing, "SESSIONS_AT_ONCE", 1)
        seed(archive_db)
        with pytest.raises(TooSlow):
            reader.count_messages(MessageFilter(min_cost=Decimal(0)), max_seconds=1e-9)

    def test_who_asks_for_too_much_can_ask_again(self, archive_db: Any) -> None:
        with pytest.raises(TooSlow), connection.within(1e-9):
            archive_db.messages_current.count_documents({"text": "x"})
        assert archive_db.messages_current.count_documents({"text": "x"}) == 0


class TestOffers:
    def test_are_the_values_there_are(self, archive_db: Any) -> None:
        seed(archive_db)
        archive_db.sessions.update_one(
            {"_id": SESSIONS[0]},
            {"$set": {"source": "claude-code", "gitBranch": "main", "models": ["b", "a", ""]}},
        )
        assert offers.known_values() == {
            "sources": ["claude-code"],
            "models": ["a", "b"],
            "tags": sorted(TAGS),
            "branches": ["main"],
            "types": sorted(TYPES),
            "roles": ["assistant", "user"],
        }

    def test_of_nothing_are_none(self, archive_db: Any) -> None:
        assert set(map(tuple, offers.known_values().values())) == {()}

    def test_are_bounded_in_number(self, archive_db: Any) -> None:
        archive_db.sessions.insert_one(
            {
                "_id": "s",
                "sessionId": "s",
                "messageCount": Int64(0),
                "tags": [f"{number:04}" for number in range(1000)],
            }
        )
        assert offers.known_values()["tags"] == [f"{number:04}" for number in range(300)]

    def test_are_bounded_in_time(self, archive_db: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        seed(archive_db)
        monkeypatch.setattr(offers, "MAX_SECONDS", 1e-9)
        assert set(map(tuple, offers.known_values().values())) == {()}
