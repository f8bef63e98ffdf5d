"""The forms of presets and schedules. They offer; ``exports.presets`` and ``exports.schedules`` decide."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.http import QueryDict

from exports import choices, filters
from exports.calendar import LAST_MONTHDAY, WEEKDAYS
from exports.models import Frequency, Preset, Schedule
from exports.presets import LONGEST_NAME


def fields_given(given: QueryDict) -> dict[str, list[str]]:
    """Of a form's or an address's fields those that make an export, without the empty ones."""
    words = ("format", *filters.FIELDS, *choices.FIELDS)
    found = {word: [value for value in given.getlist(word) if value] for word in words}
    return {word: values for word, values in found.items() if values}


def content_of(fields: Mapping[str, list[str]]) -> dict[str, object]:
    """The same as the format, filter and choices of a preset."""
    values = {word: given[0] if len(given) == 1 else given for word, given in fields.items()}
    return {
        "format": values.get("format", ""),
        "filter": {word: values[word] for word in filters.FIELDS if word in values},
        "choices": {word: values[word] for word in choices.FIELDS if word in values},
    }


class Refusable(forms.Form):
    """A form that shows what the services refuse."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})

    def refuse(self, refusal: Any) -> None:
        """Show a refusal beside the field it names, or above all of them."""
        field = getattr(refusal, "field", "")
        message = refusal.message.removeprefix(f"{field}: ") if field in self.fields else refusal.message
        self.add_error(field if field in self.fields else None, f"{message} {refusal.hint}".strip())


class PresetForm(Refusable):
    """What a preset is called, and who may use it."""

    name = forms.CharField(max_length=LONGEST_NAME)
    shared = forms.BooleanField(
        required=False,
        label="Share it",
        help_text="Other staff may use it for exports and schedules of their own, but not change it.",
    )


class TimeInput(forms.TimeInput):
    """The browser's own clock, without seconds."""

    input_type = "time"

    def __init__(self) -> None:
        super().__init__(format="%H:%M")


class ScheduleForm(Refusable):
    """Which preset is made, and when."""

    preset = forms.ChoiceField()
    frequency = forms.ChoiceField(choices=Frequency.choices, initial=Frequency.WEEKLY, label="How often")
    weekday = forms.ChoiceField(choices=list(enumerate(WEEKDAYS)), initial=0, label="Day of the week")
    monthday = forms.ChoiceField(
        choices=[(day, str(day)) for day in range(1, LAST_MONTHDAY + 1)],
        initial=1,
        label="Day of the month",
        help_text="Up to the 28th, which every month has.",
    )
    timeOfDay = forms.CharField(  # noqa: N815  (the word of the API)
        initial="03:00", max_length=5, label="Time of day", widget=TimeInput
    )
    timezone = forms.CharField(
        initial="UTC",
        max_length=64,
        label="Time zone",
        help_text="Whose clocks, such as Europe/Berlin.",
        widget=forms.TextInput(attrs={"list": "time-zones", "autocomplete": "off", "spellcheck": "false"}),
    )
    skipsEmpty = forms.BooleanField(  # noqa: N815
        required=False,
        initial=True,
        label="Skip it when nothing matches",
        help_text="No empty files; the next time is looked at again.",
    )

    def __init__(self, *args: Any, presets: Iterable[Preset], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered = self.fields["preset"]
        if isinstance(offered, forms.ChoiceField):
            offered.choices = [(preset.pk, preset.name) for preset in presets]

    @property
    def asked(self) -> dict[str, object]:
        """The schedule, as a person would write it."""
        return dict(self.cleaned_data)


def values_of(schedule: Schedule) -> dict[str, object]:
    """What the form shows of a schedule."""
    return {
        "preset": schedule.preset_id,
        "frequency": schedule.frequency,
        "weekday": schedule.weekday,
        "monthday": schedule.monthday,
        "timeOfDay": f"{schedule.time_of_day:%H:%M}",
        "timezone": schedule.time_zone,
        "skipsEmpty": schedule.skips_empty,
    }
