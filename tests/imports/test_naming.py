"""Names that people and browsers give, and what is kept of them."""

import re
import tarfile
from pathlib import Path

import pytest

from archive.errors import BadInput
from imports.naming import (
    LISTED_ENDINGS,
    NAME_LIMIT,
    PASSED_FOLDERS,
    TOOL_RESULTS,
    check_extension,
    clean_name,
    is_listed,
    sniff,
)
from tests.imports.containers import gzipped, streamed_zstd, tarred, zipped, zstded


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


@pytest.mark.parametrize(
    "name",
    [
        "a.jsonl",
        "A.JSONL",
        "b.zip",
        "c.ndjson",
        "d.json",
        "e.txt",
        "f.log",
        "g.jsonl.gz",
        "h.tar.zst",
        "i.TGZ",
        "j.csv",
        "k.md",
    ],
)
def test_our_kinds_of_files_are_taken(name):
    check_extension(name)


@pytest.mark.parametrize("name", ["a.exe", "jsonl", "a.jsonl.xz", "a.", ".jsonl", "a.html"])
def test_other_kinds_are_refused(name):
    with pytest.raises(BadInput) as refused:
        check_extension(name)
    assert (refused.value.code, ".jsonl" in refused.value.hint) == ("wrong_type", True)


@pytest.mark.parametrize(
    "path",
    [
        "a.jsonl", "x/a.JSON", "a.csv", "a.md", "a.markdown", "a.ndjson", "a.zip", "a.tar", "a.tgz", "a.tar.gz",
        "a.tar.zst", "a.jsonl.gz", "a.zst", "projects/-a/1/tool-results/x.txt", "tool-results/x.TXT",
    ],
)  # fmt: skip
def test_these_files_of_a_folder_are_looked_at(path):
    assert is_listed(path)


@pytest.mark.parametrize(
    "path",
    [
        "a.txt", "tool-results/x/a.txt", "a.log", "a.png", "jsonl", "a", "._a.jsonl", "x/._a.zip",
        "node_modules/a.json", "x/node_modules/y/a.json", ".git/a.json", "__MACOSX/a.jsonl",
    ],
)  # fmt: skip
def test_these_are_passed_over(path):
    assert not is_listed(path)


OLD_TAR = bytearray(tarred({"a.jsonl": b"{}"}, tarfile.USTAR_FORMAT))
OLD_TAR[257:265] = bytes(8)
OLD_TAR[148:156] = b"%06o\0 " % (sum(OLD_TAR[:148]) + sum(OLD_TAR[156:512]) + 256)


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (zipped({}), "zip"),
        (zipped({"a": b"x"}), "zip"),
        (gzipped(b"x"), "gzip"),
        (zstded(b"x"), "zstandard"),
        (streamed_zstd(b"x"), "zstandard"),
        (b"\x5e\x2a\x4d\x18\x00\x00\x00\x00", "zstandard"),
        (tarred({"a": b"x"}), "tar"),
        (tarred({"a" * 300: b"x"}, tarfile.GNU_FORMAT), "tar"),
        (bytes(OLD_TAR), "tar"),
        (bytes(OLD_TAR[:511]), "binary"),
        (bytes(1024), "binary"),
        (b"a" * 600, "text"),
        (b"", "text"),
        (b'{"a":1}\n', "json-lines"),
        (b"[1]", "json"),
    ],
)
def test_the_first_bytes_say_what_it_is(head, kind):
    assert sniff(head) == kind


def test_the_browser_sends_the_same_files_of_a_folder():
    page = (Path(__file__).parents[2] / "imports/static/imports/files.js").read_text()
    told = {
        name: re.findall(r'"([^"]+)"', value) for name, value in re.findall(r"const (\w+) = ([^;]+);", page)
    }
    assert tuple(told["LISTED_ENDINGS"]) == LISTED_ENDINGS
    assert tuple(told["PASSED_FOLDERS"]) == PASSED_FOLDERS
    assert told["TOOL_RESULTS"] == [TOOL_RESULTS]
