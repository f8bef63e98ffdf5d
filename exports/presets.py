"""The verbs of presets: exports that are made again. Saved as they were asked for, checked as exports are."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from archive import sessions
from archive.errors import BadInput, Conflict, NotFound
from exports.choices import read_truth
from exports.filters import BadFilter, read_text
from exports.models import ExportJob, Preset
from exports.services import Due, create_export, find_renderer, understand_choices, understand_filter
from jobs import notices
from jobs.wording import count_label

LONGEST_NAME = 100
LONGEST_ID = 18
FIELDS = ("name", "shared", "format", "filter", "choices")
"""What a preset is made of, in the words of the API."""
TIMES = {"since", "until", "period"}
INVISIBLE = {"Cc", "Cs", "Zl", "Zp"}
TURNING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Characters that turn the writing direction: a name that holds them can look like another."""


def visible_presets(user: Any) -> QuerySet[Preset]:
    """The presets that a user may use: their own and shared ones; a superuser all. Owners come with them."""
    found = Preset.objects.select_related("owner")
    return found if user.is_superuser else found.filter(Q(owner_id=user.pk) | Q(is_shared=True))


def may_use(user: Any, preset: Preset) -> bool:
    """Whether the preset is theirs or shared; a superuser may use every one."""
    return bool(user.is_superuser) or preset.owner_id == user.pk or preset.is_shared


def may_change(user: Any, preset: Preset) -> bool:
    """Its owner and superusers change, share and delete it."""
    return bool(user.is_superuser) or preset.owner_id == user.pk


def find_preset(user: Any, preset_id: object) -> Preset:
    """Raises NotFound when there is none of that id, or it is not for this user."""
    number = read_id(preset_id)
    found = visible_presets(user).filter(pk=number).first() if number else None
    if found is None:
        raise NotFound("There is no such preset, or it is not shared.", hint="Look at your list of presets.")
    return found


def read_id(value: object) -> int | None:
    """The number of a row that the database can hold; None for whatever else."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= LONGEST_ID:
        value = int(value)
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return value if is_number and 0 < value < 10**LONGEST_ID else None  # type: ignore[operator,return-value]


def find_preset_by_name(user: Any, name: str) -> Preset:
    """The user's own of that name, else the one shared one.

    Raises NotFound when there is none, BadInput when several people share one of that name.
    """
    named = list(visible_presets(user).filter(name=name))
    found = [preset for preset in named if preset.owner_id == user.pk] or named
    if not found:
        raise NotFound(f"There is no preset {name[:60]!r}.", hint="Look at the list of presets.")
    if len(found) > 1:
        owners = ", ".join(str(preset.owner) for preset in found)
        raise BadInput(
            f"Several people share a preset {name[:60]!r}: {owners}.",
            hint="Save one under a name of its own.",
        )
    return found[0]


def create_preset(owner: Any, asked: Mapping[str, object]) -> Preset:
    """Save what could be exported under a name. ``asked`` has the words of ``FIELDS``.

    Raises BadFilter (or another BadInput) naming the field that is wrong: what is saved could be exported
    at that time. Raises Conflict when the owner has a preset of that name.
    """
    preset = Preset(owner=owner)
    _take_over(preset, {"name": "", "format": ""} | dict(asked))
    return _save(preset)


def change_preset(user: Any, preset: Preset, asked: Mapping[str, object]) -> Preset:
    """Change what is named; the rest stays. Content is checked again where any of it is named, so that
    one that is out of date can still be renamed. Raises as ``create_preset`` does, and PermissionDenied.
    """
    _refuse_others(user, preset)
    _take_over(preset, asked)
    return _save(preset)


def _take_over(preset: Preset, asked: Mapping[str, object]) -> None:
    for word in asked:
        if word not in FIELDS:
            raise BadFilter(str(word)[:60], "there is no such field.", hint=f"Fields: {', '.join(FIELDS)}.")
    if "name" in asked:
        preset.name = read_name("name", asked["name"])
    if "shared" in asked:
        preset.is_shared = read_truth("shared", asked["shared"])
    if {"format", "filter", "choices"} & set(asked):
        _take_over_content(preset, asked)


def _take_over_content(preset: Preset, asked: Mapping[str, object]) -> None:
    renderer = find_renderer(asked.get("format", preset.format))
    wanted = plain(_object("filter", asked.get("filter", preset.filter)))
    understand_filter(wanted)
    choices = understand_choices(renderer, _object("choices", asked.get("choices", preset.choices)))
    preset.format, preset.filter, preset.choices = renderer.name, wanted, choices.to_dict()


def _object(field: str, value: object) -> Mapping[str, object]:
    if not isinstance(value or {}, Mapping):
        raise BadFilter(field, "it is not an object.", hint="Send an object, such as {}.")
    return value or {}  # type: ignore[return-value]  # a Mapping, as was just checked


def plain(asked: Mapping[str, object]) -> dict[str, Any]:
    """What was asked for as JSON values, without what is empty; days and times as ISO texts."""
    told = {word: _plain_value(value) for word, value in asked.items()}
    return {str(word): value for word, value in told.items() if value not in (None, "", [])}


def _plain_value(value: object) -> object:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, (list, tuple)):
        return [_plain_value(each) for each in value]
    return value


def read_name(field: str, value: object) -> str:
    """A name that people can tell from others: one line of visible characters, blanks made one.

    >>> read_name("name", "  Nightly \\u00a0 backup ")
    'Nightly backup'
    """
    text = " ".join(read_text(field, value).split())
    hidden = any(unicodedata.category(char) in INVISIBLE or char in TURNING for char in text)
    if not text or len(text) > LONGEST_NAME or hidden:
        raise BadFilter(
            field,
            "it is empty, too long, or holds characters that cannot be seen.",
            hint=f"Give a name of 1 to {LONGEST_NAME} characters.",
        )
    return text


def _save(preset: Preset) -> Preset:
    try:
        with transaction.atomic():
            preset.save()
    except IntegrityError as twin:
        raise Conflict(
            f"There is a preset {preset.name!r} already.",
            hint="Choose another name, or change that one.",
            code="preset_name_taken",
        ) from twin
    return preset


def _refuse_others(user: Any, preset: Preset) -> None:
    if not may_change(user, preset):
        raise PermissionDenied(
            f"Only {preset.owner} may change this preset. Save it under a name of your own instead."
        )


def delete_preset(user: Any, preset: Preset) -> None:
    """Delete it, and other people's schedules that make it; they are told.

    Raises Conflict while its owner's own schedules make it, PermissionDenied for anybody else's.
    """
    _refuse_others(user, preset)
    with transaction.atomic():
        schedules = list(preset.schedules.select_related("owner"))
        own = sum(schedule.owner_id == preset.owner_id for schedule in schedules)
        if own:
            raise Conflict(
                f"{own} schedule{'s make' if own > 1 else ' makes'} this preset.",
                hint="Delete the schedules first.",
                code="preset_in_use",
            )
        for schedule in schedules:
            notices.tell(schedule.owner_id, _lost(schedule, preset, user))
        preset.delete()


def _lost(schedule: Any, preset: Preset, user: Any) -> notices.Told:
    return notices.Told(
        about=schedule.notice_id,
        number=0,
        kind="schedule",
        title=str(schedule),
        text=f"The schedule “{schedule}” is gone: {user} deleted the preset that it made.",
        parameters={"preset": preset.name},
    )


def use_preset(user: Any, preset: Preset) -> ExportJob:
    """Make the export that the preset stands for, now.

    Raises NotFound when it is not for this user, Conflict (``preset_outdated``) when it holds something
    that is no longer there, and whatever else keeps an export from being made.
    """
    if not may_use(user, preset):
        raise NotFound("There is no such preset, or it is not shared.")
    return export_preset(user, preset)


def export_preset(owner: Any, preset: Preset, due: Due | None = None) -> ExportJob:
    """The same for whom it is known that they may; ``due`` says for which schedule."""
    made_by = {"preset": preset.name} | ({"schedule": str(due.schedule.rule)} if due else {})
    with told_if_outdated(preset):
        return create_export(
            owner,
            format=preset.format,
            asked=asked_for(preset, due),
            choices=preset.choices,
            parameters=made_by,
            due=due,
        )


def asked_for(preset: Preset, due: Due | None = None) -> dict[str, Any]:
    """Its filter; a period without a time zone is meant as the clocks of the schedule that asks say."""
    asked = dict(preset.filter)
    if due is not None and "period" in asked:
        asked.setdefault("timezone", due.schedule.time_zone)
    return asked


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be exported: the format, and filter and choices in the words of the API."""

    format: str
    asked: Mapping[str, object]
    choices: Mapping[str, object] = field(default_factory=dict)


def combined(user: Any, name: str, given: Wanted) -> Wanted:
    """The preset of that name with what is given besides in its place; what is given alone without a name.

    A time that is given takes the place of every time in the preset. Raises NotFound when there is no such
    preset for the user (None: for nobody), BadInput as ``find_preset_by_name``.
    """
    if not name:
        return given
    if user is None:
        raise NotFound("Presets belong to users, and there is none.", hint="Name one with --user.")
    preset = find_preset_by_name(user, name)
    kept = {
        word: value
        for word, value in preset.filter.items()
        if not (TIMES & set(given.asked) and word in TIMES)
    }
    return Wanted(given.format or preset.format, {**kept, **given.asked}, {**preset.choices, **given.choices})


def in_words(found: Sequence[Preset]) -> dict[int, list[tuple[str, str]]]:
    """What each preset exports and how, by its id, as (word, values) for people; projects by their paths."""
    paths = {str(project["_id"]): str(project["path"]) for project in sessions.list_projects()}
    return {preset.pk: content_in_words(preset.filter, preset.choices, paths) for preset in found}


def content_in_words(
    asked: Mapping[str, object], choices: Mapping[str, object], paths: Mapping[str, str]
) -> list[tuple[str, str]]:
    """A filter and choices as (word, values); ``paths`` are those of projects by their ids."""
    told = []
    for word, value in (*asked.items(), *choices.items()):
        texts = [str(each) for each in (value if isinstance(value, list) else [value])]
        told.append((count_label(word), ", ".join(paths.get(text, text) for text in texts)))
    return told


@contextmanager
def told_if_outdated(preset: Preset) -> Iterator[None]:
    """What was right when it was saved may be gone since: then the preset is to blame, not who uses it."""
    try:
        yield
    except BadInput as refusal:
        raise Conflict(
            f"The preset {preset.name!r} can no longer be used. {refusal.message}",
            hint=refusal.hint or "Change the preset, or save a new one.",
            code="preset_outdated",
        ) from refusal


def initial_values(preset: Preset) -> dict[str, Any]:
    """The preset for the form of a new export: every field by its word in the API, as it was asked for."""
    return {"format": preset.format, **preset.filter, **preset.choices}
