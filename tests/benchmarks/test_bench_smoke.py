"""The benchmarks run, measure what they say, and check that nothing was lost on the way."""

import hashlib
import json

import pytest

from benchmarks import (
    corpora,
    export_bench,
    format_bench,
    gen_corpus,
    import_bench,
    live_bench,
    storage_bench,
    targets,
    web_bench,
)
from benchmarks.__main__ import main
from benchmarks.ground import ground
from benchmarks.report import Report

TINY = 1_500_000


@pytest.fixture(scope="session")
def corpus_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("corpora")


@pytest.fixture
def measured(servers, corpus_folder, tmp_path, monkeypatch):
    """Runs a benchmark on this run's servers; gives back its JSON lines."""
    monkeypatch.setattr(corpora, "FOLDER", corpus_folder)

    def run(bench, **arguments):
        report = Report(tmp_path / "bench.jsonl", as_json=True)
        with ground() as here:
            bench.run(here, report, **arguments)
        report.conclude()
        return [json.loads(line) for line in report.path.read_text().splitlines()]

    return run


def test_the_import_benchmark_measures_every_step_and_way(measured):
    lines = measured(import_bench, sizes=[TINY], rounds=1)
    runs = {(line["step"], line["way"]): line for line in lines if line["kind"] == "run"}
    assert len(runs) == 9
    assert all(run["seconds"] > 0 and run["peak_mb"] > run["idle_mb"] > 10 for run in runs.values())
    names = {line["name"] for line in lines if line["kind"] == "check"}
    assert {"2 MB first, × plain", "2 MB again, × plain", "2 MB first, × limit"} <= names


def test_the_benchmark_of_formats_measures_every_shape(measured, monkeypatch):
    monkeypatch.setattr(format_bench, "AT_ONCE", 3)
    lines = measured(format_bench, sizes=[TINY], rounds=1)
    steps = {(line["step"], line["way"]) for line in lines if line["kind"] == "run"}
    assert steps == {(step, way) for step in ("first", "again", "half known", "at once") for way in format_bench.WAYS}
    names = {line["name"] for line in lines if line["kind"] == "check"}
    assert sum("array" in name for name in names) == sum("zip" in name for name in names) == 3


def test_memory_that_grows_with_the_file_is_told():
    small, large = import_bench.Results("50 MB"), import_bench.Results("1 GB")
    small.runs["first", "import"] = [{"growth_mb": 40}]
    large.runs["first", "import"] = [{"growth_mb": 51}]
    (check,) = import_bench.same_growth([small, large])
    assert (check.value, check.is_met) == (11, False)
    assert import_bench.same_growth([small]) == []


def test_the_export_benchmark_measures_every_format(measured):
    lines = measured(export_bench, sizes=[TINY], rounds=1)
    ways = {line["way"] for line in lines if line["kind"] == "run"}
    assert ways == set(export_bench.WAYS)
    assert sum(line["kind"] == "check" for line in lines) == 12


def test_the_live_benchmark_waits_for_streams_and_estimates(measured):
    lines = measured(live_bench, sizes=[TINY], rounds=1)
    told = {line["what"]: line["ms"] for line in lines if line["kind"] == "run"}
    assert set(told) == {f"first byte of {name}" for name in live_bench.STREAMS} | {f"estimate of {name}" for name in live_bench.ESTIMATED}
    assert all(ms > 0 for found in told.values() for ms in found)
    assert sum(line["kind"] == "check" for line in lines) == 2


def test_the_web_benchmark_sends_and_fetches_the_same_bytes(measured):
    lines = measured(web_bench, sizes=[TINY])
    runs = [line for line in lines if line["kind"] == "run"]
    assert len(runs) == 2
    assert all(run["bytes"] >= TINY and run["answers"] > 0 for run in runs)


def test_the_corpus_is_the_same_on_every_machine(tmp_path):
    gen_corpus.main(["--size=200KB", "--format=jsonl", f"--out={tmp_path / 'c'}"])
    assert hashlib.sha256((tmp_path / "c.jsonl").read_bytes()).hexdigest() == CORPUS_SHA256


CORPUS_SHA256 = "0fd9775cdd5f0fbce0bfa2e730ad9f00018477b1920b493db29bf8ae6a8e7351"


def test_a_missed_limit_fails_the_run_and_a_missed_goal_does_not(tmp_path, capsys):
    report = Report(tmp_path / "bench.jsonl", as_json=False)
    report.check(targets.at_least("import", "ratio", 2.2, 2, goal=2.5), targets.at_most("web", "peak", 9, 10))
    assert report.conclude() == 0
    report.check(targets.at_most("web", "wait", 11, 10, hard=False))
    assert report.conclude() == 0
    report.check(targets.at_most("web", "wait", 11, 10))
    assert report.conclude() == 1
    shown = capsys.readouterr().out
    assert "goal missed" in shown
    assert "MISSED" in shown


def test_an_unknown_benchmark_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(["imports"])
    assert "no such benchmark: imports" in capsys.readouterr().err


@pytest.mark.timeout(300)
def test_the_storage_benchmark_moves_verifies_and_reads_over_partitions(measured, monkeypatch):
    monkeypatch.setattr(storage_bench, "WITH_FILES", False)
    lines = measured(storage_bench, sizes=[TINY], rounds=1)
    ways = [line["way"] for line in lines if line["kind"] == "run"]
    tiers = ["cold", "frozen", "limit", "plain", "verify", "warm"]
    assert sorted(ways) == sorted([*tiers, "one after the other", "page", "some at once"])
    moved = [line for line in lines if line.get("way") in ("warm", "cold", "frozen")]
    assert all(line["records"] > 100 and line["size"] > 0 for line in moved)
    assert sum(line["kind"] == "check" for line in lines) == 7
