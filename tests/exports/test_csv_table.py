"""CSV exports: what the csv module reads and would have written, and what no spreadsheet calculates."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exports.choices import build_choices
from exports.filters import BadFilter
from exports.renderers import RENDERERS, csv_table, tables
from exports.renderers.base import refuse_choices
from exports.renderers.csv_table import guarded, line_of
from tests.exports.material import PlainMaterial, message, session, small_archive

CALL = {
    "_id": "msg_1", "sessionId": "s1", "projectId": "65f0c0ffee00000000000001", "model": "claude-sonnet-4",
    "usage": {"input": 10, "output": 2, "cacheWrite1h": 5, "speed": "fast"}, "timestamp": datetime(2025, 3, 1, tzinfo=UTC),
    "costUsd": Decimal("0.000000000100"), "priceVersion": "genai-prices 1", "importId": "i",
}  # fmt: skip
TEXTS = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from(",\"\r\n\0\t=+-@'"))


def rendered(material: PlainMaterial, **choices: Any) -> bytes:
    return b"".join(csv_table.RENDERER.render(material, build_choices(choices)))


def read(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode(), newline=""), strict=True))


def written_by_the_module(rows: list[list[str]]) -> bytes:
    held = io.StringIO(newline="")
    csv.writer(held).writerows(rows)
    return held.getvalue().encode()


class TestCells:
    @given(st.lists(TEXTS, min_size=1, max_size=6))
    def test_a_row_is_byte_for_byte_what_the_csv_module_writes(self, cells: list[str]) -> None:
        assert line_of(cells).encode() == written_by_the_module([cells])

    @given(st.lists(st.tuples(TEXTS, TEXTS), max_size=5))
    def test_a_whole_export_is_byte_for_byte_what_the_csv_module_writes(self, told: list[tuple[str, str]]) -> None:
        material = PlainMaterial([message("s1", number, text=text, cwd=cwd) for number, (text, cwd) in enumerate(told)])
        found = rendered(material, columns=["cwd", "text"], guardFormulas=False)
        assert found == written_by_the_module([["cwd", "text"], *([cwd, text] for text, cwd in told)])

    @given(TEXTS)
    def test_the_guard_can_be_taken_away(self, cell: str) -> None:
        safe = guarded(cell)
        assert safe[:1] not in set(csv_table.BEGINNINGS)
        if safe != cell:
            assert safe == "'" + cell
        else:
            assert csv_table.LIKE_FORMULA.match(cell) is None, "what looks guarded, was"

    @pytest.mark.parametrize("text", ["=1+1", "+1", "-5", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "'=1", "''-"])
    def test_a_cell_like_a_formula_is_guarded_and_its_row_says_so(self, text: str) -> None:
        material = PlainMaterial([message("s1", 1, text=text), message("s1", 2, text="'tis a - b = c")])
        first, second = read(rendered(material))
        assert (first["text"], first["guarded"]) == ("'" + text, "true")
        assert (second["text"], second["guarded"]) == ("'tis a - b = c", "")

    def test_the_guard_can_be_left_out(self) -> None:
        row = read(rendered(PlainMaterial([message("s1", 1, text="=1")]), guardFormulas=False))[0]
        assert (row["text"], row["guarded"]) == ("=1", "")

    def test_nul_stays_and_halves_of_characters_are_told(self) -> None:
        material = PlainMaterial([message("s1", 1, text="a\0b"), message("s1", 2, text="half \ud83d")])
        assert [row["text"] for row in read(rendered(material))] == ["a\0b", "half ?"]
        assert material.notes == ["1 rows hold halves of characters, which no UTF-8 file can: question marks stand for them."]

    def test_what_is_no_text_in_a_column_of_texts_is_told_as_json(self) -> None:
        row = read(rendered(PlainMaterial([message("s1", 1, agentId=5, version={"a": [1]}, usage={"input": "x"})])))[0]
        assert (row["agentId"], row["version"], row["inputTokens"]) == ("5", '{"a":[1]}', "x")

    def test_there_is_no_mark_of_the_byte_order(self) -> None:
        assert rendered(small_archive()).startswith(b"sessionId,timestamp,")


class TestMessages:
    def test_the_columns_say_what_the_archive_knows(self) -> None:
        material = small_archive()
        material.message_list[0] |= {
            "isPrompt": True, "model": "m", "usage": {"input": 7, "cacheWrite5m": 3, "tier": "standard"},
            "apiMessageId": "msg_1", "reportedCostUsd": Decimal("1E-10"), "parentUuid": "p",
        }  # fmt: skip
        row = read(rendered(material))[0]
        assert {name: value for name, value in row.items() if value} == {
            "sessionId": "s1", "timestamp": "2025-03-01T12:00:01.123Z", "type": "user", "role": "user", "isPrompt": "true",
            "isSidechain": "false", "model": "m", "text": "saluton 1 — ☃", "inputTokens": "7", "cacheWrite5mTokens": "3",
            "serviceTier": "standard", "apiMessageId": "msg_1", "reportedCostUsd": "0.0000000001", "uuid": "s1-1",
            "parentUuid": "p", "cwd": "/home/ana/app", "version": "2.1.0", "source": "claude-code",
            "project": "/home/ana/app", "title": "About s1",
        }  # fmt: skip

    def test_only_the_fields_of_the_chosen_columns_are_read(self) -> None:
        asked: list[set[str]] = []

        class Watched(PlainMaterial):
            def messages(self, fields: Any = ()) -> Any:
                asked.append(set(fields))
                return super().messages(fields)

        for columns in (["text"], ["source", "id"], ["other"]):
            rendered(Watched(small_archive().message_list), columns=columns)
        assert asked == [{"text", "sessionId"}, {"source", "origin", "_id", "sessionId"}, set()]

    @pytest.mark.parametrize("column", tables.MESSAGES, ids=lambda column: column.name)
    def test_a_column_by_itself_says_the_same_as_among_all(self, column: tables.Column) -> None:
        material = small_archive()
        material.message_list[0] |= {"usage": {"input": 7}, "origin": {"toldSource": "x"}, "isMeta": True}
        everything, alone = (
            read(rendered(material, columns=columns, guardFormulas=False)) for columns in (["all"], [column.name])
        )
        assert [row[column.name] for row in alone] == [row[column.name] for row in everything]

    def test_columns_come_in_the_order_in_which_they_are_asked_for(self) -> None:
        header = rendered(small_archive(), columns=["record", "default", "uuid", "record"]).split(b"\r\n")[0].decode().split(",")
        assert header == ["record", *tables.own_names("messages")]

    def test_all_columns_together_hold_the_whole_message(self) -> None:
        material = small_archive()
        material.message_list[0]["isMeta"] = True
        told = set(material.message_list[0]) - {"importId", "importedAt"}
        covered = {field for column in tables.MESSAGES for field in column.fields or ()}
        assert told - covered == {"isMeta"}
        assert read(rendered(material, columns=["all"]))[0]["other"] == '{"isMeta":true}'


class TestOtherRows:
    def test_a_conversation_is_a_row_if_the_filter_lets_any_of_it_through(self) -> None:
        material = small_archive()
        del material.message_list[1]
        first, second = read(rendered(material, rows="sessions"))
        assert (first["sessionId"], second["sessionId"]) == ("s1", "s2")
        assert (first["title"], first["messageCount"], first["exportedMessages"]) == ("About s1", "3", "2")
        assert (first["costUsd"], first["models"], first["tags"]) == ("0.0123450", '["claude-sonnet-4"]', '["x"]')
        assert first["project"] == "/home/ana/app"

    def test_a_conversation_that_is_not_known_yet_is_a_row_all_the_same(self) -> None:
        row = read(rendered(PlainMaterial([message("s9", 1)], [session("s1", 1)]), rows="sessions"))[0]
        assert (row["sessionId"], row["title"], row["project"]) == ("s9", "", "/home/ana/app")

    def test_an_api_response_is_a_row_with_its_exact_price(self) -> None:
        row = read(rendered(PlainMaterial(call_list=[CALL, {**CALL, "_id": "msg_2", "costUsd": None}]), rows="api_calls"))
        assert [(each["id"], each["costUsd"]) for each in row] == [("msg_1", "0.000000000100"), ("msg_2", "")]
        assert (row[0]["inputTokens"], row[0]["cacheWrite1hTokens"], row[0]["speed"]) == ("10", "5", "fast")

    @pytest.mark.parametrize("rows", csv_table.ROWS)
    def test_every_row_has_as_many_cells_as_the_header(self, rows: str) -> None:
        material = small_archive()
        material.call_list = [CALL]
        for columns in (["all"], ["default"]):
            found = list(csv.reader(io.StringIO(rendered(material, rows=rows, columns=columns).decode(), newline="")))
            assert len({len(row) for row in found}) == 1
            assert len(found) > 1


class TestRefusals:
    @pytest.mark.parametrize(
        ("name", "asked", "word"),
        [
            ("csv", {"columns": ["text", "colour"]}, "columns"),
            ("csv", {"rows": "sessions", "columns": ["text"]}, "columns"),
            ("csv", {"rows": "files"}, "rows"),
            ("csv", {"layout": "each"}, "layout"),
            ("jsonl", {"columns": ["text"]}, "columns"),
            ("json", {"guardFormulas": False}, "guardFormulas"),
        ],
    )
    def test_what_cannot_be_meant_is_refused_by_name(self, name: str, asked: dict[str, Any], word: str) -> None:
        with pytest.raises(BadFilter) as refusal:
            refuse_choices(RENDERERS[name], build_choices(asked))
        assert refusal.value.field == word

    def test_the_refusal_names_the_columns_that_there_are(self) -> None:
        with pytest.raises(BadFilter) as refusal:
            refuse_choices(RENDERERS["csv"], build_choices({"columns": ["colour"]}))
        assert "'colour'" in refusal.value.message
        assert all(name in refusal.value.hint for name in tables.names_of("messages"))

    @pytest.mark.parametrize("word", ["all", "default", *tables.names_of("messages")])
    def test_every_column_and_the_words_for_many_are_taken(self, word: str) -> None:
        refuse_choices(RENDERERS["csv"], build_choices({"columns": word}))
