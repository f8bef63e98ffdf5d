"""Values that JSON allows and databases do not: every page and endpoint still shows them."""

import json

import pytest
from django.core.management import call_command
from hypothesis import given
from hypothesis import strategies as st

from browse.facts import LABELS
from browse.rendering import entries_of
from browse.summaries import session_url
from tests.browse.html_reader import dangers
from tests.browse.lines import line
from tests.browse.other_sources import asked_again, branched

pytestmark = pytest.mark.django_db

LINE = (
    '{"type":"user","uuid":"u1","parentUuid":null,"sessionId":"s-odd","timestamp":"2026-01-31T12:00:00Z",'
    '"message":{"role":"user","content":"hello"},%s}\n'
)
ODD_MEMBERS = {
    "infinite": '"x":1e999',
    "beyond 64 bit": '"x":1180591620717411303424',
    "many digits": '"x":0.1234567890123456789012345678901234567890',
    "lone surrogate": '"x":"a\\ud800b"',
    "NUL": '"x":"a\\u0000b","k\\u0000":1',
    "dots and dollars": '"a.b":1,"$where":"1","":2,"$ref":{"$id":3}',
    "duplicate keys": '"x":1,"x":2',
    "extended JSON": '"x":{"$date":"2026-01-01T00:00:00Z"},"y":{"$oid":"5"}',
    "year 10000": '"timestamp":"+010000-01-01T00:00:00Z"',
    "deep": '"x":' + "[" * 90 + "]" * 90,
    "U+2028": '"x":"a\u2028b"',
    "right to left": '"gitBranch":"\u202egnp.exe","cwd":"/\u202e/x"',
    "long words": '"cwd":"/' + "x" * 5000 + '"',
    "odd types": '"cwd":{"a":1},"gitBranch":7,"version":[],"isSidechain":"yes","agentId":5,"isMeta":"no"',
}  # fmt: skip


@pytest.mark.parametrize("member", ODD_MEMBERS.values(), ids=ODD_MEMBERS)
def test_an_odd_value_is_shown_everywhere(archive_db, staff, tmp_path, member):
    (tmp_path / "s-odd.jsonl").write_text(LINE % '"plain":1' + LINE % member, "utf-8")
    call_command("import_archive", str(tmp_path), user="root", verbosity=0)
    _, message = archive_db.messages_current.find().sort("seq", 1)
    hex_id = message["_id"].hex()

    for path in (
        "/",
        "/sessions/",
        session_url("s-odd"),
        f"{session_url('s-odd')}?view=prompts",
        f"/messages/{hex_id}/",
        f"/messages/{hex_id}/raw/",
        "/api/v1/sessions/",
        "/api/v1/sessions/s-odd/",
        "/api/v1/sessions/s-odd/messages/",
        f"/api/v1/messages/{hex_id}/",
    ):
        response = staff.get(path)
        assert response.status_code == 200, path
        assert response.content.decode()
    assert staff.get(f"/messages/{hex_id}/raw/").content.decode().strip() == (LINE % member).strip()


HUGE = "x" * 100_000
ODD = [None, 0, True, 1e308, 2**70, "", "a\ud800b", "a\x00b", HUGE, [], {}, [None], [[1]], [HUGE], {"a.b": {"$c": [None]}},
       {"type": {}}, [{"type": None}, {"type": "text", "text": {"x": 1}}], "javascript:alert(1)"]  # fmt: skip
CLAUDE_AI_PLACES = (
    *("uuid", "name", "summary", "model", "settings", "created_at", "current_leaf_message_uuid", "project"),
    *(("chat_messages", 0, name) for name in ("uuid", "sender", "text", "content", "created_at", "attachments",
                                              "files", "parent_message_uuid")),
    *(("chat_messages", 1, "content", 1, name) for name in ("type", "text", "citations")),
    ("chat_messages", 1, "content", 1, "citations", 0), ("chat_messages", 1, "content", 1, "citations", 0, "details"),
    ("chat_messages", 1, "content", 1, "citations", 0, "details", "url"),
    *(("chat_messages", 1, "content", 2, name) for name in ("name", "id", "input")),
    *(("chat_messages", 1, "content", 2, "input", name) for name in ("id", "command", "type", "title", "content")),
    *(("chat_messages", 5, "content", 3, name) for name in ("name", "content", "is_error")),
    ("chat_messages", 0, "attachments", 0, "extracted_content"), ("chat_messages", 0, "files", 0, "file_name"),
)  # fmt: skip
CHATGPT_PLACES = (
    *("title", "create_time", "current_node", "conversation_id", "default_model_slug"),
    *(("mapping", "d-ask", name) for name in ("id", "message", "parent", "children")),
    *(("mapping", "d-ask", "message", name) for name in ("author", "content", "metadata", "recipient", "create_time")),
    *(("mapping", "d-ask", "message", "content", name) for name in ("content_type", "parts")),
    ("mapping", "d-ask", "message", "content", "parts", 0), ("mapping", "d-ask", "message", "content", "parts", 0, "content_type"),
    ("mapping", "e-think", "message", "content", "thoughts"), ("mapping", "f-run", "message", "content", "text"),
    ("mapping", "f-run", "message", "recipient"), ("mapping", "g-back", "message", "author", "name"),
    ("mapping", "c-profile", "message", "content", "user_profile"),
    ("mapping", "h-say", "message", "metadata", "content_references"),
    ("mapping", "h-say", "message", "metadata", "content_references", 0, "url"),
)  # fmt: skip


def with_value(conversation, place, value):
    """A copy of the conversation with this value at this place."""
    copy = inner = json.loads(json.dumps(conversation))
    *way, last = (place,) if isinstance(place, str) else place
    for step in way:
        inner = inner[step]
    inner[last] = value
    return copy


@pytest.mark.parametrize(
    ("make", "places", "key"),
    [(branched, CLAUDE_AI_PLACES, "uuid"), (asked_again, CHATGPT_PLACES, "conversation_id")],
    ids=["claude.ai", "ChatGPT"],
)
def test_an_odd_value_at_any_place_of_an_export_is_shown(archive_db, staff, tmp_path, make, places, key):
    conversations = [make() for _ in range(len(places) * len(ODD))]
    for number, each in enumerate(conversations):
        each[key] = f"odd-{number}"
    changed = [(place, value) for place in places for value in ODD]
    odd = [with_value(each, *change) for each, change in zip(conversations, changed, strict=True)]
    (tmp_path / "odd.json").write_text(json.dumps([make(), *odd]))
    call_command("import_archive", str(tmp_path), user="root", verbosity=0, max_errors=10_000)
    sessions = [session["_id"] for session in archive_db.sessions.find({}, {"_id": 1})]
    assert len(sessions) >= len(odd)

    others = ("?view=all", "?view=prompts", "")
    for number, session in enumerate(sessions):
        for view in {"", others[number % 3]}:
            assert staff.get(session_url(session) + view).status_code == 200, (session, view)
    assert staff.get("/sessions/").status_code == 200


keys = st.sampled_from(
    ["type", "text", "content", "message", "author", "role", "parts", "content_type", "metadata", "content_references",
     "url", "title", "name", "input", "citations", "details", "attachments", "files", "thoughts", "recipient", "docs",
     "description", "prompt_template", "project_memories", "conversations_memory", "items", "extracted_content"]
)  # fmt: skip
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(["text", "tool", "https://a.example/"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
TYPES = [*LABELS, "user", "assistant", "system", "tool", "node", "message", "invented"]


@given(
    source=st.sampled_from(["claude-ai", "chatgpt", "csv", "json", "markdown", "claudelens", "claude-code"]),
    kind=st.sampled_from(TYPES),
    record=values | st.dictionaries(keys, values, max_size=6),
)
def test_whatever_a_record_holds_it_becomes_an_entry_that_does_nothing(source, kind, record):
    (entry,) = entries_of([line(kind) | {"source": source, "record": record}])

    assert len(entry.lines) == 1
    for block in entry.blocks:
        assert not dangers(block.html)
        assert all(
            piece.link == "" or piece.link.startswith(("http://", "https://")) for piece in block.pieces
        )
