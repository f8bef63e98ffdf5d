"""Exports of claude.ai: as they come by mail, in parts, later ones of the same account, and damaged."""

import io
import json
import zipfile
from datetime import UTC, datetime

import bson
import orjson
import pytest

from archive.files import SourceFile
from archive.records import encode
from imports.formats import detect
from imports.open_files import OpenFile
from imports.pipeline import Source
from imports.readers.claude_ai import NO_PARENT
from imports.readers.lines import Cursor
from tests.imports.reading import FILE_ID, MAX_RECORD, MemoryEntry, items, opened_as, read
from tests.imports.running import bytes_of, check_files, check_projects, paths, run

ACCOUNT = "acc0"


def message(number, sender="human", **more):
    at = f"2026-01-05T10:{number % 60:02}:01.123456Z"
    text = f"saying {number}"
    return {
        "uuid": f"m{number}",
        "text": text,
        "content": [{"type": "text", "text": text}],
        "sender": sender,
        "created_at": at,
        "updated_at": at,
        "attachments": [],
        "files": [],
        **more,
    }


def conversation(number, messages=2, **more):
    said = [message(number * 1000 + n, ("human", "assistant")[n % 2]) for n in range(messages)]
    at = "2026-01-05T10:00:00.123456Z"
    return {
        "uuid": f"c{number}",
        "name": f"Talk {number}",
        "summary": "",
        "created_at": at,
        "updated_at": at,
        "account": {"uuid": ACCOUNT},
        "chat_messages": said,
        **more,
    }


PROJECTS = [
    {
        "uuid": "p1",
        "name": "Engine",
        "description": "notes",
        "prompt_template": "",
        "docs": [{"uuid": "d1", "filename": "a.txt", "content": "text"}],
        "created_at": "2026-01-01T00:00:00Z",
    }
]
MEMORIES = [{"conversations_memory": "Ada likes numbers.", "account_uuid": ACCOUNT}]
USERS = [
    {
        "uuid": ACCOUNT,
        "full_name": "Ada Lovelace",
        "email_address": "ada@example.org",
        "verified_phone_number": None,
    }
]


def decoded(data: bytes) -> list[dict]:
    return [bson.decode(encode(each), bson.CodecOptions(tz_aware=True)) for each in read(opened_as(data))]


def by_mail(folder, name="data-2026-01-06.zip", **files):
    place = folder / name
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as out:
        for stem, value in files.items():
            out.writestr(f"{stem}.json", value if isinstance(value, bytes) else orjson.dumps(value))
    return place


# ------------------------------------------------------------------ what a message says


def test_the_root_of_a_conversation_has_no_parent():
    said = [message(1, parent_message_uuid=NO_PARENT), message(2, "assistant", parent_message_uuid="m1")]
    stored = decoded(orjson.dumps([{"uuid": "c", "chat_messages": said}]))
    assert [each.get("parentUuid") for each in stored] == [None, None, "m1"]


@pytest.mark.parametrize(
    ("told", "time"),
    [
        ("2026-01-05T10:00:01.123456Z", datetime(2026, 1, 5, 10, 0, 1, 123000, UTC)),
        ("2026-01-05T12:00:01.123456+02:00", datetime(2026, 1, 5, 10, 0, 1, 123000, UTC)),
        ("2026-01-05T10:00:01", datetime(2026, 1, 5, 10, 0, 1, 0, UTC)),
        (None, datetime(2026, 1, 1, tzinfo=UTC)),
    ],
)
def test_times_of_every_form_are_utc_and_stay_in_the_record(told, time):
    value = [
        {"uuid": "c", "created_at": "2026-01-01T00:00:00", "chat_messages": [message(1, created_at=told)]}
    ]
    stored = decoded(orjson.dumps(value))[1]
    assert stored["timestamp"] == time
    assert stored["record"]["created_at"] == told


@pytest.mark.parametrize(
    "content",
    [
        None,
        "a text where blocks should be",
        [],
        [
            None,
            7,
            "text",
            {"type": "from_the_future", "x": [1]},
            {"type": "text"},
            {"type": "text", "text": None},
        ],
        [{"type": "tool_result", "content": [{"type": "text", "text": "output"}]}],
    ],
)
def test_content_of_any_shape_is_taken(content):
    stored = decoded(orjson.dumps([{"uuid": "c", "chat_messages": [message(1, content=content)]}]))
    assert len(stored) == 2
    assert stored[1]["record"]["content"] == content


def test_attachments_are_found_by_what_was_extracted_of_them():
    attached = [{"file_name": "a.txt", "extracted_content": "inside the file"}, None, {"file_name": "b"}]
    stored = decoded(orjson.dumps([{"uuid": "c", "chat_messages": [message(1, attachments=attached)]}]))
    assert stored[1]["text"] == "saying 1\n\ninside the file"


def test_a_conversation_is_in_the_project_that_the_api_names(archive_db, tmp_path):
    one = conversation(1, project_uuid="p1", project={"uuid": "p1", "name": "Engine"})
    (tmp_path / "one.json").write_bytes(orjson.dumps(one))
    (tmp_path / "projects.json").write_bytes(orjson.dumps(PROJECTS))
    run(tmp_path)
    (project,) = archive_db.projects.find({"slug": "claude.ai-p1"})
    assert {each["projectId"] for each in archive_db.sessions.find()} == {project["_id"]}
    assert archive_db.sessions.find_one("p1")["title"] == "Engine"


# ------------------------------------------------------------------ the export


def test_an_export_comes_in_as_it_came_by_mail(archive_db, tmp_path):
    export = by_mail(
        tmp_path,
        conversations=[conversation(1), conversation(2, 0), conversation(3, 5)],
        projects=PROJECTS,
        users=USERS,
        memories=MEMORIES,
    )
    done = run(export)
    assert (done.inserted, done.rejected) == (3 + 7 + 2 + 1 + 1, 0)
    counts = {
        each["path"].rsplit(": ")[-1]: each["counts"]["inserted"] for each in archive_db.import_files.find()
    }
    assert counts == {"conversations.json": 10, "projects.json": 2, "users.json": 1, "memories.json": 1}
    assert paths(archive_db) == [
        f"claude-ai/{name}.json" for name in ("conversations", "memories", "projects", "users")
    ]
    check_files(archive_db)
    check_projects(archive_db)


def test_an_export_in_parts_comes_in_at_once(archive_db, tmp_path):
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as out:
        out.writestr("conversations.json", orjson.dumps([conversation(1)]))
    place = tmp_path / "export.zip"
    with zipfile.ZipFile(place, "w") as out:
        out.writestr("conversations-000.zip", inner.getvalue())
        out.writestr("conversations-001.json", orjson.dumps([conversation(2)]))
        out.writestr("conversations-002.json", orjson.dumps([conversation(3)]))
    done = run(place)
    assert done.inserted == 9
    assert archive_db.sessions.count_documents({}) == 3
    check_files(archive_db)


def test_a_later_export_adds_what_is_new(archive_db, tmp_path):
    before = [conversation(1, 4), conversation(2, 4)]
    after = [conversation(3, 2), conversation(1, 6, updated_at="2026-02-01T00:00:00Z"), conversation(2, 4)]
    run(by_mail(tmp_path, "a.zip", conversations=before))
    done = run(by_mail(tmp_path, "b.zip", conversations=after), job="later")
    # A new conversation of two messages, two messages more in another, whose head says another time.
    assert done.inserted == 3 + 2 + 1
    assert done.duplicates == 4 + 5
    assert archive_db.message_copies.count_documents({}) == 9
    assert archive_db.sessions.find_one("c1")["messageCount"] == 8
    assert bytes_of(archive_db, "claude-ai/conversations~2.json") == orjson.dumps(after)
    check_files(archive_db)


def test_one_bad_conversation_does_not_lose_the_others(archive_db, tmp_path):
    good = [orjson.dumps(conversation(n)) for n in range(4)]
    bad = [
        b'{"uuid":"x","chat_messages":null}',
        b'{"uuid":"y"}',
        b'{"uuid":"z","chat_messages":[{"sender":nan},7]}',
        b"null",
        b'"text"',
    ]
    data = b"[" + b",".join([good[0], *bad, *good[1:]]) + b"]"
    (tmp_path / "conversations.json").write_bytes(data)
    done = run(tmp_path / "conversations.json")
    assert archive_db.sessions.count_documents({"_id": {"$in": ["c0", "c1", "c2", "c3"]}}) == 4
    assert done.rejected > 0
    assert bytes_of(archive_db, "claude-ai/conversations.json") == data
    check_files(archive_db)


def test_an_export_that_is_cut_off_grows(archive_db, tmp_path):
    data = orjson.dumps([conversation(n) for n in range(5)])
    place = tmp_path / "conversations.json"
    place.write_bytes(data[:-300])
    first = run(place)
    assert first.rejected == 1
    place.write_bytes(data)
    again = run(place, job="again")
    assert first.inserted + again.inserted == 15
    assert bytes_of(archive_db, "claude-ai/conversations.json") == data


# ------------------------------------------------------------------ what it is


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ([conversation(1)], "claude-ai"),
        ({"conversations": [conversation(1)]}, "claude-ai"),
        (conversation(1), "claude-ai"),
        ([conversation(1, 0)], "claude-ai"),
        ([{"uuid": "c", "title": "t", "messages": [message(1)]}], "claude-ai"),
        ([{"uuid": "c", "chat_messages": [message(1, sender=None)]}], "claude-ai"),
        (PROJECTS, "claude-ai-side"),
        (PROJECTS[0], "claude-ai-side"),
        (MEMORIES, "claude-ai-side"),
        (MEMORIES[0], "claude-ai-side"),
        (USERS, "claude-ai-side"),
    ],
)
def test_it_is_known_by_its_keys(value, name):
    for data in (
        orjson.dumps(value),
        json.dumps(value, indent=4).encode(),
        b"\xef\xbb\xbf" + orjson.dumps(value),
    ):
        assert detect(MemoryEntry(data, "x", "x", "")).format.name == name


def test_memories_of_an_unknown_shape_are_known_by_their_name():
    for data in (b'[{"note":"Ada likes numbers."}]', b'{"note":"Ada likes numbers."}'):
        found = detect(MemoryEntry(data, "memories.json", "memories.json", ""))
        assert found.format.name == "claude-ai-side"
        (told,) = read(opened_as(data, "memories.json"))
        assert b"Ada likes numbers." in told.encoded


class Endless:
    """An export that is made while it is read."""

    exact_size = True
    name = inside = label = "conversations.json"
    tree_path = ""

    def __init__(self, count: int) -> None:
        self.count = count
        self.size = 0

    def open(self, offset: int = 0):
        assert offset == 0
        self.size = 0
        return self

    def chunks(self):
        yield b"["
        for number in range(self.count):
            yield (b"," if number else b"") + orjson.dumps(conversation(number, 40, model="claude-opus-4-5"))
        yield b"]"

    def read(self, size: int = -1) -> bytes:
        if self.size == 0:
            self.source, self.rest = self.chunks(), b""
        while len(self.rest) < size and (more := next(self.source, b"")):
            self.rest += more
        data, self.rest = self.rest[:size], self.rest[size:]
        self.size += len(data)
        return data

    def close(self) -> None:
        """Nothing is open."""


@pytest.mark.slow
def test_two_hundred_megabytes_stream_through_little_memory():
    def resident() -> int:
        with open("/proc/self/statm") as told:
            return int(told.read().split()[1]) * 4096

    entry = Endless(22_000)
    found = detect(entry)
    source = OpenFile(
        entry, SourceFile(FILE_ID, "x"), Cursor(), found.format.start(found.sample, found.match)
    )
    source.format, source.facts = found.format.name, found.match.facts
    count, most, before = 0, 0, resident()
    for count, _ in enumerate(items(source, MAX_RECORD), 1):
        if count % 5000 == 0:
            most = max(most, resident() - before)
    assert count == 22_000 * 41
    assert entry.size > 200_000_000
    assert most < 50_000_000


def test_a_source_may_be_given_by_name(archive_db, tmp_path):
    place = tmp_path / "upload-7"
    place.write_bytes(orjson.dumps([conversation(1)]))
    run(Source(str(place), "conversations.json"))
    assert paths(archive_db) == ["claude-ai/conversations.json"]
