"""This program's own ``jsonl`` export: one message a line. Pure.

A live export may have a last line ``{"end":true,"messages":…}``, which says that all came. It is no message.
"""

from collections.abc import Iterator
from typing import Any

from archive.records import NOT_KEPT, Record, Rejected
from imports.readers import claudelens_messages
from imports.readers.base import Bytes, Format, Match, Sample
from imports.readers.claudelens_messages import is_message, unwrapped, within
from imports.readers.lines import read_records

NAME = "claudelens-jsonl"
END_KEYS = {"end", "messages"}


def detect(sample: Sample) -> Match | None:
    if not (is_message(sample.first_line) or is_end(sample.first_line)):
        return None
    return Match("ClaudeLens export: one message a line, with its original record")


def is_end(value: Any) -> bool:
    """Whether it is the last line of a live export."""
    return isinstance(value, dict) and value.keys() == END_KEYS and value["end"] is True


def _without_end(found: Iterator[Record | Rejected], given: Bytes) -> Iterator[Record | Rejected]:
    for each in found:
        if isinstance(each, Record) and is_end(each.value):
            given.cursor.records -= 1
        else:
            yield each


def read_lines(given: Bytes) -> Iterator[Record | Rejected]:
    """A record for each line, whose value is the line's and whose bytes are those of the record in it."""
    wide = within(given)
    found = read_records(wide.stream, wide.file_id, wide.cursor, wide.max_record, wide.max_depth)
    return unwrapped(given, _without_end(found, given))


FORMAT = Format(
    name=NAME,
    label="ClaudeLens export, JSON Lines",
    description="What this program exports as jsonl: nothing is lost on the way back.",
    source=claudelens_messages.NAME,
    detect=detect,
    records=read_lines,
    message=claudelens_messages.message,
    start=claudelens_messages.context_of,
    layout=NOT_KEPT,
    warnings=claudelens_messages.WARNINGS,
)
