"""Masks private text: secrets of known forms, e-mail addresses, names of homes, one's own patterns. Pure.

Every pattern is looked for in the text as it was, so that no mask hides a part of something else; what they
find is joined where it overlaps. One pass of RE2's set machine over a text says which patterns are in it at
all: of most texts none, and they are left as they are.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import accumulate
from operator import eq, is_, itemgetter
from typing import Any

import re2

from exports.patterns import KINDS, MARKS, NAME, is_placeholder
from exports.reading import BadFilter

MEMORY = 32 * 1024**2
"""For the states of the set. A pattern alone has 8 MB; where they are too few it is slower, never wrong."""
MOST_WORK = 10**9
"""Hits of a pattern of one's own, times the length of the text. What stands behind them is masked as a whole:
such a pattern may look to the end of the text from each of its hits, and only each look is linear."""
LONGEST_EXPRESSION = 512
SHORTEST_SECRET, LONGEST_SECRET = 4, 200
MOST_NAMES = 1000
NO_SLUG = re.compile(rb"[^A-Za-z0-9]")
CANARY = "claudelens-canary"
RE2_HINT = (
    "Patterns are RE2's: no look-around and no back-references, so that each is matched in linear time. "
    "See https://github.com/google/re2/wiki/Syntax."
)

Span = tuple[int, int, str]
"""From, to, and the name of what it is."""


def _options(memory: int = 8 * 1024**2) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = memory
    return options


OPTIONS = _options()
NAMED = re2.compile(NAME + r"[^A-Za-z0-9\x00]*\x00", OPTIONS)


# ------------------------------------------------------------------ what people write


def check_patterns(expressions: Iterable[str]) -> None:
    """Raise BadFilter for an expression that RE2 does not take or that matches where nothing stands, and for
    more of them than can be looked for in one pass."""
    told = tuple(expressions)
    for expression in told:
        _check(expression)
    try:
        Masker(KINDS if told else (), told)
    except re2.error:
        hint = "Ask for fewer of them, or for fewer repetitions: + in place of {1,500}."
        raise BadFilter("patterns", "together they are too large.", hint=hint) from None


def _check(expression: str) -> None:
    if len(expression) > LONGEST_EXPRESSION:
        raise BadFilter(
            "patterns", f"one has {len(expression):,} characters.", hint=f"At most {LONGEST_EXPRESSION}."
        )
    try:
        compiled = re2.compile(expression, OPTIONS)
    except re2.error as error:
        told = f"{expression[:60]!r} is no pattern: {_complaint(expression, error)}."
        raise BadFilter("patterns", told, hint=RE2_HINT) from None
    if any(hit.start() == hit.end() for text in ("", "a", " a1-") for hit in compiled.finditer(text)):
        hint = "Let it ask for at least one character: + in place of *, and no ^ or $ alone."
        raise BadFilter("patterns", f"{expression[:60]!r} matches where nothing stands.", hint=hint)


def _complaint(expression: str, error: Any) -> str:
    """RE2's message, and where in the expression that is.

    >>> _complaint("a(b", re2.error(b"missing ): a(b"))
    'missing ): a(b, at character 1'
    """
    told = error.args[0] if error.args else ""
    message = told.decode("utf-8", "replace") if isinstance(told, bytes) else str(told)
    at = expression.find(message.rpartition(": ")[2])
    return f"{message}, at character {at + 1}" if at >= 0 else message


# ------------------------------------------------------------------ the masker


@dataclass(frozen=True, slots=True)
class _Finder:
    """A pattern made ready, and which of its groups is masked."""

    name: str
    machine: Any
    group: int = 0
    stays: Callable[[str], bool] | None = None
    is_own: bool = False

    def hits(self, data: bytes) -> Iterator[tuple[Span, Span]]:
        """Where it matches, from left to right: all of each match, and what is masked of it."""
        most = max(1, MOST_WORK // (len(data) + 1)) if self.is_own else len(data)
        for count, hit in enumerate(self.machine.finditer(data), 1):
            if count > most:
                rest = (hit.start(), len(data), self.name)
                yield rest, rest
                return
            yield (*hit.span(), self.name), (*hit.span(self.group), self.name)

    def spans(self, data: bytes) -> Iterator[Span]:
        """What is masked, from left to right."""
        for _, (start, end, name) in self.hits(data):
            if start < end and not self._stays(data[start:end]):
                yield start, end, name

    def _stays(self, found: bytes) -> bool:
        return self.stays is not None and self.stays(found.decode("utf-8", "replace"))


class Masker:
    """Masks what was asked for, and counts it by name in ``counts``.

    ``kinds`` are keys of ``patterns.KINDS``; ``expressions`` are one's own, called ``pattern-1`` and so on:
    what stands in them may be private itself. Not for several threads at once.
    """

    def __init__(
        self, kinds: Iterable[str], expressions: Iterable[str] = (), counts: Counter[str] | None = None
    ) -> None:
        asked, own = tuple(kinds), tuple(expressions)
        self.counts: Counter[str] = Counter() if counts is None else counts
        # How slugs write the names of homes that were met and hold more than letters and digits.
        self.slugs: set[bytes] = set()
        self._minds_names = "secrets" in asked
        self._finders = [*_known(asked), *_own(own)]
        self._which = _Which([pattern.expression for kind in asked for pattern in KINDS[kind]] + list(own))
        self._joins = not any(map(_is_anchored, own))

    @property
    def is_quick(self) -> bool:
        """Whether one pass tells which patterns are in a text; else each of them is looked for."""
        return self._which.works

    def mask(self, text: str) -> str:
        """The text with marks for what is private; the very same object where nothing is."""
        data = text.encode("utf-8", "surrogatepass")
        masked = self.replaced(data, self.spans(data))
        return text if masked is data else masked.decode("utf-8", "surrogatepass")

    def mask_named(self, name: str, text: str) -> str:
        """The text of a member of that name: one that is called ``password`` or the like is masked whatever
        it looks like."""
        if self._minds_names and is_secret_name(name) and _is_secret(text):
            self.counts["assigned-secret"] += 1
            return "[redacted:assigned-secret]"
        return self.mask(text)

    def mask_value(self, value: Any, name: str = "") -> Any:
        """A copy of a JSON value with every text in it masked, names of members too; the very same object
        where nothing is to mask. ``name`` is the member that it stands under."""
        touched = self.touched([name, *texts_in(value)])
        return self._masked(value, name, touched) if touched else value

    def mask_members(self, document: Mapping[str, Any], but: Collection[str] = ()) -> Mapping[str, Any]:
        """The same of a document whose own names stay, and so do the values of those in ``but``."""
        given = {name: each for name, each in document.items() if name not in but}
        touched = self.touched(texts_in(list(given.values())))
        masked = {name: self._masked(each, "", touched) for name, each in given.items()} if touched else given
        if all(map(is_, masked.values(), given.values())):
            return document
        return {name: masked.get(name, each) for name, each in document.items()}

    def touched(self, texts: list[str]) -> AbstractSet[str]:
        """Which of the texts may have to be masked, or be names of what is: one pass over all together."""
        if not self._joins:
            return set(texts)
        data = "\0".join((*texts, "")).encode("utf-8", "surrogatepass")
        finders = [self._finders[number] for number in self._which.in_data(data)]
        if self._minds_names and NAMED.search(data) is not None:
            finders.append(NAMED_FINDER)
        return _touched(texts, data, finders) if finders else frozenset()

    def spans(self, data: bytes) -> list[Span]:
        """What is private in bytes that are, or nearly are, UTF-8."""
        found = self._which.in_data(data)
        spans = joined(span for number in found for span in self._finders[number].spans(data))
        return joined(self._with_whole_names(data, spans)) if spans else spans

    def _with_whole_names(self, data: bytes, spans: list[Span]) -> Iterator[Span]:
        """A slug does not tell where a name ends: ``-home-ada-maria-shop`` is told by a path that was met."""
        for start, end, name in spans:
            if name == "home" and not data[start:end].isalnum() and len(self.slugs) < MOST_NAMES:
                self.slugs.add(NO_SLUG.sub(b"-", data[start:end]))
            long = (
                [slug for slug in self.slugs if data.startswith(slug, start)] if name == "home-slug" else []
            )
            yield start, max([end, *(start + len(slug) for slug in long)]), name

    def replaced(self, data: bytes, spans: list[Span]) -> bytes:
        """The data with marks in these places, which are counted; the very same object where none are."""
        pieces, at = [], 0
        for start, end, name in spans:
            self.counts[name] += 1
            pieces += [data[at:start], MARKS.get(name, f"[redacted:{name}]").encode()]
            at = end
        return b"".join((*pieces, data[at:])) if spans else data

    def _masked(self, value: Any, name: str, touched: AbstractSet[str]) -> Any:
        if isinstance(value, str):
            return self.mask_named(name, value) if value in touched or name in touched else value
        if isinstance(value, list):
            masked = [self._masked(each, name, touched) for each in value]
            return value if all(map(is_, masked, value)) else masked
        return self._masked_members(value, touched) if isinstance(value, dict) else value

    def _masked_members(self, value: dict[str, Any], touched: AbstractSet[str]) -> dict[str, Any]:
        masked: dict[str, Any] = {}
        for name, each in value.items():
            shown = _free(self.mask(name), masked) if name in touched else name
            masked[shown] = self._masked(each, name, touched)
        is_same = all(map(is_, masked.values(), value.values())) and all(map(eq, masked, value))
        return value if is_same else masked


class _Which:
    """Tells which of many expressions are in a text, in one pass over it. Raises re2.error for too many."""

    def __init__(self, expressions: list[str]) -> None:
        self._all = range(len(expressions))
        self._machine = re2.Set.SearchSet(_options(MEMORY))
        for expression in (*expressions, CANARY):
            self._machine.Add(expression)
        self._machine.Compile()
        # A set that finds no room for its states later on matches nothing, and does not say so.
        self.works = len(expressions) in self._matched(CANARY.encode())

    def in_data(self, data: bytes) -> Iterable[int]:
        """The numbers of the expressions that match somewhere; all, where the set does not work."""
        return sorted(filter(self._all.__contains__, self._matched(data))) if self.works else self._all

    def _matched(self, data: bytes) -> Iterable[int]:
        return self._machine.Match(data) or ()


NAMED_FINDER = _Finder("assigned-secret", NAMED)


def _known(kinds: Iterable[str]) -> Iterator[_Finder]:
    for pattern in (each for kind in kinds for each in KINDS[kind]):
        machine = re2.compile(pattern.expression, OPTIONS)
        yield _Finder(pattern.name, machine, min(machine.groups, 1), pattern.stays)


def _own(expressions: Iterable[str]) -> Iterator[_Finder]:
    for number, expression in enumerate(expressions, 1):
        yield _Finder(f"pattern-{number}", re2.compile(expression, OPTIONS), is_own=True)


def _is_anchored(expression: str) -> bool:
    r"""Whether it sees the ends of a text, which are not there where texts are joined.

    >>> [_is_anchored(text) for text in (r"^a", r"a\z", r"[^a]\$")]
    [True, True, False]
    """
    bare = re.sub(r"\\[^Az]|\[\^", "", expression)
    return any(anchor in bare for anchor in ("^", "$", "\\A", "\\z"))


def joined(spans: Iterable[Span]) -> list[Span]:
    """Spans from left to right, those that overlap as one, called like the first."""
    found: list[Span] = []
    for start, end, name in sorted(spans, key=itemgetter(0)):
        if found and start < found[-1][1]:
            first, last, known = found[-1]
            found[-1] = (first, max(last, end), known)
        else:
            found.append((start, end, name))
    return found


def is_secret_name(name: str) -> bool:
    """Whether a member of this name holds a secret.

    >>> [is_secret_name(name) for name in ("db_password", "apiKey", "ACCESS-TOKEN", "input_tokens")]
    [True, True, True, False]
    """
    return NAMED.search(name.encode("utf-8", "surrogatepass") + b"\0") is not None


def _is_secret(text: str) -> bool:
    is_value = "\n" not in text and len(text) <= LONGEST_SECRET
    return is_value and len(text) >= SHORTEST_SECRET and not is_placeholder(text)


def _free(name: str, taken: Mapping[str, Any]) -> str:
    """The name, numbered where two members would have the same one: nothing is lost to a mask."""
    number, free = 2, name
    while free in taken:
        free, number = f"{name} {number}", number + 1
    return free


def _touched(texts: list[str], data: bytes, finders: Iterable[_Finder]) -> AbstractSet[str]:
    """The texts that any match of these stands in; ``data`` is all of them, each with a NUL behind it."""
    starts = list(accumulate((len(text.encode("utf-8", "surrogatepass")) + 1 for text in texts), initial=0))
    found: set[str] = set()
    for (start, end, _), _ in (hit for finder in finders for hit in finder.hits(data)):
        found.update(texts[bisect_right(starts, start) - 1 : bisect_left(starts, end)])
    return found


def texts_in(value: Any) -> list[str]:
    """Every text of a value, names of members too, in no order."""
    texts: list[str] = []
    rest = [value]
    while rest:
        each = rest.pop()
        if isinstance(each, str):
            texts.append(each)
        elif isinstance(each, dict):
            texts.extend(each)
            rest.extend(each.values())
        elif isinstance(each, list):
            rest.extend(each)
    return texts
