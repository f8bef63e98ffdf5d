"""An HTML reader of the tests' own: what a page really holds, whatever the product believes."""

from html.parser import HTMLParser

ACTIVE_TAGS = {
    "script", "style", "iframe", "object", "embed", "svg", "math", "form", "base", "meta", "link",
    "video", "audio", "template", "input", "button", "img",
}  # fmt: skip


INLINE = {"a", "b", "em", "strong", "s", "code", "time"}


class Page(HTMLParser):
    """Tags with their attributes, and the text outside them."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.text += "" if tag in INLINE else " "
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag):
        self.text += "" if tag in INLINE else " "

    def handle_data(self, data):
        self.text += data

    def named(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def words(self) -> str:
        return " ".join(self.text.split())


def dangers(html: str) -> list[str]:
    """Whatever in a fragment could do something: active tags, handlers, styles, odd addresses."""
    found = []
    for tag, attributes in Page(html).tags:
        if tag in ACTIVE_TAGS:
            found.append(f"<{tag}>")
        for name, value in attributes.items():
            if name.startswith("on") or name in (
                "style",
                "srcdoc",
                "formaction",
                "ping",
                "id",
                "class",
            ):
                found.append(f"{tag} {name}={value}")
            if name in ("href", "src") and not value.startswith(("https://", "http://", "mailto:")):
                found.append(f"{tag} {name}={value}")
    return found
