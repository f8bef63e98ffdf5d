"""One JSON document, cut into its records: every byte of it, wherever reading stops."""

import json
import random
import tracemalloc

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archive.records import Rejected
from imports.readers import document
from imports.readers.base import Bytes
from imports.readers.lines import Cursor
from tests.imports.reading import FILE_ID, MemoryEntry, given_back, items, kept, opened_as, read, seen

CONVERSATIONS = {"record": ["*", "chat_messages", "*"], "head": ["*"]}


def message(number: int, **more):
    return {"uuid": f"m{number}", "sender": ("human", "assistant")[number % 2], "text": f"say {number}", **more}


def conversation(number: int, messages: int = 3, **more):
    return {"uuid": f"c{number}", "name": f"Talk {number}", "chat_messages": [message(number * 100 + n) for n in range(messages)], **more}


def compact(value) -> bytes:
    return orjson.dumps(value)


EXPORT = [conversation(1), conversation(2, 0), conversation(3, 1), conversation(4, 5)]
FORMS = {
    "compact": compact(EXPORT),
    "with spaces": json.dumps(EXPORT).encode(),
    "indented": json.dumps(EXPORT, indent=2).encode() + b"\n",
    "crlf": json.dumps(EXPORT, indent=1).replace("\n", "\r\n").encode(),
    "with a mark": b"\xef\xbb\xbf" + compact(EXPORT),
    "keys sorted": json.dumps(EXPORT, sort_keys=True).encode(),
    "wrapped": compact({"version": 1, "conversations": EXPORT, "end": [1, {"a": []}]}),
    "alone": compact(EXPORT[3]),
    "two documents": compact(EXPORT) + b"\n" + compact(EXPORT[:1]) + b"\n",
    "odd values": b'[{"uuid":"c","chat_messages":[{"sender":"human","n":1e400,"d":1,"d":2,"big":123456789012345678901234567890},{"sender":"human","s":"\\ud83d"},{"sender":"human","$ref":"a","$id":1}]}]',
    "escapes": compact([conversation(1)]).replace(b"say 100", rb"\"[{\\\\\"]}\\"),
}


def round_trip(data: bytes, **options) -> tuple[list, bytes]:
    source = opened_as(data)
    found = read(source, **options)
    return found, given_back(found, source.mark(is_done=True))


@pytest.mark.parametrize("name", FORMS)
def test_a_document_comes_back_byte_for_byte(name):
    found, back = round_trip(FORMS[name])
    assert back == FORMS[name]
    assert not [each for each in found if isinstance(each, Rejected)]


@pytest.mark.parametrize("name", ["compact", "with spaces", "indented", "keys sorted", "wrapped", "with a mark"])
def test_heads_and_messages_are_its_records(name):
    found, _ = round_trip(FORMS[name])
    expected = [(f"c{n}", kind) for n, count in ((1, 3), (2, 0), (3, 1), (4, 5)) for kind in ("conversation", *["message"] * count)]
    assert [(each.session_id, "conversation" if each.document.get("type") == "conversation" or b"conversation\0" in each.encoded else "message") for each in found] == expected


def test_what_stands_behind_the_messages_is_known_before_them():
    found, _ = round_trip(FORMS["keys sorted"])
    assert {each.session_id for each in found} == {"c1", "c2", "c3", "c4"}


def test_what_stands_behind_messages_longer_than_the_window_is_known_too():
    data = json.dumps([conversation(1, 300), conversation(2, 300)], sort_keys=True).encode()
    found, back = round_trip(data, max_record=4096)
    assert {each.session_id for each in found} == {"c1", "c2"}
    assert back == data


def test_a_compact_message_keeps_no_bytes_beside_its_value():
    found, _ = round_trip(FORMS["compact"])
    assert [each.has_raw for each in found if each.session_id == "c1"] == [True, True, False, False]


def test_reading_may_stop_behind_any_record_and_go_on():
    for name in ("compact", "indented", "keys sorted", "wrapped", "odd values"):
        whole = [seen(each) for each in read(opened_as(FORMS[name]))]
        for stop in range(len(whole)):
            source = opened_as(FORMS[name])
            stream = items(source, 15 * 1024 * 1024)
            first = [seen(next(stream)) for _ in range(stop)]
            state = source.position() if stop else None
            again = opened_as(FORMS[name])
            if state:
                again.cursor = Cursor(**orjson.loads(orjson.dumps(state["cursor"])))
                again.cursor.digest.update(FORMS[name][: again.cursor.offset])
                again.context = type(again.context).from_dict(state["context"])
            assert first + [seen(each) for each in read(again)] == whole, (name, stop)


@pytest.mark.parametrize("limit", [40, 100, 1000])
def test_what_is_longer_than_a_record_may_be_is_kept_in_pieces(limit, monkeypatch):
    monkeypatch.setattr(document, "PIECE_BYTES", 64)
    for data in FORMS.values():
        found, back = round_trip(data, max_record=limit)
        assert back == data
        if limit == 40:
            assert {each.code for each in found if isinstance(each, Rejected)} >= {"too_large"}


@pytest.mark.parametrize("name", ["compact", "indented", "escapes", "odd values"])
def test_a_document_that_is_cut_anywhere_is_kept_and_goes_on(name):
    data = FORMS[name]
    whole = [seen(each) for each in read(opened_as(data))]
    for cut in range(200, len(data), 7):
        source = opened_as(data[:cut])
        found = read(source)
        assert given_back(found, source.mark(is_done=True)) == data[:cut]
        good = [seen(each) for each in found if not isinstance(each, Rejected)]
        assert good == whole[: len(good)]


def test_what_is_no_document_any_more_is_rejected_with_its_place():
    data = compact(EXPORT)
    for tail in (b"}", b"garbage " * 10, b"]]]", b'"text"'):
        found, back = round_trip(data + tail)
        assert back == data + tail
        assert [each.code for each in found if isinstance(each, Rejected)] == ["not_json"]
        assert f"{len(data):,}" in found[-1].reason


@pytest.mark.parametrize(
    ("element", "code"),
    [
        (b"1", "not_an_object"),
        (b'"text"', "not_an_object"),
        (b"null", "not_an_object"),
        (b"[1,[2]]", "not_an_object"),
        (b'{"a":nan}', "not_json"),
        (b'{"a" 1}', "not_json"),
        (b'{"a":"\xff"}', "invalid_utf8"),
        (b"[" * 300 + b"]" * 300, "too_deep"),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, "too_deep"),
    ],
)
def test_an_element_that_is_no_record_is_rejected_alone(element, code):
    good = compact(message(1))
    data = b'[{"uuid":"c","chat_messages":[' + good + b"," + element + b", " + good + b"]}]"
    found, back = round_trip(data)
    assert back == data
    assert [each.code for each in found if isinstance(each, Rejected)] == [code]
    assert len(found) == 4


def test_a_hostile_document_takes_neither_time_nor_memory():
    for data in (b"[" * 300_000, b'[{"uuid":"c","chat_messages":[' + b"[" * 300_000, b'[{"a":"' + b"x" * 10_000_000, b'[{"uuid":"c","chat_messages":["' + b"\\" * 10_000_000):
        cursor = Cursor()
        entry = MemoryEntry(data)
        tracemalloc.start()
        for _ in document.read_document(Bytes(entry.open(), entry.open, FILE_ID, cursor, 1_000_000, {"shape": CONVERSATIONS})):
            pass
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
        tracemalloc.stop()
        assert cursor.offset + len(cursor.rest) == len(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.lists(st.dictionaries(st.text(max_size=8), JSON, max_size=4), max_size=4), max_size=4),
    st.sampled_from([None, 1, 2]),
    st.booleans(),
    st.integers(0, 1 << 30),
)
def test_whatever_json_a_document_holds_comes_back(bodies, indent, ascii_only, seed):
    value = [{"uuid": f"c{n}", "chat_messages": [message(0), *body]} for n, body in enumerate(bodies)] or [conversation(1)]
    data = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    for limit in (15 * 1024 * 1024, random.Random(seed).randint(20, 400)):
        source = opened_as(data)
        found = read(source, limit)
        assert given_back(found, source.mark(is_done=True)) == data
        assert kept(source.mark(is_done=True)).size == len(data)
