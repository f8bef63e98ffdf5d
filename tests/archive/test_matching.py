"""What is asked here of a message is what MongoDB would have said of it."""

import pytest
from bson import Binary
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archive import connection
from archive.filters import MessageFilter
from archive.matching import content_of, projected

WORDS = ("Read", "read", "straße", "STRASSE", "ſet", "K", "a.b", "a*b", "İ", "line\nbreak", "$x", "")
names = st.sampled_from(("Read", "Bash", "tool", "read", "all"))
texts = st.one_of(st.sampled_from(WORDS), st.text(max_size=8)).map(
    lambda text: text.encode("utf-8", "replace").decode().replace("\0", "")
)
scalars = st.one_of(st.none(), st.booleans(), st.integers(-5, 5), texts)
blocks = st.fixed_dictionaries(
    {},
    optional={
        "type": st.one_of(st.sampled_from(("tool_use", "text", "mcp_tool_use")), st.lists(names, max_size=2)),
        "name": st.one_of(names, st.lists(names, max_size=2), st.none()),
        "text": texts,
    },
)
contents = st.one_of(texts, st.none(), blocks, st.lists(st.one_of(blocks, scalars), max_size=3))
messages = st.fixed_dictionaries(
    {},
    optional={
        "content": contents,
        "author": st.one_of(st.none(), st.fixed_dictionaries({}, optional={"role": names})),
        "recipient": st.one_of(names, st.lists(names, max_size=2)),
    },
)
documents = st.fixed_dictionaries(
    {"source": st.sampled_from(("claude-code", "chatgpt"))},
    optional={
        "text": st.one_of(texts, st.none(), st.lists(texts, max_size=2)),
        "record": st.fixed_dictionaries(
            {}, optional={"message": st.one_of(messages, st.lists(messages, max_size=2)), "content": contents}
        ),
    },
)
fields = st.lists(
    st.sampled_from(("text", "source", "record", "record.message", "record.message.content", "record.content", "gone")),
    min_size=1, max_size=3, unique=True,
).filter(lambda chosen: not any(a != b and b.startswith(a + ".") for a in chosen for b in chosen))  # fmt: skip
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def things(archive_db):
    made = connection.collection("things_to_match")
    yield made
    made.drop()


def stored(things, some):
    things.delete_many({})
    rows = [{"_id": Binary(bytes([number]) * 32), **each} for number, each in enumerate(some)]
    things.insert_many(rows)
    return list(things.find())


@QUICK
@given(
    some=st.lists(documents, min_size=1, max_size=12),
    text=texts,
    tools=st.lists(names, max_size=2),
)
def test_a_message_fits_here_as_it_fits_there(things, some, text, tools):
    asked = MessageFilter(text=text, tools=tuple(tools))
    held = stored(things, some)
    there = {bytes(each["_id"]) for each in things.find(asked.to_query())}
    assert {bytes(each["_id"]) for each in held if content_of(asked)(each)} == there


@QUICK
@given(some=st.lists(documents, min_size=1, max_size=8), chosen=fields, is_kept=st.booleans(), shuts_id=st.booleans())
def test_a_projection_leaves_here_what_it_leaves_there(things, some, chosen, is_kept, shuts_id):
    projection = dict.fromkeys(chosen, int(is_kept)) | ({"_id": 0} if shuts_id else {})
    held = stored(things, some)
    assert [projected(each, projection) for each in held] == list(things.find({}, projection))
