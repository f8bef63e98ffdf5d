"""A piece of a file that moves along it, and finding the end of a JSON value in it. Pure."""

from dataclasses import asdict, dataclass
from re import Match, Pattern
from re import compile as pattern
from typing import Any

from imports.readers.sources import Stream

BLOCK = 256 * 1024
_BRACKET = pattern(rb'["\[\]{}]')
_TOKEN = pattern(rb"\S")
_SCALAR_END = pattern(rb'[\s\[\]{},:"]')
_QUOTE, _BACKSLASH, _OPENING = 34, 92, (123, 91)


class NoEnd(Exception):
    """The file ends before the value does."""


@dataclass(slots=True)
class Skip:
    """How far a value has been passed: how many of its brackets are open, and whether a text is. A text by
    itself has no brackets (``depth`` 0)."""

    depth: int = 1
    deepest: int = 1
    in_text: bool = False
    is_done: bool = False

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class Window:
    """The bytes from the end of the last chunk on, and how far of them has been looked at.

    It grows as a value needs. What looks at the file stops when ``is_over`` its limit, so that the caller can
    take what is there and go on.
    """

    def __init__(self, stream: Stream, limit: int) -> None:
        self.stream = stream
        self.limit = limit
        self.data = b""
        self.begin = 0
        self.at = 0

    @property
    def size(self) -> int:
        """How many bytes have been looked at since the last chunk."""
        return self.at - self.begin

    @property
    def is_over(self) -> bool:
        return self.size > self.limit

    def fill(self) -> bool:
        """Read on; False at the file's end. Places in ``data`` are others after it, ``size`` is the same."""
        held = len(self.data) - self.begin
        block = self.stream.read(max(BLOCK, held // 2))
        if not block:
            return False
        self.data = self.data[self.begin :] + block
        self.at, self.begin = self.at - self.begin, 0
        return True

    def seen(self, start: int = 0) -> bytes:
        """The bytes that were looked at, from the one with this number on."""
        return self.data[self.begin + start : self.at]

    def take(self) -> bytes:
        """The bytes that were looked at; the window begins behind them."""
        taken = self.data[self.begin : self.at]
        self.begin = self.at
        return taken

    def rest(self) -> bytes:
        """All that is in the window. At the file's end that is all there is."""
        return self.data[self.begin :]

    def to_end(self) -> None:
        """Look at all that is in the window, and at the next block if there is nothing."""
        if self.at == len(self.data):
            self.fill()
        self.at = len(self.data)

    def find(self, token: Pattern[bytes]) -> Match[bytes] | None:
        """The next token, whose first byte is passed; None at the file's end, or when ``is_over``."""
        while (found := token.search(self.data, self.at)) is None:
            self.at = len(self.data)
            if self.is_over or not self.fill():
                return None
        self.at = found.start() + 1
        return found

    def pass_scalar(self) -> None:
        """Pass the rest of a number or word."""
        while (found := _SCALAR_END.search(self.data, self.at)) is None:
            self.at = len(self.data)
            if self.is_over or not self.fill():
                return
        self.at = found.start()

    def skip(self, skip: Skip) -> None:
        """Pass the rest of a value; it is not done where the window is over its limit.

        Raises ``NoEnd`` at the file's end, having looked at everything.
        """
        while not self._passed(skip):
            if self.is_over:
                return
            if not self.fill():
                self.at = len(self.data)
                raise NoEnd
        skip.is_done = True

    def look_ahead(self, longest: int) -> bytes | None:
        """From within an array or object that has just been opened: what closes it and follows it in the
        object around it. Moves nothing. Empty where the file ends before that or it is longer than
        ``longest``, None where it is further than the limit."""
        size = self.size
        inner, outer = Skip(), Skip()
        rest: bytes | None = b""
        try:
            self.skip(inner)
            end = self.size
            if inner.is_done:
                self.skip(outer)
            rest = self.seen(end - 1) if outer.is_done else None
        except NoEnd:
            rest = b""
        self.at = self.begin + size
        return rest if rest is None or len(rest) <= longest else b""

    def peek(self, longest: int) -> bytes:
        """The array or object that comes next, where nothing but blank space stands before it. Moves nothing.
        Empty where there is none, or it is longer than ``longest``."""
        size, value = self.size, b""
        try:
            if self.find(_TOKEN) and self.data[self.at - 1] in _OPENING:
                start, skip = self.size - 1, Skip()
                self.skip(skip)
                value = self.seen(start) if skip.is_done else b""
        except NoEnd:
            value = b""
        self.at = self.begin + size
        return value if len(value) <= longest else b""

    def _passed(self, skip: Skip) -> bool:
        """Go on to the end of the value, or of the window; whether it was the value's."""
        if skip.in_text and not self._text_passed():
            return False
        if skip.in_text and skip.depth == 0:
            return True
        skip.in_text = False
        return self._brackets_passed(skip)

    def _brackets_passed(self, skip: Skip) -> bool:
        # The hot loop of a document: a text without escapes is passed by two calls.
        data, search, find = self.data, _BRACKET.search, self.data.find
        depth, at = skip.depth, self.at
        while (found := search(data, at)) is not None:
            at = found.end()
            byte = data[at - 1]
            if byte == _QUOTE:
                end = find(b'"', at)
                if end >= 0 and data[end - 1] != _BACKSLASH:
                    at = end + 1
                    continue
                self.at = at
                if not self._text_passed():
                    skip.in_text, skip.depth = True, depth
                    return False
                at = self.at
            elif byte in _OPENING:
                depth += 1
                skip.deepest = max(skip.deepest, depth)
            else:
                depth -= 1
                if depth == 0:
                    break
        self.at = len(data) if found is None else at
        skip.depth = depth
        return depth == 0

    def _text_passed(self) -> bool:
        """Whether the text that is open ends in the window; ``at`` moves as far as is known."""
        data, at = self.data, self.at
        while (end := data.find(b'"', at)) >= 0:
            back = end
            while back > self.at and data[back - 1] == _BACKSLASH:
                back -= 1
            at = end + 1
            if (end - back) % 2 == 0:
                self.at = at
                return True
        # A backslash that may escape what follows waits for it.
        waiting = min(len(data) - len(data.rstrip(b"\\")), len(data) - self.at) % 2
        self.at = len(data) - waiting
        return False
