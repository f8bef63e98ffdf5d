"""The pictures of a Markdown export: named in words, or files beside the texts. Pure."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from hashlib import sha256
from types import TracebackType
from typing import Protocol, Self

from exports.renderers.base import CHUNK_BYTES
from exports.renderers.parts import Image, Part
from exports.renderers.zips import Member

FOLDER = "images"
HELD_BYTES = 1_000_000
"""As many bytes of pictures wait in memory; more of them on the disk."""


class Pictures(Protocol):
    """How a text speaks of a picture."""

    def refer(self, part: Part, message_id: str) -> str:
        """What stands in the text in its place, as a paragraph."""


class Named:
    """Pictures are named: a document alone has no place for them."""

    def refer(self, part: Part, message_id: str) -> str:
        return f"*{part.title}: kept with message {message_id}*\n\n"


class Filed:
    """Pictures become files, each once in the whole export, and texts link to them.

    What a text refers to waits, outside of memory, until the text is written (``members``). Memory: 1 MB, and
    100 bytes a picture.
    """

    def __init__(self) -> None:
        self._seen: set[bytes] = set()
        self._waiting: list[tuple[str, int]] = []
        self._file = tempfile.SpooledTemporaryFile(max_size=HELD_BYTES)  # noqa: SIM115  (closed by __exit__)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def refer(self, part: Part, message_id: str) -> str:
        if part.image is None:
            return Named().refer(part, message_id)
        return f"![{part.title}](../{self._keep(part.image)})\n\n"

    def _keep(self, image: Image) -> str:
        digest = sha256(image.data)
        name = f"{FOLDER}/{digest.hexdigest()[:32]}.{image.ending}"
        if digest.digest() not in self._seen:
            self._seen.add(digest.digest())
            self._waiting.append((name, len(image.data)))
            self._file.write(image.data)
        return name

    def members(self) -> Iterator[Member]:
        """The pictures that wait, in their order. They wait no longer."""
        self._file.seek(0)
        for name, size in self._waiting:
            yield name, self._pieces(size)
        self._waiting.clear()
        self._file.seek(0)
        self._file.truncate()

    def _pieces(self, size: int) -> Iterator[bytes]:
        for start in range(0, size, CHUNK_BYTES):
            yield self._file.read(min(CHUNK_BYTES, size - start))
