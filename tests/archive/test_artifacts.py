"""Documents written in a conversation, played back."""

import pytest

from archive.artifacts import MAX_ARTIFACTS, MAX_CHARACTERS, MAX_WORK, Version, replay


def says(*blocks, uuid="m1"):
    return {"uuid": uuid, "sender": "assistant", "content": list(blocks)}


def uses(tool, number=1, **told):
    return {"type": "tool_use", "id": f"t{number}", "name": tool, "input": told}


MADE = uses(
    "artifacts", id="poem", command="create", type="text/markdown", title="Poem", content="one\ntwo\nthree"
)


def test_a_document_is_what_its_changes_made_of_it():
    (poem,) = replay(
        [
            says(MADE, uuid="m1"),
            says(uses("artifacts", id="poem", command="update", old_str="two", new_str="2"), uuid="m2"),
            says(uses("artifacts", id="poem", command="rewrite", title="Ode", content="all new"), uuid="m3"),
            says(uses("artifacts", id="poem", command="update", old_str=" new", new_str=""), uuid="m4"),
        ]
    )
    assert poem.versions == [
        Version("one\ntwo\nthree", "create", "m1"),
        Version("one\n2\nthree", "update", "m2"),
        Version("all new", "rewrite", "m3"),
        Version("all", "update", "m4"),
    ]
    assert (poem.title, poem.type, poem.content, poem.failed) == ("Ode", "text/markdown", "all", 0)


@pytest.mark.parametrize("old", ["four", "", "e"])
def test_a_replacement_that_does_not_fit_changes_nothing(old):
    (poem,) = replay(
        [says(MADE, uses("artifacts", 2, id="poem", command="update", old_str=old, new_str="x"))]
    )
    assert (poem.content, poem.failed) == ("one\ntwo\nthree", 1)


def test_what_the_tool_refused_was_not_done():
    refused = {"type": "tool_result", "tool_use_id": "t2", "is_error": True, "content": []}
    (poem,) = replay([says(MADE, uses("artifacts", 2, id="poem", command="rewrite", content="no"), refused)])
    assert poem.content == "one\ntwo\nthree"


def test_files_are_documents_named_by_their_paths():
    (file,) = replay(
        [
            says(uses("create_file", path="/out/a.py", file_text="x = 1\n", description="a file")),
            says(uses("str_replace", path="/out/a.py", old_str="1", new_str="2")),
            says(uses("str_replace_based_edit_tool", command="view", path="/out/a.py")),
            says(
                uses(
                    "str_replace_based_edit_tool",
                    command="str_replace",
                    path="/out/a.py",
                    old_str="2",
                    new_str="3",
                )
            ),
        ]
    )
    assert (file.id, file.title, file.content, len(file.versions)) == ("/out/a.py", "a.py", "x = 3\n", 3)


def test_documents_between_tags_in_the_text_are_found():
    text = 'Here:\n<antArtifact identifier="fig" type="image/svg+xml" title="A figure">\n<svg/>\n</antArtifact>\nDone.'
    for message in ({"uuid": "m", "text": text}, says({"type": "text", "text": text})):
        (figure,) = replay([message])
        assert (figure.id, figure.type, figure.title, figure.content) == (
            "fig",
            "image/svg+xml",
            "A figure",
            "<svg/>",
        )


def test_documents_stand_in_the_order_in_which_they_were_begun():
    first, second = uses("artifacts", id="b", content="1"), uses("artifacts", 2, id="a", content="2")
    assert [each.id for each in replay([says(first, second, first)])] == ["b", "a"]


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"content": None, "text": None},
        {"content": "text"},
        {
            "content": [
                None,
                1,
                "x",
                {},
                {"type": "tool_use"},
                {"type": "tool_use", "name": "artifacts", "input": [1]},
            ]
        },
        says(uses("artifacts", id=5, command=["create"])),
        says(uses("web_search", query="cogs")),
        says(uses("artifacts", id="x", command="from-the-future")),
    ],
)
def test_other_shapes_say_nothing(message):
    assert replay([message]) == []


def test_a_document_that_grows_without_end_stops_growing():
    whole = uses("artifacts", id="bomb", command="create", content="a" + "x" * (MAX_CHARACTERS - 9))
    grow = [uses("artifacts", n, id="bomb", command="update", old_str="a", new_str="ba") for n in range(500)]

    (bomb,) = replay([says(whole, *grow)])

    assert sum(len(each.content) for each in bomb.versions) <= MAX_WORK + MAX_CHARACTERS
    assert len(bomb.versions) + bomb.failed == 501


def test_changes_that_fit_nowhere_cost_no_more_than_others():
    whole = uses("artifacts", id="long", command="create", content="x" * MAX_CHARACTERS)
    missed = [
        uses("artifacts", n, id="long", command="update", old_str="y", new_str="z") for n in range(100_000)
    ]

    (long,) = replay([says(whole, *missed)])

    assert (len(long.versions), long.failed) == (1, 100_000)


def test_further_documents_than_a_person_looks_through_are_left_out():
    made = [uses("artifacts", n, id=f"d{n}", content="x") for n in range(MAX_ARTIFACTS + 5)]

    assert len(replay([says(*made)])) == MAX_ARTIFACTS


@pytest.mark.parametrize(
    "text", ["<antArtifact " * 500_000, '<antArtifact identifier="' + "a" * 5_000_000 + "</antArtifact>"]
)
@pytest.mark.timeout(10)
def test_tags_without_an_end_are_passed_at_once(text):
    assert [each.id for each in replay([{"text": text}])] in ([], [""])
