"""What stands in user lines without a person having typed it. Pure.

Claude Code writes commands, their output, reminders and notices into ``user`` lines, between tags
of its own or behind fixed openings; editors put such a tag before a real prompt, in one string.
"""

import re
from dataclasses import dataclass

TAG_LABELS = {
    "command-name": "Command",
    "command-message": "Command",
    "command-args": "Command",
    "local-command-stdout": "Command output",
    "local-command-stderr": "Command output",
    "local-command-caveat": "Note to the model",
    "bash-input": "Shell command",
    "bash-stdout": "Shell output",
    "bash-stderr": "Shell output",
    "task-notification": "Task notification",
    "system-reminder": "Reminder",
    "teammate-message": "Teammate",
    "ide_opened_file": "Opened in the editor",
    "ide_selection": "Selected in the editor",
}
OPENINGS = {
    "Caveat:": "Note to the model",
    "[Request interrupted": "Interrupted",
    "This session is being continued from": "Summary of the earlier conversation",
}
_OPENING_TAG = re.compile(r"\s*<([a-z_-]{1,40})(?: [^>]{0,300})?>")


@dataclass(frozen=True, slots=True)
class Note:
    """Text that a program put there: what it is, and the text with its tags."""

    label: str
    text: str
    tag: str = ""


def split_wrappers(text: str) -> tuple[list[Note], str]:
    """The notes at the beginning of a user's text, and what the person typed after them."""
    notes: list[Note] = []
    while taken := _leading_tag(text):
        note, text = taken
        notes.append(note)
    for opening, label in OPENINGS.items():
        if text.lstrip().startswith(opening):
            return [*_merged(notes), Note(label, text.strip())], ""
    return _merged(notes), text


def _leading_tag(text: str) -> tuple[Note, str] | None:
    match = _OPENING_TAG.match(text)
    if not match or match[1] not in TAG_LABELS:
        return None
    label, closing = TAG_LABELS[match[1]], f"</{match[1]}>"
    inside, found, rest = text[match.end() :].partition(closing)
    return Note(label, inside.strip(), match[1]), rest if found else ""


def _merged(notes: list[Note]) -> list[Note]:
    """A command's tags as one note, as it was typed; empty outputs say nothing."""
    command = [note for note in notes if note.label == "Command"]
    others = [note for note in notes if note.label != "Command" and note.text]
    return [*others, *_command(command)] or notes[:1]


def _command(notes: list[Note]) -> list[Note]:
    """``/name arguments``. The message tag is for the screen: it counts where no name is given."""
    typed = [note.text for note in notes if note.tag != "command-message" and note.text]
    text = " ".join(typed) or " ".join(note.text for note in notes)
    return [Note("Command", text)] if notes else []
