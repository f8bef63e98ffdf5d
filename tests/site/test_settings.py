"""The settings hold what the stack needs, and the secret key is made once and kept private."""

import stat
import threading

from django.conf import settings
from django.db import connection

from claudelens_site.celery import app
from claudelens_site.secrets_file import secret_key_in


def test_the_secret_key_is_made_once_and_only_its_owner_reads_it(tmp_path):
    key = secret_key_in(tmp_path / "data")
    assert len(key) >= 50
    assert secret_key_in(tmp_path / "data") == key
    assert stat.S_IMODE((tmp_path / "data/secret_key").stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["secret_key"]


def test_first_starts_at_the_same_time_agree_on_one_key(tmp_path):
    keys = []
    threads = [threading.Thread(target=lambda: keys.append(secret_key_in(tmp_path))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 8
    assert len(set(keys) | {secret_key_in(tmp_path)}) == 1


def test_a_folder_that_cannot_be_written_still_gives_a_key():
    assert len(secret_key_in(settings.BASE_DIR / "manage.py" / "inside-a-file")) >= 50


def test_sqlite_writes_ahead_and_begins_with_the_lock(db):
    with connection.cursor() as cursor:
        assert cursor.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    options = settings.DATABASES["default"]["OPTIONS"]
    assert options["transaction_mode"] == "IMMEDIATE"
    assert options["timeout"] == 20


def test_work_is_acknowledged_early_and_nothing_is_fetched_ahead():
    assert app.conf.task_acks_late is False
    assert app.conf.task_ignore_result is True
    assert app.conf.worker_disable_prefetch is True
    assert app.conf.worker_soft_shutdown_timeout > 0
    assert app.conf.timezone == "UTC"


def test_every_scheduled_task_exists():
    app.loader.import_default_modules()
    scheduled = {entry["task"] for entry in app.conf.beat_schedule.values()}
    assert scheduled <= set(app.tasks)
    assert "jobs.tasks.reap" in scheduled


def test_idle_sockets_of_the_channel_layer_are_not_cut():
    host = settings.CHANNEL_LAYERS["default"]["CONFIG"]["hosts"][0]
    assert host["socket_timeout"] is None
    assert host["health_check_interval"] == 25
