"""This program's own exports, taken in again: nothing is lost, nothing is doubled."""

import json
import shutil
from typing import Any

import bson
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archive.filters import MessageFilter
from archive.projects import project_id
from archive.records import MAX_DEPTH, Message, Rejected, encode
from exports.choices import Choices
from exports.material import ArchiveMaterial
from exports.renderers import RENDERERS
from imports.formats import Choice
from tests.emptying import empty
from tests.exports.material import PlainMaterial
from tests.imports.reading import AWARE, opened, opened_as, read
from tests.imports.running import check_events, check_files, check_projects, run
from tests.imports.test_formats import SAMPLES

FORMATS = {"jsonl": "claudelens-jsonl", "json": "claudelens-json"}
both = pytest.mark.parametrize("name", FORMATS)
SESSION = "11111111-1111-4111-8111-111111111111"


def line(number: int, **more: Any) -> dict[str, Any]:
    return {
        "parentUuid": None, "isSidechain": False, "cwd": "/home/ada/engine", "sessionId": SESSION, "version": "2.1.0",
        "gitBranch": "main", "type": "user", "message": {"role": "user", "content": f"say {number}"},
        "uuid": f"u{number}", "timestamp": f"2025-03-01T12:00:{number % 60:02}.123Z", **more,
    }  # fmt: skip


def answer(number: int) -> dict[str, Any]:
    message = {
        "id": f"msg_{number // 2}", "role": "assistant", "model": "claude-sonnet-4-20250514",
        "content": [{"type": "text", "text": f"answer {number}"}], "usage": {"input_tokens": 1000, "output_tokens": number},
    }  # fmt: skip
    return line(number, type="assistant", message=message, requestId=f"req_{number // 2}")


def exported(name: str) -> bytes:
    return b"".join(RENDERERS[name].render(ArchiveMaterial(MessageFilter()), Choices()))


def picture(db: Any) -> dict[str, Any]:
    """All that must come back: everything but where it stands, and when it came."""
    left_out = ("fileId", "seq", "importId", "importedAt")
    messages = {each["_id"]: {k: v for k, v in each.items() if k not in left_out} for each in db.messages_current.find()}
    sessions = {each["_id"]: {k: v for k, v in each.items() if k not in ("fileIds", "importId")} for each in db.sessions.find()}
    calls = {each["_id"]: {k: v for k, v in each.items() if k != "importId"} for each in db.api_calls.find()}
    projects = {each["_id"]: {k: v for k, v in each.items() if k != "importId"} for each in db.projects.find()}
    return {"messages": messages, "sessions": sessions, "calls": calls, "projects": projects}


def check_sums(db: Any) -> None:
    check_files(db)
    check_projects(db)
    check_events(db)


def wipe(db: Any) -> None:
    empty(db)


CLAUDE_AI = [
    {
        "uuid": "c1", "name": "Engines", "summary": "of numbers", "created_at": "2025-01-01T00:00:00.000001Z", "n": 12345678901234567890123,
        "chat_messages": [
            {"uuid": "m1", "sender": "human", "text": "hello", "created_at": "2025-01-01T00:00:01Z", "s": "\ud83d"},
            {"uuid": "m2", "sender": "assistant", "text": "good day", "created_at": "2025-01-01T00:00:02Z"},
        ],
    },
    {"uuid": "c2", "name": "Nothing said", "chat_messages": []},
]  # fmt: skip
ODD = (
    rb'{"type":"user","uuid":"o1","sessionId":"odd","message":{"content":"\ud83d half"},"n":1.50E+2,"big":99999999999999999999,"d":1,"d":2}',
    rb'{"type":"user","uuid":"o2","sessionId":"odd","message":{"content":"x"},"ref":{"$ref":"a","$id":1},"a.b":{"$x":1}}',
)


@pytest.fixture
def sources(tmp_path):
    """Files of several kinds, odd ones too."""
    folder = tmp_path / "given/projects/-home-ada-engine"
    folder.mkdir(parents=True)
    lines = [line(1), answer(2), answer(3), line(4), line(4), {"type": "summary", "summary": "On engines", "leafUuid": "u4"}]
    plain = b"\n".join(orjson.dumps(each) for each in lines)
    (folder / f"{SESSION}.jsonl").write_bytes(plain + b"\n\n" + b"\n".join(ODD) + b"\r\n{bad\n")
    (folder / "copy.jsonl").write_bytes(orjson.dumps(line(4)) * 3)
    (tmp_path / "given/conversations.json").write_text(json.dumps(CLAUDE_AI, indent=1))
    (tmp_path / "given/web.json").write_text(json.dumps({"loglines": [line(7), answer(8)]}, indent=1))
    return tmp_path / "given"


@both
def test_an_export_taken_in_by_an_empty_archive_gives_the_same_archive(archive_db, sources, tmp_path, name):
    run(sources)
    before, data = picture(archive_db), exported(name)
    wipe(archive_db)
    target = tmp_path / f"export.{name}"
    target.write_bytes(data)
    done = run(target, job="back")
    after = picture(archive_db)
    for part in before:
        assert after[part] == before[part], part
    assert done.inserted == len(before["messages"]) == done.seen
    check_sums(archive_db)
    assert done.log == [done.log[0]], "nothing to warn of"


@both
def test_an_export_taken_in_by_the_archive_it_came_from_adds_nothing(archive_db, sources, tmp_path, name):
    run(sources)
    before = picture(archive_db)
    target = tmp_path / f"export.{name}"
    target.write_bytes(exported(name))
    done = run(target, job="again")
    assert (done.inserted, done.rejected, done.duplicates) == (0, 0, len(before["messages"]))
    assert picture(archive_db) == before
    check_sums(archive_db)


@both
def test_the_same_export_again_is_not_read(archive_db, sources, tmp_path, name):
    run(sources)
    target = tmp_path / f"export.{name}"
    target.write_bytes(exported(name))
    run(target, job="again")
    run(target, job="and-again")
    assert archive_db.import_files.find_one({"jobId": "and-again"})["state"] == "held"


@both
def test_the_file_is_no_original(archive_db, sources, tmp_path, name):
    run(sources)
    target = tmp_path / f"export.{name}"
    target.write_bytes(exported(name))
    wipe(archive_db)
    run(target)
    material = ArchiveMaterial(MessageFilter())
    assert list(material.files()) == []
    assert archive_db.source_files.find_one()["path"] == f"claudelens/export.{name}"


def test_a_record_that_was_changed_is_another_one_and_it_is_said(archive_db, sources, tmp_path):
    run(sources)
    target = tmp_path / "export.jsonl"
    target.write_bytes(exported("jsonl").replace(b"say 1", b"say nothing"))
    done = run(target, job="edited")
    assert done.inserted == 1
    assert any("1 records were changed" in each for each in done.log)
    assert archive_db.import_files.find_one({"jobId": "edited"})["warnings"]
    assert archive_db.messages_current.count_documents({"uuid": "u1"}) == 2


def test_an_empty_export_is_an_export(archive_db, tmp_path):
    target = tmp_path / "export.json"
    target.write_bytes(exported("json"))
    assert run(target).seen == 0


def test_the_last_line_of_a_live_export_is_passed_over(archive_db, sources, tmp_path):
    run(sources)
    before, lines = picture(archive_db), exported("jsonl")
    count = lines.count(b"\n")
    target = tmp_path / "live.jsonl"
    target.write_bytes(lines + RENDERERS["jsonl"].end_line(count))
    wipe(archive_db)
    done = run(target, job="back")
    assert (done.seen, done.inserted, done.rejected) == (count, count, 0)
    assert picture(archive_db) == before
    check_sums(archive_db)
    assert run(target, job="again").inserted == 0


def test_a_live_export_of_nothing_is_an_export(archive_db, tmp_path):
    target = tmp_path / "live.jsonl"
    target.write_bytes(RENDERERS["jsonl"].end_line(0))
    assert run(target).seen == 0


# ------------------------------------------------------------------ any record


def stored(items: list[Message | Rejected]) -> list[dict[str, Any]]:
    return [{"_id": each.key, **bson.decode(encode(each), AWARE)} for each in items if isinstance(each, Message)]


def known(document: dict[str, Any]) -> dict[str, Any]:
    return {key: each for key, each in document.items() if key not in ("fileId", "seq", "importId", "importedAt")}


class Material(PlainMaterial):
    """Knows the projects of these tests by their ids."""

    def project(self, project_id_: Any) -> dict[str, Any]:
        slugs = ("-home-ada-shop", "-home-ada-engine", "claude.ai")
        return next(({"slug": each, "path": each} for each in slugs if project_id(each) == project_id_), {})


def back(name: str, documents: list[dict[str, Any]], limit: int = 15 * 1024 * 1024) -> list[Message | Rejected]:
    data = b"".join(RENDERERS[name].render(Material(documents), Choices()))
    source = opened_as(data, f"export.{name}")
    assert source.format == FORMATS[name]
    return read(source, limit)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(st.characters(exclude_categories=[])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["$ref", "$id", "a.b", "", "d\u0000", "type", "raw", "x"]), inner, max_size=3),
    max_leaves=10,
)
OBJECT = st.dictionaries(st.sampled_from(["type", "message", "uuid", "sessionId", "timestamp", "cwd", "$ref", "$id", "a.b", "x\u0000", "content", "id"]), JSON, max_size=5)


@both
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(OBJECT, min_size=1, max_size=5), st.booleans(), st.booleans())
def test_whatever_a_record_holds_comes_back_from_an_export(name, records, ascii_only, spaced):
    separators = (", ", ": ") if spaced else (",", ":")
    dumped = [json.dumps(each, ensure_ascii=ascii_only, separators=separators) for each in records]
    data = "\n".join(dumped).encode("utf-8", "surrogatepass") + b"\n"
    first = stored(read(opened(data)))
    if not first:
        return
    second = back(name, first)
    assert [known(each) for each in stored(second)] == [known(each) for each in first]


@both
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(OBJECT, max_size=4), st.booleans(), st.sampled_from([None, 1]))
def test_whatever_a_conversation_holds_comes_back_from_an_export(name, bodies, ascii_only, indent):
    messages = [{"uuid": "m", "sender": "human", "text": "t"}, *({**each, "sender": "assistant"} for each in bodies)]
    # Its own uuid stays: with any other value there the whole document would be refused by name.
    more = {key: each for key, each in bodies[0].items() if key != "uuid"} if bodies else {}
    value = [{"uuid": "c", "name": "n", "chat_messages": messages, **more} if bodies else CLAUDE_AI[1]]
    data = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    first = stored(read(opened_as(data)))
    second = back(name, first)
    assert [known(each) for each in stored(second)] == [known(each) for each in first]


# ------------------------------------------------------------------ every field of the normal form


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with any of these fields."""
    return st.fixed_dictionaries({}, optional=fields)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
TOKENS = st.integers(0, 10**7)
USAGE = some(
    input_tokens=TOKENS, output_tokens=TOKENS, cache_read_input_tokens=TOKENS, cache_creation_input_tokens=TOKENS,
    cache_creation=some(ephemeral_1h_input_tokens=TOKENS, ephemeral_5m_input_tokens=TOKENS),
    server_tool_use=some(web_search_requests=st.integers(0, 9)),
    service_tier=st.sampled_from(["standard", "batch"]), speed=st.just("fast"), inference_geo=st.just("us"),
)  # fmt: skip
BLOCK = st.one_of(
    some(text=TEXT).map(lambda more: {"type": "text", **more}),
    some(thinking=TEXT, signature=TEXT).map(lambda more: {"type": "thinking", **more}),
    some(id=TEXT, name=st.sampled_from(["Bash", "Read"]), input=OBJECT).map(lambda more: {"type": "tool_use", **more}),
    some(tool_use_id=TEXT, content=TEXT, is_error=st.booleans()).map(lambda more: {"type": "tool_result", **more}),
    some(source=st.just({"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="})).map(lambda more: {"type": "image", **more}),
)
SAID = some(
    id=st.sampled_from(["msg_1", "msg_2"]), role=st.sampled_from(["user", "assistant"]), usage=USAGE,
    model=st.sampled_from(["claude-sonnet-4-20250514", "claude-opus-4-5-20251101", "unheard-of", "<synthetic>"]),
    content=TEXT | st.lists(BLOCK, max_size=3),
)  # fmt: skip
LINE = st.one_of(
    some(
        type=st.sampled_from(["user", "assistant", "system", "attachment", "never seen"]), message=SAID, requestId=TEXT,
        uuid=TEXT, parentUuid=TEXT | st.none(), sessionId=st.sampled_from([SESSION, "other"]), isSidechain=st.booleans(),
        agentId=TEXT, isMeta=st.booleans(), cwd=st.sampled_from(["/home/ada/engine", "C:\\\\engine", ""]), gitBranch=TEXT,
        version=TEXT, toolUseResult=OBJECT, costUSD=st.floats(0, 10), content=TEXT,
        timestamp=st.datetimes().map(lambda time: time.isoformat(timespec="milliseconds") + "Z") | TEXT,
    ),
    some(summary=TEXT, leafUuid=TEXT).map(lambda more: {"type": "summary", **more}),
    some(customTitle=TEXT, sessionId=st.just(SESSION)).map(lambda more: {"type": "custom-title", **more}),
    some(aiTitle=TEXT, sessionId=st.just(SESSION)).map(lambda more: {"type": "ai-title", **more}),
    some(agentName=TEXT, sessionId=st.just(SESSION)).map(lambda more: {"type": "agent-name", **more}),
)  # fmt: skip


def told_calls(items: list[Message | Rejected]) -> list[Any]:
    return [(each.id, each.session_id, each.model, dict(each.usage), each.timestamp, each.is_sidechain, each.request_id) for item in items if isinstance(item, Message) for each in item.calls]


@both
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(LINE, min_size=1, max_size=6))
def test_every_field_of_the_normal_form_comes_back(name, lines):
    data = "".join(json.dumps(each, ensure_ascii=False, separators=(",", ":")) + "\n" for each in [line(0), answer(1), *lines])
    read_first = read(opened(data.encode("utf-8", "surrogatepass")))
    first = stored(read_first)
    read_second = back(name, first)
    assert [known(each) for each in stored(read_second)] == [known(each) for each in first]
    assert told_calls(read_second) == told_calls(read_first) != []


def nested(depth: int) -> dict[str, Any]:
    value: Any = 1
    for _ in range(depth - 1):
        value = [value]
    return {"type": "user", "parentUuid": None, "sessionId": "s", "x": value}


@both
def test_the_deepest_record_comes_back(name):
    first = stored(read(opened(orjson.dumps(nested(MAX_DEPTH)) + b"\n")))
    assert len(first) == 1
    assert [known(each) for each in stored(back(name, first))] == [known(each) for each in first]


@both
@pytest.mark.parametrize("is_odd", [True, False])
def test_the_longest_record_comes_back(name, is_odd):
    limit = 300_000
    data = orjson.dumps(line(1, x="y" * (limit * 3 // 4 if is_odd else limit - 1000)))
    first = stored(read(opened((data.replace(b'"x"', b'"x": 1.0, "z"') if is_odd else data) + b"\n"), limit))
    assert [known(each) for each in stored(back(name, first, limit))] == [known(each) for each in first]


# ------------------------------------------------------------------ what is no message


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"record": None}, "not_a_message"),
        ({"record": [1]}, "not_a_message"),
        ({"raw": "?"}, "not_a_message"),
        ({"raw": 5}, "not_a_message"),
        ({"raw": "", "record": 1}, "not_a_message"),
        ({"record": {"x": "y" * 3000}}, "too_large"),
        ({"raw": "eHh4" * 1000}, "too_large"),
    ],
)
def test_a_line_that_holds_no_record_is_rejected_alone(change, code):
    good = orjson.loads(b"".join(RENDERERS["jsonl"].render(Material(stored(read(opened(orjson.dumps(line(1)) + b"\n")))), Choices())))
    bad = {key: each for key, each in {**good, **change}.items() if each is not None}
    data = b"\n".join(orjson.dumps(each) for each in (good, bad, good)) + b"\n"
    source = opened_as(data, "export.jsonl")
    found = read(source, 2000)
    assert [getattr(each, "code", "") for each in found if not isinstance(each, Rejected) or each.part == 0] == ["", code, ""]
    assert (source.cursor.records, source.cursor.rejected) == (2, 1)


@pytest.mark.parametrize(
    "change",
    [{"_id": "x", "importId": "forged", "$set": 1}, {"usage": {"input": -5, "output": 10**30, "x": [1]}}, {"usage": 7}, {"reportedCostUsd": "NaN"}, {"reportedCostUsd": "1E+999999"}, {"reportedCostUsd": []}, {"titles": [1]}, {"lead": -3}, {"project": 5}, {"timestamp": {}}, {"source": 3}, {"sessionId": None, "source": "other"}],
)
def test_what_a_line_says_of_itself_is_not_trusted(change):
    document = stored(read(opened(orjson.dumps(answer(1)) + b"\n")))[0]
    good = orjson.loads(b"".join(RENDERERS["jsonl"].render(Material([document]), Choices())))
    for source in ("claude-code", "other"):
        made = read(opened_as(json.dumps({**good, "source": source, **change}).encode() + b"\n", "export.jsonl"))
        (again,) = stored(made)
        assert again["importId"] == "job"
        assert isinstance(again["_id"], bytes)
        assert "$set" not in again
        assert all(type(each) in (int, str) for each in again.get("usage", {}).values())


# ------------------------------------------------------------------ every source


@both
def test_messages_of_every_source_come_back(archive_db, tmp_path, name):
    folders = sorted(each for each in SAMPLES.iterdir() if not each.name.startswith("claudelens-json"))
    for folder in folders:
        mapping = orjson.loads((folder / "expected.json").read_bytes()).get("mapping", {})
        given = tmp_path / folder.name
        shutil.copytree(folder, given, ignore=shutil.ignore_patterns("expected.json"))
        run(given, job=folder.name, choice=Choice(folder.name if mapping else "", mapping))
    before = picture(archive_db)
    assert len({each["source"] for each in before["messages"].values()}) > 5
    target = tmp_path / f"export.{name}"
    target.write_bytes(exported(name))
    wipe(archive_db)
    assert run(target, job="back").rejected == 0
    after = picture(archive_db)
    for part in before:
        assert after[part] == before[part], part
    check_sums(archive_db)
