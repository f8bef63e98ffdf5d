"""Storage: moving messages down, what they take in each tier, and reading over twelve partitions."""

import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from typing import Any

from benchmarks import corpora, targets
from benchmarks.corpora import Corpus, corpus
from benchmarks.ground import ROOT, Ground
from benchmarks.import_bench import expect
from benchmarks.measure import median
from benchmarks.report import Report

BENCH = "storage"
DATABASE = "storage"
MIN_RATE, MAX_GROWTH_MB, MAX_MORE_GROWTH_MB = 10_000, 40, 10
MAX_WARM, MAX_COLD = 0.66, 0.58
MIN_SHARE = 0.5
MAX_PAGE = 1.3
MIN_PARALLEL = 2.0
AT_ONCE = 4
WITH_FILES = True
TWO_CORES = 2
ROUNDS = 3


def run(ground: Ground, report: Report, sizes: Iterable[int], rounds: int = 0) -> None:
    """Measure every size; ``rounds`` 0 reads three times."""
    growths = []
    for size in sizes:
        growths.append(measure_tiers(ground, report, "made up", corpus(size)))
        if WITH_FILES:
            measure_tiers(ground, report, "cut from files", of_files(size))
        measure_reading(ground, report, corpus(size), rounds or ROUNDS)
    if len(growths) > 1:
        what = "move hot to warm, growth, the largest against the smallest"
        report.check(targets.at_most(BENCH, what, growths[-1] - growths[0], MAX_MORE_GROWTH_MB, unit=" MB"))


def of_files(size: int) -> Corpus:
    """A corpus whose tool results are cut from real files: the sources of Python's own library."""
    prefix = corpora.FOLDER / f"corpus-{size}-files"
    facts = prefix.with_name(prefix.name + ".facts")
    if not facts.exists():
        corpora.FOLDER.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "benchmarks.gen_corpus", "--format=jsonl", f"--size={size}"]
        command += [f"--out={prefix}", f"--text-from={sysconfig.get_path('stdlib')}"]
        made = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
        facts.write_text(made.stdout)
    told = json.loads(facts.read_text())
    return Corpus(prefix.with_name(prefix.name + ".jsonl"), told["messages"], told["jsonl_bytes"])


def measure_tiers(ground: Ground, report: Report, text: str, original: Corpus) -> float:
    """Move all messages down, tier by tier; the growth of memory of the first time."""
    report.say(f"{original.label}, {text}: tiers …")
    _filled(ground, original)
    least = ground.run("storage limit", database=DATABASE)
    _filled(ground, original)
    here = ground.folder / text.replace(" ", "-") / original.label.replace(" ", "-")  # has frozen files, too
    here.mkdir(parents=True)
    runs = {"plain": ground.run("storage plain", database=DATABASE), "limit": least}
    for source, target in (("hot", "warm"), ("warm", "cold"), ("cold", "frozen")):
        runs[target] = ground.run(
            "storage move", database=DATABASE, data_dir=here, source=source, target=target
        )
    runs["verify"] = ground.run("storage verify", database=DATABASE, data_dir=here)
    ground.drop(DATABASE)
    expect(runs["verify"]["records"] == original.records, f"messages were lost: {runs}")
    expect(not runs["verify"]["found"], f"the archive does not hold: {runs}")
    for way, found in runs.items():
        report.row(BENCH, {"corpus": original.label, "text": text, "way": way, **found})
    _tell_tiers(report, f"{original.label} {text}", runs)
    return float(runs["warm"]["growth_mb"])


def _tell_tiers(report: Report, name: str, runs: dict[str, dict[str, Any]]) -> None:
    size, whole = runs["plain"]["size"], runs["plain"]["bytes"]
    lines = [[way, *_cells(each), *_sizes(each, size, whole)] for way, each in runs.items()]
    headings = ["way", "s", "messages/s", "growth MB", "MB stored", "÷ plain", "÷ BSON"]
    report.table(f"Tiers, {name}, {whole / 1e6:.0f} MB as BSON", headings, lines)
    for way, limit in (("warm", MAX_WARM), ("cold", MAX_COLD)):
        ratio = runs[way]["size"] / size
        report.check(targets.at_most(BENCH, f"{name}, {way} ÷ plain", ratio, limit, hard=False))
    warm = runs["warm"]
    rate = warm["records"] / warm["seconds"]
    what = f"{name}, hot to warm, messages/s"
    report.check(targets.at_least(BENCH, what, rate, MIN_RATE, hard=False))
    share = rate / (runs["limit"]["records"] / runs["limit"]["seconds"])
    what_share = f"{name}, hot to warm, share of the limit's speed"
    report.check(targets.at_least(BENCH, what_share, share, MIN_SHARE, hard=False))
    what = f"{name}, hot to warm, growth"
    report.check(targets.at_most(BENCH, what, warm["growth_mb"], MAX_GROWTH_MB, unit=" MB", hard=False))


def _cells(found: dict[str, Any]) -> list[str]:
    rate = found["records"] / found["seconds"]
    return [f"{found['seconds']:.2f}", f"{rate:,.0f}", f"{found['growth_mb']:.0f}"]


def _sizes(found: dict[str, Any], size: int, whole: int) -> list[str]:
    if "size" not in found:
        return ["", "", ""]
    return [f"{found['size'] / 1e6:.1f}", f"{found['size'] / size:.2f}", f"{found['size'] / whole:.2f}"]


def _filled(ground: Ground, original: Corpus) -> None:
    ground.drop(DATABASE)
    ground.run("import", database=DATABASE, path=str(original.path))


def measure_reading(ground: Ground, report: Report, original: Corpus, rounds: int) -> None:
    """Pages and figures over twelve sealed partitions."""
    report.say(f"{original.label}: twelve partitions …")
    _filled(ground, original)
    ground.run("storage split", database=DATABASE)
    runs: dict[str, list[dict[str, Any]]] = {"page": [], "one after the other": [], "some at once": []}
    for _ in range(rounds):
        runs["page"].append(ground.run("storage pages", database=DATABASE))
        for way, threads in (("one after the other", 1), ("some at once", AT_ONCE)):
            found = ground.run("storage aggregates", database=DATABASE, threads=threads)
            expect(found["records"] == original.records, f"{way}: {found}")
            runs[way].append(found)
    ground.drop(DATABASE)
    for way, some in runs.items():
        for each in some:
            report.row(BENCH, {"corpus": original.label, "way": way, **each})
    _tell_reading(report, original, runs)


def _tell_reading(report: Report, original: Corpus, runs: dict[str, list[dict[str, Any]]]) -> None:
    told = {way: median(each["ms"] for each in some) for way, some in runs.items()}
    slowest = median(each["slowest_ms"] for each in runs["page"])
    lines = [[way, f"{ms:.1f}"] for way, ms in told.items()]
    lines.append(["the same page of the slowest partition", f"{slowest:.1f}"])
    report.table(f"Twelve partitions, {original.records:,} messages", ["what", "ms"], lines)
    page = median(each["ms"] / each["slowest_ms"] for each in runs["page"])
    what = f"{original.label} page over 12 partitions ÷ the slowest of them"
    report.check(targets.at_most(BENCH, what, page, MAX_PAGE, hard=False))
    pairs = zip(runs["one after the other"], runs["some at once"], strict=True)
    gain = median(one["ms"] / many["ms"] for one, many in pairs)
    what = f"{original.label} figures over 12 partitions, × one after the other"
    hard = (os.cpu_count() or 1) > TWO_CORES
    report.check(targets.at_least(BENCH, what, gain, MIN_PARALLEL, hard=hard))
