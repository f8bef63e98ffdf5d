"""How the log is written, and what it says: all but what would let its reader in."""

import re
from collections.abc import MutableMapping
from typing import Any

import structlog

LINK = re.compile(r"(/exports/links/)[^/?\s]+")
"""A link's address is a key to its file: whoever reads logs is not to have it."""

SHARED: list[structlog.typing.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
"""For every line, whether it comes through structlog or through ``logging``."""


def hide_links(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A processor of structlog: leave the signed part out of the address of every link."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = LINK.sub(r"\1…", value)
    return event


def configuration(level: str, form: str) -> dict[str, Any]:
    """Set structlog up, and give Django's ``LOGGING``: lines on stderr, as ``form`` says: console or json."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *SHARED,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": _formatter(structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer()),
            "console": _formatter(structlog.dev.ConsoleRenderer(colors=False)),
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": form}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "django": {"handlers": [], "level": "INFO", "propagate": True},
            "django.server": {"handlers": [], "propagate": True},
            "daphne": {"level": "WARNING"},
            "pymongo": {"level": "WARNING"},
        },
    }


def _formatter(*last: structlog.typing.Processor) -> dict[str, Any]:
    return {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": SHARED,
        "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, hide_links, *last],
    }
