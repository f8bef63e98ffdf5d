"""Uploads against the running site: cut, raced, too long, and imported by the worker."""

import hashlib
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.imports.live_client import Script
from tests.imports.transcripts import transcript
from tests.waiting import until

MIB = 1024**2


@pytest.fixture(scope="module")
def script(live_site) -> Script:
    return Script(live_site)


def memory(site, field) -> int:
    """What the web process holds (``VmRSS``) or has held at most (``VmHWM``), in bytes."""
    status = Path(f"/proc/{site.processes['web'].pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith(field)).split()[1]) * 1024


def test_an_upload_that_is_cut_30_times_arrives_whole(script):
    chance = random.Random(1)
    body = chance.randbytes(6 * MIB)
    url = script.begin(len(body))
    for _ in range(30):
        offset = script.offset(url)
        part = body[offset : offset + 150_000]
        script.cut_patch(url, offset, part, chance.choice([0, 1, 70_000, len(part) - 1, len(part)]))
    while (offset := script.offset(url)) < len(body):
        # A part that was sent whole before the cut may still arrive: 409 then, and it goes on.
        assert script.patch(url, offset, body[offset : offset + MIB]).status in (204, 409)
    told = script.get(url)
    assert (told["state"], told["sha256"]) == ("complete", hashlib.sha256(body).hexdigest())


def test_of_parts_that_race_for_one_offset_exactly_one_wins(script):
    url = script.begin(8 * MIB)
    bodies = [bytes([number]) * MIB for number in range(1, 9)]
    whole = b""
    for _ in range(4):
        with ThreadPoolExecutor(len(bodies)) as pool:
            answers = list(pool.map(lambda body: script.patch(url, len(whole), body), bodies))
        won = [body for body, answer in zip(bodies, answers, strict=True) if answer.status == 204]
        assert sorted({answer.status for answer in answers}) == [204, 409]
        assert len(won) == 1
        whole += won[0]
    assert script.offset(url) == 4 * MIB
    rest = b"e" * (4 * MIB)
    assert script.patch(url, 4 * MIB, rest).status == 204
    assert script.get(url)["sha256"] == hashlib.sha256(whole + rest).hexdigest()


def test_a_part_that_announces_too_much_is_refused_before_it_is_sent(script):
    url = script.begin(2**30)
    headers = {"Content-Length": str(2**30), "Tus-Resumable": "1.0.0", "Upload-Offset": "0"}
    refused = script.call("PATCH", url, headers | {"Content-Type": "application/offset+octet-stream"})
    assert (refused.status, refused.headers["Content-Type"]) == (413, "application/problem+json")
    assert script.offset(url) == 0


def test_an_upload_is_imported_by_the_worker(script):
    body = transcript(200)
    where = script.start_import(script.upload(body, "projects/-home-ada/s.jsonl"))
    job = until(lambda: finished(script, where), 30)
    assert (job["state"], job["counts"]["inserted"], job["bytesDone"]) == ("completed", 200, len(body))
    assert script.get(f"{where}log/")["results"]


def finished(script, where):
    job = script.get(where)
    return job if job["isFinished"] else None


def test_an_import_whose_worker_is_killed_is_resumed_and_exact(script, live_site):
    session = "6f1c0c3e-0000-4000-8000-00000000dead"
    where = script.start_import(script.upload(transcript(40_000, session), "killed.jsonl"))
    until(lambda: script.get(where)["recordsDone"] > 0, 30, what="the import has begun")
    live_site.kill_worker()
    was = script.get(where)
    live_site.start_worker()
    job = until(lambda: finished(script, where), 60)
    assert was["state"] == "running", "the import ended before the worker was killed"
    assert (job["state"], job["counts"]["seen"], job["counts"]["inserted"]) == ("completed", 40_000, 40_000)


@pytest.mark.slow
def test_a_gigabyte_is_taken_in_little_memory(script, live_site):
    part = random.Random(2).randbytes(8 * MIB)
    before = memory(live_site, "VmRSS")
    Path(f"/proc/{live_site.processes['web'].pid}/clear_refs").write_text("5")  # forget the peak so far
    url = script.begin(128 * len(part))
    for number in range(128):
        assert script.patch(url, number * len(part), part).status == 204
    assert script.get(url)["state"] == "complete"
    assert script.call("DELETE", url, {"Tus-Resumable": "1.0.0"}).status == 204
    peak = memory(live_site, "VmHWM")
    assert peak - before < 40 * MIB
    assert peak < 200 * MIB
