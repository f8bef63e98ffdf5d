"""Markdown of strangers, as HTML that can do nothing. Pure.

Two fences, each enough by itself: markdown-it-py makes no HTML out of HTML (``html=False``), and
nh3 keeps only the tags and addresses named here. The site's CSP is the third.
"""

import nh3
from markdown_it import MarkdownIt

LONGEST = 64 * 1024
TAGS = {
    *("p", "br", "hr", "em", "strong", "s", "code", "pre", "blockquote", "a"),
    *("ul", "ol", "li", "h1", "h2", "h3", "h4", "h5", "h6"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}}
SCHEMES = {"http", "https", "mailto"}

# Images are left out: a transcript's image address would tell its author who reads it, and when.
_markdown = (
    MarkdownIt("commonmark", {"html": False, "breaks": True, "maxNesting": 20})
    .enable(["table", "strikethrough"])
    .disable(["image"])
)
_cleaner = nh3.Cleaner(
    tags=TAGS,
    attributes=ATTRIBUTES,
    url_schemes=SCHEMES,
    link_rel="noopener noreferrer nofollow",
    url_relative="deny",
)


class Html(str):
    """Text that is safe HTML already; templates print it as it is."""

    __slots__ = ()

    def __html__(self) -> str:
        return str(self)


def to_html(text: str) -> Html:
    """Markdown as safe HTML. Line breaks stay; scripts, styles, images and local links do not."""
    encodable = text.encode("utf-8", "replace").decode()
    return Html(_cleaner.clean(_markdown.render(encodable)))
