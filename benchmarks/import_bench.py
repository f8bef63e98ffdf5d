"""Imports: the product's pipeline beside the plain way and the limit, first, again, and from another file."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import targets
from benchmarks.corpora import Corpus, another_file, corpus, save_documents
from benchmarks.ground import Ground
from benchmarks.measure import median
from benchmarks.report import Report
from benchmarks.targets import Check

BENCH = "import"
MAX_GROWTH_MB = 60
SAME_GROWTH_MB = 10
REPEATED = 0.3
Key = tuple[str, str]

# Each step, and who takes it. "first" and "repeated" begin with empty databases.
STEPS = (
    ("first", ("import", "import plain", "import limit")),
    ("again", ("import", "import plain")),
    ("other file", ("import", "import plain")),
)


@dataclass
class Results:
    """The runs of one corpus, by step and way."""

    label: str
    runs: dict[Key, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))

    def seconds(self, step: str, way: str) -> float:
        return median(run["seconds"] for run in self.runs[step, way])

    def ratio(self, step: str, other: str) -> float:
        """How many times faster the product is: the median over the rounds, each of which ran both."""
        pairs = zip(self.runs[step, other], self.runs[step, "import"], strict=True)
        return median(theirs["seconds"] / ours["seconds"] for theirs, ours in pairs)

    def growth(self) -> float:
        """The most that any run of the product grew."""
        return max(
            run["growth_mb"] for (_, way), runs in self.runs.items() if way == "import" for run in runs
        )


def run(ground: Ground, report: Report, sizes: Iterable[int], rounds: int = 0) -> None:
    """Measure every size; ``rounds`` 0 takes as many as fit the size."""
    every = []
    for number, size in enumerate(sizes):
        results = measure_size(ground, report, corpus(size), rounds or rounds_for(size))
        if number == 0:
            measure_repeated(ground, report, results, corpus(size, REPEATED))
        report.table(f"Import of {results.label}", HEADINGS, table_lines(results))
        report.check(*checks(results))
        every.append(results)
    report.check(*same_growth(every))


def rounds_for(size: int) -> int:
    """Small corpora are measured more often: noise weighs more on them."""
    return 3 if size <= 100_000_000 else 1


def measure_size(ground: Ground, report: Report, original: Corpus, rounds: int) -> Results:
    """All steps, every way in turn; the ways change places from round to round."""
    results = Results(original.label)
    other = another_file(original, ground.folder / f"other-{original.path.name}")
    documents = ground.folder / f"{original.path.stem}.bson"
    for number in range(rounds):
        ground.drop("product", "plain", "limit")
        for step, ways in STEPS:
            source = other if step == "other file" else original
            for way in ways if number % 2 == 0 or step == "first" else reversed(ways):
                path = _source_path(ground, way, source, documents)
                _measure(ground, report, results, (step, way), path)
        _expect_exactly_once(results, original)
    documents.unlink()
    other.path.unlink()
    ground.drop("product", "plain", "limit")
    return results


def measure_repeated(ground: Ground, report: Report, results: Results, repeated: Corpus) -> None:
    """A file in which records stand twice: each of them is a message of its own."""
    for way in ("import", "import plain"):
        _measure(ground, report, results, ("repeated", way), repeated.path)
    seen = results.runs["repeated", "import"][-1]
    expect(seen["inserted"] == repeated.records, f"{repeated.records} records repeated, {seen}")
    ground.drop("product", "plain")


def _source_path(ground: Ground, way: str, source: Corpus, documents: Path) -> Path:
    if way != "import limit":
        return source.path
    if not documents.exists():
        save_documents(ground.database("product")["messages_current"], documents)
    return documents


def _measure(ground: Ground, report: Report, results: Results, key: Key, path: Path) -> None:
    step, way = key
    report.say(f"{results.label}: {way}, {step} …")
    database = {"import": "product", "import plain": "plain", "import limit": "limit"}[way]
    found = ground.run(way, database=database, path=str(path))
    results.runs[key].append(found)
    report.row(BENCH, {"corpus": results.label, "step": step, "way": way, **found})


def _expect_exactly_once(results: Results, original: Corpus) -> None:
    """Speed counts only where nothing was lost or doubled."""
    wanted = {
        ("first", "import"): (original.records, 0),
        ("first", "import plain"): (original.records, 0),
        ("first", "import limit"): (original.records, None),
        ("again", "import"): (0, original.records),
        ("again", "import plain"): (0, original.records),
        ("other file", "import"): (1, original.records),
        ("other file", "import plain"): (1, original.records),
    }
    for key, counts in wanted.items():
        found = results.runs[key][-1]
        expect((found["inserted"], found.get("duplicates")) == counts, f"{key}: {found}")


def expect(truth: bool, told: str) -> None:
    """Raise AssertionError, saying what was found instead."""
    if not truth:
        raise AssertionError(told)


# ------------------------------------------------------------------ telling

HEADINGS = [
    "step and way",
    "s",
    "records/s",
    "× plain",
    "× limit",
    "CPU s",
    "mongod CPU s",
    "growth MB",
    "peak MB",
]


def table_lines(results: Results) -> list[list[str]]:
    return [_line(results, key) for key in results.runs]


def _line(results: Results, key: Key) -> list[str]:
    step, way = key
    runs = results.runs[key]
    seconds = results.seconds(step, way)
    ours = way == "import"
    has_limit = ours and (step, "import limit") in results.runs
    return [
        f"{step}: {way}",
        f"{seconds:.2f}",
        f"{runs[0]['records'] / seconds:,.0f}",
        f"{results.ratio(step, 'import plain'):.2f}" if ours else "",
        f"{results.ratio(step, 'import limit'):.2f}" if has_limit else "",
        f"{median(run['cpu_seconds'] for run in runs):.2f}",
        f"{median(run['server_cpu_seconds'] or 0 for run in runs):.2f}",
        f"{max(run['growth_mb'] for run in runs):.0f}",
        f"{max(run['peak_mb'] for run in runs):.0f}",
    ]


def checks(results: Results) -> list[Check]:
    label = results.label
    found = [
        targets.at_least(
            BENCH, f"{label} first, × plain", results.ratio("first", "import plain"), 2, goal=2.5
        ),
        targets.at_least(BENCH, f"{label} again, × plain", results.ratio("again", "import plain"), 4, goal=5),
        targets.at_least(
            BENCH,
            f"{label} from another file, × plain",
            results.ratio("other file", "import plain"),
            2,
            goal=4,
            hard=False,
        ),
        targets.at_least(BENCH, f"{label} first, × limit", results.ratio("first", "import limit"), 0.5),
        targets.at_most(BENCH, f"{label} growth over idle", results.growth(), MAX_GROWTH_MB, unit=" MB"),
    ]
    if ("repeated", "import") in results.runs:
        ratio = results.ratio("repeated", "import plain")
        found.append(targets.at_least(BENCH, f"{label} repeated, × plain", ratio, 1, hard=False))
    return found


def same_growth(every: list[Results]) -> list[Check]:
    """Memory must not depend on the size of the file."""
    if len(every) < 2:
        return []
    small, large = every[0], every[-1]
    name = f"growth at {large.label} over that at {small.label}"
    return [targets.at_most(BENCH, name, large.growth() - small.growth(), SAME_GROWTH_MB, unit=" MB")]
