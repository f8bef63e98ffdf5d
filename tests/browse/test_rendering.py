"""Every line of a transcript becomes something that a person can read; none disappears."""

import base64

import pytest

from browse.blocks import LIMIT, blocks_of, images_of
from browse.prose import LONGEST
from browse.rendering import entries_of, only_spoken
from tests.browse.html_reader import Page, dangers
from tests.browse.lines import NOON, call, image, line, result


def one(kind, content=None, **fields):
    (entry,) = entries_of([line(kind, content, **fields)])
    return entry


def block(kind, content, **fields):
    (made,) = one(kind, content, **fields).blocks
    return made


class TestPrompts:
    def test_typed_text_is_a_prompt(self):
        entry = one("user", "Why is the *sky* blue?")

        assert (entry.kind, entry.label, entry.time, entry.quiet) == ("prompt", "User", NOON, False)
        assert Page(entry.blocks[0].html).words == "Why is the sky blue?"

    def test_a_prompt_behind_an_editors_note_is_a_prompt(self):
        entry = one("user", [{"type": "text", "text": "<ide_selection>x</ide_selection>"}, "Explain"])

        assert [part.kind for part in entry.blocks] == ["note", "prose"]
        assert entry.kind == "prompt"

    def test_a_command_is_a_note(self):
        entry = one("user", "<command-name>/clear</command-name>")

        assert (entry.kind, entry.label, entry.blocks[0].brief) == ("note", "Command", "/clear")

    def test_what_the_program_slipped_in_is_marked(self):
        entry = one("user", "Read the skill", record={"isMeta": True})

        assert (entry.kind, entry.marks) == ("note", ("not typed by the user",))

    def test_a_queued_prompt_is_not_lost(self):
        entry = one("attachment", record={"attachment": {"type": "queued_command", "prompt": "and tests"}})

        assert (entry.kind, entry.marks) == ("prompt", ("typed while a tool ran",))
        assert Page(entry.blocks[0].html).words == "and tests"

    def test_a_compact_summary_is_no_prompt(self):
        entry = one("user", "This session is being continued from…", record={"isCompactSummary": True})

        assert (entry.kind, entry.label) == ("compact", "Summary")
        assert entry.blocks[0].kind == "prose"

    def test_images_are_numbered_in_their_order(self):
        message = line("user", [image("YQ=="), result([image("Yg=="), "t"]), image("Yw==")])

        numbers = [number for part in blocks_of(message, {}) for number in part.images]

        assert numbers == [0, 1, 2]
        assert [base64.b64decode(data) for _, data in images_of(message)] == [b"a", b"b", b"c"]

    @pytest.mark.parametrize("media_type", ["image/svg+xml", "text/html", "image/png;x", None, ["image/png"]])
    def test_only_harmless_images_are_shown_as_images(self, media_type):
        assert block("user", [image(media_type=media_type)]).kind == "data"


class TestAnswers:
    def test_markdown_is_rendered(self):
        made = block("assistant", [{"type": "text", "text": "**Yes**"}])

        assert Page(made.html).named("strong") == [{}]

    def test_thinking_is_folded_with_its_first_line(self):
        made = block(
            "assistant",
            [{"type": "thinking", "thinking": "\n First.\nSecond.", "signature": "x" * 999}],
        )

        assert (made.kind, made.brief) == ("thinking", "First.")
        assert "xxx" not in made.html

    def test_thinking_of_which_only_the_signature_is_left_says_so(self):
        made = block("assistant", [{"type": "thinking", "thinking": "", "signature": "x"}])

        assert "signature" in made.brief

    @pytest.mark.parametrize(
        ("given", "brief"),
        [
            ({"command": "ls -la\nwc", "description": "List"}, "ls -la"),
            ({"file_path": "/a.py", "old_string": "x"}, "/a.py"),
            ({"pattern": "TODO"}, "TODO"),
            ({"todos": [1]}, '{"todos": [1]}'),
            ({}, ""),
            (None, ""),
            ("text", "text"),
            ({"command": ["a"]}, '{"command": ["a"]}'),
        ],
    )
    def test_a_tool_call_says_in_a_line_what_it_does(self, given, brief):
        made = block("assistant", [call("Bash", given)])

        assert (made.kind, made.title, made.brief) == ("tool_use", "Bash", brief)

    def test_a_tools_arguments_keep_their_line_breaks(self):
        made = block("assistant", [call("Write", {"content": "a\nb", "n": 1})])

        assert [(piece.label, piece.text) for piece in made.pieces] == [
            ("content", "a\nb"),
            ("n", "1"),
        ]

    def test_an_api_error_is_marked(self):
        entry = one("assistant", "Overloaded", record={"isApiErrorMessage": True}, model="<synthetic>")

        assert (entry.failed, entry.marks, entry.model) == (True, ("API error",), "")

    def test_lines_of_one_response_are_one_entry(self):
        lines = [
            line(
                "assistant",
                [{"type": "thinking", "thinking": "hm"}],
                apiMessageId="m1",
                model="opus",
            ),
            line("assistant", [{"type": "text", "text": "Done"}], apiMessageId="m1", model="opus"),
            line("assistant", [call("Bash", {})], apiMessageId="m2"),
            line("user", [result("ok")]),
            line("assistant", [{"type": "text", "text": "More"}], apiMessageId="m2"),
        ]

        entries = entries_of(lines)

        assert [len(entry.lines) for entry in entries] == [2, 1, 1, 1]
        assert [part.kind for part in entries[0].blocks] == ["thinking", "prose"]
        assert entries[0].model == "opus"

    def test_equal_prompts_stay_two_entries(self):
        assert len(entries_of([line("user", "yes"), line("user", "yes")])) == 2


class TestToolResults:
    def test_a_result_is_named_by_its_call(self):
        entries = entries_of([line("assistant", [call("Grep", {})]), line("user", [result("a\nb")])])

        made = entries[1].blocks[0]
        assert (entries[1].kind, made.title, made.brief, made.pieces[0].text) == (
            "tools",
            "Grep",
            "a",
            "a\nb",
        )

    def test_a_failed_result_is_marked(self):
        assert block("user", [result("boom", is_error=True)]).failed
        assert not block("user", [result("fine", is_error=None)]).failed

    @pytest.mark.parametrize(
        ("content", "text"),
        [
            ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "a\nb"),
            ([{"type": "tool_reference", "tool_name": "X"}], '"tool_name": "X"'),
            ({"any": "thing"}, '"any": "thing"'),
        ],
    )
    def test_content_of_every_shape_is_shown(self, content, text):
        assert text in block("user", [result(content)]).pieces[0].text

    @pytest.mark.parametrize("content", [None, "", []])
    def test_no_output_says_so(self, content):
        made = block("user", [result(content)])

        assert (made.brief, made.pieces) == ("no output", ())

    def test_long_output_is_cut_and_says_how_much_is_missing(self):
        (piece,) = block("user", [result("x" * (LIMIT + 7))]).pieces

        assert (len(piece.text), piece.missing) == (LIMIT, 7)

    def test_long_prose_is_cut_too(self):
        made = block("assistant", "x" * (LONGEST + 5))

        assert made.pieces[0].missing == 5


class TestEvents:
    @pytest.mark.parametrize(
        ("kind", "record", "label", "brief"),
        [
            ("system", {"subtype": "turn_duration", "durationMs": 5}, "System: turn duration", "durationMs: 5"),
            ("system", {"subtype": "compact_boundary", "content": "Compacted"}, "System: compact boundary", "Compacted"),
            ("system", {"content": "Running"}, "System", "Running"),
            ("progress", {"data": {"type": "hook_progress", "hookName": "pre"}}, "Progress: hook progress", "hookName: pre"),
            ("attachment", {"attachment": {"type": "file", "filename": "a.py"}}, "Attachment: file", "filename: a.py"),
            ("summary", {"summary": "Fix the login"}, "Summary", "summary: Fix the login"),
            ("pr-link", {"prNumber": 7}, "Pr link", "prNumber: 7"),
            ("file-history-snapshot", {"snapshot": {"trackedFileBackups": {"a.b": {}}}}, "File history snapshot", "1 file: a.b"),
            ("queue-operation", {"operation": "enqueue", "content": "later"}, "Queue operation", "operation: enqueue · content: later"),
        ],
    )  # fmt: skip
    def test_an_event_is_one_quiet_line_that_opens(self, kind, record, label, brief):
        entry = one(kind, record=record)

        assert (entry.kind, entry.quiet, entry.label, entry.brief) == ("event", True, label, brief)
        assert entry.marks == ()
        assert '"type"' in entry.blocks[0].pieces[0].text

    @pytest.mark.parametrize("kind", ["invented-tomorrow", "", None, 7])
    def test_an_unknown_type_is_shown_as_such(self, kind):
        entry = one(kind, record={"type": kind, "some": "thing"})

        assert entry.marks == ("unknown type",)
        assert entry.brief == "some: thing"

    def test_an_unknown_block_is_shown_with_its_data(self):
        made = block("assistant", [{"type": "hologram", "beam": 7}])

        assert (made.kind, made.title) == ("data", "hologram")
        assert '"beam": 7' in made.pieces[0].text


class TestSubagents:
    def test_sidechain_lines_are_marked(self):
        entry = one("user", "Find the bug", isSidechain=True)

        assert (entry.side, entry.label, entry.marks) == (True, "Task", ("subagent",))

    def test_agents_are_told_apart(self):
        assert one("assistant", "ok", agentId="abcdef1234567").marks == ("subagent abcdef12",)

    def test_two_agents_never_share_an_entry(self):
        lines = [
            line("assistant", "a", apiMessageId="m", agentId=agent, isSidechain=True) for agent in ("x", "y")
        ]

        assert len(entries_of(lines)) == 2


class TestOtherSources:
    def test_claude_ai_content_and_files_are_shown(self):
        record = {
            "sender": "human",
            "content": [{"type": "text", "text": "Look"}],
            "attachments": [{"file_name": "a.txt", "extracted_content": "inside"}],
            "files": [{"file_name": "b.png"}],
        }
        message = line("user") | {"record": record}

        (entry,) = entries_of([message])

        assert [(part.kind, part.title) for part in entry.blocks] == [
            ("prose", ""),
            ("file", "a.txt"),
            ("file", "b.png"),
        ]
        assert entry.blocks[2].brief == "not in the export"

    @pytest.mark.parametrize(
        "record", [{}, None, {"content": []}, {"content": {"parts": ["x"]}}, {"message": "odd"}]
    )
    def test_the_flat_text_is_shown_where_there_are_no_blocks(self, record):
        (entry,) = entries_of([line("assistant") | {"record": record, "text": "flat"}])

        assert Page(entry.blocks[0].html).words == "flat"


class TestOnlySpoken:
    def test_prompts_and_answers_stay_without_tools_and_thinking(self):
        lines = [
            line("user", "Go"),
            line(
                "assistant",
                [
                    {"type": "thinking", "thinking": "hm"},
                    {"type": "text", "text": "Yes"},
                    call("X", {}),
                ],
            ),
            line("user", [result("ok")]),
            line("system", record={"subtype": "turn_duration"}),
            line("assistant", [call("X", {})]),
            line("user", "sub", isSidechain=True),
        ]

        spoken = list(only_spoken(entries_of(lines)))

        assert [(entry.kind, [part.kind for part in entry.blocks]) for entry in spoken] == [
            ("prompt", ["prose"]),
            ("answer", ["prose"]),
        ]


ODD = [
    None,
    0,
    True,
    "text",
    b"bytes",
    [],
    {},
    [None],
    {"type": None},
    [{"type": {}}],
    [[1]],
    {"a": {"b": [1]}},
]


@pytest.mark.parametrize(
    "kind",
    ["user", "assistant", "system", "progress", "attachment", "file-history-snapshot", "summary"],
)
@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_odd_shapes_are_shown_and_never_break_the_page(kind, odd):
    fields = (
        "message",
        "content",
        "data",
        "attachment",
        "snapshot",
        "subtype",
        "attachments",
        "files",
        "error",
    )
    messages = [line(kind) | {"record": {"type": kind, name: odd}} for name in fields]
    messages += [line(kind, [odd]), line(kind, odd), line(kind) | {"record": odd, "text": odd}]
    messages += [line(kind, [{"type": block_type, "content": odd, "input": odd, "text": odd, "thinking": odd, "source": odd}])
                 for block_type in ("text", "thinking", "tool_use", "tool_result", "image")]  # fmt: skip

    entries = entries_of(messages)

    assert sum(len(entry.lines) for entry in entries) == len(messages)
    assert not [danger for entry in entries for part in entry.blocks for danger in dangers(part.html)]
