"""Which messages of a conversation are one version of it."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from browse.branches import Fork, tree_of

NOON = datetime(2026, 2, 1, 12, tzinfo=UTC)
ROOT = "00000000-0000-4000-8000-000000000000"


def line(name, parent=ROOT, at=None, **fields):
    """A message whose id and uuid are ``name``, said ``at`` minutes past noon (None: at no known time)."""
    time = {} if at is None else {"timestamp": NOON + timedelta(minutes=at)}
    told = {"parentUuid": parent} if parent else {}
    return {"_id": name.encode(), "uuid": name, "type": "user", **time, **told, **fields}


def head(leaf="", name="head", field="current_leaf_message_uuid"):
    return {"_id": name.encode(), "type": "conversation", "record": {field: leaf} if leaf else {}}


def names(version):
    return [bytes.fromhex(key).decode() for key in version.ids]


def current(*lines):
    return names(tree_of(lines).current())


def key(name):
    return name.encode().hex()


# a -> b -> c -> d, and a -> b -> e -> f, where e is the later question.
FORKED = (
    line("a", at=0),
    line("b", "a", 1),
    line("c", "b", 2),
    line("d", "c", 3),
    line("e", "b", 4),
    line("f", "e", 5),
)


def test_without_edits_all_is_one_version_in_its_order():
    lines = [line("a"), line("b", "a"), line("c", "b")]

    assert current(head(), *lines) == ["head", "a", "b", "c"]
    assert tree_of(lines).current().forks == {}


def test_messages_that_name_no_parent_follow_each_other():
    assert current(line("a", ""), line("b", ""), line("c", "")) == ["a", "b", "c"]


def test_the_version_said_last_is_read_where_no_head_tells():
    assert current(head(), *FORKED) == ["head", "a", "b", "e", "f"]


@pytest.mark.parametrize("field", ["current_leaf_message_uuid", "current_node"])
def test_the_version_that_was_open_is_read_where_a_head_tells(field):
    assert current(head("d", field=field), *FORKED) == ["head", "a", "b", "c", "d"]


def test_a_leaf_that_is_not_there_tells_nothing():
    assert current(head("elsewhere"), *FORKED)[-1] == "f"


def test_what_was_said_after_the_leaf_of_an_older_export_is_read_too():
    assert current(head("b"), line("a"), line("b", "a", 1), line("c", "b", 2)) == ["head", "a", "b", "c"]


def test_of_two_exports_heads_the_one_with_the_newer_leaf_counts():
    assert current(head("f", "new"), *FORKED, head("d", "old"))[-1] == "old"
    assert "f" in current(head("f", "new"), *FORKED, head("d", "old"))


def test_each_message_with_versions_knows_its_number_and_neighbours():
    forks = tree_of(FORKED).current().forks

    assert forks == {key("e"): Fork(2, 2, previous=key("c"))}
    assert tree_of(FORKED).through(key("d")).forks == {key("c"): Fork(1, 2, next=key("e"))}


def test_edits_of_the_first_message_are_versions_of_it():
    lines = [line("a", at=0), line("b", "a", 1), line("c", at=2), line("d", "c", 3)]

    assert current(*lines) == ["c", "d"]
    assert names(tree_of(lines).through(key("a"))) == ["a", "b"]


def test_a_version_through_a_message_goes_to_its_newest_end():
    assert names(tree_of(FORKED).through(key("c"))) == ["a", "b", "c", "d"]
    assert names(tree_of(FORKED).through(key("a"))) == ["a", "b", "e", "f"]
    assert tree_of(FORKED).through(key("nowhere")) is None


def test_a_message_that_is_missing_hides_nothing_before_it():
    lines = [line("a"), line("b", "a"), line("d", "c"), line("e", "d")]

    assert current(*lines) == ["a", "b", "d", "e"]


def test_answers_to_a_missing_message_are_versions_of_each_other():
    lines = [line("a", at=0), line("c", "b", 1), line("d", "b", 2)]

    assert current(*lines) == ["a", "d"]
    assert tree_of(lines).current().forks[key("d")].count == 2


def test_order_in_the_file_does_not_matter_where_parents_are_named():
    shuffled = [FORKED[number] for number in (3, 1, 5, 0, 4, 2)]

    assert current(*shuffled) == ["a", "b", "e", "f"]


def test_of_one_uuid_the_later_line_counts():
    newer = line("b2", "a", 1, uuid="b")

    assert current(line("a"), line("b", "a", 1), line("c", "b", 2), newer) == ["a", "b2", "c"]


def test_the_head_of_a_later_export_stays_where_it_stood():
    assert current(line("a"), line("b", "a"), head(), line("c", "b")) == ["a", "b", "head", "c"]


@pytest.mark.parametrize(
    "lines", [[line("a", "a")], [line("a", "b"), line("b", "a")]], ids=["itself", "each other"]
)
def test_circles_are_cut_and_lose_nothing(lines):
    assert sorted(current(*lines)) == sorted(each["uuid"] for each in lines)


def test_nothing_is_a_version_of_nothing():
    assert tree_of([]).current().ids == ()
    assert current(head()) == ["head"]


letters = st.sampled_from("abcdefghij")
messages = st.builds(
    line,
    letters,
    st.one_of(st.just(""), st.just(ROOT), letters, st.just("absent")),
    st.one_of(st.none(), st.integers(0, 9)),
)


@given(st.lists(messages, max_size=12, unique_by=lambda each: each["uuid"]))
def test_whatever_is_named_every_message_is_in_a_version_that_begins_at_the_top(lines):
    tree = tree_of(lines)
    beginnings = set()
    for each in lines:
        version = tree.through(key(each["uuid"]))
        assert key(each["uuid"]) in version.ids
        assert len(set(version.ids)) == len(version.ids)
        beginnings.add(tree.above.get(version.ids[0], "top"))

    assert len(beginnings) <= 1
    assert set(tree.current().ids) <= {key(each["uuid"]) for each in lines}
