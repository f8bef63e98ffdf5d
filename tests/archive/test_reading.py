"""Messages, sessions, projects and files as they are read again."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from archive import files, reader, sessions
from archive.errors import BadInput, NotFound
from archive.projects import project_id
from archive.reader import MessageFilter
from archive.sessions import SessionFilter
from tests.imports.running import file_at, run
from tests.samples.making import (
    ONE,
    SLUG,
    TWO,
    assistant,
    at,
    conversation,
    dump,
    joined,
    session_file,
    user,
    write,
)

LATER = "33333333-3333-4333-8333-333333333333"


@pytest.fixture
def archive(archive_db, tmp_path):
    """Three conversations in two projects; some lines have no time, one file holds copies alone."""
    untimed = dump({"type": "mode", "sessionId": LATER, "mode": "plan"})
    write(tmp_path, session_file(ONE), joined(conversation(ONE, 25)))
    write(tmp_path, session_file(TWO), joined(conversation(TWO, 10) + conversation(ONE, 3)))
    opus = [
        dump(assistant(LATER, 5000 + n, model="claude-opus-4-1-20250805", cwd="/srv/notes")) for n in range(5)
    ]
    write(
        tmp_path,
        session_file(LATER, "-srv-notes"),
        joined([untimed, *opus, dump(user(LATER, 6000, "[x].* weather"))]),
    )
    write(tmp_path, session_file("copies"), joined(conversation(ONE, 2)))
    run(tmp_path)
    return archive_db


def keys(messages) -> list[bytes]:
    return [each["_id"] for each in messages]


# ------------------------------------------------------------------ messages


@pytest.mark.parametrize("order", ["session", "file", "time"])
@pytest.mark.parametrize("batch_size", [2, 7, 1000])
def test_a_scan_gives_every_message_once_in_its_order(archive, order, batch_size):
    found = list(reader.scan_messages(MessageFilter(), order=order, batch_size=batch_size))
    assert len(found) == len(set(keys(found))) == archive.messages_current.count_documents({}) == 42
    by_server = archive.messages_current.find().sort(list(reader.ORDERS[order]))
    assert keys(found) == keys(by_server)


FILTERS = [
    (MessageFilter(), {}),
    (MessageFilter(session_ids=(ONE,)), {"sessionId": ONE}),
    (MessageFilter(session_ids=(ONE, TWO)), {"sessionId": {"$in": [ONE, TWO]}}),
    (MessageFilter(project_ids=(str(project_id(SLUG)),)), {"projectId": project_id(SLUG)}),
    (MessageFilter(models=("claude-opus-4-1-20250805",)), {"model": "claude-opus-4-1-20250805"}),
    (MessageFilter(sources=("claude-code",)), {}),
    (MessageFilter(sources=("other",)), {"source": "other"}),
    (
        MessageFilter(since=datetime(2025, 11, 1, 0, 0, 20, 20000, tzinfo=UTC)),
        {"timestamp": {"$gte": datetime(2025, 11, 1, 0, 0, 20, 20000, tzinfo=UTC)}},
    ),
    (
        MessageFilter(until=datetime(2025, 11, 1, 0, 0, 20, 20000, tzinfo=UTC)),
        {"timestamp": {"$lt": datetime(2025, 11, 1, 0, 0, 20, 20000, tzinfo=UTC)}},
    ),
    (MessageFilter(session_ids=(ONE,), models=("gpt",)), {"model": "gpt"}),
]


@pytest.mark.parametrize(("message_filter", "query"), FILTERS)
def test_count_scan_and_pages_agree_with_the_database(archive, message_filter, query):
    expected = {each["_id"] for each in archive.messages_current.find(query)}
    assert reader.count_messages(message_filter) == len(expected)
    assert reader.has_messages(message_filter) == bool(expected)
    assert set(keys(reader.scan_messages(message_filter))) == expected
    paged, page = [], reader.page_messages(message_filter, limit=4)
    paged += page.items
    while page.next:
        page = reader.page_messages(message_filter, cursor=page.next, limit=4)
        paged += page.items
    assert len(paged) == len(expected)
    assert set(keys(paged)) == expected


def test_a_conversation_is_read_in_the_order_of_its_file(archive):
    page = reader.page_messages(MessageFilter(), session_id=ONE, limit=10)
    assert [each["timestamp"] for each in page.items] == sorted(each["timestamp"] for each in page.items)
    assert page.previous is None
    middle = reader.page_messages(MessageFilter(), session_id=ONE, cursor=page.next, limit=10)
    assert keys(
        reader.page_messages(MessageFilter(), session_id=ONE, cursor=middle.previous, limit=10).items
    ) == keys(page.items)


def test_a_page_can_begin_at_any_message(archive):
    whole = list(reader.scan_messages(MessageFilter(session_ids=(ONE,))))
    for number in (0, 1, 13, 24):
        found = reader.message_at(ONE, number)
        page = reader.page_messages(MessageFilter(), session_id=ONE, cursor=reader.cursor_at(found), limit=3)
        assert keys(page.items) == keys(whole[number : number + 3])
        assert reader.count_before(found) == number
    assert reader.message_at(ONE, 25) is None


def test_one_message_by_its_id(archive):
    message = next(reader.scan_messages(MessageFilter()))
    assert reader.get_message(message["_id"].hex()) == message
    assert files.original_line(message) in joined(conversation(ONE, 25))
    with pytest.raises(NotFound):
        reader.get_message("00" * 32)
    for bad in ("", "x", "zz" * 32, "\ud800", "0" * 63, "00" * 31):
        with pytest.raises((BadInput, NotFound)):
            reader.get_message(bad)


# ------------------------------------------------------------------ sessions


SORTS = [sign + name for name in sessions.SORTS for sign in ("", "-")]


@pytest.mark.parametrize("sort", SORTS)
def test_sessions_come_in_every_order(archive, sort):
    whole = sessions.page_sessions(SessionFilter(sort=sort)).items
    name = sort.removeprefix("-")
    assert [each[name] for each in whole] == sorted(
        (each[name] for each in whole), reverse=sort.startswith("-")
    )
    pages, cursor = [], None
    while True:
        page = sessions.page_sessions(SessionFilter(sort=sort), cursor=cursor, limit=1)
        pages += page.items
        if not page.next:
            break
        cursor = page.next
    assert pages == whole
    assert len(whole) == 3


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {ONE, TWO, LATER}),
        ({"project_id": str(project_id(SLUG))}, {ONE, TWO}),
        ({"model": "claude-opus-4-1-20250805"}, {LATER}),
        ({"source": "claude-code"}, {ONE, TWO, LATER}),
        ({"source": "chatgpt"}, set()),
        ({"text": "[x].*"}, {LATER}),
        ({"text": "QUESTION 0"}, {ONE, TWO}),
        ({"text": ".*"}, {LATER}),
        ({"text": "\0"}, set()),
        ({"text": "\ud83d"}, set()),
        ({"text": "(" * 5000}, set()),
        ({"since": datetime(2025, 11, 1, 1, tzinfo=UTC)}, {LATER}),
        ({"until": datetime(2025, 11, 1, 1, tzinfo=UTC)}, {ONE, TWO}),
    ],
)  # fmt: skip
def test_sessions_are_found(archive, given, expected):
    found = sessions.page_sessions(SessionFilter(**given)).items
    assert {each["sessionId"] for each in found} == expected


def test_what_sessions_cannot_be_asked(archive):
    with pytest.raises(BadInput, match="sorted"):
        sessions.page_sessions(SessionFilter(sort="$where"))
    with pytest.raises(BadInput, match="project id"):
        sessions.page_sessions(SessionFilter(project_id="x"))
    with pytest.raises(NotFound):
        sessions.get_session("missing")
    with pytest.raises(NotFound):
        sessions.get_project("0" * 24)


def test_a_session_tells_its_sums(archive):
    found = sessions.get_session(ONE)
    assert (found["messageCount"], found["promptCount"], found["title"]) == (25, 13, "Question 0")
    assert found["totalCost"] == 12 * (Decimal(10) * 3 + 5 * 15) / 10**6
    assert len(found["fileIds"]) == 3
    assert found["projectId"] == project_id(SLUG)


def test_sessions_that_a_filter_can_touch(archive):
    assert [each["sessionId"] for each in sessions.find_sessions(MessageFilter())] == sorted(
        [ONE, TWO, LATER]
    )
    since = MessageFilter(since=datetime(2025, 11, 1, 1, tzinfo=UTC))
    assert [each["sessionId"] for each in sessions.find_sessions(since)] == [LATER]


def test_sessions_of_a_cost_and_with_a_tag(archive):
    archive.sessions.update_one({"_id": TWO}, {"$set": {"tags": ["work", "later"]}})
    costs = {each["sessionId"]: each["totalCost"] for each in sessions.find_sessions(MessageFilter())}
    dearest = max(costs, key=costs.__getitem__)

    def ids(**wanted):
        return [each["sessionId"] for each in sessions.find_sessions(MessageFilter(**wanted))]

    assert ids(tags=("work",)) == ids(tags=("later", "never")) == [TWO]
    assert ids(tags=("wor",)) == []
    assert ids(min_cost=costs[dearest]) == [dearest]
    assert ids(min_cost=costs[dearest] + Decimal("1e-12")) == []
    assert ids(max_cost=costs[TWO], session_ids=(TWO,)) == [TWO]
    assert ids(max_cost=costs[TWO] - Decimal("1e-12"), session_ids=(TWO,)) == []


def test_totals_equal_an_independent_count(archive):
    found = sessions.totals()
    assert (found["messages"], found["sessions"], found["projects"], found["files"], found["calls"]) == (
        42,
        3,
        2,
        4,
        22,
    )
    assert found["totalCost"] == sum(
        each["totalCost"] for each in sessions.page_sessions(SessionFilter()).items
    )
    assert found["bytes"] == sum(file.size for file in files.find_files(MessageFilter()))
    assert sessions.count_sessions() == 3


def test_totals_of_nothing(archive_db):
    assert sessions.totals() == {
        "messages": 0,
        "sessions": 0,
        "projects": 0,
        "files": 0,
        "calls": 0,
        "totalCost": Decimal(0),
        "unpricedCalls": 0,
        "bytes": 0,
    }


def test_the_values_there_are(archive):
    assert sessions.distinct_values("sources") == ["claude-code"]
    assert sessions.distinct_values("models") == ["claude-opus-4-1-20250805", "claude-sonnet-4-5-20250929"]
    assert [each["name"] for each in sessions.list_projects()] == ["notes", "shop"]


# ------------------------------------------------------------------ files


def test_files_that_hold_what_a_filter_fits_come_by_path(archive):
    every = [file.path for file in files.find_files(MessageFilter())]
    assert every == sorted(every)
    assert len(every) == 4
    of_one = [file.path for file in files.find_files(MessageFilter(session_ids=(ONE,)))]
    assert of_one == sorted([session_file(ONE), session_file(TWO), session_file("copies")])
    assert [file.path for file in files.find_files(MessageFilter(models=("claude-opus-4-1-20250805",)))] == [
        session_file(LATER, "-srv-notes")
    ]


def test_files_of_chosen_sessions(archive):
    """As whole conversations are asked for, their files come that hold nothing but copies, too."""
    archive.sessions.update_one({"_id": ONE}, {"$set": {"tags": ["work"]}})
    tagged = MessageFilter(tags=("work",))
    of_one = [file.path for file in files.find_files(MessageFilter(session_ids=(ONE,)))]
    assert [file.path for file in files.find_files(tagged)] == of_one
    assert session_file("copies") in of_one
    prompts = MessageFilter(tags=("work",), types=("user",))
    assert [file.path for file in files.find_files(prompts)] == [session_file(ONE)]
    assert list(files.find_files(MessageFilter(tags=("work",), session_ids=(LATER,)))) == []
    assert list(files.find_files(MessageFilter(tags=("play",)))) == []


def test_a_file_that_nobody_has_is_none(archive):
    assert files.get_file(project_id("x")) is None
    with pytest.raises(LookupError):
        list(files.file_chunks(project_id("x")))


def test_a_large_file_comes_in_pieces(archive_db, tmp_path):
    data = joined([dump(user(ONE, n, "y" * 50_000)) for n in range(40)])
    run(write(tmp_path, session_file(ONE), data))
    pieces = list(files.file_chunks(file_at(archive_db, session_file(ONE)).id))
    assert b"".join(pieces) == data
    assert max(map(len, pieces)) < 400_000
    assert at(0) in data.decode()
