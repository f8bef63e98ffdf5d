"""Queries are counted in every process by the setting, and a command writes its figures before its servers may stop."""

import subprocess
import sys

from archive import connection, query_listener, query_stats
from claudelens_site import embedded
from claudelens_site.preparation import CommandServers
from tests import run

ASK = """
import django
django.setup()
from archive import connection
from archive.query_listener import QueryListener
connection.client()
listener = connection._connection.listener
print(listener and listener._sample)
"""


def test_a_command_writes_what_it_has_counted_before_it_lets_go_of_the_servers(archive_db, servers, tmp_path):
    connection.close()
    query_listener.configure(1.0)
    try:
        connection.database().messages_current.find_one({"uuid": "x"})
        stopped = CommandServers(embedded.Servers(tmp_path, servers.mongodb_url, servers.redis_url)).stop()
    finally:
        query_listener.configure(0)
        connection.close()
        connection.configure(servers.mongodb_url, run.DATABASE)
    assert stopped == []
    assert [each.shape.key for each in query_stats.find_shapes(1)] == ["messages find =(uuid)"]


def test_the_setting_decides_how_many_are_counted(servers, tmp_path):
    def sample(percent):
        given = {"PATH": "", "CLAUDELENS_DATA_DIR": str(tmp_path), "MONGODB_URL": servers.mongodb_url, "REDIS_URL": servers.redis_url}
        env = {**given, "CLAUDELENS_QUERY_SAMPLE_PERCENT": percent, "DJANGO_SETTINGS_MODULE": "claudelens_site.settings", "PYTHONPATH": "."}
        return subprocess.run([sys.executable, "-c", ASK], env=env, capture_output=True, text=True, check=True).stdout.strip()

    assert sample("25") == "0.25"
    assert sample("0") == "None"
