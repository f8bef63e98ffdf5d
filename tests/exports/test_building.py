"""Exports packed, and split into parts: each part whole, all of them there or none, and nothing in two of them."""

from __future__ import annotations

import gzip
import io
import json
import random
import zipfile
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import zstandard
from django.test import Client
from django.urls import reverse

from archive.errors import BadInput, OutOfSpace
from exports import material, splitting
from exports.choices import SMALLEST_PART, Choices
from exports.models import Artifact, ExportJob
from exports.packing import PACKINGS, start_packer
from exports.part_files import RESERVE_BYTES
from exports.renderers import RENDERERS
from exports.services import choose_output, create_export, run_export
from exports.stages import Stage
from jobs.models import JobState
from jobs.runner import reap
from tests.archive.test_scanning import away_and_back, kill_cursors
from tests.exports.seed import FOLDER, line, seed

SESSIONS = [f"{digit * 8}-{digit * 4}-4{digit * 3}-8{digit * 3}-{digit * 12}" for digit in "123"]
FILLER = "lorem ipsum dolor " * 100
COUNT = 1500


@pytest.fixture
def big_tree(archive_db: Any, people: Any, tmp_path: Path) -> dict[str, bytes]:
    """Three conversations of 500 messages each: some four megabytes, over three months, one message undated."""
    tree = {}
    for place, session in enumerate(SESSIONS):
        lines = [
            line(session, number, padding=FILLER, timestamp=f"2025-{number % 3 + 1:02}-{place + 1:02}T12:00:00.000Z")
            for number in range(500)
        ]
        tree[f"{FOLDER}/{session}.jsonl"] = b"\n".join(lines) + b"\n"
    seed(people.alice, tmp_path, tree)
    undated = archive_db["messages_current"].find_one_and_update({}, {"$unset": {"timestamp": 1}}, sort=[("seq", -1)])
    assert undated
    return tree


@pytest.fixture
def made(archive_db: Any, people: Any, artifacts_dir: Path) -> Callable[..., ExportJob]:
    """``made("json", split="month")``: a finished export of alice's, made so."""

    def make(name: str, **choices: object) -> ExportJob:
        job = create_export(people.alice, format=name, asked={}, choices=choices)
        run_export(job)
        return ExportJob.objects.get(pk=job.pk)

    return make


def bytes_of(job: ExportJob) -> list[bytes]:
    return [part.path.read_bytes() for part in job.parts]


def ids_in(parts: list[bytes]) -> list[str]:
    return [json.loads(text)["id"] for part in parts for text in part.splitlines()]


class TestPacking:
    @pytest.mark.parametrize("name", ["json", "jsonl", "csv", "markdown"])
    def test_a_packed_export_unpacks_to_the_plain_one(self, big_tree: Any, made: Any, name: str) -> None:
        plain = bytes_of(made(name))[0]
        packed, squeezed = made(name, compression="gzip", level=1), made(name, compression="zstd")
        assert gzip.decompress(bytes_of(packed)[0]) == plain
        with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(bytes_of(squeezed)[0])) as reader:
            assert reader.read() == plain
        assert packed.artifact.filename.endswith(f"{RENDERERS[name].extension}.gz")
        assert squeezed.artifact.filename.endswith(f"{RENDERERS[name].extension}.zst")
        assert (packed.artifact.media_type, squeezed.artifact.media_type) == ("application/gzip", "application/zstd")
        assert packed.artifact.sha256 == sha256(bytes_of(packed)[0]).hexdigest()

    @pytest.mark.parametrize("compression", PACKINGS)
    def test_the_same_bytes_are_packed_to_the_same_bytes(self, compression: str) -> None:
        def pack(pieces: list[bytes]) -> bytes:
            packer = start_packer(Choices(compression=compression))
            return b"".join([packer.compress(piece) for piece in pieces] + [packer.flush()])

        assert pack([b"abc" * 1000]) == pack([b"abc" * 1000])

    @pytest.mark.parametrize("name", ["claude-code", "parquet"])
    def test_what_is_packed_already_is_not_packed_once_more(self, people: Any, artifacts_dir: Path, name: str) -> None:
        with pytest.raises(BadInput, match="compression"):
            create_export(people.alice, format=name, asked={}, choices={"compression": "gzip"})

    def test_a_zip_with_a_file_for_each_is_not_packed_once_more(self, people: Any, artifacts_dir: Path) -> None:
        with pytest.raises(BadInput, match="compression"):
            create_export(people.alice, format="markdown", asked={}, choices={"compression": "gzip", "layout": "each"})


class TestStage:
    def test_pieces_are_taken_in_order(self) -> None:
        taken: list[bytes] = []
        with Stage(taken.append) as stage:
            for number in range(1000):
                stage.put(b"%d" % number)
            stage.finish()
        assert taken == [b"%d" % number for number in range(1000)]

    def test_what_goes_wrong_in_it_is_told_where_the_pieces_come_from(self) -> None:
        def refuse(piece: bytes) -> None:
            raise OutOfSpace("full")

        def put_all(stage: Stage) -> None:
            for _ in range(1000):
                stage.put(b"x")
            stage.finish()

        with Stage(refuse) as stage, pytest.raises(OutOfSpace):
            put_all(stage)


class TestSizes:
    def test_parts_of_a_size_hold_every_message_once(self, big_tree: Any, made: Any) -> None:
        whole, job = made("jsonl"), made("jsonl", split="1 MB")
        parts = bytes_of(job)
        assert len(parts) > 3
        assert ids_in(parts) == ids_in(bytes_of(whole))
        assert all(SMALLEST_PART <= len(part) < SMALLEST_PART + 400_000 for part in parts[:-1])
        assert job.counts == whole.counts
        assert [part.number for part in job.parts] == list(range(1, len(parts) + 1))
        assert sum(part.messages for part in job.parts) == COUNT
        assert job.parts[0].filename.endswith("-part-001.jsonl")
        assert job.parts[1].manifest["part"] == {"number": 2, "of": len(parts), "label": "part-002"}

    def test_each_part_is_a_whole_document(self, big_tree: Any, made: Any) -> None:
        parts = [json.loads(part) for part in bytes_of(made("json", split="1 MB"))]
        assert all(part["format"] == "claudelens/1" for part in parts)
        told = [(each["id"], len(each["messages"])) for part in parts for each in part["conversations"]]
        assert sum(count for _, count in told) == COUNT
        assert [session for session, _ in told] == sorted(session for session, _ in told)

    def test_original_files_are_split_between_files(self, big_tree: Any, made: Any) -> None:
        job = made("claude-code", split="1 MB")
        found: dict[str, bytes] = {}
        for part in bytes_of(job):
            with zipfile.ZipFile(io.BytesIO(part)) as packed:
                found |= {name: packed.read(name) for name in packed.namelist()}
        assert found == big_tree
        assert job.counts == {"messages": COUNT, "sessions": 3, "files": 3}

    def test_too_many_parts_are_refused_and_nothing_stays(
        self, big_tree: Any, made: Any, artifacts_dir: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(splitting, "MOST_PARTS", 2)
        job = made("jsonl", split="1 MB")
        assert (job.state, job.error_code) == (JobState.FAILED, "too_many_parts")
        assert list(artifacts_dir.iterdir()) == []


class TestMonths:
    def test_each_month_has_a_part_and_so_have_messages_without_a_time(self, big_tree: Any, made: Any) -> None:
        whole, job = made("jsonl"), made("jsonl", split="month")
        labels = [part.manifest["part"]["label"] for part in job.parts]
        assert labels == ["2025-01", "2025-02", "2025-03", "undated"]
        assert job.parts[1].filename.endswith("-2025-02.jsonl")
        for part, data in zip(job.parts[:-1], bytes_of(job), strict=False):
            assert {json.loads(text)["timestamp"][:7] for text in data.splitlines()} == {part.manifest["part"]["label"]}
        assert sorted(ids_in(bytes_of(job))) == sorted(ids_in(bytes_of(whole)))
        assert job.counts == whole.counts

    def test_a_filter_narrows_the_months(self, big_tree: Any, people: Any, artifacts_dir: Path) -> None:
        asked = {"since": "2025-01-02", "until": "2025-02-02"}
        job = create_export(people.alice, format="jsonl", asked=asked, choices={"split": "month"})
        run_export(job)
        times = [json.loads(text)["timestamp"][:10] for part in bytes_of(job) for text in part.splitlines()]
        assert len(job.parts) == 2
        assert set(times) == {"2025-01-02", "2025-01-03", "2025-02-01"}

    def test_nothing_is_one_empty_part(self, made: Any) -> None:
        assert [part.manifest["empty"] for part in made("json", split="month").parts] == [True]

    def test_whole_files_have_no_month(self, people: Any, artifacts_dir: Path) -> None:
        with pytest.raises(BadInput, match="split"):
            create_export(people.alice, format="claude-code", asked={}, choices={"split": "month"})


class TestAllOrNone:
    def stopped_at(self, monkeypatch: pytest.MonkeyPatch, count: int, error: type[BaseException]) -> None:
        """Let the reading of this many messages be the last."""
        real = material.reader.scan_messages
        seen = [0]

        def scan(*args: Any, **kwargs: Any) -> Iterator[Any]:
            for message in real(*args, **kwargs):
                seen[0] += 1
                if seen[0] == count:
                    raise error
                yield message

        monkeypatch.setattr(material.reader, "scan_messages", scan)

    def test_a_killed_try_leaves_no_part_to_be_seen_and_the_next_starts_anew(
        self, big_tree: Any, people: Any, artifacts_dir: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job = create_export(people.alice, format="jsonl", asked={}, choices={"split": "1 MB"})
        with monkeypatch.context() as patch:
            self.stopped_at(patch, 1000, SystemExit)
            with pytest.raises(SystemExit):
                run_export(job)
        assert not Artifact.objects.exists()
        # What kill -9 leaves: parts that are whole but not kept, and half a one.
        (artifacts_dir / f"{job.pk}-1.0001.jsonl").write_bytes(b"whole")
        (artifacts_dir / f".{job.pk}-1.0002.jsonl.{job.pk}-1.part").write_bytes(b"half")
        reap()
        run_export(job)
        job.refresh_from_db()
        assert job.state == JobState.COMPLETED
        assert len(ids_in(bytes_of(job))) == COUNT
        assert {path.name for path in artifacts_dir.iterdir()} == {part.storage_name for part in job.parts}

    def test_a_failed_try_leaves_nothing_at_all(
        self, big_tree: Any, people: Any, artifacts_dir: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job = create_export(people.alice, format="jsonl", asked={}, choices={"split": "1 MB"})
        self.stopped_at(monkeypatch, 1000, ArithmeticError)
        run_export(job)
        job.refresh_from_db()
        assert job.state == JobState.ERRORED
        assert list(artifacts_dir.iterdir()) == []

    def test_a_command_writes_a_folder_of_parts(self, big_tree: Any, people: Any, tmp_path: Path) -> None:
        choices = {"split": "month", "compression": "gzip"}
        where = choose_output("jsonl", tmp_path / "out", choices=choices)
        job = create_export(people.alice, format="jsonl", asked={}, choices=choices, parameters=where)
        written = run_export(job)
        names = ["jsonl-2025-01.jsonl.gz", "jsonl-2025-02.jsonl.gz", "jsonl-2025-03.jsonl.gz", "jsonl-undated.jsonl.gz"]
        assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
        assert [file.path.as_posix() for file in written] == names
        data = [gzip.decompress((tmp_path / "out" / name).read_bytes()) for name in names]
        assert len(ids_in(data)) == COUNT

    def test_a_disk_too_small_for_it_is_told_before_anything_is_written(
        self, big_tree: Any, made: Any, artifacts_dir: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Free:
            free = RESERVE_BYTES + 1_000_000

        monkeypatch.setattr("exports.part_files.shutil.disk_usage", lambda _: Free)
        monkeypatch.setattr("exports.services.require_room_for", lambda *_: None)  # it filled up since
        opened: list[object] = []
        monkeypatch.setattr("exports.building.PackedFile", lambda *given: opened.append(given))
        job = made("jsonl")
        assert (job.state, job.error_code) == (JobState.FAILED, "out_of_space")
        assert not opened


class TestWhileThingsMove:
    @pytest.mark.parametrize("choices", [{}, {"split": "1 MB"}])
    def test_an_export_whose_cursors_are_killed_and_whose_messages_go_away_has_each_once(
        self, big_tree: Any, made: Any, archive_db: Any, monkeypatch: pytest.MonkeyPatch, choices: Any
    ) -> None:
        undisturbed = sorted(ids_in(bytes_of(made("jsonl"))))
        real, chance, killed = material.reader.scan_messages, random.Random(7), [0]

        def scan(*args: Any, **kwargs: Any) -> Iterator[Any]:
            for message in real(*args, **kwargs):
                yield message
                if chance.random() < 0.05:
                    killed[0] += kill_cursors(archive_db)
                if chance.random() < 0.01:
                    away_and_back(archive_db["messages_current"], 0).join()

        monkeypatch.setattr(material, "BATCH_SIZE", 10)
        monkeypatch.setattr(material.reader, "scan_messages", scan)
        job = made("jsonl", **choices)
        assert job.state == JobState.COMPLETED, job.error_message
        assert sorted(ids_in(bytes_of(job))) == undisturbed
        assert len(set(undisturbed)) == COUNT
        assert killed[0]


class TestApi:
    @pytest.fixture
    def client(self, people: Any) -> Client:
        client = Client()
        client.force_login(people.alice)
        return client

    def test_choices_are_taken_and_parts_are_listed_and_downloaded(
        self, big_tree: Any, client: Client, artifacts_dir: Path
    ) -> None:
        body = {"format": "jsonl", "choices": {"split": "1 MB", "compression": "zstd", "level": 1}}
        answer = client.post("/api/v1/exports/", body, content_type="application/json")
        assert answer.status_code == 202, answer.json()
        job = ExportJob.objects.get()
        run_export(job)
        told = client.get(answer.headers["Location"]).json()
        assert told["choices"] == {"split": "1000000", "compression": "zstd", "level": 1}
        assert [part["number"] for part in told["artifacts"]] == [1, 2, 3, 4, 5][: len(told["artifacts"])]
        assert told["artifact"]["sha256"] == told["artifacts"][0]["sha256"]
        for part in told["artifacts"]:
            data = b"".join(client.get(part["url"]).streaming_content)
            assert sha256(data).hexdigest() == part["sha256"]
        page = client.get(reverse("exports:detail", args=[job.pk])).content.decode()
        assert all(part["filename"] in page for part in told["artifacts"])
        assert b"".join(client.get(reverse("exports:download", args=[job.pk]) + "?part=2").streaming_content)
        assert f"{len(told['artifacts'])} files" in client.get(reverse("exports:list")).content.decode()

    @pytest.mark.parametrize("part", ["0", "9", "-1", "x", "²", "9" * 30, ""])
    def test_a_part_that_there_is_not_is_not_found(self, big_tree: Any, client: Client, made: Any, part: str) -> None:
        job = made("jsonl", split="month")
        assert client.get(f"/api/v1/exports/{job.pk}/download/", {"part": part}).status_code == 404
        assert client.get(reverse("exports:download", args=[job.pk]), {"part": part}).status_code == 404

    @pytest.mark.parametrize(
        ("choices", "field"),
        [
            ({"nope": 1}, "nope"),
            ({"split": "week"}, "split"),
            ({"compression": "rar"}, "compression"),
            ({"compression": "gzip", "level": 12}, "level"),
            ({"columns": ["x"]}, "columns"),
            ("zstd", "choices"),
        ],
    )
    def test_choices_that_cannot_be_meant_are_refused_by_name(
        self, client: Client, artifacts_dir: Path, choices: Any, field: str
    ) -> None:
        body = {"format": "jsonl", "choices": choices}
        answer = client.post("/api/v1/exports/", body, content_type="application/json")
        assert answer.status_code == 400
        assert answer.json()["code"] == "bad_filter"
        assert answer.json()["detail"].startswith(f"{field}:")
