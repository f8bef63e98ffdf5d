"""The product's web server as a process of its own, and a client that speaks to it."""

import base64
import http.client
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.ground import ROOT, Ground, RunFailedError
from benchmarks.web_ways import ask
from claudelens_site.embedded import free_port

ADMIN, PASSWORD = "admin", "bench-password"
START_SECONDS = 60


class Site:
    """A running web server with an empty database, and the token of its administrator."""

    def __init__(self, port: int, process: "subprocess.Popen[bytes]") -> None:
        self.port = port
        self.process = process
        self.token = ""

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)

    def make_token(self) -> None:
        secret = base64.b64encode(f"{ADMIN}:{PASSWORD}".encode()).decode()
        headers = {"Authorization": f"Basic {secret}", "Content-Type": "application/json"}
        answer = call(self.connect(), "POST", "/api/v1/tokens/", headers, b"{}", expected=201)
        self.token = json.loads(answer[1])["token"]

    @property
    def authorization(self) -> dict[str, str]:
        return {"Authorization": f"Token {self.token}"}


Answer = tuple[http.client.HTTPResponse, bytes]


def call(
    client: http.client.HTTPConnection,
    method: str,
    path: str,
    headers: dict[str, str],
    body: bytes | None = None,
    *,
    expected: int = 200,
) -> Answer:
    """One request on an open connection. Raises ``RunFailedError`` for another answer than expected."""
    client.request(method, path, body, headers)
    answer = client.getresponse()
    content = answer.read()
    if answer.status != expected:
        raise RunFailedError(f"{method} {path} answered {answer.status}: {content[:500]!r}")
    return answer, content


@contextmanager
def site(ground: Ground, database: str, data_dir: Path) -> Iterator[Site]:
    """The site, prepared and answering; stopped in the end."""
    data_dir.mkdir()
    environment = ground.environment(database, data_dir) | {
        "CLAUDELENS_ADMIN_USER": ADMIN,
        "CLAUDELENS_ADMIN_PASSWORD": PASSWORD,
    }
    prepare = [sys.executable, "manage.py", "prepare"]
    subprocess.run(prepare, cwd=ROOT, env=environment, check=True, capture_output=True)
    port = free_port()
    with (data_dir / "web.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "claudelens_site.server", "--port", str(port)],
            cwd=ROOT, env=environment, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        running = Site(port, process)
        _wait_until_up(running, data_dir / "web.log")
        running.make_token()
        yield running
    finally:
        process.terminate()
        process.wait(30)


def _wait_until_up(running: Site, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            ask(running.url)
        except OSError:
            if running.process.poll() is not None or time.monotonic() > deadline:
                raise RunFailedError(f"The web server did not start:\n{log.read_text()[-3000:]}") from None
            time.sleep(0.05)
        else:
            return


def tus_headers(running: Site, **headers: Any) -> dict[str, str]:
    named = {name.replace("_", "-"): str(value) for name, value in headers.items()}
    return {"Tus-Resumable": "1.0.0", **running.authorization, **named}
