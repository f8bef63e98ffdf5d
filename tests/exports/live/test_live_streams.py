"""Live exports by the real web server, to real clients: slow ones, leaving ones, and with MongoDB killed in the middle."""

from __future__ import annotations

import base64
import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from pymongo import MongoClient

from tests import live, run
from tests.exports.seed import FOLDER, line
from tests.imports.test_kills import OwnMongod
from tests.live import PASSWORD, USER, LiveSite
from tests.waiting import until

MESSAGES = 9_000
MB = 1024**2
CUT = 18
"""curl: the connection was closed with data still to come."""
RESET = 56
"""curl: the connection was reset while data was received."""


class Site:
    """A web server and a MongoDB of this module's own, and curl."""

    def __init__(self, live_site: LiveSite, mongod: OwnMongod, folder: Path) -> None:
        self.live, self.mongod, self.folder = live_site, mongod, folder
        basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        request = urllib.request.Request(f"{live_site.url}/api/v1/tokens/", b"{}", {"Authorization": f"Basic {basic}", "Content-Type": "application/json"})
        self.token = json.load(urllib.request.urlopen(request, timeout=30))["token"]

    def url(self, query: str) -> str:
        return f"{self.live.url}/api/v1/messages/export?{query}"

    def curl(self, query: str, *options: str) -> subprocess.Popen[str]:
        command = ["curl", "-sS", "--fail", "-H", f"Authorization: Token {self.token}", *options, self.url(query)]
        return subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def open(self, query: str) -> Any:
        request = urllib.request.Request(self.url(query), headers={"Authorization": f"Token {self.token}"})
        return urllib.request.urlopen(request, timeout=30)

    def cursors(self) -> int:
        with MongoClient(self.mongod.url) as client:
            return int(client.admin.command("serverStatus")["metrics"]["cursor"]["open"]["total"])

    @property
    def process(self) -> psutil.Process:
        return psutil.Process(self.live.processes["web"].pid)

    def finishes(self, query: str) -> int:
        """How many lines a stream has that is not disturbed."""
        with self.open(query) as response:
            return int(response.read().count(b"\n"))


@pytest.fixture(scope="module")
def site(servers: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("streams")
    mongod = OwnMongod(folder / "own")
    mongod.start()
    env = live.environment(folder, mongodb_url=mongod.url, database="test_streams", redis_url=run.redis_url(8 + run.WORKER_NUMBER))
    live_site = LiveSite(folder, env | {"CLAUDELENS_LIVE_STREAMS_PER_USER": "3"})
    path = folder / "given" / FOLDER / "session.jsonl"
    path.parent.mkdir(parents=True)
    filler = "lorem ipsum " * 150
    path.write_bytes(b"".join(line(f"{number % 300:04}", number, padding=filler) + b"\n" for number in range(MESSAGES)))
    try:
        migrated = live_site.manage("migrate", "--verbosity=0")
        assert migrated.returncode == 0, migrated.stderr
        made = live_site.manage("createsuperuser", "--noinput", f"--username={USER}", "--email=a@example.org", env=env | {"DJANGO_SUPERUSER_PASSWORD": PASSWORD})
        assert made.returncode == 0, made.stderr
        done = live_site.manage("import_archive", str(folder / "given"), "--json")
        assert done.returncode == 0, done.stderr
        live_site.start_web()
        yield Site(live_site, mongod, folder)
    finally:
        live_site.stop()
        mongod.kill()


@pytest.mark.parametrize("name", ["jsonl", "json", "csv"])
def test_a_script_gets_all_of_it_and_curl_is_content(site: Site, name: str, tmp_path: Path) -> None:
    target = tmp_path / "out"
    done = site.curl(f"format={name}", "-o", str(target))
    assert done.wait(60) == 0
    if name == "json":
        assert sum(each["exportedMessages"] for each in json.loads(target.read_bytes())["conversations"]) == MESSAGES
    else:
        assert target.read_bytes().count(b"\n") == MESSAGES + (name == "csv")


def test_the_first_byte_is_there_at_once(site: Site) -> None:
    site.finishes("format=jsonl&session=0001")
    done = site.curl("format=jsonl", "-o", "/dev/null", "-w", "%{time_starttransfer}")
    times = [float(done.communicate(timeout=60)[0])]
    for _ in range(4):
        times.append(float(site.curl("format=json", "-o", "/dev/null", "-w", "%{time_starttransfer}").communicate(timeout=60)[0]))
    assert sorted(times)[2] < 0.2, times


POOL_THREADS = 8


def test_clients_that_leave_in_the_middle_leave_nothing_behind(site: Site) -> None:
    before, threads = site.cursors(), []
    for number in range(50):
        response = until(lambda: try_open(site, "format=jsonl"), 30, what="there is a place again")
        response.read(MB)
        response.close()
        if number in (9, 49):
            threads.append(site.process.num_threads())
    until(lambda: site.cursors() <= before, 20, what="every cursor is closed")
    # The server's own pool may have grown to its full size meanwhile; forty clients would leave forty threads.
    until(lambda: site.process.num_threads() <= threads[0] + POOL_THREADS, 20, what="no thread stays")
    assert site.finishes("format=jsonl") == MESSAGES


def try_open(site: Site, query: str) -> Any:
    try:
        return site.open(query)
    except urllib.error.HTTPError as error:
        if error.code != 429:
            raise
        return None


def test_slow_clients_cost_neither_memory_nor_the_others_time(site: Site) -> None:
    before = site.process.memory_info().rss
    slow = [until(lambda: try_open(site, "format=jsonl"), 30) for _ in range(3)]
    assert all(response.read(1000) for response in slow)
    with pytest.raises(urllib.error.HTTPError) as refused:
        site.open("format=jsonl")
    assert (refused.value.code, json.load(refused.value)["code"]) == (429, "rate_limited")
    worst = 0.0
    for _ in range(20):
        start = time.perf_counter()
        urllib.request.urlopen(f"{site.live.url}/healthz", timeout=10).read()
        worst = max(worst, time.perf_counter() - start)
        time.sleep(0.1)
    assert worst < 1
    assert site.process.memory_info().rss - before < 40 * MB
    lines = [response.read().count(b"\n") for response in slow]
    assert lines == [MESSAGES] * 3, "however long they waited"


@pytest.mark.parametrize(("name", "options", "code"), [("jsonl", (), CUT), ("json", (), CUT), ("jsonl", ("--http1.0",), RESET)])
def test_a_database_that_dies_in_the_middle_cuts_the_connection(site: Site, tmp_path: Path, name: str, options: Any, code: int) -> None:
    target = tmp_path / f"cut.{name}"
    curl = site.curl(f"format={name}", "--limit-rate", "2M", "-o", str(target), *options)
    until(lambda: target.exists() and target.stat().st_size > MB, 30)
    site.mongod.kill()
    try:
        assert curl.wait(60) == code, curl.communicate()
        assert MB < target.stat().st_size < 18 * MB
        assert not target.read_bytes().endswith(b'"format":"claudelens/1"}\n')
    finally:
        site.mongod.start()
    assert site.finishes("format=jsonl&session=0001&endMark=true") == MESSAGES // 300 + 1


def test_a_database_that_is_away_is_told_before_the_first_byte(site: Site) -> None:
    site.mongod.kill()
    with pytest.raises(urllib.error.HTTPError) as refused:
        site.open("format=jsonl")
    assert (refused.value.code, json.load(refused.value)["code"]) == (503, "unavailable")
    site.mongod.start()
    assert site.finishes("format=jsonl&session=0001") == MESSAGES // 300
