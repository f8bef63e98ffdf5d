"""This program's own Markdown transcripts, read back by their marks. Pure.

A mark is a comment on a line of its own. What stands from a ``message`` mark to its end mark is a record;
what stands before it, headings and the ``session`` mark, belongs to its chunk. Lines of somebody's text that
look like marks were given a backslash. What was thought stands in it between ``thinking`` marks, folded;
what stands outside of them up to the ``said`` mark is the fold and not the thought.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any
from zlib import crc32

import orjson

from archive.errors import BadInput
from archive.projects import Project
from archive.records import Record, Rejected, seq_of
from imports.messages import Context, Said, parse_time, short_text, speaks
from imports.readers.base import Bytes, Format, Match, Sample
from imports.readers.claudelens_messages import NOT_A_MESSAGE, project_of
from imports.readers.lines import CUT_OFF, HINTS, PIECE_BYTES
from imports.readers.texts import text_of, unnamed

NAME = "markdown"
FORMAT_MARK = "claudelens-markdown/"
CLASSIC = b"# ClaudeLens Export"
MARK = re.compile(rb"<!-- (/?claudelens:[a-z]+)(?: (\{.*\}))? -->\s*")
ESCAPED = re.compile(rb"^\\(\\*<!-- /?claudelens:)", re.MULTILINE)
EXPORT, SESSION, MESSAGE = b"claudelens:export", b"claudelens:session", b"claudelens:message"
MORE, END = b"claudelens:more", b"/claudelens:message"
THINKING, THOUGHT, SAID = b"claudelens:thinking", b"/claudelens:thinking", b"claudelens:said"
FOLD = b"<details>"
HEADING = re.compile(rb"#{2,3} [^\n]*\n\r?\n?")
BEGINNINGS = (EXPORT, SESSION, MESSAGE)


def mark_of(line: bytes) -> tuple[bytes, dict[str, Any]]:
    """The mark that a line is, and what it says; ``b""`` where it is none."""
    found = MARK.fullmatch(line) if line.startswith(b"<!-- ") else None
    if found is None:
        return b"", {}
    try:
        facts = orjson.loads(found[2] or b"{}")
    except orjson.JSONDecodeError:
        return b"", {}
    return found[1], facts


def detect(sample: Sample) -> Match | None:
    name, facts = mark_of(sample.text.split(b"\n", 1)[0])
    if name != EXPORT or not text_of(facts, "format").startswith(FORMAT_MARK):
        return None
    return Match("ClaudeLens transcript: Markdown whose marks tell its messages")


def refuse_classic(sample: Sample) -> None:
    """Raises ``BadInput`` for what ClaudeLens before this program called Markdown."""
    if sample.text.startswith(CLASSIC):
        raise BadInput(
            f"{sample.name} is a Markdown export of classic ClaudeLens: its messages cannot be told apart.",
            code="classic_markdown",
            hint="Export the conversations as JSON there, or take them from its database: "
            "manage.py migrate_claudelens.",
        )


# ------------------------------------------------------------------ records


@dataclass(slots=True)
class _Chunk:
    """What has been read since the last record: its bytes, the session and the message that are marked in it,
    and where the message's own bytes begin, its text, and what else there is (-1: not yet)."""

    data: bytearray = field(default_factory=bytearray)
    session: dict[str, Any] = field(default_factory=dict)
    message: dict[str, Any] = field(default_factory=dict)
    lead: int = -1
    body: int = -1
    end: int = -1

    @property
    def is_message(self) -> bool:
        return self.lead >= 0

    def add(self, line: bytes, name: bytes, facts: dict[str, Any]) -> None:
        if name == MESSAGE:
            self.message, self.lead = facts, len(self.data)
            self.body = self.lead + len(line)
        elif name == SESSION:
            self.session = facts
        elif name in (MORE, END) and self.is_message and self.end < 0:
            self.end = len(self.data)
        self.data += line

    def spans(self) -> "list[tuple[bool, str]]":
        """What was said, and what was thought (True), in its order. Raises ``UnicodeDecodeError``."""
        body = bytes(self.data[self.body : self.end])
        heading = HEADING.match(body)
        body = body[heading.end() if heading else 0 :].removesuffix(b"\n")
        spans = _unfolded(body) if b"<!-- " + THINKING in body else [(False, body)]
        return [(is_thought, ESCAPED.sub(rb"\1", text).decode()) for is_thought, text in spans]


def _unfolded(body: bytes) -> list[tuple[bool, bytes]]:
    """The text with its thoughts taken out of their folds, each by itself. A fold begins behind a mark with a
    line of HTML and a blank one, and goes on behind the thought."""
    spans: list[tuple[bool, bytearray]] = [(False, bytearray())]
    place = SAID
    for line in BytesIO(body):
        name = mark_of(line)[0]
        if place == SAID and name == THINKING:
            place = THINKING
        elif place == THINKING:
            place = FOLD if line.startswith(FOLD) else THINKING
        elif place == FOLD:
            place = THOUGHT
            spans.append((True, bytearray()))
        elif place == THOUGHT and name == THOUGHT:
            place = MORE
            _end_thought(spans[-1][1], line)
        elif place == MORE:
            place = _said_again(spans) if name == SAID else MORE
        else:
            spans[-1][1].extend(line)
    if place != SAID:
        return [(False, body)]  # somebody took a fold apart: nothing that stands here is left out
    return [(is_thought, bytes(text)) for is_thought, text in spans]


def _said_again(spans: list[tuple[bool, bytearray]]) -> bytes:
    spans.append((False, bytearray()))
    return SAID


def _end_thought(text: bytearray, mark: bytes) -> None:
    """Take off the line end before a mark, which is the mark's and like its own."""
    end = b"\r\n" if mark.endswith(b"\r\n") else b"\n"
    if text.endswith(end):
        del text[-len(end) :]


def _told(spans: list[tuple[bool, str]]) -> dict[str, Any]:
    """The text, and where some of it was thought its blocks, as other sources have them."""
    text = {"text": "".join(said for _, said in spans)}
    if not any(is_thought for is_thought, _ in spans):
        return text
    kinds = (("thinking" if is_thought else "text", said.strip("\r\n")) for is_thought, said in spans)
    return {**text, "content": [{"type": kind, kind: said} for kind, said in kinds if said]}


def read_marked(given: Bytes) -> Iterator[Record | Rejected]:
    """The messages of a transcript from the cursor on. Memory is one message of at most ``max_record`` bytes;
    a longer one is rejected in pieces."""
    return _Reader(given).records()


class _Reader:
    def __init__(self, given: Bytes) -> None:
        self.given = given
        self.cursor = given.cursor
        self.held = b""

    def records(self) -> Iterator[Record | Rejected]:
        if self.cursor.part:
            yield from self._long(b"", is_at_start=self.cursor.state.get("isAtStart", True))
        chunk = _Chunk()
        while line := self._line():
            name, facts = mark_of(line)
            if name in BEGINNINGS and chunk.is_message:
                yield self._rejected(bytes(chunk.data), NOT_A_MESSAGE, "the mark of its end is missing")
                chunk = _Chunk()
            if len(chunk.data) + len(line) > self.given.max_record:
                yield from self._long(bytes(chunk.data) + line, is_at_start=line.endswith(b"\n"))
                chunk = _Chunk()
                continue
            chunk.add(line, name, facts)
            if name == END and chunk.is_message:
                yield self._record(chunk)
                chunk = _Chunk()
        yield from self._ended(chunk)

    def _line(self) -> bytes:
        """The next line; of one that is too long a part."""
        held, self.held = self.held, b""
        return held or self.given.stream.readline(self.given.max_record + 1)

    def _record(self, chunk: _Chunk) -> Record | Rejected:
        data = bytes(chunk.data)
        try:
            value = {**chunk.message, **_told(chunk.spans())}
        except UnicodeDecodeError as error:
            reason = f"byte {error.start + 1:,} of its text is not UTF-8"
            return self._rejected(data, "invalid_utf8", reason)
        if chunk.session:
            value["session"] = chunk.session
        number = self._pass(data)
        self.cursor.records += 1
        place = (self.given.file_id, seq_of(number, 0), self.cursor.offset, len(data))
        return Record(*place, value, data, crc32(data[chunk.lead :]), "", chunk.lead)

    def _pass(self, data: bytes) -> int:
        number = self.cursor.line
        self.cursor.consume(data, number + 1, 0)
        return number

    def _rejected(self, data: bytes, code: str, reason: str) -> Rejected:
        start, number = self.cursor.offset, self._pass(data)
        self.cursor.rejected += 1
        where = (self.given.file_id, seq_of(number, 0), start, self.cursor.offset)
        return Rejected(*where, code, reason, HINTS[code], data)

    def _long(self, held: bytes, *, is_at_start: bool) -> Iterator[Rejected]:
        """A message that is too long, to its end or to where another one begins. ``held`` is what was read of
        it; ``is_at_start``: the next byte begins a line."""
        cursor = self.cursor
        while line := self._line():
            name = mark_of(line)[0] if is_at_start else b""
            if name in BEGINNINGS:
                self.held = line
                break
            held, is_at_start = held + line, line.endswith(b"\n")
            if name == END:
                break
            while len(held) >= PIECE_BYTES:
                yield self._piece(held[:PIECE_BYTES])
                held = held[PIECE_BYTES:]
        for at in range(0, len(held), PIECE_BYTES):
            yield self._piece(held[at : at + PIECE_BYTES])
        cursor.line, cursor.part, cursor.state = cursor.line + 1, 0, {}

    def _piece(self, body: bytes) -> Rejected:
        cursor, start, part = self.cursor, self.cursor.offset, self.cursor.part
        cursor.rejected += part == 0
        cursor.consume(body, cursor.line, 0, part + 1)
        cursor.state = {"isAtStart": body.endswith(b"\n")}
        reason = f"the message is longer than {self.given.max_record:,} bytes"
        where = (self.given.file_id, seq_of(cursor.line, 0), start, cursor.offset)
        return Rejected(*where, "too_large", reason, HINTS["too_large"], body, part)

    def _ended(self, chunk: _Chunk) -> Iterator[Rejected]:
        cursor, rest = self.cursor, bytes(chunk.data)
        cursor.rest, cursor.is_cut = rest, chunk.is_message
        if cursor.is_cut:
            cursor.rejected += 1
            start, hint = cursor.offset, HINTS["truncated"]
            where = (self.given.file_id, seq_of(cursor.line, 0), start, start + len(rest))
            yield Rejected(*where, "truncated", CUT_OFF, hint, rest)


# ------------------------------------------------------------------ messages


def start(sample: Sample, match: Match) -> Context:
    return Context(unnamed(NAME, sample.inside), Project(NAME))


def said(record: Record, context: Context) -> Said:
    value = record.value
    session = value.get("session")
    if isinstance(session, dict):
        context.session_id = short_text(text_of(session, "id")) or context.session_id
        context.project = project_of(session)
    context.last_time = parse_time(value.get("time")) or context.last_time
    kind, role, text = text_of(value, "type"), text_of(value, "role"), text_of(value, "text")
    is_prompt = role == "user" and bool(text.strip()) and value.get("isPrompt") is not False
    return Said(
        NAME,
        kind or role,
        context.session_id,
        context.project,
        timestamp=context.last_time,
        role=role,
        text=text,
        uuid=text_of(value, "uuid"),
        parent_uuid=text_of(value, "parentUuid"),
        model=text_of(value, "model"),
        is_prompt=is_prompt,
        title=("prompt", text) if is_prompt else None,
        titles={"custom": text_of(session, "title")},
    )


FORMAT = Format(
    name="claudelens-markdown",
    label="ClaudeLens transcript, Markdown",
    description="What this program exports as markdown: what was said, by whom, and when.",
    source=NAME,
    detect=detect,
    records=read_marked,
    message=speaks(said),
    start=start,
    layout="spans",
)
