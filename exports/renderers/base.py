"""What every export format is made of, and what it is given to render."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

CHUNK_BYTES = 128 * 1024
"""Renderers hand out pieces of about this size: few writes, little memory."""

Document = Mapping[str, Any]


class SourceFile(Protocol):
    """An original file as the archive remembers it."""

    @property
    def id(self) -> Any: ...
    @property
    def path(self) -> str: ...
    @property
    def size(self) -> int: ...


class Material(Protocol):
    """What an export is made from. Each method may be called once and is read lazily."""

    def messages(self) -> Iterator[Document]:
        """Messages ordered by session id, then in the order of their files."""

    def sessions(self) -> Iterator[Document]:
        """Sessions ordered by session id; may name sessions without a message here."""

    def project(self, project_id: Any) -> Document:
        """``slug`` and ``path`` of a project; empty where it is not known. May be asked again and again."""

    def files(self) -> Iterator[SourceFile]:
        """Original files ordered by path."""

    def chunks(self, file: Any) -> Iterator[bytes]:
        """The exact bytes of one of ``files()``, in pieces."""

    def note(self, text: str) -> None:
        """Tell the person something about the result that they would not expect."""


@dataclass(frozen=True)
class Renderer:
    """One export format: what it is called, what it loses, and how its bytes are made."""

    name: str
    label: str
    description: str
    extension: str
    media_type: str
    needs: frozenset[str]
    """Which of ``messages``, ``sessions`` and ``files`` it reads."""
    loses: tuple[str, ...]
    render: Callable[[Material], Iterator[bytes]]

    def as_dict(self) -> dict[str, Any]:
        """The facts of the format, as plain values."""
        return {
            "name": self.name,
            "label": self.label,
            "description": self.description,
            "extension": self.extension,
            "mediaType": self.media_type,
            "loses": list(self.loses),
        }


def gather(pieces: Iterable[bytes], size: int = CHUNK_BYTES) -> Iterator[bytes]:
    """Join small pieces into chunks of at least ``size`` bytes; the last may be shorter.

    >>> list(gather([b"ab", b"c", b"d"], size=3))
    [b'abc', b'd']
    """
    held: list[bytes] = []
    length = 0
    for piece in pieces:
        held.append(piece)
        length += len(piece)
        if length >= size:
            yield b"".join(held)
            held, length = [], 0
    if held:
        yield b"".join(held)
