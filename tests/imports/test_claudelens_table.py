"""This program's own CSV of messages, taken in again: what its columns hold comes back, whatever it is."""

import csv
import io
import json
import shutil
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from archive.filters import MessageFilter
from archive.projects import project_id
from archive.records import MAX_DEPTH, Rejected
from exports.choices import build_choices
from exports.material import ArchiveMaterial
from exports.renderers import RENDERERS, csv_table, tables
from exports.shaping import shaped
from imports.formats import Choice
from imports.readers.claudelens_table import COLUMNS, GUARDED, unguarded
from tests.imports.reading import MAX_RECORD, opened, opened_as, read
from tests.imports.running import run
from tests.imports.test_claudelens_exports import (
    CLAUDE_AI,
    OBJECT,
    Material,
    answer,
    check_sums,
    known,
    line,
    nested,
    picture,
    sources,
    stored,
    wipe,
)  # fmt: skip
from tests.imports.test_formats import SAMPLES

__all__ = ["sources"]
SESSION = "11111111-1111-4111-8111-111111111111"
WHOLE = {"columns": ["all"]}


def exported(**choices: Any) -> bytes:
    return b"".join(csv_table.RENDERER.render(ArchiveMaterial(MessageFilter()), build_choices(choices)))


def rendered(documents: list[dict[str, Any]], titles: dict[str, str] | None = None, **choices: Any) -> bytes:
    known_titles = titles or {}
    material = Material(documents)
    material.session_list = [{"sessionId": each, "title": known_titles[each]} for each in sorted(known_titles)]
    return b"".join(csv_table.RENDERER.render(material, build_choices(choices)))


def back(data: bytes, limit: int = MAX_RECORD) -> list[Any]:
    source = opened_as(data, "export.csv")
    assert source.format == "claudelens-table"
    return read(source, limit)


def test_the_columns_are_those_of_the_export():
    assert set(tables.names_of("messages")) == COLUMNS


@given(st.text(st.sampled_from("'=+-@\t\r\n＝＋－＠a")))
def test_the_guard_of_the_export_is_taken_away_and_nothing_else(cell):
    assert unguarded({"text": csv_table.guarded(cell)})["text"] == cell
    assert (GUARDED.match(csv_table.guarded(cell)) is None) == (csv_table.guarded(cell) == cell)


# ------------------------------------------------------------------ with the records: everything


def test_with_all_columns_an_empty_archive_becomes_the_same_archive(archive_db, sources, tmp_path):
    run(sources)
    before, target = picture(archive_db), tmp_path / "export.csv"
    target.write_bytes(exported(**WHOLE))
    wipe(archive_db)
    done = run(target, job="back")
    after = picture(archive_db)
    for part in before:
        assert after[part] == before[part], part
    assert done.inserted == len(before["messages"]) == done.seen
    check_sums(archive_db)
    assert done.log == [done.log[0]], "nothing to warn of"


def test_with_all_columns_the_archive_it_came_from_gains_nothing(archive_db, sources, tmp_path):
    run(sources)
    before, target = picture(archive_db), tmp_path / "export.csv"
    target.write_bytes(exported(**WHOLE))
    done = run(target, job="again")
    assert (done.inserted, done.rejected, done.duplicates) == (0, 0, len(before["messages"]))
    assert picture(archive_db) == before
    check_sums(archive_db)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(OBJECT, min_size=1, max_size=5), st.booleans(), st.booleans(), st.booleans())
def test_whatever_a_record_holds_comes_back_from_all_columns(records, ascii_only, spaced, guards):
    separators = (", ", ": ") if spaced else (",", ":")
    dumped = [json.dumps(each, ensure_ascii=ascii_only, separators=separators) for each in records]
    first = stored(read(opened("\n".join(dumped).encode("utf-8", "surrogatepass") + b"\n")))
    if first:
        found = back(rendered(first, guardFormulas=guards, **WHOLE))
        assert [known(each) for each in stored(found)] == [known(each) for each in first]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(OBJECT, max_size=4), st.booleans(), st.sampled_from([None, 1]))
@example([{"uuid": float("inf"), "x": 1}], False, None)
def test_whatever_a_conversation_holds_comes_back_from_all_columns(bodies, ascii_only, indent):
    messages = [{"uuid": "m", "sender": "human", "text": "t"}, *({**each, "sender": "assistant"} for each in bodies)]
    # Its own uuid stays: with any other value there the whole document would be refused by name.
    more = {key: each for key, each in bodies[0].items() if key != "uuid"} if bodies else {}
    value = [{"uuid": "c", "name": "n", "chat_messages": messages, **more} if bodies else CLAUDE_AI[1]]
    first = stored(read(opened_as(json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass"))))
    assert [known(each) for each in stored(back(rendered(first, **WHOLE)))] == [known(each) for each in first]


@pytest.mark.parametrize("is_odd", [True, False])
def test_the_longest_and_the_deepest_record_come_back(is_odd):
    limit = 300_000
    quotes = orjson.dumps(line(1, x=["", '"'] * (limit // 9)))
    data = quotes.replace(b'"x"', b'"x": 1.0, "z"') if is_odd else quotes
    for body in (data, orjson.dumps(nested(MAX_DEPTH))):
        first = stored(read(opened(body + b"\n"), limit))
        assert len(first) == 1
        assert [known(each) for each in stored(back(rendered(first, **WHOLE), limit))] == [known(each) for each in first]


# ------------------------------------------------------------------ without them: what the columns hold

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20) | st.sampled_from(["=1", "'=1", "-", "a,b", 'a"b', "\r", "\0"])
TEXT = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from(",;\"\r\n\0\t=+-@' "), max_size=60)
TIMES = st.integers(-62_000_000_000_000, 253_000_000_000_000).map(lambda milliseconds: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds))
USAGE = st.fixed_dictionaries({}, optional={kind: st.integers(1, 10**12) for kind in ("input", "output", "cacheRead", "cacheWrite5m", "cacheWrite1h", "webSearches")} | dict.fromkeys(("speed", "tier", "geo"), NAMES))
MESSAGE = st.fixed_dictionaries(
    {"sessionId": st.sampled_from(["s1", "s2", "=s3"]), "type": NAMES, "source": st.sampled_from(["claude-code", "claude-ai", "csv"]), "isSidechain": st.booleans()},
    optional={
        "timestamp": TIMES, "text": TEXT.filter(bool), "usage": USAGE, "isPrompt": st.just(True),
        "reportedCostUsd": st.integers(0, 10**17).map(lambda cost: Decimal(cost).scaleb(-12)),
        "projectId": st.sampled_from([project_id(each) for each in ("-home-ada-shop", "-home-ada-engine", "claude.ai")]),
        **dict.fromkeys(("role", "uuid", "parentUuid", "model", "agentId", "cwd", "gitBranch", "version", "apiMessageId", "requestId"), NAMES),
    },
)  # fmt: skip


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(MESSAGE, min_size=1, max_size=6), st.booleans(), st.dictionaries(st.sampled_from(["s1", "=s3"]), TEXT))
def test_export_import_export_gives_the_same_bytes_whatever_a_message_says(messages, guards, titles):
    documents = [{"_id": bytes(32), **each} for each in sorted(messages, key=lambda each: each["sessionId"])]
    first = rendered(documents, titles, guardFormulas=guards)
    items = back(first)
    assert not [each for each in items if isinstance(each, Rejected)]
    for each in items:
        assert (each.titles or {}).get("custom", "") == titles.get(each.session_id, "")
        assert (each.title, each.document["source"]) == (None, "csv")
    assert rendered(stored(items), titles, guardFormulas=guards) == first
    again = back(rendered(stored(items), titles, guardFormulas=guards))
    assert [each.key for each in again] == [each.key for each in items], "the second time nothing is new"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(MESSAGE, min_size=1, max_size=4))
def test_a_row_that_became_a_message_is_whole_in_an_export_of_all_columns(messages):
    documents = [{"_id": bytes(32), **each} for each in sorted(messages, key=lambda each: each["sessionId"])]
    rows = stored(back(rendered(documents)))
    assert [known(each) for each in stored(back(rendered(rows, **WHOLE)))] == [known(each) for each in rows]


@pytest.fixture
def every_sample(archive_db, tmp_path):
    for folder in sorted(SAMPLES.iterdir()):
        mapping = orjson.loads((folder / "expected.json").read_bytes()).get("mapping", {})
        given = tmp_path / folder.name
        shutil.copytree(folder, given, ignore=shutil.ignore_patterns("expected.json"))
        run(given, job=folder.name, choice=Choice(folder.name if mapping else "", mapping))


def costs(db: Any) -> dict[str, Any]:
    return {each["_id"]: (each["totalCost"], each["callCount"], each["promptCount"], each["title"], each["startedAt"]) for each in db.sessions.find()}


def test_messages_of_every_source_come_back_as_far_as_their_columns_go(archive_db, every_sample, tmp_path):
    first, before, target = exported(), costs(archive_db), tmp_path / "export.csv"
    target.write_bytes(first)
    wipe(archive_db)
    done = run(target, job="back")
    assert (done.rejected, done.inserted) == (0, len(list(csv.reader(io.StringIO(first.decode(), newline="")))) - 1)
    assert exported() == first
    assert costs(archive_db) == before
    check_sums(archive_db)


@pytest.mark.parametrize("choices", [WHOLE, {}], ids=["all", "default"])
def test_the_same_table_again_adds_nothing(archive_db, sources, tmp_path, choices):
    run(sources)
    target = tmp_path / "export.csv"
    target.write_bytes(exported(**choices))
    wipe(archive_db)
    run(target)
    before, target = picture(archive_db), tmp_path / "again.csv"
    target.write_bytes(exported(**choices) + b"\r\n")
    done = run(target, job="again")
    assert (done.inserted, done.rejected) == (0, 0)
    assert picture(archive_db) == before


def test_a_masked_table_with_all_columns_is_taken_in_as_masked_lines_are(archive_db, sources, tmp_path):
    run(sources)
    asked = {"redact": ["paths"], "without": ["thinking"], "patterns": ["say \\d"]}
    tables_by_name = {}
    for name, more in (("csv", WHOLE), ("jsonl", {})):
        (tmp_path / f"masked.{name}").write_bytes(b"".join(RENDERERS[name].render(shaped(ArchiveMaterial(MessageFilter()), build_choices(asked)), build_choices({**asked, **more}))))
    for name in ("csv", "jsonl"):
        wipe(archive_db)
        assert run(tmp_path / f"masked.{name}", job=name).rejected == 0
        tables_by_name[name] = picture(archive_db)
    assert tables_by_name["csv"] == tables_by_name["jsonl"]
    assert any(each.get("changed") for each in tables_by_name["csv"]["messages"].values())


def test_beside_the_originals_rows_without_records_cost_nothing_more(archive_db, sources, tmp_path):
    run(sources)
    before, calls = costs(archive_db), archive_db.api_calls.count_documents({})
    target = tmp_path / "export.csv"
    target.write_bytes(exported())
    run(target, job="beside")
    assert archive_db.api_calls.count_documents({}) == calls
    assert {key: each[:2] for key, each in costs(archive_db).items()} == {key: each[:2] for key, each in before.items()}


def test_a_table_that_a_spreadsheet_saved_again_is_read(tmp_path):
    table = rendered(stored(read(opened(orjson.dumps(line(1)) + b"\n" + orjson.dumps(answer(2)) + b"\n"))))
    rows = list(csv.reader(io.StringIO(table.decode(), newline="")))
    held = io.StringIO()
    csv.writer(held, delimiter=";", lineterminator="\n").writerows([[cell.upper() if cell in ("true", "false") else cell for cell in row] for row in rows])
    saved = b"\xef\xbb\xbf" + held.getvalue().encode()
    assert rendered(stored(back(saved))) == table


# ------------------------------------------------------------------ what is none


@pytest.mark.parametrize(
    ("column", "cell", "code"),
    [
        ("timestamp", "noon", "bad_value"),
        ("inputTokens", "-3", "bad_value"),
        ("reportedCostUsd", "much", "bad_value"),
        ("usage", "[1]", "bad_value"),
        ("titles", "{", "bad_value"),
        ("other", "[" * 2000 + "]" * 2000, "bad_value"),
        ("record", "[1]", "bad_value"),
        ("record", '{"a":' * 150 + "1" + "}" * 150, "bad_value"),
        ("raw", "?", "not_a_message"),
    ],
)
def test_a_row_with_a_cell_that_cannot_be_read_is_rejected_alone_with_its_bytes(column, cell, code):
    table = rendered(stored(read(opened(orjson.dumps(line(1)) + b"\n"))), **WHOLE)
    header, row = list(csv.reader(io.StringIO(table.decode(), newline="")))
    bad = [cell if name == column else each for name, each in zip(header, row, strict=True)]
    held = io.StringIO(newline="")
    csv.writer(held).writerows([header, row, bad, row])
    source = opened_as(held.getvalue().encode(), "export.csv")
    found = read(source)
    assert [getattr(each, "code", "") for each in found] == ["", code, ""]
    assert (source.cursor.records, source.cursor.rejected) == (2, 1)
    assert found[1].raw == held.getvalue().splitlines(keepends=True)[2].encode().replace(b"\r\r\n", b"\r\n")
    assert code != "bad_value" or column in found[1].reason


@pytest.mark.parametrize("other", [{"_id": "x", "importId": "forged", "$set": 1}, {"origin": 3}, {"usage": [1]}, {"titles": 1, "project": 5}, {"isSidechain": "x"}, {"record": {"a": 1}}])
def test_what_a_row_says_of_itself_is_not_trusted(other):
    documents = stored(read(opened(orjson.dumps(answer(1)) + b"\n")))
    for source in ("claude-code", "other"):
        table = rendered([{**documents[0], "source": source}], **WHOLE)
        header, row = list(csv.reader(io.StringIO(table.decode(), newline="")))
        held = io.StringIO(newline="")
        csv.writer(held).writerows([header, [*row[:-1], json.dumps(other)]])
        (again,) = stored(back(held.getvalue().encode()))
        assert (again["importId"], again["sessionId"]) == ("job", SESSION)
        assert isinstance(again["_id"], bytes)
        assert "$set" not in again
        assert rendered([again], **WHOLE), "and it can be exported"


def test_other_tables_are_left_to_the_readers_that_know_them():
    for header in (b"sessionId,type\r\n1,2\r\n", b"sessionId,type,text,colour\r\n1,2,3,4\r\n", b"sessionId,type,text,text\r\n1,2,3,4\r\n"):
        assert opened_as(header, "x.csv", text="type").format == "csv"
