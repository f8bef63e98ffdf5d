"""The pages, over a real archive."""

import json
import re

import pytest
from django.urls import reverse

from browse.summaries import session_url
from tests.browse.conftest import LONG, MAIN, ODD, PNG
from tests.browse.html_reader import Page

pytestmark = pytest.mark.django_db

OWN_SCRIPTS = ("/static/browse/local-time.js",)


def messages_of(archive, session_id=MAIN, **query):
    return list(
        archive.messages_current.find({"sessionId": session_id, **query}).sort([("fileId", 1), ("seq", 1)])
    )


def words(response):
    assert response.status_code == 200, response.content[:500]
    return Page(response.content.decode()).words


class TestWhoMaySee:
    PATHS = ("/", "/sessions/", f"/sessions/{MAIN}/", f"/messages/{'0' * 64}/", f"/messages/{'0' * 64}/raw/",
             f"/messages/{'0' * 64}/images/0/")  # fmt: skip

    @pytest.mark.parametrize("path", PATHS)
    def test_a_stranger_is_asked_to_log_in(self, client, path, archive_db):
        assert client.get(path).headers["Location"].startswith("/accounts/login/?next=")

    @pytest.mark.parametrize("path", PATHS)
    def test_an_account_without_rights_sees_nothing(self, client, people, path, archive_db):
        client.force_login(people.charlie)

        response = client.get(path, follow=True)

        assert "is for staff of this server" in words(response)
        assert "Conversations" not in Page(response.content.decode()).text.split("Log in")[-1]

    @pytest.mark.parametrize("path", PATHS)
    def test_pages_only_read(self, staff, path, archive_db):
        assert staff.post(path).status_code == 405


class TestHome:
    def test_an_empty_archive_says_how_to_begin(self, staff, archive_db):
        page = Page(staff.get("/").content.decode())

        assert "The archive is empty" in page.words
        assert {"href": "/imports/new/", "class": "btn btn--primary"} in page.named("a")

    def test_totals_and_recent_conversations(self, staff, archive):
        text = words(staff.get("/"))

        assert f"Messages {archive.messages_current.count_documents({})}" in text
        assert "Conversations 3" in text
        assert "and 1 call of unknown price" in text
        assert "Fix the <b>cart</b> total" in text

    def test_jobs_of_others_are_not_shown(self, staff, imported, people, client):
        assert "You have started no import" in words(staff.get("/"))
        client.force_login(people.root)
        assert "Completed" in words(client.get("/"))


class TestList:
    def test_every_conversation_with_its_figures(self, staff, archive):
        page = Page(staff.get("/sessions/").content.decode())

        links = [link["href"] for link in page.named("a")]
        assert {session_url(MAIN), session_url(LONG), session_url(ODD)} <= set(links)
        assert "Prompt number 0 notes" in page.words
        assert "260" in page.words

    @pytest.mark.parametrize(
        ("query", "titles"),
        [
            ("text=CART", ["Fix the <b>cart</b> total"]),
            ("text=.*", []),
            ("model=claude-unheard-of-9", ["Fix the <b>cart</b> total"]),
            ("source=claude-code&sort=title", ["An odd name", "Fix the <b>cart</b> total", "Prompt number 0"]),
            ("source=chatgpt", []),
            ("since=2026-01-31&until=2026-02-01&sort=-messageCount", ["Prompt number 0", "Fix the <b>cart</b> total", "An odd name"]),
            ("since=2026-02-01", []),
            ("until=2026-01-31", []),
            ("since=2026-01-31T00:00:02Z", ["Prompt number 0", "Fix the <b>cart</b> total"]),
        ],
    )  # fmt: skip
    def test_filters_and_orders(self, staff, archive, query, titles):
        rows = staff.get(f"/sessions/?{query}").context["rows"]

        assert [row.title for row in rows] == titles

    def test_the_filter_by_project(self, staff, archive):
        project = archive.projects.find_one({"name": "notes"})["_id"]

        page = staff.get(f"/sessions/?project={project}")

        assert [row.title for row in page.context["rows"]] == ["Prompt number 0"]

    def test_what_was_asked_stays_in_the_form(self, staff, archive):
        page = Page(staff.get("/sessions/?text=%22cart&since=2026-01-31&sort=title").content.decode())

        values = {field.get("name"): field.get("value") for field in page.named("input")}
        assert values["text"] == '"cart'
        assert values["since"] == "2026-01-31"
        assert {"value": "title", "selected": ""} in page.named("option")

    def test_pages_follow_each_other(self, staff, archive, monkeypatch):
        monkeypatch.setattr("browse.views.LIST_ROWS", 2)

        first = staff.get("/sessions/?sort=title")
        second = staff.get(f"/sessions/{first.context['next_url']}")
        back = staff.get(f"/sessions/{second.context['previous_url']}")

        assert [row.title for row in second.context["rows"]] == ["Prompt number 0"]
        assert second.context["next_url"] == ""
        assert [row.id for row in back.context["rows"]] == [row.id for row in first.context["rows"]]

    @pytest.mark.parametrize(
        ("query", "reason"),
        [
            ("cursor=nonsense", "cursor is not valid"),
            ("cursor=AAAA", "cursor is not valid"),
            ("since=yesterday", "is not a date"),
            ("since=2026-13-45", "is not a date"),
            ("until=99999999-01-01", "is not a date"),
            ("sort=password", "is not an order"),
            ("source=elsewhere", "is not a source"),
            ("project=7", "no project with this id"),
            ("since=2026-02-01&until=2026-01-01", "has to be later"),
            ("text=" + "x" * 201, "200 characters"),
        ],
    )
    def test_a_bad_value_is_a_sentence(self, staff, archive_db, query, reason):
        response = staff.get(f"/sessions/?{query}")

        assert response.status_code == 400
        assert reason in Page(response.content.decode()).words

    def test_nothing_found_says_what_to_do(self, staff, archive):
        assert "No conversation matches" in words(staff.get("/sessions/?text=nowhere"))

    def test_an_empty_archive_leads_to_the_import(self, staff, archive_db):
        assert "No conversations yet" in words(staff.get("/sessions/"))


class TestConversation:
    def test_the_facts(self, staff, archive):
        text = words(staff.get(session_url(MAIN)))

        for fact in (
            "Branch main",
            "Version 2.1.14",
            "/home/ada/web.shop",
            "Subagents 1",
            "+ 1 unpriced",
            "2 original files",
        ):
            assert fact in text

    def test_what_was_said_and_done(self, staff, archive):
        text = words(staff.get(session_url(MAIN)))

        assert "Fix the <b>cart</b> total" in text
        assert "Fixed it. See docs." in text
        assert "Bash pytest -q" in text
        assert "Bash 1 passed" in text
        assert "unknown type" in text
        assert "subagent abc12345" in text
        assert "turn duration" in text

    def test_nothing_of_a_hostile_transcript_is_alive(self, staff, archive):
        page = Page(staff.get(session_url(MAIN)).content.decode())

        assert [script["src"] for script in page.named("script")] == list(OWN_SCRIPTS)
        assert not page.named("style") and not page.named("iframe") and not page.named("svg")
        assert {form["action"] for form in page.named("form")} <= {"/accounts/logout/", session_url(MAIN)}
        for tag, attributes in page.tags:
            assert not any(name.startswith("on") or name == "style" for name in attributes), tag
            assert re.match(r"(/|\?|#|https?://|mailto:|$)", attributes.get("href", "")), attributes
            assert attributes.get("src", "/").startswith("/")

    def test_images_are_served_as_themselves(self, staff, archive):
        sources = [image["src"] for image in Page(staff.get(session_url(MAIN)).content.decode()).named("img")]
        shown = [source for source in sources if source.startswith("/messages/")]

        response = staff.get(shown[0])

        assert len(shown) == 2
        assert (response.status_code, response["Content-Type"]) == (200, "image/png")
        assert response["X-Content-Type-Options"] == "nosniff"
        assert response.content.startswith(b"\x89PNG")
        assert staff.get(shown[0].replace("/0/", "/7/")).status_code == 404

    def test_long_conversations_come_in_pages(self, staff, archive):
        first, last = staff.get(session_url(LONG)), staff.get(f"{session_url(LONG)}?page=3")

        assert "Prompt number 49" in words(first) and "Prompt number 50" not in words(first)
        assert "Answer 129" in words(last) and "of 3" in words(last)
        assert sum(len(entry.lines) for entry in last.context["thread"].entries) == 60

    def test_a_permalink_leads_to_the_page_of_its_message(self, staff, archive):
        message = messages_of(archive, LONG)[123]["_id"].hex()

        page = Page(staff.get(f"{session_url(LONG)}?at={message}").content.decode())

        assert f"m-{message}" in [tag.get("id") for tag in page.named("li")]

    def test_every_line_of_an_answer_can_be_linked_to(self, staff, archive):
        page = Page(staff.get(session_url(MAIN)).content.decode())

        anchors = {attributes.get("id") for _, attributes in page.tags}
        assert {f"m-{message['_id'].hex()}" for message in messages_of(archive)} <= anchors

    def test_a_file_leads_to_its_beginning(self, staff, archive):
        response = staff.get(session_url(MAIN))
        (link,) = [
            a["href"] for a in Page(response.content.decode()).named("a") if "?file=" in a.get("href", "")
        ][1:]

        page = Page(staff.get(link.split("#")[0]).content.decode())

        assert link.split("#")[1] in [tag.get("id") for tag in page.named("li")]

    def test_only_prompts_and_answers(self, staff, archive):
        text = words(staff.get(f"{session_url(MAIN)}?view=prompts"))

        assert "Fix the <b>cart</b> total" in text and "Fixed it" in text
        assert "pytest -q" not in text and "turn duration" not in text and "Search the tests" not in text

    def test_only_prompts_of_a_long_conversation_are_one_page(self, staff, archive):
        response = staff.get(f"{session_url(LONG)}?view=prompts")

        assert len(response.context["thread"].entries) == 260

    @pytest.mark.parametrize(
        "query", ["page=0", "page=4", "page=x", "page=-1", "page=²", f"page={'9' * 400}"]
    )
    def test_a_page_that_is_none_is_a_sentence(self, staff, archive, query):
        response = staff.get(f"{session_url(LONG)}?{query}")

        assert response.status_code == 400
        assert "This conversation has the pages 1 to 3." in Page(response.content.decode()).words

    @pytest.mark.parametrize("query", ["at=" + "0" * 64, "file=" + "0" * 24, "file=x"])
    def test_a_message_or_file_of_elsewhere_is_not_found(self, staff, archive, query):
        assert staff.get(f"{session_url(LONG)}?{query}").status_code == 404

    def test_a_message_of_another_conversation_is_not_found(self, staff, archive):
        message = messages_of(archive)[0]["_id"].hex()

        assert staff.get(f"{session_url(LONG)}?at={message}").status_code == 404

    @pytest.mark.parametrize("session_id", ["nope", "a/b", "..", "%00", "x" * 3000])
    def test_an_unknown_conversation_is_not_found(self, staff, archive_db, session_id):
        assert staff.get(session_url(session_id)).status_code == 404

    def test_the_oddest_session_id_has_a_page(self, staff, archive):
        (row,) = [row for row in staff.get("/sessions/").context["rows"] if row.title == "An odd name"]

        assert row.id == ODD
        assert "An odd name" in words(staff.get(row.url))

    def test_the_number_of_queries_does_not_grow(self, staff, archive, django_assert_max_num_queries):
        with django_assert_max_num_queries(3):
            staff.get(session_url(LONG))
        with django_assert_max_num_queries(3):
            staff.get("/sessions/")
        with django_assert_max_num_queries(7):
            staff.get("/")


@pytest.fixture
def count_reads(archive):
    """How many commands MongoDB answers while something is done, as its own profiler tells."""

    def count(action):
        archive.command("profile", 2)
        try:
            action()
        finally:
            archive.command("profile", 0)
        reads = archive["system.profile"].count_documents({"op": {"$in": ["query", "command", "getmore"]}})
        archive.drop_collection("system.profile")
        return reads

    return count


def test_long_pages_ask_the_archive_no_more_than_short_ones(staff, count_reads):
    short = count_reads(lambda: staff.get(session_url(ODD)))
    long = count_reads(lambda: staff.get(f"{session_url(LONG)}?page=2"))

    assert short == long
    assert 0 < long <= 18  # three for each moment: the catalogue's version before and after, and its partitions
    assert count_reads(lambda: staff.get("/sessions/")) <= 5


class TestRecord:
    def test_the_record_is_shown_whole(self, staff, archive):
        message = messages_of(archive)[0]

        text = words(staff.get(f"/messages/{message['_id'].hex()}/"))

        assert '"content": "Fix the <b>cart</b> total"' in text
        assert "Line 1" in text

    def test_the_bytes_come_as_a_download(self, staff, archive, tmp_path):
        message = messages_of(archive)[1]

        response = staff.get(f"/messages/{message['_id'].hex()}/raw/")

        original = (tmp_path / f"projects/-home-ada-web-shop/{MAIN}.jsonl").read_bytes().splitlines()[1]
        assert response.content.rstrip(b"\n") == original
        assert response["Content-Disposition"].startswith("attachment")
        assert response["Content-Type"].startswith("text/plain")
        assert json.loads(response.content)["type"] == "assistant"

    def test_an_unknown_message_is_not_found(self, staff, archive_db):
        for path in ("", "raw/", "images/0/"):
            assert staff.get(f"/messages/{'0' * 64}/{path}").status_code == 404


def test_every_page_forbids_inline_code(staff, archive):
    for path in ("/", "/sessions/", session_url(MAIN), reverse("browse:session_list")):
        policy = staff.get(path)["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy


def test_a_damaged_image_is_not_found(staff, archive_db, people, tmp_path):
    from django.core.management import call_command

    from tests.browse.conftest import Transcript
    from tests.browse.lines import image

    Transcript().add("user", [image("%%% no base64"), image(PNG)]).write(tmp_path)
    call_command("import_archive", str(tmp_path), user="root", verbosity=0)
    (message,) = messages_of(archive_db)

    assert staff.get(f"/messages/{message['_id'].hex()}/images/0/").status_code == 404
    assert staff.get(f"/messages/{message['_id'].hex()}/images/1/").status_code == 200
