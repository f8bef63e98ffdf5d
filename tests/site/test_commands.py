"""The commands of the site, run as a person runs them: as processes, from nothing."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest

from claudelens_site import embedded
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def bare_env(tmp_path):
    """What a person's shell has: no settings of ours but the data folder."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    yield kept | {"CLAUDELENS_DATA_DIR": str(tmp_path / "data"), "CLAUDELENS_MONGOD_CACHE_GB": "0.25"}
    if (tmp_path / "data").exists():
        embedded.keep(tmp_path / "data", running=False)
        embedded.stop_unused(tmp_path / "data")


def manage(env, *arguments):
    command = [sys.executable, str(ROOT / "manage.py"), *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)


class Up:
    """``manage.py up`` as a running process."""

    def __init__(self, env, log, *arguments):
        self.log = log
        command = [sys.executable, str(ROOT / "manage.py"), "up", *arguments]
        with log.open("ab") as out:
            self.process = subprocess.Popen(command, env=env, stdout=out, stderr=out)

    def text(self):
        return self.log.read_text()

    def url(self):
        found = until(lambda: re.search(r"ClaudeLens is at (\S+)", self.text()) or self.ended(), 90)
        until(lambda: status_of(found[1]) in {200, 302} or self.ended(), 30)
        return found[1]

    def ended(self):
        assert self.process.poll() is None, self.text()

    def child(self, part):
        children = psutil.Process(self.process.pid).children()
        return next((one for one in children if part in " ".join(one.cmdline())), None)

    def family(self):
        return psutil.Process(self.process.pid).children(recursive=True)

    def stop(self, sign=signal.SIGTERM):
        self.process.send_signal(sign)
        return self.process.wait(60)


def status_of(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None


def test_up_starts_everything_and_stops_everything_and_keeps_the_data(bare_env, tmp_path):
    data_dir = tmp_path / "data"
    first = Up(bare_env, tmp_path / "first.log")
    url = first.url()
    assert "password:" in first.text()
    assert status_of(url) == 200  # redirected to the sign-in page
    assert sorted(embedded.states(data_dir)) == ["mongodb", "redis"]

    web = until(lambda: first.child("claudelens_site.server"))
    web.kill()
    until(lambda: "The web server ended (signal SIGKILL); starting it again" in first.text(), 20)
    until(lambda: status_of(url) == 200, 30)

    family = first.family()
    assert len(family) >= 4  # web, worker with two processes, beat
    assert first.stop(signal.SIGINT) == 0
    _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []
    assert embedded.states(data_dir) == {}
    assert "Traceback" not in first.text()

    second = Up(bare_env, tmp_path / "second.log")
    second.url()
    assert "password:" not in second.text()
    assert "sample" not in second.text()
    archived = manage(bare_env, "export_archive", "--format", "claude-code", "--output", str(tmp_path / "out"), "--json")
    assert archived.returncode == 0, archived.stderr
    assert len(json.loads(archived.stdout.splitlines()[-1])["files"]) >= 6
    assert sorted(embedded.states(data_dir)) == ["mongodb", "redis"], "the command stopped up's servers"
    assert second.stop() == 0
    assert embedded.states(data_dir) == {}


def test_up_goes_to_the_next_port_only_where_none_was_asked_for(bare_env, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = manage(bare_env | {"PORT": str(port)}, "up")
        assert refused.returncode == 1
        assert f"Port {port} of 127.0.0.1 is taken" in refused.stderr
        assert "Traceback" not in refused.stderr
        refused = manage(bare_env, "up", "--port", str(port))
        assert f"Port {port} of 127.0.0.1 is taken" in refused.stderr
    assert embedded.states(tmp_path / "data") == {}


def test_services_start_to_stay_and_stop(bare_env):
    started = manage(bare_env, "services", "start", "--json")
    assert started.returncode == 0, started.stderr
    shown = json.loads(started.stdout)
    assert shown["mongodb"]["running"] and shown["redis"]["running"]
    assert json.loads(manage(bare_env, "services", "status", "--json").stdout) == shown
    assert "running at mongodb://" in manage(bare_env, "services", "status").stdout
    stopped = manage(bare_env, "services", "stop")
    assert "stopped" in stopped.stdout and "running" not in stopped.stdout
    again = manage(bare_env, "services", "stop", "--json")
    assert json.loads(again.stdout)["mongodb"] == {"running": False, "url": None, "pid": None}


def test_services_in_use_are_not_stopped(bare_env, tmp_path, monkeypatch):
    for name in ("MONGODB_URL", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    user = embedded.ensure_running(tmp_path / "data")
    refused = manage(bare_env, "services", "stop")
    assert refused.returncode == 1
    assert "in use" in refused.stderr
    user.stop()


def test_prepare_makes_the_databases_and_the_first_admin_once(bare_env):
    bare_env |= {"CLAUDELENS_ADMIN_USER": "ada", "CLAUDELENS_ADMIN_PASSWORD": "given-by-hand"}
    first = manage(bare_env, "prepare")
    assert first.returncode == 0, first.stderr
    assert "Administrator: ada" in first.stdout
    assert json.loads(manage(bare_env, "prepare", "--json").stdout) == {"adminMade": None}


def test_the_demo_ends_with_identical_and_leaves_nothing(bare_env, tmp_path):
    before = {one.pid for one in psutil.process_iter()}
    ended = manage(bare_env | {"TMPDIR": str(tmp_path)}, "demo")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1] == "identical"
    assert not list(tmp_path.glob("claudelens-demo-*"))
    left = [one for one in psutil.process_iter(["cmdline"]) if one.pid not in before and str(tmp_path) in " ".join(one.info["cmdline"] or [])]
    assert left == []


def test_a_command_from_nothing_makes_what_it_needs(bare_env, tmp_path):
    """No migrate, no services start: the first import just works, and stops what it started."""
    samples = ROOT / "claudelens_site/samples"
    imported = manage(bare_env, "import_archive", str(samples), "--json")
    assert imported.returncode == 0, imported.stderr
    assert json.loads(imported.stdout.splitlines()[-1])["counts"]["inserted"] > 0
    assert embedded.states(tmp_path / "data") == {}


def test_a_server_that_cannot_start_is_told_without_a_traceback(bare_env):
    bare_env["CLAUDELENS_MONGOD_CACHE_GB"] = "plenty"
    for command in (["services", "start"], ["up"], ["import_archive", "."]):
        refused = manage(bare_env, *command)
        assert refused.returncode == 1
        assert "set MONGODB_URL to a server of your own" in refused.stderr
        assert "Traceback" not in refused.stderr
