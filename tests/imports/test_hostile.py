"""Hostile and broken files: refused by record or by file with a reason, the good records kept, every byte
given back, memory and time within bounds. Nothing but an ``ArchiveError`` ever comes out."""

import json
import os
import re
import resource
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archive import files, reader, rejected, sessions
from archive.errors import ArchiveError, BadInput
from archive.reader import MessageFilter
from archive.sessions import SessionFilter
from imports.pipeline import Source
from tests import run as test_run
from tests.emptying import empty
from tests.imports.running import bytes_of, check, given_back, paths, run
from tests.samples.making import (
    ONE,
    SLUG,
    TWO,
    assistant,
    conversation,
    dump,
    joined,
    session_file,
    usage,
    user,
    write,
)

PATH = session_file(ONE)
GOOD = conversation(ONE, 6)
MB = 1024 * 1024
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def db(archive_db):
    """The archive; afterwards everything in it can be read, listed and written as JSON."""
    yield archive_db
    check(archive_db, calls=False)
    for message in reader.scan_messages(MessageFilter(), order="time"):
        orjson.dumps(message.get("record"), default=str)
    for sort in sessions.SORTS:
        for session in sessions.page_sessions(SessionFilter(sort=sort), limit=3).items:
            assert len(session["title"]) <= 200
            orjson.dumps(session, default=str)


# ------------------------------------------------------------------ lines


BAD_LINES = {
    "broken": (b'{"type":"user",', "not_json"),
    "trailing garbage": (GOOD[0] + b"garbage", "not_json"),
    "NaN": (b'{"type":"user","n":NaN}', "not_json"),
    "Infinity": (b'{"type":"user","n":-Infinity}', "not_json"),
    "array": (b"[1,2,3]", "not_an_object"),
    "nesting": (b'{"a":' + b"[" * 200 + b"]" * 200 + b"}", "too_deep"),
    "a bomb of brackets": (b"[" * 100_000, "too_deep"),
    "a bomb of objects": (b'{"a":' * 100_000, "too_deep"),
    "invalid UTF-8": (b'{"type":"user","t":"\xff\xfe"}', "invalid_utf8"),
    "surrogates as UTF-8": (b'{"type":"user","t":"\xed\xa0\xbd"}', "invalid_utf8"),
    "NUL bytes": (b"\x00" * 50, "not_json"),
    "a raw control character": (b'{"type":"user","t":"\x01"}', "not_json"),
    "a number of ten thousand digits": (b'{"n":' + b"9" * 10_000 + b"}", "not_json"),
    "a comment": (b"// nothing", "comment"),
}


@pytest.mark.parametrize("name", BAD_LINES)
def test_a_bad_line_is_named_and_the_good_ones_are_kept(db, tmp_path, name):
    line, code = BAD_LINES[name]
    data = joined([*GOOD[:3], line, *GOOD[3:]])
    result = run(write(tmp_path, PATH, data))
    good = 7 if name == "trailing garbage" else 6
    assert (result.inserted, result.rejected) == (good, 1)
    assert rejected.count_by_code("job") == {code: 1}
    (row,) = rejected.page_rejected("job").items
    assert (row["file"], row["line"]) == (PATH, 4)
    assert row["reason"]
    assert row["hint"]
    assert bytes_of(db, PATH) == data


ODD_LINES = {
    "lone surrogate": b'{"type":"user","sessionId":"s","t":"\\ud83d"}',
    "surrogates everywhere": b'{"type":"\\ud800","sessionId":"\\ud800","cwd":"/\\ud800","gitBranch":"\\udfff","uuid":"\\ud800","message":{"role":"\\ud800","model":"\\ud800","content":"\\ud800","id":"\\ud800","usage":{"speed":"\\ud800"}}}',
    "title of surrogates": b'{"type":"custom-title","customTitle":"a \\ud83d b","sessionId":"s"}',
    "NUL in a text": b'{"type":"user","sessionId":"a\\u0000b","message":{"role":"user","content":"\\u0000"}}',
    "NUL in a key": b'{"type":"user","a\\u0000b":1}',
    "beyond 64 bit": b'{"type":"user","n":123456789012345678901234567890,"m":18446744073709551615,"k":-9223372036854775809}',
    "beyond a double": b'{"type":"user","n":1e999,"m":-1e999}',
    "many digits": b'{"type":"user","n":0.1234567890123456789012345678901234567890123456789}',
    "minus nothing": b'{"type":"user","n":-0,"m":-0.0,"k":1E400}',
    "duplicate keys": b'{"type":"user","type":"assistant","a":1,"a":2}',
    "operators": b'{"type":"user","$set":{"a":1},"$where":"x","a.b.c":{"$ne":null},"":{"":1}}',
    "references": b'{"type":"user","x":{"$ref":"sessions","$id":"y","$db":"z"},"y":{"$ref":"#/definitions/z"}}',
    "extended JSON": b'{"type":"user","at":{"$date":"2026-01-01"},"id":{"$oid":"0123"},"n":{"$numberLong":"1"}}',
    "our own fields": b'{"_id":1,"fileId":2,"seq":"x","contentHash":null,"record":{},"raw":"y","type":"user"}',
    "line separators": '{"type":"user","t":"a\u2028b\u2029c\u0085d"}'.encode(),
    "a hundred levels": b'{"type":"user","a":' + b"[" * 99 + b"]" * 99 + b"}",
    "null everywhere": b'{"type":null,"sessionId":null,"message":null,"uuid":null,"timestamp":null,"cwd":null}',
    "lists everywhere": b'{"type":[],"sessionId":["x"],"message":[1],"uuid":[],"timestamp":[],"cwd":[],"isSidechain":[],"snapshot":[]}',
    "objects everywhere": b'{"type":{},"sessionId":{},"message":{"role":{},"content":{},"model":{},"usage":[]},"uuid":{},"timestamp":{}}',
    "numbers everywhere": b'{"type":1,"sessionId":2,"message":3,"uuid":4,"timestamp":5,"cwd":6,"costUSD":"7","requestId":8}',
    "message a text": b'{"type":"user","sessionId":"s","message":"hello"}',
    "content of any shape": b'{"type":"assistant","message":{"role":"assistant","content":[null,1,"x",[],{"type":"text"},{"type":["text"]},{"type":"text","text":{}}]}}',
    "an empty object": b"{}",
}


@pytest.mark.parametrize("name", ODD_LINES)
def test_an_odd_line_is_kept_to_the_byte(db, tmp_path, name):
    data = joined([*GOOD[:3], ODD_LINES[name], ODD_LINES[name], *GOOD[3:]])
    result = run(write(tmp_path, PATH, data))
    assert (result.inserted, result.rejected) == (8, 0)
    assert bytes_of(db, PATH) == data
    assert run(tmp_path / PATH, job="again").inserted == 0
    # And in a second file, where it is a copy.
    other = write(tmp_path, session_file(TWO), joined([GOOD[5], ODD_LINES[name]]))
    run(other, job="other")
    assert bytes_of(db, session_file(TWO)) == other.read_bytes()


def test_all_of_them_in_one_file_in_any_batches(db, tmp_path):
    lines = [*GOOD[:1], *(line for line, _ in BAD_LINES.values()), *ODD_LINES.values(), *GOOD[1:]]
    for number, end in enumerate((b"\n", b"\r\n", b"\n\n\r\n")):
        data = joined(lines, end)
        place = write(tmp_path, session_file(str(number)), data)
        run(place, job=str(number), batch_docs=3, own_process=0 if number == 1 else 1 << 40)
        assert bytes_of(db, session_file(str(number))) == data


TIMES = [
    "0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59.999999Z", "2026-01-01T00:00:00.123456789Z", "2026-02-30T00:00:00Z", "2026-01-01",
    "now", "", 0, -1, -1e18, 1e18, 253402300800000, True, [1], {"$date": 0}, None, "1" * 5000,
]  # fmt: skip


def test_times_of_every_kind_are_kept_and_do_not_break_later_reads(db, tmp_path):
    lines = [dump(user(ONE, n, timestamp=time)) for n, time in enumerate(TIMES)]
    assert run(write(tmp_path, PATH, joined(lines))).inserted == len(TIMES)
    assert bytes_of(db, PATH) == joined(lines)
    assert len(list(reader.scan_messages(MessageFilter(), order="time", batch_size=3))) == len(TIMES)


def test_fields_of_ten_megabytes(db, tmp_path):
    huge = "x" * (10 * MB)
    lines = [
        dump({**user(ONE, 0), name: huge})
        for name in ("sessionId", "cwd", "uuid", "gitBranch", "type", "timestamp", "version")
    ]
    lines.append(dump(assistant(ONE, 1, id=huge)))
    lines.append(dump(assistant(ONE, 2, model=huge)))
    lines.append(dump({"type": "custom-title", "customTitle": huge, "sessionId": ONE}))
    lines.append(dump(user(ONE, 3, huge)))
    result = run(write(tmp_path, PATH, joined(lines)))
    assert (result.inserted, result.rejected) == (len(lines), 0)
    assert bytes_of(db, PATH) == joined(lines)
    assert max(len(each["_id"]) for each in db.sessions.find()) <= 1000


def test_a_head_of_ten_megabytes_names_no_session_and_no_folder(db, tmp_path):
    line = dump(user("s" * (10 * MB), 0, cwd="/" + "d" * MB))
    result = run(Source(str(write(tmp_path, "upload", joined([line]))), "a.jsonl"))
    assert result.inserted == 1
    assert paths(db) == ["projects/unsorted/a.jsonl"]


def test_usage_of_every_kind(db, tmp_path):
    bad: list[Any] = ["5", -1, 1e30, 10**30, 1.5, None, [], {}, True]
    lines = [
        dump(
            assistant(
                ONE,
                n,
                tokens={
                    "input_tokens": value,
                    "output_tokens": value,
                    "cache_read_input_tokens": 1,
                    "cache_creation": value,
                    "server_tool_use": value,
                    "speed": value,
                },
            )
        )
        for n, value in enumerate(bad)
    ]
    lines += [
        dump(assistant(ONE, 50 + n, tokens=usage(output_tokens=10**12), costUSD=value))
        for n, value in enumerate([*bad, 1e300, -1e300])
    ]
    run(write(tmp_path, PATH, joined(lines)))
    session = sessions.get_session(ONE)
    assert session["outputTokens"] == 11 * 10**12 + 0
    assert session["totalCost"].is_finite()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
NAMES = ["type", "message", "uuid", "parentUuid", "sessionId", "timestamp", "cwd", "isSidechain", "requestId", "costUSD", "attachment", "data", "snapshot", "summary", "leafUuid"]  # fmt: skip


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(st.dictionaries(st.sampled_from(NAMES), JSON, max_size=6), min_size=1, max_size=6))
def test_no_values_break_an_import(archive_db, tmp_path, lines):
    empty(archive_db)
    data = joined([GOOD[0], *(json.dumps(line).encode() for line in lines)])
    run(write(tmp_path, PATH, data))
    assert bytes_of(archive_db, PATH) == data


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    noise=st.lists(st.tuples(st.integers(0, 3000), st.binary(min_size=1, max_size=9)), max_size=6),
    cut=st.integers(0, 3000),
)
def test_no_bytes_break_an_import(archive_db, tmp_path, noise, cut):
    empty(archive_db)
    data = bytearray(joined(GOOD) + joined(GOOD[:2]))
    for at, new in noise:
        data[at : at + len(new)] = new
    place = write(tmp_path, PATH, bytes(data[: len(data) - cut]))
    try:
        run(place)
    except ArchiveError:
        return
    (found,) = given_back(archive_db).values()
    assert found == place.read_bytes()
    check(archive_db, calls=False)


# ------------------------------------------------------------------ sizes


def test_a_record_of_twenty_megabytes_is_refused_and_kept(db, tmp_path):
    data = joined([*GOOD[:3], dump(user(ONE, 99, "x" * (20 * MB))), *GOOD[3:]])
    result = run(write(tmp_path, PATH, data))
    assert (result.inserted, result.rejected) == (6, 1)
    assert rejected.count_by_code("job") == {"too_large": 1}
    assert bytes_of(db, PATH) == data


@pytest.mark.parametrize("size", [15 * MB - 2000, 15 * MB - 1, 15 * MB, 15 * MB + 1])
@pytest.mark.parametrize("kind", ["plain", "raw", "broken", "blank before"])
def test_records_at_the_limit_of_a_document(db, tmp_path, size, kind):
    line = dump(user(ONE, 99, ""))
    line = line.replace(b'"content":""', b'"content":"' + b"x" * (size - len(line)) + b'"')
    if kind == "raw":
        line = line.replace(b'"isSidechain":false', b'"isSidechain": false')
    if kind == "broken":
        line = line[:-1]
    blank = b"\n" * 300_000 if kind == "blank before" else b""
    data = joined([GOOD[0]]) + blank + joined([line, GOOD[1]])
    result = run(write(tmp_path, PATH, data))
    assert result.inserted + result.rejected >= 3
    assert result.inserted >= 2
    assert bytes_of(db, PATH) == data


@pytest.mark.parametrize("item", [b"1", b"[]", b"{}", b'""', b"null", b"1.5"])
def test_records_that_grow_in_bson_are_kept_or_refused_by_record(db, tmp_path, item):
    line = (
        b'{"type":"user","parentUuid":null,"sessionId":"s","a":['
        + b",".join([item] * (5 * MB // (len(item) + 1)))
        + b"]}"
    )
    data = joined([GOOD[0], line, line, GOOD[1]])
    result = run(write(tmp_path, PATH, data))
    assert (result.inserted in (2, 4), result.seen) == (True, 4)
    assert bytes_of(db, PATH) == data
    assert run(tmp_path / PATH, job="again").inserted == 0
    assert bytes_of(db, PATH) == data


def test_a_batch_of_many_times_sixteen_megabytes_is_one_transaction(db, tmp_path):
    array = b'"a":[' + b",".join([b"1"] * 600_000) + b"]"
    lines = [dump(user(ONE, n)).replace(b'"isSidechain":false', array) for n in range(14)]
    data = joined(lines)
    assert len(data) > 16 * MB
    result = run(write(tmp_path, PATH, data))
    assert result.inserted == 14
    assert bytes_of(db, PATH) == data


def test_a_limit_wider_than_a_document_is_no_wider(db, tmp_path):
    data = joined([GOOD[0], dump(user(ONE, 9, "x" * (17 * MB))), GOOD[1]])
    result = run(write(tmp_path, PATH, data), max_record=64 * MB)
    assert (result.inserted, result.rejected) == (2, 1)
    assert bytes_of(db, PATH) == data


MEASURE = """
import re, sys
from pathlib import Path
from archive import connection
from imports.pipeline import ImportOptions, Source, import_batches
connection.configure(sys.argv[1], sys.argv[2])
def peak(pid):
    try:
        return int(re.search("VmHWM:\\s+(\\d+)", Path(f"/proc/{pid}/status").read_text()).group(1)) // 1024
    except (OSError, AttributeError):
        return 0
most = 0
for step in import_batches([Source(sys.argv[3])], job_id="long", token=1, options=ImportOptions(), log=lambda *a: None):
    children = [pid for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()]
    most = max([most, peak("self"), *map(peak, children)])
print(step.counts["inserted"], step.counts["rejected"], most)
"""


def measured(servers, place: Path) -> tuple[int, int, int]:
    """Inserted, rejected, and the largest process in MB, of an import in a process of its own."""
    command = [sys.executable, "-c", MEASURE, servers.mongodb_url, test_run.DATABASE, str(place)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    inserted, refused, megabytes = map(int, done.stdout.split())
    return inserted, refused, megabytes


def test_a_line_of_two_hundred_megabytes_takes_bounded_memory(archive_db, servers, tmp_path):
    place = write(tmp_path, PATH, joined(GOOD[:3]))
    with place.open("ab") as stream:
        stream.write(b'{"a":"')
        for _ in range(200):
            stream.write(b"x" * MB)
        stream.write(b'"}\n' + joined(GOOD[3:]))
    started = time.monotonic()
    inserted, refused, megabytes = measured(servers, place)
    assert (inserted, refused) == (6, 1)
    assert megabytes < 400
    assert time.monotonic() - started < 60
    (row,) = rejected.page_rejected("long").items
    assert row["size"] <= 15 * MB + 2
    sizes = [len(chunk) for chunk in files.file_chunks(archive_db.source_files.find_one()["_id"])]
    assert sum(sizes) == place.stat().st_size


def test_many_large_records_take_bounded_memory(archive_db, servers, tmp_path):
    place = write(tmp_path, PATH, b"")
    with place.open("ab") as stream:
        for number in range(15):
            stream.write(dump(user(ONE, number, "x" * (10 * MB))) + b"\n")
    inserted, refused, megabytes = measured(servers, place)
    assert (inserted, refused) == (15, 0)
    assert megabytes < 512


# ------------------------------------------------------------------ files of other kinds


REFUSED = {
    "nothing": b"",
    "blank": b"\n\n  \n",
    "UTF-16": "\ufeff".encode("utf-16-le") + joined(GOOD).decode().encode("utf-16-le"),
    "UTF-16 without a mark": joined(GOOD).decode().encode("utf-16-be"),
    "gzip": b"\x1f\x8b\x08\x00" + os.urandom(200),
    "random": bytes(range(255, 0, -1)) * 50,
    "PNG": b"\x89PNG\r\n\x1a\n" + bytes(100),
    "PDF": b"%PDF-1.7\n1 0 obj",
    "HTML": b"<!doctype html><html></html>",
    "CSV": b"id,title\n1,x\n",
    "ChatGPT": b'[{"title":"x","mapping":{}}]',
    "another tool": joined(
        [b'{"type":"session_meta","payload":{}}', b'{"type":"response_item","payload":{}}']
    ),
    "a JSON array of lines": b"[" + b",".join(GOOD) + b"]",
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_of_another_kind_is_refused_with_a_reason_and_a_hint(db, tmp_path, name):
    place = write(tmp_path, "x.jsonl", REFUSED[name])
    with pytest.raises(BadInput) as caught:
        run(place)
    assert re.search(r"x\.jsonl", caught.value.message)
    assert caught.value.hint
    assert caught.value.code in ("empty_file", "wrong_encoding", "unknown_format", "bad_container")
    assert db.messages_current.count_documents({}) == 0
    assert db.source_files.count_documents({}) == 0


@pytest.mark.parametrize("name", ["x.json", "x.txt", "x.zip", "x", "x.jsonl.png", "\u202egnp.x"])
def test_what_it_holds_decides_not_what_it_is_called(db, tmp_path, name):
    assert run(write(tmp_path, name, joined(GOOD))).inserted == 6


def test_a_zip_called_jsonl_is_a_zip(db, tmp_path):
    with zipfile.ZipFile(tmp_path / "x.jsonl", "w") as archive:
        archive.writestr(f"{SLUG}/{ONE}.jsonl", joined(GOOD))
    assert run(tmp_path / "x.jsonl").inserted == 6
    assert paths(db) == [PATH]


def test_a_byte_order_mark_and_other_line_ends_are_read_and_kept(db, tmp_path):
    data = b"\xef\xbb\xbf" + joined(GOOD, b"\r\n")
    assert run(write(tmp_path, PATH, data)).inserted == 6
    assert bytes_of(db, PATH) == data


# ------------------------------------------------------------------ zips


def pack(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def test_names_that_lead_out_of_a_zip_stay_inside(db, tmp_path):
    packed = pack(
        tmp_path / "x.zip",
        {"../../../../etc/cron.d/a.jsonl": joined(GOOD), "/abs/b.jsonl": joined(conversation(TWO, 2))},
    )
    assert run(packed).inserted == 8
    assert all(path.startswith("projects/") and ".." not in path for path in paths(db))
    assert [each.name for each in tmp_path.iterdir()] == ["x.zip"]


@pytest.mark.parametrize("own_process", [0, 1 << 40], ids=["in a process of its own", "in this process"])
def test_what_is_whole_of_a_damaged_zip_is_kept(db, tmp_path, own_process):
    """Three of four are whole; one ends in the middle, and says so."""
    members = {f"{SLUG}/{n}.jsonl": joined(conversation(str(n), 40)) for n in range(4)}
    packed = pack(tmp_path / "x.zip", members)
    data = bytearray(packed.read_bytes())
    second = data.index(b"PK\x03\x04", 10)
    data[second + 200 : second + 240] = bytes(40)
    packed.write_bytes(bytes(data))
    result = run(packed, batch_docs=8, own_process=own_process)
    assert result.last.refused_files == 1
    assert result.inserted >= 120
    whole = set(given_back(db).values())
    assert sum(member in whole for member in members.values()) == 3


def test_a_checksum_that_is_wrong_at_the_end_keeps_what_was_read_and_can_be_repeated(db, tmp_path):
    packed = pack(tmp_path / "x.zip", {f"{SLUG}/{ONE}.jsonl": joined(conversation(ONE, 30))})
    data = packed.read_bytes()
    at = data.index(b"PK\x01\x02")
    damaged = data[: at + 16] + b"\xde\xad\xbe\xef" + data[at + 20 :]
    packed.write_bytes(damaged)
    with pytest.raises(BadInput) as caught:
        run(packed, batch_docs=7)
    assert caught.value.code == "bad_container"
    check(db, calls=False)
    packed.write_bytes(data)
    result = run(packed, job="again")
    assert (result.seen, db.messages_current.count_documents({})) == (30, 30)
    assert bytes_of(db, PATH) == joined(conversation(ONE, 30))


def test_two_members_of_one_name_are_both_taken(db, tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("a.jsonl", joined(GOOD))
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a.jsonl", joined(conversation(TWO, 3)))
    assert run(tmp_path / "x.zip").inserted == 9
    assert sorted(given_back(db).values()) == sorted([joined(GOOD), joined(conversation(TWO, 3))])


def test_a_bomb_takes_neither_memory_nor_time(db, servers, tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        bomb = zipfile.ZipInfo("a.jsonl")
        bomb.compress_type = zipfile.ZIP_DEFLATED
        with archive.open(bomb, "w", force_zip64=True) as stream:
            for _ in range(300):
                stream.write(bytes(MB))
        archive.writestr("good.jsonl", joined(GOOD))
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        assert archive.getinfo("a.jsonl").file_size == 300 * MB
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.monotonic()
    result = run(tmp_path / "x.zip")
    assert (result.inserted, result.last.refused_files) == (6, 1)
    assert any("a.jsonl grows" in line for line in result.log)
    assert time.monotonic() - started < 10
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300 * 1024
