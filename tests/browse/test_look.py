"""What can be checked of the look without eyes: contrast, and that nothing needs an inline rule."""

import re
from pathlib import Path

import pytest

from tests.browse.html_reader import Page

ROOT = Path(__file__).resolve().parents[2]
TOKENS = (ROOT / "browse/static/browse/tokens.css").read_text()
SHEET = (ROOT / "browse/static/browse/claudelens.css").read_text()
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))

READABLE = [
    *((ink, ground) for ink in ("ink", "ink-soft", "accent") for ground in ("bg", "surface", "sunken", "hover", "accent-wash")),
    ("on-accent", "accent"), ("on-accent", "accent-strong"), ("on-danger", "danger"),
    *((tone, f"{tone}-wash") for tone in ("ok", "warn", "danger", "info")),
    *((ink, f"{tone}-wash") for tone in ("ok", "warn", "danger", "info") for ink in ("ink", "ink-soft")),
    ("danger", "surface"), ("danger", "bg"), ("accent-strong", "surface"),
]  # fmt: skip
VISIBLE = [
    ("line-strong", "surface"),
    ("line-strong", "bg"),
    ("focus", "bg"),
    ("focus", "surface"),
    ("accent", "sunken"),
]


def colours(scheme):
    """The tokens' colours in one scheme: 0 light, 1 dark."""
    pairs = re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)", TOKENS)
    return {name: both[scheme] for name, *both in pairs}


def luminance(colour):
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("pairs", "least"), [(READABLE, 4.5), (VISIBLE, 3.0)], ids=["text", "outlines"])
def test_colours_can_be_told_apart(scheme, pairs, least):
    known = colours(scheme)

    faint = {pair: round(contrast(known[pair[0]], known[pair[1]]), 2) for pair in pairs}

    assert {pair: ratio for pair, ratio in faint.items() if ratio < least} == {}


def test_the_sheet_names_no_colour_of_its_own():
    assert re.findall(r"#[0-9a-fA-F]{3,8}\b", SHEET) == []


def test_every_token_that_is_used_exists():
    used = set(re.findall(r"var\(--([\w-]+)\)", SHEET)) - {"tone", "wash"}

    assert used <= set(re.findall(r"--([\w-]+):", TOKENS))


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_template_holds_inline_code(template):
    # Tags of the template language would hide attributes from an HTML reader.
    html = re.sub(r"{%.*?%}|{{.*?}}|{#.*?#}", "", template.read_text())

    for tag, attributes in Page(html).tags:
        assert "style" not in attributes, tag
        assert not [name for name in attributes if name.startswith("on")], tag
        assert tag != "style"
        assert tag != "script" or "src" in attributes or attributes.get("type") == "application/json"


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_rendered_markdown_is_trusted(template):
    assert not re.search(r"\|\s*safe\b|autoescape\s+off", template.read_text())


def test_the_admin_is_filled_from_the_same_tokens():
    admin = (ROOT / "browse/static/browse/admin.css").read_text()

    assert set(re.findall(r"#[0-9a-fA-F]{6}\b", admin)) == {colours(0)["accent"], colours(1)["accent"]}
