"""Shapes of queries: fields by how they are asked for, no values, and the index that would serve them."""

import re
from datetime import UTC, datetime

import pytest
from bson.raw_bson import RawBSONDocument
from bson.son import SON

from archive.query_shapes import Shape, family_of, shape_of

DAY = datetime(2026, 1, 1, tzinfo=UTC)


def find(asked, sort=None, collection="messages_current"):
    return shape_of("find", {"find": collection, "filter": asked, "sort": sort or {}})


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("messages_current", "messages"),
        ("messages_2026_03", "messages"),
        ("messages_2026_03_2", "messages"),
        ("messages_archive_2026_03", "messages_archive"),
        ("messages_timeseries", "messages_timeseries"),
        ("system.buckets.messages_timeseries", "messages_timeseries"),
        ("message_keys", "message_keys"),
        ("sessions", ""),
        ("message_copies", ""),
        (1, ""),
    ],
)
def test_a_partition_is_one_of_its_family(name, family):
    assert family_of(name) == family


def test_fields_are_told_by_how_they_are_asked_for():
    shape = find({"sessionId": "a", "type": {"$in": ["x"]}, "timestamp": {"$gte": DAY, "$lt": DAY}, "text": {"$exists": True}}, SON([("timestamp", -1), ("seq", 1)]))
    assert shape == Shape("messages", "find", ("sessionId", "type"), ("timestamp",), ("-timestamp", "seq"), ("text",))


def test_two_queries_that_differ_in_values_alone_have_one_shape():
    one = find({"sessionId": "a", "record": {"a": 1}, "uuid": re.compile("secret")})
    other = find({"sessionId": "b", "record": {"b": 2}, "uuid": re.compile("else")})
    assert one == other
    assert one.other == ("uuid",)


def test_no_value_is_in_a_shape():
    shape = find({"sessionId": "secret", "$or": [{"uuid": "secret"}], "$and": [{"seq": {"$gt": "secret"}}]})
    assert "secret" not in shape.key + repr(shape.to_document())
    assert shape.other == ("$or",)
    assert shape.bounded == ("seq",)


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("aggregate", {"aggregate": "messages_current", "pipeline": [{"$match": {"uuid": 1}}, {"$match": {"seq": {"$gt": 1}}}, {"$group": {"_id": 1}}]}),
        ("count", {"count": "messages_current", "query": {"uuid": 1, "seq": {"$gt": 1}}}),
        ("distinct", {"distinct": "messages_current", "key": "x", "query": {"uuid": 1, "seq": {"$gt": 1}}}),
        ("findAndModify", {"findAndModify": "messages_current", "query": {"uuid": 1, "seq": {"$gt": 1}}}),
        ("update", {"update": "messages_current", "updates": [{"q": {"uuid": 1, "seq": {"$gt": 1}}, "u": {}}]}),
        ("delete", {"delete": "messages_current", "deletes": [{"q": {"uuid": 1, "seq": {"$gt": 1}}, "limit": 0}]}),
        ("find", RawBSONDocument(__import__("bson").encode({"find": "messages_current", "filter": {"uuid": 1, "seq": {"$gt": 1}}}))),
    ],
)
def test_every_command_has_its_shape(name, command):
    assert shape_of(name, command) == Shape("messages", name, ("uuid",), ("seq",))


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("insert", {"insert": "messages_current"}),
        ("find", {"find": "sessions", "filter": {"a": 1}}),
        ("count", {"count": "messages_current"}),
        ("aggregate", {"aggregate": "messages_current", "pipeline": [{"$indexStats": {}}]}),
        ("aggregate", {"aggregate": 1, "pipeline": []}),
        ("delete", {"delete": "messages_current", "deletes": []}),
    ],
)
def test_what_no_index_could_serve_has_none(name, command):
    assert shape_of(name, command) is None


def test_an_index_has_equality_then_order_then_bounds():
    shape = find({"type": "a", "timestamp": {"$gte": DAY}, "seq": {"$gt": 1}}, SON([("timestamp", -1), ("uuid", 1)]))
    assert shape.index_keys() == (("type", 1), ("timestamp", -1), ("uuid", 1), ("seq", 1))


@pytest.mark.parametrize("asked", [{}, {"_id": b"1"}, {"_id": {"$gt": b"1"}}, {"text": re.compile("a")}, {"$or": [{"a": 1}]}])
def test_where_no_index_would_help_there_are_no_keys(asked):
    assert find(asked).index_keys() == ()


def test_a_stored_shape_comes_back():
    shape = find({"sessionId": "a", "seq": {"$gt": 1}}, {"seq": -1})
    assert Shape.from_document(shape.to_document()) == shape


def test_names_and_their_number_are_bounded():
    shape = find({f"{'x' * 500}{number}": 1 for number in range(500)})
    assert len(shape.key) < 2_000
