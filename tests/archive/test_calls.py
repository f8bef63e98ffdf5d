"""One response of the API, told by many lines in any order: counted once."""

from datetime import UTC, datetime, timedelta
from functools import reduce
from itertools import permutations

import bson
from bson.objectid import ObjectId
from hypothesis import given, settings
from hypothesis import strategies as st

from archive.calls import document_of, merge, priced
from archive.records import Call

DAY = datetime(2025, 11, 1, tzinfo=UTC)
USAGES = st.dictionaries(
    st.sampled_from(["input", "output", "cacheRead", "cacheWrite5m", "cacheWrite1h", "webSearches"]),
    st.integers(1, 3),
)
CALLS = st.builds(
    Call,
    st.just("msg_1"),
    st.sampled_from(["a", "b"]),
    st.sampled_from([ObjectId("1" * 24), ObjectId("2" * 24)]),
    st.sampled_from(["", "claude-sonnet-4-5", "claude-opus-4-1"]),
    st.builds(lambda usage, speed: usage | speed, USAGES, st.sampled_from([{}, {"speed": "fast"}])),
    st.sampled_from([None, DAY, DAY + timedelta(milliseconds=1)]),
    st.booleans(),
    st.sampled_from([None, "req_1", "req_2"]),
    st.sampled_from([None, 0, 5_000_000]),
)


def stored(document):
    """The document as it comes back from the database."""
    return bson.decode(bson.encode(document), bson.CodecOptions(tz_aware=True))


@settings(deadline=None, max_examples=500)
@given(st.lists(CALLS, min_size=2, max_size=4))
def test_lines_merge_to_the_same_response_in_any_order(lines):
    documents = [document_of(line) for line in lines]
    results = [reduce(merge, order) for order in permutations(documents)]
    assert all(result == results[0] for result in results)


@settings(deadline=None, max_examples=300)
@given(CALLS, CALLS, CALLS)
def test_it_does_not_matter_what_was_merged_before(one, two, three):
    one, two, three = (document_of(each) for each in (one, two, three))
    assert merge(merge(one, two), three) == merge(one, merge(two, three))
    assert merge(one, one) == one


@settings(deadline=None, max_examples=200)
@given(CALLS, CALLS)
def test_what_was_stored_in_between_merges_the_same(one, two):
    first, second = document_of(one), document_of(two)
    direct = priced(merge(first, second))
    by_way_of_the_database = priced(merge(stored(priced(document_of(one))), document_of(two)))
    assert by_way_of_the_database == direct
    # Told once more, nothing changes: then nothing is written.
    assert priced(merge(stored(direct), document_of(one))) == stored(direct)


def call(session="a", output=1, at=DAY, **more):
    return document_of(
        Call("m", session, ObjectId("1" * 24), "claude-sonnet-4-5", {"output": output}, at, **more)
    )


def test_the_largest_usage_counts_and_the_first_time():
    found = merge(call(output=9, at=DAY + timedelta(days=1)), call(output=3))
    assert (found["usage"], found["timestamp"]) == ({"output": 9}, DAY)


def test_the_earliest_conversation_owns_a_response_whatever_copies_say():
    assert merge(call("later", at=DAY + timedelta(1)), call("earlier"))["sessionId"] == "earlier"
    assert merge(call("none", at=None), call("timed"))["sessionId"] == "timed"


def test_the_main_conversation_comes_before_a_side_one():
    side = call("side", output=99, at=DAY - timedelta(1), is_sidechain=True)
    found = merge(side, call("main"))
    assert (found["sessionId"], found["usage"]) == ("main", {"output": 1})
    assert "isSidechain" not in found
