"""The web server under a large upload and a large, slow download: memory, and how others are served."""

import base64
import hashlib
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import targets
from benchmarks.corpora import Corpus, corpus
from benchmarks.ground import ROOT, Ground, RunFailedError
from benchmarks.import_bench import expect
from benchmarks.measure import forget_peak, peak_mb, percentile, rss_mb
from benchmarks.report import Report
from benchmarks.targets import Check
from benchmarks.web_site import Site, call, site, tus_headers

BENCH = "web"
DATABASE = "web"
PART_BYTES = 8 * 1024**2
MAX_PEAK_MB = 150
MAX_WAIT_MS = 200
SLOW_BYTES_PER_SECOND = 40_000_000
SMALL_BUFFER = 64 * 1024
READ_BYTES = 256 * 1024
Told = dict[str, Any]


def run(ground: Ground, report: Report, sizes: Iterable[int], rate: int = SLOW_BYTES_PER_SECOND) -> None:
    """Send and fetch a file of each size; ``rate`` is what the slow client takes, in bytes per second."""
    for size in sizes:
        _measure_size(ground, report, corpus(size), rate)
        ground.drop(DATABASE)


def _measure_size(ground: Ground, report: Report, original: Corpus, rate: int) -> None:
    data_dir = ground.folder / f"web-{original.size}"
    with site(ground, DATABASE, data_dir) as running:
        report.say(f"{original.label}: upload …")
        sent = observed(ground, running, lambda: upload(running, original.path))
        report.say(f"{original.label}: download …")
        job = _make_artifact(ground, data_dir, original.path)
        fetched = observed(ground, running, lambda: download(running, job, rate))
    expect(sent["sha256"] == fetched["sha256"] == _sha256(original.path), "the bytes have changed")
    _tell(report, original, {"upload in parts": sent, f"download at {rate / 1e6:g} MB/s": fetched})


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def observed(ground: Ground, running: Site, work: Callable[[], Told]) -> Told:
    """What ``work`` tells, with the server's memory and another client's waiting times beside it."""
    idle = rss_mb(running.pid)
    forget_peak(running.pid)
    with _probing(ground, running) as answers:
        start = time.perf_counter()
        told = work()
        seconds = time.perf_counter() - start
        peak = peak_mb(running.pid)
    waits = [each * 1000 for each in answers]
    return told | {
        "seconds": seconds,
        "idle_mb": idle,
        "peak_mb": peak,
        "answers": len(waits),
        "p50_ms": percentile(waits, 0.5),
        "p99_ms": percentile(waits, 0.99),
        "max_ms": max(waits),
    }


@contextmanager
def _probing(ground: Ground, running: Site) -> Iterator[list[float]]:
    """Another client asks for /healthz meanwhile; the list is filled when the block ends."""
    answers: list[float] = []
    process: Any = subprocess.Popen(
        ground.command("probe", url=running.url),
        cwd=ROOT, env=ground.environment(DATABASE), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        process.stdout.readline()  # it has had its first answer
        yield answers
        told, _ = process.communicate(timeout=120)
        if process.returncode:
            raise RunFailedError(f"the waiting client ended with {process.returncode}")
        answers.extend(json.loads(told.splitlines()[-1])["answers"])
    finally:
        process.kill()
        process.wait()


def upload(running: Site, path: Path) -> Told:
    """Send a file by tus, part by part on one connection; tells the hash that the server found."""
    size = path.stat().st_size
    client = running.connect()
    place = _begin_upload(running, path.name, size)
    with path.open("rb") as file:
        for offset in range(0, size, PART_BYTES):
            headers = tus_headers(
                running, Upload_Offset=offset, Content_Type="application/offset+octet-stream"
            )
            call(client, "PATCH", place, headers, file.read(PART_BYTES), expected=204)
    _, content = call(client, "GET", place, running.authorization)
    call(client, "DELETE", place, tus_headers(running), expected=204)
    return {"bytes": size, "sha256": json.loads(content)["sha256"]}


def _begin_upload(running: Site, name: str, size: int) -> str:
    metadata = f"filename {base64.b64encode(name.encode()).decode()}"
    headers = tus_headers(running, Upload_Length=size, Upload_Metadata=metadata)
    answer, _ = call(running.connect(), "POST", "/api/v1/uploads/", headers, b"", expected=201)
    return answer.headers["Location"]


def _make_artifact(ground: Ground, data_dir: Path, path: Path) -> str:
    copy = data_dir / "artifact"
    try:
        os.link(path, copy)
    except OSError:  # another file system
        shutil.copyfile(path, copy)
    made = ground.run("artifact", database=DATABASE, data_dir=data_dir, path=str(copy), sha256=_sha256(path))
    return str(made["job"])


def download(running: Site, job: str, rate: int) -> Told:
    """Fetch an export over a socket with a small buffer, ``rate`` bytes a second."""
    digest, received = hashlib.sha256(), 0
    with _slow_socket(running.port) as connection:
        connection.sendall(_download_request(running, job))
        rest, length = _head(connection)
        start = time.perf_counter()
        while rest or (rest := connection.recv(READ_BYTES)):
            digest.update(rest)
            received += len(rest)
            rest = b""
            if received >= length:
                break
            time.sleep(max(0.0, start + received / rate - time.perf_counter()))
    expect(received == length, f"{received} of {length} bytes came")
    return {"bytes": received, "sha256": digest.hexdigest()}


def _slow_socket(port: int) -> socket.socket:
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
    connection.settimeout(120)
    connection.connect(("127.0.0.1", port))
    return connection


def _download_request(running: Site, job: str) -> bytes:
    return (
        f"GET /api/v1/exports/{job}/download/ HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: {running.authorization['Authorization']}\r\n\r\n"
    ).encode()


def _head(connection: socket.socket) -> tuple[bytes, int]:
    """Read the answer's head; what came behind it, and the length of the body."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(READ_BYTES)
        if not piece:
            raise RunFailedError("the server closed the connection")
        data += piece
    head, _, rest = data.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    if " 200 " not in f"{status} ":
        raise RunFailedError(f"the download was answered {status}: {rest[:500]!r}")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return rest, int(headers["content-length"])


# ------------------------------------------------------------------ telling

HEADINGS = ["what", "s", "MB/s", "idle MB", "peak MB", "answers", "p50 ms", "p99 ms", "max ms"]


def _tell(report: Report, original: Corpus, found: dict[str, Told]) -> None:
    label = original.label
    for what, told in found.items():
        report.row(BENCH, {"corpus": label, "what": what, **told})
        report.check(*_checks(f"{label} {what}", told))
    report.table(f"{label} through the web server", HEADINGS, [_line(*each) for each in found.items()])


def _line(what: str, told: Told) -> list[str]:
    speed = told["bytes"] / told["seconds"] / 1e6
    waits = [f"{told[name]:.1f}" for name in ("p50_ms", "p99_ms", "max_ms")]
    sizes = [f"{told[name]:.0f}" for name in ("idle_mb", "peak_mb", "answers")]
    return [what, f"{told['seconds']:.2f}", f"{speed:.0f}", *sizes, *waits]


def _checks(name: str, told: Told) -> list[Check]:
    return [
        targets.at_most(BENCH, f"{name}, server's peak", told["peak_mb"], MAX_PEAK_MB, unit=" MB"),
        targets.at_most(BENCH, f"{name}, longest wait of others", told["max_ms"], MAX_WAIT_MS, unit=" ms"),
    ]
