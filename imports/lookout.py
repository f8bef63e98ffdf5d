"""The files of an import, looked at some at a time before their turn.

What a file is has to be known, and what the archive holds of it, before its first byte is read as a record.
For thousands of small files the questions would take longer than the answers' use: many files are one.
"""

from collections.abc import Callable, Container, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

from archive.errors import BadInput, Unavailable
from archive.files import SourceFile
from archive.records import FileId
from imports.formats import CLAUDE_CODE, Choice, Detected, detect
from imports.messages import Context
from imports.readers.sources import Entry
from imports.recognise import Held, look_up

FILES_AT_ONCE, BYTES_AT_ONCE = 64, 4 * 1024 * 1024
Pending = Callable[[], dict[FileId, SourceFile]]


@dataclass(frozen=True, slots=True)
class Looked:
    """A file that was looked at: what it is, and what the archive holds that it may be."""

    entry: Entry
    found: Detected
    context: Context
    held: Held


class Lookout:
    """Looks at ``entries`` but those whose label is in ``passed``. ``pending`` tells the files whose last
    batch may not be committed yet.

    Memory is the beginnings of as many files as have 4 MiB together, of one file at least.
    """

    def __init__(
        self, entries: list[Entry], choice: Choice, passed: Container[str], pending: Pending
    ) -> None:
        self._entries = entries
        self._choice = choice
        self._passed = passed
        self._pending = pending
        self._looked: dict[int, Looked | BadInput] = {}
        self._since: dict[FileId, SourceFile] = {}

    def at(self, number: int) -> Looked:
        """What there is to know of the entry of that number, as the archive is by now. Raises ``BadInput``
        when the file has no format, or not the chosen one; ``Unavailable``."""
        if number not in self._looked:
            self._look(number)
        looked = self._looked.pop(number)
        if isinstance(looked, BadInput):
            raise looked
        return Looked(looked.entry, looked.found, looked.context, looked.held.after(self._since.values()))

    def ahead(self, number: int) -> None:
        """Look at what comes from that number on, unless it was looked at. What is wrong with a file is told
        in its turn."""
        first = next(self._following(number), None)
        if first is not None and first not in self._looked:
            with suppress(Unavailable):
                self._look(first)

    def left(self, file: SourceFile) -> None:
        """Say how a file is left that was read since others were looked at: they may be the same."""
        self._since[file.id] = file

    def _following(self, number: int) -> Iterator[int]:
        numbers = range(number, len(self._entries))
        return (each for each in numbers if self._entries[each].label not in self._passed)

    def _look(self, number: int) -> None:
        self._since, self._looked = self._pending(), {}
        found: dict[int, tuple[Detected, Context]] = {}
        for each in self._together(number):
            try:
                detected = detect(self._entries[each], self._choice)
            except BadInput as refusal:
                self._looked[each] = refusal
            else:
                found[each] = detected, detected.format.start(detected.sample, detected.match)
        held = look_up([(self._entries[each], path_of(*what)) for each, what in found.items()])
        for (each, what), there in zip(found.items(), held, strict=True):
            self._looked[each] = Looked(self._entries[each], *what, there)

    def _together(self, number: int) -> Iterator[int]:
        """Those that are looked at with one: small ones, and none that lies in another container, since that
        would have to be unpacked before its turn and again."""
        first, size = self._entries[number], 0
        for each in islice(self._following(number), FILES_AT_ONCE):
            entry = self._entries[each]
            size += entry.size
            if each > number and (size > BYTES_AT_ONCE or not _is_beside(entry, first)):
                return
            yield each


def path_of(found: Detected, context: Context) -> str:
    """Where a file lies in the archive: transcripts below ``projects/`` as under ``~/.claude``, all others in
    a folder named like their source (in which they are already when they come from an export)."""
    sample, folder = found.sample, f"{found.format.source}/"
    if found.format.source != CLAUDE_CODE.name:
        return folder + sample.inside.removeprefix(folder)
    return sample.tree_path or f"projects/{context.project.slug}/{sample.inside.rsplit('/', 1)[-1]}"


def _is_beside(entry: Entry, first: Entry) -> bool:
    if not first.layers:
        return not entry.layers
    return (entry.source, entry.layers[:-1]) == (first.source, first.layers[:-1])
