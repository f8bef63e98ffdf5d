"""Exports by the real site: web server, worker and all, with the worker killed in the middle."""

from __future__ import annotations

import base64
import json
import urllib.request
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.exports.seed import FOLDER, line
from tests.live import PASSWORD, USER, LiveSite
from tests.waiting import until

SESSION = "33333333-3333-4333-8333-333333333333"
MESSAGES = 40_000


def request(site: LiveSite, path: str, body: Any = None, **headers: str) -> Any:
    """Status, headers and bytes; tells who asks by a token."""
    data = None if body is None else json.dumps(body).encode()
    url = site.url + path
    asked = urllib.request.Request(url, data, {"Content-Type": "application/json", **headers})
    return urllib.request.urlopen(asked, timeout=60)


@pytest.fixture(scope="module")
def token(live_site: LiveSite) -> dict[str, str]:
    basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    made = json.load(request(live_site, "/api/v1/tokens/", {}, Authorization=f"Basic {basic}"))
    return {"Authorization": f"Token {made['token']}"}


@pytest.fixture(scope="module")
def transcript(live_site: LiveSite, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """One conversation of 40,000 messages, imported."""
    root = tmp_path_factory.mktemp("live")
    path = root / FOLDER / f"{SESSION}.jsonl"
    path.parent.mkdir(parents=True)
    filler = "lorem ipsum " * 40
    path.write_bytes(b"".join(line(SESSION, number, padding=filler) + b"\n" for number in range(MESSAGES)))
    done = live_site.manage("import_archive", str(root), "--json")
    assert done.returncode == 0, done.stderr
    return path.read_bytes()


def begin(site: LiveSite, token: dict[str, str], name: str) -> str:
    made = request(site, "/api/v1/exports/", {"format": name, "filter": {"session": SESSION}}, **token)
    assert made.status == 202
    return str(made.headers["Location"])


def finished(site: LiveSite, token: dict[str, str], where: str) -> dict[str, Any]:
    def ended() -> Any:
        job = json.load(request(site, where, **token))
        return job if job["isFinished"] else None

    return until(ended, 90, step=0.2, what="the export ends")


def parts(site: LiveSite) -> list[Path]:
    return [path for path in (site.data_dir / "artifacts").glob(".*.part") if path.stat().st_size]


def test_an_export_killed_in_the_middle_completes_by_itself(
    live_site: LiveSite, token: dict[str, str], transcript: bytes
) -> None:
    where = begin(live_site, token, "jsonl")
    until(lambda: parts(live_site), 30, step=0.005, what="the export is at work")
    live_site.kill_worker()
    job = json.load(request(live_site, where, **token))
    assert not job["isFinished"], "killed too late to prove anything"
    assert job["artifact"] is None
    live_site.start_worker()
    job = finished(live_site, token, where)
    assert job["state"] == "completed", job["error"]
    assert job["counts"]["messages"] == MESSAGES
    data = request(live_site, job["artifact"]["url"], **token).read()
    assert sha256(data).hexdigest() == job["artifact"]["sha256"]
    assert data.count(b"\n") == MESSAGES
    assert not parts(live_site)


def test_a_large_download_is_resumed_over_the_real_server(
    live_site: LiveSite, token: dict[str, str], transcript: bytes
) -> None:
    job = finished(live_site, token, begin(live_site, token, "json"))
    artifact = job["artifact"]
    have, etag = b"", f'"{artifact["sha256"]}"'
    while len(have) < artifact["bytes"]:
        with request(
            live_site, artifact["url"], **token, Range=f"bytes={len(have)}-", **{"If-Range": etag}
        ) as response:
            assert response.status == 206
            assert response.headers["ETag"] == etag
            have += response.read(7_000_003)  # and the connection is cut
    assert sha256(have).hexdigest() == artifact["sha256"]
    assert json.loads(have)["conversations"][0]["exportedMessages"] == MESSAGES


def test_the_command_gives_back_the_very_file(live_site: LiveSite, transcript: bytes, tmp_path: Path) -> None:
    done = live_site.manage(
        "export_archive", "--format=claude-code", f"--session={SESSION}", f"--output={tmp_path / 'out'}", "--json"
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer["messages"] == MESSAGES
    assert [file["path"] for file in answer["files"]] == [f"{FOLDER}/{SESSION}.jsonl"]
    assert (tmp_path / "out" / FOLDER / f"{SESSION}.jsonl").read_bytes() == transcript
