"""Live exports: bytes straight from the database to a client, without a job and without a file.

A stream is pulled, one piece at a time, in a thread of a small pool; nothing is read ahead of what the client
has taken. So memory is one batch of messages and one piece, however slow the client is, and a client that
leaves ends the reading at once. A fault in the middle raises: whoever serves the stream has to cut the
connection then, so that half an export never looks like a whole one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from threading import Lock
from typing import Any

from django.conf import settings

from archive.errors import Busy, TooMany, Unavailable
from archive.filters import MessageFilter
from archive.reader import Interruption
from exports import choices as choosing
from exports import filters, services
from exports.choices import Choices, read_truth
from exports.material import ArchiveMaterial
from exports.packing import PACKINGS, start_packer
from exports.reading import BadFilter
from exports.renderers.base import Renderer

FORMAT, END_MARK = "format", "endMark"
LISTED = ("columns", "without", "redact")
"""Choices whose values never hold a comma, so that several may stand in one parameter."""
WHOLE_FILES = ("split", "layout")
"""Choices about files, which a stream is not."""
TRY_AGAIN_SECONDS = 10


# ------------------------------------------------------------------ what is asked for


@dataclass(frozen=True, slots=True)
class Asked:
    """What a client asks for, checked: nothing of it is refused any more."""

    renderer: Renderer
    filter: MessageFilter
    choices: Choices
    end_mark: bool = False

    @property
    def filename(self) -> str:
        """What the client may call it."""
        return f"claudelens{self.renderer.extension}{PACKINGS[self.choices.compression].extension}"

    @property
    def media_type(self) -> str:
        """What it is, packed or not."""
        return PACKINGS[self.choices.compression].media_type or self.renderer.media_type


def understand(query: Mapping[str, Sequence[str]]) -> Asked:
    """What the parameters of a query ask for: ``format``, the filters, the choices and ``endMark``.

    Raises BadInput naming the parameter that is wrong.
    """
    words: dict[str, dict[str, Any]] = {"filters": {}, "choices": {}, "own": {}}
    for word, values in query.items():
        words[_kind_of(word)][word] = _value_of(word, values)
    asked = services.understand(words["own"].get(FORMAT, ""), words["filters"], words["choices"])
    renderer, _, choices = asked
    end_mark = read_truth(END_MARK, words["own"].get(END_MARK, False))
    _refuse_what_does_not_stream(renderer, choices, end_mark=end_mark)
    return Asked(*asked, end_mark)


def _kind_of(word: str) -> str:
    if word in (FORMAT, END_MARK):
        return "own"
    if word in filters.FIELDS:
        return "filters"
    if word in choosing.FIELDS:
        return "choices"
    known = ", ".join((FORMAT, *filters.FIELDS, *choosing.FIELDS, END_MARK))
    raise BadFilter(word[:60], "there is no such parameter.", hint=f"Parameters: {known}.")


def _value_of(word: str, values: Sequence[str]) -> str | list[str]:
    if word in LISTED:
        return [each for value in values for each in value.split(",")]
    return values[0] if len(values) == 1 else list(values)


def _refuse_what_does_not_stream(renderer: Renderer, choices: Choices, *, end_mark: bool) -> None:
    if not renderer.streams:
        hint = "Streams are json, jsonl and csv; POST /api/v1/exports/ makes the others."
        raise BadFilter(FORMAT, f"{renderer.name} cannot be streamed.", hint=hint)
    for word in WHOLE_FILES:
        if word in choices.to_dict():
            raise BadFilter(word, "a stream is one piece.", hint="POST /api/v1/exports/ makes files.")
    if end_mark and renderer.end_line is None:
        hint = "Leave it out: a stream that is cut off ends without its last chunk, and curl fails."
        raise BadFilter(END_MARK, f"{renderer.name} has none.", hint=hint)


# ------------------------------------------------------------------ how many at once


@dataclass
class Places:
    """How many streams this process serves at once, and how many of them one user's."""

    _taken: Counter[Any] = field(default_factory=Counter)
    _lock: Lock = field(default_factory=Lock)

    def take(self, user_id: Any) -> None:
        """Raises TooMany where the user has enough, Busy where everybody together has."""
        with self._lock:
            limit = settings.CLAUDELENS_LIVE_STREAMS_PER_USER
            if limit and self._taken[user_id] >= limit:
                raise TooMany(
                    f"Your limit of live exports at once, {limit:,}, is reached.",
                    hint="Wait until one has ended, or make an export: POST /api/v1/exports/.",
                    retry_after=TRY_AGAIN_SECONDS,
                )
            if self._taken.total() >= settings.CLAUDELENS_LIVE_STREAMS:
                raise Busy(
                    "This server is serving as many live exports as it may.",
                    hint="Try again in a moment, or make an export: POST /api/v1/exports/.",
                    retry_after=TRY_AGAIN_SECONDS,
                )
            self._taken[user_id] += 1

    def leave(self, user_id: Any) -> None:
        """Make room for another one."""
        with self._lock:
            self._taken -= Counter({user_id: 1})

    @property
    def taken(self) -> int:
        """How many there are now."""
        return self._taken.total()


places = Places()


@cache
def pool() -> ThreadPoolExecutor:
    """The threads that pull streams, and as many that end them."""
    return ThreadPoolExecutor(2 * max(1, settings.CLAUDELENS_LIVE_STREAMS), "live-export")


# ------------------------------------------------------------------ the stream


class LiveStream:
    """One live export: ``pull`` its pieces, then ``close`` it, from any threads."""

    def __init__(self, asked: Asked, leave: Callable[[], None]) -> None:
        self._leave = leave
        self._interruption = Interruption()
        material = ArchiveMaterial(asked.filter, interruption=self._interruption)
        self._pieces = _pieces(asked, material)
        self._at_work = Lock()
        self._closing = Lock()
        self._is_closed = False

    def pull(self) -> bytes:
        """The next piece; empty at the end. Raises Unavailable when the database is gone."""
        with self._at_work:
            if self._is_closed:
                raise Unavailable("The stream was closed.")
            return next(self._pieces, b"")

    def close(self) -> None:
        """End the reading, whatever it is at, give the place to another. Idempotent."""
        with self._closing:
            if self._is_closed:
                return
            self._is_closed = True
        try:
            self._end()
        finally:
            self._leave()

    def _end(self) -> None:
        if not self._at_work.acquire(blocking=False):
            with suppress(Unavailable):  # a server that is gone has nothing to stop
                self._interruption.interrupt()
            self._at_work.acquire()
        try:
            self._pieces.close()
        finally:
            self._at_work.release()
            self._interruption.close()


def _pieces(asked: Asked, material: ArchiveMaterial) -> Generator[bytes]:
    """The export, packed; no piece is empty."""
    packer = start_packer(asked.choices)
    for chunk in _plain(asked, material):
        if piece := packer.compress(chunk):
            yield piece
    if rest := packer.flush():
        yield rest


def _plain(asked: Asked, material: ArchiveMaterial) -> Iterator[bytes]:
    yield from asked.renderer.render(material, asked.choices)
    if asked.end_mark and asked.renderer.end_line is not None:
        yield asked.renderer.end_line(material.message_count)


def open_stream(user: Any, asked: Asked) -> LiveStream:
    """A stream for this user; nothing is read yet.

    Raises TooMany or Busy where there are enough already, Unavailable without a database.
    """
    places.take(user.pk)
    is_open = False
    try:
        stream = LiveStream(asked, lambda: places.leave(user.pk))
        is_open = True
    finally:
        if not is_open:
            places.leave(user.pk)
    return stream
