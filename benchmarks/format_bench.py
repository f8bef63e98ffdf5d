"""Imports of other shapes: an array of conversations, a zip of transcripts, half of it known, ten at once."""

import json
import subprocess
import time
from collections.abc import Iterable
from typing import Any

from benchmarks import targets
from benchmarks.child import READY
from benchmarks.corpora import Corpus, claude_ai, corpus, human_size, sessions, zipped
from benchmarks.ground import ROOT, Ground, RunFailedError
from benchmarks.import_bench import expect, rounds_for
from benchmarks.measure import median
from benchmarks.report import Report

BENCH = "formats"
WAYS = {"import": "product", "import plain": "plain"}
MAX_WORKER_MB = 150
AT_ONCE = 10
MESSAGES_A_SESSION, BYTES_A_MESSAGE = 40, 2500
Runs = dict[str, list[dict[str, Any]]]


def run(ground: Ground, report: Report, sizes: Iterable[int], rounds: int = 0) -> None:
    """Measure every size; ``rounds`` 0 takes as many as fit the size."""
    for size in sizes:
        original, times = corpus(size), rounds or rounds_for(size)
        measure_shape(ground, report, "array", claude_ai(original), times)
        measure_shape(ground, report, "zip", zipped(original), times)
        measure_half_known(ground, report, size, times)
        measure_at_once(ground, report, size)


def measure_shape(ground: Ground, report: Report, shape: str, given: Corpus, rounds: int) -> None:
    """First and again, beside the plain way for the same file."""
    first: Runs = {way: [] for way in WAYS}
    again: Runs = {way: [] for way in WAYS}
    for _ in range(rounds):
        ground.drop(*WAYS.values())
        for step, runs in (("first", first), ("again", again)):
            for way, database in WAYS.items():
                report.say(f"{given.label} {shape}: {way}, {step} …")
                found = ground.run(way, database=database, path=str(given.path))
                runs[way].append(found)
                report.row(BENCH, {"corpus": f"{given.label} {shape}", "step": step, "way": way, **found})
    expect(
        first["import"][-1]["inserted"] == given.records, f"{shape}: {given.records} != {first['import'][-1]}"
    )
    expect(again["import"][-1]["duplicates"] == given.records, f"{shape} again: {again['import'][-1]}")
    name = f"{given.label} {shape}"
    _tell(report, name, {"first": first, "again": again})
    is_array = shape == "array"
    bounds = (2.3, 4.0) if is_array else (2.0, 4.0)
    report.check(
        targets.at_least(BENCH, f"{name} first, × plain", _ratio(first), bounds[0], hard=False),
        targets.at_least(BENCH, f"{name} again, × plain", _ratio(again), bounds[1]),
        targets.at_most(BENCH, f"{name} peak of one process", _peak(first), MAX_WORKER_MB, unit=" MB"),
    )


def measure_half_known(ground: Ground, report: Report, size: int, rounds: int) -> None:
    """A file of which the archive holds every other half already."""
    count = max(2, size // (MESSAGES_A_SESSION * BYTES_A_MESSAGE))
    known, given = sessions(count, 0), sessions(count, count // 2)
    runs: Runs = {way: [] for way in WAYS}
    for _ in range(rounds):
        ground.drop(*WAYS.values())
        for way, database in WAYS.items():
            ground.run(way, database=database, path=str(known.path))
            report.say(f"{given.label} half known: {way} …")
            found = ground.run(way, database=database, path=str(given.path))
            runs[way].append(found)
            report.row(BENCH, {"corpus": given.label, "step": "half known", "way": way, **found})
    ours, theirs = (runs[way][-1] for way in WAYS)
    expect(ours["inserted"] == theirs["inserted"], f"half known: {ours} and {theirs}")
    expect(ours["duplicates"] > 0, f"half known: {ours}")
    _tell(report, f"{given.label}, half known", {"import": runs})
    report.check(targets.at_least(BENCH, f"{given.label} half known, × plain", _ratio(runs), 1.5, hard=False))


def measure_at_once(ground: Ground, report: Report, size: int) -> None:
    """Ten imports of overlapping files at the same time: what is stored is their union."""
    count = max(2, size // (MESSAGES_A_SESSION * BYTES_A_MESSAGE) // AT_ONCE)
    files = [sessions(count, number * count // 2) for number in range(AT_ONCE + 1)]
    seconds, stored = {}, {}
    for way, database in WAYS.items():
        ground.drop(database)
        report.say(f"{AT_ONCE} imports at once: {way} …")
        # One before the others, which find the collections made.
        before = ground.run(way, database=database, path=str(files[0].path))
        seconds[way], found = _all_at_once(ground, way, database, files[1:])
        collection = "messages_current" if way == "import" else "messages"
        stored[way] = ground.database(database)[collection].estimated_document_count()
        for each in found:
            report.row(BENCH, {"step": "at once", "way": way, **each})
        if way == "import":
            inserted = sum(each["inserted"] for each in (before, *found))
            expect(inserted == stored[way], f"at once: {inserted} inserted, {stored[way]} stored")
            peak = max(each["peak_mb"] for each in found)
    expect(stored["import"] == stored["import plain"], f"at once: {stored}")
    ratio = seconds["import plain"] / seconds["import"]
    label = human_size(sum(each.size for each in files[1:]))
    lines = [[way, f"{seconds[way]:.2f}", f"{stored[way]:,}"] for way in WAYS]
    report.table(f"{AT_ONCE} imports at once, {label}", ["way", "s", "stored"], lines)
    report.check(
        targets.at_least(BENCH, f"{AT_ONCE} at once, {label}, × plain", ratio, 1, hard=False),
        targets.at_most(BENCH, f"{AT_ONCE} at once, {label}, peak of one", peak, MAX_WORKER_MB, unit=" MB"),
    )


def _all_at_once(
    ground: Ground, way: str, database: str, files: list[Corpus]
) -> tuple[float, list[dict[str, Any]]]:
    """Each file in a process of its own, begun at the same moment when all are ready, as workers are."""
    processes = [
        subprocess.Popen(
            ground.command(way, path=str(file.path), waits=True),
            env=ground.environment(database),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for file in files
    ]
    for process in processes:
        expect(_line(process) == READY, f"{way} does not begin")
    started = time.perf_counter()
    for process in processes:
        print(file=process.stdin, flush=True)
    ended = [(process.communicate()[0], process.returncode) for process in processes]
    seconds = time.perf_counter() - started
    if any(code for _, code in ended):
        raise RunFailedError(f"{way}: {[code for _, code in ended]}")
    return seconds, [json.loads(output.splitlines()[-1]) for output, _ in ended]


def _line(process: subprocess.Popen[str]) -> str:
    return process.stdout.readline().strip() if process.stdout else ""


def _ratio(runs: Runs) -> float:
    pairs = zip(runs["import plain"], runs["import"], strict=True)
    return median(theirs["seconds"] / ours["seconds"] for theirs, ours in pairs)


def _peak(runs: Runs) -> float:
    return max(run["peak_mb"] for run in runs["import"])


def _tell(report: Report, title: str, steps: dict[str, Runs]) -> None:
    lines = []
    for step, runs in steps.items():
        for way, found in runs.items():
            seconds = median(each["seconds"] for each in found)
            ratio = f"{_ratio(runs):.2f}" if way == "import" else ""
            peak = max(each["peak_mb"] for each in found)
            records = f"{found[0]['records'] / seconds:,.0f}"
            lines.append([f"{step}: {way}", f"{seconds:.2f}", records, ratio, f"{peak:.0f}"])
    report.table(f"Import of {title}", ["step and way", "s", "records/s", "× plain", "peak MB"], lines)
