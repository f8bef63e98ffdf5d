"""The web server's memory stays bounded, and one slow client does not slow the others."""

import http.client
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from claudelens_site.embedded import free_port
from tests.site import slow_app
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[2]
MB = 1024**2


class SlowApp:
    def __init__(self):
        self.port = free_port()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.site.slow_app", str(self.port)], cwd=ROOT,
            env={"PATH": os.environ["PATH"]},
        )
        until(self.answers, 20)

    def answers(self):
        try:
            return self.get("/quick").status == 200
        except OSError:
            return False

    def get(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", path)
        return connection.getresponse()

    def peak_mb(self):
        return max(int(line.split()[1]) for line in self.status() if line.startswith("VmHWM")) / 1024

    def status(self):
        return Path(f"/proc/{self.process.pid}/status").read_text().splitlines()

    def stop(self):
        self.process.terminate()
        assert self.process.wait(10) == 0


@pytest.fixture
def slow_site():
    site = SlowApp()
    yield site
    site.stop()


def seconds_of_a_quick_request(site):
    start = time.perf_counter()
    site.get("/quick").read()
    return time.perf_counter() - start


def test_a_big_download_to_a_slow_client_costs_neither_memory_nor_the_others_time(slow_site):
    download = slow_site.get("/big")
    received, worst = 0, 0.0
    start = time.monotonic()
    while piece := download.read(4 * MB):
        received += len(piece)
        # 60 MB/s: far below what the server can send
        time.sleep(max(0, received / (60 * MB) - (time.monotonic() - start)))
        worst = max(worst, seconds_of_a_quick_request(slow_site))
    assert received == slow_app.BYTES
    assert slow_site.peak_mb() < 150
    assert worst < 0.2


def test_a_client_that_goes_away_in_the_middle_frees_the_server(slow_site):
    for _ in range(20):
        download = slow_site.get("/big")
        download.read(MB)
        download.close()
    assert seconds_of_a_quick_request(slow_site) < 1
    assert slow_site.peak_mb() < 150
    until(lambda: len(psutil.Process(slow_site.process.pid).net_connections()) <= 2)


def test_an_answer_that_fails_in_the_middle_is_cut_and_the_server_lives_on(slow_site):
    for _ in range(3):
        with pytest.raises(http.client.IncompleteRead) as cut:
            slow_site.get("/broken").read()
        assert cut.value.partial in (b"", b"half of it")
    with socket.create_connection(("127.0.0.1", slow_site.port), timeout=10) as client:
        client.sendall(b"GET /broken HTTP/1.0\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            while client.recv(4096):
                pass
    assert seconds_of_a_quick_request(slow_site) < 1
    until(lambda: len(psutil.Process(slow_site.process.pid).net_connections()) <= 2)


def test_a_multipart_body_is_not_parsed_by_the_server(slow_site):
    """16 MB of a form once cost twelve times that."""
    before = slow_site.peak_mb()
    body = b"--b\r\nContent-Disposition: form-data; name=f; filename=f\r\n\r\n" + b"y" * 16 * MB + b"\r\n--b--\r\n"
    connection = http.client.HTTPConnection("127.0.0.1", slow_site.port, timeout=30)
    connection.request("POST", "/echo", body, {"Content-Type": "multipart/form-data; boundary=b"})
    assert int(connection.getresponse().read()) == len(body)
    assert slow_site.peak_mb() - before < 60


def test_a_body_over_the_limit_is_refused_by_its_announced_length(slow_site):
    with socket.create_connection(("127.0.0.1", slow_site.port)) as client:
        client.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n")
        answer = client.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"application/problem+json" in answer


def test_a_body_over_the_limit_is_refused_though_its_length_was_not_announced(slow_site):
    piece = b"%x\r\n%b\r\n" % (MB, b"z" * MB)
    with socket.create_connection(("127.0.0.1", slow_site.port)) as client:
        client.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        with pytest.raises(OSError):
            for _ in range(200):
                client.sendall(piece)
    assert slow_site.peak_mb() < 150
    assert seconds_of_a_quick_request(slow_site) < 1
