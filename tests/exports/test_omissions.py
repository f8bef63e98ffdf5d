"""What is left out of a record, what stands in its place, and that the text of the message says the same."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest
from bson import ObjectId

from archive.projects import Project
from archive.records import Record
from exports.choices import CONTENTS, Choices
from exports.omissions import Omitter, left_out, spoken
from exports.shaping import shaped
from imports.formats import FORMATS
from imports.messages import Context
from tests.exports.material import PlainMaterial, message

PRIVATE = "SECRET WORDS"


def line(*blocks: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "assistant", "uuid": "u1", "parentUuid": None, "sessionId": "s1", "message": {"role": "assistant", "content": list(blocks)}, **more}


def node(role: str, content: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": "n1", "parent": "n0", "children": [], "message": {"author": {"role": role}, "content": content, "metadata": {"model_slug": "x", "more": PRIVATE}, **more}}


TEXT = {"type": "text", "text": "said"}
THOUGHT = {"type": "thinking", "thinking": PRIVATE, "signature": PRIVATE}
CALL = {"type": "tool_use", "id": "t1", "name": "Bash", "input": {"command": PRIVATE}}
RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": PRIVATE}], "is_error": False}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PRIVATE}}

CASES: dict[str, tuple[str, dict[str, Any], Any]] = {
    "a thought": ("thinking", line(TEXT, THOUGHT), {"type": "thinking", "thinking": "[left out: thinking]", "omitted": True}),
    "a thought that was hidden": ("thinking", line({"type": "redacted_thinking", "data": PRIVATE}), {"type": "redacted_thinking", "thinking": "[left out: thinking]", "omitted": True}),
    "a call": ("tool_inputs", line(CALL), {"type": "tool_use", "id": "t1", "name": "Bash", "input": {"omitted": True}}),
    "a call of the server's": ("tool_inputs", line({**CALL, "type": "server_tool_use"}), {"name": "Bash"}),
    "a call within a subagent's progress": ("tool_inputs", {"type": "progress", "data": {"message": line(CALL)}}, {"name": "Bash"}),
    "a call of claude.ai": ("tool_inputs", {"uuid": "u", "sender": "assistant", "text": "x", "content": [{**CALL, "message": PRIVATE, "display_content": {"x": PRIVATE}}]}, {"name": "Bash"}),
    "a call in the generic form": ("tool_inputs", {"role": "assistant", "content": "x", "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": PRIVATE}}]}, {"name": "f"}),
    "a call of ChatGPT": ("tool_inputs", node("assistant", {"content_type": "code", "text": PRIVATE}, recipient="python"), {"parts": ["[left out: tool input]"]}),
    "a flat call": ("tool_inputs", {"type": "tool_use", "content": PRIVATE}, {"omitted": True}),
    "a result": ("tool_results", line(TEXT, RESULT), {"content": "[left out: tool result]"}),
    "a result with what the program kept of it": ("tool_results", line(RESULT, toolUseResult={"stdout": PRIVATE}), {"toolUseResult": "[left out: tool result]"}),
    "what the program kept of a result alone": ("tool_results", {"type": "user", "toolUseResult": PRIVATE}, {"toolUseResult": "[left out: tool result]"}),
    "what a running tool gave": ("tool_results", {"type": "progress", "data": {"type": "bash_progress", "output": PRIVATE}}, {"type": "bash_progress", "omitted": True}),
    "a file beside a prompt": ("tool_results", {"type": "attachment", "attachment": {"type": "file", "content": PRIVATE}}, {"type": "file", "omitted": True}),
    "a file that a tool wrote": ("tool_results", {"type": "side-file", "name": "toolu_01x.txt", "content": PRIVATE}, {"name": "toolu_01x.txt"}),
    "a result of ChatGPT": ("tool_results", node("tool", {"content_type": "execution_output", "text": PRIVATE}), {"parts": ["[left out: tool result]"]}),
    "a result in the generic form": ("tool_results", {"role": "tool", "content": PRIVATE}, {"content": "[left out: tool result]"}),
    "a flat result": ("tool_results", {"type": "tool_result", "content": PRIVATE}, {"content": "[left out: tool result]"}),
    "an image": ("images", line(TEXT, IMAGE), {"type": "image", "omitted": True, "source": {"media_type": "image/png"}}),
    "an image in a result": ("images", line({**RESULT, "content": [IMAGE]}), {"omitted": True}),
    "an image that the program kept": ("images", line(TEXT, toolUseResult={"type": "image", "file": {"base64": PRIVATE}}), {"type": "image", "omitted": True}),
    "a document": ("images", line({**IMAGE, "type": "document"}), {"type": "document"}),
    "an image of ChatGPT": ("images", node("user", {"content_type": "multimodal_text", "parts": ["x", {"content_type": "image_asset_pointer", "asset_pointer": PRIVATE}]}), {"omitted": True}),
    "thoughts of ChatGPT": ("thinking", node("assistant", {"content_type": "thoughts", "thoughts": [{"summary": "x", "content": PRIVATE}]}), {"parts": ["[left out: thinking]"]}),
}  # fmt: skip


def parts_of(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, list):
        return [part for each in value for part in parts_of(each)]
    if not isinstance(value, dict):
        return []
    return [value, *(part for each in value.values() for part in parts_of(each))]


@pytest.mark.parametrize("case", CASES)
class TestParts:
    def test_it_is_gone_and_a_mark_is_in_its_place(self, case: str) -> None:
        kind, record, part = CASES[case]
        omitter = Omitter([kind])
        shaped = omitter.record(record)
        assert PRIVATE not in json.dumps({**shaped, "message": {**(shaped.get("message") or {}), "metadata": None}})
        assert any(part.items() <= each.items() for each in parts_of(shaped))
        assert omitter.counts == Counter({kind: 1}), "what stands twice in a line counts once"
        assert list(shaped) == [*record, *(name for name in shaped if name not in record)], "members keep their order"

    def test_it_stays_when_others_are_left_out(self, case: str) -> None:
        kind, record, _ = CASES[case]
        omitter = Omitter(set(CONTENTS) - {kind, *(("tool_results",) if "result" in case or "kept" in case else ())})
        assert omitter.record(record) is record
        assert not omitter.counts

    def test_the_record_itself_is_not_changed(self, case: str) -> None:
        kind, record, _ = CASES[case]
        before = json.dumps(record)
        Omitter(CONTENTS).record(record)
        assert json.dumps(record) == before


class TestTexts:
    @pytest.mark.parametrize(
        ("format_", "record"),
        [
            ("claude-code", line(TEXT, THOUGHT, CALL, RESULT)),
            ("claude-code", line(type="user") | {"message": {"role": "user", "content": "a prompt"}}),
            ("claude-code", line(RESULT)),
            ("claude-ai", {"uuid": "u", "sender": "human", "text": "flat", "content": [TEXT, THOUGHT, {"type": "voice_note", "text": "v"}], "attachments": [{"extracted_content": "file"}]}),
            ("chatgpt", node("user", {"content_type": "multimodal_text", "parts": ["a", {"text": "b"}, "c"]})),
            ("chatgpt", node("assistant", {"content_type": "thoughts", "thoughts": [{"summary": "s", "content": "c"}]})),
        ],
    )  # fmt: skip
    def test_what_is_said_in_a_record_is_what_the_import_said(self, format_: str, record: dict[str, Any]) -> None:
        context = Context("s1", Project("-srv", "/srv"), facts={})
        made = FORMATS[format_].message(Record(ObjectId(), 1024, 10, 10, record), context, "i1", datetime.now(UTC))
        assert (spoken(record) or "") == made.document.get("text", "")

    def test_a_text_loses_what_the_record_loses(self) -> None:
        record = line(TEXT, THOUGHT)
        given = message("s1", 1, record=record, text=f"said\n\n{PRIVATE}")
        (found,) = shaped(PlainMaterial([given]), Choices(without=("thinking",))).messages()
        assert found["text"] == f"said\n\n{left_out('thinking')}"
        assert found["changed"] is True

    def test_a_message_of_a_tool_of_unknown_form_is_left_out_whole(self) -> None:
        given = message("s1", 1, role="tool", record={"eligo": PRIVATE}, text=PRIVATE, raw=b"x")
        material = PlainMaterial([given])
        (found,) = shaped(material, Choices(without=("tool_results",))).messages()
        assert PRIVATE not in repr(found)
        assert found["record"] == {"omitted": True}
        assert material.changes.left_out == Counter({"tool_results": 1})

    def test_bytes_that_are_no_record_are_left_out_whole(self) -> None:
        given = {**message("s1", 1, text=PRIVATE, raw=b'{"a": "' + PRIVATE.encode()), "record": None}
        del given["record"]
        material = PlainMaterial([given])
        (found,) = shaped(material, Choices(without=("images",))).messages()
        assert PRIVATE not in repr(found)
        assert material.changes.left_out == Counter({"unreadable": 1})

    def test_exact_bytes_of_what_stays_are_dropped_and_it_stays_itself(self) -> None:
        given = message("s1", 1, raw=b'{"x": 1}', lead=0)
        (found,) = shaped(PlainMaterial([given]), Choices(without=CONTENTS)).messages()
        assert found == {name: each for name, each in given.items() if name not in ("raw", "lead")}
