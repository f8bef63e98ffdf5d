"""Files read without a database: into chunks as they would be stored, and back into bytes."""

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import bson
from bson.codec_options import CodecOptions

from archive.bulk import FileMark
from archive.files import Chunk, SourceFile, from_document, put_together
from archive.records import Message, Rejected, encode
from imports.formats import Choice, detect
from imports.normalise import Context, start_context
from imports.open_files import OpenFile
from imports.readers.lines import Cursor
from imports.reading import Limits

FILE_ID = bson.ObjectId("0" * 24)
MAX_RECORD = 15 * 1024 * 1024
AWARE: CodecOptions = CodecOptions(tz_aware=True)


@dataclass
class MemoryEntry:
    """An entry whose bytes are in memory."""

    data: bytes
    name: str = "session.jsonl"
    inside: str = "session.jsonl"
    tree_path: str = "projects/-home-ada-shop/session.jsonl"
    opened: list[int] = field(default_factory=list)

    exact_size = True

    @property
    def size(self) -> int:
        return len(self.data)

    @property
    def label(self) -> str:
        return self.name

    def open(self, offset: int = 0) -> io.BytesIO:
        self.opened.append(offset)
        stream = io.BytesIO(self.data)
        stream.seek(offset)
        return stream


def opened(data: bytes, file: SourceFile | None = None) -> OpenFile:
    """A file at its start, or where ``file`` was left."""
    entry = MemoryEntry(data)
    file = file or SourceFile(FILE_ID, entry.tree_path)
    made = OpenFile(entry, file, Cursor(), start_context(entry.tree_path, "", ""))
    if file.cursor:
        made.cursor = Cursor(**file.cursor)
        made.cursor.digest.update(data[: made.cursor.offset])
        made.context = Context.from_dict(file.context)
    return made


def opened_as(data: bytes, name: str = "conversations.json", wanted: str = "", **mapping: Any) -> OpenFile:
    """A file of any format at its start."""
    entry = MemoryEntry(data, name, name, "")
    found = detect(entry, Choice(wanted, mapping))
    context = found.format.start(found.sample, found.match)
    made = OpenFile(entry, SourceFile(FILE_ID, name), Cursor(), context)
    made.format, made.facts = found.format.name, found.match.facts
    return made


def read(source: OpenFile, max_record: int = MAX_RECORD) -> list[Message | Rejected]:
    return list(items(source, max_record))


def items(source: OpenFile, max_record: int) -> Iterator[Message | Rejected]:
    """One by one: the file's cursor stands behind each as it comes."""
    for piece in source.pieces("job", Limits(max_record, 1)):
        yield from piece.items


def chunk_of(item: Message | Rejected) -> Chunk:
    """The chunk as it comes back from the database."""
    if isinstance(item, Rejected):
        return Chunk(item.seq, item.part, item.raw)
    stored: dict[str, Any] = bson.decode(encode(item), AWARE)
    return Chunk(item.seq, 0, stored.get("raw"), stored.get("record"))


def kept(mark: FileMark) -> SourceFile:
    """What the archive would know of the file after this mark."""
    held = bson.decode(bson.encode({"_id": FILE_ID, "path": "p", **mark.held}), AWARE)
    return from_document(held)


def given_back(items: list[Message | Rejected], mark: FileMark) -> bytes:
    """The file's bytes, put together as an export does."""
    chunks = [chunk_of(item) for item in items]
    assert sorted(chunks) == chunks
    assert len({(each.seq, each.part) for each in chunks}) == len(chunks), "two chunks in one place"
    return b"".join(put_together(kept(mark), iter(chunks)))


def round_trip(data: bytes, max_record: int = MAX_RECORD) -> bytes:
    source = opened(data)
    return given_back(read(source, max_record), source.mark(is_done=True))


def seen(item: Message | Rejected) -> tuple[Any, ...]:
    """What must not depend on where reading was interrupted."""
    if isinstance(item, Rejected):
        return ("rejected", item.seq, item.part, item.code, item.start, item.end, item.raw)
    document = {k: v for k, v in bson.decode(encode(item)).items() if k != "importedAt"}
    return ("message", item.seq, item.end, item.key, document, item.title, item.is_prompt)
