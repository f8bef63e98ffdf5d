"""Exports of what was imported, beside what scripts do, and a bare cursor that reads the same documents."""

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import targets
from benchmarks.corpora import Corpus, corpus
from benchmarks.export_ways import FOLDER, PRODUCT
from benchmarks.ground import Ground
from benchmarks.import_bench import expect, rounds_for
from benchmarks.measure import median
from benchmarks.report import Report
from benchmarks.targets import Check

BENCH = "export"
DATABASE = "export"
MAX_TIMES_BARE = 2
MAX_GROWTH_MB = 25
MAX_MORE_GROWTH_MB = 10
MAX_ZSTD = 1.1
TWO_CORES = 2
BARE, PACKED = "bare cursor", "bare cursor, deflated"
PLAIN_JSON, PLAIN_JSONL, PLAIN_CSV = "plain json", "plain jsonl", "plain csv"
# What a zip is compared with has to pack its bytes: a bare cursor that does not is no measure.
OTHERS = {
    BARE: "export bare",
    PACKED: "export bare",
    PLAIN_JSON: "export plain json",
    PLAIN_JSONL: "export plain jsonl",
    PLAIN_CSV: "export plain csv",
}
BARES = {FOLDER: BARE, "claude-code": PACKED}
# Way, the plain one, how many times faster it must be, and whether two cores are enough for that.
PLAINS = (
    ("json", PLAIN_JSON, 2.7, True),
    ("json, two processes", PLAIN_JSON, 4.0, False),
    ("jsonl", PLAIN_JSONL, 2.7, True),
    ("jsonl, two processes", PLAIN_JSONL, 4.0, False),
    ("csv", PLAIN_CSV, 2.0, True),
)
GROWING = ("json", "json, zstd", "jsonl", "csv")
WAYS = (
    PLAIN_JSON, "json", "json, two processes", "json, zstd", PLAIN_JSONL, "jsonl", "jsonl, two processes",
    PLAIN_CSV, "csv", BARE, FOLDER, PACKED, "claude-code",
)  # fmt: skip


@dataclass
class Results:
    """The runs over one corpus, by way."""

    label: str
    runs: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))

    def seconds(self, way: str) -> float:
        return median(run["seconds"] for run in self.runs[way])

    def ratio(self, one: str, other: str) -> float:
        """How many times as long one took as the other of the same round: the median over the rounds."""
        pairs = zip(self.runs[one], self.runs[other], strict=True)
        return median(first["seconds"] / second["seconds"] for first, second in pairs)

    def growth(self, way: str) -> float:
        return max(run["growth_mb"] for run in self.runs[way])

    def peak(self, way: str) -> float:
        return max(run["peak_mb"] for run in self.runs[way])


def run(ground: Ground, report: Report, sizes: Iterable[int], rounds: int = 0) -> None:
    """Measure every size; ``rounds`` 0 takes as many as fit the size."""
    all_results = []
    for size in sizes:
        original = corpus(size)
        ground.drop(DATABASE)
        ground.run("import", database=DATABASE, path=str(original.path))
        results = measure_size(ground, report, original, rounds or rounds_for(size))
        report.table(f"Export of {results.label}", HEADINGS, [_line(results, way) for way in WAYS])
        report.check(*checks(results))
        all_results.append(results)
        ground.drop(DATABASE)
    if len(all_results) > 1:
        report.check(*growth_checks(all_results[0], all_results[-1]))


def measure_size(ground: Ground, report: Report, original: Corpus, rounds: int) -> Results:
    """Every way in turn; backwards in every second round."""
    results = Results(original.label)
    for number in range(rounds):
        for way in WAYS if number % 2 == 0 else reversed(WAYS):
            report.say(f"{results.label}: {way} …")
            found = _run_way(ground, way, original)
            expect(found["records"] == original.records, f"{way}: {found}")
            results.runs[way].append(found)
            report.row(BENCH, {"corpus": results.label, "way": way, **found})
    _expect_same(results)
    return results


def _run_way(ground: Ground, way: str, original: Corpus) -> dict[str, Any]:
    if way in (BARE, PACKED):
        return ground.run(OTHERS[way], database=DATABASE, packed=way == PACKED)
    output = ground.folder / "export"
    output.mkdir()
    try:
        target = str(output / "out")
        if way in OTHERS:
            return ground.run(OTHERS[way], database=DATABASE, output=target)
        found = ground.run("export", database=DATABASE, name=way, output=target)
        if way == FOLDER:
            expect(_same_bytes(output / "out", original.path), "the exported file is not the imported one")
        elif PRODUCT[way].compression == "none":
            found["sha256"] = _sha256(output / "out")
    finally:
        ground.remove(output)
    return found


def _expect_same(results: Results) -> None:
    """Two processes make the bytes that one makes."""
    for way in ("json", "jsonl"):
        hashes = {run["sha256"] for name in (way, f"{way}, two processes") for run in results.runs[name]}
        expect(len(hashes) == 1, f"{way}: two processes made other bytes than one")


def _same_bytes(folder: Path, original: Path) -> bool:
    (file,) = (path for path in folder.rglob("*") if path.is_file())
    return _sha256(file) == _sha256(original)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# ------------------------------------------------------------------ telling

HEADINGS = ["way", "s", "records/s", "MB out", "× plain", "CPU s", "mongod CPU s", "growth MB", "peak MB"]


def _line(results: Results, way: str) -> list[str]:
    runs = results.runs[way]
    seconds = results.seconds(way)
    plain = next((other for name, other, _, _ in PLAINS if name == way), None)
    return [
        way,
        f"{seconds:.2f}",
        f"{runs[0]['records'] / seconds:,.0f}",
        f"{runs[0]['bytes'] / 1e6:.0f}",
        f"{results.ratio(plain, way):.2f}" if plain else "",
        f"{median(run['cpu_seconds'] for run in runs):.2f}",
        f"{median(run['server_cpu_seconds'] or 0 for run in runs):.2f}",
        f"{results.growth(way):.0f}",
        f"{results.peak(way):.0f}",
    ]


def checks(results: Results) -> list[Check]:
    found = []
    for way, plain, limit, here in PLAINS:
        hard = here or (os.cpu_count() or 1) > TWO_CORES
        title = f"{results.label} {way}, × {plain}"
        found.append(targets.at_least(BENCH, title, results.ratio(plain, way), limit, hard=hard))
    for way, bare in BARES.items():
        title = f"{results.label} {way}, time ÷ {bare}"
        found.append(targets.at_most(BENCH, title, results.ratio(way, bare), MAX_TIMES_BARE))
    zstd = results.ratio("json, zstd", "json")
    found.append(targets.at_most(BENCH, f"{results.label} json, zstd 3, time ÷ json", zstd, MAX_ZSTD))
    for way in GROWING:
        title = f"{results.label} {way}, growth"
        found.append(targets.at_most(BENCH, title, results.growth(way), MAX_GROWTH_MB, unit=" MB"))
    return found


def growth_checks(small: Results, large: Results) -> list[Check]:
    """Memory is flat: what is twenty times larger takes no more of it."""
    title = f"growth, {large.label} against {small.label}"
    return [
        targets.at_most(
            BENCH, f"{way}, {title}", large.growth(way) - small.growth(way), MAX_MORE_GROWTH_MB, unit=" MB"
        )
        for way in GROWING
    ]
