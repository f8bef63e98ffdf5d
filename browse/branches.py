"""The versions of a conversation whose messages were edited or answered anew. Pure.

Messages name the one that they follow, so a conversation is a tree, and one *version* of it is the way
from the beginning to one last message. Whatever they name, all end up in one tree: who names nobody, or
somebody who is not there, follows the message that stands before it, so that no gap hides what is before it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from browse.blocks import hex_id
from browse.values import mapping

Line = Mapping[str, Any]
HEAD = "conversation"
# What a head calls the last message of the version that was open last: claude.ai, ChatGPT.
LEAF_FIELDS = ("current_leaf_message_uuid", "current_node")
NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Fork:
    """A message that has versions: its number from 1, of how many, and the ids of the ones beside it."""

    number: int
    count: int
    previous: str = ""
    next: str = ""


@dataclass(frozen=True, slots=True)
class Version:
    """Ids of the messages of one version in the order of reading, and which of them have other versions."""

    ids: tuple[str, ...]
    forks: Mapping[str, Fork]


@dataclass(slots=True)
class Tree:
    """The messages of one conversation by what they follow. Lines need ``_id``, ``type``, ``uuid``,
    ``parentUuid``, ``timestamp`` and of heads the ``record``; memory is a few words for each."""

    above: dict[str, str] = field(default_factory=dict)
    below: dict[str, list[str]] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    ranks: dict[str, tuple[datetime, int]] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)

    def current(self) -> Version:
        """The version that was open last, as far as a head tells it; otherwise the one said last."""
        if self.told:
            return self._version(self._newest_below(max(self.told, key=self._rank)))
        leaves = (key for key in self.ranks if key not in self.below)
        return self._version(max(leaves, key=self._rank, default=""))

    def through(self, key: str) -> Version | None:
        """The newest version that holds this message; None where it is in no version of its own."""
        return self._version(self._newest_below(key)) if key in self.ranks else None

    def _rank(self, key: str) -> tuple[datetime, int]:
        return self.ranks[key]

    def _newest_below(self, key: str) -> str:
        waiting, leaves = [key], []
        while waiting:
            each = waiting.pop()
            following = self.below.get(each)
            if following:
                waiting += following
            else:
                leaves.append(each)
        return max(leaves, key=self._rank)

    def _version(self, leaf: str) -> Version:
        path = list(self._way_up(leaf))[::-1]
        forks = {key: fork for key in path if (fork := self._fork(key))}
        return Version(tuple(self._with_loose(path)), forks)

    def _way_up(self, key: str) -> Iterator[str]:
        while key:
            if key in self.ranks:
                yield key
            key = self.above.get(key, "")

    def _fork(self, key: str) -> Fork | None:
        beside = self.below.get(self.above.get(key, ""), [key])
        if len(beside) < 2:
            return None
        place = beside.index(key)
        previous = beside[place - 1] if place else ""
        return Fork(place + 1, len(beside), previous, "".join(beside[place + 1 : place + 2]))

    def _with_loose(self, path: list[str]) -> Iterator[str]:
        """The path, with the lines that belong to every version behind what they stand behind."""
        on_path, anchor = set(path), ""
        loose: dict[str, list[str]] = {}
        for key in self.order:
            if key in on_path:
                anchor = key
            elif key not in self.ranks:
                loose.setdefault(anchor, []).append(key)
        yield from loose.get("", ())
        for key in path:
            yield key
            yield from loose.get(key, ())


def tree_of(lines: Iterable[Line]) -> Tree:
    """The tree of a conversation's lines, given in the order of their files. Of several lines with one uuid
    the last one counts."""
    named = {_name_of(line): line for line in lines}
    tree = Tree(order=[hex_id(line) for line in named.values()])
    nodes = {name: line for name, line in named.items() if line.get("type") != HEAD}
    keys = {name: hex_id(line) for name, line in nodes.items()}
    _join(tree, nodes, keys)
    heads = (line for line in named.values() if line.get("type") == HEAD)
    tree.told = [keys[leaf] for leaf in map(_leaf_of, heads) if leaf in keys]
    return tree


def _name_of(line: Line) -> str:
    is_own = line.get("type") == HEAD or not line.get("uuid")
    return f"#{hex_id(line)}" if is_own else str(line["uuid"])


def _leaf_of(head: Line) -> str:
    record = mapping(head.get("record"))
    return next((str(record[name]) for name in LEAF_FIELDS if record.get(name)), "")


def _join(tree: Tree, nodes: Mapping[str, Line], keys: Mapping[str, str]) -> None:
    """Put every node below the one that it follows. Who names the same absent one follows the same."""
    forest, tops, before = _Forest(tree), [], ""
    for number, (name, line) in enumerate(nodes.items()):
        key, parent = keys[name], str(line.get("parentUuid") or "")
        tree.ranks[key] = (line.get("timestamp") or NEVER, number)
        above = keys.get(parent) or (f"?{parent}" if parent else "")
        is_first_to_name = above.startswith("?") and above not in tree.below
        if not (above and forest.follow(key, above)):
            tops.append((key, before))
        elif is_first_to_name:
            tops.append((above, before))
        before = key
    first = next(iter(tree.ranks), "")
    for top, before in tops:
        # What stands before a top may be below it: then the top follows the first message of all.
        if before and not forest.follow(top, before):
            forest.follow(top, first)


class _Forest:
    """Trees that grow together and never in a circle (groups as in a union-find)."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._groups: dict[str, str] = {}

    def follow(self, key: str, above: str) -> bool:
        """Put a top below another node; False, and nothing done, where that would close a circle."""
        group, other = self._group(key), self._group(above)
        if group == other:
            return False
        self._groups[group] = other
        self._tree.above[key] = above
        self._tree.below.setdefault(above, []).append(key)
        return True

    def _group(self, key: str) -> str:
        while (up := self._groups.get(key, key)) != key:
            self._groups[key] = key = self._groups.get(up, up)
        return key
