"""System checks: each misconfiguration has an id, a sentence that says what is wrong, and a hint.

They run before every command and before the web server and the worker start. Those that ask a
server over the network run with ``manage.py check --database default``.
"""

import ipaddress
import os
import stat
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register

from archive import costs, replica_set
from archive.errors import ArchiveError

Findings = Iterable[CheckMessage]
SHORTEST_KEY = 50
SERVER_SECONDS = 3.0
COUNTS = (
    "CLAUDELENS_UPLOAD_MAX_BYTES",
    "CLAUDELENS_UPLOAD_PART_BYTES",
    "CLAUDELENS_MULTIPART_MAX_BYTES",
    "CLAUDELENS_UPLOAD_EXPIRY_HOURS",
    "CLAUDELENS_UPLOAD_QUOTA_BYTES",
    "CLAUDELENS_MAX_RECORD_BYTES",
    "CLAUDELENS_BATCH_DOCS",
    "CLAUDELENS_JOB_LEASE_SECONDS",
    "CLAUDELENS_JOB_HEARTBEAT_SECONDS",
    "CLAUDELENS_JOB_MAX_ATTEMPTS",
    "CLAUDELENS_REAPER_SECONDS",
    "CLAUDELENS_SCHEDULES_SECONDS",
    "CLAUDELENS_MAIL_SECONDS",
    "CLAUDELENS_ARTIFACT_DAYS",
    "CLAUDELENS_EXPORT_PROCESSES",
    "CLAUDELENS_ARTIFACT_QUOTA_BYTES",
    "CLAUDELENS_LIVE_STREAMS",
    "CLAUDELENS_LINK_HOURS",
    "CLAUDELENS_LINK_MAX_HOURS",
    "CLAUDELENS_DOWNLOAD_LOG_DAYS",
    "CLAUDELENS_MONGODB_POOL_MAX",
)
NO_LIMIT_BY_ZERO = (
    "CLAUDELENS_UPLOADS_PER_HOUR",
    "CLAUDELENS_IMPORTS_PER_HOUR",
    "CLAUDELENS_ACTIVE_IMPORTS",
    "CLAUDELENS_ACTIVE_EXPORTS",
    "CLAUDELENS_EXPORTS_PER_DAY",
    "CLAUDELENS_LIVE_STREAMS_PER_USER",
    "CLAUDELENS_WRONG_LINKS_PER_MINUTE",
    "CLAUDELENS_API_PER_MINUTE",
    "CLAUDELENS_NOTIFY_AFTER_SECONDS",
    "CLAUDELENS_MONGODB_POOL_MIN",
)
PERCENTAGES = (
    "CLAUDELENS_REJECT_LIMIT_PERCENT",
    "CLAUDELENS_DISK_FULL_PERCENT",
    "CLAUDELENS_DISK_PAUSE_PERCENT",
    "CLAUDELENS_QUERY_SAMPLE_PERCENT",
)
BSON_BYTES = 16 * 1024**2


def readable() -> Findings:
    """E011: a value of the wrong kind leaves its setting at the default, which nobody asked for."""
    for name, kind in settings.CLAUDELENS_UNREADABLE:
        yield Error(
            f"{name} is not {kind}.",
            hint=f"Correct {name} in the environment or the .env file, or leave it out for the default.",
            id="claudelens.E011",
        )


def data_folder() -> Findings:
    """E001: everything that is kept on this machine lies in the data folder."""
    folder = settings.CLAUDELENS_DATA_DIR
    if not _is_writable(folder):
        yield Error(
            f"The data folder {folder} cannot be written.",
            hint="Set CLAUDELENS_DATA_DIR to a folder that this user may write.",
            id="claudelens.E001",
        )


def debug() -> Findings:
    """E002: the debug pages show settings and code to whoever causes an error."""
    foreign = [host for host in settings.ALLOWED_HOSTS if not _is_local(host)]
    if settings.DEBUG and foreign:
        yield Error(
            f"DEBUG is on while the site answers to {', '.join(foreign)}.",
            hint="Set DEBUG=False, or ALLOWED_HOSTS to local names only.",
            id="claudelens.E002",
        )


def secret_key() -> Findings:
    """E003: sessions and password links are only as good as the key. W003: nor may others read it."""
    key = settings.SECRET_KEY
    if len(key) < SHORTEST_KEY or len(set(key)) < 5 or key.startswith("django-insecure"):
        yield Error(
            "SECRET_KEY is too short or too plain.",
            hint="Leave it unset (one is made in the data folder), or set one made with: "
            "python -c 'import secrets; print(secrets.token_urlsafe(50))'",
            id="claudelens.E003",
        )
    kept = settings.CLAUDELENS_DATA_DIR / "secret_key"
    if kept.exists() and stat.S_IMODE(kept.stat().st_mode) & 0o077:
        yield checks.Warning(f"Others may read {kept}.", hint=f"Run: chmod 600 {kept}", id="claudelens.W003")


def urls() -> Findings:
    """E004, E005: what cannot be an address will never answer."""
    forms = (
        ("MONGODB_URL", {"mongodb", "mongodb+srv"}, "mongodb://host:27017/?replicaSet=rs0", "E004"),
        ("REDIS_URL", {"redis", "rediss", "unix"}, "redis://host:6379/0", "E005"),
    )
    for name, schemes, example, number in forms:
        parts = urlsplit(getattr(settings, name))
        if parts.scheme not in schemes or not (parts.netloc or parts.scheme == "unix"):
            yield Error(
                f"{name} is not an address of the form {example}.",
                hint=f"Set {name}, or unset it to use the embedded server.",
                id=f"claudelens.{number}",
            )


def counts() -> Findings:
    """E006: sizes, times and limits are whole numbers above zero, or zero where that means something."""
    least = dict.fromkeys(COUNTS, 1) | dict.fromkeys(NO_LIMIT_BY_ZERO, 0)
    for name, number in least.items():
        if getattr(settings, name) < number:
            yield Error(
                f"{name} is {getattr(settings, name)}; it has to be at least {number}.",
                hint=f"Set {name} to a positive number, or unset it.",
                id="claudelens.E006",
            )


def relations() -> Findings:
    """E007: limits that contradict each other."""
    if settings.CLAUDELENS_JOB_HEARTBEAT_SECONDS * 2 > settings.CLAUDELENS_JOB_LEASE_SECONDS:
        yield Error(
            "CLAUDELENS_JOB_LEASE_SECONDS is less than two heartbeats: "
            "a job would be taken from a worker that is alive.",
            hint="Set CLAUDELENS_JOB_HEARTBEAT_SECONDS to a sixth of the lease.",
            id="claudelens.E007",
        )
    if settings.CLAUDELENS_MAX_RECORD_BYTES >= BSON_BYTES:
        yield Error(
            "CLAUDELENS_MAX_RECORD_BYTES leaves no room in a 16 MiB document.",
            hint="Set it to 15728640 (15 MiB) or less.",
            id="claudelens.E007",
        )
    if max(1, settings.CLAUDELENS_MONGODB_POOL_MAX) < settings.CLAUDELENS_MONGODB_POOL_MIN:
        yield Error(
            "CLAUDELENS_MONGODB_POOL_MIN is larger than CLAUDELENS_MONGODB_POOL_MAX.",
            hint="Set the smaller number of connections as the minimum.",
            id="claudelens.E007",
        )
    if settings.CLAUDELENS_ARTIFACT_MAX_DAYS < settings.CLAUDELENS_ARTIFACT_DAYS:
        yield Error(
            "CLAUDELENS_ARTIFACT_MAX_DAYS is smaller than CLAUDELENS_ARTIFACT_DAYS.",
            hint="Nothing can be kept longer than the longest time: set the larger number there.",
            id="claudelens.E007",
        )
    for name in PERCENTAGES:
        if not 0 <= getattr(settings, name) <= 100:
            yield Error(
                f"{name} is no percentage.", hint="Set it to a number from 0 to 100.", id="claudelens.E007"
            )


def prices() -> Findings:
    """E008: a price that cannot be read would make every cost wrong."""
    overrides = settings.CLAUDELENS_PRICE_OVERRIDES
    try:
        if not isinstance(overrides, dict):
            raise TypeError(str(overrides))
        costs.configure(overrides)
    except (ValueError, ArithmeticError, TypeError, AttributeError) as error:
        yield Error(
            f"CLAUDELENS_PRICE_OVERRIDES cannot be used: {error}",
            hint='Its form is {"claude-x": {"input": 3, "output": 15}}, in USD per million tokens.',
            id="claudelens.E008",
        )


def origins() -> Findings:
    """E009, W009: sign-in forms are refused from an origin that is not listed with its scheme."""
    for origin in settings.CSRF_TRUSTED_ORIGINS:
        if not origin.startswith(("http://", "https://")):
            yield Error(
                f"CSRF_TRUSTED_ORIGINS holds {origin!r}, which has no scheme.",
                hint=f"Write https://{origin}",
                id="claudelens.E009",
            )
    if settings.CLAUDELENS_BEHIND_HTTPS and not settings.CSRF_TRUSTED_ORIGINS:
        yield checks.Warning(
            "CLAUDELENS_BEHIND_HTTPS is on, but CSRF_TRUSTED_ORIGINS is empty.",
            hint="Set CSRF_TRUSTED_ORIGINS to https:// and your host name.",
            id="claudelens.W009",
        )


def e_mail() -> Findings:
    """E015: links in e-mails need a whole address. W015: without one they have none."""
    address = settings.CLAUDELENS_PUBLIC_URL
    parts = urlsplit(address)
    if address and (parts.scheme not in {"http", "https"} or not parts.netloc):
        yield Error(
            f"CLAUDELENS_PUBLIC_URL is {address!r}, which is no address of a site.",
            hint="Set it to the site's address as people see it, like https://claudelens.example.org",
            id="claudelens.E015",
        )
    if settings.CLAUDELENS_EMAIL_URL and not address:
        yield checks.Warning(
            "E-mails about jobs will have no link: CLAUDELENS_PUBLIC_URL is empty.",
            hint="Set CLAUDELENS_PUBLIC_URL to the site's address as people see it.",
            id="claudelens.W015",
        )


def log_format() -> Findings:
    """E010: without a format nothing is logged."""
    formats: dict[str, Any] = settings.LOGGING["formatters"]
    if settings.CLAUDELENS_LOG_FORMAT not in formats:
        yield Error(
            f"CLAUDELENS_LOG_FORMAT is {settings.CLAUDELENS_LOG_FORMAT!r}.",
            hint=f"Set it to one of: {', '.join(formats)}.",
            id="claudelens.E010",
        )


def https() -> Findings:
    """W011: passwords and transcripts in the open."""
    foreign = [host for host in settings.ALLOWED_HOSTS if not _is_local(host)]
    if foreign and not settings.CLAUDELENS_BEHIND_HTTPS:
        yield checks.Warning(
            f"The site answers to {', '.join(foreign)} without HTTPS.",
            hint="Put it behind a proxy with a certificate and set CLAUDELENS_BEHIND_HTTPS=True.",
            id="claudelens.W011",
        )


def maintenance() -> Findings:
    """E016: no bell rings at the 25th hour. E017: what is no bucket keeps nothing."""
    for step, hour in settings.CLAUDELENS_MAINTENANCE_HOURS.items():
        if hour > 23:
            yield Error(
                f"CLAUDELENS_{step.upper()}_HOUR is {hour}, which is no hour of a day.",
                hint="Set it to a number from 0 to 23, or to -1 for never.",
                id="claudelens.E016",
            )
    url = urlsplit(settings.CLAUDELENS_FROZEN_URL)
    if settings.CLAUDELENS_FROZEN_URL and (url.scheme != "s3" or not url.netloc):
        yield Error(
            "CLAUDELENS_FROZEN_URL is no address of a bucket.",
            hint="Give one such as s3://bucket/folder, or leave it out to use a folder of this server.",
            id="claudelens.E017",
        )


CHECKS: tuple[Callable[[], Findings], ...] = (
    readable,
    data_folder,
    debug,
    secret_key,
    urls,
    counts,
    relations,
    prices,
    origins,
    e_mail,
    log_format,
    maintenance,
    https,
)


@register()
def settings_make_sense(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """All checks that need no server."""
    return list(chain.from_iterable(check() for check in CHECKS))


@register(Tags.database)
def mongodb_takes_transactions(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """E012: MongoDB answers. E013: it is a replica set, without which there are no transactions."""
    if not os.environ.get("MONGODB_URL"):
        return []  # the embedded one starts when a command needs it
    try:
        takes_them = replica_set.is_replica_set(settings.MONGODB_URL, timeout_seconds=SERVER_SECONDS)
    except ArchiveError as error:
        hint = "Start it (manage.py services start), or set MONGODB_URL."
        return [Error(error.message, hint=hint, id="claudelens.E012")]
    if takes_them:
        return []
    return [
        Error(
            "MongoDB runs alone, not as a replica set: it has no transactions.",
            hint="Start mongod with --replSet rs0 and run rs.initiate() in mongosh once.",
            id="claudelens.E013",
        )
    ]


@register(Tags.database)
def broker_answers(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """E014: without the broker no worker hears of a job. W014: one that forgets loses time."""
    if not os.environ.get("REDIS_URL"):
        return []  # the embedded one starts when a command needs it
    from redis import Redis, RedisError

    try:
        with Redis.from_url(settings.REDIS_URL, socket_connect_timeout=SERVER_SECONDS) as client:
            policy = client.info("memory").get("maxmemory_policy")
    except (RedisError, ValueError) as error:
        hint = "Start it (manage.py services start), or set REDIS_URL."
        message = f"The broker does not answer: {error}"
        return [Error(message, hint=hint, id="claudelens.E014")]
    if policy == "noeviction":
        return []
    return [
        checks.Warning(
            f"The broker may throw away queued work (maxmemory-policy is {policy}).",
            hint="Set maxmemory-policy noeviction.",
            id="claudelens.W014",
        )
    ]


def _is_writable(folder: Path) -> bool:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)


def _is_local(host: str) -> bool:
    name = host.strip("[]")
    if name in {"localhost", "testserver"} or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
