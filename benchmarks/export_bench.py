"""Exports of what was imported, beside a bare cursor that reads and encodes the same documents."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import targets
from benchmarks.corpora import Corpus, corpus
from benchmarks.export_ways import FOLDER
from benchmarks.ground import Ground
from benchmarks.import_bench import expect, rounds_for
from benchmarks.measure import median
from benchmarks.report import Report
from benchmarks.targets import Check

BENCH = "export"
DATABASE = "export"
MAX_PEAK_MB = 150
MAX_TIMES_BARE = 2
BARE, PACKED = "bare cursor", "bare cursor, deflated"
# What each export is compared with: a zip has to pack its bytes, a bare cursor that does not is no measure.
EXPORTS = {"json": BARE, "jsonl": BARE, FOLDER: BARE, "claude-code": PACKED}
WAYS = (BARE, "json", "jsonl", FOLDER, PACKED, "claude-code")
COPY_BLOCK = 1 << 20


@dataclass
class Results:
    """The runs over one corpus, by way."""

    label: str
    runs: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))

    def seconds(self, way: str) -> float:
        return median(run["seconds"] for run in self.runs[way])

    def times_bare(self, name: str) -> float:
        """How many times longer than the bare cursor of the same round: the median over the rounds."""
        pairs = zip(self.runs[name], self.runs[EXPORTS[name]], strict=True)
        return median(ours["seconds"] / bare["seconds"] for ours, bare in pairs)

    def peak(self, way: str) -> float:
        return max(run["peak_mb"] for run in self.runs[way])


def run(ground: Ground, report: Report, sizes: Iterable[int], rounds: int = 0) -> None:
    """Measure every size; ``rounds`` 0 takes as many as fit the size."""
    for size in sizes:
        original = corpus(size)
        ground.drop(DATABASE)
        ground.run("import", database=DATABASE, path=str(original.path))
        results = measure_size(ground, report, original, rounds or rounds_for(size))
        report.table(f"Export of {results.label}", HEADINGS, [_line(results, way) for way in WAYS])
        report.check(*checks(results))
        ground.drop(DATABASE)


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
    return results


def _run_way(ground: Ground, way: str, original: Corpus) -> dict[str, Any]:
    if way in (BARE, PACKED):
        return ground.run("export bare", database=DATABASE, packed=way == PACKED)
    output = ground.folder / "export"
    output.mkdir()
    try:
        found = ground.run("export", database=DATABASE, name=way, output=str(output / "out"))
        if way == FOLDER:
            expect(_same_bytes(output / "out", original.path), "the exported file is not the imported one")
    finally:
        ground.remove(output)
    return found


def _same_bytes(folder: Path, original: Path) -> bool:
    (file,) = (path for path in folder.rglob("*") if path.is_file())
    return _sha256(file) == _sha256(original)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# ------------------------------------------------------------------ telling

HEADINGS = ["way", "s", "records/s", "MB out", "× bare", "CPU s", "mongod CPU s", "growth MB", "peak MB"]


def _line(results: Results, way: str) -> list[str]:
    runs = results.runs[way]
    seconds = results.seconds(way)
    return [
        way,
        f"{seconds:.2f}",
        f"{runs[0]['records'] / seconds:,.0f}",
        f"{runs[0]['bytes'] / 1e6:.0f}",
        f"{results.times_bare(way):.2f}" if way in EXPORTS else "",
        f"{median(run['cpu_seconds'] for run in runs):.2f}",
        f"{median(run['server_cpu_seconds'] or 0 for run in runs):.2f}",
        f"{max(run['growth_mb'] for run in runs):.0f}",
        f"{results.peak(way):.0f}",
    ]


def checks(results: Results) -> list[Check]:
    found = []
    for name, other in EXPORTS.items():
        title = f"{results.label} {name}"
        ratio = results.times_bare(name)
        found.append(targets.at_most(BENCH, f"{title}, time ÷ {other}", ratio, MAX_TIMES_BARE))
        found.append(targets.at_most(BENCH, f"{title}, peak", results.peak(name), MAX_PEAK_MB, unit=" MB"))
    return found
