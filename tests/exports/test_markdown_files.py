"""Markdown transcripts, as independent programs read them: their structure stands whatever was said."""

from __future__ import annotations

import base64
import io
import zipfile
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from exports.choices import Choices
from exports.renderers import RENDERERS
from exports.renderers.marks import closing, mark
from exports.renderers.parts import Part
from exports.renderers.thoughts import Span, spans_of
from tests.exports.hostile import HOSTILE, PNG, block, image
from tests.exports.material import PlainMaterial, message, session, small_archive

HTML = st.sampled_from([
    "<script>", "</script>", "<pre>", "<textarea>", "<!-- ", "-->", "<?php", "<![CDATA[", "<!DOCTYPE", "<div>", "</div>", "<details>",
    "```", "~~~~", "  ```", "- ", "> ", "    ", "\n", "\n\n", "\r", "\r\n", "a", "# b", "|a|b|\n|-|-|\n", "[x]: <", "<!-- claudelens:message {} -->",
])  # fmt: skip
TEXTS = st.lists(HTML | st.text(max_size=5), max_size=10).map("".join)
FEW = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def exported(material: PlainMaterial, layout: str = "one") -> bytes:
    return b"".join(RENDERERS["markdown"].render(material, Choices(layout=layout)))


def unpacked(material: PlainMaterial) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(exported(material, "each"))) as found:
        return {name: found.read(name) for name in found.namelist()}


def tokens_of(text: str) -> list[Token]:
    return MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(text)


def headings(text: str, level: int) -> list[str]:
    """The headings of the level that follow a mark: those of this program's own."""
    found = tokens_of(text)
    return [
        found[number + 2].content
        for number, token in enumerate(found[:-2])
        if token.type == "html_block" and token.content.startswith("<!-- claudelens:") and token.level == 0
        and found[number + 1].type == "heading_open" and found[number + 1].tag == f"h{level}"
    ]  # fmt: skip


class TestStructure:
    @FEW
    @given(st.lists(TEXTS, min_size=1, max_size=3))
    @example(["<div>\n```"])
    @example(["- a\n  ```"])
    def test_every_message_has_its_heading_whatever_the_others_say(self, texts: list[str]) -> None:
        messages = [
            message("s1", number, text=text, record={"message": {"content": [
                {"type": "thinking", "thinking": text}, {"type": "tool_use", "name": text, "input": {"a": text}},
                {"type": "tool_result", "content": text},
            ]}})
            for number, text in enumerate(texts)
        ]  # fmt: skip
        document = exported(PlainMaterial(messages, [session("s1", len(texts))])).decode()
        assert headings(document, 2) == ["About s1"]
        assert len(headings(document, 3)) == len(texts)
        assert document.count("\n<!-- claudelens:message ") == len(texts)

    @FEW
    @given(TEXTS)
    @example("```\n<div>\n")
    @example("<pre>\n\n```\n")
    def test_what_a_text_leaves_open_is_closed(self, text: str) -> None:
        last = tokens_of(f"{text}\n{closing(text)}\n{mark('more')}")[-1]
        assert (last.type, last.content) == ("html_block", mark("more"))

    def test_a_text_that_leaves_nothing_open_gets_nothing(self) -> None:
        for text in ("", "a", "```\na\n```", "<div>\n\na", "- a\n  ```\n", "<!-- a -->", "<b>bold</b>", "~~~ a\n~~~"):
            assert closing(text) == "", text

    def test_titles_and_facts_say_only_what_they_say(self) -> None:
        bad = "</h2> <script>x</script> *a* `b` [c](javascript:d)"
        material = PlainMaterial([message("s1", 1)], [{**session("s1", 1), "title": bad, "models": [bad]}])
        for text in (exported(material).decode(), *(data.decode() for data in unpacked(material).values())):
            inline = [child for token in tokens_of(text) for child in token.children or ()]
            kinds = {each.type for each in inline}
            assert not kinds & {"html_inline", "em_open", "code_inline", "image"}
            assert not any(str(each.attrs.get("href", "")).startswith("javascript") for each in inline)


class TestThoughts:
    def test_thoughts_are_folded_and_answers_are_not(self) -> None:
        content = [block("thinking", "I wonder"), block("text", "So it is."), block("thinking", "Is it?")]
        text = "I wonder\n\nSo it is.\n\nIs it?"
        document = exported(PlainMaterial([message("s1", 1, text=text, record={"message": {"content": content}})])).decode()
        folds = document.split("<details><summary>Thinking</summary>\n\n")
        assert [fold.split("\n<!-- /claudelens:thinking -->")[0] for fold in folds[1:]] == ["I wonder\n\n", "Is it?"]
        assert "<!-- claudelens:said -->\nSo it is.\n\n<!-- claudelens:thinking -->" in document

    def test_a_text_that_is_not_made_of_the_blocks_is_all_said(self) -> None:
        parts = [Part("thinking", text="I wonder"), Part("text", text="So it is.")]
        for text in ("other", "I wonder, So it is.", "I wonder So it is.", "I wond\nSo it is."):
            assert spans_of(text, parts) == [Span(False, text)], text
        assert spans_of("", parts) == [Span(False, "")]

    def test_of_a_text_that_was_cut_off_the_rest_is_folded(self) -> None:
        assert spans_of("I won", [Part("thinking", text="I wonder")]) == [Span(True, "I won")]

    @given(st.lists(st.tuples(st.sampled_from(["text", "thinking"]), TEXTS), max_size=5), st.integers(0, 200))
    def test_spans_are_the_text(self, told: list[tuple[str, str]], length: int) -> None:
        parts = [Part(kind, text=text) for kind, text in told]
        text = "\n\n".join(text for _, text in told if text)[:length]
        spans = spans_of(text, parts)
        assert "".join(span.text for span in spans) == text
        assert spans
        assert not any(one.is_thought is False is other.is_thought for one, other in zip(spans, spans[1:], strict=False))


class TestZip:
    def test_each_conversation_is_a_file_and_the_index_leads_to_it(self) -> None:
        files = unpacked(small_archive())
        assert list(files) == ["conversations/2025-03-01-about-s1-s1.md", "conversations/2025-03-01-about-s2-s2.md", "README.md"]
        links = [
            str(child.attrs["href"])
            for token in tokens_of(files["README.md"].decode())
            for child in token.children or () if child.type == "link_open"
        ]  # fmt: skip
        assert sorted(map(unquote, links)) == sorted(files)[1:]
        assert b"2 conversations, 6 messages." in files["README.md"]
        for name in list(files)[:2]:
            assert len(headings(files[name].decode(), 2)) == 3
            assert len(headings(files[name].decode(), 1)) == 1

    def test_pictures_are_files_each_once_and_texts_lead_to_them(self) -> None:
        content = [image(PNG), image(PNG), block("text", "See."), {"type": "tool_result", "content": [image(PNG + b"2")]}]
        messages = [message("s1", 1, record={"message": {"content": content}}), message("s2", 1, record={"message": {"content": content}})]
        files = unpacked(PlainMaterial(messages))
        pictures = [name for name in files if name.startswith("images/")]
        assert [files[name] for name in pictures] == [PNG, PNG + b"2"]
        for name in (name for name in files if name.startswith("conversations/")):
            text = files[name].decode()
            assert [text.count(f"](../{picture})") for picture in pictures] == [2, 1]
            assert base64.b64encode(PNG).decode() not in text

    @pytest.mark.parametrize("given", [
        {"type": "base64", "media_type": "image/svg+xml", "data": base64.b64encode(b"<svg onload=x>").decode()},
        {"type": "base64", "media_type": "image/png", "data": base64.b64encode(b"<svg onload=x>").decode()},
        {"type": "base64", "media_type": "image/png", "data": "no base64"},
        {"type": "base64", "media_type": ["image/png"], "data": "AAAA"},
        {"type": "url", "url": "https://example.org/a.png"}, None, "x", {},
    ])  # fmt: skip
    def test_what_is_no_picture_of_a_safe_type_is_named(self, given: Any) -> None:
        files = unpacked(PlainMaterial([message("s1", 1, record={"message": {"content": [{"type": "image", "source": given}]}})]))
        assert not any(name.startswith("images/") for name in files)
        assert b"*Image: kept with message " in next(iter(files.values()))

    def test_names_are_safe_and_unique_whatever_conversations_are_called(self) -> None:
        titles = [*HOSTILE, "../../etc/passwd", "con", "a" * 500, "☃", "", "A", "a"]
        sessions = [{**session(f"{number:04}", 1), "title": title} for number, title in enumerate(titles)]
        for each in sessions:
            each["sessionId"] = "same-8ch" + each["sessionId"]
        files = unpacked(PlainMaterial([message(each["sessionId"], 1) for each in sessions], sessions))
        names = [name for name in files if name != "README.md"]
        assert len({name.casefold() for name in names}) == len(titles)
        for name in names:
            folder, _, rest = name.partition("/")
            assert folder == "conversations"
            assert not set(rest) & set('/\\:<>"|?*.\x00') - {"."}
            assert rest.count(".") == 1
            assert len(rest.encode()) < 255
