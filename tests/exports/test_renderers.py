"""Every export format keeps the same promises; independent readers say what each one holds."""

from __future__ import annotations

import base64
import csv
import io
import json
import subprocess
import tracemalloc
import zipfile
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from exports.choices import FIELDS, LAYOUTS, ROWS, Choices
from exports.renderers import RENDERERS
from exports.renderers.base import CHUNK_BYTES, EVERYWHERE, Renderer, gather
from exports.renderers.conversations import join
from exports.renderers.names import UniqueNames, safe_name
from tests.exports.material import PlainFile, PlainMaterial, message, session, small_archive

WAYS = [
    (renderer, Choices(layout=layout if renderer.layouts[1:] else ""))
    for renderer in RENDERERS.values()
    for layout in renderer.layouts
]
"""Every format in every layout that it has."""
every_format = pytest.mark.parametrize(
    ("renderer", "choices"), WAYS, ids=[f"{renderer.name}-{choices.layout}".strip("-") for renderer, choices in WAYS]
)


def rendered(name: str, material: PlainMaterial, **choices: Any) -> bytes:
    return b"".join(RENDERERS[name].render(material, Choices(**choices)))


def holds_nothing(kind: str, data: bytes) -> bool:
    """Whether a file of this kind is whole, and nothing is in it."""
    if kind == ".zip":
        with zipfile.ZipFile(io.BytesIO(data)) as found:
            return found.testzip() is None and set(found.namelist()) <= {"index.html", "README.md"}
    look: dict[str, Callable[[bytes], bool]] = {
        ".json": lambda text: json.loads(text)["conversations"] == [],
        ".jsonl": lambda text: text == b"",
        ".md": lambda text: text.endswith(b"# Conversations\n\n"),
        ".html": lambda text: b"<article" not in text and text.endswith(b"</html>\n"),
        ".csv": lambda text: len(list(csv.reader(io.StringIO(text.decode())))) == 1,
        ".parquet": lambda file: parquet.read_table(io.BytesIO(file)).num_rows == 0,
    }
    return look[kind](data)


@every_format
class TestContract:
    def test_it_says_what_it_is_and_what_it_loses(self, renderer: Renderer, choices: Choices) -> None:
        facts = renderer.as_dict()
        assert RENDERERS[facts["name"]] is renderer
        assert all(facts[key] for key in ("label", "description", "mediaType", "loses"))
        assert renderer.extension.startswith(".")
        assert renderer.needs <= {"messages", "sessions", "calls", "files"}
        assert renderer.takes <= set(FIELDS) - EVERYWHERE
        assert set(renderer.layouts) <= set(LAYOUTS)
        assert set(renderer.rows) <= set(ROWS)
        assert set(renderer.columns) <= set(renderer.rows)

    def test_the_same_archive_gives_the_same_bytes(self, renderer: Renderer, choices: Choices) -> None:
        first, second = (b"".join(renderer.render(small_archive(), choices)) for _ in range(2))
        assert first == second

    def test_an_empty_archive_gives_an_empty_but_whole_file(self, renderer: Renderer, choices: Choices) -> None:
        data = b"".join(renderer.render(PlainMaterial(), choices))
        assert holds_nothing(renderer.extension_of(choices), data)

    def test_it_reads_only_what_it_needs(self, renderer: Renderer, choices: Choices) -> None:
        material = small_archive()
        for name in {"messages", "sessions", "calls", "files"} - renderer.needs:
            setattr(material, name, None)
        assert b"".join(renderer.render(material, choices))

    def test_chunks_are_bytes_of_a_useful_size(self, renderer: Renderer, choices: Choices) -> None:
        material = small_archive()
        material.message_list = [message("s1", number, text="x" * 2000) for number in range(500)]
        chunks = list(renderer.render(material, choices))
        assert all(isinstance(chunk, bytes) for chunk in chunks)
        assert all(len(chunk) >= CHUNK_BYTES for chunk in chunks[:-1])
        assert max(map(len, chunks)) < 2 * CHUNK_BYTES

    def test_it_pulls_lazily_and_holds_little(self, renderer: Renderer, choices: Choices) -> None:
        text = "x" * 4000

        def many(fields: Collection[str] = ()) -> Iterator[dict[str, Any]]:
            return (message("s1", number, text=text) for number in range(5_000))

        def long() -> Iterator[bytes]:
            return (text.encode() for _ in range(5_000))

        material = small_archive()
        material.messages = many  # type: ignore[method-assign]
        material.chunks = lambda file: long()  # type: ignore[method-assign]
        tracemalloc.start()
        total = sum(map(len, renderer.render(material, choices)))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert total > 100_000
        assert peak < 3_000_000


class TestJson:
    def test_conversations_have_the_classic_fields(self) -> None:
        first, second = json.loads(rendered("json", small_archive()))["conversations"]
        assert first["id"] == "s1"
        assert second["id"] == "s2"
        assert first["title"] == "About s1"
        assert first["tags"] == ["x"]
        assert first["createdAt"] == "2025-03-01T12:00:00.123Z"
        assert first["costUsd"] == "0.0123450", "money is exact text"
        assert first["messageCount"] == first["exportedMessages"] == len(first["messages"]) == 3

    def test_messages_have_the_classic_fields_and_the_lossless_ones(self) -> None:
        archive = small_archive()
        found = json.loads(rendered("json", archive))["conversations"][0]["messages"]
        assert found[0]["metadata"] == {
            "cwd": "/home/ana/app", "gitBranch": "", "version": "2.1.0", "uuid": "s1-1", "sessionId": "s1",
        }  # fmt: skip
        assert found[0]["id"] == archive.message_list[0]["_id"].hex()
        assert found[0]["record"] == archive.message_list[0]["record"]
        assert list(found[0]["record"]) == list(archive.message_list[0]["record"]), "keys keep their order"
        assert "raw" not in found[0]
        assert base64.b64decode(found[1]["raw"]) == b'{"n":1e5,\x00}'
        assert found[2]["costUsd"] == "1.10"

    def test_a_session_without_messages_here_is_left_out(self) -> None:
        assert b"About s0" not in rendered("json", small_archive())

    def test_messages_whose_session_is_unknown_are_kept(self) -> None:
        material = PlainMaterial([message("a", 1), message("b", 1), message("c", 1)], [session("b", 1)])
        found = json.loads(rendered("json", material))["conversations"]
        assert [(each["id"], each["title"]) for each in found] == [("a", None), ("b", "About b"), ("c", None)]

    def test_sessions_are_pulled_only_as_far_as_messages_go(self) -> None:
        joined = join([message("b", 1)], (session(name, 1) for name in "abcd"))
        assert [(name, found["title"], len(list(group))) for name, found, group in joined] == [("b", "About b", 1)]

    def test_there_is_never_a_nan(self) -> None:
        material = PlainMaterial([message("a", 1, usage={"x": float("nan"), "y": float("inf")})])
        text = rendered("json", material)
        assert b"NaN" not in text
        assert b"Infinity" not in text
        assert json.loads(text, parse_constant=pytest.fail)


class TestJsonl:
    def test_each_line_is_one_whole_message(self) -> None:
        archive = small_archive()
        lines = [json.loads(line) for line in rendered("jsonl", archive).split(b"\n")[:-1]]
        assert [line["id"] for line in lines] == [each["_id"].hex() for each in archive.message_list]
        assert lines[0]["record"] == archive.message_list[0]["record"]
        assert lines[0]["contentHash"] == "00ff" * 16
        assert lines[0]["timestamp"] == "2025-03-01T12:00:01.123Z"
        assert base64.b64decode(lines[1]["raw"]) == b'{"n":1e5,\x00}'
        assert not {"_id", "importId", "importedAt"} & set(lines[0])

    def test_the_stored_message_is_not_changed(self) -> None:
        archive = small_archive()
        rendered("jsonl", archive)
        assert archive.message_list[1]["raw"] == b'{"n":1e5,\x00}'
        assert "_id" in archive.message_list[0]


class TestMarkdown:
    def test_it_is_a_transcript_that_people_can_read(self) -> None:
        text = rendered("markdown", small_archive()).decode()
        visible = [line for line in text.split("\n") if line and not line.startswith("<!-- ")]
        assert visible[:9] == [
            "# Conversations", "## About s1", "- Project: /home/ana/app", "- Source: claude-code",
            "- Time: 2025-03-01T12:00:00.123Z – 2025-03-01T13:00:00.123Z", "- Messages: 3",
            "- Models: claude-sonnet-4", "- Cost: 0.012345 USD", "### User · 2025-03-01T12:00:01.123Z",
        ]  # fmt: skip
        assert visible[9] == "saluton 1 — ☃"

    def test_tools_are_folded_and_cut(self) -> None:
        content = [
            {"type": "tool_use", "id": "t", "name": "Read <b>", "input": {"path": "a"}},
            {"type": "tool_result", "content": [{"type": "text", "text": "````\n" + "x" * 20_000}, {"type": "image"}]},
            {"type": "image", "source": {"data": "AAAA"}},
        ]
        text = rendered("markdown", PlainMaterial([message("s1", 1, record={"message": {"content": content}})])).decode()
        assert "<details><summary>Tool: Read &lt;b></summary>" in text
        assert '```json\n{"path":"a"}\n```' in text
        assert "`````\n````\nxxx" in text, "the fence is longer than any in it"
        assert "10,013 more characters" in text
        assert "AAAA" not in text
        assert "*Image: kept with message " in text

    def test_a_text_cannot_forge_a_mark_or_end_a_comment(self) -> None:
        forged = "<!-- claudelens:message {} -->\n<!-- /claudelens:message -->"
        text = rendered("markdown", PlainMaterial([message("-->", 1, text=forged, uuid="--> <b>")])).decode()
        assert text.count("\n<!-- claudelens:message ") == 1
        assert text.count("\n<!-- /claudelens:message -->") == 1
        marks = [line for line in text.split("\n") if line.startswith("<!-- ")]
        assert all(line.index("--", 4) == len(line) - 3 for line in marks)

    def test_a_code_block_that_a_text_leaves_open_is_closed(self) -> None:
        for text, fence in (("```py\nx", "```"), ("~~~~\n```\n", "~~~~"), ("```\nx\n```", ""), ("no", "")):
            found = rendered("markdown", PlainMaterial([message("s1", 1, text=text)])).decode()
            assert (f"claudelens:more -->\n{fence}\n" in found) == bool(fence), text


class TestClaudeCode:
    def test_the_zip_holds_the_very_bytes_under_their_own_names(self) -> None:
        archive = small_archive()
        with zipfile.ZipFile(io.BytesIO(rendered("claude-code", archive))) as found:
            assert found.testzip() is None
            assert {name: found.read(name) for name in found.namelist()} == {
                file.path: file.data for file in archive.file_list
            }

    def test_an_independent_program_can_read_it(self, tmp_path: Path) -> None:
        (tmp_path / "a.zip").write_bytes(rendered("claude-code", small_archive()))
        subprocess.run(["unzip", "-q", "a.zip", "-d", "out"], cwd=tmp_path, check=True, capture_output=True)
        for file in small_archive().file_list:
            assert (tmp_path / "out" / file.path).read_bytes() == file.data

    def test_hostile_names_stay_inside(self) -> None:
        names = ["../../etc/passwd", "/etc/passwd", "..\\..\\x", "C:\\boot.ini", "a/../../b", "\x00", "con", "x" * 999]
        material = PlainMaterial(file_list=[PlainFile(name, name, b"1") for name in names])
        with zipfile.ZipFile(io.BytesIO(rendered("claude-code", material))) as found:
            given = found.namelist()
        assert len(set(given)) == len(names)
        for name in given:
            assert ".." not in name.split("/")
            assert not name.startswith("/")
            assert not set(name) & set('\\:\x00<>"|?*')
            assert all(len(part.encode()) <= 255 for part in name.split("/"))
        assert len(material.notes) == len(names), "every changed name is told"

    def test_names_that_meet_are_numbered(self) -> None:
        names = UniqueNames()
        assert [names.give(name) for name in ("a/X.jsonl", "a/x.jsonl", "/a/x.jsonl", "a/y")] == [
            "a/X.jsonl", "a/x~2.jsonl", "a/x~3.jsonl", "a/y",
        ]  # fmt: skip

    def test_ordinary_names_are_unchanged(self) -> None:
        for name in ("projects/-home-ana-app/0f1e.jsonl", "projects/-x/s/subagents/agent-1.meta.json", "projects/ĝis/☃.jsonl"):
            assert safe_name(name) == name


def test_gather_keeps_every_byte() -> None:
    pieces = [b"x" * length for length in (0, 1, 5, 300, 2)]
    assert b"".join(gather(pieces, size=6)) == b"".join(pieces)
