"""`html`: pages to be read and printed anywhere, without this program and without a network.

A zip with a table of contents and a page for each conversation, or all of them in one document.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from urllib.parse import quote

from exports.choices import Choices
from exports.renderers.base import Document, Material, Renderer, gather
from exports.renderers.contents import Contents, Counted, counted, title_of
from exports.renderers.conversations import conversations
from exports.renderers.html_messages import Place, thread
from exports.renderers.html_page import closing, contents_list, facts, opening, text
from exports.renderers.zips import Member, zipped

INDEX = "index.html"
TITLE = "Conversations"


def _encoded(pieces: Iterable[str]) -> Iterator[bytes]:
    """Bytes of the pieces; the halves of characters that are left in them become question marks."""
    return (piece.encode("utf-8", "replace") for piece in pieces)


# ------------------------------------------------------------------ a page for each


def _members(material: Material) -> Iterator[Member]:
    """Each conversation's page, and at last the table of contents, which is known only then."""
    contents = Contents()
    for session_id, session, messages in conversations(material):
        project = material.project(session.get("projectId"))
        name = contents.name(session_id, session, ".html")
        told = Counted(messages)
        header = f"{_head(session_id, session, 1)}{facts(session, project)}"
        yield name, gather(_encoded(_page(title_of(session_id, session), header, told)))
        contents.add(quote(name), session_id, session, project, told.count)
    yield INDEX, gather(_encoded(_index(contents)))


def _head(session_id: str, session: Document, level: int) -> str:
    return f'<h{level} dir="auto">{text(title_of(session_id, session))}</h{level}>\n'


def _page(title: str, header: str, messages: Counted) -> Iterator[str]:
    back = f'<p class="back"><a href="../{INDEX}">All conversations</a></p>\n'
    yield opening(title, "messages", back + header)
    yield '<main class="conversation" id="messages">\n'
    yield from thread(messages, Place(level=2))
    yield "</main>\n"
    yield closing(f"{counted(messages.count, 'message')}.")


def _index(contents: Contents) -> Iterator[str]:
    yield opening(TITLE, "contents", f"<h1>{TITLE}</h1>\n")
    yield f'<main id="contents">\n{contents_list(contents)}</main>\n'
    yield closing(contents.summary)


# ------------------------------------------------------------------ one document


def _document(material: Material) -> Iterator[str]:
    """The contents are known last and stand last; the style shows them first, and so does the first link."""
    contents = Contents()
    yield opening(TITLE, "contents", f"<h1>{TITLE}</h1>\n")
    yield '<main class="conversations">\n'
    for number, (session_id, session, messages) in enumerate(conversations(material), 1):
        project = material.project(session.get("projectId"))
        told = Counted(messages)
        yield f'<section class="conversation" id="c{number}">\n<div class="head">\n'
        yield f"{_head(session_id, session, 2)}{facts(session, project)}</div>\n"
        yield from thread(told, Place(level=3, prefix=f"c{number}-"))
        yield "</section>\n"
        contents.add(f"#c{number}", session_id, session, project, told.count)
    yield f'</main>\n<nav id="contents" aria-label="Contents">\n{contents_list(contents)}</nav>\n'
    yield closing(contents.summary)


def render(material: Material, choices: Choices) -> Iterator[bytes]:
    """Pages in a zip, or one page. Memory: one message and one chunk, 800 bytes a conversation for the table
    of contents, and in a zip 1 KB for its directory."""
    if RENDERER.layout_of(choices) == "one":
        return gather(_encoded(_document(material)))
    return gather(zipped(_members(material)))


RENDERER = Renderer(
    name="html",
    label="Web pages, to be read and printed",
    description=(
        "A zip with a table of contents and a page for each conversation, or all in one page. They need "
        "neither this program nor a network, can be searched and printed, and run nothing of a transcript."
    ),
    extension=".html",
    media_type="text/html",
    needs=frozenset({"messages", "sessions"}),
    loses=(
        "It cannot be imported again: the original records, tokens and versions are not in it.",
        "Texts and thoughts beyond 65,536 characters; tools' inputs and outputs beyond 10,000.",
        "Pictures of more than 2,000,000 bytes, or of another type than PNG, JPEG, GIF and WebP.",
        "Of ChatGPT's messages all that is not said in words.",
        "The layout of the original files and the lines that could not be read.",
    ),
    render=render,
    takes=frozenset({"layout"}),
    layouts=("each", "one"),
)
