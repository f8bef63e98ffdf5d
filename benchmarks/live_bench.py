"""Live exports and estimates on an archive of some size: how long a person or a script waits for them."""

import json
import time
from collections.abc import Callable, Iterable

from benchmarks import targets
from benchmarks.corpora import Corpus, corpus
from benchmarks.ground import Ground
from benchmarks.import_bench import expect
from benchmarks.measure import median
from benchmarks.report import Report
from benchmarks.web_site import Site, call, site

BENCH = "live"
DATABASE = "live"
TIMES = 7
MAX_FIRST_BYTE_MS = 200
MAX_ESTIMATE_MS = 2000
STREAMS = ("jsonl", "csv", "json")
ESTIMATED = ("jsonl", "csv", "html")


def run(ground: Ground, report: Report, sizes: Iterable[int], rounds: int = 0) -> None:
    """Measure with an archive of each size; ``rounds`` is how often each is asked for (0: seven times)."""
    for size in sizes:
        measure_size(ground, report, corpus(size), rounds or TIMES)
        ground.drop(DATABASE)


def measure_size(ground: Ground, report: Report, original: Corpus, times: int) -> None:
    """Fill an archive, then ask its web server again and again."""
    report.say(f"{original.label}: import …")
    ground.run("import", database=DATABASE, path=str(original.path))
    with site(ground, DATABASE, ground.folder / f"live-{original.size}") as running:
        waits = {f"first byte of {name}": _waits(times, running, first_byte(name)) for name in STREAMS}
        waits |= {f"estimate of {name}": _waits(times, running, estimate(name)) for name in ESTIMATED}
    lines = []
    for what, found in waits.items():
        report.row(BENCH, {"corpus": original.label, "what": what, "ms": found})
        lines.append([what, f"{median(found):.0f}", f"{max(found):.0f}"])
    title = f"Live exports and estimates, {original.records:,} messages"
    report.table(title, ["what", "median ms", "longest ms"], lines)
    for kind, bound in (("first byte", MAX_FIRST_BYTE_MS), ("estimate", MAX_ESTIMATE_MS)):
        longest = max(median(found) for what, found in waits.items() if what.startswith(kind))
        what = f"{original.records:,} messages, {kind}, median"
        report.check(targets.at_most(BENCH, what, longest, bound, unit=" ms"))


def _waits(times: int, running: Site, ask: Callable[[Site], None]) -> list[float]:
    """How many milliseconds it took, each time, after once that does not count."""
    ask(running)
    found = []
    for _ in range(times):
        start = time.perf_counter()
        ask(running)
        found.append((time.perf_counter() - start) * 1000)
    return found


def first_byte(name: str) -> Callable[[Site], None]:
    """Begin a live export, take its first byte, and leave."""

    def ask(running: Site) -> None:
        client = running.connect()
        client.request("GET", f"/api/v1/messages/export?format={name}", headers=running.authorization)
        answer = client.getresponse()
        expect(answer.status == 200 and len(answer.read(1)) == 1, f"{name}: {answer.status}")
        client.close()

    return ask


def estimate(name: str) -> Callable[[Site], None]:
    """Ask what an export of everything would come to."""
    body = json.dumps({"format": name}).encode()

    def ask(running: Site) -> None:
        headers = running.authorization | {"Content-Type": "application/json"}
        _, told = call(running.connect(), "POST", "/api/v1/exports/estimate/", headers, body)
        expect(json.loads(told)["messages"] > 0, f"{name}: {told!r}")

    return ask
