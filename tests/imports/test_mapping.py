"""Tables, arrays and lines of any tool: which column is what, guessed, chosen, and read."""

import csv
import io
import tracemalloc
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import bson
import orjson
import pytest

from archive.errors import BadInput
from archive.records import Message, Rejected
from imports.formats import Choice, detect, sample_of
from imports.readers.generic import suggest
from imports.readers.mapping import FIELDS, check_mapping, value_at
from imports.readers.suggesting import Suggestion
from imports.readers.values import BadValueError, is_time_format, read_count, read_money, read_text, read_time
from tests.imports.reading import MemoryEntry, given_back, items, opened_as, read
from tests.imports.running import bytes_of, check_files, check_projects, run

CHAT = [
    ["When", "Who", "Body"],
    ["2026-01-05 09:00:00", "human", "Can the engine weave algebra?"],
    ["2026-01-05 09:00:07", "AI", "It weaves algebraic patterns."],
]


def table(rows: list[list[Any]], **dialect: Any) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, **dialect).writerows(rows)
    return out.getvalue().encode()


def lines(*objects: dict[str, Any]) -> bytes:
    return b"".join(orjson.dumps(each) + b"\n" for each in objects)


def suggested(data: bytes) -> Suggestion:
    found = suggest(sample_of(MemoryEntry(data, "a.txt", "a.txt", "")))
    assert found is not None
    return found


def messages(data: bytes, name: str = "talk.csv", wanted: str = "", **mapping: Any) -> list[dict[str, Any]]:
    return [
        _stored(each) for each in read(opened_as(data, name, wanted, **mapping)) if isinstance(each, Message)
    ]


def _stored(message: Message) -> dict[str, Any]:
    return {
        **bson.decode(message.encoded),
        "at": message.timestamp,
        "title": message.title,
        "calls": message.calls,
    }


def refusal(data: bytes, choice: Choice) -> BadInput:
    with pytest.raises(BadInput) as caught:
        detect(MemoryEntry(data, "a.csv", "a.csv", ""), choice)
    return caught.value


# ------------------------------------------------------------------ guessing


@pytest.mark.parametrize(
    ("columns", "mapping"),
    [
        ("When,Who,Body", {"time": "When", "role": "Who", "text": "Body"}),
        ("created_at,SENDER,Message Text", {"time": "created_at", "role": "SENDER", "text": "Message Text"}),
        ("c1,c2,c3", {"time": "c1", "role": "c2", "text": "c3"}),
    ],
)
def test_columns_are_known_by_name_and_by_what_they_hold(columns, mapping):
    found = suggested(table([columns.split(","), *CHAT[1:]]))
    assert found.mapping == mapping
    assert found.why.keys() == mapping.keys()
    assert all(column in found.why[field] for field, column in mapping.items())
    assert found.missing == []
    assert found.is_chat
    assert [each.kind for each in found.columns] == ["time", "role", "text"]
    assert found.columns[1].examples == ["human", "AI"]


def test_every_field_is_found_by_a_name_of_its_own():
    names = {
        "text": "Content", "role": "role", "time": "timestamp", "session": "conversation_id", "uuid": "Message ID",
        "parent": "parent id", "title": "Title", "project": "project", "model": "model", "input_tokens": "Prompt tokens",
        "output_tokens": "completion_tokens", "cost": "Cost (USD)", "type": "type",
    }  # fmt: skip
    assert names.keys() == FIELDS.keys()
    row = ["hi there", "user", "1767600000", "c", "m", "p", "T", "P", "claude", "1", "2", "0.5", "chat"]
    assert suggested(table([list(names.values()), row])).mapping == names


def test_paths_of_nested_objects_are_columns():
    record = {
        "author": {"role": "user", "id": 7},
        "content": {"parts": ["a", "b"]},
        "meta": {"create_time": 1767600000.5},
    }
    found = suggested(lines(record, record))
    assert found.mapping == {"role": "author.role", "text": "content.parts", "time": "meta.create_time"}
    assert messages(lines(record), **found.mapping)[0]["text"] == "a\n\nb"
    assert value_at({"a.b": 1, "a": {"b": 2}}, "a.b") == 1


def test_dates_whose_order_can_be_only_one_are_taken_and_others_are_not():
    rows = [["date", "role", "text"], ["3/4/2026", "user", "x"]]
    assert "time" not in suggested(table(rows)).mapping
    day_first = suggested(table([*rows, ["25/4/2026 8:15", "user", "y"]]))
    assert day_first.mapping["time"] == {"column": "date", "format": "day-first"}
    assert "day-first" in day_first.why["time"]


def test_what_nothing_was_found_for_is_said():
    found = suggested(b"id,amount\n1,2\n")
    assert found.missing == ["text"]
    assert not found.is_chat


def test_a_book_list_is_no_conversation():
    books = table([["Author", "Title", "Text"], ["Ada Lovelace", "Notes", "a long text about an engine"]])
    assert not suggested(books).is_chat
    assert refusal(books, Choice()).code == "unknown_format"


# ------------------------------------------------------------------ choosing


def test_a_conversation_is_taken_without_being_asked_only_where_it_is_given_by_itself():
    entry = MemoryEntry(table(CHAT), "talk.csv", "talk.csv", "")
    found = detect(entry)
    assert found.format.name == "csv"
    assert "text in “Body”" in found.match.explanation
    assert refusal(table(CHAT), Choice().among(2)).code == "unknown_format"
    assert detect(entry, Choice("csv").among(2)).format.name == "csv"
    assert detect(entry, Choice("", {"text": "Body"}).among(2)).match.facts["mapping"] == {"text": "Body"}


@pytest.mark.parametrize(
    "data",
    [b"id,note\n1,x\n", b'[{"id":1,"note":"x"}]', b'{"id":1,"note":"x"}\n' * 2],
    ids=["csv", "json", "jsonl"],
)
def test_what_is_no_conversation_is_refused_with_its_columns(data):
    told = refusal(data, Choice())
    assert told.code == "unknown_format"
    assert "Columns are: id, note." in told.hint
    found = detect(MemoryEntry(data, "a", "a", ""), Choice("", {"text": "note"}))
    assert found.match.facts["mapping"] == {"text": "note"}


@pytest.mark.parametrize(
    ("mapping", "code", "told"),
    [
        ({"role": "Who"}, "bad_mapping", "text"),
        ({"text": "Nobody"}, "unknown_column", "Nobody.*text"),
        ({"text": "Body", "mood": "Who"}, "bad_mapping", "mood"),
        ({"text": 1}, "bad_mapping", "text"),
        ({"text": {"column": "Body"}}, "bad_mapping", "text"),
        ({"text": "Body", "time": {"column": "When", "format": "soon"}}, "bad_mapping", "soon"),
        ({"text": "Body", "time": {"format": ""}}, "bad_mapping", "time"),
        ({"text": "Body", "time": "When", "time_format": "%Q"}, "bad_mapping", "%Q"),
    ],
)
def test_a_mapping_that_does_not_fit_is_refused_and_says_what_fits(mapping, code, told):
    with pytest.raises(BadInput, match=told) as caught:
        check_mapping(mapping, CHAT[0])
    assert caught.value.code == code
    assert caught.value.hint
    assert refusal(table(CHAT), Choice("csv", mapping)).code == code


def test_an_empty_choice_leaves_a_field_out():
    assert check_mapping({"text": "Body", "role": "", "time": None}, CHAT[0]) == {"text": "Body"}
    timed = check_mapping({"text": "Body", "time": "When", "time_format": "day-first"}, CHAT[0])
    assert timed["time"] == {"column": "When", "format": "day-first"}


def test_what_cannot_be_read_as_the_chosen_format_is_refused():
    assert refusal(b"{}\n", Choice("csv")).code == "other_format"
    assert refusal(table(CHAT), Choice("json")).code == "other_format"
    assert refusal("a,b\n".encode("utf-16"), Choice("csv")).code == "wrong_encoding"


# ------------------------------------------------------------------ values


NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("2026-01-31T12:00:00Z", ""),
        ("2026-01-31 12:00:00", ""),
        ("2026-01-31T13:00:00+01:00", ""),
        ("2026-01-31 14:00 +0200", ""),
        ("2026/01/31 12:00 UTC", ""),
        (1769860800, ""),
        ("1769860800", ""),
        (1769860800.0, ""),
        ("1769860800000", ""),
        ("1769860800", "seconds"),
        ("1769860800000", "milliseconds"),
        ("31.1.2026 12:00", "day-first"),
        ("31/01/2026, 12:00:00", "day-first"),
        ("2026-01-31 12:00", "day-first"),
        ("1/31/2026 12:00 PM", "month-first"),
        ("31 Jan 26 12h", "%d %b %y %Hh"),
    ],
)
def test_times_are_read_in_utc(value, form):
    assert read_time(value, form) == NOON


@pytest.mark.parametrize("value", [None, "", "  "])
def test_no_time_is_no_time(value):
    assert read_time(value) is None
    assert read_count(value) is None
    assert read_money(value) is None


@pytest.mark.parametrize(
    ("value", "form"),
    [("yesterday", ""), ("31.1.2026", ""), ("12", ""), (True, ""), ([1], ""), ("2026-02-30", ""), ("1e400", ""),
     ("32.1.2026", "day-first"), ("1.1.2026 25:00", "day-first"), ("x", "seconds"), ("2026", "%d.%m."), ("9" * 15, "")],
)  # fmt: skip
def test_what_is_no_time_is_told_with_what_was_expected(value, form):
    with pytest.raises(BadValueError, match="expected is"):
        read_time(value, form)


def test_a_pattern_of_times_is_one_that_can_be_read():
    assert all(map(is_time_format, ("", "day-first", "%d.%m.%Y")))
    assert not any(is_time_format(each) for each in ("soon", "%", "%Q", 1, None, ["x"]))


def test_numbers_and_money_are_exact():
    assert [read_count(each) for each in ("12", 12, 12.0, " 7 ", "1e3")] == [12, 12, 12, 7, 1000]
    assert [read_money(each) for each in ("0.0123", "$1.50", 0.1)] == [12_300_000_000, 15 * 10**11, 10**11]
    for bad in ("1,234", "x", "-1", True, [1], "NaN", "Infinity", "1.5", "9" * 20):
        with pytest.raises(BadValueError):
            read_count(bad)
    for bad in ("free", "-1", "1e9", {}):
        with pytest.raises(BadValueError):
            read_money(bad)


def test_texts_are_found_in_blocks_and_objects():
    blocks = [{"type": "text", "text": "a"}, {"type": "image"}, "b"]
    assert [read_text(each) for each in (blocks, {"parts": ["c"]}, {"text": "d"}, 5, None)] == [
        "a\n\nb",
        "c",
        "d",
        "5",
        "",
    ]


# ------------------------------------------------------------------ what a record says


def test_roles_have_the_archives_names():
    rows = [
        ["role", "text"],
        *([each, "x"] for each in ("Human", "me", "AI", "bot", "Claude", "system", "Ada")),
    ]
    roles = [each["role"] for each in messages(table(rows), role="role", text="text")]
    assert roles == ["user", "user", "assistant", "assistant", "assistant", "system", "Ada"]


def test_without_a_session_column_the_file_is_one_conversation():
    assert {each["sessionId"] for each in messages(table(CHAT), "notes/talk.csv")} == {"notes-talk"}


def test_a_number_names_a_conversation_within_its_file_only():
    rows = [
        ["chat", "role", "text"],
        ["1", "user", "x"],
        ["", "user", "y"],
        ["6e7f1c1e-0000-4000-8000-1", "user", "z"],
    ]
    found = messages(table(rows), "talk.csv", role="role", text="text", session="chat")
    assert [each["sessionId"] for each in found] == ["talk-1", "talk", "6e7f1c1e-0000-4000-8000-1"]


def test_everything_that_a_row_says_is_told():
    rows = [
        ["t", "r", "x", "s", "u", "p", "n", "pr", "m", "i", "o", "c", "k"],
        ["2026-01-31 12:00", "ai", "Hi", "conversation-00001", "message-0000000001", "message-0", "Notes", "/home/ada/engine",
         "claude-sonnet-4-5", "10", "20", "0.25", "reply"],
    ]  # fmt: skip
    mapping = dict(
        zip(FIELDS, ("x", "r", "t", "s", "u", "p", "n", "pr", "m", "i", "o", "c", "k"), strict=True)
    )
    [told] = messages(table(rows), wanted="csv", **mapping)
    assert told["at"] == NOON
    wanted = {
        "role": "assistant", "text": "Hi", "sessionId": "conversation-00001", "uuid": "message-0000000001",
        "parentUuid": "message-0", "model": "claude-sonnet-4-5", "type": "reply", "source": "csv",
        "usage": {"input": 10, "output": 20}, "apiMessageId": "message-0000000001", "title": ("custom", "Notes"),
    }  # fmt: skip
    assert {name: told[name] for name in wanted} == wanted
    [call] = told["calls"]
    assert (call.id, call.model, call.timestamp) == ("message-0000000001", "claude-sonnet-4-5", NOON)
    assert call.reported_cost == 25 * 10**10


def test_tokens_without_a_model_are_no_response_and_short_ids_name_none():
    rows = [
        ["text", "m", "n", "id"],
        ["a", "", "5", "1"],
        ["b", "claude-x", "", "2"],
        ["c", "claude-x", "5", "3"],
    ]
    found = messages(table(rows), text="text", model="m", output_tokens="n", uuid="id")
    assert [len(each["calls"]) for each in found] == [0, 0, 1]
    assert found[2]["calls"][0].id == found[2]["contentHash"].hex()


def test_a_value_that_cannot_be_read_rejects_its_row_alone():
    rows = [*CHAT, ["noon", "human", "When?"], ["", "human", "No time"]]
    source = opened_as(table(rows), "talk.csv", text="Body", time="When")
    found = read(source)
    [bad] = [each for each in found if isinstance(each, Rejected)]
    assert bad.code == "bad_value"
    assert "“When”" in bad.reason
    assert "“noon”" in bad.reason
    assert "2026-01-31T14:00:00Z" in bad.reason
    assert (source.cursor.records, source.cursor.rejected) == (3, 1)
    assert given_back(found, source.mark(is_done=True)) == table(rows)


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_rejected_line_comes_back_with_its_own_line_end(end):
    data = end.join([b'{"a":"x","t":"2026-01-01"}', b'{"a":"y","t":"soon"}', b'{"a":"z","t":""}', b""])
    source = opened_as(data, "a.jsonl", "jsonl", text="a", time="t")
    found = read(source)
    assert [each.code for each in found if isinstance(each, Rejected)] == ["bad_value"]
    assert given_back(found, source.mark(is_done=True)) == data


def test_a_rejected_element_comes_back_with_its_comma():
    data = b'[{"a":"x","t":1},{"a":"y","t":"soon"},{"a":"z","t":null}]'
    source = opened_as(data, "a.json", "json", text="a", time={"column": "t", "format": "seconds"})
    found = read(source)
    assert [each.code for each in found if isinstance(each, Rejected)] == ["bad_value"]
    assert given_back(found, source.mark(is_done=True)) == data


def test_arrays_are_found_wherever_they_stand_and_conversations_keep_apart():
    talk = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi"}]
    for value in (talk, {"log": talk}, {"data": {"messages": talk}, "tags": [{"a": 1}]}, [{"turns": talk}]):
        assert [each["text"] for each in messages(orjson.dumps(value), "talk.json")] == ["Hello", "Hi"]
    several = [
        {"id": "first-conversation-1", "title": "One", "turns": talk},
        {"id": "2", "title": "Two", "turns": talk},
    ]
    found = messages(orjson.dumps(several), "talk.json")
    assert [each["sessionId"] for each in found] == ["first-conversation-1"] * 3 + ["talk-2"] * 3
    assert [each["title"] for each in found if each["title"] and each["title"][0] == "custom"] == [
        ("custom", "One"), ("custom", "Two"),
    ]  # fmt: skip


# ------------------------------------------------------------------ through the archive


def written(place: Path, rows: int = 1000) -> Path:
    """A table with a bad row at every hundredth place."""
    with place.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(["Thread", "When", "Who", "Body", "Model", "In", "Out"])
        for n in range(rows):
            when = "never" if n % 100 == 99 else f"2026-01-{n % 28 + 1:02} {n % 24:02}:00:00"
            who = ("Human", "AI")[n % 2]
            body = f'Line one of {n},\nline "two"; é'
            writer.writerow(
                [f"thread-{n // 10:012}", when, who, body, "claude-sonnet-4-5" * (n % 2), n, n % 7]
            )
    return place


MAPPING = {
    "session": "Thread", "time": "When", "role": "Who", "text": "Body", "model": "Model", "input_tokens": "In",
    "output_tokens": "Out",
}  # fmt: skip


def test_a_table_of_a_thousand_rows_is_imported_exactly(archive_db, tmp_path):
    place = written(tmp_path / "talk.csv")
    with place.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    good = [row for row in rows if row["When"] != "never"]
    choice = Choice("csv", MAPPING)
    done = run(place, choice=choice)
    assert (done.seen, done.inserted, done.rejected) == (1000, len(good), 1000 - len(good))
    texts = [each["text"] for each in archive_db.messages_current.find().sort("seq", 1)]
    assert texts == [row["Body"] for row in good]
    sessions = {each["_id"]: each["messageCount"] for each in archive_db.sessions.find()}
    assert sessions == {
        name: sum(row["Thread"] == name for row in good) for name in {row["Thread"] for row in good}
    }
    calls = [row for row in good if row["Model"]]
    assert archive_db.api_calls.count_documents({}) == len(calls)
    tokens = sum(each["inputTokens"] for each in archive_db.sessions.find())
    assert tokens == sum(int(row["In"]) for row in calls)
    assert archive_db.rejected_records.distinct("code") == ["bad_value"]
    assert bytes_of(archive_db, "csv/talk.csv") == place.read_bytes()
    check_files(archive_db)
    check_projects(archive_db)
    again = run(place, job="again", choice=choice)
    assert (again.inserted, again.rejected) == (0, 10)
    assert archive_db.messages_current.count_documents({}) == len(good)


def test_a_cost_that_is_told_is_kept_exactly(archive_db, tmp_path):
    place = tmp_path / "costs.csv"
    place.write_bytes(
        table([["role", "text", "model", "output tokens", "cost"], ["ai", "x", "no-such-model", "5", "0.1"]])
    )
    run(place)
    [call] = archive_db.api_calls.find()
    assert call["reportedCostUsd"].to_decimal() == Decimal("0.1")


def test_a_growing_table_adds_its_new_rows(archive_db, tmp_path):
    place = tmp_path / "talk.csv"
    place.write_bytes(table(CHAT))
    run(place)
    with place.open("ab") as file:
        file.write(table([["2026-01-05 10:00:00", "human", "More?"]]))
    done = run(place, job="grown")
    assert (done.inserted, done.duplicates) == (1, 2)
    assert bytes_of(archive_db, "csv/talk.csv") == place.read_bytes()
    assert archive_db.sessions.find_one({"_id": "talk"})["messageCount"] == 3


def test_in_a_folder_tables_are_passed_over_until_they_are_chosen(archive_db, tmp_path):
    (tmp_path / "talk.csv").write_bytes(table(CHAT))
    (tmp_path / "package.json").write_bytes(b'{"name":"x","files":[{"role":"user","content":"y"}]}')
    with pytest.raises(BadInput):
        run(tmp_path)
    done = run(tmp_path, job="chosen", choice=Choice("", {"text": "Body", "role": "Who"}))
    assert (done.inserted, archive_db.messages_current.distinct("source")) == (2, ["csv"])


def test_memory_stays_flat_over_a_table_of_any_size():
    row = table([["2026-01-05 09:00:00", "human", 'She said "yes",\nand went. ' + "x" * 2000]])
    peaks = []
    for size in (1_000_000, 10_000_000):
        data = table(CHAT) + row * (size // len(row))
        source, numbers = opened_as(data, "talk.csv"), count()
        tracemalloc.start()
        for _ in items(source, 1_000_000):
            next(numbers)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert next(numbers) == size // len(row) + 2
    assert max(peaks) < 1_000_000
