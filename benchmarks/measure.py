"""Time, processor time and memory of this process and of others."""

import os
import resource
import statistics
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

KIB_PER_MB = 1000 * 1000 / 1024
TICKS = os.sysconf("SC_CLK_TCK")


def status_kib(field: str, pid: int | str = "self") -> int:
    """A memory field of ``/proc/<pid>/status`` in KiB: VmRSS now, VmHWM at its peak."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1])
    raise LookupError(f"{field} of process {pid}")


def rss_mb(pid: int | str = "self") -> float:
    """Resident memory now, in MB (10^6 bytes)."""
    return status_kib("VmRSS", pid) / KIB_PER_MB


def peak_mb(pid: int | str = "self") -> float:
    """The most resident memory since the start, or since ``forget_peak``."""
    return status_kib("VmHWM", pid) / KIB_PER_MB


def forget_peak(pid: int | str = "self") -> None:
    """Let the peak begin anew. Where the kernel does not allow that, the peak since the start stays."""
    try:
        Path(f"/proc/{pid}/clear_refs").write_text("5")
    except OSError:
        return


def cpu_seconds(pid: int | str = "self") -> float:
    """Processor time of all threads of a process so far, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


class Children:
    """The most memory that each child of this process ever had, looked at twenty times a second."""

    def __init__(self) -> None:
        self.peaks: dict[int, float] = {}
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._end.wait(0.05):
            with suppress(OSError, LookupError):  # a thread or a child has ended in between: next time
                for pid in self._pids():
                    self.peaks[pid] = max(self.peaks.get(pid, 0.0), peak_mb(pid))

    def _pids(self) -> list[int]:
        tasks = Path("/proc/self/task").iterdir()
        return [int(pid) for task in tasks for pid in (task / "children").read_text().split()]


def measured(run: Callable[[], dict[str, Any]], server_pid: int | None = None) -> dict[str, Any]:
    """What ``run`` tells, with its seconds, processor seconds and memory beside it.

    The process is measured as it stands: imports and connections made before count as idle memory, and
    ``growth_mb`` is what the work itself took at its peak, with all of the children that it started.
    """
    idle = rss_mb()
    forget_peak()
    server_before = cpu_seconds(server_pid) if server_pid else 0.0
    cpu_before, start = time.process_time(), time.perf_counter()
    children_before = os.times()
    with Children() as children:
        facts = run()
    seconds = time.perf_counter() - start
    children_after = os.times()
    peak = peak_mb() + sum(children.peaks.values())
    in_children = (
        children_after.children_user
        + children_after.children_system
        - children_before.children_user
        - children_before.children_system
    )
    return facts | {
        "seconds": seconds,
        "cpu_seconds": time.process_time() - cpu_before + in_children,
        "server_cpu_seconds": cpu_seconds(server_pid) - server_before if server_pid else None,
        "idle_mb": idle,
        "peak_mb": peak,
        "growth_mb": peak - idle,
        "max_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB_PER_MB,
    }


def median(values: Iterable[float]) -> float:
    """The middle one: one slow run on a busy machine does not move it."""
    return statistics.median(values)


def percentile(values: list[float], share: float) -> float:
    """
    >>> percentile([3, 1, 2], 0.5)
    2
    """
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
