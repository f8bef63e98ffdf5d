"""The real nginx with our configuration before the real site."""

import base64
import getpass
import json
import os
import re
import shutil
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import websockets

from claudelens_site.embedded import free_port
from tests import live, run
from tests.live import LiveSite
from tests.waiting import awaited, until

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "claudelens_site/samples"
BASIC = {"Authorization": "Basic " + base64.b64encode(f"{live.USER}:{live.PASSWORD}".encode()).decode()}
pytestmark = [
    pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed"),
]


@pytest.fixture(scope="module")
def site(servers, tmp_path_factory):
    """A site as the compose file sets it up: nginx sends the artifacts."""
    data_dir = tmp_path_factory.mktemp("fronted")
    env = live.environment(
        data_dir,
        mongodb_url=servers.mongodb_url,
        database=f"test_nginx_{run.WORKER}",
        redis_url=run.redis_url(15),
    )
    site = LiveSite(data_dir, env | {"CLAUDELENS_ACCEL_REDIRECT": "True"})
    try:
        site.start()
        yield site
    finally:
        site.stop()


@pytest.fixture(scope="module")
def front(site, tmp_path_factory):
    """nginx before it; the address."""
    folder, port = tmp_path_factory.mktemp("nginx"), free_port()
    conf = (ROOT / "deploy/nginx.conf").read_text()
    conf = conf.replace("server web:8000;", f"server 127.0.0.1:{site.port};")
    conf = conf.replace("listen 8080;", f"listen 127.0.0.1:{port};").replace("/data/artifacts/", f"{site.data_dir}/artifacts/")
    (folder / "site.conf").write_text(conf)
    temporary = "".join(f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    user = f"user {getpass.getuser()};" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        f"daemon off; {user} pid {folder}/pid; error_log {folder}/error.log; events {{}}"
        f"http {{ access_log off; {temporary} include {folder}/site.conf; }}"
    )
    process = subprocess.Popen(["nginx", "-p", str(folder), "-c", f"{folder}/nginx.conf", "-e", f"{folder}/error.log"])
    url = f"http://127.0.0.1:{port}"
    try:
        until(lambda: ask(f"{url}/healthz")[0] == 200, 20)
        yield url
    finally:
        process.terminate()
        process.wait(10)


def ask(url, body=None, method=None, **headers):
    """Status, headers and body; a refused connection has status 0."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, body, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()
    except OSError:
        return 0, {}, b""


def artifact_url(site, front):
    """Where a finished export can be downloaded."""
    imported = site.manage("import_archive", str(SAMPLES))
    assert imported.returncode == 0, imported.stderr
    status, headers, body = ask(
        f"{front}/api/v1/exports/", json.dumps({"format": "jsonl"}).encode(), Content_Type="application/json", **token_of(front)
    )
    assert status == 202, body
    token = token_of(front)
    job = until(lambda: finished(front + headers["Location"], token), 60, step=0.2)
    assert job["state"] == "completed", job
    return f"{front}{headers['Location']}download/", token


def finished(url, token):
    job = json.loads(ask(url, **token)[2])
    return job if job["isFinished"] else None


def token_of(front):
    _, _, body = ask(f"{front}/api/v1/tokens/", b"{}", Content_Type="application/json", **BASIC)
    return {"Authorization": f"Token {json.loads(body)['token']}"}


def test_an_artifact_is_sent_by_nginx_to_its_owner_only(site, front):
    url, token = artifact_url(site, front)
    status, headers, body = ask(url, **token)
    (kept,) = (site.data_dir / "artifacts").glob("[!.]*")
    assert status == 200
    assert body == kept.read_bytes()
    assert headers["Server"].startswith("nginx")
    assert "attachment" in headers["Content-Disposition"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    status, headers, part = ask(url, Range="bytes=10-19", **token)
    assert (status, part) == (206, body[10:20])
    assert ask(url)[0] == 401
    assert ask(f"{front}/protected-artifacts/{kept.name}", **token)[0] == 404


def test_a_link_is_sent_by_nginx_in_any_part_and_stands_in_no_log(site, front):
    url, token = artifact_url(site, front)
    whole = ask(url, **token)[2]
    base = url.removesuffix("download/")
    _, _, made = ask(f"{base}links/", b'{"note": "for Grace"}', Content_Type="application/json", **token)
    link = json.loads(made)["url"]
    status, headers, body = ask(link)
    assert (status, body) == (200, whole)
    assert headers["Server"].startswith("nginx")
    assert headers["Cache-Control"] == "private, no-store"
    assert headers["X-Robots-Tag"] == "noindex, nofollow"
    step = len(whole) // 30
    starts = range(0, len(whole), step)
    parts = [ask(link, Range=f"bytes={start}-{start + step - 1}") for start in starts]
    assert {status for status, _, _ in parts} == {206}
    assert b"".join(part for _, _, part in parts) == whole
    rows = json.loads(ask(f"{base}downloads/?limit=200", **token)[2])["results"]
    logged = [row["firstByte"] for row in reversed(rows) if row["link"]]
    assert logged == [0, *starts], "the whole, then each part"
    assert ask(f"{base}links/{json.loads(made)['id']}/", method="DELETE", **token)[0] == 204
    assert ask(link)[0] == 410
    assert link.rpartition("links/")[2].strip("/") not in site.log_text("web")


def test_a_body_over_the_limit_ends_at_nginx(front):
    status, _, _ = ask(f"{front}/api/v1/tokens/", b"x" * (18 * 1024**2), method="PATCH")
    assert status in {0, 413}


def test_metrics_are_not_for_the_world(site, front):
    assert ask(f"{front}/metrics")[0] == 404
    assert ask(f"{site.url}/metrics")[0] == 200


def test_a_websocket_passes(front):
    """Without a session the site itself closes it, with its own code: so it has arrived there."""

    async def close_code():
        try:
            async with websockets.connect(front.replace("http", "ws") + "/ws/jobs/", origin=front) as socket:
                await socket.recv()
        except websockets.ConnectionClosed as closed:
            return closed.rcvd.code
        except websockets.InvalidStatus as refused:
            return refused.response.status_code

    assert awaited(close_code()) in {4401, 403}


def test_guessing_passwords_is_slowed_down(front):
    body = b"username=admin&password=guess"
    answers = [ask(f"{front}/accounts/login/", body)[0] for _ in range(40)]
    assert 429 in answers
    assert re.fullmatch(r"(403)+", "".join(str(one) for one in answers[:3]))
