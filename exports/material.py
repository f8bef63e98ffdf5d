"""What the renderers read, taken from the archive and counted on its way through."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from archive import files, reader, sessions
from archive.errors import BadInput, NotFound
from archive.files import SourceFile
from archive.filters import MessageFilter

BATCH_SIZE = 200
"""Documents a fetch: larger wire batches cost time and memory (16 MB each at worst)."""
MOST_LISTED = 1000
"""Entries of any list in a manifest; the counts beside it are always exact."""


@dataclass
class BoundedList:
    """Keeps the first entries and counts all of them."""

    first: list[Any] = field(default_factory=list)
    total: int = 0

    def add(self, entry: Any) -> None:
        """Count it, and keep it while there is room."""
        self.total += 1
        if self.total <= MOST_LISTED:
            self.first.append(entry)


@dataclass
class ArchiveMaterial:
    """Implements ``renderers.base.Material`` from the archive, and is itself the job's ``Step``.

    Memory: one fetch of messages, or one chunk of a file.
    """

    filter: MessageFilter
    phase: str = "writing"
    message_count: int = 0
    session_count: int = 0
    file_count: int = 0
    bytes_done: int = 0
    notes: BoundedList = field(default_factory=BoundedList)
    copies: BoundedList = field(default_factory=BoundedList)
    damaged: BoundedList = field(default_factory=BoundedList)
    _projects: dict[Any, dict[str, Any]] = field(default_factory=dict, repr=False)

    @property
    def counts(self) -> dict[str, int]:
        """Whole numbers so far, in the words of the report."""
        told = {"messages": self.message_count, "sessions": self.session_count}
        return told | ({"files": self.file_count} if self.file_count else {})

    @property
    def records_done(self) -> int:
        """What the progress bar counts."""
        return self.message_count

    @property
    def is_empty(self) -> bool:
        """Nothing matched."""
        return not (self.message_count or self.file_count)

    def messages(self) -> Iterator[dict[str, Any]]:
        """One ordered pass over the messages, counting them and their sessions."""
        last = None
        for message in reader.scan_messages(self.filter, order="session", batch_size=BATCH_SIZE):
            if message["sessionId"] != last:
                last = message["sessionId"]
                self.session_count += 1
            self.message_count += 1
            yield message

    def sessions(self) -> Iterator[dict[str, Any]]:
        """The sessions that the filter can touch."""
        return sessions.find_sessions(self.filter)

    def project(self, project_id: Any) -> dict[str, Any]:
        """The names of a project; those of the last thousand are remembered."""
        if project_id not in self._projects:
            if len(self._projects) >= MOST_LISTED:
                self._projects.clear()
            self._projects[project_id] = _names_of(str(project_id))
        return self._projects[project_id]

    def files(self) -> Iterator[SourceFile]:
        """The original files, with what is known of their copies noted."""
        exported = set()
        for file in files.find_files(self.filter, kept=True):
            if file.copies:
                self.copies.add({"path": file.path, "copies": file.copies[:MOST_LISTED]})
            yield file
            exported.add(file.id)
            self.file_count += 1
            self.message_count += file.records
        # Whole files are exported: they can hold sessions that the filter does not name.
        everyone = sessions.find_sessions(MessageFilter())
        self.session_count = sum(not exported.isdisjoint(each["fileIds"]) for each in everyone)

    def chunks(self, file: SourceFile) -> Iterator[bytes]:
        """The bytes of the file as it was when this export saw it, checked against its hash.

        A transcript that grows meanwhile is cut at the size it had; the rest is the next export's.
        """
        left, digest = file.size, hashlib.sha256()
        for chunk in files.file_chunks(file.id):
            piece = chunk[:left]
            digest.update(piece)
            left -= len(piece)
            self.bytes_done += len(piece)
            yield piece
            if not left:
                break
        self._check(file, left, digest.hexdigest())

    def _check(self, file: SourceFile, missing: int, sha256: str) -> None:
        if missing or (file.sha256 and sha256 != file.sha256):
            self.damaged.add({"path": file.path, "missingBytes": missing, "sha256": sha256})

    def note(self, text: str) -> None:
        """Something for the manifest."""
        self.notes.add(text)


def _names_of(project_id: str) -> dict[str, Any]:
    try:
        known = sessions.get_project(project_id)
    except (BadInput, NotFound):
        return {}
    return {name: known[name] for name in ("slug", "path") if known.get(name)}
