"""What a file may be called, and what its first bytes say it is. Pure."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePosixPath

from archive.errors import BadInput

CONTAINER_ENDINGS = (".zip", ".tar", ".tgz", ".gz", ".zst")
# What is looked at of a folder's and a container's files.
LISTED_ENDINGS = (".jsonl", ".ndjson", ".json", ".csv", ".md", ".markdown", *CONTAINER_ENDINGS)
TOOL_RESULTS = "tool-results"
# Claude Code's other files: in a project's folder, and beside all projects. (In other places such names may
# be anybody's.)
_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_IN_PROJECT = re.compile(
    rf"projects/(?:-|[A-Za-z]--)[^/]*/(?:.+/)?(?:{TOOL_RESULTS}/.+|memory/.+\.md|[^/]+\.meta\.json|sessions-index\.json)"
    rf"|projects/(?:.+/)?{_UUID}/(?:{TOOL_RESULTS}/.+|subagents/.+\.meta\.json)"
)
_BESIDE_PROJECTS = re.compile(
    rf"(?:.*/)?\.claude/((?:todos/[^/]+\.json|plans/[^/]+\.md|file-history/{_UUID}/[^/]+@v\d+))"
    rf"|(todos/{_UUID}[^/]*\.json|plans/[a-z]+(?:-[a-z0-9]+)+\.md|file-history/{_UUID}/[^/]+@v\d+)"
)
PASSED_FOLDERS = ("node_modules", ".git", "__MACOSX")
ACCEPTED_EXTENSIONS = (*LISTED_ENDINGS, ".txt", ".log")
ACCEPTED_WORDS = (
    "transcripts and exports (.jsonl, .ndjson, .json, .csv, .md, .markdown, .txt, .log) "
    "and containers of them (.zip, .tar, .tgz, .gz, .zst)"
)
NAME_LIMIT = 1024
SEGMENT_LIMIT = 255
HEAD_BYTES = 65_536

_MAGIC = (
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstandard"),
    *((bytes([first]) + b"\x2a\x4d\x18", "zstandard") for first in range(0x50, 0x60)),
)
_TAR_BLOCK, _TAR_SUM = 512, slice(148, 156)
_BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")


def clean_name(given: str) -> str:
    """Make a name that is safe to show and to keep as a relative path.

    Control and bidirectional-override characters, drive letters, empty, ``.`` and ``..`` segments
    go; backslashes count as separators. Never empty.
    """
    text = unicodedata.normalize("NFC", given.replace("\\", "/"))
    text = "".join(c for c in text if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co"))
    segments = [s.strip()[-SEGMENT_LIMIT:] for s in text.split("/")]
    kept = [s for s in segments if s not in ("", ".", "..") and not _is_drive(s)]
    return _shorten("/".join(kept)) or "unnamed"


def _is_drive(segment: str) -> bool:
    return len(segment) == 2 and segment[1] == ":"


def _shorten(path: str) -> str:
    """Drop leading folders until the path fits: its end says most."""
    while len(path) > NAME_LIMIT and "/" in path:
        path = path.split("/", 1)[1]
    return path[-NAME_LIMIT:]


def is_listed(path: str) -> bool:
    """Whether a file below a folder, or in a container, is looked at: its ending tells.

    >>> [is_listed(path) for path in ("a/b.JSONL.gz", "tool-results/x.txt", "notes.txt", ".git/a.json")]
    [True, True, False, False]
    """
    *folders, name = path.split("/")
    if name.startswith("._") or not set(PASSED_FOLDERS).isdisjoint(folders):
        return False
    lower = name.lower()
    if lower.endswith(LISTED_ENDINGS) or (lower.endswith(".txt") and folders[-1:] == [TOOL_RESULTS]):
        return True
    return beside_projects(path) != ""


def beside_projects(path: str) -> str:
    """The tree path of a file that Claude Code keeps beside its projects; "" for any other.

    >>> beside_projects("backup/.claude/plans/oil.md"), beside_projects("essays/plans/oil.md")
    ('plans/oil.md', '')
    """
    found = _BESIDE_PROJECTS.fullmatch(path)
    return (found.group(1) or found.group(2)) if found else ""


def is_side_file(tree_path: str) -> bool:
    """Whether a place in a tree is that of one of Claude Code's other files, which may hold anything.

    >>> is_side_file("projects/-home-ada/memory/MEMORY.md"), is_side_file("projects/notes/memory/MEMORY.md")
    (True, False)
    """
    return bool(_IN_PROJECT.fullmatch(tree_path) or _BESIDE_PROJECTS.fullmatch(f".claude/{tree_path}"))


def check_extension(name: str) -> None:
    """Refuse a name that cannot be one of our formats.

    :raises BadInput: ``wrong_type``, naming what is accepted.
    """
    if PurePosixPath(name.lower()).suffix in ACCEPTED_EXTENSIONS:
        return
    raise BadInput(
        f"“{name}” is not a kind of file that can be imported.",
        hint=f"Accepted are {ACCEPTED_WORDS}.",
        code="wrong_type",
    )


def sniff(head: bytes) -> str:
    """Say what they look like: zip, gzip, zstandard, tar, json-lines, json, text or
    binary. Needs 512 bytes for a tar, as many as there are for the others."""
    for magic, word in _MAGIC:
        if head.startswith(magic):
            return word
    if _is_tar(head):
        return "tar"
    if b"\x00" in head and not head.startswith(_BYTE_ORDER_MARKS[1:]):
        return "binary"
    return _kind_of_text(head)


def _is_tar(head: bytes) -> bool:
    """Whether its first block is a tar's header: the sum of its bytes stands in it. (Old ones have no magic
    number.)"""
    block = head[:_TAR_BLOCK]
    told = block[_TAR_SUM].strip(b"\0 ")
    if len(block) < _TAR_BLOCK or not told.isdigit() or told.strip(b"01234567"):
        return False
    return sum(block) - sum(block[_TAR_SUM]) + 8 * ord(" ") == int(told, 8)


def _kind_of_text(head: bytes) -> str:
    for mark in _BYTE_ORDER_MARKS:
        head = head.removeprefix(mark)
    text = head.replace(b"\x00", b"").lstrip()
    if text.startswith(b"["):
        return "json"
    if not text.startswith(b"{"):
        return "text"
    first_line = text.split(b"\n", 1)[0].rstrip()
    return "json-lines" if first_line.endswith(b"}") or b"\n" not in text else "json"
