"""Markdown of strangers, as HTML that can do nothing. Pure.

Two fences, each enough by itself: markdown-it-py makes no HTML out of HTML (``html=False``), and nh3 keeps
only the tags and addresses named here. The page's own content policy is the third. The reading pages have
the same fences (apps do not import each other); here headings are also put below the message's own.
"""

from __future__ import annotations

import re
from functools import cache
from html import escape

import nh3
from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore

TAGS = {
    *("p", "br", "hr", "em", "strong", "s", "code", "pre", "blockquote", "a"),
    *("ul", "ol", "li", "h1", "h2", "h3", "h4", "h5", "h6"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}}
DEEPEST = 20
"""Levels of lists and quotations in each other; a list is two. (The parser drops what lies deeper.)"""
SCHEMES = {"http", "https", "mailto"}
# What no HTML document may hold: other controls than blanks, halves of characters, what is no character.
_NO_CHARACTERS = "".join(chr(plane << 16 | low) for plane in range(17) for low in (0xFFFE, 0xFFFF))
NOT_IN_HTML = re.compile(f"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef{_NO_CHARACTERS}]")
COLOURS = re.compile("\x1b\\[[0-9;]*m")

_cleaner = nh3.Cleaner(
    tags=TAGS,
    attributes=ATTRIBUTES,
    url_schemes=SCHEMES,
    link_rel="noopener noreferrer nofollow",
    url_relative="deny",
)


def shown(text: str) -> str:
    """The text with what a document may not hold made visible, and without a terminal's colours.

    >>> shown("\\x1b[31mred\\x1b[0m \\x00")
    'red ␀'
    """
    return NOT_IN_HTML.sub(_picture, COLOURS.sub("", text))


def _picture(found: re.Match[str]) -> str:
    code = ord(found[0])
    return chr(0x2400 + code) if code < 0x20 else "\ufffd"


@cache
def _markdown(below: int) -> MarkdownIt:
    """A parser whose first headings have the level under ``below``. (Images are left out: the address of one
    would tell its author who reads it, and when.)"""

    def lower(state: StateCore) -> None:
        for token in state.tokens:
            if token.type in ("heading_open", "heading_close"):
                token.tag = f"h{min(6, int(token.tag[1]) + below)}"

    made = MarkdownIt("commonmark", {"html": False, "breaks": True, "maxNesting": DEEPEST})
    made.enable(["table", "strikethrough"]).disable(["image"])
    made.core.ruler.push("lower", lower)
    return made


def to_html(text: str, below: int) -> str:
    """Markdown as safe HTML, its headings below those of level ``below``. Line breaks stay; scripts, styles,
    images and local links do not. What is nested too deep to be laid out is shown as it was written."""
    parser, readable = _markdown(below), shown(text)
    tokens = parser.parse(readable)
    if any(token.nesting == 1 and token.level >= DEEPEST - 1 for token in tokens):
        return f"<pre>\n{escape(readable)}</pre>\n"
    cleaned: str = _cleaner.clean(parser.renderer.render(tokens, parser.options, {}))
    return cleaned
