"""From records to messages: each oddity of real transcripts, and whatever else a line may hold."""

import json
from datetime import UTC, datetime
from typing import Any

import bson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archive.projects import project_id
from archive.records import Message, Record, encode, raw_bytes
from archive.session_stats import changes_of, merged
from imports.normalise import Context, message_of, own_time, parse_time, start_context, usage_of
from imports.readers.claude_code import prompt_text
from tests.imports.reading import FILE_ID
from tests.samples.making import CWD, ONE, SLUG, SONNET, TWO, assistant, at, usage, user

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PATH = f"projects/{SLUG}/{ONE}.jsonl"


def messages(*values: dict[str, Any], path: str = PATH, session: str = "", cwd: str = "") -> list[Message]:
    """These lines of one file as messages."""
    context = start_context(path, session, cwd)
    return [
        message_of(Record(FILE_ID, 1024 * line, 0, 10, value, raw_of(value)), context, "job", NOW)
        for line, value in enumerate(values, 1)
    ]


def raw_of(value: dict[str, Any]) -> bytes | None:
    """The bytes that the reader keeps of a record that has no plain encoding."""
    try:
        raw_bytes(value)
    except TypeError:
        return json.dumps(value).encode()
    return None


def message(value: dict[str, Any], **options: Any) -> Message:
    return messages(value, **options)[0]


# ------------------------------------------------------------------ prompts


@pytest.mark.parametrize(
    ("line", "prompt"),
    [
        (user(ONE, 0, "Hello"), "Hello"),
        (user(ONE, 0, [{"type": "text", "text": "Hello"}, {"type": "image", "source": {}}]), "Hello"),
        (user(ONE, 0, [{"type": "text", "text": "a"}, {"type": "tool_result", "content": "x"}]), "a"),
        (user(ONE, 0, "<ide_selection>x</ide_selection>\nFix it"), "Fix it"),
        (user(ONE, 0, "<ide_opened_file>x</ide_opened_file><ide_selection>y</ide_selection> Fix"), "Fix"),
        (
            {"type": "attachment", "attachment": {"type": "queued_command", "prompt": " And this "}},
            "And this",
        ),
        (
            {
                "type": "attachment",
                "attachment": {"type": "queued_command", "prompt": [{"type": "text", "text": "B"}]},
            },
            "B",
        ),
    ],
)
def test_what_a_person_typed_is_a_prompt(line, prompt):
    assert prompt_text(line) == prompt
    assert message(line).is_prompt


@pytest.mark.parametrize(
    "line",
    [
        user(ONE, 0, [{"type": "tool_result", "content": "x"}]),
        user(ONE, 0, "Hello", isMeta=True),
        user(ONE, 0, "Hello", isSidechain=True),
        user(ONE, 0, "Hello", isCompactSummary=True),
        assistant(ONE, 0),
        {"type": "attachment", "attachment": {"type": "file", "prompt": "x"}},
        {"type": "attachment", "attachment": "queued_command"},
        {"type": "user", "message": "a text"},
        {"type": "user"},
        user(ONE, 0, "   "),
        user(ONE, 0, {}),
        *(
            user(ONE, 0, f"{start} and more")
            for start in (
                "<command-name>", "<command-message>", "<local-command-stdout>", "<local-command-caveat>",
                "Caveat:", "<bash-input>", "<bash-stdout>", "<task-notification>", "<system-reminder>",
                "<teammate-message>", "<ide_opened_file>", "[Request interrupted",
                "This session is being continued from",
            )
        ),
    ],
)  # fmt: skip
def test_what_no_person_typed_is_none(line):
    assert prompt_text(line) == ""
    assert not message(line).is_prompt


# ------------------------------------------------------------------ titles


def title_after(*lines: dict[str, Any]) -> str:
    session: Any = None
    for each in messages(*lines):
        for change in changes_of([each]).values():
            session = merged(session, change)
    return session["title"]


PROMPTS = (user(ONE, 0, "First question"), user(ONE, 1, "Second question"))
CUSTOM = {"type": "custom-title", "customTitle": "Custom", "sessionId": ONE}
AGENT = {"type": "agent-name", "agentName": "Agent", "sessionId": ONE}
AI = {"type": "ai-title", "aiTitle": "By AI", "sessionId": ONE}
SUMMARY = {"type": "summary", "summary": "Summary", "leafUuid": "x"}


def test_a_conversation_is_named_by_its_first_prompt_unless_something_better_names_it():
    assert title_after(*PROMPTS) == "First question"
    assert title_after(SUMMARY, *PROMPTS) == "Summary"
    assert title_after(AI, SUMMARY, *PROMPTS) == "By AI"
    assert title_after(AGENT, AI, SUMMARY, *PROMPTS) == "Agent"
    assert title_after(CUSTOM, AGENT, AI, *PROMPTS) == "Custom"


def test_of_several_titles_of_a_kind_the_last_one_counts():
    assert title_after(AI, AI | {"aiTitle": "Later"}, *PROMPTS) == "Later"
    assert title_after(AI, AI | {"aiTitle": " \n "}) == "By AI"
    assert title_after(user(ONE, 0, "two\n lines ")) == "two lines"


def test_titles_are_cut_and_can_hold_anything():
    assert len(title_after(user(ONE, 0, "x" * 5000))) == 200
    assert title_after(AI | {"aiTitle": "bad \ud83d half"}) == "bad ? half"
    assert title_after(AI | {"aiTitle": ["x"]}, AI | {"aiTitle": "T"}) == "T"


# ------------------------------------------------------------------ times and places


def test_a_line_without_time_has_that_of_the_line_before():
    first, second, third = messages(SUMMARY, user(ONE, 5), {"type": "mode", "sessionId": ONE})
    assert first.timestamp is None
    assert "timestamp" not in first.document
    assert third.timestamp == second.timestamp == parse_time(at(5))


def test_a_snapshot_has_its_own_time():
    line = {
        "type": "file-history-snapshot",
        "snapshot": {"timestamp": at(9), "trackedFileBackups": {"a.b/c": 1}},
    }
    assert message(line).timestamp == parse_time(at(9))


def test_times_may_run_backwards():
    found = messages(user(ONE, 9), user(ONE, 3), SUMMARY)
    assert [each.timestamp for each in found] == [parse_time(at(n)) for n in (9, 3, 3)]


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("2026-01-06T09:15:59.915Z", datetime(2026, 1, 6, 9, 15, 59, 915000, UTC)),
        ("2026-01-06T09:15:59.915999Z", datetime(2026, 1, 6, 9, 15, 59, 915000, UTC)),
        ("2026-01-06T09:15:59", datetime(2026, 1, 6, 9, 15, 59, tzinfo=UTC)),
        ("2026-01-06T09:15:59+05:45", datetime(2026, 1, 6, 3, 30, 59, tzinfo=UTC)),
        ("2026-01-06T09:15:59+05:45:17", datetime(2026, 1, 6, 3, 30, 42, tzinfo=UTC)),
        (1767690959915, datetime(2026, 1, 6, 9, 15, 59, 915000, UTC)),
        (0, datetime(1970, 1, 1, tzinfo=UTC)),
        (-1.5, datetime(1969, 12, 31, 23, 59, 59, 998000, UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("0000-01-01T00:00:00Z", None),
        ("10000-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("9999-12-31T23:59:59.999-12:00", None),
        ("yesterday", None),
        ("", None),
        (10**30, None),
        (10**400, None),
        (float("inf"), None),
        (True, None),
        (["2026"], None),
        ({"$date": 1}, None),
        (None, None),
    ],
)
def test_times_are_read_or_none(time, expected):
    assert parse_time(time) == expected
    assert own_time({"timestamp": time}) == expected


def test_no_time_is_finer_than_what_the_database_keeps():
    for time in ("2026-01-06T09:15:59.915999Z", 1767690959915.7):
        moment = parse_time(time)
        assert bson.decode(bson.encode({"t": moment}), bson.CodecOptions(tz_aware=True))["t"] == moment


def test_a_line_without_session_belongs_to_that_of_the_line_before():
    found = messages(SUMMARY, user(ONE, 0), SUMMARY, user(TWO, 1), SUMMARY, session=ONE)
    assert [each.session_id for each in found] == [ONE, ONE, ONE, TWO, TWO]


def test_a_file_that_names_no_session_is_one_of_its_own():
    assert message(SUMMARY).session_id == ONE
    assert message(SUMMARY, path="history.jsonl").session_id == "history"


def test_a_workflow_s_journal_belongs_to_the_conversation_in_whose_folder_it_lies():
    path = f"projects/{SLUG}/{ONE}/subagents/workflows/wf_1/journal.jsonl"
    assert message({"type": "started", "key": "k"}, path=path).session_id == ONE


def test_other_spellings_of_the_session_are_known():
    assert message({"type": "system", "session_id": "abc"}).session_id == "abc"


def test_the_folder_names_the_project_where_claude_code_named_the_folder():
    found = message(user(ONE, 0, cwd="/somewhere/else"))
    assert found.project_id == project_id(SLUG)
    elsewhere = messages(user(ONE, 0), user(ONE, 1, cwd="/x"), path=f"notes/{ONE}.jsonl", cwd=CWD)
    assert {each.project_id for each in elsewhere} == {project_id(SLUG)}


def test_the_context_survives_being_saved():
    context = start_context(PATH, "", CWD)
    lines = [user(ONE, 0), SUMMARY, user(TWO, 1, cwd="/x"), {"type": "mode"}, assistant(TWO, 2)]
    whole = messages(*lines, cwd=CWD)
    again = []
    for number, line in enumerate(lines, 1):
        saved = bson.decode(bson.encode(context.as_dict()), bson.CodecOptions(tz_aware=True))
        context = Context.from_dict(saved)
        again.append(message_of(Record(FILE_ID, 1024 * number, 0, 10, line), context, "job", NOW))
    assert again == whole


# ------------------------------------------------------------------ usage and calls


def test_an_answer_tells_of_one_call():
    line = assistant(ONE, 3, id="msg_1", tokens=usage(cache_creation_input_tokens=7), requestId="req_1")
    found = message(line)
    (call,) = found.calls
    assert (call.id, call.session_id, call.model, call.request_id) == ("msg_1", ONE, SONNET, "req_1")
    assert call.timestamp == parse_time(at(3))
    assert found.document["apiMessageId"] == "msg_1"
    assert found.document["usage"] == call.usage


def test_tokens_written_for_an_hour_are_told_apart():
    split = {"ephemeral_5m_input_tokens": 30, "ephemeral_1h_input_tokens": 70}
    assert usage_of(usage(cache_creation_input_tokens=100, cache_creation=split)) == {
        "input": 10, "output": 5, "cacheWrite5m": 30, "cacheWrite1h": 70,
    }  # fmt: skip
    assert usage_of(usage(cache_creation_input_tokens=100))["cacheWrite5m"] == 100
    all_of_it = usage_of(
        usage(cache_creation_input_tokens=100, cache_creation={"ephemeral_1h_input_tokens": 150})
    )
    assert {kind for kind in all_of_it if kind.startswith("cache")} == {"cacheWrite1h"}
    assert all_of_it["cacheWrite1h"] == 100


def test_what_changes_a_price_is_kept():
    found = usage_of(
        usage(
            speed="fast", service_tier="batch", inference_geo="us", server_tool_use={"web_search_requests": 3}
        )
    )
    assert (found["speed"], found["tier"], found["geo"], found["webSearches"]) == ("fast", "batch", "us", 3)


@pytest.mark.parametrize("bad", ["5", -1, 10**13, 1.5, True, None, [1], {"a": 1}, float("inf")])
def test_a_number_of_tokens_that_is_none_counts_as_nothing(bad):
    names = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    found = usage_of(
        dict.fromkeys(names, bad) | {"cache_creation": bad, "server_tool_use": bad, "speed": bad}
    )
    assert sum(value for value in found.values() if isinstance(value, int)) == 0


def test_messages_that_claude_code_made_itself_cost_nothing_and_have_no_model():
    found = message(assistant(ONE, 1, model="<synthetic>"))
    assert found.calls == []
    assert "model" not in found.document


def test_a_subagent_s_usage_inside_a_progress_line_counts():
    inner = assistant(ONE, 7, id="msg_sub")
    line = {
        "type": "progress",
        "sessionId": ONE,
        "timestamp": at(8),
        "data": {"type": "agent_progress", "message": inner},
    }
    (call,) = message(line).calls
    assert (call.id, call.is_sidechain) == ("msg_sub", True)
    assert "usage" not in message(line).document


def test_a_response_without_id_is_known_by_its_content():
    line = assistant(ONE, 1)
    del line["message"]["id"]
    copy = line | {"sessionId": TWO}
    assert message(line).calls[0].id == message(copy).calls[0].id


def test_the_price_that_early_versions_wrote_is_kept():
    assert message(assistant(ONE, 1, costUSD=0.0123)).calls[0].reported_cost == 12_300_000_000
    for bad in ("1", True, 1e300, float("inf"), 10**40, None, []):
        assert message(assistant(ONE, 1, costUSD=bad)).calls[0].reported_cost is None


def test_copies_in_a_resumed_conversation_share_their_content_hash_and_not_their_identity():
    one, two = message(user(ONE, 1)), message(user(ONE, 1) | {"sessionId": TWO})
    assert one.document["contentHash"] == two.document["contentHash"]
    assert one.key != two.key


# ------------------------------------------------------------------ anything at all


ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=8)
    | st.sampled_from(
        ["user", "assistant", "text", "<synthetic>", "x" * 2000, "2026-01-01", "\ud800", "queued_command"]
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "type",
                    "text",
                    "content",
                    "id",
                    "model",
                    "usage",
                    "input_tokens",
                    "prompt",
                    "message",
                    "timestamp",
                    "$ref",
                    "$id",
                    "a.b",
                    "\0",
                ]
            )
            | st.text(max_size=3),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
FIELDS = [
    "type", "message", "uuid", "parentUuid", "sessionId", "session_id", "timestamp", "cwd", "gitBranch", "version",
    "isSidechain", "isMeta", "agentId", "requestId", "costUSD", "snapshot", "attachment", "summary", "customTitle",
    "data", "content", "display", "toolUseResult",
]  # fmt: skip
LINE = st.dictionaries(st.sampled_from(FIELDS), ANY, max_size=8)


@settings(deadline=None, max_examples=600)
@given(
    st.lists(LINE | st.builds(lambda line, message: line | {"message": message}, LINE, st.dictionaries(
        st.sampled_from(["role", "content", "model", "id", "usage"]), ANY, max_size=5)), min_size=1, max_size=3)
)  # fmt: skip
def test_whatever_a_line_holds_it_becomes_a_message_that_can_be_stored(lines):
    for found in messages(*lines):
        stored = bson.decode(encode(found), bson.CodecOptions(tz_aware=True))
        assert isinstance(stored["sessionId"], str)
        assert isinstance(stored["type"], str)
        assert stored["type"]
        assert len(found.session_id) <= 1000
        (change,) = changes_of([found]).values()
        bson.encode(merged(None, change))
        for call in found.calls:
            bson.encode({"id": call.id, "usage": call.usage, "model": call.model})


def test_a_line_of_every_known_kind_comes_back_from_the_database_as_it_was():
    lines = [user(ONE, 0), assistant(ONE, 1), SUMMARY, CUSTOM, {"a.b": {"$set": 1}, "": {"$ref": "#"}}]
    for line in lines:
        stored = bson.decode(encode(message(line)))
        assert "raw" not in stored
        assert raw_bytes(stored["record"]) == raw_bytes(line)
