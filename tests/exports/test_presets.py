"""Presets: never wrong when they are saved, refused by name when they have become so."""

from __future__ import annotations

import io
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.core.management import CommandError, call_command

from archive.errors import BadInput, Conflict, NotFound
from exports import presets, schedules
from exports.filters import BadFilter
from exports.models import ExportJob, Preset, Schedule
from exports.services import run_export
from jobs.models import Notice


@pytest.fixture(autouse=True)
def _archive(archive_db: Any, artifacts_dir: Any) -> None:
    """An empty archive."""


def save(owner: Any, /, **more: Any) -> Preset:
    return presets.create_preset(owner, {"name": "Nightly", "format": "jsonl", **more})


def test_it_keeps_what_was_asked_for(people: Any) -> None:
    asked = {"period": "last-week", "model": ["a", "b"], "since": None, "source": "", "session": []}
    made = save(people.alice, filter=asked, choices={"compression": "gzip", "level": None}, shared=True)
    found = Preset.objects.get(pk=made.pk)
    assert found.filter == {"period": "last-week", "model": ["a", "b"]}
    assert found.choices == {"compression": "gzip"}
    assert (found.name, found.format, found.is_shared, found.owner) == ("Nightly", "jsonl", True, people.alice)


def test_days_of_a_form_are_kept_as_text(people: Any) -> None:
    assert save(people.alice, filter={"since": date(2025, 1, 31)}).filter == {"since": "2025-01-31"}


def test_a_project_is_kept_as_it_was_called(people: Any, tree: Any) -> None:
    assert save(people.alice, filter={"project": "/home/ana/app"}).filter == {"project": "/home/ana/app"}


@pytest.mark.parametrize(
    ("field", "asked"),
    [
        ("name", {"name": ""}),
        ("name", {"name": "   "}),
        ("name", {"name": "a\nb"}),
        ("name", {"name": "a\x00b"}),
        ("name", {"name": "a\x7fb"}),
        ("name", {"name": "\u202etxt"}),
        ("name", {"name": "\ud800"}),
        ("name", {"name": "a\u2028b" + "\x9f"}),
        ("name", {"name": "x" * 101}),
        ("name", {"name": None}),
        ("name", {"name": ["a"]}),
        ("shared", {"shared": "perhaps"}),
        ("format", {"format": "pdf"}),
        ("format", {"format": None}),
        ("format", {"format": {"$ne": ""}}),
        ("filter", {"filter": "everything"}),
        ("filter", {"filter": [1]}),
        ("$where", {"filter": {"$where": "1"}}),
        ("session", {"filter": {"session": {"$ne": None}}}),
        ("since", {"filter": {"since": "yesterday"}}),
        ("project", {"filter": {"project": "nowhere"}}),
        ("choices", {"choices": "all"}),
        ("colour", {"choices": {"colour": "red"}}),
        ("level", {"choices": {"compression": "zstd", "level": 99}}),
        ("owner", {"owner": "bob"}),
        ("id", {"id": 1}),
    ],
)
def test_what_could_not_be_exported_is_not_saved(people: Any, field: str, asked: dict[str, Any]) -> None:
    with pytest.raises(BadFilter) as refused:
        save(people.alice, **asked)
    assert refused.value.field == field
    assert refused.value.hint
    assert not Preset.objects.exists()


def test_huge_filters_are_refused(people: Any) -> None:
    with pytest.raises(BadInput):
        save(people.alice, filter={"session": ["x" * 500] * 100_000})


def test_a_name_is_one_of_its_owners(people: Any) -> None:
    save(people.alice)
    save(people.bob)
    with pytest.raises(Conflict) as refused:
        save(people.alice, name=" Nightly ")
    assert refused.value.code == "preset_name_taken"
    other = save(people.alice, name="Weekly")
    with pytest.raises(Conflict):
        presets.change_preset(people.alice, other, {"name": "Nightly"})
    assert Preset.objects.filter(owner=people.alice).count() == 2


def test_a_change_leaves_the_rest_as_it_was(people: Any) -> None:
    made = save(people.alice, filter={"source": "chatgpt"}, choices={"compression": "zstd"})
    presets.change_preset(people.alice, made, {"format": "json"})
    found = Preset.objects.get()
    assert (found.format, found.filter, found.choices) == ("json", {"source": "chatgpt"}, {"compression": "zstd"})
    with pytest.raises(BadFilter):
        presets.change_preset(people.alice, made, {"filter": {"since": 3}})
    assert Preset.objects.get().filter == {"source": "chatgpt"}


def test_using_it_makes_the_export_that_was_saved(people: Any, tree: Any) -> None:
    made = save(people.alice, filter={"model": "claude-opus-4-20250514"}, choices={"compression": "none"})
    job = presets.use_preset(people.alice, made)
    run_export(job)
    job = ExportJob.objects.get()
    assert (job.owner, job.format, job.counts["messages"]) == (people.alice, "jsonl", 1)
    assert job.told_parameters()["preset"] == "Nightly"


def test_a_shared_one_is_used_by_others_and_changed_by_none_of_them(people: Any) -> None:
    made = save(people.alice, shared=True)
    assert presets.find_preset(people.bob, made.pk) == made
    assert presets.use_preset(people.bob, made).owner == people.bob
    for change in (lambda: presets.change_preset(people.bob, made, {"name": "x"}), lambda: presets.delete_preset(people.bob, made)):
        with pytest.raises(PermissionDenied, match="Only alice"):
            change()
    assert Preset.objects.get().name == "Nightly"
    presets.change_preset(people.root, made, {"shared": False})
    with pytest.raises(NotFound):
        presets.find_preset(people.bob, made.pk)
    with pytest.raises(NotFound):
        presets.use_preset(people.bob, Preset.objects.get())


@pytest.mark.parametrize("wrong", [0, -1, 10**30, True, None, "x", "", "1; drop", "٣", "1" * 5000, 1.5, [1], {"a": 1}])
def test_ids_that_are_none_are_not_found(people: Any, wrong: object) -> None:
    save(people.alice)
    with pytest.raises(NotFound):
        presets.find_preset(people.root, wrong)


def test_a_name_finds_ones_own_before_those_of_others(people: Any) -> None:
    theirs = save(people.bob, shared=True)
    assert presets.find_preset_by_name(people.alice, "Nightly") == theirs
    mine = save(people.alice)
    assert presets.find_preset_by_name(people.alice, "Nightly") == mine
    save(people.root, shared=True)
    mine.delete()
    with pytest.raises(BadInput, match="Several people"):
        presets.find_preset_by_name(people.alice, "Nightly")
    with pytest.raises(NotFound):
        presets.find_preset_by_name(people.alice, "Weekly")


def test_what_is_no_longer_there_is_refused_by_name(people: Any, tree: Any, archive_db: Any) -> None:
    made = save(people.alice, filter={"project": "/home/ana/app"})
    archive_db.projects.delete_many({})
    with pytest.raises(Conflict) as refused:
        presets.use_preset(people.alice, made)
    assert refused.value.code == "preset_outdated"
    assert "'Nightly' can no longer be used. project: there is no project '/home/ana/app'." in refused.value.message
    assert refused.value.hint
    assert not ExportJob.objects.exists()
    assert presets.change_preset(people.alice, made, {"name": "Old"}).name == "Old"


@pytest.mark.parametrize(
    "gone", [{"format": "pdf"}, {"choices": {"sauce": 1}}, {"choices": {"layout": "heap"}}, {"filter": {"hat": "red"}}]
)
def test_a_format_choice_or_filter_of_another_version_is_refused_by_name(people: Any, gone: dict[str, Any]) -> None:
    made = save(people.alice)
    Preset.objects.update(**gone)
    with pytest.raises(Conflict, match="can no longer be used"):
        presets.use_preset(people.alice, Preset.objects.get(pk=made.pk))


def test_one_that_schedules_make_is_not_deleted_under_them(people: Any) -> None:
    made = save(people.alice, shared=True)
    own = schedules.create_schedule(people.alice, {"preset": made.pk})
    schedules.create_schedule(people.bob, {"preset": made.pk})
    with pytest.raises(Conflict) as refused:
        presets.delete_preset(people.alice, made)
    assert refused.value.code == "preset_in_use"
    schedules.delete_schedule(own)
    presets.delete_preset(people.alice, made)
    assert not Preset.objects.exists()
    assert not Schedule.objects.exists()
    told = Notice.objects.get()
    assert told.owner == people.bob
    assert "alice deleted the preset" in told.text


def test_the_form_gets_every_field_by_its_word(people: Any) -> None:
    made = save(people.alice, filter={"period": "last-week"}, choices={"compression": "gzip"})
    assert presets.initial_values(made) == {"format": "jsonl", "period": "last-week", "compression": "gzip"}


def test_a_project_is_told_by_its_path(people: Any, tree: Any, archive_db: Any) -> None:
    project = archive_db.projects.find_one()
    made = save(people.alice, filter={"project": [str(project["_id"])]}, choices={"guardFormulas": True, "split": "5 MB"})
    assert presets.in_words([made]) == {made.pk: [("Project", "/home/ana/app"), ("Split", "5000000")]}


class TestTheCommand:
    """``export_archive --preset``."""

    def run(self, *arguments: str) -> dict[str, Any]:
        out = io.StringIO()
        call_command("export_archive", *arguments, "--json", "--verbosity=0", stdout=out)
        answer: dict[str, Any] = json.loads(out.getvalue().splitlines()[-1])
        return answer

    def test_it_needs_no_format_then(self, people: Any, tree: Any, tmp_path: Path) -> None:
        save(people.alice, filter={"model": "claude-opus-4-20250514"})
        save(people.bob, format="json", shared=True)
        answer = self.run("--preset=Nightly", "--user=alice", f"--output={tmp_path / 'out'}")
        assert answer["messages"] == 1
        assert (tmp_path / "out").read_bytes().count(b"\n") == 1

    def test_what_is_given_besides_goes_before_it(self, people: Any, tree: Any, tmp_path: Path) -> None:
        save(people.alice, filter={"period": "last-week", "model": "claude-opus-4-20250514"})
        where = ("--preset=Nightly", "--user=alice", f"--output={tmp_path / 'out'}")
        assert self.run(*where)["messages"] == 0
        answer = self.run(*where, "--since=2025-01-01", "--model=claude-sonnet-4-20250514", "--format=json")
        assert answer["messages"] == 1
        assert json.loads((tmp_path / "out").read_bytes())["conversations"]

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (("--preset=Nightly", "--user=bob"), "There is no preset 'Nightly'."),
            ((), "format: '' is not an export format."),
        ],
    )
    def test_without_one_that_is_theirs_it_exits_with_2(
        self, people: Any, tmp_path: Path, arguments: tuple[str, ...], said: str
    ) -> None:
        save(people.alice)
        with pytest.raises(CommandError, match=said) as refused:
            self.run(*arguments, f"--output={tmp_path / 'out'}")
        assert refused.value.returncode == 2
        assert not (tmp_path / "out").exists()
