"""``export_archive``: to a path, whole or not at all, with an answer for programs."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command, load_command_class

from exports.choices import FIELDS as CHOICES
from exports.filters import FIELDS
from exports.models import ExportJob
from tests.exports.seed import ONE, TWO


@pytest.fixture(autouse=True)
def _no_artifacts(artifacts_dir: Path, archive_db: Any) -> None:
    """Everything goes to the path instead."""


def run(*arguments: str) -> dict[str, Any]:
    out = io.StringIO()
    call_command("export_archive", *arguments, "--json", "--verbosity=0", stdout=out)
    answer: dict[str, Any] = json.loads(out.getvalue().splitlines()[-1])
    return answer


def refusal(*arguments: str) -> tuple[CommandError, int]:
    with pytest.raises(CommandError) as refused:
        call_command("export_archive", *arguments, "--verbosity=0", stdout=io.StringIO())
    return refused.value, refused.value.returncode


def test_claude_code_writes_the_original_tree(tree: dict[str, bytes], tmp_path: Path) -> None:
    answer = run("--format=claude-code", f"--output={tmp_path / 'out'}")
    for name, data in tree.items():
        assert (tmp_path / "out" / name).read_bytes() == data
    assert {file["path"]: (file["bytes"], file["sha256"]) for file in answer["files"]} == {
        name: (len(data), sha256(data).hexdigest()) for name, data in tree.items()
    }
    assert answer["state"] == "completed"
    assert (answer["messages"], answer["sessions"], answer["exitCode"]) == (7, 2, 0)
    assert answer["seconds"] >= 0
    assert answer["job"] == str(ExportJob.objects.get().pk)


def test_a_path_that_ends_in_zip_gets_a_zip(tree: dict[str, bytes], tmp_path: Path) -> None:
    answer = run("--format=claude-code", f"--output={tmp_path / 'out.zip'}")
    with zipfile.ZipFile(tmp_path / "out.zip") as found:
        assert {name: found.read(name) for name in found.namelist()} == tree
    assert [file["path"] for file in answer["files"]] == ["out.zip"]


@pytest.mark.parametrize("name", ["json", "jsonl", "markdown"])
def test_the_other_formats_write_one_file(tree: dict[str, bytes], tmp_path: Path, name: str) -> None:
    answer = run(f"--format={name}", f"--output={tmp_path / 'deep' / 'out'}", f"--session={ONE}", f"--session={TWO}")
    data = (tmp_path / "deep" / "out").read_bytes()
    assert answer["files"] == [{"path": "out", "bytes": len(data), "sha256": sha256(data).hexdigest()}]
    assert answer["messages"] == 7
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["out"]


def test_filters_narrow_it(tree: dict[str, bytes], tmp_path: Path) -> None:
    where = f"--output={tmp_path / 'out'}"
    assert run("--format=jsonl", where, "--project=/home/ana/app", "--model=claude-opus-4-20250514")["messages"] == 1
    assert run("--format=jsonl", where, "--since=2025-03-04", "--until=2025-03-05")["messages"] == 1
    assert run("--format=jsonl", where, "--source=chatgpt")["messages"] == 0
    assert (tmp_path / "out").read_bytes() == b""


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        (("--tag=work",), 0),
        (("--type=user", "--type=summary"), 5),
        (("--role=assistant",), 2),
        (("--tool=Bash",), 0),
        (("--branch=main",), 7),
        (("--period=9999d", "--timezone=Europe/Berlin"), 7),
        (("--period=today",), 0),
        (("--text=RESPONDO",), 2),
        (("--min-cost=0.01",), 3),
        (("--max-cost=0.01",), 4),
        (("--max-cost=0",), 0),
        (("--subagents=only",), 1),
        (("--subagents=no",), 6),
        (("--subagents=yes",), 7),
    ],
)
def test_every_filter_has_an_option(
    tree: dict[str, bytes], tmp_path: Path, arguments: tuple[str, ...], count: int
) -> None:
    assert run("--format=jsonl", f"--output={tmp_path / 'out'}", *arguments)["messages"] == count


def test_no_filter_is_without_an_option() -> None:
    parser = load_command_class("exports", "export_archive").create_parser("manage.py", "export_archive")
    assert set(FIELDS) <= {action.dest for action in parser._actions}


def test_a_folder_in_use_is_refused_unless_forced(tree: dict[str, bytes], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    error, code = refusal("--format=claude-code", f"--output={tmp_path / 'out'}")
    assert code == 2
    assert "--force" in str(error)
    assert not ExportJob.objects.exists()
    run("--format=claude-code", f"--output={tmp_path / 'out'}", "--force")
    assert (tmp_path / "out" / "mine.txt").read_text() == "mine"
    assert all((tmp_path / "out" / name).read_bytes() == data for name, data in tree.items())


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--format=pdf",), "format"),
        (("--format=json", "--since=yesterday"), "since"),
        (("--format=json", "--project=nowhere"), "project"),
        (("--format=json", "--since=2025-02-01", "--until=2025-01-01"), "until"),
        (("--format=json", "--period=fortnight"), "period"),
        (("--format=json", "--period=today", "--since=2025-02-01"), "period"),
        (("--format=json", "--timezone=Mars"), "timezone"),
        (("--format=json", "--min-cost=-1"), "minCost"),
        (("--format=json", "--max-cost=nan"), "maxCost"),
        (("--format=json", "--subagents=$ne"), "subagents"),
    ],
)
def test_what_cannot_be_meant_exits_with_2(tmp_path: Path, db: Any, arguments: tuple[str, ...], named: str) -> None:
    error, code = refusal(*arguments, f"--output={tmp_path / 'out'}")
    assert code == 2
    assert str(error).startswith(f"{named}:")
    assert not (tmp_path / "out").exists()


def test_places_that_cannot_be_written_exit_with_2(tmp_path: Path, db: Any) -> None:
    (tmp_path / "file").write_text("")
    assert refusal("--format=json", f"--output={tmp_path}")[1] == 2
    assert refusal("--format=claude-code", f"--output={tmp_path / 'file'}")[1] == 2
    error, code = refusal("--format=json", f"--output={tmp_path / 'file' / 'x'}")
    assert code == 2
    assert "cannot be written" in str(error)


def test_no_refusal_hides_behind_the_json(tmp_path: Path, db: Any) -> None:
    out = io.StringIO()
    with pytest.raises(CommandError):
        call_command("export_archive", "--format=pdf", f"--output={tmp_path / 'x'}", "--json", stdout=out)
    assert json.loads(out.getvalue())["error"]["code"] == "bad_filter"


def test_every_choice_has_an_option(tree: dict[str, bytes], tmp_path: Path) -> None:
    run(
        "--format=csv", f"--output={tmp_path / 'out'}", "--rows=messages", "--column=id", "--column=text",
        "--guard-formulas=false", "--without=thinking", "--without=images", "--redact=secrets", "--mask=x+",
        "--compression=gzip", "--level=9", "--split=month",
    )  # fmt: skip
    assert ExportJob.objects.get().choices == {
        "rows": "messages", "columns": ["id", "text"], "guardFormulas": False, "without": ["thinking", "images"],
        "redact": ["secrets"], "patterns": ["x+"], "compression": "gzip", "level": 9, "split": "month",
    }  # fmt: skip
    parser = load_command_class("exports", "export_archive").create_parser("manage.py", "export_archive")
    assert set(CHOICES) <= {action.dest for action in parser._actions}
    parts = sorted((tmp_path / "out").iterdir())
    assert parts
    assert all(gzip.decompress(part.read_bytes()).startswith(b"id,text\r\n") for part in parts)


@pytest.mark.parametrize(
    ("option", "field"), [("--layout=each", "layout"), ("--level=5", "level"), ("--mask=(", "patterns"), ("--split=1", "split")]
)
def test_a_choice_that_cannot_be_meant_is_refused_by_name(tree: Any, tmp_path: Path, option: str, field: str) -> None:
    error, code = refusal("--format=json", f"--output={tmp_path / 'out'}", option)
    assert str(error).startswith(field)
    assert code == 2
    assert not (tmp_path / "out").exists()
