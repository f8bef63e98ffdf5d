"""Exported pages in a real Chromium, from the disk: nothing of a transcript runs, search and print work."""

import io
import zipfile

import pytest
from playwright.sync_api import expect

from exports.choices import Choices
from exports.renderers import RENDERERS
from tests.exports.hostile import HOSTILE, PNG, block, image
from tests.exports.material import PlainMaterial, message, session

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

BOTH = pytest.mark.parametrize("name", ["index.html", "conversations/2025-03-01-cards-of-the-mill-s1.html", "one.html"])
LIGHT, DARK = "rgb(245, 246, 248)", "rgb(16, 20, 24)"


def said(name, number, role, *content):
    return message(name, number, type=role, role=role, record={"message": {"role": role, "content": list(content)}})


def archive() -> PlainMaterial:
    hostile = [
        said("s1", 10 + number, "assistant", block("text", bad), block("thinking", bad), {"type": "tool_use", "name": bad, "input": {bad: bad}},
             {"type": "tool_result", "content": bad}, {"type": bad})
        for number, bad in enumerate(HOSTILE)
    ]  # fmt: skip
    messages = [
        said("s1", 1, "user", block("text", "How many cards does the mill take?"), image(PNG)) | {"isPrompt": True},
        said("s1", 2, "assistant", {"type": "tool_use", "name": "Bash", "input": {"command": "grep Jacquard notes"}}),
        said("s1", 3, "assistant", block("text", "One card; [the notes](https://example.org/) say so.")),
        message("s1", 4, type="system", text="hook of the store", record={"type": "system", "content": "hook of the store"}),
        *hostile,
        said("s2", 1, "user", block("text", "Is the store full of cards?")),
    ]
    return PlainMaterial(messages, [{**session("s1", 4), "title": "Cards of the mill"}, {**session("s2", 1), "title": HOSTILE[0]}])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Both layouts, unpacked as a person would."""
    folder = tmp_path_factory.mktemp("export")
    made = {layout: b"".join(RENDERERS["html"].render(archive(), Choices(layout=layout))) for layout in ("each", "one")}
    zipfile.ZipFile(io.BytesIO(made["each"])).extractall(folder)
    (folder / "one.html").write_bytes(made["one"])
    return folder


@pytest.fixture
def open_page(page, folder, complaints):
    """Opens a page of the export; afterwards nothing may have run, been asked for, or be complained of."""
    asked, dialogs = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))

    def opened(name):
        page.goto((folder / name).as_uri())
        return page

    yield opened
    assert [url for url in asked if not url.startswith(("file:", "data:image/png"))] == []
    assert dialogs == []
    assert page.evaluate("window.ran") is None
    assert complaints == []


def expect_found(page, told: str) -> None:
    expect(page.locator("#found")).to_have_text(told)


@BOTH
def test_nothing_of_a_transcript_runs(open_page, name):
    page = open_page(name)
    page.locator("details").evaluate_all("folds => folds.forEach(fold => { fold.open = true })")
    page.locator("article, li, a, summary").evaluate_all(
        "all => all.forEach(each => ['mouseover', 'focus', 'toggle', 'error'].forEach(kind => each.dispatchEvent(new Event(kind))))"
    )
    assert page.locator("script").count() == 1
    assert page.locator("iframe, object, embed, svg, math, link, base, style ~ style").count() == 0


def test_a_script_that_got_into_the_page_would_not_run_either(page, folder):
    """The policy alone holds, too: this page is written by hand into an exported one."""
    bad = "<script>window.ran=1</script><img src=x onerror='window.ran=1'><svg onload='window.ran=1'></svg><style>body{opacity:0}</style>"
    name = next((folder / "conversations").glob("*cards*"))
    (folder / "spoilt.html").write_text(name.read_text().replace("<footer>", bad + "<footer>"))
    page.goto((folder / "spoilt.html").as_uri())
    page.get_by_role("searchbox").wait_for()
    assert page.evaluate("[window.ran ?? null, getComputedStyle(document.body).opacity]") == [None, "1"]


def test_search_shows_what_holds_the_words_and_unfolds_it(open_page):
    page = open_page("conversations/2025-03-01-cards-of-the-mill-s1.html")
    total = 4 + len(HOSTILE)
    page.keyboard.press("/")
    page.keyboard.type("JACQUARD notes")
    expect_found(page, f"1 of {total} found")
    assert page.locator(".message:visible").count() == 1
    assert page.get_by_text("grep Jacquard notes").last.is_visible(), "what was found in a fold is unfolded"
    assert page.evaluate("CSS.highlights.get('found').size") > 1
    page.get_by_role("searchbox").fill("of the store")
    expect(page.locator(".event pre")).to_be_visible()
    page.keyboard.press("Escape")
    expect_found(page, "")
    assert page.locator("details[open]").count() == 0
    assert page.locator(".message:visible").count() == total - 1
    page.get_by_role("searchbox").fill("nothing like this")
    expect_found(page, f"0 of {total} found")


def test_search_of_the_contents_finds_conversations(open_page):
    page = open_page("index.html")
    page.get_by_role("searchbox").fill("mill")
    expect_found(page, "1 of 2 found")
    page.get_by_role("link", name="Cards of the mill").click()
    page.get_by_role("heading", level=1, name="Cards of the mill").wait_for()
    page.get_by_role("link", name="All conversations").click()
    page.get_by_role("heading", level=1, name="Conversations").wait_for()


def test_one_document_is_searched_in_all_its_conversations(open_page):
    page = open_page("one.html")
    top = page.locator("#contents").bounding_box()["y"]
    assert top < page.locator("section").first.bounding_box()["y"], "the contents stand first"
    page.get_by_role("searchbox").fill("store full")
    expect_found(page, f"1 of {5 + len(HOSTILE)} found")
    assert page.locator("section:visible").count() == page.locator(".contents li:visible").count() == 1
    page.get_by_role("searchbox").fill("")
    expect(page.locator("section:visible")).to_have_count(2)
    page.get_by_role("link", name="Cards of the mill").click()
    assert page.evaluate("location.hash") == "#c1"


def test_a_link_leads_to_its_message_though_it_be_filtered_out(open_page):
    page = open_page("conversations/2025-03-01-cards-of-the-mill-s1.html")
    anchor = page.locator(".event").get_attribute("id")
    page.get_by_role("searchbox").fill("Jacquard")
    expect(page.locator(".message:visible")).to_have_count(1)
    page.evaluate("anchor => { location.hash = anchor }", anchor)
    page.locator(f"#{anchor}").wait_for(state="visible")


@BOTH
def test_keys_reach_the_content_first(open_page, name):
    page = open_page(name)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent").startswith("Skip to the ")
    page.keyboard.press("Enter")
    target = page.evaluate("location.hash.slice(1)")
    assert page.locator(f"#{target}").count() == 1


@BOTH
def test_pages_are_light_or_dark_as_one_likes_and_light_on_paper(open_page, name):
    page = open_page(name)
    colours = []
    for wish in ({"color_scheme": "light"}, {"color_scheme": "dark"}, {"color_scheme": "dark", "media": "print"}):
        page.emulate_media(**wish)
        colours.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert colours == [LIGHT, DARK, "rgb(255, 255, 255)"]
    assert not page.locator("#search").is_visible()


def test_on_paper_what_is_folded_is_one_line_and_what_is_unfolded_is_there(open_page):
    page = open_page("conversations/2025-03-01-cards-of-the-mill-s1.html")
    page.emulate_media(media="print")
    fold = page.locator("details.tool").first
    assert fold.locator("summary").is_visible()
    assert not fold.locator("pre").is_visible()
    assert not page.locator(".events").is_visible()
    page.emulate_media(media="screen")
    page.get_by_role("button", name="Unfold all").click()
    page.emulate_media(media="print")
    assert fold.locator("pre").is_visible()
    assert page.pdf().startswith(b"%PDF-")


@BOTH
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_sticks_out(open_page, name, width):
    page = open_page(name)
    page.set_viewport_size({"width": width, "height": 800})
    page.locator("details").evaluate_all("folds => folds.forEach(fold => { fold.open = true })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_without_script_everything_can_be_read(browser, folder):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((folder / "index.html").as_uri())
    assert not page.locator("#search").is_visible()
    page.get_by_role("link", name="Cards of the mill").click()
    fold = page.locator("details.tool").first
    fold.locator("summary").click()
    assert fold.locator("pre").first.is_visible()
    context.close()
