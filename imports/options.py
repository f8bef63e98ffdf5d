"""How an import is to be done: its options, checked and whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.conf import settings

from archive.conflicts import KEEP_BOTH, STRATEGIES
from archive.errors import BadInput
from imports.formats import Choice, get_format

KEEP_GOOD, ALL_OR_NOTHING = "keep-good", "all-or-nothing"
MODES = (KEEP_GOOD, ALL_OR_NOTHING)


def _format(value: Any) -> str:
    if not isinstance(value, str):
        raise _bad("format", value, "Give the name of a format, or leave it out.")
    return get_format(value).name if value else ""


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise _bad("mapping", value, "Give an object: the field of a message, and the column that holds it.")
    return dict(value)


def _conflict(value: Any) -> str:
    return _one_of("conflict", value, STRATEGIES)


def _mode(value: Any) -> str:
    return _one_of("mode", value, MODES)


def _reject_percent(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
        hint = "Give a number from 0 to 100: how many percent of the records may be rejected."
        raise _bad("reject_percent", value, hint)
    return value


def _max_errors(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise _bad("max_errors", value, "Give a whole number: how many records may be rejected.")
    return value


def _dry_run(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _bad("dry_run", value, "Give true or false.")
    return value


def _one_of(name: str, value: Any, known: tuple[str, ...]) -> str:
    if not isinstance(value, str) or value not in known:
        raise _bad(name, value, f"It takes: {', '.join(known)}.")
    return value


def _bad(name: str, value: Any, hint: str) -> BadInput:
    return BadInput(f"The option {name} is {value!r:.100}.", hint=hint, code="bad_option")


CHECKS: dict[str, Callable[[Any], Any]] = {
    "format": _format,
    "mapping": _mapping,
    "conflict": _conflict,
    "mode": _mode,
    "reject_percent": _reject_percent,
    "max_errors": _max_errors,
    "dry_run": _dry_run,
}
USER_OPTIONS = tuple(CHECKS)


def defaults() -> dict[str, Any]:
    """What holds where nothing is said."""
    return {
        "format": "",
        "mapping": {},
        "conflict": KEEP_BOTH,
        "mode": KEEP_GOOD,
        "reject_percent": settings.CLAUDELENS_REJECT_LIMIT_PERCENT,
        "max_errors": settings.CLAUDELENS_MAX_REJECTED,
        "dry_run": False,
    }


def check_options(given: Mapping[str, Any]) -> dict[str, Any]:
    """The options of an import, whole: what was given, else the site's settings.

    ``format`` and ``mapping`` say how the files are to be read (else their content does), ``conflict`` what
    becomes of a message whose session and uuid are taken. ``mode`` keep-good stores what is good until more
    than ``max_errors`` records, or (from a thousand on) ``reject_percent`` of them, were rejected;
    all-or-nothing undoes the import at the first. ``dry_run`` counts, and changes nothing.

    :raises BadInput: an option that there is not, or a value that it does not take
    """
    unknown = sorted(set(given) - set(CHECKS))
    if unknown:
        raise BadInput(
            f"There is no import option “{unknown[0]}”.",
            hint=f"Options are: {', '.join(USER_OPTIONS)}.",
            code="unknown_option",
        )
    return defaults() | {name: CHECKS[name](value) for name, value in given.items()}


def choice_of(options: Mapping[str, Any]) -> Choice:
    """How the files are to be read, by these checked options. (Jobs of earlier versions have fewer.)"""
    return Choice(options.get("format", ""), options.get("mapping", {}))
