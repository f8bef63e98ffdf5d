"""The marks by which a Markdown transcript can be read back: comments that no reader sees and no text forges.

A mark is a line of its own, ``<!-- claudelens:message {…} -->``; what it says is JSON without the characters
that could end a comment. A line of somebody's text that looks like a mark gets a backslash before it.
"""

from __future__ import annotations

import re
from typing import Any

from markdown_it import MarkdownIt

from exports.renderers.values import encode

SPECIAL = re.compile(r"([\\`*_\[\]<>&~|#!$])")
LOOKS_LIKE_MARK = re.compile(r"^(\\*<!-- /?claudelens:)", re.MULTILINE)
FENCE = re.compile(r"^(`{3,}|~{3,})(.*)$", re.MULTILINE)
OPENS = re.compile(
    r"(?:^|\r)[ ]{0,3}(?:```|~~~|<(?:[!?]|script|pre|style|textarea))", re.MULTILINE | re.IGNORECASE
)
"""What may be left open: code between fences, and HTML that a blank line does not end."""
# What only a parser can tell: fences that stand in from the margin or in HTML, and the old Mac's line ends.
HARD = re.compile(r"^[ ]{1,3}(?:```|~~~)|^[ ]{0,3}<|\r(?!\n)", re.MULTILINE)
HTML_ENDS = (("<!--", "-->"), ("<?", "?>"), ("<![CDATA[", "]]>"), ("<!", ">"))
_blocks = MarkdownIt("commonmark", {"html": True})
_blocks.core.ruler.enableOnly(["normalize", "block"])


def mark(name: str, facts: dict[str, Any] | None = None) -> str:
    """One mark, with its line end.

    >>> mark("message", {"id": "-->"})
    '<!-- claudelens:message {"id":"-\\\\u002d\\\\u003e"} -->\\n'
    """
    told = encode(facts).decode() if facts is not None else ""
    told = told.replace("<", "\\u003c").replace(">", "\\u003e").replace("--", "-\\u002d")
    return f"<!-- claudelens:{name}{' ' if told else ''}{told} -->\n"


def end_mark(name: str) -> str:
    return f"<!-- /claudelens:{name} -->\n"


def escaped(text: str) -> str:
    r"""The text with a backslash before what looks like a mark at the start of a line.

    >>> escaped("a\n<!-- claudelens:message {} -->")
    'a\n\\<!-- claudelens:message {} -->'
    """
    return LOOKS_LIKE_MARK.sub(r"\\\1", text)


def closing(text: str) -> str:
    r"""The line that ends the code or the HTML that a text leaves open, "" where it leaves none: what follows
    would be taken for a part of it.

    >>> closing("```py\nx"), closing("<!-- a"), closing("- a\n  ```"), closing("```\nx\n```")
    ('```\n', '-->\n', '', '')
    """
    if not OPENS.search(text):
        return ""
    end = _html_or_code(text) if HARD.search(text) else _open_fence(text)
    return f"{end}\n" if end else ""


def _open_fence(text: str) -> str:
    """The fence that is left open, where all of them begin their lines."""
    opened = ""
    for fence, info in FENCE.findall(text):
        if not opened:
            opened = "" if fence[0] == "`" and "`" in info else fence
        elif fence.startswith(opened) and not info.strip():
            opened = ""
    return opened


def _html_or_code(text: str) -> str:
    """What ends the last block, if it would swallow a mark behind the text. (1 MB/s: not for all texts.)"""
    probe = mark("more")
    last = _blocks.parse(f"{text}\n{probe}")[-1]
    if last.type == "fence":
        return last.markup
    first = last.content.lstrip(" ")
    if last.type != "html_block" or first == probe:
        return ""
    end = next((end for start, end in HTML_ENDS if first.startswith(start)), "")
    tag = re.match(r"<(script|pre|style|textarea)", first, re.IGNORECASE)
    return end or (f"</{tag[1]}>" if tag else "")


def plain(text: str) -> str:
    r"""The text as Markdown that says just this.

    >>> print(plain("<b> a_b"))
    \<b\> a\_b
    """
    return SPECIAL.sub(r"\\\1", text)
