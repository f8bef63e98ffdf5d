"""Parquet exports, read back by pyarrow: types, exact values, row groups, refusals."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow.parquet import ParquetFile, read_table

from exports.choices import build_choices
from exports.filters import BadFilter
from exports.renderers import RENDERERS, base, parquet, tables
from exports.renderers.base import CHUNK_BYTES, refuse_choices
from tests.exports.material import PlainMaterial, message, small_archive
from tests.exports.test_csv_table import CALL


def rendered(material: PlainMaterial, **choices: Any) -> bytes:
    return b"".join(parquet.render(material, build_choices(choices)))


def rows_of(material: PlainMaterial, **choices: Any) -> list[dict[str, Any]]:
    return read_table(io.BytesIO(rendered(material, **choices))).to_pylist()


class TestTypes:
    def test_messages_have_typed_columns(self) -> None:
        material = small_archive()
        material.message_list[0] |= {"usage": {"input": 7}, "reportedCostUsd": Decimal("0.006375000000"), "isPrompt": True}
        table = read_table(io.BytesIO(rendered(material, columns=["all"])))
        kinds = {field.name: field.type for field in table.schema}
        assert kinds["timestamp"] == pa.timestamp("ms", tz="UTC")
        assert kinds["reportedCostUsd"] == pa.decimal128(38, 12)
        assert (kinds["inputTokens"], kinds["isPrompt"], kinds["raw"]) == (pa.int64(), pa.bool_(), pa.binary())
        first, second = table.to_pylist()[:2]
        assert first["timestamp"] == datetime(2025, 3, 1, 12, 0, 1, 123000, tzinfo=UTC)
        assert first["reportedCostUsd"] == Decimal("0.006375000000")
        assert (first["inputTokens"], first["outputTokens"], first["isPrompt"]) == (7, None, True)
        assert first["id"] == material.message_list[0]["_id"].hex()
        assert second["raw"] == b'{"n":1e5,\x00}'

    def test_api_responses_have_exact_prices(self) -> None:
        rows = rows_of(PlainMaterial(call_list=[CALL, {**CALL, "_id": "msg_2", "costUsd": None}]), rows="api_calls")
        assert [(row["id"], row["costUsd"]) for row in rows] == [("msg_1", Decimal("0.000000000100")), ("msg_2", None)]

    def test_conversations_have_lists(self) -> None:
        row = rows_of(small_archive(), rows="sessions")[0]
        assert (row["models"], row["tags"], row["costUsd"]) == (["claude-sonnet-4"], ["x"], Decimal("0.0123450"))

    def test_a_value_of_another_type_does_not_end_the_export(self) -> None:
        odd = message("s1", 1, agentId=5, version={"a": [1]}, usage={"input": "x", "speed": 3})
        row = rows_of(PlainMaterial([odd]), columns=["agentId", "version", "inputTokens", "speed", "usage"])[0]
        assert row == {"agentId": "5", "version": '{"a":[1]}', "inputTokens": None, "speed": "3", "usage": '{"input":"x","speed":3}'}

    @given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=5))
    def test_any_text_comes_back(self, texts: list[str]) -> None:
        material = PlainMaterial([message("s1", number, text=text) for number, text in enumerate(texts)])
        assert [row["text"] for row in rows_of(material, columns=["text"])] == texts

    def test_halves_of_characters_are_replaced_and_told(self) -> None:
        material = PlainMaterial([message("s1", 1, text="half \ud83d"), message("s1", 2, text="whole")])
        assert [row["text"] for row in rows_of(material, columns=["text"])] == ["half ?", "whole"]
        assert len(material.notes) == 1

    @pytest.mark.parametrize("rows", parquet.ROWS)
    def test_every_format_of_rows_has_the_same_columns_but_for_the_guard(self, rows: str) -> None:
        assert set(tables.names_of(rows)) - set(parquet.names_of(rows)) == {"guarded"}
        assert read_table(io.BytesIO(rendered(PlainMaterial(), rows=rows, columns=["all"]))).column_names == list(parquet.names_of(rows))


class TestSize:
    def test_row_groups_are_bounded_in_rows_and_in_bytes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(parquet, "GROUP_ROWS", 1000)
        many = PlainMaterial([message("s1", number) for number in range(2600)])
        found = ParquetFile(io.BytesIO(rendered(many)))
        assert [found.metadata.row_group(n).num_rows for n in range(found.num_row_groups)] == [1000, 1000, 600]
        monkeypatch.setattr(parquet, "GROUP_BYTES", 1024 * 1024)
        long = PlainMaterial([message("s1", number, text=str(number) * 100_000) for number in range(30)])
        found = ParquetFile(io.BytesIO(rendered(long)))
        assert found.num_row_groups > 1
        assert [row["text"] for row in found.read().to_pylist()] == [str(number) * 100_000 for number in range(30)]

    def test_row_groups_are_smaller_where_parts_are_cut_between_them(self) -> None:
        many = PlainMaterial([message("s1", number, text=str(number) * 10_000) for number in range(300)])
        assert ParquetFile(io.BytesIO(rendered(many))).num_row_groups == 1
        assert ParquetFile(io.BytesIO(rendered(many, split="1 MB"))).num_row_groups > 5

    def test_memory_is_one_row_group_whatever_the_export(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(parquet, "GROUP_ROWS", 1000)

        def peak(count: int) -> int:
            def many(fields: Collection[str] = ()) -> Iterator[dict[str, Any]]:
                return (message("s1", number, text=f"{number} " * 200) for number in range(count))

            material = small_archive()
            material.messages = many  # type: ignore[method-assign]
            before = pa.total_allocated_bytes()
            highest = 0
            tracemalloc.start()
            for _ in parquet.render(material, build_choices({})):
                highest = max(highest, pa.total_allocated_bytes() - before)
            python = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            return highest + python

        small, large = peak(2_000), peak(10_000)
        assert large - small < 1_500_000
        assert large < 12_000_000

    def test_chunks_are_neither_small_nor_large(self) -> None:
        texts = (str(number) * 40 for number in range(10**6, 10**6 + 20_000))
        chunks = list(parquet.render(PlainMaterial([message("s1", n, text=text) for n, text in enumerate(texts)]), build_choices({})))
        assert len(chunks) > 3
        assert {len(chunk) for chunk in chunks[:-1]} == {CHUNK_BYTES}


class TestRefusals:
    def test_it_is_not_packed_once_more(self) -> None:
        for packing in ("gzip", "zstd"):
            with pytest.raises(BadFilter, match="packed with zstd already") as refusal:
                refuse_choices(RENDERERS["parquet"], build_choices({"compression": packing}))
            assert refusal.value.field == "compression"
        refuse_choices(RENDERERS["parquet"], build_choices({"compression": "none"}))

    def test_where_its_library_is_missing_it_is_refused_with_how_to_get_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(base, "find_spec", lambda name: None)
        with pytest.raises(BadFilter, match="pyarrow, which is not installed") as refusal:
            refuse_choices(RENDERERS["parquet"], build_choices({}))
        assert refusal.value.hint == "pip install pyarrow"
        assert RENDERERS["parquet"].as_dict()["available"] is False
        assert RENDERERS["csv"].as_dict()["available"] is True

    def test_it_has_no_guard_against_formulas(self) -> None:
        for asked in ({"guardFormulas": False}, {"columns": ["guarded"]}):
            with pytest.raises(BadFilter):
                refuse_choices(RENDERERS["parquet"], build_choices(asked))
