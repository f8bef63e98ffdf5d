"""The embedded servers start, are shared, outlive nobody, and come back with their data."""

import os
import subprocess
import sys

import pytest
from pymongo import MongoClient
from redis import Redis

from claudelens_site import embedded


@pytest.fixture
def data_dir(tmp_path, monkeypatch):
    monkeypatch.delenv("MONGODB_URL")
    monkeypatch.delenv("REDIS_URL")
    monkeypatch.setenv("CLAUDELENS_MONGOD_CACHE_GB", "0.25")
    yield tmp_path / "data"
    embedded.keep(tmp_path / "data", running=False) if (tmp_path / "data").exists() else None
    embedded.stop_unused(tmp_path / "data")


def test_servers_start_take_transactions_and_keep_their_data(data_dir):
    first = embedded.ensure_running(data_dir)
    assert sorted(first.started) == ["mongodb", "redis"]
    with MongoClient(first.mongodb_url) as client, client.start_session() as unit:
        with unit.start_transaction():
            client.kept.things.insert_one({"_id": 1}, session=unit)
    Redis.from_url(first.redis_url).set("kept", "yes")
    assert sorted(first.stop()) == ["mongodb", "redis"]
    assert embedded.states(data_dir) == {}

    again = embedded.ensure_running(data_dir)
    assert (again.mongodb_url, again.redis_url) == (first.mongodb_url, first.redis_url)
    with MongoClient(again.mongodb_url) as client:
        assert client.kept.things.count_documents({}) == 1
    assert Redis.from_url(again.redis_url).get("kept") == b"yes"
    again.stop()


def test_a_server_whose_old_port_is_taken_moves_to_another(data_dir):
    first = embedded.ensure_running(data_dir)
    port = embedded.states(data_dir)["mongodb"].port
    first.stop()
    # A real server would answer something: one that stays silent makes mongod wait 30 s for it.
    code = f"import socket\ns = socket.create_server(('127.0.0.1', {port}))\nprint(flush=True)\nwhile True: s.accept()[0].close()"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as squatter:
        squatter.stdout.readline()
        moved = embedded.ensure_running(data_dir)
        assert moved.mongodb_url != first.mongodb_url
        with MongoClient(moved.mongodb_url) as client:
            client.kept.things.insert_one({"_id": 2})
        moved.stop()
        squatter.kill()


def test_the_last_user_stops_them_and_nobody_before(data_dir):
    one = embedded.ensure_running(data_dir)
    other = embedded.ensure_running(data_dir)
    assert other.started == []
    assert one.stop() == []
    assert sorted(embedded.states(data_dir)) == ["mongodb", "redis"]
    assert sorted(other.stop()) == ["mongodb", "redis"]


def test_servers_asked_to_stay_outlive_their_users(data_dir):
    servers = embedded.ensure_running(data_dir)
    embedded.keep(data_dir, running=True)
    assert servers.stop() == []
    embedded.keep(data_dir, running=False)
    assert sorted(embedded.stop_unused(data_dir)) == ["mongodb", "redis"]


def test_urls_of_the_environment_win(data_dir, monkeypatch):
    monkeypatch.setenv("MONGODB_URL", "mongodb://elsewhere/")
    monkeypatch.setenv("REDIS_URL", "redis://elsewhere/")
    servers = embedded.ensure_running(data_dir)
    assert (servers.mongodb_url, servers.redis_url) == ("mongodb://elsewhere/", "redis://elsewhere/")
    assert servers.started == []


def test_a_server_that_cannot_start_says_why(data_dir, monkeypatch):
    monkeypatch.setenv("CLAUDELENS_MONGOD_CACHE_GB", "plenty")
    with pytest.raises(embedded.ServerStartError) as refusal:
        embedded.ensure_running(data_dir)
    assert "plenty" in str(refusal.value) or "mongodb" in str(refusal.value)
    assert "MONGODB_URL" in refusal.value.hint


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(embedded.ServerStartError, match="cannot be made"):
        embedded.ensure_running(tmp_path / "data")


@pytest.mark.parametrize(
    ("line", "needed"),
    [
        (["manage.py", "import_archive", "x"], True),
        (["manage.py", "import_archive", "--help"], False),
        (["manage.py", "runserver"], True),
        (["manage.py", "check"], False),
        (["manage.py", "migrate"], False),
        (["manage.py", "up"], False),
        (["manage.py"], False),
    ],
)
def test_only_commands_that_talk_to_the_archive_start_servers(line, needed, monkeypatch, tmp_path):
    command = tmp_path / "imports/management/commands/import_archive.py"
    command.parent.mkdir(parents=True)
    command.touch()
    monkeypatch.setattr(embedded, "ROOT", tmp_path)
    assert embedded.command_needs_servers(line) is needed
