r"""Masks original files as they stream by: what is not masked stays the very bytes that it was. Pure.

A JSON file is taken apart into its strings. Each is read as JSON reads it, so that ``\u0040`` and ``\/`` hide
nothing, and is written anew only where something in it is masked: numbers, spaces, the order of members and
the lines that are no JSON stay. Any other text is looked at as it stands, and once more without its escapes.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

import orjson

from exports.redaction import Masker, Span, joined

BLOCK = 1024 * 1024
TEXT_BLOCK = 128 * 1024
LONGEST_STRING = 16 * 1024 * 1024
"""A string is looked at as a whole up to this length, a longer one in pieces."""
LONGEST_SECRET = 64 * 1024
JSON_NAMES = (".json", ".jsonl", ".ndjson")

BODY = rb'[^"\\\n]*+(?:\\.[^"\\\n]*+)*+'
PIECES = re.compile(rb'"' + BODY + rb'"?|[^"]++')
REST_OF_STRING = re.compile(BODY + rb'"?')
CLOSED = re.compile(rb'"' + BODY + rb'"')
# A key that stands there as it is goes over several lines.
LINES = re.compile(
    rb"[^\n]*-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY[^\"]{0,65536}?-----END [^\n]*\n?|[^\n]*\n|[^\n]+"
)
BETWEEN_STRINGS = re.compile(rb"(?:[\s{}\[\],:]|-?\d[\d.eE+-]*|true|false|null)*+")
COLON = re.compile(rb"\s*:\s*")
ESCAPE = re.compile(rb"\\(?:u[0-9a-fA-F]{4}|.)", re.DOTALL)
KEY = re.compile(rb"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY")
ENDS = (b"\n", b'"', b" ", b",", b";")


def mask_file(masker: Masker, name: str, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The file's bytes, masked. Memory: one block, in JSON one string of up to 16 MB, some times over."""
    reader = _Json(masker) if name.lower().endswith(JSON_NAMES) else _Text(masker)
    held = bytearray()
    for chunk in chunks:
        held += chunk
        if len(held) >= reader.wanted and (cut := reader.cut(bytes(held))):
            yield reader.masked(bytes(held[:cut]))
            del held[:cut]
    if held:
        yield reader.masked(bytes(held))


# ------------------------------------------------------------------ any text


@dataclass(frozen=True)
class _Text:
    """Text that is masked in blocks, which end where no secret is cut in two."""

    masker: Masker
    wanted: int = TEXT_BLOCK

    def cut(self, held: bytes) -> int:
        """How much of what is held can be masked without what follows."""
        return safe_cut(held)

    def masked(self, block: bytes) -> bytes:
        """The next block."""
        return mask_loosely(self.masker, block)


def safe_cut(held: bytes) -> int:
    """Where to end a block: behind a line, or else a word, and before a key that goes on in the next one."""
    oldest = max(0, len(held) - LONGEST_SECRET)
    cut = next((at + 1 for end in ENDS if (at := held.rfind(end, oldest)) >= 0), len(held))
    return before_key(held, cut)


def before_key(held: bytes, cut: int) -> int:
    """The same place, or the beginning of a key of several lines that goes on behind it."""
    for found in KEY.finditer(held, max(0, cut - LONGEST_SECRET), cut):
        if found.start() and held.find(b"-----END", found.start(), cut) < 0:
            return found.start()
    return cut


def mask_loosely(masker: Masker, data: bytes) -> bytes:
    """Text of unknown form, masked as it stands and as it reads without its escapes."""
    spans = masker.spans(data)
    if b"\\" in data:
        spans = joined([*spans, *_spans_in_escaped(masker, data)])
    return masker.replaced(data, spans)


def _spans_in_escaped(masker: Masker, data: bytes) -> Iterator[Span]:
    """What is private in the text that the escapes stand for, as places in the data."""
    plain, raw_at, plain_at = _unescaped(data)

    def place(offset: int) -> int:
        near = bisect_right(plain_at, offset) - 1
        after = raw_at[near + 1] if near + 1 < len(raw_at) else len(data)
        return min(raw_at[near] + offset - plain_at[near], after)

    for start, end, name in masker.spans(plain):
        yield place(start), place(end), name


def _unescaped(data: bytes) -> tuple[bytes, list[int], list[int]]:
    """The text without its escapes, and the places, in the data and in it, from which both run alike."""
    pieces: list[bytes] = []
    raw_at, plain_at, at, length = [0], [0], 0, 0
    for found in ESCAPE.finditer(data):
        pieces += [data[at : found.start()], _meant(found[0])]
        length += found.start() - at
        raw_at.append(found.start())
        plain_at.append(length)
        at, length = found.end(), length + len(pieces[-1])
        raw_at.append(at)
        plain_at.append(length)
    return b"".join((*pieces, data[at:])), raw_at, plain_at


SHORT = {b"\\n": b"\n", b"\\t": b"\t", b"\\r": b"\r", b"\\b": b"\b", b"\\f": b"\f"}


def _meant(escape: bytes) -> bytes:
    if len(escape) > 2:
        return chr(int(escape[2:].decode(), base=16)).encode("utf-8", "surrogatepass")
    return SHORT.get(escape, escape[1:])


# ------------------------------------------------------------------ JSON


class _Json:
    """JSON, lines of it or one document of any length, also such that is broken here and there."""

    def __init__(self, masker: Masker) -> None:
        self.masker = masker
        self.wanted = BLOCK
        # The string before, and whether a colon was between; whether a block began within a string.
        self._name, self._colon, self._inside = "", False, False

    def cut(self, held: bytes) -> int:
        """Behind the last line, or before the string that is not whole yet; 0 where more has to come."""
        cut = before_key(held, held.rfind(b"\n") + 1) or self._before_open_string(held)
        if not cut and len(held) < LONGEST_STRING:
            self.wanted = len(held) + BLOCK
            return 0
        self.wanted = BLOCK
        return cut or safe_cut(held)

    def masked(self, block: bytes) -> bytes:
        """The next block. Whether it ends within a string is remembered."""
        head = _rest_of_string(block) if self._inside else b""
        body = block[len(head) :]
        masked = mask_loosely(self.masker, head) + self._masked_pieces(body)
        self._inside = not block.endswith(b"\n") and _is_open(
            PIECES.findall(body)[-1] if body else b'"' + head
        )
        return masked

    def _before_open_string(self, held: bytes) -> int:
        start = len(_rest_of_string(held)) if self._inside else 0
        pieces = list(PIECES.finditer(held, start))
        if not pieces:
            return 0
        return pieces[-1].start() if _is_open(pieces[-1][0]) else pieces[-1].end()

    def _masked_pieces(self, body: bytes) -> bytes:
        pieces = PIECES.findall(body)
        texts = _texts_of(pieces)
        if texts is not None:
            return self._masked_strings(body, pieces, texts)
        lines = LINES.findall(body)
        if len(lines) > 1:
            return b"".join(map(self._masked_pieces, lines))
        return b"".join(map(self._masked_odd, pieces))

    def _masked_strings(self, body: bytes, pieces: list[bytes], texts: list[str]) -> bytes:
        """Pieces of sound JSON whose strings are these."""
        touched = self.masker.touched([self._name, *texts])
        if not touched:
            self._remember(pieces, texts)
            return body
        strings = iter(texts)
        return b"".join(
            self._masked_string(piece, next(strings), touched) if piece[:1] == b'"' else self._between(piece)
            for piece in pieces
        )

    def _masked_string(self, piece: bytes, text: str, touched: Collection[str]) -> bytes:
        name, self._name = (self._name if self._colon else ""), text
        self._colon = False
        if text not in touched and name not in touched:
            return piece
        masked = self.masker.mask_named(name, text)
        return piece if masked is text else _written(masked)

    def _between(self, piece: bytes) -> bytes:
        self._colon = COLON.fullmatch(piece) is not None
        return piece

    def _remember(self, pieces: list[bytes], texts: list[str]) -> None:
        self._name = texts[-1] if texts else self._name
        self._colon = bool(pieces) and COLON.fullmatch(pieces[-1]) is not None

    def _masked_odd(self, piece: bytes) -> bytes:
        """A piece of a line that is no JSON: a string that can be read or not, or what stands between."""
        texts = _texts_of([piece])
        if texts:
            return self._masked_string(piece, texts[0], {texts[0], self._name})
        if texts is None:
            # What stands before a string may say that it is a secret: ``password = "…"``.
            self._name, self._colon = piece.decode("utf-8", "replace"), True
            return mask_loosely(self.masker, piece)
        return self._between(piece)


def _texts_of(pieces: list[bytes]) -> list[str] | None:
    """What the strings among the pieces say; None where they, or what stands between them, are no JSON."""
    strings = [piece for piece in pieces if piece[:1] == b'"']
    between = b" ".join(piece for piece in pieces if piece[:1] != b'"')
    if BETWEEN_STRINGS.fullmatch(between) is None:
        return None
    try:
        texts: list[str] = orjson.loads(b"[" + b",".join(strings) + b"]")
    except orjson.JSONDecodeError:
        return None
    return texts


def _rest_of_string(data: bytes) -> bytes:
    found = REST_OF_STRING.match(data)
    return found[0] if found else b""


def _is_open(piece: bytes) -> bool:
    """Whether it is a string without its end."""
    return piece[:1] == b'"' and CLOSED.fullmatch(piece) is None


def _written(text: str) -> bytes:
    try:
        return orjson.dumps(text)
    except TypeError:  # halves of characters, which only escapes can say
        return json.dumps(text).encode()
