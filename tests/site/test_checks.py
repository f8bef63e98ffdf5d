"""Each misconfiguration is found by its check, and each check has something to say."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.checks import run_checks

from claudelens_site import checks
from claudelens_site.embedded import free_port
from claudelens_site.environment import ToldEnv

ROOT = Path(__file__).resolve().parents[2]


def ids():
    return {finding.id for check in checks.CHECKS for finding in check()}


def test_the_defaults_are_fine():
    assert ids() == set()


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"CLAUDELENS_DATA_DIR": Path("/etc/hostname/inside-a-file")}, "E001"),
        ({"DEBUG": True, "ALLOWED_HOSTS": ["lens.example.org"], "CLAUDELENS_BEHIND_HTTPS": True, "CSRF_TRUSTED_ORIGINS": ["https://x"]}, "E002"),
        ({"DEBUG": True, "ALLOWED_HOSTS": ["*"], "CLAUDELENS_BEHIND_HTTPS": True, "CSRF_TRUSTED_ORIGINS": ["https://x"]}, "E002"),
        ({"SECRET_KEY": "short"}, "E003"),
        ({"SECRET_KEY": "a" * 60}, "E003"),
        ({"SECRET_KEY": "django-insecure-" + "abcdefg" * 8}, "E003"),
        ({"MONGODB_URL": "localhost:27017"}, "E004"),
        ({"MONGODB_URL": "http://localhost"}, "E004"),
        ({"MONGODB_URL": "mongodb://"}, "E004"),
        ({"REDIS_URL": "redis://"}, "E005"),
        ({"REDIS_URL": "amqp://localhost"}, "E005"),
        ({"CLAUDELENS_BATCH_DOCS": 0}, "E006"),
        ({"CLAUDELENS_REAPER_SECONDS": -1}, "E006"),
        ({"CLAUDELENS_JOB_LEASE_SECONDS": 15}, "E007"),
        ({"CLAUDELENS_MAX_RECORD_BYTES": 16 * 1024**2}, "E007"),
        ({"CLAUDELENS_REJECT_LIMIT_PERCENT": 101}, "E007"),
        ({"CLAUDELENS_PRICE_OVERRIDES": {"x": {"input": 3}}}, "E008"),
        ({"CLAUDELENS_PRICE_OVERRIDES": {"x": {"input": "dear", "output": 1}}}, "E008"),
        ({"CLAUDELENS_PRICE_OVERRIDES": ["x"]}, "E008"),
        ({"CSRF_TRUSTED_ORIGINS": ["lens.example.org"]}, "E009"),
        ({"CLAUDELENS_BEHIND_HTTPS": True}, "W009"),
        ({"CLAUDELENS_DISK_PAUSE_PERCENT": 101}, "E007"),
        ({"CLAUDELENS_DISK_FULL_PERCENT": -1}, "E007"),
        ({"CLAUDELENS_IMPORTS_PER_HOUR": -1}, "E006"),
        ({"CLAUDELENS_MONGODB_POOL_MAX": 0}, "E006"),
        ({"CLAUDELENS_MONGODB_POOL_MIN": 51}, "E007"),
        ({"CLAUDELENS_PUBLIC_URL": "lens.example.org"}, "E015"),
        ({"CLAUDELENS_EMAIL_URL": "smtp://localhost"}, "W015"),
        ({"CLAUDELENS_MAINTENANCE_HOURS": {"tier": 24, "verify": -1}}, "E016"),
        ({"CLAUDELENS_FROZEN_URL": "https://bucket.example.org"}, "E017"),
        ({"CLAUDELENS_LOG_FORMAT": "xml"}, "E010"),
        ({"ALLOWED_HOSTS": ["lens.example.org"]}, "W011"),
    ],
)
def test_a_misconfiguration_has_its_id(settings, changed, found):
    for name, value in changed.items():
        setattr(settings, name, value)
    assert ids() == {f"claudelens.{found}"}


def test_a_key_that_others_may_read_is_warned_of(settings, tmp_path):
    settings.CLAUDELENS_DATA_DIR = tmp_path
    (tmp_path / "secret_key").touch(mode=0o644)
    (tmp_path / "secret_key").chmod(0o644)
    assert ids() == {"claudelens.W003"}


def test_values_of_the_wrong_kind_are_told_and_leave_the_default(settings, monkeypatch):
    monkeypatch.setenv("PORT", "abc")
    monkeypatch.setenv("DEBUG", "perhaps")
    env = ToldEnv()
    assert (env.int("PORT", 8000), env.bool("DEBUG", False)) == (8000, False)
    settings.CLAUDELENS_UNREADABLE = env.unreadable
    found = list(checks.readable())
    assert [one.id for one in found] == ["claudelens.E011"] * 2
    assert "PORT is not a whole number" in found[0].msg


@pytest.mark.parametrize(("text", "value"), [("True", True), ("off", False), ("", False), ("1", True)])
def test_yes_and_no_are_read(monkeypatch, text, value):
    monkeypatch.setenv("DEBUG", text)
    env = ToldEnv()
    assert env.bool("DEBUG", False) is value
    assert not env.unreadable


def test_every_finding_has_a_hint(settings):
    settings.SECRET_KEY, settings.MONGODB_URL, settings.CLAUDELENS_BATCH_DOCS = "x", "y", 0
    assert all(finding.hint for check in checks.CHECKS for finding in check())


def test_a_running_replica_set_and_broker_are_fine(servers, db):
    assert not [one for one in run_checks(databases=["default"]) if str(one.id).startswith("claudelens")]


def test_servers_that_do_not_answer_are_told(settings, monkeypatch, db):
    monkeypatch.setattr(checks, "SERVER_SECONDS", 0.5)
    settings.MONGODB_URL = f"mongodb://127.0.0.1:{free_port()}/"
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    found = {one.id for one in run_checks(databases=["default"])}
    assert {"claudelens.E012", "claudelens.E014"} <= found


def test_a_mongod_alone_is_told(settings, tmp_path):
    """Started as people start it first: without --replSet."""
    from claudelens_site import binaries
    from tests.waiting import until

    port = free_port()
    program = binaries.find("mongodb", tmp_path)
    alone = subprocess.Popen([program, "--port", str(port), "--dbpath", str(tmp_path), "--nounixsocket", "--bind_ip", "127.0.0.1", "--wiredTigerCacheSizeGB", "0.25"], stdout=subprocess.DEVNULL)
    try:
        settings.MONGODB_URL = f"mongodb://127.0.0.1:{port}/"
        until(lambda: {"claudelens.E013"} & {one.id for one in checks.mongodb_takes_transactions(None)}, 20)
    finally:
        alone.terminate()
        alone.wait(20)


def test_bad_settings_stop_a_command_with_a_message_and_no_traceback(tmp_path):
    env = {"PATH": os.environ["PATH"], "CLAUDELENS_DATA_DIR": str(tmp_path), "CLAUDELENS_PRICE_OVERRIDES": "{oops"}
    for command in (["manage.py", "check"], ["-m", "claudelens_site.server", "--port", str(free_port())]):
        ended = subprocess.run([sys.executable, *command], cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)
        assert ended.returncode == 1
        assert "claudelens.E008" in ended.stderr
        assert "HINT" in ended.stderr
        assert "Traceback" not in ended.stderr


def test_price_overrides_are_read_from_the_environment(tmp_path):
    env = {"PATH": os.environ["PATH"], "CLAUDELENS_DATA_DIR": str(tmp_path), "CLAUDELENS_PRICE_OVERRIDES": json.dumps({"claude-x": {"input": 1, "output": 2}})}
    ended = subprocess.run([sys.executable, "manage.py", "check"], cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
