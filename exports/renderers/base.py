"""What every export format is made of, and what it is given to render."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from itertools import chain
from typing import Any, Protocol

from exports.choices import Choices
from exports.filters import BadFilter
from exports.shaping import Changes, shaped

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

    @property
    def changes(self) -> Changes:
        """What was masked in it and left out of it is counted here."""

    def messages(self, fields: Collection[str] = ()) -> Iterator[Document]:
        """Messages ordered by session id, then in the order of their files.

        ``fields`` names the stored fields that are needed; none named means all, which is much slower.
        Each message has ``sessionId`` and those of them that it has at all, and may have more.
        """

    def sessions(self) -> Iterator[Document]:
        """Sessions ordered by session id; may name sessions without a message here."""

    def calls(self) -> Iterator[Document]:
        """API responses, each once in the whole archive, in an order that does not change; money is
        ``Decimal``."""

    def project(self, project_id: Any) -> Document:
        """``slug`` and ``path`` of a project; empty where it is not known. May be asked again and again."""

    def files(self) -> Iterator[SourceFile]:
        """Original files ordered by path."""

    def file_name(self, path: str) -> str:
        """A safe name for a file of this path, unlike all that were given before."""

    def chunks(self, file: Any) -> Iterator[bytes]:
        """The exact bytes of one of ``files()``, in pieces."""

    def note(self, text: str) -> None:
        """Tell the person something about the result that they would not expect."""


def _no_head(choices: Choices) -> bytes:
    return b""


@dataclass(frozen=True)
class Framing:
    """How a document is put together, for formats whose parts can be made side by side: ``head``, the bodies
    of one span of sessions after the other with ``separator`` between those that have bytes, ``tail``."""

    body: Callable[[Material, Choices], Iterable[bytes]]
    head: Callable[[Choices], bytes] = _no_head
    separator: bytes = b""
    tail: bytes = b""

    def render(self, material: Material, choices: Choices) -> Iterator[bytes]:
        """The whole document at once. Memory: one message and one chunk."""
        return gather(chain([self.head(choices)], self.body(material, choices), [self.tail]))


@dataclass(frozen=True)
class Renderer:
    """One export format: what it is called, what it loses, and how its bytes are made."""

    name: str
    label: str
    description: str
    extension: str
    media_type: str
    needs: frozenset[str]
    """Which of ``messages``, ``sessions``, ``calls`` and ``files`` it reads."""
    loses: tuple[str, ...]
    render: Callable[[Material, Choices], Iterator[bytes]]
    takes: frozenset[str] = frozenset()
    """Which of the choices (by their names in the API) mean anything to it, beside those of every format."""
    rows: tuple[str, ...] = ()
    """What its rows can be, the first as a rule."""
    layouts: tuple[str, ...] = ("one",)
    """How it can be laid out, the first as a rule."""
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The columns that can be chosen, for each kind of rows."""
    packs_itself: str = ""
    """Why packing the file once more is refused, in words; empty where it is not."""
    streams: bool = False
    """Whether it is made straight to a client: text that is of use as it comes."""
    end_line: Callable[[int], bytes] | None = None
    """What can be put behind so many messages to say that they are all; for formats that have no end."""
    version: int = 1
    """Raised whenever readers of the format have to know that it changed."""
    framing: Framing | None = None
    """How a document of messages is put together, where several processes may make it."""
    library: str = ""
    """The package of PyPI that it is made with, where that is not among this product's own requirements."""

    def __post_init__(self) -> None:
        # Whoever renders: nothing that was to be masked or left out comes as far as a format.
        object.__setattr__(self, "render", partial(_render_shaped, self.render))

    @property
    def is_available(self) -> bool:
        """Whether what it is made with is installed here."""
        return not self.library or find_spec(self.library) is not None

    def rows_of(self, choices: Choices) -> str:
        """The rows that were chosen, or its own; "" where it has no such choice."""
        return choices.rows or (self.rows[0] if self.rows else "")

    def extension_of(self, choices: Choices) -> str:
        """How the file's name ends before it is packed."""
        return ".zip" if self.layout_of(choices) == "each" else self.extension

    def media_type_of(self, choices: Choices) -> str:
        """What the file is before it is packed."""
        return "application/zip" if self.layout_of(choices) == "each" else self.media_type

    def why_not_packed(self, choices: Choices) -> str:
        """Why packing the file once more is refused, in words; empty where it is not."""
        return self.packs_itself or ("its zip is packed" if self.layout_of(choices) == "each" else "")

    def layout_of(self, choices: Choices) -> str:
        """The layout that was chosen, or its own."""
        return choices.layout or self.layouts[0]

    def as_dict(self) -> dict[str, Any]:
        """The facts of the format, as plain values."""
        return {
            "name": self.name,
            "label": self.label,
            "description": self.description,
            "extension": self.extension,
            "mediaType": self.media_type,
            "loses": list(self.loses),
            "takes": sorted(self.takes),
            "rows": list(self.rows),
            "layouts": list(self.layouts),
            "columns": {rows: list(names) for rows, names in self.columns.items()},
            "packsItself": self.packs_itself,
            "available": self.is_available,
            "streams": self.streams,
        }


def _render_shaped(
    render: Callable[[Material, Choices], Iterator[bytes]], material: Material, choices: Choices
) -> Iterator[bytes]:
    return render(shaped(material, choices), choices)


EVERYWHERE = frozenset({"compression", "level", "split", "without", "redact", "patterns"})
"""Choices that mean the same to every format."""


EVERY_COLUMN, OWN_COLUMNS = "all", "default"
"""Words among the columns for all that there are, and for those that are taken where none is named."""


def refuse_choices(renderer: Renderer, choices: Choices) -> None:
    """Raise BadFilter for a choice that means nothing to this format, or a format that is not installed."""
    _refuse_unavailable(renderer)
    _refuse_unknown(renderer, choices)
    _refuse_columns(renderer, choices)
    if choices.without and "files" in renderer.needs:
        raise BadFilter(
            "without",
            f"{renderer.name} gives whole files back; nothing can be left out of them.",
            hint="Choose another format, or mask what is private with redact.",
        )
    if choices.compression != "none" and (reason := renderer.why_not_packed(choices)):
        raise BadFilter(
            "compression",
            f"{renderer.name} is not packed once more: {reason}.",
            hint="Leave compression out.",
        )


def _refuse_unavailable(renderer: Renderer) -> None:
    if not renderer.is_available:
        raise BadFilter(
            "format",
            f"{renderer.name} is made with {renderer.library}, which is not installed on this server.",
            hint=f"pip install {renderer.library}",
        )


def _refuse_unknown(renderer: Renderer, choices: Choices) -> None:
    for word in choices.to_dict():
        if word not in EVERYWHERE | renderer.takes:
            raise BadFilter(word, f"{renderer.name} has no such choice.", hint="Leave it out.")
    for word, value, known in (
        ("rows", choices.rows, renderer.rows),
        ("layout", choices.layout, renderer.layouts),
    ):
        if value and value not in known:
            hint = f"Known are: {', '.join(known)}."
            raise BadFilter(word, f"{renderer.name} has no {value!r}.", hint=hint)


def _refuse_columns(renderer: Renderer, choices: Choices) -> None:
    rows = renderer.rows_of(choices)
    known = renderer.columns.get(rows, ())
    for name in choices.columns if known else ():
        if name not in (*known, EVERY_COLUMN, OWN_COLUMNS):
            raise BadFilter(
                "columns", f"{rows} have no column {name[:60]!r}.", hint=f"Known are: {', '.join(known)}."
            )


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
