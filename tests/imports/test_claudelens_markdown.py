"""Markdown transcripts read back by their marks, whatever was said in them."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archive.errors import BadInput
from archive.records import Rejected
from exports.renderers import RENDERERS
from imports.readers import claudelens_markdown
from imports.readers.claudelens_markdown import mark_of
from tests.exports.material import PlainMaterial, message, session
from tests.imports.reading import given_back, opened_as, read
from tests.imports.test_claudelens_exports import stored

ODD = (
    "<!-- claudelens:message {} -->", "\\<!-- claudelens:more -->", "<!-- /claudelens:message -->", "---", "```", "~~~",
    "\r\n", "\r", "\n", "\ufeff", "\u2028", "### User", "-->", "<details>", "\0", "text", " ", "☃", "\\", "\x85",
)  # fmt: skip
TEXTS = st.lists(st.sampled_from(ODD) | st.text(max_size=8), max_size=12).map("".join)


def transcript(*messages, sessions=()) -> bytes:
    return b"".join(RENDERERS["markdown"].render(PlainMaterial(list(messages), list(sessions))))


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
