"""Masked and shortened exports of a real archive: built, told about, and taken in again as what they are."""

from __future__ import annotations

import io
import json
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from django.test import Client

from archive.filters import MessageFilter
from exports.choices import CONTENTS, SECRETS, Choices
from exports.filters import BadFilter
from exports.live.services import estimate_asked
from exports.material import ArchiveMaterial
from exports.models import ExportJob
from exports.renderers import RENDERERS
from exports.services import choose_output, create_export, run_export
from imports.formats import Choice
from jobs.models import JobState
from tests.emptying import empty
from tests.exports.secrets import WITHIN
from tests.exports.seed import FOLDER, ONE, answer, line, seed
from tests.imports.running import check_events, check_files, check_projects, run
from tests.imports.test_formats import SAMPLES

TOKEN = WITHIN["github-token"]
Shape = Callable[..., ExportJob]


def private_tree() -> dict[str, bytes]:
    """A conversation with a secret in a prompt and in a tool's result, beside it a file that a tool wrote."""
    prompt = line(ONE, 1, message={"role": "user", "content": f"mia ŝlosilo estas {TOKEN}, skribu al ana@example.org"})
    result = {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": f"PASSWORD=hunter2 {TOKEN}"}]}
    given = line(ONE, 3, message={"role": "user", "content": [result]}, toolUseResult={"stdout": f"PASSWORD=hunter2 {TOKEN}"})
    return {
        f"{FOLDER}/{ONE}.jsonl": b"\n".join([prompt, answer(ONE, 2), f"broken {TOKEN}".encode(), given]) + b"\n",
        f"{FOLDER}/{ONE}/tool-results/toolu_01a.txt": f"env\nDB_PASSWORD=s3cr3tpw\nHOME=/home/ana\n{TOKEN}\n".encode(),
    }


@pytest.fixture
def shape(archive_db: Any, people: Any, artifacts_dir: Path, tmp_path: Path) -> Shape:
    """``shape("json", redact=[…])``: a finished export of alice's of the private tree."""
    seed(people.alice, tmp_path, private_tree())

    def make(name: str, parameters: dict[str, Any] | None = None, **choices: object) -> ExportJob:
        job = create_export(people.alice, format=name, asked={}, choices=choices, parameters=parameters)
        run_export(job)
        return ExportJob.objects.get(pk=job.pk)

    return make


def data_of(job: ExportJob) -> bytes:
    assert job.artifact is not None
    return job.artifact.path.read_bytes()


def wipe(db: Any) -> None:
    empty(db)


class TestOriginalFiles:
    def test_they_come_back_masked_and_the_manifest_says_so(self, shape: Shape) -> None:
        job = shape("claude-code", redact=list(SECRETS))
        with zipfile.ZipFile(io.BytesIO(data_of(job))) as found:
            files = {name: found.read(name).decode() for name in found.namelist()}
        folder = "projects/-home--redacted-home--app"
        assert set(files) == {f"{folder}/{ONE}.jsonl", f"{folder}/{ONE}/tool-results/toolu_01a.txt"}
        told = files[f"{folder}/{ONE}.jsonl"].splitlines()
        assert json.loads(told[0])["message"]["content"] == "mia ŝlosilo estas [redacted:github-token], skribu al [redacted:email]"
        assert told[2] == "broken [redacted:github-token]"
        assert json.loads(told[1])["cwd"] == "/home/[redacted:home]/app"
        for secret in (TOKEN, "hunter2", "s3cr3tpw", "/ana", "ana@"):
            assert all(secret not in text for text in files.values())
        assert job.state == JobState.COMPLETED, "the originals are sound: their hashes were checked"
        manifest = job.artifact.manifest
        assert manifest["redacted"]["github-token"] == 5
        assert manifest["changed"] == 2
        assert manifest["damagedCount"] == 0
        assert not any(text.startswith("Nothing") for text in manifest["loses"])
        assert any("github-token 5" in each.text for each in job.log_lines())

    def test_lines_without_anything_private_are_the_very_bytes(self, shape: Shape) -> None:
        job = shape("claude-code", redact=["secrets"])
        with zipfile.ZipFile(io.BytesIO(data_of(job))) as found:
            told = found.read(f"{FOLDER}/{ONE}.jsonl").split(b"\n")
        assert told[1] == answer(ONE, 2)

    def test_the_folder_of_a_command_is_masked_too(self, shape: Shape, tmp_path: Path) -> None:
        output = tmp_path / "out"
        shape("claude-code", parameters=choose_output("claude-code", output), redact=list(SECRETS))
        written = [path for path in output.rglob("*") if path.is_file()]
        assert len(written) == 2
        assert all(TOKEN.encode() not in path.read_bytes() and "ana" not in str(path.relative_to(output)) for path in written)

    def test_the_whole_name_of_a_home_is_masked_in_the_names_of_its_files(
        self, archive_db: Any, people: Any, artifacts_dir: Path, tmp_path: Path
    ) -> None:
        told = line(ONE, 1, cwd="/Users/zano.berta/app", message={"role": "user", "content": "in -Users-zano-berta-app"})
        seed(people.alice, tmp_path, {f"projects/-Users-zano-berta-app/{ONE}.jsonl": told + b"\n"})
        job = create_export(people.alice, format="claude-code", asked={}, choices={"redact": ["paths"]})
        run_export(job)
        with zipfile.ZipFile(io.BytesIO(data_of(ExportJob.objects.get(pk=job.pk)))) as found:
            assert found.namelist() == [f"projects/-Users--redacted-home--app/{ONE}.jsonl"]
            assert b"berta" not in found.read(found.namelist()[0])

    def test_nothing_is_left_out_of_them(self, people: Any, archive_db: Any) -> None:
        with pytest.raises(BadFilter, match="gives whole files back"):
            create_export(people.alice, format="claude-code", asked={}, choices={"without": ["thinking"]})
        assert not ExportJob.objects.exists()

    def test_a_pattern_that_cannot_be_meant_is_refused_before_there_is_a_job(self, people: Any, archive_db: Any) -> None:
        with pytest.raises(BadFilter, match=r"missing \)"):
            create_export(people.alice, format="json", asked={}, choices={"patterns": ["(a"]})
        assert not ExportJob.objects.exists()


class TestWithoutAJob:
    """What is seen of an export before it is made, and what is streamed, is masked as the export is."""

    CHOICES: ClassVar[dict[str, Any]] = {"redact": list(SECRETS), "without": ["tool_results"]}

    @pytest.mark.parametrize("name", ["json", "jsonl", "csv", "markdown", "html"])
    def test_the_sample_is_masked(self, shape: Shape, name: str) -> None:
        told = estimate_asked(name, {}, self.CHOICES)
        assert told.messages == 4
        for secret in (TOKEN, "hunter2", "ana@", "/ana"):
            assert secret not in told.sample

    def test_a_stream_is_masked(self, shape: Shape, client: Client, people: Any) -> None:
        client.force_login(people.alice)
        response: Any = client.get("/api/v1/messages/export?format=jsonl&redact=secrets,emails,paths&without=tool_results")
        data = b"".join(response.streaming_content)
        assert data.count(b"[redacted:github-token]") > 0
        for secret in (TOKEN, "hunter2", "ana@", "/ana"):
            assert secret.encode() not in data


class TestPage:
    def test_it_says_what_was_masked_and_left_out(self, shape: Shape, client: Client, people: Any) -> None:
        job = shape("jsonl", redact=["secrets"], without=["tool_results"])
        client.force_login(people.alice)
        page = " ".join(re.sub(r"<[^>]+>", " ", client.get(job.get_absolute_url()).content.decode()).split())
        counts = job.artifact.manifest["redacted"]
        assert f"Masked github-token × {counts['github-token']} Left out tool results × 2" in page
        assert "3 messages or files are not as in the archive" in page

    def test_it_says_that_nothing_was_found(self, shape: Shape, client: Client, people: Any) -> None:
        job = shape("jsonl", patterns=["nenio tia"], without=["images"])
        client.force_login(people.alice)
        page = client.get(job.get_absolute_url()).content.decode()
        assert "nothing: none of it was found" in page
        assert "nothing: there was none of it" in page


class TestMessages:
    def test_counts_are_in_the_manifest(self, shape: Shape) -> None:
        job = shape("jsonl", without=["tool_results"], redact=["emails"], patterns=["ŝlosilo"])
        manifest = job.artifact.manifest
        assert manifest["leftOut"] == {"tool_results": 2}
        assert manifest["redacted"]["pattern-1"] == manifest["redacted"]["email"] > 0
        assert manifest["changed"] == 3
        assert b"hunter2" not in data_of(job)

    def test_they_are_taken_in_as_what_they_are_now(self, shape: Shape, archive_db: Any, tmp_path: Path) -> None:
        job = shape("jsonl", redact=list(SECRETS))
        target = tmp_path / "masked.jsonl"
        target.write_bytes(data_of(job))
        told = {bytes.fromhex(each["id"]): each for each in map(json.loads, data_of(job).splitlines())}
        wipe(archive_db)
        result = run(target, job="back")
        assert (result.inserted, result.rejected) == (4, 0)
        stored = {each["_id"]: each for each in archive_db.messages_current.find()}
        assert set(stored) == set(told), "the ids in the file are those that they get"
        assert all(each["changed"] is True for each in stored.values())
        assert {str(each["_id"]) for each in archive_db.projects.find()} == {each["projectId"] for each in told.values()}
        assert any("masked or shortened" in text for text in result.log)
        for check in (check_files, check_projects, check_events):
            check(archive_db)

    def test_the_true_ones_stay_what_they_are_beside_them(self, shape: Shape, archive_db: Any, tmp_path: Path) -> None:
        before = {each["_id"]: each for each in archive_db.messages_current.find()}
        target = tmp_path / "masked.jsonl"
        target.write_bytes(data_of(shape("jsonl", redact=["secrets"])))
        run(target, job="back")
        after = {each["_id"]: each for each in archive_db.messages_current.find()}
        assert {key: after.get(key) for key in before} == before
        assert TOKEN in after[next(key for key, each in before.items() if each.get("text", "").startswith("mia"))]["text"]


@pytest.mark.parametrize("name", [name for name, each in RENDERERS.items() if "files" not in each.needs])
def test_messages_of_every_source_are_masked_and_shortened(archive_db: Any, tmp_path: Path, name: str) -> None:
    for folder in sorted(SAMPLES.iterdir()):
        expected = json.loads((folder / "expected.json").read_bytes())
        given = tmp_path / folder.name
        shutil.copytree(folder, given, ignore=shutil.ignore_patterns("expected.json"))
        mapping = expected.get("mapping", {})
        run(given, job=folder.name, choice=Choice(folder.name if mapping else "", mapping))
    material = ArchiveMaterial(MessageFilter())
    data = b"".join(RENDERERS[name].render(material, Choices(without=CONTENTS, redact=SECRETS, patterns=("[Tt]he",))))
    assert data
    assert material.changes.redacted["pattern-1"] > 0
    if name == "jsonl":
        target = tmp_path / "export.jsonl"
        target.write_bytes(data)
        wipe(archive_db)
        assert run(target, job="back").rejected == 0
