"""Thoughts and documents that claude.ai wrote between tags into a text."""

import pytest

from browse.rendering import entries_of
from browse.tags import Part, split_tags
from tests.browse.lines import line


def parts(text):
    return [part for part in split_tags(text) if part.text]


def test_what_stands_between_tags_is_a_part_of_its_own():
    text = 'Hm.<antThinking>Why?</antThinking>\nSo:\n<antArtifact identifier="a" title="A loom">\n<p>x</p>\n</antArtifact>Done.'

    assert parts(text) == [
        Part("Hm."),
        Part("Why?", "antThinking"),
        Part("\nSo:\n"),
        Part("<p>x</p>", "antArtifact", "A loom"),
        Part("Done."),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "",
        "<antThinking>never closed",
        "<antArtifactual>x</antArtifactual>",
        "<antArtifact ",
        "</antThinking>",
    ],
)
def test_other_text_stays_whole(text):
    assert "".join(part.text for part in split_tags(text)) == text


def test_tags_within_a_document_are_its_own():
    assert parts("<antArtifact><antThinking>x</antThinking></antArtifact>") == [
        Part("<antThinking>x</antThinking>", "antArtifact")
    ]


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "text", ["<antArtifact " * 300_000, "<antThinking>" * 300_000, "<antThinking><antArtifact>" * 200_000]
)
def test_tags_without_an_end_are_passed_at_once(text):
    assert parts(text) == [Part(text)]


def test_they_are_folded_in_an_answer_and_left_in_a_prompt():
    text = '<antThinking>Why?</antThinking><antArtifact title="A loom">x</antArtifact>Here.'

    (answer,) = entries_of([line("assistant", text)])
    (prompt,) = entries_of([line("user", text)])

    assert [(block.kind, block.brief) for block in answer.blocks] == [
        ("thinking", "Why?"),
        ("artifact", "A loom"),
        ("prose", "Here."),
    ]
    assert [block.kind for block in prompt.blocks] == ["prose"]
