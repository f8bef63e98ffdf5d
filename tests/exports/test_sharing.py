"""Exports made by several processes: the very bytes that one would have made, and nothing left when one dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from archive.errors import BadInput, Unavailable
from archive.filters import MessageFilter
from archive.scanning import Span
from exports import render_process, sharing
from exports.building import Attempt, Order, build
from exports.choices import Choices
from exports.material import ArchiveMaterial
from exports.models import ExportJob
from exports.render_process import Rendering, RenderProcess
from exports.renderers import RENDERERS
from exports.services import create_export, run_export
from jobs.models import JobState
from jobs.runner import request_cancel
from tests.exports.seed import FOLDER, answer, line, seed
from tests.waiting import until

SESSIONS = 12
SHARED = [name for name, renderer in RENDERERS.items() if renderer.framing is not None]
ATTEMPT = Attempt("job", 1)


@pytest.fixture
def sessions(archive_db: Any, people: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve conversations of different lengths, some with an address in them."""
    monkeypatch.setattr(sharing, "WORTH_MESSAGES", 10)
    tree = {}
    for number in range(SESSIONS):
        name = f"{number:08}-aaaa-4aaa-8aaa-aaaaaaaaaaaa"
        lines = [line(name, each, padding="ana@example.com " * 20) for each in range(5 + 7 * number)]
        tree[f"{FOLDER}/{name}.jsonl"] = b"\n".join([*lines, answer(name, 999)]) + b"\n"
    seed(people.alice, tmp_path, tree)


def made(folder: Path, name: str, processes: int, wanted: MessageFilter | None = None, **chosen: Any) -> Any:
    """The bytes of an export that so many processes make, and what came of it."""
    order = Order(RENDERERS[name], Choices(**chosen), wanted or MessageFilter(), processes)
    ticks: list[int] = []
    built = build(order, lambda part: folder / "out", ATTEMPT, lambda step: ticks.append(step.records_done))
    assert ticks == sorted(ticks)
    assert [path.name for path in folder.iterdir() if path.name != "seed.zip"] == ["out"]
    return (folder / "out").read_bytes(), built.total


def test_json_and_jsonl_can_be_shared() -> None:
    assert {"json", "jsonl"} <= set(SHARED)


@pytest.mark.parametrize("name", SHARED)
@pytest.mark.parametrize("processes", [2, 3, 5])
def test_several_processes_make_the_same_bytes(sessions: None, tmp_path: Path, name: str, processes: int) -> None:
    alone, one = made(tmp_path, name, 1)
    together, several = made(tmp_path, name, processes)
    assert together == alone
    assert several.counts == one.counts
    assert one.session_count == SESSIONS


@pytest.mark.parametrize("name", SHARED)
@pytest.mark.parametrize(
    "wanted",
    [
        MessageFilter(session_ids=("00000011-aaaa-4aaa-8aaa-aaaaaaaaaaaa",)),
        MessageFilter(models=("claude-sonnet-4-20250514",)),
        MessageFilter(sources=("chatgpt",)),
    ],
)
def test_spans_with_little_or_nothing_in_them_join_as_well(
    sessions: None, tmp_path: Path, name: str, wanted: MessageFilter
) -> None:
    assert made(tmp_path, name, 3, wanted)[0] == made(tmp_path, name, 1, wanted)[0]


def test_masks_are_counted_over_all_processes(sessions: None, tmp_path: Path) -> None:
    alone, one = made(tmp_path, "json", 1, redact=("emails",))
    together, several = made(tmp_path, "json", 3, redact=("emails",))
    assert together == alone
    assert b"ana@example.com" not in together
    assert several.changes == one.changes
    assert one.changes.count


def test_a_small_export_is_made_alone(sessions: None, monkeypatch: pytest.MonkeyPatch) -> None:
    job = sharing.Job(RENDERERS["json"], Choices(), ArchiveMaterial(MessageFilter()))
    assert sharing.spans_of(job, 2)
    monkeypatch.setattr(sharing, "WORTH_MESSAGES", 100_000)
    assert not sharing.spans_of(job, 2)


@pytest.mark.parametrize(("name", "chosen"), [("csv", {"rows": "sessions"}), ("claude-code", {}), ("parquet", {})])
def test_what_cannot_be_joined_is_made_alone(sessions: None, name: str, chosen: Any) -> None:
    job = sharing.Job(RENDERERS[name], Choices(**chosen), ArchiveMaterial(MessageFilter()))
    assert not sharing.spans_of(job, 2)


class TestTheOtherProcess:
    @pytest.fixture
    def rendering(self, sessions: None, tmp_path: Path) -> Rendering:
        return Rendering("jsonl", Choices(), MessageFilter(), Span(), tmp_path / "x.part")

    def test_what_it_wrote_is_removed_behind_it(self, rendering: Rendering) -> None:
        with RenderProcess(rendering) as other:
            for _ in other.wait():
                pass
            assert rendering.path.read_bytes().count(b"\n") == other.tally.message_count
        assert not rendering.path.exists()

    def test_one_that_dies_is_a_passing_fault(self, rendering: Rendering) -> None:
        with RenderProcess(rendering) as other:
            other._process.kill()
            with pytest.raises(Unavailable, match="has died"):
                list(other.wait())

    def test_what_it_refuses_is_raised_here(self, rendering: Rendering) -> None:
        broken = Rendering("jsonl", Choices(), MessageFilter(project_ids=("x",)), Span(), rendering.path)
        with RenderProcess(broken) as other, pytest.raises(BadInput, match="no project id"):
            list(other.wait())

    def test_it_ends_with_its_parent_whatever_ends_that(self, rendering: Rendering, tmp_path: Path) -> None:
        pid_file = tmp_path / "pid"
        script = (
            "import sys, time\n"
            "from multiprocessing.connection import Pipe\n"
            "import subprocess\n"
            "ours, theirs = Pipe()\n"
            "child = subprocess.Popen([sys.executable, '-m', 'exports.render_process', str(theirs.fileno())],"
            " pass_fds=[theirs.fileno()])\n"
            "theirs.close()\n"
            f"open({str(pid_file)!r}, 'w').write(str(child.pid))\n"
            "time.sleep(60)\n"
        )
        parent = subprocess.Popen([sys.executable, "-c", script], cwd=render_process.ROOT)
        pid = int(until(lambda: pid_file.exists() and pid_file.read_text(), 20, what="the child runs"))
        parent.kill()
        parent.wait()
        until(lambda: not is_alive(pid), 20, what="the child ends")


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


class TestJobs:
    @pytest.fixture
    def job(self, sessions: None, people: Any, artifacts_dir: Path, settings: Any) -> ExportJob:
        settings.CLAUDELENS_EXPORT_PROCESSES = 2
        return create_export(people.alice, format="jsonl", asked={})

    def test_a_cancelled_export_leaves_neither_file_nor_process(
        self, job: ExportJob, artifacts_dir: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        started: list[RenderProcess] = []
        real: Callable[..., Any] = RenderProcess.__enter__

        def enter(self: RenderProcess) -> RenderProcess:
            started.append(real(self))
            request_cancel(ExportJob.objects.get(pk=job.pk))
            return self

        monkeypatch.setattr(RenderProcess, "__enter__", enter)
        monkeypatch.setattr("jobs.progress.SNAPSHOT_SECONDS", 0)
        begun = time.monotonic()
        run_export(job)
        job.refresh_from_db()
        assert job.state == JobState.CANCELLED
        assert time.monotonic() - begun < 5
        assert list(artifacts_dir.iterdir()) == []
        assert [is_alive(each._process.pid) for each in started] == [False]

    def test_an_export_whose_other_process_is_killed_is_tried_again(
        self, job: ExportJob, artifacts_dir: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real: Callable[..., Any] = RenderProcess.__enter__

        def enter(self: RenderProcess) -> RenderProcess:
            real(self)
            os.kill(self._process.pid, signal.SIGKILL)
            return self

        with monkeypatch.context() as patch:
            patch.setattr(RenderProcess, "__enter__", enter)
            run_export(job)
        job.refresh_from_db()
        assert job.state == JobState.QUEUED
        assert list(artifacts_dir.iterdir()) == []
        run_export(job)
        job.refresh_from_db()
        assert job.state == JobState.COMPLETED
        assert job.artifact.path.read_bytes().count(b"\n") == job.counts["messages"]
