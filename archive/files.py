"""The files that came in: what is known of each, and their bytes given back."""

import re
from collections.abc import Collection, Container, Iterator
from dataclasses import dataclass, field
from heapq import merge
from typing import Any

from bson.objectid import ObjectId

from archive import connection, grouping
from archive.choosing import Wanted, message_queries
from archive.collections import COPIES, FILES, REJECTED, SESSIONS, VERSIONS
from archive.connection import Document
from archive.filters import MessageFilter, Query
from archive.reader import find_by_ids
from archive.records import NOT_KEPT, place_of, raw_bytes
from archive.scanning import Scan

# Raised whenever reading a file's lines may give other messages than before: files are then read again whole.
PARSER_VERSION = 1
COPY_LOOKUP = 500
FLUSH_BYTES = 256 * 1024
FETCH = 200


@dataclass(slots=True)
class SourceFile:
    """A file as it came in.

    ``size`` and ``sha256`` tell of the whole file once it is ``complete``. ``held_size`` and ``held_sha256``
    tell of the part up to the end of the last whole record: a longer file that begins with it is the same
    file grown. ``layout`` tells how its chunks follow each other: as "lines", or as "spans" of one document;
    or that the file itself is not kept. ``copies`` are the other places where the very same bytes were seen.
    ``is_new`` when the archive did not hold it as it was looked for.
    """

    id: ObjectId
    path: str
    source: str = "claude-code"
    size: int = 0
    sha256: str = ""
    held_size: int = 0
    held_sha256: str = ""
    lines: int = 0
    records: int = 0
    rejected: int = 0
    complete: bool = False
    layout: str = "lines"
    line_end: str = "\n"
    final_newline: bool = True
    tail: bytes = b""
    parser: int = PARSER_VERSION
    cursor: dict[str, Any] = field(default_factory=dict)
    context: dict[str, Any] = field(default_factory=dict)
    copies: list[dict[str, Any]] = field(default_factory=list)
    is_new: bool = False

    @property
    def can_skip(self) -> bool:
        """Whether what is held of this file need not be read again."""
        return self.rejected == 0 and self.parser == PARSER_VERSION


_FIELDS = {
    "path": "path", "source": "source", "size": "size", "sha256": "sha256", "copies": "copies",
    "heldSize": "held_size", "heldSha256": "held_sha256", "complete": "complete", "lines": "lines",
    "records": "records", "rejected": "rejected", "lineEnd": "line_end", "tail": "tail",
    "finalNewline": "final_newline", "parser": "parser", "cursor": "cursor", "context": "context",
    "layout": "layout",
}  # fmt: skip


def from_document(document: Document) -> SourceFile:
    known = {ours: document[stored] for stored, ours in _FIELDS.items() if stored in document}
    return SourceFile(id=document["_id"], **known)


def files_at(paths: Collection[str]) -> dict[str, list[SourceFile]]:
    """For each path the files held under it: the one of that name, and the later ones that were other files.
    One query."""
    if not paths:
        return {}
    patterns = [re.compile("^{}(~[0-9]+)?{}$".format(*map(re.escape, _split(path)))) for path in paths]
    with connection.translated():
        documents = connection.collection(FILES).find({"path": {"$in": patterns}})
        found = [from_document(each) for each in documents]
    return {path: [each for each in found if is_named(each.path, path)] for path in paths}


def is_named(name: str, path: str) -> bool:
    """Whether ``name`` is what a file of this path is called, or would be where others have taken the path.

    >>> [is_named(name, "a/b.jsonl") for name in ("a/b.jsonl", "a/b~2.jsonl", "a/bc.jsonl", "b.jsonl")]
    [True, True, False, False]
    """
    if name == path:
        return True
    stem, ending = _split(path)
    if not (name.startswith(stem) and name.endswith(ending)):
        return False
    number = name[len(stem) : len(name) - len(ending)]
    return number[:1] == "~" and number[1:].isdecimal()


def _split(path: str) -> tuple[str, str]:
    """A path before and from the dot of its file's ending.

    >>> _split("projects/-a.b/c.jsonl"), _split("projects/-a.b/c"), _split("a/.env")
    (('projects/-a.b/c', '.jsonl'), ('projects/-a.b/c', ''), ('a/.env', ''))
    """
    dot = path.rfind(".", path.rfind("/") + 2)
    return (path, "") if dot < 0 or path.endswith(".") else (path[:dot], path[dot:])


def known_sizes(sizes: Collection[int]) -> set[int]:
    """Those of these sizes that files have which were taken in: one of exactly that size may be the same. One
    query."""
    if not sizes:
        return set()
    with connection.translated():
        return set(connection.collection(FILES).distinct("size", {"size": {"$in": sorted(sizes)}}))


def whole_file(size: int, sha256: str) -> SourceFile | None:
    """The file that holds exactly these bytes."""
    query = {"size": size, "sha256": sha256, "complete": True}
    with connection.translated():
        found = connection.collection(FILES).find_one(query, sort=[("path", 1)])
    return from_document(found) if found else None


def new_file(path: str, source: str, taken: Container[str] = ()) -> SourceFile:
    """A file to be, under ``path`` or under ``name~2.ext``, ``name~3.ext`` … where that is ``taken``. The
    archive learns of it with the first batch that holds some of it."""
    stem, ending = _split(path)
    name, number = path, 1
    while name in taken:
        number += 1
        name = f"{stem}~{number}{ending}"
    return SourceFile(ObjectId(), name, source, is_new=True)


def get_file(file_id: ObjectId) -> SourceFile | None:
    with connection.translated():
        found = connection.collection(FILES).find_one({"_id": file_id})
    return from_document(found) if found else None


def find_files(
    message_filter: MessageFilter, *, kept: bool = False, behind: str = ""
) -> Iterator[SourceFile]:
    """The files that hold any message the filter fits, by path; with ``kept`` those alone that can be given
    back, which is always done whole; with ``behind`` those alone whose path comes after it.

    A message that stands in several files counts for the one it came with first, unless nothing but whole
    projects, sessions and sources is asked for: then files that hold nothing but copies of theirs come too.
    """
    wanted: Document = {"size": {"$gt": 0}}
    if message_filter != MessageFilter():
        wanted["_id"] = {"$in": sorted(_files_of(message_filter))}
    if behind:
        wanted["path"] = {"$gt": behind}
    if kept:
        wanted["layout"] = {"$ne": NOT_KEPT}
    with connection.translated():
        for document in connection.collection(FILES).find(wanted).sort("path", 1):
            yield from_document(document)


def _files_of(message_filter: MessageFilter) -> set[ObjectId]:
    held: set[ObjectId] = set()
    held.update(grouping.distinct_values(message_filter, "fileId"))
    for query in message_queries(message_filter):
        with connection.translated():
            if set(query) <= {"sessionId", "projectId", "source"}:
                held.update(_listed_files(query))
    return held


def _listed_files(query: Query) -> Iterator[ObjectId]:
    """Those of the sessions' own lists, which also know the files that hold nothing but copies."""
    by_id = {"_id" if name == "sessionId" else name: value for name, value in query.items()}
    for session in connection.collection(SESSIONS).find(by_id, {"fileIds": 1}):
        yield from session["fileIds"]


@dataclass(slots=True, order=True)
class Chunk:
    """One chunk of a file, in the order of the file; ``raw`` None means: as ``record`` encodes. The file's
    own line end follows a plain chunk; others hold all of theirs but the newline."""

    seq: int
    part: int
    raw: bytes | None = field(compare=False)
    record: Any = field(compare=False, default=None)
    is_plain: bool = field(compare=False, default=False)

    @property
    def body(self) -> bytes:
        return raw_bytes(self.record) if self.raw is None else self.raw


def original_line(message: Document) -> bytes:
    """The exact bytes of one message's record, without the line end. (An object that holds other records has
    no bytes of its own: its compact form.)"""
    raw: bytes | None = message.get("raw")
    return (raw or b"")[message.get("lead", 0) :] or raw_bytes(message["record"])


def file_chunks(file_id: ObjectId) -> Iterator[bytes]:
    """The exact bytes of a file, in pieces of about 256 KiB. Memory does not grow with the file.

    Raises ``LookupError`` when there is no such file, or it is not kept.
    """
    source = get_file(file_id)
    if source is None or source.layout == NOT_KEPT:
        raise LookupError(f"no file {file_id}")
    buffer = bytearray()
    for piece in put_together(source, _chunks_of(file_id)):
        buffer += piece
        if len(buffer) >= FLUSH_BYTES:
            yield bytes(buffer)
            buffer.clear()
    if buffer:
        yield bytes(buffer)


def put_together(source: SourceFile, chunks: Iterator[Chunk]) -> Iterator[bytes]:
    """The bytes of a file that is made of these chunks, in many small pieces."""
    return _lines(source, chunks) if source.layout == "lines" else _spans(source, chunks)


def _lines(source: SourceFile, chunks: Iterator[Chunk]) -> Iterator[bytes]:
    """Chunks with the line ends between them; then what stands after the last record."""
    default_end = source.line_end.encode()
    line_end = b""
    last = -1
    for chunk in chunks:
        if chunk.seq != last and place_of(chunk.seq) == 0 and last >= 0:
            yield line_end
        yield chunk.body
        line_end = default_end if chunk.raw is None or chunk.is_plain else b"\n"
        last = chunk.seq
    if source.final_newline and last >= 0:
        yield line_end
    yield source.tail


def _spans(source: SourceFile, chunks: Iterator[Chunk]) -> Iterator[bytes]:
    """Chunks of one document, each with the comma before it; then what closes the document."""
    for chunk in chunks:
        if chunk.raw is None or chunk.is_plain:
            yield b","
        yield chunk.body
    yield source.tail


def _chunks_of(file_id: ObjectId) -> Iterator[Chunk]:
    """The chunks of messages (set aside or not), copies and rejected records, in the file's order."""
    fields = {"seq": 1, "record": 1, "raw": 1}
    versions = _in_order(VERSIONS, {"fileId": file_id}, fields)
    messages = _messages_of(file_id, {"fileId": 1, **fields})
    return merge(_chunked(messages), _chunked(versions), _copies_of(file_id), _rejected_of(file_id))


def _messages_of(file_id: ObjectId, fields: Document) -> Iterator[Document]:
    wanted = Wanted(MessageFilter(), {"fileId": file_id})
    return Scan(wanted, (("fileId", 1), ("seq", 1)), FETCH, fields).run()


def _chunked(messages: Iterator[Document]) -> Iterator[Chunk]:
    for each in messages:
        yield Chunk(each["seq"], 0, each.get("raw"), each.get("record"))


def _rejected_of(file_id: ObjectId) -> Iterator[Chunk]:
    query = {"fileId": file_id, "superseded": {"$ne": True}}
    for each in _in_order(REJECTED, query, {"seq": 1, "part": 1, "raw": 1}, by=("seq", "part")):
        yield Chunk(each["seq"], each["part"], each["raw"])


def _copies_of(file_id: ObjectId) -> Iterator[Chunk]:
    """Copies joined with the messages they are copies of, some hundred at a time."""
    waiting: list[Document] = []
    for each in _in_order(COPIES, {"fileId": file_id}, {"seq": 1, "messageId": 1, "raw": 1, "isPlain": 1}):
        waiting.append(each)
        if len(waiting) >= COPY_LOOKUP:
            yield from _joined(waiting)
            waiting = []
    yield from _joined(waiting)


def _joined(copies: list[Document]) -> Iterator[Chunk]:
    wanted = [each["messageId"] for each in copies if "raw" not in each]
    records = {key: each["record"] for key, each in find_by_ids(wanted).items()} if wanted else {}
    if len(records) < len(wanted):
        found = connection.collection(VERSIONS).find({"_id": {"$in": wanted}}, {"record": 1})
        records.update({each["_id"]: each["record"] for each in found})
    for each in copies:
        raw = each.get("raw")
        record = records[each["messageId"]] if raw is None else None
        yield Chunk(each["seq"], 0, raw, record, each.get("isPlain", False))


def _in_order(
    name: str, query: Document, fields: dict[str, int], by: tuple[str, ...] = ("seq",)
) -> Iterator[Document]:
    cursor = connection.collection(name).find(query, fields).sort([(key, 1) for key in by]).batch_size(FETCH)
    with connection.translated(), cursor:
        yield from cursor
