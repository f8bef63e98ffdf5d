"""What of a message's text was thought and not said. Pure.

The archive keeps both in one text, as the blocks of the record stand, so that search finds them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from exports.renderers.parts import Part

BREAKS = "\r\n"
_BREAKS = re.compile(f"[{BREAKS}]*")


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a text; ``before`` is the one that it follows."""

    is_thought: bool
    text: str
    before: str = ""


def spans_of(text: str, parts: Iterable[Part]) -> list[Span]:
    """The text in spans that put together are the text; at least one. Thoughts begin and end with lines.

    Where the text (which may be cut off) is not what the parts say one after the other, all of it was said.
    """
    spans, at = [], 0
    for start, end in _thoughts(text, [part for part in parts if part.text.strip(BREAKS)]):
        if at < start:
            spans.append(Span(False, text[at:start]))
        spans.append(
            Span(True, text[start:end], spans[-1].text if spans and not spans[-1].is_thought else "")
        )
        at = end
    return [*spans, Span(False, text[at:])] if at < len(text) or not spans else spans


def _thoughts(text: str, parts: list[Part]) -> list[tuple[int, int]]:
    """Where thoughts begin and end, with the breaks behind them; none where the parts are not the text."""
    if not any(part.kind == "thinking" for part in parts):
        return []
    found = list(_places(text, [part for part in parts if part.kind in ("text", "thinking")]))
    is_known = all(
        start >= 0 and _is_at_line(text, start) and _is_at_line(text, end) for _, start, end in found
    )
    return [(start, end) for kind, start, end in found if kind == "thinking"] if is_known else []


def _places(text: str, parts: list[Part]) -> Iterator[tuple[str, int, int]]:
    """Where each part stands in the text, with the breaks behind it; -1 where it does not, and no more."""
    at = _behind_breaks(text, 0)
    for part in parts:
        said = part.text.strip(BREAKS)
        if at == len(text):
            return
        is_cut = len(text) - at < len(said)
        if not (said.startswith(text[at:]) if is_cut else text.startswith(said, at)):
            yield part.kind, -1, -1
            return
        end = _behind_breaks(text, at + len(said))
        yield part.kind, at, end
        at = end


def _behind_breaks(text: str, at: int) -> int:
    found = _BREAKS.match(text, at)
    return found.end() if found else at


def _is_at_line(text: str, at: int) -> bool:
    return at in (0, len(text)) or text[at - 1] == "\n"
