"""An export from its filters to the pages that came of it, as a person does it."""

import json
import re
import zipfile

import pytest
from playwright.sync_api import expect

from tests.imports.transcripts import transcript

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

OWLS, BATS = "6f1c0c3e-0000-4000-8000-0000000000e1", "6f1c0c3e-0000-4000-8000-0000000000e2"
JOB_PAGE = re.compile(r"/exports/[0-9a-f-]{36}/$")
SECRET = "".join(("sk-", "ant-", "api03-", "A1b2C3d4E5" * 5))
HOSTILE = "<script>window.ran = 1</script><img src=x onerror='window.ran = 1'>"


@pytest.fixture(scope="module")
def archive(live_site, tmp_path_factory):
    """Two conversations; in one of them somebody pasted a key, and something that would like to run."""
    folder = tmp_path_factory.mktemp("export")
    (folder / f"{OWLS}.jsonl").write_bytes(transcript(30, OWLS, text=f"Owls {SECRET} {HOSTILE}"))
    (folder / f"{BATS}.jsonl").write_bytes(transcript(30, BATS, text="Bats at night"))
    done = live_site.manage("import_archive", str(folder), "--json")
    assert done.returncode == 0, done.stderr


@pytest.fixture
def snapshots(page) -> list[dict]:
    """What comes over the page's WebSockets."""
    told: list[dict] = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: told.append(json.loads(frame))))
    return told


def estimate(page):
    return page.locator("[data-estimate-url] [data-matching]")


def test_an_export_is_filtered_watched_downloaded_and_opened(
    archive, staff, live_site, snapshots, complaints, tmp_path
):
    page = staff
    page.goto(f"{live_site.url}/exports/new/")
    page.get_by_role("radio", name="Web pages").check()
    page.get_by_label("Containing").fill("owls")
    page.get_by_label("Conversations", exact=True).fill(f"{OWLS}\n{BATS}")
    expect(estimate(page)).to_have_attribute("data-matching", "30")
    page.get_by_label("Secrets").check()
    page.get_by_role("button", name="Start export").click()

    page.wait_for_url(JOB_PAGE)
    expect(page.locator(".job-card .badge")).to_have_text("Completed", timeout=90_000)
    mine = page.url.rstrip("/").rsplit("/", 1)[-1]
    assert any(each.get("id") == mine for each in snapshots), "progress came over the WebSocket"
    page.reload()
    expect(page.locator("main")).to_contain_text("owls")
    with page.expect_download() as download:
        page.get_by_role("link", name=re.compile("^Download")).first.click()
    folder = tmp_path / "pages"
    zipfile.ZipFile(download.value.path()).extractall(folder)
    assert complaints == []

    assert SECRET not in "".join(path.read_text() for path in folder.rglob("*.html"))
    page.goto((folder / "index.html").as_uri())
    page.get_by_role("link", name=re.compile("Owls")).first.click()
    expect(page.get_by_role("main")).to_contain_text("[redacted:")
    expect(page.get_by_role("main")).to_contain_text("Owls")
    assert page.evaluate("window.ran") is None


def test_what_the_format_does_not_take_is_hidden_and_a_refusal_stands_below(archive, staff, live_site, complaints):
    page = staff
    page.goto(f"{live_site.url}/exports/new/")
    expect(page.get_by_label("Columns", exact=True)).to_be_hidden()
    page.get_by_role("radio", name="CSV").check()
    expect(page.get_by_label("Columns", exact=True)).to_be_visible()
    page.get_by_label("Columns", exact=True).fill("id\nnonsense")
    expect(page.locator("[data-estimate-url]")).to_contain_text("nonsense")
    page.get_by_role("button", name="Start export").click()
    expect(page.locator(".errorlist")).to_contain_text("nonsense")
    page.get_by_label("Columns", exact=True).fill("id\ntext")
    types = page.locator("summary", has_text="Types of messages")
    types.click()
    page.get_by_role("group", name="Types of messages").get_by_label("assistant").check()
    expect(types).to_contain_text("1 chosen")
    page.get_by_role("button", name="Start export").click()
    page.wait_for_url(JOB_PAGE)
    expect(page.locator(".job-card .badge")).to_have_text("Completed", timeout=90_000)


@pytest.mark.parametrize("width", [1280, 390])
def test_no_page_of_exports_is_wider_than_the_window(archive, staff, live_site, width):
    page = staff
    page.set_viewport_size({"width": width, "height": 800})
    for path in ("", "new/", "presets/", "schedules/", "schedules/new/"):
        page.goto(f"{live_site.url}/exports/{path}")
        excess = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(excess) == 0, path
