"""Downloads by curl from the real site, cut again and again, with a token and through a link."""

from __future__ import annotations

import base64
import json
import shutil
import socket
import socketserver
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.exports.seed import FOLDER, line
from tests.live import PASSWORD, USER, LiveSite
from tests.waiting import until

SESSION = "66666666-6666-4666-8666-666666666666"
MESSAGES = 20_000
CUTS = 30

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


def call(site: LiveSite, path: str, body: Any = None, **headers: str) -> Any:
    """The JSON that the site answers."""
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(site.url + path, data, {"Content-Type": "application/json", **headers})
    with urllib.request.urlopen(asked, timeout=60) as answer:
        return json.load(answer)


@pytest.fixture(scope="module")
def token(live_site: LiveSite) -> dict[str, str]:
    basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    return {"Authorization": f"Token {call(live_site, '/api/v1/tokens/', {}, Authorization=f'Basic {basic}')['token']}"}


@pytest.fixture(scope="module")
def job(live_site: LiveSite, token: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A finished export of some 17 MB."""
    root = tmp_path_factory.mktemp("links")
    path = root / FOLDER / f"{SESSION}.jsonl"
    path.parent.mkdir(parents=True)
    filler = "lorem ipsum " * 40
    path.write_bytes(b"".join(line(SESSION, number, padding=filler) + b"\n" for number in range(MESSAGES)))
    done = live_site.manage("import_archive", str(root), "--json")
    assert done.returncode == 0, done.stderr
    begun = call(live_site, "/api/v1/exports/", {"format": "jsonl", "filter": {"session": SESSION}}, **token)

    def ended() -> Any:
        job = call(live_site, f"/api/v1/exports/{begun['id']}/", **token)
        return job if job["isFinished"] else None

    job: dict[str, Any] = until(ended, 90, step=0.2, what="the export ends")
    assert job["state"] == "completed", job["error"]
    assert job["artifact"]["bytes"] > 10_000_000
    return job


class Cutting(socketserver.BaseRequestHandler):
    """Passes one request on, and of the answer only so many bytes; after thirty answers all of them."""

    def handle(self) -> None:
        self.server.seen += 1
        left = self.server.piece if self.server.seen <= CUTS else 10**12
        with socket.create_connection(("127.0.0.1", self.server.site_port), timeout=30) as site:
            site.sendall(self.request.recv(65536))
            while left and (data := site.recv(min(65536, left))):
                self.request.sendall(data)
                left -= len(data)


@pytest.fixture
def cutter(live_site: LiveSite, job: dict[str, Any]) -> Iterator[socketserver.ThreadingTCPServer]:
    """A bad connection to the site."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Cutting) as server:
        server.daemon_threads, server.block_on_close = True, False  # the last connection is kept alive
        server.seen, server.site_port, server.piece = 0, live_site.port, job["artifact"]["bytes"] // (CUTS + 2)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def download(url: str, path: Path, *options: str) -> int:
    """Fetch it with curl, which goes on where the connection was cut; returns how often it was."""
    curl = ["curl", "-sS", "--fail", "-C", "-", "-o", str(path), *options, url]
    for cuts in range(CUTS * 2):
        done = subprocess.run(curl, check=False, timeout=60)
        if done.returncode == 0:
            return cuts
        assert done.returncode == 18, "18: it ended before all bytes had come"
    raise AssertionError("it never ended")


@pytest.mark.parametrize("how", ["token", "link"])
def test_a_download_that_curl_resumes_thirty_times_is_whole(
    live_site: LiveSite, token: dict[str, str], job: dict[str, Any], cutter: Any, tmp_path: Path, how: str
) -> None:
    artifact, base = job["artifact"], f"/api/v1/exports/{job['id']}/"
    url, options = live_site.url + artifact["url"], ["-H", f"Authorization: {token['Authorization']}"]
    if how == "link":
        url, options = call(live_site, f"{base}links/", {"note": "for Grace"}, **token)["url"], []
    path = tmp_path / "export.jsonl"
    url = url.replace(f":{live_site.port}/", f":{cutter.server_address[1]}/")
    assert download(url, path, *options) == CUTS
    assert sha256(path.read_bytes()).hexdigest() == artifact["sha256"]
    rows = call(live_site, f"{base}downloads/?limit=200", **token)["results"]
    mine = [row for row in rows if (row["link"] is None) == (how == "token")]
    assert len(mine) == CUTS + 1
    assert {row["address"] for row in mine} == {"127.0.0.1"}
    assert all(row["program"].startswith("curl/") for row in mine)
    assert mine[0]["firstByte"] > artifact["bytes"] * 0.9
    log = live_site.log_text("web")
    assert "/exports/links/…/" in log or how == "token"
    assert url.rpartition("links/")[2].strip("/") not in log or how == "token"
