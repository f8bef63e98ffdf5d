"""What every source format is made of: how to know it, how its bytes become records, what they say. Pure."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

import ijson
import orjson

from archive.records import MAX_DEPTH, FileId, Message, Record, Rejected
from imports.messages import Context
from imports.readers.lines import BOM, Cursor
from imports.readers.sources import Stream

SAMPLE_BYTES = 1024 * 1024
LONGEST_TEXT = 2000
MOST_KEYS = 200


@dataclass(slots=True)
class Bytes:
    """One file as a framing reads it: ``stream`` stands at ``cursor.offset``, ``reopen`` gives another stream
    from any byte on. Whoever yields a record has moved ``cursor`` behind it. A record has at most
    ``max_record`` bytes and ``max_depth`` levels."""

    stream: Stream
    reopen: Callable[[int], Stream]
    file_id: FileId
    cursor: Cursor
    max_record: int
    facts: Mapping[str, Any]
    max_depth: int = MAX_DEPTH


@dataclass(frozen=True, slots=True)
class Match:
    """That a file is of a format: why (a sentence for people), and what its reader has to know of the file
    (``facts``, plain values that a checkpoint can hold)."""

    explanation: str
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Format:
    """One source format.

    ``detect`` looks at a file's beginning: a match, or None. ``records`` cuts the bytes into records and
    rejected records, every byte accounted for; ``message`` says what a record means, moving the context
    along. ``start`` is the context before the first record. ``source`` is what messages say they come from.
    ``layout`` tells how a file is put together again from its chunks (``archive.files``). ``needs_mapping``:
    somebody has to say which column is what. ``warnings`` says in words what the context's warnings are, by
    code, with a place for ``{count}``.
    """

    name: str
    label: str
    description: str
    source: str
    detect: "Callable[[Sample], Match | None]"
    records: Callable[[Bytes], Iterator[Record | Rejected]]
    message: Callable[[Record, Context, str, datetime], Message]
    start: "Callable[[Sample, Match], Context]"
    layout: str = "lines"
    needs_mapping: bool = False
    warnings: Mapping[str, str] = field(default_factory=dict)

    def warnings_of(self, context: Context) -> list[str]:
        """The context's warnings as sentences."""
        counted = ((code, context.warnings.get(code, 0)) for code in self.warnings)
        return [self.warnings[code].format(count=f"{count:,}") for code, count in counted if count > 0]


@dataclass(frozen=True)
class Sample:
    """The beginning of a file: enough to tell what it is. ``inside`` is its path within what was given,
    ``tree_path`` the one below ``~/.claude`` where its own path tells it."""

    name: str
    inside: str
    tree_path: str
    data: bytes
    is_whole: bool

    @cached_property
    def text(self) -> bytes:
        """The bytes without a byte order mark and without blank space at their start."""
        return self.data.removeprefix(BOM).lstrip()

    @property
    def stem(self) -> str:
        return self.inside.rsplit("/", 1)[-1].split(".", 1)[0]

    @cached_property
    def root(self) -> Any:
        """The document's beginning as a value: of each array its first element, of each object its first
        keys, long texts cut. None where it is no JSON array or object."""
        return outline(self.text) if self.text[:1] in (b"[", b"{") else None

    @cached_property
    def first_line(self) -> dict[str, Any] | None:
        """The object that is the first line, if it is one."""
        try:
            value = orjson.loads(self.text.split(b"\n", 1)[0])
        except orjson.JSONDecodeError:
            return None
        return value if isinstance(value, dict) else None

    @cached_property
    def is_lines(self) -> bool:
        """Whether it is one JSON object a line, as far as the first two lines tell."""
        lines = [each for each in self.text.split(b"\n", 2)[:2] if each.strip()]
        return self.first_line is not None and (len(lines) == 1 or lines[1].lstrip()[:1] == b"{")


def outline(data: bytes) -> Any:
    """What the beginning of a JSON document tells, however it goes on: see ``Sample.root``.

    Memory is bounded by the outline. ``data`` may be cut off, or be no JSON from some byte on: what was read
    until there counts.
    """
    build = _Outline()
    try:
        for event, value in ijson.basic_parse(data, buf_size=4096):
            if not build.take(event, value):
                break
    except (ijson.JSONError, UnicodeDecodeError):
        return build.root
    return build.root


class _Outline:
    """Builds the outline from a parser's events. Levels that are not kept are None on the stack."""

    def __init__(self) -> None:
        self.root: Any = None
        self.stack: list[Any] = []
        self.keys: list[str] = []

    def take(self, event: str, value: Any) -> bool:
        """Take one event; False when the document has ended or is nested too deep."""
        if event == "map_key":
            self.keys[-1] = value
        elif event in ("start_map", "start_array"):
            self._open({} if event == "start_map" else [])
        elif event in ("end_map", "end_array"):
            self.stack.pop()
            self.keys.pop()
        else:
            self._put(value[:LONGEST_TEXT] if isinstance(value, str) else value)
        return 0 < len(self.stack) <= MAX_DEPTH

    def _open(self, made: Any) -> None:
        is_kept = self._put(made)
        self.stack.append(made if is_kept else None)
        self.keys.append("")

    def _put(self, value: Any) -> bool:
        if not self.stack:
            self.root = value
            return True
        holder = self.stack[-1]
        if isinstance(holder, dict) and len(holder) < MOST_KEYS:
            holder[self.keys[-1]] = value
            return True
        if isinstance(holder, list) and not holder:
            holder.append(value)
            return True
        return False


def first_of(value: Any, *keys: str) -> Any:
    """What an outline holds behind these keys; "*" is the first element of an array, or the first value of an
    object. None where there is nothing.

    >>> first_of([{"a": {"x": [1]}}], "*", "a", "*", "*")
    1
    """
    for key in keys:
        if isinstance(value, list):
            value = value[0] if key == "*" and value else None
        elif isinstance(value, dict):
            value = next(iter(value.values()), None) if key == "*" else value.get(key)
        else:
            return None
    return value


def has(value: Any, *keys: str) -> bool:
    """Whether it is an object with all of these keys."""
    return isinstance(value, dict) and all(key in value for key in keys)
