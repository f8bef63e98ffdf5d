"""Every setting of ClaudeLens. Each one can be given by the environment or a ``.env`` file.

Nothing here connects to a server: commands like ``check`` work with all of them down.
"""

import json
import os
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Any

import django_stubs_ext
from csp.constants import NONE, SELF
from environ import Env

from claudelens_site import beat, dotenv, embedded, logs
from claudelens_site.environment import ToldEnv
from claudelens_site.secrets_file import secret_key_in

# Lets classes like ModelAdmin[Artifact] say at run time, too, what they are about.
django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent
CLAUDELENS_VERSION: str = tomllib.loads((BASE_DIR / "pyproject.toml").read_text())["project"]["version"]
env = ToldEnv()
dotenv.load()

# --- the server -------------------------------------------------------------------------------
CLAUDELENS_DATA_DIR = Path(env.str("CLAUDELENS_DATA_DIR", str(BASE_DIR / "var"))).absolute()
DEBUG = env.bool("DEBUG", False)
ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", default=[])
PORT = env.int("PORT", 8000)
SECRET_KEY = env.str("SECRET_KEY", "") or secret_key_in(CLAUDELENS_DATA_DIR)
CLAUDELENS_ADMIN_USER = env.str("CLAUDELENS_ADMIN_USER", "admin")
CLAUDELENS_ADMIN_PASSWORD = env.str("CLAUDELENS_ADMIN_PASSWORD", "")

# --- the archive and its servers --------------------------------------------------------------
_servers = embedded.known_urls(CLAUDELENS_DATA_DIR)
MONGODB_URL = env.str("MONGODB_URL", "") or _servers.mongodb_url
MONGODB_DATABASE = env.str("MONGODB_DATABASE", "claudelens")
CLAUDELENS_MONGODB_POOL_MIN = env.int("CLAUDELENS_MONGODB_POOL_MIN", 0)
CLAUDELENS_MONGODB_POOL_MAX = env.int("CLAUDELENS_MONGODB_POOL_MAX", 50)
# How many of a hundred quick queries are counted; 0 switches counting off, of slow ones too.
CLAUDELENS_QUERY_SAMPLE_PERCENT = env.int("CLAUDELENS_QUERY_SAMPLE_PERCENT", 10)
REDIS_URL = env.str("REDIS_URL", "") or _servers.redis_url
DATABASES = {
    "default": Env.db_url_config(
        env.str("DATABASE_URL", f"sqlite:///{CLAUDELENS_DATA_DIR / 'claudelens.sqlite3'}")
    )
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
else:
    # Under ASGI a thread, not a request, owns a connection: keeping them open exhausts PostgreSQL.
    DATABASES["default"]["CONN_MAX_AGE"] = 0

# --- files, uploads, jobs ---------------------------------------------------------------------
CLAUDELENS_UPLOAD_DIR = CLAUDELENS_DATA_DIR / "uploads"
CLAUDELENS_ARTIFACT_DIR = CLAUDELENS_DATA_DIR / "artifacts"
CLAUDELENS_UPLOAD_MAX_BYTES = env.int("CLAUDELENS_UPLOAD_MAX_BYTES", 10 * 1024**3)
CLAUDELENS_UPLOAD_QUOTA_BYTES = env.int("CLAUDELENS_UPLOAD_QUOTA_BYTES", 50 * 1024**3)
CLAUDELENS_UPLOAD_PART_BYTES = env.int("CLAUDELENS_UPLOAD_PART_BYTES", 8 * 1024**2)
CLAUDELENS_MULTIPART_MAX_BYTES = env.int("CLAUDELENS_MULTIPART_MAX_BYTES", 16 * 1024**2)
CLAUDELENS_UPLOAD_EXPIRY_HOURS = env.int("CLAUDELENS_UPLOAD_EXPIRY_HOURS", 24)
CLAUDELENS_UPLOADS_PER_HOUR = env.int("CLAUDELENS_UPLOADS_PER_HOUR", 20_000)
CLAUDELENS_IMPORTS_PER_HOUR = env.int("CLAUDELENS_IMPORTS_PER_HOUR", 600)
CLAUDELENS_ACTIVE_IMPORTS = env.int("CLAUDELENS_ACTIVE_IMPORTS", 100)
CLAUDELENS_API_PER_MINUTE = env.int("CLAUDELENS_API_PER_MINUTE", 6000)
CLAUDELENS_DISK_FULL_PERCENT = env.int("CLAUDELENS_DISK_FULL_PERCENT", 95)
CLAUDELENS_DISK_PAUSE_PERCENT = env.int("CLAUDELENS_DISK_PAUSE_PERCENT", 90)
CLAUDELENS_MAX_RECORD_BYTES = env.int("CLAUDELENS_MAX_RECORD_BYTES", 15 * 1024**2)
CLAUDELENS_BATCH_DOCS = env.int("CLAUDELENS_BATCH_DOCS", 1000)
CLAUDELENS_REJECT_LIMIT_PERCENT = env.int("CLAUDELENS_REJECT_LIMIT_PERCENT", 10)
CLAUDELENS_MAX_REJECTED = env.int("CLAUDELENS_MAX_REJECTED", 100_000)
CLAUDELENS_JOB_LEASE_SECONDS = env.int("CLAUDELENS_JOB_LEASE_SECONDS", 60)
CLAUDELENS_JOB_HEARTBEAT_SECONDS = env.int("CLAUDELENS_JOB_HEARTBEAT_SECONDS", 10)
CLAUDELENS_JOB_MAX_ATTEMPTS = env.int("CLAUDELENS_JOB_MAX_ATTEMPTS", 3)
CLAUDELENS_REAPER_SECONDS = env.int("CLAUDELENS_REAPER_SECONDS", 30)
CLAUDELENS_SCHEDULES_SECONDS = env.int("CLAUDELENS_SCHEDULES_SECONDS", 60)
CLAUDELENS_MAIL_SECONDS = env.int("CLAUDELENS_MAIL_SECONDS", 30)
CLAUDELENS_ARTIFACT_DAYS = env.int("CLAUDELENS_ARTIFACT_DAYS", 14)
CLAUDELENS_ARTIFACT_MAX_DAYS = env.int("CLAUDELENS_ARTIFACT_MAX_DAYS", 90)
CLAUDELENS_ARTIFACT_QUOTA_BYTES = env.int("CLAUDELENS_ARTIFACT_QUOTA_BYTES", 50 * 1024**3)
CLAUDELENS_ACTIVE_EXPORTS = env.int("CLAUDELENS_ACTIVE_EXPORTS", 20)
CLAUDELENS_EXPORTS_PER_DAY = env.int("CLAUDELENS_EXPORTS_PER_DAY", 500)
CLAUDELENS_EXPORT_PROCESSES = env.int("CLAUDELENS_EXPORT_PROCESSES", min(2, os.cpu_count() or 1))
CLAUDELENS_LIVE_STREAMS = env.int("CLAUDELENS_LIVE_STREAMS", 8)
CLAUDELENS_LIVE_STREAMS_PER_USER = env.int("CLAUDELENS_LIVE_STREAMS_PER_USER", 3)
CLAUDELENS_LINK_HOURS = env.int("CLAUDELENS_LINK_HOURS", 72)
CLAUDELENS_LINK_MAX_HOURS = env.int("CLAUDELENS_LINK_MAX_HOURS", 720)
CLAUDELENS_WRONG_LINKS_PER_MINUTE = env.int("CLAUDELENS_WRONG_LINKS_PER_MINUTE", 30)
CLAUDELENS_DOWNLOAD_LOG_DAYS = env.int("CLAUDELENS_DOWNLOAD_LOG_DAYS", 365)
CLAUDELENS_ACCEL_REDIRECT = env.bool("CLAUDELENS_ACCEL_REDIRECT", False)
# What commands over the archive call first (jobs/commands.py must not know the site).
CLAUDELENS_ENSURE_SERVERS = "claudelens_site.preparation.ensure_ready"
try:
    CLAUDELENS_PRICE_OVERRIDES: Any = json.loads(env.str("CLAUDELENS_PRICE_OVERRIDES", "") or "{}")
except ValueError as _error:
    CLAUDELENS_PRICE_OVERRIDES = f"no JSON, {_error}"  # told by check E008
# Raw PATCH parts are the largest bodies that a view may read at once.
DATA_UPLOAD_MAX_MEMORY_SIZE = CLAUDELENS_UPLOAD_PART_BYTES + 1024**2

# --- maintenance ------------------------------------------------------------------------------
CLAUDELENS_FROZEN_DIR = Path(env.str("CLAUDELENS_FROZEN_DIR", str(CLAUDELENS_DATA_DIR / "frozen")))
CLAUDELENS_FROZEN_URL = env.str("CLAUDELENS_FROZEN_URL", "")
# "tiered", or "rolling": every message stays hot, in a partition for each month.
CLAUDELENS_LAYOUT = env.str("CLAUDELENS_LAYOUT", "tiered")
# The hour (UTC) at which each step is begun by itself; negative: never.
CLAUDELENS_MAINTENANCE_HOURS = {
    "measure": env.int("CLAUDELENS_MEASURE_HOUR", 0),
    "rotate": env.int("CLAUDELENS_ROTATE_HOUR", 0),
    "tier": env.int("CLAUDELENS_TIER_HOUR", 1),
    "analyse": env.int("CLAUDELENS_ANALYSE_HOUR", 4),
    "compact": env.int("CLAUDELENS_COMPACT_HOUR", 4),
    "verify": env.int("CLAUDELENS_VERIFY_HOUR", 5),
}

# --- notices and e-mail -----------------------------------------------------------------------
CLAUDELENS_PUBLIC_URL = env.str("CLAUDELENS_PUBLIC_URL", "").rstrip("/")
CLAUDELENS_NOTIFY_AFTER_SECONDS = env.int("CLAUDELENS_NOTIFY_AFTER_SECONDS", 60)
CLAUDELENS_NOTIFY_EMAIL = env.bool("CLAUDELENS_NOTIFY_EMAIL", True)
CLAUDELENS_EMAIL_URL = env.str("CLAUDELENS_EMAIL_URL", "")
CLAUDELENS_EMAIL_FROM = env.str("CLAUDELENS_EMAIL_FROM", "claudelens@localhost")
# Becomes EMAIL_BACKEND, EMAIL_HOST and the others; without an address Django writes mails to stderr.
vars().update(env.mail_server("CLAUDELENS_EMAIL_URL"))
EMAIL_TIMEOUT = 10

# --- Django -----------------------------------------------------------------------------------
INSTALLED_APPS = [
    "claudelens_site",  # daphne is no app: its runserver is ours, and twisted would cost each worker 17 MB
    "jobs",
    "imports",
    "exports",
    "maintenance",
    "browse",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "rest_framework",
    "knox",
    "channels",
    "django_celery_beat",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "csp",
    "django_prometheus",
    "django_structlog",
]
MIDDLEWARE = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]
ROOT_URLCONF = "claudelens_site.urls"
ASGI_APPLICATION = "claudelens_site.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "jobs.context.notices",
            ]
        },
    }
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "/accounts/login/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/accounts/login/"
LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False

# --- static files -----------------------------------------------------------------------------
STATIC_URL = "/static/"
STATIC_ROOT = Path(env.str("CLAUDELENS_STATIC_DIR", str(CLAUDELENS_DATA_DIR / "static")))
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}
# Served from the apps' own folders too, so that a first start needs no collectstatic.
WHITENOISE_USE_FINDERS = True

# --- security ---------------------------------------------------------------------------------
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        # 'self' covers ws:// and wss:// of the same host (CSP level 3); a bare "ws:" would let a
        # hostile transcript's script, should one ever run, send data anywhere.
        "connect-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "frame-ancestors": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF],
    }
}
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
CLAUDELENS_BEHIND_HTTPS = env.bool("CLAUDELENS_BEHIND_HTTPS", False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = CLAUDELENS_BEHIND_HTTPS
SESSION_COOKIE_NAME = "claudelens_session"
CSRF_COOKIE_NAME = "claudelens_csrf"
if CLAUDELENS_BEHIND_HTTPS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = 31_536_000
SILENCED_SYSTEM_CHECKS = ["security.W008"]  # nginx redirects to https, not Django

# --- API --------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "knox.auth.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAdminUser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["claudelens_site.parsers.ShallowJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_THROTTLE_CLASSES": ["claudelens_site.throttle.PerUserThrottle"],
    "EXCEPTION_HANDLER": "claudelens_site.problems.exception_handler",
    "DEFAULT_FILTER_BACKENDS": [],
}
REST_KNOX = {"TOKEN_TTL": timedelta(days=90), "AUTO_REFRESH": False}
SPECTACULAR_SETTINGS = {
    "TITLE": "ClaudeLens",
    "DESCRIPTION": "The archive of Claude conversations: files in, questions answered, bytes out.",
    "VERSION": "1",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SERVE_PERMISSIONS": ["rest_framework.permissions.IsAdminUser"],
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1/",
}

# --- cache ------------------------------------------------------------------------------------
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "claudelens",
        # Nobody waits in a request for a Redis that is down.
        "OPTIONS": {"socket_connect_timeout": 1, "socket_timeout": 1, "retry": None},
    }
}

# --- live progress (Channels) -----------------------------------------------------------------
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        "CONFIG": {
            # redis-py cuts idle sockets after 5 s unless told otherwise.
            "hosts": [
                {
                    "address": REDIS_URL,
                    "socket_timeout": None,
                    "socket_connect_timeout": 5,
                    "health_check_interval": 25,
                }
            ],
        },
    }
}

# --- background work (Celery) -----------------------------------------------------------------
CELERY_BROKER_URL = REDIS_URL
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# The job row is what counts: results are not kept, the message is acknowledged before the work
# starts, and jobs.runner.reap sends again whatever was lost.
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_DISABLE_PREFETCH = True
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 10.0
CELERY_WORKER_ENABLE_SOFT_SHUTDOWN_ON_IDLE = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_CREATE_MISSING_QUEUES = True
CELERY_TASK_ROUTES = {
    "imports.tasks.run_*": {"queue": "imports"},
    "exports.tasks.run_*": {"queue": "exports"},
    "maintenance.tasks.run_*": {"queue": "maintenance"},
}
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_BEAT_SCHEDULE = {
    "reap lost jobs": {
        "task": "jobs.tasks.reap",
        "schedule": timedelta(seconds=CLAUDELENS_REAPER_SECONDS),
        # A slot that nobody took in time is worthless: the next one does the same.
        "options": {"expires": max(CLAUDELENS_REAPER_SECONDS, 5)},
    },
    "delete expired artifacts": {
        "task": "exports.tasks.expire_artifacts",
        "schedule": timedelta(hours=1),
        "options": {"expires": 3600},
    },
    "check kept artifacts": {
        "task": "exports.tasks.check_artifacts",
        "schedule": timedelta(minutes=10),
        "options": {"expires": 600},
    },
    "make exports that are due": {
        "task": "exports.tasks.run_due_schedules",
        "schedule": timedelta(seconds=CLAUDELENS_SCHEDULES_SECONDS),
        # Not behind the exports themselves.
        "options": {"expires": max(CLAUDELENS_SCHEDULES_SECONDS, 5), "queue": "default"},
    },
    "delete expired uploads": {
        "task": "imports.tasks.expire_uploads",
        "schedule": timedelta(hours=1),
        "options": {"expires": 3600},
    },
    "send e-mails about jobs": {
        "task": "jobs.tasks.send_mail",
        "schedule": timedelta(seconds=CLAUDELENS_MAIL_SECONDS),
        "options": {"expires": max(CLAUDELENS_MAIL_SECONDS, 5)},
    },
    "delete old notices": {
        "task": "jobs.tasks.expire_notices",
        "schedule": timedelta(days=1),
        "options": {"expires": 3600},
    },
    "forget old idempotency keys": {
        "task": "jobs.tasks.expire_keys",
        "schedule": timedelta(hours=1),
        "options": {"expires": 3600},
    },
}
CELERY_BEAT_SCHEDULE |= beat.maintenance_schedule(CLAUDELENS_MAINTENANCE_HOURS)
DJANGO_STRUCTLOG_CELERY_ENABLED = True

# --- logs -------------------------------------------------------------------------------------
CLAUDELENS_LOG_LEVEL = env.str("CLAUDELENS_LOG_LEVEL", "INFO")
CLAUDELENS_LOG_FORMAT = env.str("CLAUDELENS_LOG_FORMAT", "console")
LOGGING = logs.configuration(CLAUDELENS_LOG_LEVEL, CLAUDELENS_LOG_FORMAT)

# Values that could not be read, for the system check that names them.
CLAUDELENS_UNREADABLE = env.unreadable
