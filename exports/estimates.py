"""What an export would come to, before it is made: how many messages, how many bytes, and a look at it."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from archive import files, reader, sampling, sessions
from archive.call_reader import count_calls
from archive.errors import TooSlow
from archive.filters import MessageFilter
from exports.choices import Choices
from exports.material import ArchiveMaterial
from exports.packing import start_packer
from exports.part_files import has_room, require_room
from exports.renderers.base import Renderer

COUNT_SECONDS, SESSIONS_SECONDS, LOOK_SECONDS = 0.6, 0.3, 0.3
"""Together with the rendering less than two seconds, whatever the archive."""
RENDERED_MESSAGES, RENDERED_BYTES, FEW = 200, 3_000_000, 50
PACKED_BYTES = 256 * 1024
SHOWN_MESSAGES, SHOWN_CHARS = 3, 6000
ZIP_LEVEL = 1

LARGEST_FORM = 4
"""How many times as large as it is stored a message may become, in whatever format."""
NOTHING_SEEN = sampling.Sample(0, 0, [])

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Estimate:
    """``messages`` and ``sessions`` were counted where ``is_exact``, else worked out from a sample. ``bytes``
    is what the file would have, from messages that were rendered; ``sample`` the beginning of such a file,
    or the names in it, "" where neither can be shown."""

    messages: int
    sessions: int
    bytes: int
    is_exact: bool
    sample: str

    def as_dict(self) -> dict[str, Any]:
        """Plain values under the names of the API."""
        return {
            "messages": self.messages,
            "sessions": self.sessions,
            "bytes": self.bytes,
            "isExact": self.is_exact,
            "sample": self.sample,
        }


@dataclass
class PickedMaterial(ArchiveMaterial):
    """A few messages, as if they were all there is."""

    picked: list[dict[str, Any]] = field(default_factory=list)

    def messages(self, fields: Collection[str] = ()) -> Iterator[dict[str, Any]]:
        """Those that were picked, in their order, whole."""
        return iter(self.picked)

    def calls(self) -> Iterator[dict[str, Any]]:
        """The first API responses of the filter."""
        return islice(super().calls(), RENDERED_MESSAGES)

    def sessions(self) -> Iterator[dict[str, Any]]:
        """The sessions of the messages."""
        wanted = sorted({each["sessionId"] for each in self.picked})
        return sessions.find_sessions(MessageFilter(session_ids=tuple(wanted))) if wanted else iter(())


def estimate(renderer: Renderer, message_filter: MessageFilter, choices: Choices) -> Estimate:
    """What the export would come to, within two seconds and 20 MB of memory. Changes nothing."""
    if "files" in renderer.needs:
        return _of_files(message_filter)
    sketch = _Sketch(renderer, choices, message_filter)
    counted = _Counted.of(message_filter)
    picked = sampling.read_small(counted.picked, RENDERED_BYTES)
    if renderer.rows_of(choices) == "api_calls":
        size = _bytes_of_calls(sketch)
    else:
        size = _bytes_of_messages(sketch, counted, picked)
    return Estimate(
        counted.messages,
        counted.sessions,
        size,
        counted.is_exact,
        sketch.sample(_first(message_filter, picked)),
    )


@dataclass(frozen=True, slots=True)
class _Sketch:
    """An export of a few messages, in the format and with the choices of the whole one."""

    renderer: Renderer
    choices: Choices
    filter: MessageFilter

    def render(self, picked: list[dict[str, Any]]) -> bytes:
        """The bytes of these messages."""
        material = PickedMaterial(self.filter, picked=picked)
        return b"".join(self.renderer.render(material, self.choices))

    def weigh(self, picked: list[dict[str, Any]], apart: int) -> tuple[float, float, float]:
        """How many bytes the file takes without any message, a session by itself, and each of its messages:
        by rendering the same messages, which take ``apart`` bytes, once more as those of one session."""
        base = len(self.render([]))
        session_ids = {each["sessionId"] for each in picked}
        if len(session_ids) < 2:
            return base, 0.0, (apart - base) / len(picked)
        together = len(self.render([{**each, "sessionId": picked[0]["sessionId"]} for each in picked]))
        head = max(0.0, (apart - together) / (len(session_ids) - 1))
        return base, head, max(0.0, together - base - head) / len(picked)

    def packed_share(self, data: bytes) -> float:
        """How much of its length a part of the export keeps when it is compressed."""
        part = data[:PACKED_BYTES]
        packer = start_packer(self.choices)
        return (len(packer.compress(part)) + len(packer.flush())) / len(part) if part else 1.0

    def sample(self, first: list[dict[str, Any]]) -> str:
        """How the export begins, in a few thousand characters; the names of its files where it is a zip."""
        media_type = self.renderer.media_type_of(self.choices)
        if not first or not (media_type == "application/zip" or _is_text(media_type)):
            return ""
        data = self.render(first)
        if media_type == "application/zip":
            with zipfile.ZipFile(io.BytesIO(data)) as packed:
                entries = [(info.filename, info.file_size) for info in packed.infolist()]
            return _listing(entries[:SHOWN_MESSAGES], len(entries))
        text = data.decode("utf-8", "replace")
        return text if len(text) <= SHOWN_CHARS else text[:SHOWN_CHARS] + "…"


def require_room_for(
    folder: Path, renderer: Renderer, message_filter: MessageFilter, choices: Choices
) -> None:
    """Raise OutOfSpace where the export would not fit into the folder. A closer look is taken only where all
    of the archive might not."""
    folder.mkdir(parents=True, exist_ok=True)
    if not has_room(folder, reader.average_bytes() * reader.count_messages(MessageFilter()) * LARGEST_FORM):
        require_room(folder, estimate(renderer, message_filter, choices).bytes)


# ------------------------------------------------------------------ messages


@dataclass(frozen=True, slots=True)
class _Counted:
    """How many there are, and which of them are to stand for all: ids and bytes as stored."""

    messages: int
    sessions: int
    is_exact: bool
    average: float
    picked: list[tuple[bytes, int]]

    @classmethod
    def of(cls, message_filter: MessageFilter) -> _Counted:
        """Counted where there is time, else worked out from messages picked at random."""
        exact = _soon(lambda: reader.count_messages(message_filter, max_seconds=COUNT_SECONDS))
        looked = _soon(lambda: sampling.sample_messages(message_filter, LOOK_SECONDS)) or NOTHING_SEEN
        messages = looked.expected if exact is None else exact
        picked, sizes = looked.found[:RENDERED_MESSAGES], looked.found
        if len(picked) < min(messages, FEW):
            # Too rare to be met by chance: those that come first stand for the others.
            first = _soon(lambda: sampling.first_messages(message_filter, RENDERED_MESSAGES, LOOK_SECONDS))
            picked = sizes = first or picked
        return cls(
            messages,
            _count_sessions(message_filter, messages, looked.total),
            exact is not None,
            sum(size for _, size in sizes) / max(1, len(sizes)),
            picked,
        )


def _count_sessions(message_filter: MessageFilter, messages: int, total: int) -> int:
    """Counted where there is time, else by the share of the messages."""
    exact = _soon(lambda: sampling.count_sessions_of(message_filter, SESSIONS_SECONDS))
    if exact is not None:
        return exact
    share = min(1.0, messages / max(1, total))
    return min(messages, max(1, round(sessions.count_sessions() * share)))


def _soon(work: Callable[[], T]) -> T | None:
    """What it gives, None where the database could not do it in the time it had."""
    try:
        return work()
    except TooSlow:
        return None


def _bytes_of_messages(sketch: _Sketch, counted: _Counted, picked: list[dict[str, Any]]) -> int:
    """Bytes of the whole from those of a few: so much for each session, so much for each message."""
    data = sketch.render(picked)
    expected: float = len(data)
    if picked and counted.messages > len(picked):
        base, head, body = sketch.weigh(picked, len(data))
        sizes = dict(counted.picked)
        mean = sum(sizes[bytes(each["_id"])] for each in picked) / len(picked)
        expected = base + counted.sessions * head + counted.messages * body * counted.average / mean
    return round(expected * sketch.packed_share(data))


def _bytes_of_calls(sketch: _Sketch) -> int:
    """Rows of API responses are much alike: so much for each."""
    data = sketch.render([])
    count = _soon(lambda: count_calls(sketch.filter, max_seconds=COUNT_SECONDS))
    known = count_calls(MessageFilter()) if count is None else count
    return round(len(data) * max(1.0, known / RENDERED_MESSAGES) * sketch.packed_share(data))


# ------------------------------------------------------------------ files


def _of_files(message_filter: MessageFilter) -> Estimate:
    """Whole files are exported: their sizes are known, and how well a first piece of them packs."""
    exact = _soon(lambda: sampling.total_files(message_filter, COUNT_SECONDS, SHOWN_MESSAGES))
    if exact is None:
        return _of_unknown_files(message_filter)
    session_count = _count_sessions(message_filter, exact.records, exact.records)
    size = round(exact.bytes * _zipped_share(exact.first))
    listing = _listing([(file.path, file.size) for file in exact.first], exact.files)
    return Estimate(exact.records, session_count, size, True, listing)


def _of_unknown_files(message_filter: MessageFilter) -> Estimate:
    """By the share of the messages that the filter lets through."""
    every = sampling.total_files(MessageFilter(), COUNT_SECONDS, SHOWN_MESSAGES)
    looked = _soon(lambda: sampling.sample_messages(message_filter, LOOK_SECONDS))
    share = min(1.0, looked.expected / max(1, looked.total)) if looked else 1.0
    size = round(every.bytes * share * _zipped_share(every.first))
    return Estimate(round(every.records * share), round(sessions.count_sessions() * share), size, False, "")


def _zipped_share(first: tuple[files.SourceFile, ...]) -> float:
    pieces = [piece for file in first if (piece := next(files.file_chunks(file.id), b""))]
    length = sum(map(len, pieces))
    return sum(len(zlib.compress(piece, ZIP_LEVEL)) for piece in pieces) / length if length else 1.0


# ------------------------------------------------------------------ what it looks like


def _first(message_filter: MessageFilter, picked: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The messages that the export begins with; some of those at hand where finding them takes too long."""
    first = _soon(lambda: sampling.first_messages(message_filter, SHOWN_MESSAGES, LOOK_SECONDS))
    return picked[:SHOWN_MESSAGES] if first is None else sampling.read_small(first, RENDERED_BYTES)


def _is_text(media_type: str) -> bool:
    return media_type.startswith("text/") or media_type in ("application/json", "application/jsonl")


def _listing(entries: list[tuple[str, int]], total: int) -> str:
    lines = [f"{name}  ({size:,} bytes)" for name, size in entries]
    more = total - len(entries)
    return "\n".join([*lines, f"… and {more:,} more"] if more > 0 else lines)
