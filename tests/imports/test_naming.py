"""Names that people and browsers give, and what is kept of them."""

import pytest

from archive.errors import BadInput
from imports.naming import NAME_LIMIT, check_extension, clean_name


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("talk.jsonl", "talk.jsonl"),
        ("projects/-home-ada/s.jsonl", "projects/-home-ada/s.jsonl"),
        ("../../etc/passwd.json", "etc/passwd.json"),
        ("/absolute/s.jsonl", "absolute/s.jsonl"),
        ("C:\\Users\\ada\\s.jsonl", "Users/ada/s.jsonl"),
        ("a\x00b\x1b[31m\r\n.jsonl", "ab[31m.jsonl"),
        ("safe\u202elnosj.exe.jsonl", "safelnosj.exe.jsonl"),
        ("e\u0301tude.jsonl", "étude.jsonl"),
        ("a//./b.jsonl", "a/b.jsonl"),
        ("", "unnamed"),
        ("..", "unnamed"),
        ("x" * 300 + ".jsonl", "x" * 249 + ".jsonl"),
    ],
)
def test_a_name_is_cleaned(given, kept):
    assert clean_name(given) == kept


def test_a_path_that_is_too_long_keeps_its_end():
    kept = clean_name("/".join(["folder" * 20] * 20) + "/s.jsonl")
    assert len(kept) <= NAME_LIMIT
    assert kept.endswith("/s.jsonl")


@pytest.mark.parametrize("name", ["a.jsonl", "A.JSONL", "b.zip", "c.ndjson", "d.json", "e.txt", "f.log"])
def test_our_kinds_of_files_are_taken(name):
    check_extension(name)


@pytest.mark.parametrize("name", ["a.exe", "jsonl", "a.jsonl.gz", "a.", ".jsonl", "a.html"])
def test_other_kinds_are_refused(name):
    with pytest.raises(BadInput) as refused:
        check_extension(name)
    assert (refused.value.code, ".jsonl" in refused.value.hint) == ("wrong_type", True)
