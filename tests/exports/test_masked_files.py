"""Original files are masked as they stream by: nothing hides behind escapes or borders, all else stays."""

from __future__ import annotations

import json
import random
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

import exports.masked_files
from exports.choices import SECRETS
from exports.masked_files import mask_file
from exports.redaction import Masker
from tests.exports.secrets import STAYS, WITHIN, chars, pem

TOKEN, EMAIL = WITHIN["github-token"], "ana@example.org"
MARK = "[redacted:github-token]"
values = st.recursive(
    st.text() | st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def masked(data: bytes, name: str = "x.jsonl", size: int = 1 << 17, masker: Masker | None = None) -> bytes:
    return b"".join(mask_file(masker or Masker(SECRETS), name, pieces(data, size)))


class TestEscapes:
    @pytest.mark.parametrize(
        "hidden",
        [
            "ana\\u0040example.org",
            "\\u0061na@example\\u002eorg",
            "\\u0061\\u006e\\u0061\\u0040\\u0065xample.org",
            "postgres:\\/\\/app:geheim7\\/x@db",
            "\\n/home\\/ana/app",
            "C:\\\\Users\\\\ana\\\\x",
            "x\\n" + WITHIN["openai-key"],
            "\\u001b[31m" + WITHIN["aws-key-id"],
            '\\"password\\": \\"hunter2\\"',
            pem("", "\\n"),
        ],
    )
    def test_nothing_hides_behind_them(self, hidden: str) -> None:
        line = f'{{"a":1.50E+2,"x":"{hidden}","b" :[ ]}}\n'.encode()
        out = masked(line)
        assert out.startswith(b'{"a":1.50E+2,"x":"')
        assert out.endswith(b'","b" :[ ]}\n')
        assert "redacted:" in json.loads(out)["x"]
        for secret in ("ana", "geheim7", "hunter2", WITHIN["openai-key"], WITHIN["aws-key-id"]):
            assert secret not in json.loads(out)["x"]

    @given(values, st.booleans(), st.sampled_from([None, 1]))
    def test_a_line_says_what_its_masked_value_says(self, value: object, is_ascii: bool, indent: int | None) -> None:
        record = {"x": value, TOKEN: [EMAIL, {"api_key": "abcdefg", "y": [f"a {TOKEN}"]}]}
        text = json.dumps(record, ensure_ascii=is_ascii, indent=indent).encode("utf-8", "surrogatepass")
        assert json.loads(masked(text)) == Masker(SECRETS).mask_value(json.loads(text))


class TestWhatStays:
    @given(st.binary() | values.map(lambda value: json.dumps(value).encode()), st.sampled_from(["x.jsonl", "x.txt"]))
    def test_bytes_without_anything_private_are_the_very_same(self, data: bytes, name: str) -> None:
        masker = Masker(["secrets"])
        assert masked(data, name, 7, masker) == data

    def test_every_line_that_holds_nothing_private_stays(self) -> None:
        lines = [json.dumps({"text": text, "n": 1}).encode() for text in STAYS]
        lines[3:3] = [b"{not json", b"", b'{"a":1}{"b":2}', b'"open', b'{"n":1.50E+2,"n":12345678901234567890}', b"\xff\xfe"]
        data = b"\r\n".join(lines)
        for name in ("x.jsonl", "x.JSON", "x.csv", "x"):
            assert masked(data, name) == data

    def test_only_the_strings_are_written_anew_that_hold_something(self) -> None:
        data = f'{{"a" : "\\u0041", "b":"\\u0041 {TOKEN}" ,"c":1e5,"c":2}}'.encode()
        assert masked(data) == f'{{"a" : "\\u0041", "b":"A {MARK}" ,"c":1e5,"c":2}}'.encode()


class TestBrokenFiles:
    @pytest.mark.parametrize(
        "line",
        [
            f"{TOKEN}",
            f'{{"text": "cut off {TOKEN}',
            f'text": "one quote is missing {TOKEN}", "x": 1}}',
            f'{{"a": "\ud83d{TOKEN}"}}',
            f'{{"bad escape": "\\x {TOKEN}"}}',
            f'{{"half": "\\ud83d {TOKEN}"}}',
            f'{{"bad": {TOKEN}}}',
            f"\\u0067{TOKEN[1:]}",
        ],
    )
    def test_what_is_no_json_is_masked_too(self, line: str) -> None:
        data = b'{"ok":1}\n' + line.encode("utf-8", "surrogatepass") + b'\n{"ok":2}\n'
        out = masked(data)
        assert TOKEN[6:].encode() not in out
        assert MARK.encode() in out
        assert out.startswith(b'{"ok":1}\n')
        assert out.endswith(b'\n{"ok":2}\n')

    def test_a_secret_that_its_name_gives_away_is_masked_there_too(self) -> None:
        out = masked(b'{"ok":1}\npassword = "correcthorse"\n{"api_key" : "correcthorse"}\n')
        assert b"correcthorse" not in out


class TestBorders:
    """Blocks are small here, so that every border is met."""

    @pytest.fixture(autouse=True)
    def small_blocks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, size in (("BLOCK", 4000), ("TEXT_BLOCK", 4000), ("LONGEST_STRING", 20_000), ("LONGEST_SECRET", 1000)):
            monkeypatch.setattr(exports.masked_files, name, size)

    def document(self, lines: int, indent: str = "") -> bytes:
        rest = random.Random(1)
        told = [f'{{"x":"{"y" * rest.randrange(900)} {TOKEN} ☃","password":"geheim{number}","n":{number}}}' for number in range(lines)]
        return f"[{(',' + indent).join(told)}]".encode()

    @pytest.mark.parametrize("size", [1, 997, 4096, 1_000_000])
    @pytest.mark.parametrize("indent", ["", "\n"])
    def test_a_document_says_what_its_masked_value_says_wherever_it_is_cut(self, size: int, indent: str) -> None:
        data = self.document(60, indent)
        assert json.loads(masked(data, "x.json", size)) == Masker(SECRETS).mask_value(json.loads(data))

    @pytest.mark.parametrize("before", range(3000, 4200, 37))
    def test_no_secret_is_cut_in_two_in_a_text(self, before: int) -> None:
        text = f"{'wort ' * (before // 5)}{TOKEN} {EMAIL}\n{'x ' * 3000}\n"
        out = masked(text.encode(), "x.txt", 1000).decode()
        assert out == text.replace(TOKEN, MARK).replace(EMAIL, "[redacted:email]")

    @pytest.mark.parametrize("before", range(3000, 4100, 53))
    def test_no_key_of_several_lines_is_cut_in_two(self, before: int) -> None:
        key = pem("RSA ")
        for name in ("x.txt", "x.jsonl"):
            text = f"{'wort ' * (before // 5)}\n{key}\n{'x ' * 3000}\n"
            assert masked(text.encode(), name, 500).decode() == text.replace(key, "[redacted:private-key]")

    def test_a_string_that_is_longer_than_can_be_held_is_masked_in_pieces(self) -> None:
        long = " ".join([chars(30), TOKEN] * 900)
        data = json.dumps([long, {"z": EMAIL, "password": "geheim12"}, f"b {TOKEN}"]).encode()
        out = json.loads(masked(data, "x.json", 3000))
        assert out == [long.replace(TOKEN, MARK), {"z": "[redacted:email]", "password": "[redacted:assigned-secret]"}, f"b {MARK}"]


def test_memory_does_not_grow_with_the_file() -> None:
    line = json.dumps({"x": "wort " * 200, "cwd": "/home/ana/app"}).encode() + b"\n"

    def peak(lines: int) -> int:
        tracemalloc.start()
        for _ in mask_file(Masker(SECRETS), "x.jsonl", (line for _ in range(lines))):
            pass
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    assert peak(12_000) < peak(3_000) * 1.5
