"""Names that are safe in a zip and in a folder, whatever a path in the archive looks like."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import PurePosixPath

FORBIDDEN = re.compile(r'[\x00-\x1f\x7f<>:"|?*\ud800-\udfff]')
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)
LONGEST = 200
"""Bytes in one part of a path; file systems take 255, and a name may yet get a number."""


def _short(part: str) -> str:
    encoded = part.encode()
    if len(encoded) <= LONGEST:
        return part
    mark = sha256(encoded).hexdigest()[:8]
    suffix = PurePosixPath(part).suffix[:16]
    return encoded[: LONGEST - 40].decode("utf-8", "ignore") + "~" + mark + suffix


def _safe_part(part: str) -> str:
    part = FORBIDDEN.sub("_", part)
    if part[-1] in ". ":  # Windows drops them, and two names become one
        part = part[:-1] + "_"
    return _short("_" + part if RESERVED.match(part) else part)


def safe_name(path: str) -> str:
    """A relative path that stays inside the folder it is unpacked in. Ordinary paths are unchanged.

    >>> safe_name("projects/-home-ana-app/0f1e.jsonl")
    'projects/-home-ana-app/0f1e.jsonl'
    >>> safe_name("../../etc/passwd")
    'etc/passwd'
    """
    parts = [part for part in re.split(r"[/\\]", path) if part not in ("", ".", "..")]
    return "/".join(_safe_part(part) for part in parts) or "unnamed"


class UniqueNames:
    """Gives each path a safe name that no other path got, also where case does not count."""

    def __init__(self) -> None:
        self._taken: set[bytes] = set()

    def _take(self, name: str) -> bool:
        key = sha256(name.casefold().encode()).digest()[:16]  # however long the name is
        if key in self._taken:
            return False
        self._taken.add(key)
        return True

    def give(self, path: str) -> str:
        """The safe name of this path; the second of two that would meet is numbered."""
        name = candidate = safe_name(path)
        stem, suffix = name.removesuffix(PurePosixPath(name).suffix), PurePosixPath(name).suffix
        number = 2
        while not self._take(candidate):
            candidate = f"{stem}~{number}{suffix}"
            number += 1
        return candidate
