"""Exports of a real archive: complete, exact, and never half there."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from archive.errors import BadInput, Conflict, TooSlow
from exports import material, services
from exports.artifacts import expire_artifacts, sweep_strays
from exports.models import Artifact, ExportJob
from exports.services import create_export, run_export
from jobs.claims import NotClaimed
from jobs.models import JobState
from jobs.runner import reap, request_cancel
from tests.emptying import empty
from tests.exports.seed import ONE, TWO, seed, small_tree

Export = Callable[..., ExportJob]


def data_of(job: ExportJob) -> bytes:
    return job.artifact.path.read_bytes()


def conversations(job: ExportJob) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(data_of(job))["conversations"]
    return found


def test_claude_code_gives_back_every_byte(tree: dict[str, bytes], export: Export) -> None:
    job = export("claude-code")
    with zipfile.ZipFile(io.BytesIO(data_of(job))) as found:
        assert {name: found.read(name) for name in found.namelist()} == tree
    assert job.state == JobState.COMPLETED
    assert job.counts == {"messages": 7, "sessions": 2, "files": 3}
    assert job.artifact.manifest["damagedCount"] == 0


def test_json_holds_every_conversation(tree: dict[str, bytes], export: Export) -> None:
    job = export("json")
    found = conversations(job)
    assert [each["id"] for each in found] == [ONE, TWO]
    assert [each["exportedMessages"] for each in found] == [4, 3]
    assert job.counts == {"messages": 7, "sessions": 2}
    assert found[0]["messages"][0]["content"] == "saluton 1 ☃"
    assert found[1]["messages"][2]["record"]["n"] == 150.0
    assert "raw" in found[1]["messages"][2], "1.50E+2 is not how 150.0 is written"
    assert json.loads(data_of(job))["format"] == "claudelens/1"


def test_jsonl_holds_every_message(tree: dict[str, bytes], export: Export) -> None:
    job = export("jsonl")
    lines = [json.loads(line) for line in data_of(job).splitlines()]
    originals = {json.loads(line)["uuid"] for data in tree.values() for line in data.split(b"\n") if line.startswith(b'{"')}
    assert {line["uuid"] for line in lines} == originals
    assert len(lines) == 7


def test_the_artifact_says_what_it_is(tree: dict[str, bytes], export: Export) -> None:
    job = export("json", since="2025-03-01")
    artifact = job.artifact
    assert artifact.bytes == artifact.path.stat().st_size
    assert artifact.sha256 == sha256(data_of(job)).hexdigest() == artifact.manifest["sha256"]
    assert (artifact.messages, artifact.sessions) == (7, 2)
    assert artifact.filename.startswith("claudelens-json-")
    assert artifact.manifest["filter"] == job.filter
    assert artifact.manifest["loses"]
    assert not artifact.manifest["empty"]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"session": ONE}, {ONE: 4}),
        ({"session": [ONE, TWO]}, {ONE: 4, TWO: 3}),
        ({"session": "nowhere"}, {}),
        ({"model": "claude-opus-4-20250514"}, {TWO: 1}),
        ({"source": "claude-code"}, {ONE: 4, TWO: 3}),
        ({"source": "claude-ai"}, {}),
        ({"since": "2025-03-04"}, {ONE: 2, TWO: 1}),
        ({"since": "2025-03-04T12:00:00.123Z", "until": "2025-03-04T12:00:00.124Z"}, {TWO: 1}),
        ({"until": "2025-03-02"}, {}),
        ({"project": "/home/ana/app"}, {ONE: 4, TWO: 3}),
        ({"project": "app", "session": TWO}, {TWO: 3}),
        ({"type": "assistant"}, {ONE: 1, TWO: 1}),
        ({"role": "user", "session": TWO}, {TWO: 2}),
        ({"branch": "main"}, {ONE: 4, TWO: 3}),
        ({"branch": ".*"}, {}),
        ({"tool": "Bash"}, {}),
        ({"text": "RESPONDO"}, {ONE: 1, TWO: 1}),
        ({"text": "☃", "session": ONE}, {ONE: 3}),
        ({"text": "saluton ."}, {}),
        ({"subagents": "only"}, {ONE: 1}),
        ({"subagents": "no"}, {ONE: 3, TWO: 3}),
        ({"subagents": "yes"}, {ONE: 4, TWO: 3}),
        ({"tag": "work"}, {}),
        ({"minCost": "0.01"}, {TWO: 3}),
        ({"minCost": "0.0045", "maxCost": "0.01"}, {ONE: 4}),
        ({"maxCost": 0}, {}),
        ({"minCost": 0, "type": "assistant"}, {ONE: 1, TWO: 1}),
        ({"since": "2025-03-04T21:00:00.123", "timezone": "Asia/Tokyo"}, {ONE: 2, TWO: 1}),
        ({"period": "30d"}, {}),
    ],
)
def test_filters_let_through_what_they_say(
    tree: dict[str, bytes], export: Export, asked: dict[str, Any], expected: dict[str, int]
) -> None:
    found = conversations(export("json", **asked))
    assert {each["id"]: len(each["messages"]) for each in found} == expected
    assert services.count_matching(asked) == sum(expected.values())


def test_a_filter_of_claude_code_chooses_whole_files(tree: dict[str, bytes], export: Export) -> None:
    job = export("claude-code", model="claude-opus-4-20250514")
    with zipfile.ZipFile(io.BytesIO(data_of(job))) as found:
        assert {name: found.read(name) for name in found.namelist()} == {
            name: data for name, data in tree.items() if TWO in name
        }


def test_files_of_conversations_with_a_tag_are_whole(tree: dict[str, bytes], export: Export, archive_db: Any) -> None:
    archive_db["sessions"].update_one({"_id": ONE}, {"$set": {"tags": ["work"]}})
    for asked in ({"tag": "work"}, {"tag": ["work", "play"], "type": "user"}):
        with zipfile.ZipFile(io.BytesIO(data_of(export("claude-code", **asked)))) as found:
            assert {name: found.read(name) for name in found.namelist()} == {
                name: data for name, data in tree.items() if ONE in name
            }


class TestPeriods:
    """The messages of the tree are from March 2025."""

    def make(self, people: Any, **columns: Any) -> ExportJob:
        job = create_export(people.alice, format="jsonl", asked={"period": "last-month", "timezone": "Europe/Berlin"})
        ExportJob.objects.filter(pk=job.pk).update(**columns)
        return ExportJob.objects.get(pk=job.pk)

    def test_count_from_when_the_export_was_asked_for(
        self, tree: dict[str, bytes], people: Any, artifacts_dir: Path
    ) -> None:
        job = self.make(people, created_at=datetime(2025, 4, 30, 12, tzinfo=UTC))
        assert job.filter == {"period": "last-month", "timezone": "Europe/Berlin"}
        run_export(job)
        job.refresh_from_db()
        assert job.counts["messages"] == 7
        assert job.artifact.manifest["filter"] == job.filter
        assert job.artifact.manifest["resolved"] == {
            "since": "2025-02-28T23:00:00+00:00",
            "until": "2025-03-31T22:00:00+00:00",
        }

    def test_a_retry_weeks_later_exports_the_same(
        self, tree: dict[str, bytes], people: Any, artifacts_dir: Path
    ) -> None:
        job = self.make(people, created_at=datetime(2025, 4, 1, tzinfo=UTC))
        services.cancel_export(job)
        services.retry_export(ExportJob.objects.get(pk=job.pk))
        run_export(ExportJob.objects.get(pk=job.pk))
        job.refresh_from_db()
        assert job.counts["messages"] == 7

    def test_of_a_schedule_count_from_its_slot(
        self, tree: dict[str, bytes], people: Any, artifacts_dir: Path
    ) -> None:
        """It may run late: the slot of the first of April is about March."""
        job = self.make(people, created_at=datetime(2025, 5, 2, tzinfo=UTC), slot=datetime(2025, 4, 1, tzinfo=UTC))
        run_export(job)
        job.refresh_from_db()
        assert job.counts["messages"] == 7

    def test_are_told_as_they_were_asked_for(self, people: Any, archive_db: Any, artifacts_dir: Path) -> None:
        assert self.make(people).subject == "Period last-month, timezone Europe/Berlin"


def test_every_filter_is_told_in_words(tree: dict[str, bytes]) -> None:
    asked = {"project": "app", "tool": ["Bash", "Read"], "since": "2025-01-31", "minCost": 0.5, "subagents": "no"}
    assert services.filter_in_words(services.store_filter(asked)) == [
        ("project", "/home/ana/app"), ("tool", "Bash, Read"), ("since", "2025-01-31"), ("minCost", "0.5"), ("subagents", "no"),
    ]  # fmt: skip


def test_a_form_is_offered_what_is_in_the_archive(tree: dict[str, bytes]) -> None:
    offered = {name: [choice["label"] for choice in found] for name, found in services.filter_choices().items()}
    assert offered == {
        "projects": ["/home/ana/app"],
        "sources": ["claude-code"],
        "models": ["claude-opus-4-20250514", "claude-sonnet-4-20250514"],
        "tags": [],
        "branches": ["main"],
        "types": ["assistant", "user"],
        "roles": ["assistant", "user"],
    }


def test_a_count_that_takes_too_long_is_refused(tree: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "COUNT_SECONDS", 1e-9)
    with pytest.raises(TooSlow):
        services.count_matching({"text": "x"})


@pytest.mark.parametrize("name", ["claude-code", "json", "jsonl", "markdown"])
def test_an_export_of_nothing_completes_and_says_so(export: Export, name: str) -> None:
    job = export(name)
    assert job.state == JobState.COMPLETED
    assert job.artifact.manifest["empty"]
    assert "empty" in job.log_lines().get().text


def test_an_export_is_called_by_what_it_holds(tree: dict[str, bytes], export: Export) -> None:
    assert export("json").title == "Everything as json"
    assert (
        export("jsonl", project="app", since="2025-03-01", model=["a", "b"]).title
        == "Project /home/ana/app, model a, b, since 2025-03-01 as jsonl"
    )
    assert len(export("jsonl", session=["x" * 50] * 2 + ["y" * 500]).subject) == 200


def test_the_tasks_have_the_names_by_which_they_are_sent(settings: Any) -> None:
    from exports import tasks

    assert tasks.run_export_job.name == ExportJob.task_name
    assert tasks.expire_artifacts.name in {each["task"] for each in settings.CELERY_BEAT_SCHEDULE.values()}


def test_an_unknown_project_is_refused_by_name(tree: dict[str, bytes], people: Any, artifacts_dir: Path) -> None:
    with pytest.raises(BadInput, match="project: there is no project 'nope'"):
        create_export(people.alice, format="json", asked={"project": "nope"})


def test_an_unknown_format_is_refused_with_those_there_are(people: Any, artifacts_dir: Path) -> None:
    with pytest.raises(BadInput) as refused:
        create_export(people.alice, format="pdf", asked={})
    assert "claude-code" in refused.value.hint


class TestInterrupted:
    def stopped_after(self, monkeypatch: pytest.MonkeyPatch, count: int, stop: Callable[[], None]) -> None:
        """Let ``stop`` happen once, when so many messages have been read."""
        real = material.reader.scan_messages
        waiting = [stop]

        def scan(*args: Any, **kwargs: Any) -> Any:
            for number, message in enumerate(real(*args, **kwargs)):
                if number == count and waiting:
                    waiting.pop()()
                yield message

        monkeypatch.setattr(material.reader, "scan_messages", scan)
        # One message a chunk, so that the export is stopped between any two of them.
        monkeypatch.setattr("exports.renderers.base.gather", lambda pieces: pieces)

    def test_a_killed_export_starts_again_by_itself(
        self, tree: dict[str, bytes], people: Any, artifacts_dir: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def power_cut() -> None:
            raise SystemExit  # the one way out that leaves the job to be taken up again

        job = create_export(people.alice, format="jsonl", asked={})
        with monkeypatch.context() as patch:
            self.stopped_after(patch, 3, power_cut)
            with pytest.raises(SystemExit):
                run_export(job)
        (artifacts_dir / f".{job.pk}-1.jsonl.{job.pk}-1.part").write_bytes(b"half")
        job.refresh_from_db()
        assert job.state == JobState.QUEUED
        assert not Artifact.objects.exists()
        reap()
        run_export(job)
        job.refresh_from_db()
        assert job.state == JobState.COMPLETED
        assert len(data_of(job).splitlines()) == 7
        assert [path.name for path in artifacts_dir.iterdir()] == [job.artifact.storage_name]

    def test_a_cancelled_export_leaves_nothing(
        self, tree: dict[str, bytes], people: Any, artifacts_dir: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job = create_export(people.alice, format="jsonl", asked={})
        self.stopped_after(monkeypatch, 3, lambda: request_cancel(ExportJob.objects.get(pk=job.pk)))
        monkeypatch.setattr("jobs.progress.SNAPSHOT_SECONDS", 0)
        run_export(job)
        job.refresh_from_db()
        assert job.state == JobState.CANCELLED
        assert list(artifacts_dir.iterdir()) == []
        assert not Artifact.objects.exists()

    def test_a_cancelled_export_can_be_retried(
        self, tree: dict[str, bytes], people: Any, artifacts_dir: Path
    ) -> None:
        job = create_export(people.alice, format="json", asked={})
        services.cancel_export(job)
        with pytest.raises(NotClaimed):
            run_export(job)
        services.retry_export(job)
        run_export(job)
        job.refresh_from_db()
        assert job.state == JobState.COMPLETED

    def test_an_overtaken_try_changes_nothing(
        self, tree: dict[str, bytes], people: Any, artifacts_dir: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Two workers hold the same job, each believing that it is the only one."""
        job = create_export(people.alice, format="jsonl", asked={})

        def overtake() -> None:
            ExportJob.objects.filter(pk=job.pk).update(lease_until=None)
            run_export(ExportJob.objects.get(pk=job.pk))

        self.stopped_after(monkeypatch, 5, overtake)
        run_export(job)
        job.refresh_from_db()
        assert job.state == JobState.COMPLETED
        assert job.token == 2
        assert job.artifact.storage_name.startswith(f"{job.pk}-2")
        assert [path.name for path in artifacts_dir.iterdir()] == [job.artifact.storage_name]

    def test_a_finished_export_is_not_run_again(self, tree: dict[str, bytes], export: Export) -> None:
        job = export("json")
        with pytest.raises(NotClaimed):
            run_export(job)
        with pytest.raises(Conflict):
            services.retry_export(job)


class TestDamage:
    def test_a_file_that_does_not_come_out_as_it_went_in_is_named(
        self, tree: dict[str, bytes], export: Export, archive_db: Any
    ) -> None:
        archive_db["source_files"].update_one({"path": {"$regex": TWO}}, {"$set": {"sha256": "0" * 64}})
        job = export("claude-code")
        assert job.state == JobState.COMPLETED_WITH_ERRORS
        assert [each["path"] for each in job.artifact.manifest["damaged"]] == [path for path in tree if TWO in path]

    def test_a_file_that_grew_meanwhile_is_exported_as_it_was(
        self, tree: dict[str, bytes], people: Any, export: Export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = next(path for path in tree if path.endswith(f"{ONE}.jsonl"))
        real = material.files.find_files

        def find_then_grow(wanted: Any, **more: Any) -> Any:
            found = list(real(wanted, **more))
            monkeypatch.setattr(material.files, "find_files", real)
            seed(people.alice, tmp_path, {path: tree[path] + tree[path].splitlines()[0].replace(b"-0001", b"-0099") + b"\n"})
            return iter(found)

        monkeypatch.setattr("exports.running._announce", lambda *_: None)
        monkeypatch.setattr(material.files, "find_files", find_then_grow)
        job = export("claude-code")
        with zipfile.ZipFile(io.BytesIO(data_of(job))) as found:
            assert found.read(path) == tree[path]
        assert job.state == JobState.COMPLETED


class TestExpiry:
    def test_an_expired_artifact_loses_its_bytes_and_stays_on_record(self, tree: dict[str, bytes], export: Export) -> None:
        kept, old = export("json"), export("jsonl")
        Artifact.objects.filter(job=old).update(expires_at="2020-01-01T00:00:00Z")
        assert expire_artifacts() == 1
        assert expire_artifacts() == 0
        old.artifact.refresh_from_db()
        assert old.artifact.state == "expired"
        assert not old.artifact.path.exists()
        assert kept.artifact.path.exists()

    def test_strays_are_swept_when_they_are_old(self, export: Export, artifacts_dir: Path) -> None:
        import os

        kept = export("json")
        for name in ("old.part", "new.part"):
            (artifacts_dir / name).write_bytes(b"")
        for path in (artifacts_dir / "old.part", kept.artifact.path):
            os.utime(path, (1, 1))
        assert sweep_strays() == 1
        assert {path.name for path in artifacts_dir.iterdir()} == {"new.part", kept.artifact.storage_name}


def test_export_wipe_import_export_gives_the_same_bytes(
    tree: dict[str, bytes], export: Export, archive_db: Any, people: Any, tmp_path: Path
) -> None:
    first = data_of(export("claude-code"))
    empty(archive_db)
    with zipfile.ZipFile(io.BytesIO(first)) as found:
        seed(people.alice, tmp_path, {name: found.read(name) for name in found.namelist()})
    assert data_of(export("claude-code")) == first
    assert small_tree() == tree
