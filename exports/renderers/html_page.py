"""The frame of a page that stands alone: its rules of safety, its look, its search. Pure.

The content policy lets exactly this style and this script work, by their hashes, and pictures that stand in
the page; nothing is loaded, sent or run besides, whatever the page holds.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from exports.renderers.base import Document
from exports.renderers.contents import Contents, Line, counted, facts_of, times_of
from exports.renderers.html_messages import clock
from exports.renderers.prose import shown

STYLE = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
SCRIPT = Path(__file__).with_name("page.js").read_text(encoding="utf-8")


def _source(text: str) -> str:
    """How a content policy names a text that may stand in the page."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"


POLICY = "; ".join(
    (
        "default-src 'none'",
        f"style-src {_source(STYLE)}",
        f"script-src {_source(SCRIPT)}",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
    )
)
SEARCH = (
    '<form class="search" id="search" role="search" hidden><label for="words">Search</label>'
    '<input type="search" id="words" autocomplete="off" spellcheck="false">'
    '<output id="found" for="words"></output>'
    '<button type="button" id="unfold">Unfold all</button></form>\n'
)


def text(value: str) -> str:
    """A text as it stands in HTML, in an attribute too."""
    return escape(shown(value))


def opening(title: str, skip: str, header: str) -> str:
    """The page from its beginning to its search. ``skip`` is where its first link leads, ``header`` what
    stands above the search, as HTML."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n<meta name="color-scheme" content="light dark">\n'
        f"<title>{text(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f'<a class="skip" href="#{skip}">Skip to the {skip}</a>\n<header>\n{header}</header>\n{SEARCH}'
    )


def closing(told: str) -> str:
    """The end of the page. ``told`` is a sentence on what it holds."""
    return (
        f"<footer><p>{text(told)} Times are UTC. Exported by ClaudeLens.</p></footer>\n"
        f"<script>{SCRIPT}</script>\n</body>\n</html>\n"
    )


def facts(session: Document, project: Mapping[str, Any]) -> str:
    """What is known of a conversation, as a list of terms."""
    told = {name: text(value) for name, value in facts_of(session, project).items()}
    if "Time" in told:
        told["Time"] = " – ".join(map(clock, times_of(session)))
    rows = "".join(f"<dt>{name}</dt><dd>{value}</dd>\n" for name, value in told.items())
    return f'<dl class="facts">\n{rows}</dl>\n' if rows else ""


def contents_list(contents: Contents) -> str:
    """All conversations, those that began last first. Memory: 300 bytes a conversation."""
    lines = "".join(map(_line, contents.newest_first()))
    return f'<ol class="contents">\n{lines}</ol>\n' if lines else "<p>There is no conversation in it.</p>\n"


def _line(line: Line) -> str:
    count = counted(line.messages, "message")
    began = clock(line.began) if line.began else ""
    about = " · ".join(each for each in (began, text(line.project), count) if each)
    return f'<li><a href="{text(line.address)}" dir="auto">{text(line.title)}</a> <span>{about}</span></li>\n'
