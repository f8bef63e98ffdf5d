"""Markdown from strangers: it looks right, and nothing in it can act."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from browse.prose import to_html
from tests.browse.html_reader import Page, dangers
from tests.browse.prose_samples import HOSTILE


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_markdown_is_inert(text):
    assert dangers(to_html(text)) == []


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from([*HOSTILE, "\n", "\n\n", "> ", "- ", "**", "`", "x"]), max_size=8))
def test_no_mixture_of_hostile_pieces_comes_alive(pieces):
    assert dangers(to_html("".join(pieces))) == []


def test_html_in_a_transcript_is_shown_as_text():
    assert Page(to_html("<b>bold</b> & <script>x</script>")).words == "<b>bold</b> & <script>x</script>"


def test_links_tell_their_target_nothing():
    (link,) = Page(to_html("[docs](https://docs.example/a?b=c)")).named("a")

    assert link["href"] == "https://docs.example/a?b=c"
    assert set(link["rel"].split()) == {"noopener", "noreferrer", "nofollow"}


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("**a** *b* ~~c~~ `d`", ["p", "strong", "em", "s", "code"]),
        ("```python\nx = 1\n```", ["pre", "code"]),
        ("- a\n- b", ["ul", "li", "li"]),
        ("3. a", ["ol", "li"]),
        ("> a", ["blockquote", "p"]),
        ("a\nb", ["p", "br"]),
        ("|a|\n|-|\n|b|", ["table", "thead", "tr", "th", "tbody", "tr", "td"]),
    ],
)
def test_markdown_looks_as_it_was_meant(text, tags):
    assert [tag for tag, _ in Page(to_html(text)).tags] == tags


def test_a_lone_surrogate_does_not_break_the_page():
    assert to_html("a\ud800b").encode()


@pytest.mark.timeout(20)
@pytest.mark.parametrize("piece", ["[", "*a ", "> ", "`", "- ", "[a](b", "<", "|a", "_a*", "a**b", "![]("])
def test_evil_repetition_ends(piece):
    to_html(piece * (64 * 1024 // len(piece)))
