"""Pages by key: everything comes once, in order, forwards and backwards, whatever is missing."""

import base64
import contextlib
import random

import bson
import pytest
from bson.decimal128 import Decimal128
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archive import connection
from archive.errors import BadInput
from archive.paging import MAX_CURSOR_CHARS, encoded, find_in, find_page

ORDERS = {
    "up": (("a", 1), ("b", 1), ("_id", 1)),
    "down": (("a", -1), ("b", -1), ("_id", -1)),
    "mixed": (("a", -1), ("b", 1), ("_id", 1)),
    "one": (("_id", -1),),
}


@pytest.fixture
def things(archive_db):
    collection = connection.collection("sessions_of_pages")
    collection.delete_many({})
    yield collection
    collection.drop()


def walk(things, order, limit, backwards=False):
    """All pages one after the other, and the cursors that lead back."""
    found, cursor, pages = [], None, 0
    page = find_page(find_in(things, {}), order, cursor=None, limit=limit)
    while True:
        found += page.items
        pages += 1
        if page.next is None:
            return found, pages, page
        cursor = page.next
        page = find_page(find_in(things, {}), order, cursor=cursor, limit=limit)


def back(things, order, limit, page):
    found = []
    while page.previous is not None:
        page = find_page(find_in(things, {}), order, cursor=page.previous, limit=limit)
        found = page.items + found
        assert page.next is not None
    return found


VALUES = st.sampled_from([None, "missing", 1, 2, 3])


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(VALUES, VALUES), max_size=9), st.integers(1, 4), st.sampled_from(sorted(ORDERS)))
def test_every_item_comes_once_and_in_order(things, rows, limit, name):
    things.delete_many({})
    documents = [
        {"_id": number, **{k: v for k, v in zip("ab", row, strict=True) if v != "missing"}}
        for number, row in enumerate(rows)
    ]
    if documents:
        things.insert_many(documents)
    order = ORDERS[name]
    expected = list(things.find().sort(list(order)))
    found, _, last = walk(things, order, limit)
    assert found == expected
    assert back(things, order, limit, last) == expected[: len(expected) - len(last.items)]


def test_pages_stay_right_while_items_come_and_go(things):
    chance = random.Random(1)
    things.insert_many({"_id": number, "a": chance.randint(0, 5)} for number in range(0, 100, 2))
    order, seen, cursor = (("a", 1), ("_id", 1)), [], None
    while True:
        page = find_page(find_in(things, {}), order, cursor=cursor, limit=7)
        seen += [each["_id"] for each in page.items]
        things.insert_one({"_id": 1 + 2 * len(seen), "a": chance.randint(0, 5)})
        things.delete_one({"_id": seen[0]})
        if page.next is None:
            break
        cursor = page.next
    assert len(set(seen)) == len(seen)
    assert {number for number in seen if number % 2 == 0} == set(range(0, 100, 2))


def test_the_query_still_counts_beside_the_cursor(things):
    things.insert_many({"_id": number, "a": number % 2} for number in range(10))
    page = find_page(find_in(things, {"a": 1}), (("_id", 1),), cursor=None, limit=2)
    page = find_page(find_in(things, {"a": 1}), (("_id", 1),), cursor=page.next, limit=2)
    assert [each["_id"] for each in page.items] == [5, 7]


def test_values_of_every_kind_can_be_passed_by(things):
    for values in (
        [b"a", b"b"],
        ["é", "ü"],
        [Decimal128("0.1"), Decimal128("2")],
        [bson.ObjectId(), bson.ObjectId()],
        [1.5, 2],
    ):
        things.delete_many({})
        things.insert_many(
            {"_id": number, "a": value} for number, value in enumerate(sorted(values, key=str))
        )
        found, pages, _ = walk(things, (("a", 1), ("_id", 1)), 1)
        assert (len(found), pages) == (2, 2)


def forged(**given) -> str:
    return base64.urlsafe_b64encode(bson.encode(given)).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        "x", "é", "====", "A" * 10, "A" * 100_000, "\0", "\ud800",
        forged(), forged(b=False), forged(b=False, k=[]), forged(b=False, k=[1]), forged(b=False, k=[1, 2, 3]),
        forged(b=False, k=[{"$gt": 1}, 1]), forged(b=False, k=[[1], 1]), forged(b=False, k=[bson.Regex(".*"), 1]),
        forged(b=False, k="ab"), forged(b=False, k={"0": 1, "1": 2}), forged(b=False, k=[bson.Code("x"), 1]),
        forged(b=False, k=[None, None]), forged(b=True, k=[None, None]), forged(b=False, k=[1, None]),
        forged(b=False, k=[1, bson.MaxKey()]),
    ],
)  # fmt: skip
def test_a_forged_cursor_is_refused(things, cursor):
    things.insert_one({"_id": 1, "a": 1})
    for order in ((("a", 1), ("_id", 1)), (("a", -1), ("_id", -1))):
        with pytest.raises(BadInput) as caught:
            find_page(find_in(things, {}), order, cursor=cursor, limit=5)
        assert caught.value.code == "bad_cursor"


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=80))
def test_no_bytes_are_more_than_a_bad_cursor(things, data):
    with contextlib.suppress(BadInput):
        find_page(find_in(things, {}), ORDERS["one"], cursor=base64.urlsafe_b64encode(data).decode(), limit=5)


def test_a_cursor_is_never_too_long_for_itself():
    longest = {"title": "\U0001f600" * 200, "sessionId": "\U0001f600" * 1000}
    assert len(encoded(longest, (("title", 1), ("sessionId", 1)))) <= MAX_CURSOR_CHARS
