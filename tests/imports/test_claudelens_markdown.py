"""Markdown transcripts read back by their marks, whatever was said in them."""

import base64
import io
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archive.errors import BadInput
from archive.filters import MessageFilter
from archive.records import Rejected
from exports.choices import Choices
from exports.material import ArchiveMaterial
from exports.renderers import RENDERERS
from imports.readers import claudelens_markdown
from imports.readers.claudelens_markdown import mark_of
from tests.exports.material import PlainMaterial, message, session
from tests.imports.reading import given_back, opened_as, read
from tests.imports.running import run
from tests.imports.test_claudelens_exports import stored

ODD = (
    "<!-- claudelens:message {} -->", "\\<!-- claudelens:more -->", "<!-- /claudelens:message -->", "---", "```", "~~~",
    "\r\n", "\r", "\n", "\ufeff", "\u2028", "### User", "-->", "<details>", "\0", "text", " ", "☃", "\\", "\x85",
)  # fmt: skip
TEXTS = st.lists(st.sampled_from(ODD) | st.text(max_size=8), max_size=12).map("".join)


def transcript(*messages, sessions=()) -> bytes:
    return b"".join(RENDERERS["markdown"].render(PlainMaterial(list(messages), list(sessions)), Choices()))


def in_files(*messages, sessions=()) -> dict[str, bytes]:
    """The same as a zip: its members by their names."""
    data = b"".join(RENDERERS["markdown"].render(PlainMaterial(list(messages), list(sessions)), Choices(layout="each")))
    with zipfile.ZipFile(io.BytesIO(data)) as found:
        return {name: found.read(name) for name in found.namelist()}


def sessions_of(found) -> list[dict]:
    """The conversations of messages as the archive would know them."""
    names = sorted({each.session_id for each in found})
    return [_session_of(name, [each for each in found if each.session_id == name]) for name in names]


def _session_of(name, messages) -> dict:
    times = [each.timestamp for each in messages if each.timestamp]
    title = next((each.titles["custom"] for each in messages if each.titles.get("custom")), None)
    return {
        "sessionId": name, "title": title, "source": "markdown", "messageCount": len(messages),
        "startedAt": min(times, default=None), "endedAt": max(times, default=None),
    }  # fmt: skip


def said(data: bytes, limit: int = 15 * 1024 * 1024) -> list[dict]:
    return stored(read(opened_as(data, "export.md"), limit))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(TEXTS, TEXTS, st.sampled_from(["user", "assistant", "tool_use"])), min_size=1, max_size=4))
def test_whatever_was_said_comes_back(told):
    messages = [
        message("s1", number, text=text, type=kind, role=kind, uuid=f"u{number}", parentUuid=f"u{number - 1}", model="m",
                record={"message": {"content": [{"type": "tool_result", "content": tool}, {"type": "tool_use", "name": tool, "input": tool}]}})
        for number, (text, tool, kind) in enumerate(told)
    ]  # fmt: skip
    data = transcript(*messages, sessions=[session("s1", 3)])
    source = opened_as(data, "export.md")
    found = read(source)
    assert given_back(found, source.mark(is_done=True)) == data
    names = ("type", "role", "uuid", "parentUuid", "model", "timestamp", "sessionId")
    again = stored(found)
    assert [{name: each[name] for name in names} for each in again] == [{name: each[name] for name in names} for each in messages]
    assert [each.get("text", "") for each in again] == [each["text"] for each in messages]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.lists(st.tuples(st.sampled_from(["text", "thinking", "both"]), TEXTS), min_size=1, max_size=3), min_size=1, max_size=3))
def test_files_that_go_out_and_in_again_stay_the_same(conversations):
    messages = [
        message(f"s{number}", place, text="\n\n".join(text for text in (said, said if kind == "both" else "") if text), record={"message": {"content": [
            {"type": each, each: said} for each in (["thinking", "text"] if kind == "both" else [kind])
        ]}})
        for number, told in enumerate(conversations) for place, (kind, said) in enumerate(told)
    ]  # fmt: skip
    sessions = [session(f"s{number}", len(told)) for number, told in enumerate(conversations)]
    first = in_files(*messages, sessions=sessions)
    again = read_all(first)
    assert [each.get("text", "") for each in stored(again)] == [each["text"] for each in messages]
    second = in_files(*stored(again), sessions=sessions_of(again))
    third = in_files(*stored(read_all(second)), sessions=sessions_of(read_all(second)))
    assert {**second, **third} == second == third
    alone = transcript(*stored(again), sessions=sessions_of(again))
    found = read(opened_as(alone, "export.md"))
    assert transcript(*stored(found), sessions=sessions_of(found)) == alone
    folds = [data.count(b"<summary>Thinking") for files in (first, second) for data in files.values()]
    assert folds[: len(first)] == folds[len(first) :], "thoughts stay thoughts"


def read_all(files: dict[str, bytes]) -> list:
    return [each for name, data in files.items() if name != "README.md" for each in read(opened_as(data, name))]


def test_thoughts_are_read_as_thoughts_and_as_text():
    content = [{"type": "thinking", "thinking": "```\nhm"}, {"type": "text", "text": "So."}]
    (found,) = read(opened_as(transcript(message("s1", 1, text="```\nhm\n\nSo.", record={"message": {"content": content}})), "export.md"))
    (told,) = stored([found])
    assert told["text"] == "```\nhm\n\nSo."
    assert told["record"]["content"] == content


@pytest.mark.parametrize("broken", [b"<details>", b"<!-- /claudelens:thinking -->\n", b"<!-- claudelens:said -->\n"])
def test_a_fold_that_somebody_broke_leaves_the_other_messages(broken):
    content = [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "So."}]
    data = transcript(message("s1", 1, text="hm\n\nSo.", record={"message": {"content": content}}), message("s1", 2)).replace(broken, b"")
    source = opened_as(data, "export.md")
    found = read(source)
    assert given_back(found, source.mark(is_done=True)) == data
    assert [each["text"] for each in stored(found)][1:] == ["saluton 2 — ☃"]


def test_a_zip_of_them_is_imported_and_its_index_is_passed_over(archive_db, tmp_path):
    png = b"\x89PNG\r\n\x1a\n and so on"
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": base64.b64encode(png).decode()}}
    sessions = [{**session("s1", 2), "title": "{}[]"}, {**session("s2", 1), "title": "# ClaudeLens Export"}]
    messages = [message("s1", 1), message("s1", 2, record={"message": {"content": [picture]}}), message("s2", 1)]
    data = b"".join(RENDERERS["markdown"].render(PlainMaterial(messages, sessions), Choices(layout="each")))
    (tmp_path / "export.zip").write_bytes(data)
    result = run(tmp_path / "export.zip")
    assert (result.inserted, result.rejected, result.last.refused_files) == (3, 0, 0)
    titles = {each["_id"]: each["title"] for each in archive_db.sessions.find()}
    assert titles == {"s1": "{}[]", "s2": "# ClaudeLens Export"}
    states = {each["path"]: each["state"] for each in archive_db.import_files.find()}
    assert [path for path, state in states.items() if state != "done"] == ["export.zip: README.md"]
    assert run(tmp_path / "export.zip", job="again").inserted == 0


def test_what_came_from_a_transcript_goes_out_and_comes_back_as_the_same(archive_db, tmp_path):
    untimed = message("s1", 2, text="<system-reminder>nobody typed this", timestamp=None)
    unnamed = {**session("s1", 2), "title": None}
    (tmp_path / "one.md").write_bytes(transcript(message("s1", 1, isPrompt=False), untimed, message("s2", 1), sessions=[unnamed]))
    run(tmp_path / "one.md")
    (tmp_path / "two.md").write_bytes(b"".join(RENDERERS["markdown"].render(ArchiveMaterial(MessageFilter()), Choices())))
    result = run(tmp_path / "two.md", job="two")
    assert (result.seen, result.duplicates, result.inserted) == (3, 3, 0)


def test_only_what_a_person_typed_is_a_prompt():
    data = transcript(message("s1", 1, isPrompt=True), message("s1", 2, text="<system-reminder>"))
    assert [each.is_prompt for each in read(opened_as(data, "export.md"))] == [True, False]
    old = data.replace(b'"isPrompt":false,', b"")
    assert [each.is_prompt for each in read(opened_as(old, "export.md"))] == [True, True], "as it was before there was this mark"


def test_conversations_keep_their_names_and_projects():
    sessions = [session("s1", 1), session("s2", 1)]
    data = transcript(message("s1", 1), message("s2", 1), sessions=sessions)
    found = read(opened_as(data, "export.md"))
    assert [(each.session_id, each.titles["custom"]) for each in found] == [("s1", "About s1"), ("s2", "About s2")]
    assert {each["source"] for each in stored(found)} == {"markdown"}


def test_a_message_whose_end_is_missing_is_rejected_alone():
    data = transcript(message("s1", 1), message("s1", 2), message("s1", 3))
    first = data.index(b"<!-- /claudelens:message -->\n")
    source = opened_as(data[:first] + data[first + 29 :], "export.md")
    found = read(source)
    assert [getattr(each, "code", "") for each in found] == ["not_a_message", "", ""]
    assert (source.cursor.records, source.cursor.rejected) == (2, 1)


def test_a_text_that_is_no_utf8_is_rejected_alone():
    data = transcript(message("s1", 1), message("s1", 2)).replace(b"saluton 1", b"saluton \xff")
    source = opened_as(data, "export.md")
    found = read(source)
    assert [getattr(each, "code", "") for each in found] == ["invalid_utf8", ""]
    assert given_back(found, source.mark(is_done=True)) == data


@pytest.mark.parametrize("limit", [10, 200, 700])
def test_a_message_that_is_too_long_leaves_the_others(limit, monkeypatch):
    monkeypatch.setattr(claudelens_markdown, "PIECE_BYTES", 64)
    data = transcript(message("s1", 1), message("s1", 2, text="long " * 500), message("s1", 3))
    source = opened_as(data, "export.md")
    found = read(source, limit)
    assert given_back(found, source.mark(is_done=True)) == data
    rejected = {each.seq for each in found if isinstance(each, Rejected)}
    assert len(rejected) == source.cursor.rejected
    if limit == 700:
        assert (source.cursor.records, source.cursor.rejected) == (2, 1)


def test_an_editor_may_change_the_line_ends():
    data = transcript(message("s1", 1, text="one\ntwo")).replace(b"\n", b"\r\n")
    assert [each["text"] for each in said(data)] == ["one\r\ntwo\r"]


def test_what_looks_like_a_mark_but_says_nothing_is_text():
    assert mark_of(b"<!-- claudelens:message {bad} -->\n") == (b"", {})
    assert mark_of(b" <!-- claudelens:message {} -->\n") == (b"", {})
    assert mark_of(b"<!-- claudelens:message {} --> more\n") == (b"", {})
    assert mark_of(b'<!-- claudelens:message {"a":1} -->\r\n') == (b"claudelens:message", {"a": 1})


@pytest.mark.parametrize("facts", ['{"type":5,"time":{},"uuid":[],"session":7}', '{"session":{"id":{},"project":3}}'])
def test_what_a_mark_says_is_not_trusted(facts):
    data = f'<!-- claudelens:export {{"format":"claudelens-markdown/1"}} -->\n<!-- claudelens:message {facts} -->\n\nhello\n<!-- /claudelens:message -->\n'
    (found,) = said(data.encode())
    assert found["sessionId"].startswith("markdown-")


def test_markdown_of_classic_claudelens_is_refused_by_name():
    with pytest.raises(BadInput, match="classic ClaudeLens") as refusal:
        opened_as(b"# ClaudeLens Export\n\n**Export Date**: 2025-01-01\n", "export.md")
    assert refusal.value.code == "classic_markdown"
    assert "JSON" in refusal.value.hint
