"""Knowing a Claude Code transcript by its first lines."""

import io
import tracemalloc

import orjson
import pytest

from archive.errors import BadInput
from imports.readers.claude_code import HEAD_LINES, Head, detect, is_own, plain_text
from tests.samples.making import CWD, ONE, assistant, dump, joined, user

OWN = [
    user(ONE, 0),
    assistant(ONE, 1),
    {"type": "summary", "summary": "x", "leafUuid": "y"},
    {"type": "file-history-snapshot", "messageId": "m", "snapshot": {}},
    {"type": "queue-operation", "operation": "enqueue", "sessionId": ONE},
    {"type": "custom-title", "customTitle": "x", "sessionId": ONE},
    {"type": "started", "key": "k", "agentId": "a"},
    {"type": "something-new", "parentUuid": None, "sessionId": ONE},
    {"display": "fix it", "pastedContents": {}, "timestamp": 1, "project": "/x"},
    {"message": {"role": "assistant", "usage": {"input_tokens": 1, "cache_read_input_tokens": 2}}},
]
FOREIGN = [
    {"role": "user", "content": "hello"},
    {"messages": [{"role": "user", "content": "hello"}]},
    {"type": "user", "sessionId": "x", "uuid": "y", "message": {"role": "user", "parts": [{"text": "qwen"}]}},
    {"type": "session_meta", "payload": {"id": "codex"}},
    {"timestamp": "2026", "type": "response_item", "payload": {}},
    {"uuid": "u", "name": "n", "chat_messages": []},
    {"title": "t", "mapping": {}},
    {"type": ["user"], "parentUuid": None},
    {"type": {"a": 1}, "message": "text"},
    {"message": {"usage": {"input_tokens": 1, "output_tokens": 2}}},
    {},
]


def looked_at(*lines: bytes, name: str = "a.jsonl") -> Head:
    return detect(io.BytesIO(b"\n".join(lines)), name)


@pytest.mark.parametrize("line", OWN, ids=lambda line: str(line.get("type")))
def test_its_own_lines_are_known(line):
    assert is_own(line)
    assert looked_at(dump(line)).matched == 1


@pytest.mark.parametrize("line", FOREIGN)
def test_lines_of_others_are_not(line):
    assert not is_own(line)
    with pytest.raises(BadInput) as caught:
        looked_at(dump(line), dump(line))
    assert caught.value.code == "unknown_format"
    assert caught.value.hint


@pytest.mark.parametrize(
    ("data", "code", "told"),
    [
        (b"", "empty_file", "empty"),
        (b"\n \n\r\n", "empty_file", "empty"),
        (b"\n" * 3_000_000, "empty_file", "empty"),
        ("\ufeff{}".encode("utf-16"), "wrong_encoding", "UTF-16"),
        ("{}".encode("utf-16-le"), "wrong_encoding", "UTF-16"),
        ("{}".encode("utf-16-be"), "wrong_encoding", "UTF-16"),
        (b"\x00\x01\x02\x03", "wrong_encoding", "binary"),
        (b"\x1f\x8b\x08rest", "unknown_format", "gzip"),
        (b"\x28\xb5\x2f\xfdrest", "unknown_format", "zstandard"),
        (b"\xff" * 100, "unknown_format", "no JSON lines"),
        (b"hello\nworld\n", "unknown_format", "none of its first 2 lines is a JSON object"),
        (b"%PDF-1.7\n", "unknown_format", "no JSON lines"),
        (b'{"chat_messages":[]}', "unknown_format", "claude.ai"),
        (b'{"mapping":{}}', "unknown_format", "ChatGPT"),
        (b'[{"type":"user"}]', "unknown_format", "no JSON lines"),
        (b"[" * 100_000, "unknown_format", "no JSON lines"),
        (b'{"a":' * 100_000, "unknown_format", "no JSON lines"),
        (b"x" * 5_000_000, "unknown_format", "no JSON lines"),
    ],
)
def test_what_it_is_not_is_said(data, code, told):
    with pytest.raises(BadInput, match=told) as caught:
        detect(io.BytesIO(data), "a.jsonl")
    assert caught.value.code == code
    assert "a.jsonl" in caught.value.message


def test_odd_lines_before_the_first_good_one_do_not_matter():
    good = dump(OWN[0])
    for odd in (
        b"\xef\xbb\xbf" + good,
        b"// note\n" + good,
        b"{bad\n" + good,
        b"\r\n" + good,
        good + good,
        good + b" " + good,
    ):
        assert looked_at(odd).matched == 1
    assert looked_at(b'{"parentUuid":null,"sessionId":"s","type":"user","t":"\\ud83d"}').matched == 1


def test_a_long_first_line_is_looked_at_whole():
    image = user(ONE, 0, [{"type": "image", "source": {"data": "x" * 3_000_000}}])
    assert looked_at(dump(image)).matched == 1
    # Also where the telling fields stand behind it.
    assert looked_at(dump({"message": image.pop("message"), **image})).matched == 1


def test_a_first_line_that_is_too_long_is_passed_by():
    assert looked_at(b"x" * 40_000_000, dump(OWN[0])).matched == 1
    assert looked_at(b'{"a":"' + b"x" * 40_000_000 + b'"}', dump(OWN[0])).matched == 1


def test_no_more_than_the_first_lines_are_looked_at():
    foreign = joined([dump(FOREIGN[0])] * HEAD_LINES)
    with pytest.raises(BadInput):
        detect(io.BytesIO(foreign + dump(OWN[0])), "a")
    stream = io.BytesIO(joined([dump(user(ONE, 0, "x" * 10_000))] * 2000))
    detect(stream, "a")
    assert stream.tell() < 2_000_000


def test_memory_is_a_line_however_long_the_file():
    class Endless(io.BytesIO):
        left = 3_000_000_000

        def readline(self, limit=-1):
            self.left -= limit
            return b'{"a":"' + b"x" * (limit - 6) if self.left > 0 else b""

    tracemalloc.start()
    with pytest.raises(BadInput):
        detect(Endless(), "a")
    assert tracemalloc.get_traced_memory()[1] < 300_000_000  # the parser takes twelve times a line
    tracemalloc.stop()


def test_the_head_tells_session_and_folder():
    head = looked_at(dump(OWN[2]), dump(OWN[0]))
    assert (head.session_id, head.cwd, head.matched, head.looked_at) == (ONE, CWD, 2, 2)
    assert "2 of 2" in head.explanation


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (user(ONE, 0, "Hello"), "Hello"),
        (user(ONE, 0, [{"type": "tool_result", "content": "output"}]), ""),
        (assistant(ONE, 1), "Answer 1"),
        (
            {
                "message": {
                    "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "ok"}]
                }
            },
            "hm\n\nok",
        ),
        ({"type": "summary", "summary": "S"}, "S"),
        ({"display": "typed"}, "typed"),
        ({"content": 5, "lastPrompt": "last"}, "last"),
        ({"attachment": {"type": "queued_command", "prompt": "also"}}, "also"),
        ({"message": {"content": [None, 1, "x", {"type": ["text"]}, {"type": "text", "text": None}]}}, ""),
        ({"message": "text"}, ""),
        ({}, ""),
    ],
)
def test_the_text_of_a_line_is_what_people_read(line, text):
    assert plain_text(line) == text


def test_text_is_cut():
    assert len(plain_text(user(ONE, 0, "x" * 100_000))) == 32 * 1024


def test_samples_are_plain_json():
    for line in OWN:
        assert orjson.dumps(orjson.loads(dump(line))) == dump(line)
