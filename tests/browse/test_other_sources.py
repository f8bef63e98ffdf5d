"""The pages of conversations that are not Claude Code's, over real imports."""

import pytest
from django.core.management import call_command

from browse import reading
from browse.summaries import session_url
from tests.browse.html_reader import Page
from tests.browse.other_sources import (
    ASKED_AGAIN,
    BRANCHED,
    EVIL,
    EVIL_NODES,
    PAGE,
    claude_ai,
    said,
    text,
    write_chatgpt,
    write_claude_ai,
)

pytestmark = pytest.mark.django_db
LONG = "c1a0de00-0000-4000-8000-000000000003"


@pytest.fixture
def held(archive_db, people, tmp_path):
    """The conversations of ``other_sources`` in the archive."""
    write_claude_ai(tmp_path)
    write_chatgpt(tmp_path)
    call_command("import_archive", str(tmp_path), user="root", verbosity=0)
    return archive_db


def key(held, session_id, words):
    """The id of the message that says these words."""
    return held.messages_current.find_one({"sessionId": session_id, "text": {"$regex": words}})["_id"].hex()


def page_of(staff, address):
    response = staff.get(address)
    assert response.status_code == 200, response.content[:300]
    return Page(response.content.decode())


class TestVersions:
    def test_the_current_version_is_read_and_says_that_there_are_others(self, staff, held):
        page = page_of(staff, session_url(BRANCHED))

        assert "Show me the notes instead" in page.words and "Here are the notes." in page.words
        assert "Show me a loom" not in page.words and "told differently" not in page.words
        assert "version 2 of 2" in page.words and "version 1 of 2" in page.words
        assert "3 of them in other versions" in page.words

    def test_a_mark_leads_to_the_version_beside_it(self, staff, held):
        other = key(held, BRANCHED, "Show me a loom")
        address = f"{session_url(BRANCHED)}?at={other}"
        assert {"href": f"{address}#m-{other}"}.items() <= next(
            link for link in page_of(staff, session_url(BRANCHED)).named("a") if other in link.get("href", "")
        ).items()

        page = page_of(staff, address)

        assert "A loom, as asked first." in page.words
        assert "Show me the notes instead" not in page.words
        assert "This is another version of the conversation" in page.words

    def test_all_versions_are_shown_with_the_others_marked(self, staff, held):
        response = staff.get(f"{session_url(BRANCHED)}?view=all")
        entries = response.context["thread"].entries

        assert [entry.other for entry in entries] == [False, False, False, True, True, False, False, True]
        assert Page(response.content.decode()).words.count("UTC record opus-4-5 other version") == 2

    def test_only_prompts_and_answers_of_the_current_version(self, staff, held):
        page = page_of(staff, f"{session_url(BRANCHED)}?view=prompts")

        assert "Show me the notes instead" in page.words
        assert "loom" not in page.words and "token_budget" not in page.words

    def test_chatgpts_nodes_are_read_from_the_first_to_the_current_one(self, staff, held):
        entries = staff.get(session_url(ASKED_AGAIN)).context["thread"].entries
        said_in_order = [block.brief for entry in entries for block in entry.blocks if block.kind == "prose"]

        assert said_in_order == ["What is 2 + 2?", "It is **four**."]

    def test_a_version_that_is_none_is_not_found(self, staff, held):
        for branch in ("0" * 64, "nonsense", "?" + "x" * 3000):
            assert staff.get(f"{session_url(BRANCHED)}?branch={branch}").status_code == 404
        assert staff.get(f"{session_url(BRANCHED)}?view=nonsense").status_code == 200

    def test_a_conversation_too_long_for_a_tree_is_shown_whole_and_says_so(self, staff, held, monkeypatch):
        monkeypatch.setattr(reading, "MAX_TREE", 5)

        page = page_of(staff, session_url(BRANCHED))

        assert "too long for its versions to be told apart" in page.words
        assert "Show me a loom" in page.words and "Here are the notes." in page.words


@pytest.fixture
def long(archive_db, people, tmp_path):
    """250 messages, of which 120 and 121 are versions of each other: 1 … 119, 121 … 250 are current."""
    messages = [
        said(n, n - 1, "human" if n % 2 else "assistant", text(f"Saying {n}.")) for n in range(1, 251)
    ]
    messages[120]["parent_message_uuid"] = messages[119]["parent_message_uuid"]
    write_claude_ai(tmp_path, claude_ai(LONG, "Long", *messages))
    call_command("import_archive", str(tmp_path), user="root", verbosity=0)
    return archive_db


class TestPages:
    def test_pages_are_cut_from_the_version_alone(self, staff, long):
        threads = [staff.get(f"{session_url(LONG)}?page={page}").context["thread"] for page in (1, 2, 3)]

        assert [thread.count for thread in threads] == [3, 3, 3]
        assert [len(thread.entries) for thread in threads] == [100, 100, 50]
        shown = [
            block.brief
            for thread in threads
            for entry in thread.entries
            for block in entry.blocks
            if block.html
        ]
        assert shown == [f"Saying {n}." for n in range(1, 251) if n != 120]

    def test_a_permalink_leads_to_its_page_in_every_view(self, staff, long):
        message = key(long, LONG, r"Saying 202\.")

        for view, number in (("", 3), ("all", 3), ("prompts", 1)):
            thread = staff.get(f"{session_url(LONG)}?view={view}&at={message}").context["thread"]
            assert thread.number == number
            assert view == "prompts" or message in [entry.id for entry in thread.entries]

    def test_the_pages_of_another_version_stay_in_it(self, staff, long):
        other = key(long, LONG, r"Saying 120\.")
        response = staff.get(f"{session_url(LONG)}?at={other}")

        assert (response.context["thread"].number, response.context["thread"].count) == (2, 2)
        fields = [
            (field["name"], field.get("value")) for field in Page(response.content.decode()).named("input")
        ]
        assert ("branch", other) in fields
        first = staff.get(f"{session_url(LONG)}?branch={other}&page=1")
        assert "This is another version" in Page(first.content.decode()).words
        assert staff.get(f"{session_url(LONG)}?branch={other}&page=3").status_code == 400

    def test_a_file_leads_to_its_beginning(self, staff, long):
        file_id = long.source_files.find_one()["_id"]

        assert staff.get(f"{session_url(LONG)}?file={file_id}").context["thread"].number == 1
        assert staff.get(f"{session_url(LONG)}?file={'0' * 24}").status_code == 404

    def test_a_copy_that_was_superseded_is_among_all_versions(self, staff, long, people, tmp_path):
        again = claude_ai(LONG, "Long", said(250, 249, "assistant", text("Saying 250, corrected.")))
        (tmp_path / "later").mkdir()
        write_claude_ai(tmp_path / "later", again)
        call_command(
            "import_archive", str(tmp_path / "later"), user="root", conflict="keep-both", verbosity=0
        )

        now = page_of(staff, f"{session_url(LONG)}?page=3")
        assert "Saying 250, corrected." in now.words and "Saying 250." not in now.words
        thread = staff.get(f"{session_url(LONG)}?at={key(long, LONG, r'^Saying 250[.]$')}").context["thread"]
        assert thread.view == "all"


class TestArtifacts:
    def test_they_are_listed_with_their_source_which_is_text(self, staff, held):
        response = staff.get(session_url(BRANCHED))
        page = Page(response.content.decode())

        assert [(each.title, each.brief) for each in response.context["artifacts"]] == [
            ("Engine page", "HTML · 2 versions"),
            ("Notes", "Markdown · 1 version"),
        ]
        assert "<p>Punched cards of Jacquard</p>" in page.words
        assert len(page.named("script")) == 1

    def test_the_download_is_text_whatever_it_holds(self, staff, held):
        response = staff.get(f"/artifacts/{BRANCHED}/?number=0")

        assert response.content.decode() == PAGE.replace("Punched cards", "Punched cards of Jacquard")
        assert response["Content-Type"] == "text/plain; charset=utf-8"
        assert response["Content-Disposition"] == 'attachment; filename="engine-page.txt"'
        assert response["X-Content-Type-Options"] == "nosniff"

    def test_another_version_of_the_conversation_has_its_own(self, staff, held):
        branch = key(held, BRANCHED, "Show me a loom")

        assert staff.get(f"/artifacts/{BRANCHED}/?number=0&branch={branch}").content.decode() == PAGE
        assert staff.get(f"/artifacts/{BRANCHED}/?number=1&branch={branch}").status_code == 404

    @pytest.mark.parametrize(
        "query", ["", "number=2", "number=-1", "number=x", "number=²", f"number={'9' * 400}"]
    )
    def test_one_that_is_none_is_not_found(self, staff, held, query):
        assert staff.get(f"/artifacts/{BRANCHED}/?{query}").status_code == 404

    def test_they_are_for_staff(self, client, people, archive_db):
        assert client.get(f"/artifacts/{BRANCHED}/?number=0").status_code == 302
        assert client.post(f"/artifacts/{BRANCHED}/").status_code in (302, 405)


class TestWhatIsShown:
    def test_what_claude_ai_keeps_beside_the_text(self, staff, held):
        page = page_of(staff, session_url(BRANCHED))

        for words in ("cards.txt", "card two", "engine.png not in the export", "Voice note: Walk", "1 source",
                      "Source claude.ai", "Cost –"):  # fmt: skip
            assert words in page.words, words
        links = [link for link in page.named("a") if link.get("href") == "https://engine.example/notes"]
        assert [link["rel"] for link in links] == ["noopener noreferrer nofollow"]

    def test_the_head_is_one_quiet_line(self, staff, held):
        head = staff.get(session_url(BRANCHED)).context["thread"].entries[0]

        assert (head.label, head.quiet) == ("Conversation", True)
        assert head.blocks[0].brief == "The analytical engine · claude-opus-4-5-20251101"

    def test_what_chatgpt_did_is_told_in_the_same_words(self, staff, held):
        entries = staff.get(session_url(ASKED_AGAIN)).context["thread"].entries

        assert [(entry.label, [block.kind for block in entry.blocks], entry.quiet) for entry in entries] == [
            ("Conversation", ["data"], True),
            ("Node", [], True),
            ("System", [], True),
            ("About the user", ["note", "note"], True),
            ("User", ["file", "prose"], False),
            ("Assistant", ["thinking"], False),
            ("Assistant", ["tool_use"], False),
            ("Tool result", ["tool_result"], True),
            ("Assistant", ["prose", "sources"], False),
        ]

    def test_the_list_offers_the_sources_that_there_are(self, staff, held):
        response = staff.get("/sessions/")
        page = Page(response.content.decode())

        sources = {"claude-code", "claude-ai", "chatgpt", "csv", "json", "markdown", "claudelens"}
        offered = {option.get("value") for option in page.named("option")} & sources
        assert offered == {"claude-ai", "chatgpt"}
        assert {row.source for row in response.context["rows"]} == {"claude.ai", "ChatGPT"}
        rows = staff.get("/sessions/?source=chatgpt").context["rows"]
        assert {row.id for row in rows} == {ASKED_AGAIN, EVIL_NODES}

    def test_sources_that_tell_no_tokens_have_no_cost(self, staff, held):
        assert "Cost –" in page_of(staff, "/").words
        assert "$" not in page_of(staff, "/sessions/").words


@pytest.mark.parametrize("session_id", [EVIL, EVIL_NODES])
@pytest.mark.parametrize("view", ["", "all", "prompts"])
def test_nothing_hostile_is_alive(staff, held, session_id, view):
    page = page_of(staff, f"{session_url(session_id)}?view={view}")

    assert [script["src"] for script in page.named("script")] == ["/static/browse/local-time.js"]
    assert not any(page.named(tag) for tag in ("style", "iframe", "svg", "object", "embed", "math", "base"))
    assert {form["action"] for form in page.named("form")} <= {"/accounts/logout/", session_url(session_id)}
    for tag, attributes in page.tags:
        assert not any(name.startswith("on") or name == "style" for name in attributes), tag
        assert attributes.get("href", "/").startswith(("/", "?", "#", "http://", "https://", "mailto:")), (
            attributes
        )


def test_every_artifact_of_a_hostile_conversation_is_a_text_to_download(staff, held):
    for each in staff.get(session_url(EVIL)).context["artifacts"]:
        response = staff.get(f"/artifacts/{EVIL}/?number={each.number}")
        assert response["Content-Type"] == "text/plain; charset=utf-8"
        assert response["Content-Disposition"].startswith('attachment; filename="')
