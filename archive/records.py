"""Records as they stand in a file, and the messages made of them. Pure.

A file is a row of *chunks*, one for each record, in file order. A chunk is the record's bytes with any
blank lines before it; the line end after the last chunk of a line is implied. A chunk whose parsed form
re-encodes to the same bytes is kept parsed only; any other keeps its bytes as ``raw``. So the file comes
back byte for byte from the chunks of its messages and of its rejected records.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import bson
import orjson
from bson.errors import InvalidDocument
from bson.int64 import Int64
from bson.objectid import ObjectId

FileId = ObjectId

PLACES_PER_LINE = 1024
MAX_DEPTH = 100
MAX_INT64 = 2**63 - 1
# A document holds 16 MiB. A record this long keeps its bytes alone, without the parsed form beside them.
MAX_PARSED_WITH_RAW = 7 * 1024 * 1024
# The layout of a file that is no original: it holds messages of other files, and is not kept as one.
NOT_KEPT = "messages"
MAX_DOCUMENT_BYTES = 16 * 1024 * 1024 - 16 * 1024

# What is still asked of a message once it is encoded.
KEPT_FIELDS = ("source", "cwd", "gitBranch", "version", "model", "uuid")
ENCODING_ERRORS = (InvalidDocument, OverflowError, UnicodeEncodeError, RecursionError)

# {total length}{type binary}"_id\0"{length 32}{subtype 0}, then the 32 bytes of the _id.
ID_START = 4 + 1 + 4 + 4 + 1
ID_END = ID_START + 32


def seq_of(line: int, place: int) -> int:
    """The order of a record in its file: line (from 1) and place on the line (from 0).

    >>> seq_of(3, 1)
    3073
    """
    return line * PLACES_PER_LINE + place


def line_of(seq: int) -> int:
    return seq // PLACES_PER_LINE


def place_of(seq: int) -> int:
    return seq % PLACES_PER_LINE


@dataclass(slots=True)
class Record:
    """One object of a file: where it stands (``end`` = byte after its chunk), its length, what it says,
    its chunk's exact bytes where they are not what ``value`` encodes to, and otherwise their CRC-32. In a
    file that is one document, ``kind`` tells which of its objects this is, and ``lead`` how many bytes of
    ``raw`` stand before the object itself."""

    file_id: ObjectId
    seq: int
    end: int
    size: int
    value: dict[str, Any]
    raw: bytes | None = None
    crc: int = 0
    kind: str = ""
    lead: int = 0

    @property
    def implied(self) -> bytes:
        """What stands before the object in its file where no bytes are kept: in a document a comma."""
        return b"," if self.kind and self.raw is None else b""


@dataclass(slots=True)
class Rejected:
    """A chunk that is no record: kept with its bytes and the reason. ``part`` > 0 continues a longer one."""

    file_id: ObjectId
    seq: int
    start: int
    end: int
    code: str
    reason: str
    hint: str
    raw: bytes
    part: int = 0

    @property
    def weight(self) -> int:
        return len(self.raw)


@dataclass(slots=True)
class Call:
    """What one line says of one API response: its tokens, model and time; ``reported_cost`` in picodollars.
    Lines of one response are merged by ``archive.calls``."""

    id: str
    session_id: str
    project_id: ObjectId
    model: str
    usage: dict[str, Any]
    timestamp: datetime | None
    is_sidechain: bool = False
    request_id: str | None = None
    reported_cost: int | None = None


@dataclass(slots=True)
class Message:
    """A record in normal form, ready to be stored, with what it adds to its session.

    ``key`` is the identity for repetition 0; ``document`` holds every stored field but ``_id``.
    ``is_timed`` tells that ``timestamp`` is the record's own: then the same record has it wherever it stands.
    ``size`` is its length in the file in bytes; ``implied`` stands before its bytes there, and is kept only
    where they are. ``has_raw`` tells that its exact bytes are stored;
    ``crc`` tells apart what is the same but for the order of its keys;
    ``title`` is (kind, text) where the line names its session, ``titles`` what else it is called, by kind;
    ``encoded`` is filled by ``encode``.
    """

    key: bytes
    file_id: ObjectId
    seq: int
    end: int
    session_id: str
    project_id: ObjectId
    document: dict[str, Any]
    timestamp: datetime | None
    is_timed: bool = False
    size: int = 0
    implied: bytes = b""
    has_raw: bool = False
    crc: int = 0
    is_prompt: bool = False
    title: tuple[str, str] | None = None
    titles: Mapping[str, str] | None = None
    calls: list[Call] = field(default_factory=list)
    encoded: bytes = b""

    @property
    def weight(self) -> int:
        """The bytes it takes in a transaction: short numbers in a record grow sixfold as BSON."""
        return len(self.encoded) or self.size


def canonical(value: Mapping[str, Any]) -> bytes:
    """The same bytes for the same record whatever the order of its keys; ``sessionId`` left out."""
    bare = {key: each for key, each in value.items() if key != "sessionId"}
    try:
        return orjson.dumps(bare, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        # Lone surrogates and integers beyond 64 bit: only the standard library can write them.
        return json.dumps(bare, sort_keys=True, separators=(",", ":")).encode()


def content_hash(value: Mapping[str, Any]) -> bytes:
    """SHA-256 of the record without its session: equal for the copies that resumed sessions hold."""
    return hashlib.sha256(canonical(value)).digest()


def identity(session_id: str, content: bytes, repetition: int = 0) -> bytes:
    """The message's ``_id``: its session, its content, and which of its repetitions in one file it is."""
    return identity_of(
        hashlib.sha256(session_id.encode("utf-8", "surrogatepass") + b"\0" + content).digest(), repetition
    )


def identity_of(key: bytes, repetition: int) -> bytes:
    """The ``_id`` of a further repetition of the message whose first ``_id`` is ``key``."""
    return key if repetition == 0 else hashlib.sha256(key + repetition.to_bytes(8, "big")).digest()


def is_too_deep(value: Any, limit: int = MAX_DEPTH) -> bool:
    """Whether lists and objects are nested deeper than ``limit`` (BSON takes 200). Does not recurse."""
    level: list[Any] = [value]
    for _ in range(limit + 1):
        inner: list[Any] = []
        for each in level:
            if isinstance(each, dict):
                inner.extend(child for child in each.values() if isinstance(child, (dict, list)))
            elif isinstance(each, list):
                inner.extend(child for child in each if isinstance(child, (dict, list)))
        if not inner:
            return False
        level = inner
    return True


def bson_safe(value: Any) -> Any:
    """A copy of ``value`` that BSON can hold and read back as plain values, for records that keep ``raw``.

    Integers beyond 64 bit and numbers beyond a double's range become strings, lone surrogates and NUL in
    keys the replacement character, and keys that drivers read as references (``$ref``) get a full-width
    dollar.
    """
    if isinstance(value, dict):
        return {_safe_key(key): bson_safe(each) for key, each in value.items()}
    if isinstance(value, list):
        return [bson_safe(each) for each in value]
    if isinstance(value, str):
        return _safe_text(value)
    if isinstance(value, int) and not isinstance(value, bool) and not -MAX_INT64 - 1 <= value <= MAX_INT64:
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def _safe_text(text: str) -> str:
    # Surrogate halves come only from escapes; as UTF-8 they would be refused.
    return text.encode("utf-8", "replace").decode() if not text.isascii() else text


def _safe_key(key: str) -> str:
    if key in ("$ref", "$id", "$db"):
        return "\uff04" + key[1:]
    return _safe_text(key).replace("\0", "\ufffd")


def encode(message: Message) -> bytes:
    """The message as BSON, with ``key`` as its ``_id``.

    Idempotent; fills ``message.encoded``. A value that BSON cannot hold is stored in a safe form beside its
    exact bytes. Raises ``ValueError`` when the document is larger than MongoDB takes.
    """
    if message.encoded:
        return message.encoded
    document = {"_id": message.key, **message.document}
    if message.is_prompt:
        document["isPrompt"] = True
    try:
        encoded = bson.encode(document)
    except ENCODING_ERRORS:
        document = _made_safe(document, message.implied)
        message.has_raw = True
        encoded = bson.encode(document)
    if len(encoded) > MAX_DOCUMENT_BYTES:
        raise ValueError(f"the record takes {len(encoded):,} bytes as a document; MongoDB holds 16 MiB")
    message.encoded = encoded
    # The rest is in ``encoded`` now, and would be most of the memory.
    message.document = {name: document[name] for name in KEPT_FIELDS if name in document}
    return encoded


def readable(message: Message) -> dict[str, Any]:
    """The stored fields of a message, encoded or not yet."""
    return bson.decode(message.encoded) if message.encoded else message.document


def exact_bytes(message: Message) -> bytes:
    """The bytes of the message's record in its file, encoded or not yet."""
    document = readable(message)
    raw: bytes | None = document.get("raw")
    return raw_bytes(document["record"]) if raw is None else raw


def _made_safe(document: dict[str, Any], implied: bytes) -> dict[str, Any]:
    safe = {key: bson_safe(value) for key, value in document.items() if key not in ("raw", "crc32")}
    if "raw" in document:
        return {**safe, "raw": document["raw"]}
    lead = {"lead": len(implied)} if implied else {}
    return {**safe, **lead, "raw": implied + raw_bytes(document["record"])}


def raw_bytes(value: Mapping[str, Any]) -> bytes:
    """The compact JSON of a record: the bytes that Claude Code itself writes for it."""
    return orjson.dumps(value)


def with_identity(encoded: bytes, identity: bytes) -> bytes:
    """The same BSON document under another 32-byte ``_id`` (which stands first in it)."""
    return encoded[:ID_START] + identity + encoded[ID_END:]


def with_fields(encoded: bytes, fields: Mapping[str, Any]) -> bytes:
    """The same BSON document with further fields at its end.

    >>> bson.decode(with_fields(bson.encode({"a": 1}), {"b": 2}))
    {'a': 1, 'b': 2}
    """
    body = encoded[4:-1] + bson.encode(fields)[4:]
    return (len(body) + 4).to_bytes(4, "little") + body


def stored_record(value: dict[str, Any], raw: bytes | None) -> dict[str, Any]:
    """The fields ``record`` and ``raw`` of a stored message."""
    if raw is None:
        return {"record": value}
    if len(raw) > MAX_PARSED_WITH_RAW:
        return {"raw": raw}
    return {"record": bson_safe(value), "raw": raw}


def long(value: int) -> Int64:
    """A 64-bit integer in BSON whatever its size, as the validators ask for."""
    return Int64(value)
