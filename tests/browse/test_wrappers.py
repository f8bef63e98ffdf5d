"""What the program wrote into a user line is told apart from what the person typed."""

import pytest

from browse.wrappers import split_wrappers


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("<command-name>/clear</command-name>", "Command"),
        ("<local-command-stdout>ok</local-command-stdout>", "Command output"),
        ("<local-command-caveat>x</local-command-caveat>", "Note to the model"),
        ("Caveat: The messages below", "Note to the model"),
        ("<bash-input>ls</bash-input>", "Shell command"),
        ("<bash-stdout>a b</bash-stdout><bash-stderr></bash-stderr>", "Shell output"),
        ("<task-notification>\n<task-id>1</task-id></task-notification>", "Task notification"),
        ("<system-reminder>be good</system-reminder>", "Reminder"),
        ('<teammate-message teammate_id="x">hi</teammate-message>', "Teammate"),
        ("<ide_opened_file>a.py</ide_opened_file>", "Opened in the editor"),
        ("[Request interrupted by user]", "Interrupted"),
        ("This session is being continued from a previous", "Summary of the earlier conversation"),
    ],
)
def test_a_wrapper_is_a_note_and_no_prompt(text, label):
    notes, typed = split_wrappers(text)

    assert [note.label for note in notes] == [label]
    assert typed == ""


@pytest.mark.parametrize("text", ["hello", "<div>x</div>", "a <system-reminder>b</system-reminder>", "", "<"])
def test_what_a_person_typed_stays_whole(text):
    assert split_wrappers(text) == ([], text)


def test_the_prompt_after_an_editors_note_is_kept():
    notes, typed = split_wrappers("<ide_opened_file>a.py</ide_opened_file>\nFix the bug")

    assert [note.text for note in notes] == ["a.py"]
    assert typed.strip() == "Fix the bug"


def test_a_command_reads_as_it_was_typed():
    text = (
        "<command-message>review is running…</command-message>\n"
        "<command-name>/review</command-name>\n<command-args>PR 7</command-args>"
    )

    assert [note.text for note in split_wrappers(text)[0]] == ["/review PR 7"]


def test_an_unclosed_tag_takes_the_rest():
    notes, typed = split_wrappers("<system-reminder>never closed")

    assert (notes[0].text, typed) == ("never closed", "")
