"""Identity, content hashes, and documents that MongoDB can hold."""

import bson
import orjson
import pytest
from bson.objectid import ObjectId
from hypothesis import given, settings
from hypothesis import strategies as st

from archive import records
from archive.records import (
    Message,
    bson_safe,
    content_hash,
    encode,
    identity,
    identity_of,
    is_too_deep,
    with_identity,
)

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(), max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(st.characters(), max_size=4) | st.sampled_from(["$ref", "$id", "$db", "\0"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)
VALUES = st.dictionaries(st.text(st.characters(), max_size=5), JSON, max_size=5)


def message(value, raw=None, **fields):
    document = {"sessionId": "s", **fields, **records.stored_record(value, raw)}
    return Message(b"k" * 32, ObjectId(), 1024, 0, "s", ObjectId(), document, None)


@given(VALUES)
def test_a_hash_does_not_depend_on_the_order_of_keys_nor_on_the_session(value):
    turned = dict(reversed(value.items()))
    assert content_hash(value) == content_hash(turned)
    assert content_hash({**value, "sessionId": "one"}) == content_hash({**turned, "sessionId": "two"})


def test_a_hash_depends_on_everything_else():
    value = {"uuid": "u", "timestamp": "t", "message": {"content": "yes"}}
    hashes = {
        content_hash(value),
        content_hash(value | {"uuid": "v"}),
        content_hash(value | {"timestamp": "w"}),
    }
    hashes |= {content_hash(value | {"message": {"content": text}}) for text in ("yes ", "\ud800", "\ud801")}
    hashes |= {content_hash(value | {"n": number}) for number in (1, 1.0, True, "1", 2**70, 2**70 + 1, None)}
    assert len(hashes) == 13


def test_an_identity_is_that_of_a_session_a_content_and_a_repetition():
    found = {
        identity(session, content, k)
        for session in ("a", "b", "\ud800")
        for content in (b"1", b"2")
        for k in range(3)
    }
    assert len(found) == 18
    assert all(len(each) == 32 for each in found)
    assert identity("a", b"1", 2) == identity_of(identity("a", b"1"), 2)


@settings(deadline=None)
@given(VALUES)
def test_whatever_is_made_safe_can_be_stored_and_read_back(value):
    safe = bson_safe(value)
    read = bson.decode(bson.encode({"record": safe}))["record"]
    assert read == safe
    orjson.dumps(read, option=orjson.OPT_PASSTHROUGH_DATETIME)


def test_what_is_safe_already_stays_as_it_is():
    value = {"a.b": {"$set": [1, 2.5, None, True, "é\0", {"": {}}]}, "$ref2": -(2**63)}
    assert bson_safe(value) == value


def test_no_number_is_stored_that_json_does_not_know():
    assert bson_safe({"a": float("inf"), "b": [float("-inf")]}) == {"a": "inf", "b": ["-inf"]}


def test_a_value_that_bson_cannot_hold_keeps_its_bytes():
    found = message({"a\0b": 1, "big": 2**64 - 1}, text="half \ud83d")
    stored = bson.decode(encode(found))
    assert stored["raw"] == b'{"a\\u0000b":1,"big":18446744073709551615}'
    assert stored["record"] == {"a\ufffdb": 1, "big": "18446744073709551615"}
    assert stored["text"] == "half ?"
    assert encode(found) is encode(found)


def test_an_encoded_message_takes_another_identity():
    found = message({"a": 1})
    assert bson.decode(with_identity(encode(found), b"x" * 32)) == {
        **bson.decode(encode(found)),
        "_id": b"x" * 32,
    }


def test_a_document_beyond_what_mongodb_takes_is_refused():
    with pytest.raises(ValueError, match="16 MiB"):
        encode(message({"a": "x" * 17_000_000}))
    assert len(encode(message({"a": "x" * 16_000_000}))) > 16_000_000


def test_bytes_beside_a_parsed_form_are_kept_alone_where_both_would_be_too_much():
    long = {"t": "x" * 8_000_000}
    assert set(records.stored_record(long, orjson.dumps(long))) == {"raw"}
    assert set(records.stored_record({}, b"{ }")) == {"record", "raw"}


def test_depth():
    for depth in (1, 99, 100, 101, 5000):  # below the record itself
        value: object = 0
        for _ in range(depth):
            value = [value]
        assert is_too_deep({"a": value}) == (depth > 100), depth
    assert not is_too_deep({"a": [[1], [2], {"b": "c"}]})
