"""What an export is made from, without what is to be left out and with masks for what is private. Pure.

``shaped(material, choices)`` stands before the archive's material; renderers do not know of it. A message
that is not what it was any more does not pretend to be: its exact bytes are gone, its ``contentHash`` and id
are those of what it is now (the old ones would let anybody try guesses at what is masked), and it says
``changed``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import orjson

from archive.projects import project_id
from archive.records import content_hash, identity
from exports.choices import Choices
from exports.masked_files import mask_file
from exports.omissions import LONGEST_TEXT, OMITTED, RESULTS, Omitter, left_out, spoken
from exports.redaction import Masker

if TYPE_CHECKING:
    from exports.renderers.base import Document, Material, SourceFile

ORDER = "_order"
"""The session id by which a document stands in its place, where it is called otherwise now. Never written."""
EXACT = ("raw", "lead", "crc32")
WORDS_OF_OURS = ("type", "role", "source")
WHOLE = frozenset(("_id", "contentHash", "record", "raw"))
"""Fields that can only be told right where the whole message is known."""
LONG_TITLE = 900
MOST_PROJECTS = 10_000
UNREADABLE = "unreadable"


def shaped(material: Material, choices: Choices) -> Material:
    """The material as it was chosen; the very same where nothing is masked or left out."""
    return Shaped(material, choices) if choices.without or choices.masks else material


def masked_facts(choices: Choices, value: Any) -> Any:
    """What a manifest tells of files and places, masked as the export is."""
    return Masker(choices.redact, choices.patterns).mask_value(value) if choices.masks else value


@dataclass
class Changes:
    """What an export has masked and left out, by name, and how many messages and files are therefore not what
    they were."""

    redacted: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    count: int = 0

    def take_in(self, other: Changes) -> None:
        """Add those of another part."""
        self.redacted.update(other.redacted)
        self.left_out.update(other.left_out)
        self.count += other.count

    @classmethod
    def of_manifests(cls, manifests: Iterable[Mapping[str, Any]]) -> Changes:
        """What all parts of an export have together."""
        total = cls()
        for told in manifests:
            redacted, left_out = Counter(told.get("redacted", {})), Counter(told.get("leftOut", {}))
            total.take_in(cls(redacted, left_out, told.get("changed", 0)))
        return total

    def as_dict(self) -> dict[str, Any]:
        """As a manifest tells them; nothing where there are none."""
        told = {"redacted": dict(self.redacted), "leftOut": dict(self.left_out), "changed": self.count}
        return {name: each for name, each in told.items() if each}


def told_changes(changes: Changes) -> str:
    """The same in one line, for a log."""
    parts = [f"{name} {count:,}" for name, count in [*changes.redacted.items(), *changes.left_out.items()]]
    return f"{_number(changes)} not as in the archive. Masked or left out: {', '.join(parts)}."


def _number(changes: Changes) -> str:
    return "1 message or file is" if changes.count == 1 else f"{changes.count:,} messages or files are"


def losses(own: Sequence[str], changes: Changes) -> list[str]:
    """What an export loses: what its format does, and what was masked or left out of this one."""
    if not changes.count:
        return list(own)
    told = [text for text in own if not text.startswith("Nothing")]
    return [*told, f"What was masked or left out: {_number(changes)} not as in the archive."]


@dataclass(frozen=True)
class ShapedFile:
    """A file under the name that it has now."""

    original: SourceFile
    path: str

    @property
    def id(self) -> Any:
        """As the archive knows it."""
        return self.original.id

    @property
    def size(self) -> int:
        """As it was."""
        return self.original.size


@dataclass
class Shaped:
    """Implements ``renderers.base.Material``. What is masked, left out and changed is counted by the material
    that it stands before."""

    material: Material
    choices: Choices
    _projects: dict[Any, Document] = field(default_factory=dict, repr=False)

    @property
    def changes(self) -> Changes:
        """Those of the material."""
        return self.material.changes

    def __post_init__(self) -> None:
        kinds, expressions = self.choices.redact, self.choices.patterns
        self._masker = Masker(kinds, expressions, self.changes.redacted)
        # Looks, and counts nowhere.
        self._looking = Masker(kinds, expressions)
        self._looking.slugs = self._masker.slugs
        self._omitter = Omitter(self.choices.without, self.changes.left_out)

    # -------------------------------------------------------------- what is asked by renderers

    def messages(self, fields: Collection[str] = ()) -> Iterator[Document]:
        """The messages in their order; one that is changed says so."""
        needs_all = self.choices.without or not WHOLE.isdisjoint(fields)
        for message in self.material.messages(() if needs_all else fields):
            yield self._message(message)

    def sessions(self) -> Iterator[Document]:
        """The sessions in their order, masked."""
        for session in self.material.sessions():
            yield self._place(_with_whole_words(session) if self.choices.masks else session)

    def calls(self) -> Iterator[Document]:
        """The API responses in their order, masked."""
        return map(self._place, self.material.calls())

    def project(self, project_id: Any) -> Document:
        """The masked names of a project, by the id that messages have here."""
        return self._projects.get(project_id) or self._masked_project(project_id)

    def files(self) -> Iterator[ShapedFile]:
        """The original files under masked names."""
        for file in self.material.files():
            # Its lines' folder tells where a name in the slug ends.
            self._meet(getattr(file, "context", {}).get("path"))
            yield ShapedFile(file, self._masker.mask(file.path))

    def file_name(self, path: str) -> str:
        """As the material gives it."""
        return self.material.file_name(path)

    def chunks(self, file: ShapedFile) -> Iterator[bytes]:
        """The file's bytes, masked; the original is checked against its hash on the way."""
        before = self._masker.counts.total()
        yield from mask_file(self._masker, file.original.path, self.material.chunks(file.original))
        self.changes.count += self._masker.counts.total() != before

    def note(self, text: str) -> None:
        """As the material takes it, masked."""
        self.material.note(self._masker.mask(text))

    # -------------------------------------------------------------- messages

    def _message(self, message: Document) -> Document:
        read = _with_record(message)
        if "record" not in read and "raw" in read:
            return self._unreadable(read)
        made = self._place(self._with_whole_text(self._without_contents(read)))
        if made is read and not self._is_private(read.get("raw")):
            return _without(message, EXACT) if self.choices.without else message
        self.changes.count += 1
        return _renewed(made)

    def _without_contents(self, message: Document) -> Document:
        if not self.choices.without or "record" not in message:
            return message
        record = self._omitter.record(message["record"])
        if record is not message["record"]:
            return _with_text({**message, "record": record}, spoken(record))
        if message.get("role") == "tool" and RESULTS in self.choices.without:
            self._omitter.counts[RESULTS] += 1
            return _with_text({**message, "record": {OMITTED: True}}, left_out(RESULTS))
        return message

    def _with_whole_text(self, message: Document) -> Document:
        """A text that was cut may end within a secret, which nobody would know any more: it is cut once more
        when it is masked, or else before its last word."""
        text = message.get("text")
        if not self.choices.masks or not isinstance(text, str) or len(text) < LONGEST_TEXT:
            return message
        whole = spoken(message.get("record", {}), None)
        masked = self._masker.mask(whole)[:LONGEST_TEXT] if whole else _without_last_word(text)
        return message if masked == text else {**message, "text": masked}

    def _unreadable(self, message: Document) -> Document:
        """A message of which there are only bytes, and these are no record: nobody knows what is in them."""
        if self.choices.without:
            self._omitter.counts[UNREADABLE] += 1
            self.changes.count += 1
            return _renewed(_with_text({**self._place(message), "record": {OMITTED: True}}, ""))
        raw = b"".join(mask_file(self._masker, ".json", [bytes(message["raw"])]))
        made = self._place(message)
        if made is message and raw == message["raw"]:
            return message
        self.changes.count += 1
        return _named({**made, "raw": raw}, sha256(raw).digest())

    def _is_private(self, raw: Any) -> bool:
        """Whether exact bytes hold what their record does not: of members of one name it has the last."""
        if raw is None or not self.choices.masks:
            return False
        data = bytes(raw)
        return any(b"".join(mask_file(self._looking, name, [data])) != data for name in (".json", ".txt"))

    # -------------------------------------------------------------- any document

    def _place(self, document: Document) -> Document:
        """The document, masked, in the place that it has among the others."""
        made = self._masker.mask_members(document, WORDS_OF_OURS) if self.choices.masks else document
        new = self._new_project(document.get("projectId"))
        if made.get("sessionId") != document.get("sessionId"):
            made = {**made, ORDER: document["sessionId"]}
        return made if new == document.get("projectId") else {**made, "projectId": new}

    def _new_project(self, old: Any) -> Any:
        """The id of a project by its masked slug, as every archive makes it: that of the true one would let
        anybody try names."""
        if old is None or not self.choices.masks:
            return old
        slug, masked = self.material.project(old).get("slug"), self._masked_project(old)
        if not slug or masked.get("slug") == slug:
            return old
        new = project_id(masked["slug"])
        if len(self._projects) >= MOST_PROJECTS:
            self._projects.clear()
        told = str(new) if isinstance(old, str) else new
        self._projects[told] = masked
        return told

    def _masked_project(self, known: Any) -> Document:
        names = self.material.project(known)
        self._meet(names.get("path"))
        return self._looking.mask_members(names)

    def _meet(self, path: Any) -> None:
        if isinstance(path, str):
            self._looking.mask(path)


def _with_record(message: Document) -> Document:
    """The message with its record, also where that stands in its bytes alone."""
    if "raw" not in message or "record" in message:
        return message
    record = _record_in(bytes(message["raw"])[message.get("lead", 0) :])
    return message if record is None else {**message, "record": record}


def _record_in(data: bytes) -> dict[str, Any] | None:
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def _with_text(message: Document, text: str | None) -> Document:
    """The message with this text; without one where it says nothing. None: as it was."""
    if text is None:
        return message
    return {**message, "text": text} if text else _without(message, ("text",))


def _without(document: Document, names: Collection[str]) -> Document:
    return {name: each for name, each in document.items() if name not in names}


def _with_whole_words(session: Document) -> Document:
    """The session without the last words of titles that were cut: see ``Shaped._with_whole_text``."""
    titles = {name: session[name] for name in ("title", "summary", "titles") if session.get(name)}
    return {**session, **{name: _whole_words(title) for name, title in titles.items()}}


def _whole_words(title: Any) -> Any:
    if isinstance(title, dict):
        return {kind: _whole_words(each) for kind, each in title.items()}
    return _without_last_word(title) if isinstance(title, str) and len(title) > LONG_TITLE else title


def _without_last_word(text: str) -> str:
    words = text.rsplit(None, 1)
    return f"{words[0]} …" if len(words) > 1 else "…"


def _renewed(message: Document) -> Document:
    """The message as one that was never anything else: known by what its record is now."""
    if "record" not in message:
        return {**message, "changed": True}
    return _named(_without(message, EXACT), content_hash(message["record"]))


def _named(message: Document, content: bytes) -> Document:
    own = {"_id": identity(message["sessionId"], content), "contentHash": content}
    return {**message, **{name: each for name, each in own.items() if name in message}, "changed": True}
