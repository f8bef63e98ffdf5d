"""What the web benchmark needs in processes of their own: a file to download, and a client that waits."""

import http.client
import os
import select
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.ways import Run, become_worker

PROBE_PAUSE = 0.025


def artifact(path: str, sha256: str) -> Run:
    """Put ``path`` in its place as the finished export of the first administrator; tells the export's id."""
    become_worker()
    from django.contrib.auth import get_user_model
    from django.utils import timezone

    from exports.checksums import check_artifact
    from exports.models import Artifact, ExportJob, artifact_folder
    from jobs.states import JobState

    def run() -> dict[str, Any]:
        owner = get_user_model().objects.get(is_superuser=True)
        job = ExportJob.objects.create(owner=owner, format="jsonl", state=JobState.COMPLETED)
        made = Artifact.objects.create(
            job=job,
            storage_name=f"{job.pk}-1.jsonl",
            filename="bench.jsonl",
            media_type="application/jsonl",
            bytes=Path(path).stat().st_size,
            sha256=sha256,
            expires_at=timezone.now() + timedelta(days=1),
        )
        artifact_folder().mkdir(parents=True, exist_ok=True)
        os.link(path, made.path)
        check_artifact(made)  # what is large is not hashed while somebody waits for it
        return {"job": str(job.pk)}

    return run


def probe(url: str) -> Run:
    """Ask for /healthz again and again, until standard input ends; tells how long each answer took.

    A first line on standard output says that the first answer has come.
    """

    def run() -> dict[str, Any]:
        seconds = [ask(url)]
        print("asking", flush=True)
        while not select.select([sys.stdin], [], [], PROBE_PAUSE)[0]:
            seconds.append(ask(url))
        return {"answers": seconds}

    return run


def ask(url: str) -> float:
    """Seconds from the connection's begin to the answer's end; a new connection each time."""
    place = urlsplit(url)
    start = time.perf_counter()
    client = http.client.HTTPConnection(place.hostname or "", place.port, timeout=60)
    try:
        client.request("GET", "/healthz")
        answer = client.getresponse()
        answer.read()
    finally:
        client.close()
    if answer.status != 200:
        raise RuntimeError(f"/healthz answered {answer.status}")
    return time.perf_counter() - start
