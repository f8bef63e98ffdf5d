"""The marks by which a Markdown transcript can be read back: comments that no reader sees and no text forges.

A mark is a line of its own, ``<!-- claudelens:message {…} -->``; what it says is JSON without the characters
that could end a comment. A line of somebody's text that looks like a mark gets a backslash before it.
"""

from __future__ import annotations

import re
from typing import Any

from exports.renderers.values import encode

LOOKS_LIKE_MARK = re.compile(r"^(\\*<!-- /?claudelens:)", re.MULTILINE)
CUT_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})(.*)$", re.MULTILINE)


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


def open_fence(text: str) -> str:
    """The line that closes the code block that a text leaves open, "" where it leaves none."""
    opened = ""
    for fence, info in CUT_FENCE.findall(text):
        if not opened:
            opened = "" if fence[0] == "`" and "`" in info else fence
        elif fence.startswith(opened) and not info.strip():
            opened = ""
    return f"{opened}\n" if opened else ""
