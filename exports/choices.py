"""How an export is made, beside its format and filter: what is left out, masked, packed, split. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from exports.filters import BadFilter, read_text, read_texts
from exports.redaction import check_patterns

CONTENTS = ("thinking", "tool_inputs", "tool_results", "images")
"""Parts of messages that can be left out."""
SECRETS = ("secrets", "emails", "paths")
"""Kinds of private text that can be masked."""
LAYOUTS = ("one", "each")
"""One file, or a zip with a file for each conversation."""
ROWS = ("messages", "sessions", "api_calls")
LEVELS = {"none": (0, 0, 0), "gzip": (1, 9, 6), "zstd": (1, 19, 3)}
"""Compressions: the lowest level, the highest, and the one that is taken where none is named."""
SMALLEST_PART = 1_000_000
MOST_PATTERNS = 50
MOST_COLUMNS = 100
UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9}


@dataclass(frozen=True, slots=True)
class Choices:
    """``layout`` and ``rows`` "" mean the format's own, ``columns`` () too. ``without`` names parts
    of messages (``CONTENTS``), ``redact`` kinds of text (``SECRETS``), ``patterns`` regular expressions of
    one's own to mask. ``split`` is "month", a number of bytes, or "" for one file."""

    layout: str = ""
    rows: str = ""
    columns: tuple[str, ...] = ()
    guard_formulas: bool = True
    without: tuple[str, ...] = ()
    redact: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    compression: str = "none"
    level: int = 0
    split: str = ""

    @property
    def split_bytes(self) -> int:
        """How long a part may be; 0 where it does not count."""
        return int(self.split) if self.split.isdigit() else 0

    @property
    def masks(self) -> bool:
        """Whether any text is masked."""
        return bool(self.redact or self.patterns)

    def to_dict(self) -> dict[str, Any]:
        """What differs from the default, as JSON values under the names of the API."""
        plain, told = Choices(), {}
        for word, (name, _) in FIELDS.items():
            value = getattr(self, name)
            if value != getattr(plain, name):
                told[word] = list(value) if isinstance(value, tuple) else value
        return told


def build_choices(asked: Mapping[str, object]) -> Choices:
    """The choices that were asked for; what is not named is as a rule.

    Raises BadFilter naming the field: unknown, of the wrong type, or impossible.
    """
    parts: dict[str, Any] = {}
    for word, value in asked.items():
        if word not in FIELDS:
            raise BadFilter(str(word)[:60], "there is no such choice.", hint=f"Choices: {', '.join(FIELDS)}.")
        name, read = FIELDS[word]
        if value is not None:
            parts[name] = read(word, value)
    made = Choices(**parts)
    lowest, highest, _ = LEVELS[made.compression]
    if made.level and not lowest <= made.level <= highest:
        raise BadFilter(
            "level",
            f"{made.level} is no level of {made.compression}.",
            hint=f"Levels are {lowest} to {highest}." if highest else "Choose gzip or zstd.",
        )
    return made


def _one_of(*known: str) -> Callable[[str, object], str]:
    def read(field: str, value: object) -> str:
        text = read_text(field, value)
        if text and text not in known:
            raise BadFilter(field, f"{text[:60]!r} is not known.", hint=f"Known are: {', '.join(known)}.")
        return text

    return read


def _some_of(*known: str) -> Callable[[str, object], tuple[str, ...]]:
    one = _one_of(*known)

    def read(field: str, value: object) -> tuple[str, ...]:
        return tuple(one(field, text) for text in read_texts(field, value))

    return read


def _few(most: int) -> Callable[[str, object], tuple[str, ...]]:
    def read(field: str, value: object) -> tuple[str, ...]:
        texts = read_texts(field, value)
        if len(texts) > most:
            raise BadFilter(field, f"{len(texts)} are too many.", hint=f"At most {most}.")
        return texts

    return read


def _patterns(field: str, value: object) -> tuple[str, ...]:
    expressions = _few(MOST_PATTERNS)(field, value)
    check_patterns(expressions)
    return expressions


def read_truth(field: str, value: object) -> bool:
    """True or false, also as a form or a query says it. Raises BadFilter."""
    known = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False}
    found = value if isinstance(value, bool) else known.get(str(value).strip().lower())
    if found is None:
        raise BadFilter(field, f"{str(value)[:60]!r} is neither true nor false.", hint="Give true or false.")
    return found


def _level(field: str, value: object) -> int:
    if isinstance(value, bool) or not re.fullmatch(r"\d{1,2}", str(value).strip() or "0"):
        raise BadFilter(field, f"{str(value)[:60]!r} is not a level.", hint="Give a whole number, such as 3.")
    return int(str(value).strip() or 0)


def _split(field: str, value: object) -> str:
    """
    >>> _split("split", "100 MB")
    '100000000'
    """
    text = str(value).strip()
    if text in ("", "month"):
        return text
    found = re.fullmatch(r"(\d{1,12})\s*(KB|MB|GB|)", text, re.IGNORECASE)
    if found is None or isinstance(value, bool):
        raise BadFilter(field, f"{text[:60]!r} is no size.", hint="Give month, or a size such as 100 MB.")
    size = int(found[1]) * UNITS[found[2].upper()]
    if size < SMALLEST_PART:
        raise BadFilter(field, f"parts of {size:,} bytes are too small.", hint="At least 1 MB.")
    return str(size)


FIELDS: dict[str, tuple[str, Callable[[str, object], Any]]] = {
    "layout": ("layout", _one_of(*LAYOUTS)),
    "rows": ("rows", _one_of(*ROWS)),
    "columns": ("columns", _few(MOST_COLUMNS)),
    "guardFormulas": ("guard_formulas", read_truth),
    "without": ("without", _some_of(*CONTENTS)),
    "redact": ("redact", _some_of(*SECRETS)),
    "patterns": ("patterns", _patterns),
    "compression": ("compression", lambda field, value: _one_of(*LEVELS)(field, value) or "none"),
    "level": ("level", _level),
    "split": ("split", _split),
}
"""What a person writes -> the part of ``Choices`` it becomes, and how it is read."""

if {name for name, _ in FIELDS.values()} != {field.name for field in fields(Choices)}:
    raise AssertionError("every choice can be asked for")
