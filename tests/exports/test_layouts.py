"""Exports in one file or in a file for each conversation, made by the job as people make them."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest

from exports.filters import BadFilter
from exports.models import Artifact
from exports.services import create_export, run_export

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tree", "artifacts_dir")]


def made(owner: Any, name: str, layout: str) -> Artifact:
    job = create_export(owner, format=name, asked={}, choices={"layout": layout} if layout else {})
    run_export(job)
    return Artifact.objects.get(job=job)


@pytest.mark.parametrize(
    ("name", "layout", "ending", "media_type"),
    [
        ("html", "", ".zip", "application/zip"), ("html", "each", ".zip", "application/zip"), ("html", "one", ".html", "text/html"),
        ("markdown", "", ".md", "text/markdown"), ("markdown", "one", ".md", "text/markdown"), ("markdown", "each", ".zip", "application/zip"),
    ],
)  # fmt: skip
def test_a_file_is_called_what_it_is(people: Any, name: str, layout: str, ending: str, media_type: str) -> None:
    artifact = made(people.alice, name, layout)
    assert artifact.filename.endswith(ending)
    assert artifact.media_type == media_type
    data = artifact.path.read_bytes()
    assert data.startswith({".zip": b"PK", ".html": b"<!DOCTYPE html>", ".md": b"<!-- claudelens:export "}[ending])
    assert artifact.messages == 7


@pytest.mark.parametrize("name", ["html", "markdown"])
def test_each_conversation_of_the_archive_has_its_file(people: Any, name: str) -> None:
    with zipfile.ZipFile(io.BytesIO(made(people.alice, name, "each").path.read_bytes())) as found:
        texts = {member: found.read(member).decode() for member in found.namelist() if member.startswith("conversations/")}
    assert len(texts) == 2
    for text in texts.values():
        assert "saluton 1 ☃" in text
        assert "respondo 2" in text
        assert "/home/ana/app" in text


def test_a_layout_that_a_format_does_not_have_is_refused(people: Any) -> None:
    for name, layout in (("jsonl", "each"), ("claude-code", "one"), ("html", "two")):
        with pytest.raises(BadFilter) as refusal:
            create_export(people.alice, format=name, asked={}, choices={"layout": layout})
        assert refusal.value.field == "layout"
