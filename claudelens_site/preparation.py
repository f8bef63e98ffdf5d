"""What has to be true before the site can serve: tables, indexes, an administrator."""

import secrets
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection as sql

from archive import connection
from archive.indexes import ensure_indexes
from claudelens_site import embedded


class Admin(NamedTuple):
    """An administrator just made. ``password`` is to be shown once."""

    name: str
    password: str


class CommandServers:
    """The servers as a command has them. Before it lets go of them, it writes what it has counted of its own
    queries: they may be down the moment after."""

    def __init__(self, servers: embedded.Servers) -> None:
        self._servers = servers

    def stop(self) -> list[str]:
        """Stop using them; returns what was stopped."""
        connection.write_query_figures()
        return self._servers.stop()


def ensure_ready() -> CommandServers:
    """Have the servers up and their tables and indexes made. Idempotent; for any command.

    Tables are made by themselves only in the SQLite file of the data folder: a database of the
    operator's own is migrated when the operator says so (``manage.py prepare``).
    """
    servers = start_servers()
    if sql.vendor == "sqlite":
        migrate()
    ensure_indexes()
    return CommandServers(servers)


def start_servers() -> embedded.Servers:
    """Have the servers up, and this process's settings pointing at them."""
    servers = embedded.ensure_running(settings.CLAUDELENS_DATA_DIR)
    settings.MONGODB_URL = servers.mongodb_url
    settings.REDIS_URL = servers.redis_url
    connection.configure(servers.mongodb_url, settings.MONGODB_DATABASE)
    return servers


def prepare() -> None:
    """Make the tables, the collections with their indexes, and the folders. Idempotent."""
    for folder in (
        settings.CLAUDELENS_UPLOAD_DIR,
        settings.CLAUDELENS_ARTIFACT_DIR,
        settings.STATIC_ROOT,
    ):
        folder.mkdir(parents=True, exist_ok=True)
    migrate()
    ensure_indexes()


def migrate() -> None:
    """Bring the SQL tables up to date, saying nothing."""
    call_command("migrate", verbosity=0, interactive=False)


def make_first_admin() -> Admin | None:
    """Make the administrator that the settings name, unless there is one already.

    Without CLAUDELENS_ADMIN_PASSWORD the password is random.
    """
    users: Any = get_user_model()._default_manager
    if users.filter(is_superuser=True).exists():
        return None
    password = settings.CLAUDELENS_ADMIN_PASSWORD or secrets.token_urlsafe(12)
    users.create_superuser(settings.CLAUDELENS_ADMIN_USER, password=password)
    return Admin(settings.CLAUDELENS_ADMIN_USER, password)
