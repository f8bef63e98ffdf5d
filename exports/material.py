"""What the renderers read, taken from the archive and counted on its way through."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import Any

from archive import call_reader, files, reader, sessions
from archive.errors import BadInput, NotFound
from archive.files import SourceFile
from archive.filters import MessageFilter
from archive.scanning import EVERYTHING, Span
from exports.renderers.names import UniqueNames
from exports.tallies import MOST_LISTED, Tally

BATCH_SIZE = 200
"""Documents a fetch: larger wire batches cost time and memory (16 MB each at worst)."""
NEVER_TOLD = ("importId", "importedAt", "crc32")
"""Fields that no format has: they are about this archive, not about the message."""
ORDER_FIELDS = ("sessionId", "fileId", "seq")


@dataclass
class ArchiveMaterial(Tally):
    """Implements ``renderers.base.Material`` from the archive, counting what it gives.

    It gives ``span`` of what the filter fits, and stops at the border of a message or file once ``is_full``;
    ``rest`` is then the span that goes on behind it. Memory: one fetch of messages, or one chunk of a file.
    """

    filter: MessageFilter
    span: Span = EVERYTHING
    is_full: Callable[[], bool] | None = None
    names: UniqueNames = field(default_factory=UniqueNames, repr=False)
    """Names of files that were given already, by the parts before too."""
    exported: set[Any] = field(default_factory=set, repr=False)
    """Ids of the files that are in the parts before."""
    rest: Span | None = None
    interruption: reader.Interruption | None = None
    """By which another thread can end the reading of messages."""
    _projects: dict[Any, dict[str, Any]] = field(default_factory=dict, repr=False)

    def messages(self, fields: Collection[str] = ()) -> Iterator[dict[str, Any]]:
        """One ordered pass over the messages, counting them and their sessions; of ``fields``, if any are
        named, only these are fetched."""
        begun, last = self.span.behind[:1], None
        for message in self._until_full(self._scan(fields)):
            if message["sessionId"] != last:
                last = message["sessionId"]
                self.session_count += 1
                self.continued += begun == (last,)
            self.message_count += 1
            yield message

    def _scan(self, fields: Collection[str]) -> Iterator[dict[str, Any]]:
        how: dict[str, Any] = {"span": self.span, "interruption": self.interruption}
        return reader.scan_messages(self.filter, batch_size=BATCH_SIZE, fields=_projection(fields), **how)

    def _until_full(self, messages: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        return messages if self.is_full is None else self._cut(messages, self.is_full)

    def _cut(
        self, messages: Iterator[dict[str, Any]], is_full: Callable[[], bool]
    ) -> Iterator[dict[str, Any]]:
        """The first message, however large, and more while there is room."""
        last: dict[str, Any] | None = None
        for message in messages:
            if last is not None and is_full():
                self.rest = replace(self.span, behind=tuple(last[name] for name in ORDER_FIELDS))
                return
            yield message
            last = message

    def sessions(self) -> Iterator[dict[str, Any]]:
        """The sessions that the filter can touch."""
        return sessions.find_sessions(self.filter, self.span)

    def calls(self) -> Iterator[dict[str, Any]]:
        """The API responses of the filter, counting them."""
        for call in call_reader.scan_calls(self.filter):
            self.call_count += 1
            yield call

    def project(self, project_id: Any) -> dict[str, Any]:
        """The names of a project; those of the last thousand are remembered."""
        if project_id not in self._projects:
            if len(self._projects) >= MOST_LISTED:
                self._projects.clear()
            self._projects[project_id] = _names_of(str(project_id))
        return self._projects[project_id]

    def file_name(self, path: str) -> str:
        """A safe name for the file, unlike all that this export gave."""
        return self.names.give(path)

    def files(self) -> Iterator[SourceFile]:
        """The original files, with what is known of their copies noted."""
        mine = set()
        for file in self._files():
            if file.copies:
                self.copies.add({"path": file.path, "copies": file.copies[:MOST_LISTED]})
            yield file
            mine.add(file.id)
            self.file_count += 1
            self.message_count += file.records
        # Whole files are exported: they can hold sessions that the filter does not name.
        self.session_count = _sessions_with(mine)
        self.continued = (
            self.session_count + _sessions_with(self.exported) - _sessions_with(mine | self.exported)
        )
        self.exported |= mine

    def _files(self) -> Iterator[SourceFile]:
        """The first file, however large, and more while there is room."""
        last = None
        for file in files.find_files(self.filter, kept=True, behind=self.span.behind_path):
            if last is not None and self.is_full is not None and self.is_full():
                self.rest = replace(self.span, behind_path=last)
                return
            yield file
            last = file.path

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


def _projection(fields: Collection[str]) -> dict[str, int]:
    """These fields and those that the order needs; without any, all that an export can tell of."""
    if not fields:
        return dict.fromkeys(NEVER_TOLD, 0)
    kept = dict.fromkeys((*ORDER_FIELDS, *fields), 1)
    return kept if "_id" in fields else {"_id": 0, **kept}


def _sessions_with(file_ids: AbstractSet[Any]) -> int:
    """How many sessions any of these files holds something of."""
    if not file_ids:
        return 0
    return sum(not file_ids.isdisjoint(each["fileIds"]) for each in sessions.find_sessions(MessageFilter()))


def _names_of(project_id: str) -> dict[str, Any]:
    try:
        known = sessions.get_project(project_id)
    except (BadInput, NotFound):
        return {}
    return {name: known[name] for name in ("slug", "path") if known.get(name)}
