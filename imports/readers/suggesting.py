"""Guessing which column of a table holds which field of a message, by its name and its values. Pure."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from imports.readers.mapping import FIELDS, Field, value_at
from imports.readers.values import NUMBER, BadValueError, date_order, is_date, read_text, read_time

EXAMPLES = 3
LONGEST_EXAMPLE = 120
DEEPEST_COLUMN = 5
MOST_COLUMNS = 1000
# Shorter texts on average are words, not what was said.
PROSE_LENGTH = 20
MOST_ROLES = 10
# So many of a column's values have to be of its kind; half of them where its name says the same.
MOSTLY, HALF = 0.8, 0.5
# A name as the last part of a path says what the column holds ("message.author.role"); an id there does not.
NESTED = frozenset(("text", "role", "time", "model", "input_tokens", "output_tokens"))
# "author" and the like say who, which is a role only where one of them is known as such.
PLAIN_ROLES = ("role", "messagerole", "authorrole", "senderrole", "sendertype", "authortype")

ROLES = {
    **dict.fromkeys(("user", "human", "me", "prompt", "you", "customer"), "user"),
    **dict.fromkeys(("assistant", "ai", "bot", "claude", "model", "gpt", "chatgpt", "response"), "assistant"),
    "system": "system",
    "tool": "tool",
    "function": "tool",
}


def role_of(text: str) -> str:
    """The role that a word names, or the word itself."""
    return ROLES.get(text.strip().lower(), text)


@dataclass(frozen=True, slots=True)
class Column:
    """A column: some of its values, cut, and what they look like (time, date, role, number, text, empty)."""

    name: str
    kind: str
    examples: list[str]


@dataclass(slots=True)
class Suggestion:
    """Which columns there are, what each field is probably in and why, and the required ones that nothing was
    found for. ``has_roles``: the roles are some that are known."""

    columns: list[Column]
    mapping: dict[str, Any] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)
    has_roles: bool = False

    @property
    def missing(self) -> list[str]:
        return [each.name for each in FIELDS.values() if each.required and each.name not in self.mapping]

    @property
    def is_chat(self) -> bool:
        """Whether it is a conversation for certain: texts, and who said them."""
        return self.has_roles and "text" in self.mapping


def column_names_of(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """The columns of these records: their keys, and paths to those of objects within ("author.role")."""
    names: dict[str, None] = {}
    for record in records:
        for name in _paths(record, ""):
            names[name] = None
    return list(names)[:MOST_COLUMNS]


def _paths(value: Mapping[str, Any], before: str) -> Iterator[str]:
    for key, each in value.items():
        if isinstance(each, dict) and each and before.count(".") < DEEPEST_COLUMN:
            yield from _paths(each, f"{before}{key}.")
        else:
            yield f"{before}{key}"


def suggest_mapping(columns: Sequence[str], records: Sequence[Mapping[str, Any]]) -> Suggestion:
    """What the columns of these records (the first of a file) probably hold."""
    values = {
        name: [each for each in (value_at(one, name) for one in records) if _says(each)] for name in columns
    }
    made = Suggestion([Column(name, _kind(values[name]), _examples(values[name])) for name in columns])
    guess = _Guess(made, values)
    for one in FIELDS.values():
        guess.by_name(one)
    guess.by_values()
    role = made.mapping.get("role")
    made.has_roles = role is not None and any(role_of(read_text(each)) in _SPEAKERS for each in values[role])
    return made


_SPEAKERS = frozenset(("user", "assistant"))


def _says(value: Any) -> bool:
    return value is not None and value != "" and not (isinstance(value, str) and value.isspace())


def _examples(values: list[Any]) -> list[str]:
    shown = dict.fromkeys(read_text(each)[:LONGEST_EXAMPLE] for each in values)
    return list(shown)[:EXAMPLES]


def _kind(values: list[Any]) -> str:
    if not values:
        return "empty"
    texts = [read_text(each) for each in values]
    if _share(texts, _is_number) >= MOSTLY:
        return "number"
    if _share(values, _is_time) >= MOSTLY:
        return "time"
    if date_order(texts) and _share(texts, is_date) >= MOSTLY:
        return "date"
    return "role" if _are_roles(texts) else "text"


def _share(values: Sequence[Any], fits: Callable[[Any], bool]) -> float:
    """How many of the values fit, as a part of one. Some may be those that the import will reject."""
    return sum(map(fits, values)) / max(len(values), 1)


def _is_number(text: str) -> bool:
    return NUMBER.fullmatch(text.strip()) is not None


def _is_time(value: Any) -> bool:
    try:
        return read_time(value) is not None
    except BadValueError:
        return False


def _are_roles(texts: list[str]) -> bool:
    return all(text.strip().lower() in ROLES for text in set(texts)) and not _SPEAKERS.isdisjoint(
        map(role_of, texts)
    )


class _Guess:
    """A suggestion in the making. Each column is used once."""

    def __init__(self, made: Suggestion, values: dict[str, list[Any]]) -> None:
        self.made = made
        self.values = values
        self.kinds = {each.name: each.kind for each in made.columns}

    def by_name(self, field: Field) -> None:
        """Choose the column whose name fits best, if its values do not speak against it."""
        ranked = [(rank, name) for name in self._unused() if (rank := _rank(name, field)) is not None]
        for _, name in sorted(ranked, key=lambda each: each[0]):
            if self._can_hold(name, field):
                self._choose(field.name, name, f"“{name}” is called like {field.description}")
                return

    def by_values(self) -> None:
        """Choose columns for what matters most where no name told."""
        if "role" not in self.made.mapping:
            self._only("role", "role", "all values of “{}” are roles")
        if "time" not in self.made.mapping:
            self._only("time", "time", "all values of “{}” are times")
        if "text" not in self.made.mapping:
            lengths = {name: self._length(name) for name in self._unused() if self.kinds[name] == "text"}
            longest = max(lengths, key=lambda name: lengths[name], default="")
            if lengths.get(longest, 0) >= PROSE_LENGTH:
                self._choose("text", longest, f"“{longest}” holds the longest texts")

    def _unused(self) -> list[str]:
        used = {spec["column"] if isinstance(spec, dict) else spec for spec in self.made.mapping.values()}
        return [name for name in self.values if name not in used]

    def _only(self, field: str, kind: str, why: str) -> None:
        fitting = [name for name in self._unused() if self.kinds[name] == kind]
        if len(fitting) == 1:
            self._choose(field, fitting[0], why.format(fitting[0]))

    def _choose(self, field: str, column: str, why: str) -> None:
        spec: Any = column
        if field == "time" and self.kinds[column] == "date":
            form = date_order([read_text(each) for each in self.values[column]])
            spec, why = {"column": column, "format": form}, f"{why}, and its dates can only be {form}"
        self.made.mapping[field], self.made.why[field] = spec, why

    def _length(self, name: str) -> float:
        values = self.values[name]
        return sum(len(read_text(each)) for each in values) / max(len(values), 1)

    def _can_hold(self, name: str, field: Field) -> bool:
        kind, values = self.kinds[name], self.values[name]
        if field.name == "text":
            return _share(values, lambda each: _is_number(read_text(each))) < 1
        if field.name == "role":
            return self._tells_roles(name)
        if field.name == "uuid":
            return len({read_text(each) for each in values}) == len(values)
        if field.type == "time":
            return kind in ("date", "empty") or _share(values, _is_time) >= HALF
        is_numbers = _share(values, lambda each: _is_number(read_text(each).removeprefix("$"))) >= HALF
        return field.type not in ("count", "money") or is_numbers or not values

    def _tells_roles(self, name: str) -> bool:
        roles = {role_of(read_text(each)) for each in self.values[name]}
        if _plain(name).endswith(PLAIN_ROLES):
            return True
        return len(roles) <= MOST_ROLES and not _SPEAKERS.isdisjoint(roles)


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()


def _rank(name: str, field: Field) -> tuple[int, int] | None:
    """How well a column's name fits: how much of its path is left out, then the place in the list of names;
    None where it does not."""
    parts = name.split(".")
    for left_out in range(len(parts) if field.name in NESTED else 1):
        plain = _plain("".join(parts[left_out:]))
        if plain in field.called:
            return left_out, field.called.index(plain)
    return None
