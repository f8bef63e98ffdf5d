"""What claude.ai wrote between tags into an answer's text in 2024: thoughts, and documents. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

LONGEST_OPENING = 4000
_OPENING = re.compile(r"<(antThinking|antArtifact)(?=[\s>])")
_TITLE = re.compile(r'\btitle="([^"]{0,300})"')


@dataclass(frozen=True, slots=True)
class Part:
    """Plain text (``tag`` ""), or what stood between tags, with the title that its tag gives."""

    text: str
    tag: str = ""
    title: str = ""


def split_tags(text: str) -> Iterator[Part]:
    """The text in parts, in their order; a tag that is not closed is plain text. Reads once."""
    at = 0
    unclosed: set[str] = set()
    for match in _OPENING.finditer(text):
        tag = match[1]
        if match.start() < at or tag in unclosed:
            continue
        begin = text.find(">", match.end(), match.end() + LONGEST_OPENING) + 1
        end = text.find(f"</{tag}>", begin) if begin else -1
        if end < 0:
            unclosed.add(tag)
            continue
        yield Part(text[at : match.start()])
        title = _TITLE.search(text, match.end(), begin)
        yield Part(text[begin:end].strip("\n"), tag, title[1] if title else "")
        at = end + len(f"</{tag}>")
    yield Part(text[at:])
