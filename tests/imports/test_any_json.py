"""Any JSON there can be, put into a record of each kind of file: it survives import and export, or is refused by
name. Through the real pipeline and the real database."""

import json
import math
import shutil

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archive import rejected
from archive.reader import MessageFilter, scan_messages
from exports.choices import Choices
from exports.material import ArchiveMaterial
from exports.renderers import RENDERERS
from imports.readers.lines import HINTS
from tests.emptying import empty
from tests.imports.running import bytes_of, check_files, paths, run
from tests.samples.making import ONE, user

# Every text there is, halves of characters too; numbers that no double and no 64 bit hold; keys that mean
# something elsewhere.
TEXT = st.text(st.characters(), max_size=8) | st.sampled_from(["\ud83d", "\udc00x", "\x00", "\u2028", "NaN", "1e999"])
NUMBERS = st.integers() | st.integers(-(10**40), 10**40) | st.floats() | st.sampled_from([1e308, -0.0, 5e-324, 2**63, -(2**63) - 1])
KEYS = TEXT | st.sampled_from(["", "a.b", "$where", "$ref", "$id", "$db", "$date", "$oid", "_id", "__proto__", "sessionId", "uuid", "type", "content"])
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


def nested(value, depth):
    for _ in range(depth):
        value = [value] if depth % 2 else {"a": value}
    return value


DEEP = st.builds(nested, st.just(1), st.integers(80, 130))


def claude_code(values, **form) -> bytes:
    lines = [{**user(ONE, number), "toolUseResult": value} for number, value in enumerate(values)]
    return b"\n".join(json.dumps(line, **form).encode("utf-8", "surrogatepass") for line in lines) + b"\n"


def claude_ai(values, **form) -> bytes:
    messages = [{"uuid": f"m{number}", "sender": "human", "text": "t", "content": [], "x": value} for number, value in enumerate(values)]
    return json.dumps([{"uuid": ONE, "name": "n", "chat_messages": messages}], **form).encode("utf-8", "surrogatepass")


def chatgpt(values, **form) -> bytes:
    nodes = {str(number): {"id": str(number), "message": {"author": {"role": "user"}, "content": {"content_type": "text", "parts": [value]}}, "parent": None, "children": []} for number, value in enumerate(values)}
    return json.dumps([{"title": "t", "mapping": nodes, "conversation_id": ONE}], **form).encode("utf-8", "surrogatepass")


FILES = {"claude-code": ("projects/-home-ada-shop/x.jsonl", claude_code), "claude-ai": ("conversations.json", claude_ai), "chatgpt": ("conversations.json", chatgpt)}


def same(one, other) -> bool:
    """Equal to the type and the sign: 1 is not 1.0, nor True, nor 0.0 -0.0."""
    kinds = (bool, int, float, str, list, dict, type(None))
    if [isinstance(one, kind) for kind in kinds] != [isinstance(other, kind) for kind in kinds]:
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float):
        return one == other and math.copysign(1, one) == math.copysign(1, other)
    return one == other


def told_exactly(message, values) -> None:
    """A record without exact bytes beside it is the value itself; one with them says in them what it is."""
    if "raw" in message:
        record = json.loads(bytes(message["raw"])[message.get("lead", 0) :])
    else:
        record = message["record"]
    value = record.get("toolUseResult", record.get("x"))
    if "message" in record and "content" in (record["message"] or {}) and "mapping" not in record and "children" in record:
        value = record["message"]["content"]["parts"][0]
    if message["type"] != "conversation":
        assert any(same(value, each) for each in values)


@pytest.mark.parametrize("name", FILES)
@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(values=st.lists(VALUES | DEEP, min_size=1, max_size=15), indent=st.sampled_from([None, None, 1]), ascii_only=st.booleans())
def test_any_value_survives_or_is_refused_by_name(archive_db, tmp_path, name, values, indent, ascii_only):
    empty(archive_db)
    place, make = FILES[name]
    indent = None if name == "claude-code" else indent
    data = make(values, indent=indent, ensure_ascii=ascii_only, separators=None if indent else (",", ":"))
    folder = tmp_path / "given"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / place).parent.mkdir(parents=True)
    (folder / place).write_bytes(data)
    result = run(folder / place)
    (path,) = paths(archive_db)
    assert bytes_of(archive_db, path) == data
    check_files(archive_db)
    kept = [message for message in scan_messages(MessageFilter()) if message["type"] != "conversation"]
    assert result.inserted == len(kept) + (name != "claude-code")
    for message in kept:
        told_exactly(message, values)
    refused = rejected.page_rejected("job").items
    assert len(kept) + len(refused) == len(values)
    assert all(each["code"] in HINTS and each["reason"] and each["hint"] for each in refused)
    for form in ("jsonl", "json"):
        for line in b"".join(RENDERERS[form].render(ArchiveMaterial(MessageFilter()), Choices())).splitlines():
            if form == "jsonl":
                orjson.loads(line)
