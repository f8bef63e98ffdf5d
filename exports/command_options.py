"""The options by which a command takes the filters and choices of an export."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from django.core.management.base import CommandParser

from exports.choices import CONTENTS, LAYOUTS, LEVELS, ROWS, SECRETS
from exports.periods import CALENDAR

SEVERAL = {
    "project": "Only of this project: its id, path or name",
    "session": "Only of this session",
    "tag": "Only of sessions with this tag",
    "source": "Only from this source, such as claude-code",
    "type": "Only messages of this type, such as user",
    "role": "Only messages of this role, such as assistant",
    "model": "Only messages of this model",
    "tool": "Only messages that call this tool",
    "branch": "Only messages from this git branch",
    "columns": "A column of the table, in this order; also all and default",
    "without": f"Leave these out: {', '.join(CONTENTS)}",
    "redact": f"Mask these: {', '.join(SECRETS)}",
    "patterns": "Mask what this regular expression (RE2) finds",
}
NAMES = {"columns": "--column", "patterns": "--mask"}
"""What is said once for each value, in the singular."""
ONE = {
    "since": "From this date or time on (ISO 8601; UTC, or --timezone).",
    "until": "Before this date or time, which is not included.",
    "period": f"Instead of both: {', '.join(CALENDAR)}, or the last 12h, 30d, 4w.",
    "timezone": "Whose days and weeks are meant, such as Europe/Berlin; UTC without it.",
    "text": "Only messages with this text in them, whatever the case.",
    "minCost": "Only of sessions that cost at least so many US dollars.",
    "maxCost": "Only of sessions that cost at most so many US dollars.",
    "subagents": "What subagents said: yes (with it, as a rule), no (without it) or only.",
    "layout": f"{' or '.join(LAYOUTS)}: one file, or a zip with a file for each conversation.",
    "rows": f"What the rows of a table are: {', '.join(ROWS)}.",
    "guardFormulas": "false: leave cells that look like formulas as they are.",
    "compression": f"Pack it: {', '.join(LEVELS)}.",
    "level": "How hard it is packed.",
    "split": "Parts in a folder: month, or the size of each, such as 100MB.",
}


def _option(word: str) -> str:
    """
    >>> _option("minCost")
    '--min-cost'
    """
    return NAMES.get(word) or "--" + re.sub("([A-Z])", r"-\1", word).lower()


def add_options(parser: CommandParser) -> None:
    """An option for each word of ``exports.filters`` and ``exports.choices``."""
    for word, told in SEVERAL.items():
        parser.add_argument(_option(word), dest=word, action="append", help=f"{told}; may be repeated.")
    for word, told in ONE.items():
        parser.add_argument(_option(word), dest=word, help=told)


def given_of(options: Mapping[str, Any], words: Iterable[str]) -> dict[str, object]:
    """Of these words those that were given, with what was."""
    return {word: options[word] for word in words if options[word]}
