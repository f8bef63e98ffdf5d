"""A schedule on the real site: beat rings, the worker makes the export once, and builds it."""

from __future__ import annotations

import base64
import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.exports.seed import FOLDER, ONE, line
from tests.live import PASSWORD, USER, LiveSite
from tests.waiting import until

pytestmark = pytest.mark.timeout(300)
DUE = """
from django.utils import timezone
from exports.models import Schedule
Schedule.objects.filter(pk=PK).update(next_at=timezone.now().replace(microsecond=0))
"""


def request(site: LiveSite, path: str, body: Any = None) -> Any:
    basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    headers = {"Content-Type": "application/json", "Authorization": f"Basic {basic}"}
    made = json.load(urllib.request.urlopen(urllib.request.Request(f"{site.url}/api/v1/tokens/", b"{}", headers), timeout=60))
    headers["Authorization"] = f"Token {made['token']}"
    data = None if body is None else json.dumps(body).encode()
    return json.load(urllib.request.urlopen(urllib.request.Request(site.url + path, data, headers), timeout=60))


@pytest.fixture
def transcript(live_site: LiveSite, tmp_path: Path) -> None:
    """A conversation of one message, imported."""
    path = tmp_path / FOLDER / f"{ONE}.jsonl"
    path.parent.mkdir(parents=True)
    path.write_bytes(line(ONE, 1) + b"\n")
    done = live_site.manage("import_archive", str(tmp_path), "--json")
    assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("transcript")
def test_beat_and_worker_make_what_is_due_once(live_site: LiveSite) -> None:
    preset = request(live_site, "/api/v1/presets/", {"name": "Nightly", "format": "jsonl", "filter": {"session": ONE}})
    asked = {"preset": preset["id"], "frequency": "daily"}
    schedule = request(live_site, "/api/v1/schedules/", asked)
    where = f"/api/v1/schedules/{schedule['id']}/"
    due = live_site.manage("shell", "-c", DUE.replace("PK", str(schedule["id"])))
    assert due.returncode == 0, due.stderr

    def last() -> Any:
        told = request(live_site, where)
        assert told["last"]["state"] in ("", "queued", "running", "completed"), told["last"]
        return told if told["last"]["state"] == "completed" else None

    told = until(last, 150, step=1, what="beat rings, and the worker builds it")
    assert told["nextAt"] > told["lastAt"]
    again = live_site.manage("run_schedules", "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout.splitlines()[-1])["slots"] == []
    job = request(live_site, f"/api/v1/exports/{told['last']['job']}/")
    assert (job["artifact"]["state"], job["artifact"]["messages"]) == ("ready", 1)
    assert job["parameters"] == {"preset": "Nightly", "schedule": "every day at 03:00 UTC"}
    mine = [each for each in request(live_site, "/api/v1/exports/")["results"] if each["parameters"].get("schedule")]
    assert [each["id"] for each in mine] == [job["id"]]
