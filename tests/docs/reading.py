"""The documentation as data: pages, headings, links, code blocks, tables."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
EXAMPLE = re.compile(r"<!-- example: (\S+) -->\n```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@cache
def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def everything() -> str:
    """All pages, one after the other."""
    return "\n".join(text(page) for page in PAGES)


def page(name: str) -> str:
    return text(ROOT / name)


def prose(page: Path) -> str:
    """A page without its code blocks."""
    return FENCE.sub("", text(page))


def code(page: Path) -> str:
    """The code blocks and the inline code of a page."""
    blocks = [match[3] for match in FENCE.finditer(text(page))]
    return "\n".join([*blocks, *re.findall(r"`([^`\n]+)`", prose(page))])


def said(body: str) -> set[str]:
    """Everything that stands as inline code."""
    return set(re.findall(r"`([^`\n]+)`", FENCE.sub("", body)))


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives a page's headings."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        number = 1
        unique = slug
        while unique in found:
            unique, number = f"{slug}-{number}", number + 1
        found.add(unique)
    return found


@dataclass(frozen=True)
class Link:
    """A link of a page, within this project."""

    page: Path
    target: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)} -> {self.target}"

    @property
    def path(self) -> Path:
        name = self.target.partition("#")[0]
        return (self.page.parent / name).resolve() if name else self.page

    @property
    def anchor(self) -> str:
        return self.target.partition("#")[2]


def links() -> list[Link]:
    """Every relative link and image of every page."""
    found = [Link(page, target) for page in PAGES for target in LINK.findall(prose(page))]
    return [link for link in found if not re.match(r"[a-z]+:", link.target)]


def table_rows(body: str) -> Iterator[list[str]]:
    """The cells of every row of every table."""
    for line in FENCE.sub("", body).splitlines():
        if line.startswith("|") and not set(line) <= set("|-: "):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def examples() -> dict[str, str]:
    """The blocks of the API's page that are meant to be run."""
    return dict(EXAMPLE.findall(page("docs/api.md")))
