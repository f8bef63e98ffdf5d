"""Exports of ChatGPT: trees of nodes, hidden ones among them, and texts of every kind."""

import json
from datetime import UTC, datetime

import bson
import orjson
import pytest

from archive.records import encode
from imports.formats import detect
from tests.imports.reading import MemoryEntry, opened_as, read
from tests.imports.running import bytes_of, check_files, run


def text(*parts):
    return {"content_type": "text", "parts": list(parts)}


def node(key, parent=None, role="user", content=None, at=1767614401.5, **metadata):
    message = {
        "id": key,
        "author": {"role": role},
        "create_time": at,
        "content": content or text(f"saying {key}"),
        "metadata": metadata,
    }
    return {"id": key, "message": message, "parent": parent, "children": []}


def conversation(number, *nodes, **more):
    mapping = {each["id"]: each for each in nodes}
    told = {
        "title": f"Talk {number}",
        "create_time": 1767614400.123456,
        "mapping": mapping,
        "current_node": nodes[-1]["id"] if nodes else None,
    }
    return {**told, "conversation_id": f"c{number}", "default_model_slug": "gpt-5", **more}


def stored(*conversations):
    found = read(opened_as(orjson.dumps(list(conversations))))
    return [bson.decode(encode(each), bson.CodecOptions(tz_aware=True)) for each in found]


def test_nodes_are_messages_with_their_parents():
    root = {"id": "root", "message": None, "parent": None, "children": ["a"]}
    told = stored(conversation(1, root, node("a", "root"), node("b", "a", "assistant")))
    assert [each["type"] for each in told] == ["conversation", "node", "user", "assistant"]
    assert [(each.get("uuid"), each.get("parentUuid")) for each in told[1:]] == [
        ("root", None),
        ("a", "root"),
        ("b", "a"),
    ]
    assert {each["sessionId"] for each in told} == {"c1"}
    assert told[2]["isPrompt"]


def test_what_stands_behind_the_mapping_names_the_session_and_the_model():
    told = stored(
        conversation(1, node("a", role="assistant")),
        conversation(2, node("b", role="assistant", model_slug="gpt-4o")),
    )
    assert [(each["sessionId"], each.get("model")) for each in told] == [
        ("c1", None),
        ("c1", "gpt-5"),
        ("c2", None),
        ("c2", "gpt-4o"),
    ]


@pytest.mark.parametrize("key", ["conversation_id", "id"])
def test_either_key_is_the_conversations_id(key):
    value = conversation(1, node("a"))
    value[key] = value.pop("conversation_id")
    assert {each["sessionId"] for each in stored(value)} == {"c1"}


@pytest.mark.parametrize(
    "hidden",
    [
        node("a", is_visually_hidden_from_conversation=True),
        node("a", content={"content_type": "user_editable_context", "user_profile": "secret"}),
    ],
)
def test_what_is_hidden_is_kept_but_nobody_said_it(hidden):
    told = stored(conversation(1, hidden))[1]
    assert (told["isMeta"], told.get("isPrompt"), told.get("text")) == (True, None, None)
    assert told["record"] == hidden
    (_, message) = read(opened_as(orjson.dumps([conversation(1, hidden)])))
    assert message.title is None


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (text("one", "two"), "one\n\ntwo"),
        ({"content_type": "code", "language": "python", "text": "1+1"}, "1+1"),
        ({"content_type": "execution_output", "text": "2"}, "2"),
        (
            {
                "content_type": "multimodal_text",
                "parts": [{"content_type": "image_asset_pointer", "asset_pointer": "sediment://x"}, "see"],
            },
            "see",
        ),
        (
            {
                "content_type": "multimodal_text",
                "parts": [{"content_type": "audio_transcription", "text": "heard"}],
            },
            "heard",
        ),
        (
            {"content_type": "thoughts", "thoughts": [{"summary": "short", "content": "long"}]},
            "short\n\nlong",
        ),
        ({"content_type": "reasoning_recap", "content": "Thought for 4 seconds"}, "Thought for 4 seconds"),
        ({"content_type": "tether_quote", "title": "t", "text": "quoted"}, "quoted"),
        ({"content_type": "tether_browsing_display", "result": "shown", "summary": None}, "shown"),
        ({"content_type": "from_the_future", "parts": None, "thoughts": 5}, None),
        ({"parts": [None, 1, {}, []]}, None),
    ],
)
def test_content_of_every_type_is_read(content, found):
    assert stored(conversation(1, node("a", content=content)))[1].get("text") == found


@pytest.mark.parametrize(
    ("told", "time"),
    [
        (1767614401.123456, datetime(2026, 1, 5, 12, 0, 1, 123000, UTC)),
        (1767614401, datetime(2026, 1, 5, 12, 0, 1, 0, UTC)),
        (None, datetime(2026, 1, 5, 12, 0, 0, 123000, UTC)),
        (1e300, datetime(2026, 1, 5, 12, 0, 0, 123000, UTC)),
        ("2026-01-05T12:00:01Z", datetime(2026, 1, 5, 12, 0, 1, 0, UTC)),
    ],
)
def test_times_are_seconds(told, time):
    assert stored(conversation(1, node("a", at=told)))[1]["timestamp"] == time


@pytest.mark.parametrize(
    "value",
    [
        [conversation(1, node("a"))],
        [conversation(1)],
        conversation(1, node("a")),
        [{"title": "t", "create_time": 1.0, "current_node": "a", "id": "c"}],
    ],
)
def test_it_is_known_by_its_keys(value):
    for data in (orjson.dumps(value), json.dumps(value, indent=2).encode()):
        assert detect(MemoryEntry(data, "x", "x", "")).format.name == "chatgpt"


def test_parts_of_an_export_and_entries_without_a_mapping_come_in(archive_db, tmp_path):
    parts = {
        "conversations-000.json": [
            conversation(1, node("a"), node("b", "a", "assistant")),
            {"title": "none", "create_time": 1.0, "id": "c9"},
        ],
        "conversations-001.json": [
            conversation(2, node("a")),
            {**conversation(3), "mapping": None},
            {**conversation(4), "mapping": {"x": None, "y": 7, "z": {"id": "z", "message": "text"}}},
        ],
    }
    for name, value in parts.items():
        (tmp_path / name).write_bytes(orjson.dumps(value))
    done = run(tmp_path)
    assert {each["_id"] for each in archive_db.sessions.find()} == {"c1", "c2", "c3", "c4", "c9"}
    assert (done.inserted, done.rejected) == (3 + 1 + 2 + 1 + 2, 2)
    for name, value in parts.items():
        assert bytes_of(archive_db, f"chatgpt/{name}") == orjson.dumps(value)
    check_files(archive_db)


def test_a_later_export_adds_what_is_new(archive_db, tmp_path):
    first, second = tmp_path / "a.json", tmp_path / "b.json"
    first.write_bytes(orjson.dumps([conversation(1, node("a"), node("b", "a", "assistant"))]))
    second.write_bytes(
        orjson.dumps([conversation(1, node("a"), node("b", "a", "assistant"), node("c", "b"))])
    )
    run(first)
    done = run(second, job="later")
    # The node, and the conversation that ends with it now.
    assert (done.inserted, done.duplicates) == (2, 2)
    assert archive_db.projects.distinct("name") == ["ChatGPT"]
