"""Run the set: ``python -m benchmarks [import] [formats] [export] [live] [storage] [web] [--size 1GB]``."""

import argparse
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import export_bench, format_bench, import_bench, live_bench, storage_bench, web_bench
from benchmarks.gen_corpus import parse_size
from benchmarks.ground import ROOT, ground
from benchmarks.report import Report

BENCHES: dict[str, Callable[..., Any]] = {
    "import": import_bench.run,
    "formats": format_bench.run,
    "export": export_bench.run,
    "live": live_bench.run,
    "storage": storage_bench.run,
    "web": web_bench.run,
}
SMALL, LARGE = 50_000_000, 250_000_000


def main(argv: Sequence[str] | None = None) -> int:
    """Measure what is asked for; 1 when a target that must hold was missed."""
    parser = _parser()
    asked = parser.parse_args(argv)
    if unknown := set(asked.benches) - set(BENCHES):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    sizes = asked.sizes or [SMALL, asked.size]
    report = Report(asked.out or _new_path(), as_json=asked.json)
    with ground() as here:
        for name in asked.benches or BENCHES:
            BENCHES[name](here, report, **_arguments(name, sizes, asked.rounds))
    return report.conclude()


def _arguments(name: str, sizes: list[int], rounds: int) -> dict[str, Any]:
    """The web server is measured with the largest file only: its memory and others' waiting are the point."""
    return {"sizes": sizes[-1:]} if name == "web" else {"sizes": sizes, "rounds": rounds}


def _new_path() -> Path:
    return ROOT / "var" / "bench" / f"{datetime.now(UTC):%Y%m%d-%H%M%S}.jsonl"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("benches", nargs="*", metavar="BENCH", help=f"{', '.join(BENCHES)} (default: all)")
    parser.add_argument(
        "--size", type=parse_size, default=LARGE, help="the large corpus, beside 50 MB (default: 250 MB)"
    )
    parser.add_argument("--sizes", type=_sizes, help="all corpora, from small to large: 10MB,20MB")
    parser.add_argument("--rounds", type=int, default=0, help="rounds of each (default: by size)")
    parser.add_argument("--json", action="store_true", help="print JSON lines instead of tables")
    parser.add_argument("--out", type=Path, help="where the JSON lines go (default: var/bench/)")
    return parser


def _sizes(text: str) -> list[int]:
    return [parse_size(each) for each in text.split(",")]


if __name__ == "__main__":
    sys.exit(main())
