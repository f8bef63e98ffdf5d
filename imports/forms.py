"""The forms of the import's steps. They offer; ``imports.options`` and the services decide."""

from __future__ import annotations

from typing import Any, NamedTuple

from django import forms

from archive.conflicts import FAIL, KEEP_BOTH, REPLACE, SKIP
from archive.errors import ArchiveError
from imports.formats import FORMATS
from imports.options import ALL_OR_NOTHING, KEEP_GOOD, defaults
from imports.readers.mapping import FIELDS, Field, column_of
from imports.readers.suggesting import Suggestion
from imports.readers.values import (
    DAY_FIRST,
    MILLISECONDS,
    MONTH_FIRST,
    SECONDS,
    TIME_FORMATS,
    is_time_format,
)

BY_CONTENT = ""


class Offer(NamedTuple):
    """One of the things that can be chosen, and what it means."""

    value: str
    title: str
    text: str


CONFLICTS = (
    Offer(KEEP_BOTH, "Keep both", "The new message is added beside the one that is there."),
    Offer(SKIP, "Keep the old one", "The message that is there stays; the new one is set aside."),
    Offer(
        REPLACE, "Take the new one", "It takes the place of the message that is there, which is set aside."
    ),
    Offer(FAIL, "Stop", "The import ends at the first conflict and names it."),
)
MODES = (
    Offer(KEEP_GOOD, "Keep what is good", "Records that cannot be read are left out and listed."),
    Offer(ALL_OR_NOTHING, "All or nothing", "One bad record or file, and all is undone again."),
)
WORDS = {offer.value: offer.title for offer in (*CONFLICTS, *MODES)}


def formats_offered() -> list[Offer]:
    """Every source format, finding it out first."""
    found_out = Offer(BY_CONTENT, "By content", "Each file is what its first lines say.")
    return [found_out, *(Offer(each.name, each.label, each.description) for each in FORMATS.values())]


class StepForm(forms.Form):
    """A step of an import, filled in with what was chosen before."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})

    def refuse(self, refusal: ArchiveError, field: str | None = None) -> None:
        """Show a refusal beside its field."""
        self.add_error(field, f"{refusal.message} {refusal.hint}".strip())


class FormatForm(StepForm):
    """As which format the files are read."""

    format = forms.ChoiceField(required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["format"] = forms.ChoiceField(
            required=False,
            label="Read them as",
            choices=[(offer.value, offer.title) for offer in formats_offered()],
            error_messages={"invalid_choice": "There is no format “%(value)s”. Choose one of the list."},
        )


TIME_FORMATS_OFFERED = (
    Offer("", "2026-01-31 14:00, or seconds since 1970", ""),
    Offer(DAY_FIRST, "31.1.2026 or 31/1/2026: the day first", ""),
    Offer(MONTH_FIRST, "1/31/2026: the month first", ""),
    Offer(SECONDS, "seconds since 1970", ""),
    Offer(MILLISECONDS, "milliseconds since 1970", ""),
)
FIELD_TITLES = {
    "uuid": "Message id",
    "parent": "Parent id",
    "session": "Conversation",
    "cost": "Cost in $",
}


class MappingRow(NamedTuple):
    """A field of a message beside the column that is chosen for it, and some of its values."""

    bound: forms.BoundField
    field: Field
    examples: list[str]
    why: str


class MappingForm(StepForm):
    """Which column holds which field of a message, filled in with what was found. ``initial`` is a mapping;
    columns that there are no longer are left out."""

    time_format = forms.ChoiceField(
        required=False,
        label="Times look like",
        choices=[(offer.value, offer.title) for offer in TIME_FORMATS_OFFERED],
    )
    time_pattern = forms.CharField(
        required=False,
        max_length=100,
        label="Or like this pattern",
        help_text="As in Python: %d.%m.%Y %H:%M is 31.01.2026 14:00.",
    )

    def __init__(self, found: Suggestion, *args: Any, initial: dict[str, Any] | None = None) -> None:
        self.found = found
        self.examples = {each.name: each.examples for each in found.columns}
        super().__init__(*args, initial=self._initial(initial or found.mapping))
        choices = [("", "not in this file"), *((name, name) for name in self.examples)]
        for name, field in FIELDS.items():
            title = FIELD_TITLES.get(name, name.replace("_", " ").capitalize())
            self.fields[name] = forms.ChoiceField(
                required=field.required, choices=choices, label=title, help_text=field.description
            )

    def _initial(self, mapping: dict[str, Any]) -> dict[str, str]:
        columns = {name: column_of(spec) for name, spec in mapping.items()}
        initial = {name: column for name, column in columns.items() if column in self.examples}
        spec = mapping.get("time")
        form = spec["format"] if isinstance(spec, dict) else ""
        is_pattern = form not in TIME_FORMATS
        return initial | {
            "time_format": "" if is_pattern else form,
            "time_pattern": form if is_pattern else "",
        }

    @property
    def rows(self) -> list[MappingRow]:
        """The fields with their columns as they are now."""
        return [self._row(self[name], field) for name, field in FIELDS.items()]

    def _row(self, bound: forms.BoundField, field: Field) -> MappingRow:
        column = bound.value() or ""
        suggested = self.found.mapping.get(field.name)
        is_suggested = suggested is not None and column_of(suggested) == column
        why = self.found.why.get(field.name, "") if is_suggested else ""
        return MappingRow(bound, field, self.examples.get(column, []), why)

    def clean_time_pattern(self) -> str:
        """A pattern that ``strptime`` knows, or none."""
        pattern: str = self.cleaned_data["time_pattern"]
        if pattern and not is_time_format(pattern):
            raise forms.ValidationError("This is no pattern for times. Use one like %d.%m.%Y %H:%M.")
        return pattern

    @property
    def mapping(self) -> dict[str, Any]:
        """What was chosen, as the import's option of that name."""
        given = self.cleaned_data
        chosen: dict[str, Any] = {name: given[name] for name in FIELDS if given[name]}
        form = given["time_pattern"] or given["time_format"]
        if form and "time" in chosen:
            chosen["time"] = {"column": chosen["time"], "format": form}
        return chosen


class OptionsForm(StepForm):
    """What becomes of conflicts and of records that cannot be read."""

    conflict = forms.ChoiceField(
        choices=[(offer.value, offer.title) for offer in CONFLICTS], widget=forms.RadioSelect
    )
    mode = forms.ChoiceField(
        choices=[(offer.value, offer.title) for offer in MODES], widget=forms.RadioSelect
    )
    max_errors = forms.IntegerField(min_value=0, label="Stop after so many rejected records")
    reject_percent = forms.FloatField(
        min_value=0,
        max_value=100,
        label="Or at this percentage of them",
        help_text="Looked at from 1,000 rejected records on.",
    )

    @classmethod
    def begun_with(cls, chosen: dict[str, Any]) -> OptionsForm:
        """The form as it was left, or as the site's settings have it."""
        return cls(initial=defaults() | chosen)
