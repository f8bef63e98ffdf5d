"""Exported pages, as an independent parser sees them that stops at the first error: nothing of a transcript
becomes anything but text."""

from __future__ import annotations

import base64
import hashlib
import io
import re
import zipfile
from typing import Any
from urllib.parse import unquote
from xml.etree.ElementTree import Element

import html5lib
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exports.choices import Choices
from exports.renderers import RENDERERS
from exports.renderers.html_messages import LARGEST_IMAGE, LONGEST_TEXT, LONGEST_TOOL
from exports.renderers.html_page import SCRIPT, STYLE
from exports.renderers.prose import TAGS
from tests.exports.hostile import HOSTILE, PNG, block, image
from tests.exports.material import PlainMaterial, message, session, small_archive

FRAME = {
    "html", "head", "meta", "title", "style", "script", "body", "header", "main", "nav", "section", "article", "footer", "form", "label",
    "input", "output", "button", "dl", "dt", "dd", "div", "span", "details", "summary", "b", "time", "img",
}  # fmt: skip
LAYOUTS = pytest.mark.parametrize("layout", ["each", "one"])


def pages(material: PlainMaterial, layout: str = "each") -> dict[str, str]:
    """The pages of an export by their names."""
    data = b"".join(RENDERERS["html"].render(material, Choices(layout=layout)))
    if layout == "one":
        return {"one.html": data.decode()}
    with zipfile.ZipFile(io.BytesIO(data)) as found:
        return {name: found.read(name).decode() for name in found.namelist()}


def tree_of(page: str) -> Element:
    found: Element = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(page)
    return found


def page_of(*messages: dict[str, Any], **of_session: Any) -> Element:
    """The page of one conversation."""
    material = PlainMaterial(list(messages), [{**session("s1", len(messages)), **of_session}])
    return tree_of(next(iter(pages(material).values())))


def said(number: int, *content: Any, role: str = "assistant", **more: Any) -> dict[str, Any]:
    record = {"type": role, "message": {"role": role, "content": list(content)}}
    return message("s1", number, **{"type": role, "role": role, "text": "", "record": record, **more})


def words(element: Element | None) -> str:
    assert element is not None
    return " ".join("".join(element.itertext()).split())


def has_class(tree: Element, name: str) -> list[Element]:
    return [each for each in tree.iter() if name in str(each.get("class", "")).split()]


def assert_harmless(page: str) -> Element:
    """Nothing in the page can run, load or send, but this program's own script and style."""
    tree = tree_of(page)
    assert [each.text for each in tree.iter("script")] == [SCRIPT]
    assert [each.text for each in tree.iter("style")] == [STYLE]
    for each in tree.iter():
        assert each.tag in FRAME | TAGS, each.tag
        assert not [name for name in each.attrib if name.startswith("on") or name in ("style", "srcdoc", "xlink:href", "srcset")]
        assert re.match(r"https?:|mailto:|#|conversations/[^:]+$|\.\./index\.html$", each.get("href", "#")), each.get("href")
        assert each.get("src", "data:image/png;base64,").startswith("data:image/")
    return tree


class TestSafety:
    @LAYOUTS
    def test_whatever_stands_in_a_transcript_stays_text(self, layout: str) -> None:
        for bad in HOSTILE:
            material = PlainMaterial(
                [
                    message("s1", 1, text=bad, type=bad, role=bad, model=bad, agentId=bad, record={"message": {"content": bad}}),
                    said(2, block("text", bad), block("thinking", bad), {"type": bad, bad: bad}, role="user"),
                    said(3, {"type": "tool_use", "name": bad, "input": {bad: bad}}, {"type": "tool_use", "name": bad, "input": bad}),
                    said(4, {"type": "tool_result", "content": bad, "is_error": True}),
                    message("s1", 5, type="system", text=bad, record={bad: bad}),
                    message("s1", 6, record={"content": [bad], "attachments": [{"file_name": bad, "extracted_content": bad}]}),
                ],
                [{**session("s1", 6), "title": bad, "models": [bad], "source": bad}],
            )
            material.project = lambda _, bad=bad: {"slug": bad, "path": bad}  # type: ignore[method-assign]
            for page in pages(material, layout).values():
                assert_harmless(page)

    @LAYOUTS
    def test_the_policy_lets_this_script_and_this_style_work_and_nothing_else(self, layout: str) -> None:
        for page in pages(small_archive(), layout).values():
            head = tree_of(page).find("head")
            assert head is not None
            metas = [each for each in head if each.get("http-equiv") == "Content-Security-Policy"]
            assert list(head).index(metas[0]) < [each.tag for each in head].index("style")
            script, style = (
                base64.b64encode(hashlib.sha256(words_of.encode()).digest()).decode()
                for words_of in (page.split("<script>")[1].split("</script>")[0], page.split("<style>")[1].split("</style>")[0])
            )
            assert metas[0].get("content") == (
                f"default-src 'none'; style-src 'sha256-{style}'; script-src 'sha256-{script}'; img-src data:; "
                "base-uri 'none'; form-action 'none'"
            )

    def test_markdown_is_shown_as_markdown(self) -> None:
        tree = page_of(said(1, block("text", "# Cards\n\n**one** [notes](https://example.org/?a=1&b=2)\n\n|a|\n|-|\n|1|\n\n```py\nx\n```")))
        (prose,) = has_class(tree, "prose")
        assert [each.tag for each in prose] == ["h3", "p", "table", "pre"], "headings stand below the message's"
        (link,) = prose.iter("a")
        assert link.attrib == {"href": "https://example.org/?a=1&b=2", "rel": "noopener noreferrer nofollow"}

    def test_what_is_nested_too_deep_is_shown_as_it_was_written(self) -> None:
        for deep in ("> ", "- ", "1. ", "> - "):
            for times in range(1, 40):
                (prose,) = has_class(page_of(said(1, block("text", deep * times + "found <b>"))), "prose")
                assert words(prose).endswith("found <b>"), (deep, times)

    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.lists(st.sampled_from(HOSTILE) | st.text(max_size=10), max_size=6).map("".join))
    def test_any_text_gives_a_valid_page(self, text: str) -> None:
        messages = [said(1, block("text", text), {"type": "tool_result", "content": text}, model=text)]
        for page in pages(PlainMaterial(messages, [{**session("s1", 1), "title": text}]), "one").values():
            assert_harmless(page)


class TestReading:
    @LAYOUTS
    def test_the_contents_lead_to_every_conversation(self, layout: str) -> None:
        archive = small_archive()
        found = pages(archive, layout)
        index = tree_of(found.get("index.html") or found["one.html"])
        links = [link.get("href", "") for each in has_class(index, "contents") for link in each.iter("a")]
        if layout == "each":
            assert sorted(map(unquote, links)) == sorted(found)[:2]
        else:
            assert [each.get("id") for each in index.iter("section")] == [link[1:] for link in links]
        assert "2 conversations, 6 messages." in words(index.find(".//footer"))

    @LAYOUTS
    def test_pages_have_landmarks_headings_and_a_first_link_past_them(self, layout: str) -> None:
        for page in pages(small_archive(), layout).values():
            tree = tree_of(page)
            ids = [each.get("id") for each in tree.iter() if each.get("id")]
            assert len(ids) == len(set(ids))
            body = tree.find("body")
            assert body is not None
            first = next(body.iter("a"))
            assert first.get("href", "")[1:] in ids
            tags = [each.tag for each in body]
            assert (tags.count("main"), tags.count("header"), tags.count("footer")) == (1, 1, 1)
            levels = [int(each.tag[1]) for each in tree.iter() if re.fullmatch("h[1-6]", str(each.tag))]
            assert levels[0] == 1
            assert levels.count(1) == 1
            assert all(after - before <= 1 for before, after in zip(levels, levels[1:], strict=False))
            labels = {each.get("for") for each in tree.iter("label")}
            assert {each.get("id") for each in tree.iter("input")} <= labels

    def test_times_are_utc_for_people_and_programs(self) -> None:
        tree = page_of(said(1, block("text", "a")))
        (link,) = has_class(tree, "when")
        assert [(each.get("datetime"), each.text) for each in link] == [("2025-03-01T12:00:01.123Z", "2025-03-01 12:00:01")]
        assert "Times are UTC" in words(tree.find(".//footer"))

    def test_a_conversation_says_what_is_known_of_it(self) -> None:
        tree = page_of(said(1, block("text", "a")))
        told = dict(zip(map(words, tree.iter("dt")), map(words, tree.iter("dd")), strict=True))
        assert told == {
            "Project": "/home/ana/app", "Source": "claude-code", "Time": "2025-03-01 12:00:00 – 2025-03-01 13:00:00", "Messages": "1",
            "Models": "claude-sonnet-4", "Cost": "0.012345 USD",
        }  # fmt: skip

    def test_prompts_and_answers_are_read_and_the_rest_is_folded(self) -> None:
        tree = page_of(
            said(1, block("text", "How many?"), role="user", isPrompt=True),
            said(2, block("thinking", "I count"), {"type": "tool_use", "name": "Bash", "input": {"command": "wc\n-l", "n": 1}}),
            said(3, {"type": "tool_result", "is_error": True, "content": [block("text", "\nno\nfile"), image(PNG)]}, role="user"),
            message("s1", 4, type="system", text="hook ran"),
            message("s1", 5, type="progress", text=""),
            said(7, block("text", "<system-reminder>"), role="user"),
            said(6, block("text", "Three."), isSidechain=True, agentId="abcdef123", model="claude-opus-4"),
        )
        articles = dict(enumerate(tree.iter("article"), 1))
        assert [each.get("class") for each in articles.values()] == [
            "message prompt", "message work", "message work", "event", "event", "message note", "message answer side",
        ]  # fmt: skip
        assert words(articles[1]) == "User 2025-03-01 12:00:01 How many?"
        assert [words(each) for each in articles[2].iter("summary")] == ["Thinking I count", "Bash wc"]
        assert [each.text for each in articles[2].iter("pre")] == ["wc\n-l", "1"]
        (failed,) = articles[3].iter("details")
        assert words(failed.find("summary")) == "Tool result: an error no"
        assert [each.text for each in failed.iter("pre")] == ["\nno\nfile\n(image)"]
        assert len(list(failed.iter("img"))) == 1
        assert words(articles[6]) == "User 2025-03-01 12:00:07 not typed by the user <system-reminder>"
        assert [words(each) for each in articles[7].findall("header/*")] == [
            "Assistant", "2025-03-01 12:00:06", "claude-opus-4", "subagent abcdef12",
        ]  # fmt: skip
        (events,) = has_class(tree, "events")
        assert [words(each) for each in events.iter("summary")] == ["Events of the program", "System hook ran", "Progress"]

    def test_what_is_too_long_is_cut_and_says_where_the_rest_is(self) -> None:
        given = said(
            1, block("text", "a" * (LONGEST_TEXT + 1)), {"type": "tool_result", "content": "b" * (LONGEST_TOOL + 22)},
            {"type": "tool_use", "name": "x", "input": {"c": "c" * (LONGEST_TOOL - 1), "d": "ddd"}},
            image(PNG + b"0" * LARGEST_IMAGE), image(PNG, "image/svg+xml"),
        )  # fmt: skip
        tree = page_of(given)
        page = words(tree)
        assert (page.count("aaaa"), page.count("b" * LONGEST_TOOL)) == (LONGEST_TEXT // 4, 1)
        kept = f": kept in the archive with message {given['_id'].hex()}"
        assert [words(each) for each in has_class(tree, "cut")] == [
            f"1 more characters{kept}", f"22 more characters{kept}", f"2 more characters{kept}",
            f"Image (image/png, {LARGEST_IMAGE + len(PNG):,} bytes){kept}", f"Image{kept}",
        ]  # fmt: skip

    def test_it_says_how_much_it_loses(self) -> None:
        told = " ".join(RENDERERS["html"].loses)
        assert {f"{limit:,}" for limit in (LONGEST_TEXT, LONGEST_TOOL, LARGEST_IMAGE)} == set(re.findall(r"\d[\d,]+\d", told))

    def test_small_pictures_of_safe_types_stand_in_the_page(self) -> None:
        tree = page_of(said(1, image(PNG), role="user"))
        assert [each.attrib for each in tree.iter("img")] == [
            {"src": f"data:image/png;base64,{base64.b64encode(PNG).decode()}", "alt": "Image in the message"}
        ]

    def test_terminal_colours_are_left_out_and_controls_are_made_visible(self) -> None:
        tree = page_of(said(1, {"type": "tool_result", "content": "\x1b[1;31mred\x1b[0m\x00\x07\ufffe\r\nend"}))
        assert [each.text for each in tree.iter("pre")] == ["red␀␇\ufffd\nend"]

    def test_a_message_without_blocks_shows_its_text(self) -> None:
        tree = page_of(message("s1", 1, source="chatgpt", text="From elsewhere", record={"message": {"content": {"parts": []}}}))
        assert words(next(tree.iter("article"))) == "User 2025-03-01 12:00:01 From elsewhere"

    @LAYOUTS
    def test_anchors_are_the_same_in_every_export_of_the_message(self, layout: str) -> None:
        one, two = (pages(small_archive(), layout) for _ in range(2))
        assert one == two
        key = small_archive().message_list[0]["_id"].hex()[:16]
        assert any(f'm-{key}"' in page for page in one.values())
