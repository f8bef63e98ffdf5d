"""A filter finds the tool calls that a page shows, whoever wrote the record."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from archive import reader
from archive.filters import CALLS, MessageFilter
from browse.blocks import content_of
from imports.pipeline import Source
from tests.browse import other_sources
from tests.imports.running import run
from tests.imports.test_formats import SAMPLES


def chatgpt(folder: Path) -> Path:
    other_sources.write_chatgpt(folder, other_sources.asked_again())
    return folder


@pytest.mark.parametrize(
    "source",
    [chatgpt, lambda folder: SAMPLES / "claude-ai", lambda folder: SAMPLES / "claude-code"],
    ids=["chatgpt", "claude-ai", "claude-code"],
)
def test_the_calls_that_a_page_shows_are_found_by_their_tools(
    archive_db: Any, tmp_path: Path, source: Any
) -> None:
    run(Source(str(source(tmp_path))))
    calling: dict[str, set[bytes]] = defaultdict(set)
    for message in reader.scan_messages(MessageFilter()):
        for block in content_of(message):
            if isinstance(block, dict) and block.get("type") in CALLS:
                calling[block["name"]].add(message["_id"])
    assert calling, "there are calls of tools"
    for tool, expected in calling.items():
        assert {each["_id"] for each in reader.scan_messages(MessageFilter(tools=(tool,)))} == expected
