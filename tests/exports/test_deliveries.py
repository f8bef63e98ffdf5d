"""Files appear whole or not at all, whatever stops the writing."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import pytest

from archive.errors import BadInput, Conflict, OutOfSpace
from exports import part_files
from exports.building import Attempt, PackedFile
from exports.choices import Choices
from exports.deliveries import Folder, write_tree
from exports.part_files import PartFile, WrittenFile, remove_parts
from exports.renderers import RENDERERS
from exports.renderers.base import Renderer
from tests.exports.material import PlainFile, PlainMaterial, small_archive

ATTEMPT = Attempt("job", 1)


class Stopped(Exception):
    pass


def nothing() -> None:
    pass


def stop() -> None:
    raise Stopped


def write_file(renderer: Renderer, final: Path, attempt: Attempt, tick: Callable[[], None]) -> WrittenFile:
    """As an export is built, from messages at hand."""
    remove_parts(final.parent, attempt.job_id)
    with PackedFile(final, attempt.mark, Choices()) as out:
        for chunk in renderer.render(small_archive(), Choices()):
            out.write(chunk)
            tick()
        return out.commit()


def names_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_file_is_written_and_hashed(tmp_path: Path) -> None:
    written = write_file(RENDERERS["jsonl"], tmp_path / "a.jsonl", ATTEMPT, nothing)
    data = (tmp_path / "a.jsonl").read_bytes()
    assert (written.bytes, written.sha256) == (len(data), sha256(data).hexdigest())
    assert names_in(tmp_path) == {"a.jsonl"}


@pytest.mark.parametrize("name", RENDERERS)
def test_stopping_leaves_nothing_and_spares_what_was_there(name: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("before")
    with pytest.raises(Stopped):
        write_file(RENDERERS[name], tmp_path / "a", ATTEMPT, stop)
    assert names_in(tmp_path) == {"a"}
    assert (tmp_path / "a").read_text() == "before"


def test_the_file_is_not_there_before_it_is_whole(tmp_path: Path) -> None:
    final = tmp_path / "a"
    with PartFile(final, "job-1") as part:
        part.write(b"half")
        assert not final.exists()
        assert (tmp_path / ".a.job-1.part").read_bytes() == b"half"
        part.write(b" and half")
        part.commit()
    assert final.read_bytes() == b"half and half"
    assert names_in(tmp_path) == {"a"}


def test_what_a_killed_try_left_is_removed_by_the_next(tmp_path: Path) -> None:
    (tmp_path / ".a.job-1.part").write_bytes(b"half")
    (tmp_path / ".tree.job-1.part" / "x").mkdir(parents=True)
    (tmp_path / ".a.other-1.part").write_bytes(b"somebody else's")
    write_file(RENDERERS["json"], tmp_path / "a", Attempt("job", 2), nothing)
    assert names_in(tmp_path) == {"a", ".a.other-1.part"}
    remove_parts(tmp_path, "other")
    assert names_in(tmp_path) == {"a"}


def test_a_full_disk_is_told_before_it_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part_files.shutil, "disk_usage", lambda _: SimpleNamespace(free=100 * 1024**2))
    with pytest.raises(OutOfSpace, match="100 MiB free"):
        write_file(RENDERERS["json"], tmp_path / "a", ATTEMPT, nothing)
    assert names_in(tmp_path) == set()


def test_a_disk_that_fills_up_meanwhile_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: PartFile, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(PartFile, "_write_all", full)
    with pytest.raises(OutOfSpace, match="is full"):
        write_file(RENDERERS["json"], tmp_path / "a", ATTEMPT, nothing)
    assert names_in(tmp_path) == set()


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="cannot be written"):
        write_file(RENDERERS["json"], tmp_path / "file" / "a", ATTEMPT, nothing)


class TestFolder:
    def test_the_tree_is_the_original_one(self, tmp_path: Path) -> None:
        written = write_tree(small_archive(), Folder(tmp_path / "out"), ATTEMPT, nothing)
        for file in small_archive().file_list:
            assert (tmp_path / "out" / file.path).read_bytes() == file.data
        assert {file.path.as_posix(): file.sha256 for file in written} == {
            file.path: file.sha256 for file in small_archive().file_list
        }
        assert names_in(tmp_path) == {f"out/{file.path}" for file in small_archive().file_list}

    def test_an_empty_folder_is_taken(self, tmp_path: Path) -> None:
        (tmp_path / "out").mkdir()
        write_tree(small_archive(), Folder(tmp_path / "out"), ATTEMPT, nothing)
        assert len(names_in(tmp_path / "out")) == 2

    def test_nothing_to_export_makes_an_empty_folder(self, tmp_path: Path) -> None:
        assert write_tree(PlainMaterial(), Folder(tmp_path / "out"), ATTEMPT, nothing) == []
        assert (tmp_path / "out").is_dir()

    def test_a_folder_in_use_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "mine.txt").write_text("mine")
        with pytest.raises(Conflict, match="not empty"):
            write_tree(small_archive(), Folder(tmp_path), ATTEMPT, nothing)
        assert names_in(tmp_path) == {"mine.txt"}

    def test_force_replaces_same_names_and_keeps_the_rest(self, tmp_path: Path) -> None:
        first = small_archive().file_list[0]
        (tmp_path / "out" / "projects" / "-home-ana-app").mkdir(parents=True)
        (tmp_path / "out" / first.path).write_text("old")
        (tmp_path / "out" / "mine.txt").write_text("mine")
        write_tree(small_archive(), Folder(tmp_path / "out", force=True), ATTEMPT, nothing)
        assert (tmp_path / "out" / first.path).read_bytes() == first.data
        assert (tmp_path / "out" / "mine.txt").read_text() == "mine"

    def test_stopping_leaves_nothing(self, tmp_path: Path) -> None:
        with pytest.raises(Stopped):
            write_tree(small_archive(), Folder(tmp_path / "out"), ATTEMPT, stop)
        assert names_in(tmp_path) == set()
        assert not (tmp_path / "out").exists()

    def test_hostile_paths_stay_inside(self, tmp_path: Path) -> None:
        paths = ["../../evil", "/etc/evil", "a/../../evil", "..\\evil"]
        material = PlainMaterial(file_list=[PlainFile(path, path, b"x") for path in paths])
        write_tree(material, Folder(tmp_path / "deep" / "out"), ATTEMPT, nothing)
        assert len(names_in(tmp_path / "deep" / "out")) == len(paths)
        shutil.rmtree(tmp_path / "deep")
        assert names_in(tmp_path) == set()
