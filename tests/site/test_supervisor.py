"""The supervisor restarts what dies, ever more slowly, and its children never outlive it."""

import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil

from claudelens_site.supervisor import Child, Supervisor
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[2]
SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


def test_a_child_that_dies_is_started_again_with_a_line_that_says_so():
    said = []
    child = Child("The sleeper", SLEEP)
    supervisor = Supervisor([child], said.append)
    supervisor.start()
    watcher = threading.Thread(target=supervisor.watch)
    watcher.start()
    first = child.process.pid
    child.process.kill()
    until(lambda: child.process is not None and child.process.pid != first)
    supervisor.is_stopping = True
    watcher.join(5)
    supervisor.stop()
    assert said == ["The sleeper ended (signal SIGKILL); starting it again in 2 s."]
    assert child.process.poll() == -signal.SIGTERM


def test_a_child_that_keeps_dying_is_waited_for_ever_longer():
    said = []
    child = Child("The failing one", [sys.executable, "-c", "raise SystemExit(7)"])
    supervisor = Supervisor([child], said.append)
    for _ in range(6):
        child.due = 0
        child.start()
        child.process.wait(10)
        supervisor._look_after(child)
    assert said[0].startswith("The failing one ended (exit 7)")
    assert [line.rpartition(" in ")[2] for line in said] == ["2 s.", "4 s.", "8 s.", "16 s.", "30 s.", "30 s."]


def test_children_end_with_a_supervisor_that_is_killed_outright():
    code = (
        "import sys, time; from claudelens_site.supervisor import Child, Supervisor\n"
        f"s = Supervisor([Child('x', {SLEEP!r})], print); s.start()\n"
        "print(s.children[0].process.pid, flush=True); time.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)
