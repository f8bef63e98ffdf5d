"""The form of a new export. It offers; ``exports.filters`` and ``exports.choices`` decide."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django import forms
from django.forms.boundfield import BoundField
from django.http import QueryDict

from exports import services
from exports.choices import FIELDS as CHOICES
from exports.filters import FIELDS as FILTERS
from exports.renderers import RENDERERS
from exports.renderers.base import EVERYWHERE, Renderer

Offered = list[tuple[str, str]]

PERIODS: Offered = [
    ("", "Any time"),
    ("today", "Today"),
    ("yesterday", "Yesterday"),
    ("7d", "The last 7 days"),
    ("30d", "The last 30 days"),
    ("this-week", "This week"),
    ("last-week", "Last week"),
    ("this-month", "This month"),
    ("last-month", "Last month"),
    ("this-year", "This year"),
    ("last-year", "Last year"),
]
SUBAGENTS: Offered = [
    ("", "With subagents"),
    ("no", "Without subagents"),
    ("only", "Subagents only"),
]
WITHOUT: Offered = [
    ("thinking", "Thinking"),
    ("tool_inputs", "Inputs of tools"),
    ("tool_results", "Results of tools"),
    ("images", "Images and documents"),
]
REDACT: Offered = [
    ("secrets", "Secrets: keys, tokens, passwords of known forms"),
    ("emails", "E-mail addresses"),
    ("paths", "Names of people in home folders"),
]
LAYOUTS: Offered = [("", "As the format has it"), ("one", "One file"), ("each", "A zip with a file for each")]
ROWS: Offered = [
    ("", "As the format has it"),
    ("messages", "Messages"),
    ("sessions", "Conversations"),
    ("api_calls", "API calls"),
]
COMPRESSIONS: Offered = [("none", "Not packed"), ("gzip", "gzip"), ("zstd", "Zstandard")]
SPLITS: Offered = [
    ("", "One file"),
    ("month", "A part for each month"),
    ("100MB", "Parts of 100 MB"),
    ("1GB", "Parts of 1 GB"),
]
PICKED = {
    "project": "projects",
    "source": "sources",
    "model": "models",
    "tag": "tags",
    "type": "types",
    "role": "roles",
    "branch": "branches",
}
"""Filters of which a person picks some, and what ``services.filter_choices`` calls what is there."""


class DayInput(forms.DateInput):
    """The browser's own calendar."""

    input_type = "date"

    def __init__(self) -> None:
        super().__init__(format="%Y-%m-%d")


class Lines(forms.CharField):
    """Several values, one a line."""

    widget = forms.Textarea

    def __init__(self, *, rows: int = 2, **facts: Any) -> None:
        more = {"rows": rows, "spellcheck": "false"}
        super().__init__(required=False, max_length=20_000, widget=forms.Textarea(more), **facts)

    def prepare_value(self, value: Any) -> Any:
        """A list as its lines."""
        return "\n".join(map(str, value)) if isinstance(value, (list, tuple)) else value

    def to_python(self, value: Any) -> Any:
        """The lines that say anything."""
        text = super().to_python(value) or ""
        return [line.strip() for line in text.splitlines() if line.strip()]

    def validate(self, value: Any) -> None:
        """Whatever was written is a list of texts; what they mean is decided elsewhere."""

    def run_validators(self, value: Any) -> None:
        """As ``validate``."""


class Picks(forms.MultipleChoiceField):
    """Some of what there is; none of it means all. What is gone since is refused elsewhere, by name."""

    widget = forms.CheckboxSelectMultiple

    def valid_value(self, value: str) -> bool:
        """The archive knows better."""
        return True


def _select(offered: Offered, **facts: Any) -> forms.ChoiceField:
    return forms.ChoiceField(choices=offered, required=False, **facts)


class ExportForm(forms.Form):
    """Which messages, and in which form."""

    format = forms.ChoiceField(
        choices=[(name, renderer.label) for name, renderer in RENDERERS.items()],
        initial="claude-code",
        widget=forms.RadioSelect,
    )
    project = Picks(required=False, label="Projects")
    source = Picks(required=False, label="Sources")
    model = Picks(required=False, label="Models")
    tag = Picks(required=False, label="Tags")
    type = Picks(required=False, label="Types of messages")
    role = Picks(required=False, label="Roles")
    branch = Picks(required=False, label="Branches")
    period = _select(PERIODS, label="Time")
    since = forms.DateField(required=False, label="From", widget=DayInput)
    until = forms.DateField(
        required=False, label="Until", widget=DayInput, help_text="This day is not included."
    )
    timezone = forms.CharField(
        required=False, max_length=64, label="Time zone", help_text="Such as Europe/Berlin; empty is UTC."
    )
    text = forms.CharField(
        required=False, max_length=512, label="Containing", help_text="A text, as it was written."
    )
    subagents = _select(SUBAGENTS, label="Subagents")
    minCost = forms.CharField(  # noqa: N815  (the word of the API)
        required=False, max_length=20, label="Cost at least", help_text="US dollars, of the conversation."
    )
    maxCost = forms.CharField(required=False, max_length=20, label="Cost at most")  # noqa: N815
    tool = Lines(label="Tools", help_text="Messages that use one of them; one a line, such as Bash.")
    session = Lines(label="Conversations", help_text="Session ids, one a line; empty for all.")
    without = Picks(choices=WITHOUT, required=False, label="Leave out")
    redact = Picks(choices=REDACT, required=False, label="Mask")
    patterns = Lines(label="Mask also", help_text="Regular expressions of your own (RE2), one a line.")
    layout = _select(LAYOUTS, label="Layout")
    rows = _select(ROWS, label="Rows")
    columns = Lines(label="Columns", help_text="One a line, in this order; empty for the usual ones.")
    guardFormulas = forms.ChoiceField(  # noqa: N815
        choices=[("", "Make them harmless, reversibly"), ("false", "Leave them as they are")],
        required=False,
        label="Cells that look like formulas",
    )
    compression = _select(COMPRESSIONS, label="Packed with")
    level = forms.CharField(
        required=False, max_length=2, label="Level", help_text="Empty: 6 for gzip, 3 for Zstandard."
    )
    split = _select(SPLITS, label="Parts")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})
        offered = services.filter_choices()
        for name, there in PICKED.items():
            field = self.fields[name]
            if isinstance(field, Picks):
                field.choices = self._offered(name, offered.get(there, []))

    def _offered(self, name: str, offered: list[dict[str, str]]) -> Offered:
        """What was chosen, though it may be no longer there, and what else there is."""
        labels = {each["value"]: each["label"] for each in offered}
        chosen = [(value, labels.pop(value, value)) for value in self[name].value() or []]
        return chosen + list(labels.items())

    @property
    def asked(self) -> dict[str, object]:
        """The filter, as a person would write it."""
        return self._told(FILTERS)

    @property
    def chosen(self) -> dict[str, object]:
        """How it is to be made. What the format does not take is left away: the form hides it."""
        taken = takes(RENDERERS[self.cleaned_data["format"]])
        return {name: value for name, value in self._told(CHOICES).items() if name in taken}

    @property
    def export(self) -> dict[str, object]:
        """All of it under the words of the API."""
        return {"format": self.cleaned_data["format"], **self.asked, **self.chosen}

    def _told(self, words: Mapping[str, Any]) -> dict[str, object]:
        cleaned = {word: self.cleaned_data[word] for word in words if self.cleaned_data.get(word)}
        return {word: value for word, value in cleaned.items() if (word, value) != ("compression", "none")}

    def refuse(self, field: str, text: str) -> None:
        """Show a refusal beside the field it names."""
        self.add_error(field if field in self.fields else None, text)

    def picks(self) -> Iterator[dict[str, Any]]:
        """The filters of which some can be picked, where there is more than one to pick."""
        for name in PICKED:
            bound = self[name]
            chosen = bound.value() or []
            if len(self.fields[name].choices) > 1 or chosen or bound.errors:  # type: ignore[attr-defined]
                yield {"field": bound, "count": len(chosen)}

    def bound(self, *names: str) -> list[BoundField]:
        """These fields, for a template that lays them out."""
        return [self[name] for name in names]

    def when(self) -> list[BoundField]:
        """The fields of time."""
        return self.bound("period", "since", "until", "timezone")

    def which(self) -> list[BoundField]:
        """The other filters."""
        return self.bound("text", "subagents", "minCost", "maxCost", "tool", "session")

    def private(self) -> list[BoundField]:
        """What is left out and masked."""
        return self.bound("without", "redact")

    def masks(self) -> list[BoundField]:
        """What else is masked."""
        return self.bound("patterns")

    def how(self) -> list[BoundField]:
        """How the file is made."""
        return self.bound("layout", "rows", "columns", "guardFormulas", "compression", "level", "split")


def takes(renderer: Renderer) -> set[str]:
    """The choices that mean anything to a format."""
    meant = set(CHOICES) & (EVERYWHERE | renderer.takes)
    return meant - {"compression", "level"} if renderer.packs_itself else meant


def initial_values(given: QueryDict) -> dict[str, Any]:
    """What an address says, for the form: lists where a field can have several."""
    several = (Picks, Lines)
    fields = ExportForm.base_fields
    return {
        name: values if isinstance(fields[name], several) else values[-1]
        for name, values in given.lists()
        if name in fields
    }
