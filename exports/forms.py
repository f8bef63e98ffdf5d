"""The form of a new export. It offers; ``exports.filters`` decides."""

from __future__ import annotations

from typing import Any

from django import forms

from exports import services
from exports.renderers import RENDERERS

Choices = list[tuple[str, str]]


def _choices(anything: str, offered: list[dict[str, str]]) -> Choices:
    return [("", anything), *((choice["value"], choice["label"]) for choice in offered)]


class DayInput(forms.DateInput):
    """The browser's own calendar."""

    input_type = "date"

    def __init__(self) -> None:
        super().__init__(format="%Y-%m-%d")


class ExportForm(forms.Form):
    """Which messages, and in which format."""

    format = forms.ChoiceField(
        choices=[(name, renderer.label) for name, renderer in RENDERERS.items()],
        initial="claude-code",
        widget=forms.RadioSelect,
    )
    project = forms.ChoiceField(required=False)
    source = forms.ChoiceField(required=False)
    model = forms.ChoiceField(required=False)
    since = forms.DateField(required=False, label="From", widget=DayInput)
    until = forms.DateField(
        required=False, label="Until", widget=DayInput, help_text="This day is not included."
    )
    session = forms.CharField(
        required=False, label="Session", max_length=512, help_text="One session id; empty for all."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})
        offered = services.filter_choices()
        self._offer("project", _choices("All projects", offered["projects"]))
        self._offer("source", _choices("All sources", offered["sources"]))
        self._offer("model", _choices("All models", offered["models"]))

    def _offer(self, name: str, choices: Choices) -> None:
        field = self.fields[name]
        if isinstance(field, forms.ChoiceField):
            field.choices = choices

    @property
    def asked(self) -> dict[str, object]:
        """The filter, as a person would write it."""
        return {name: value for name, value in self.cleaned_data.items() if value and name != "format"}

    def refuse(self, field: str, text: str) -> None:
        """Show a refusal beside the field it names."""
        self.add_error(field if field in self.fields else None, text)
