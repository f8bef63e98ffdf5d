"""What a reader may ask the list of conversations for, checked and worded."""

from collections.abc import Collection
from datetime import UTC, datetime, time
from typing import Any

from django import forms
from django.utils.dateparse import parse_date, parse_datetime

from archive.errors import BadInput
from archive.sessions import SessionFilter

SORTS = (
    ("-endedAt", "Newest first"),
    ("startedAt", "Oldest first"),
    ("-totalCost", "Most expensive first"),
    ("-messageCount", "Longest first"),
    ("title", "By title"),
)
SOURCES = (
    ("claude-code", "Claude Code"),
    ("claude-ai", "claude.ai"),
    ("claudelens", "ClaudeLens"),
    ("chatgpt", "ChatGPT"),
    ("csv", "CSV"),
    ("markdown", "Markdown"),
    ("json", "JSON"),
)
NO_SUCH_DAY = "“%s” is not a date. Write it as 2026-01-31."


class DayField(forms.Field):
    """A day (its beginning), or a moment in ISO 8601, as UTC."""

    widget = forms.DateInput(attrs={"type": "date"})

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, **kwargs)

    def to_python(self, value: str | None) -> datetime | None:
        if not value or not value.strip():
            return None
        try:
            return self._parsed(value.strip())
        except (ValueError, OverflowError) as error:
            raise forms.ValidationError(NO_SUCH_DAY % value[:40]) from error

    def _parsed(self, value: str) -> datetime:
        if day := parse_date(value):
            return datetime.combine(day, time.min, UTC)
        moment = parse_datetime(value)
        if moment is None:
            raise ValueError(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


class SessionFilterForm(forms.Form):
    """The filters in the address of the list; everything is optional."""

    project = forms.RegexField(
        r"^[0-9a-f]{24}$",
        required=False,
        error_messages={"invalid": "There is no project with this id. Choose one from the list."},
    )
    source = forms.ChoiceField(
        choices=(("", "Every source"), *SOURCES),
        required=False,
        error_messages={"invalid_choice": "“%(value)s” is not a source that ClaudeLens reads."},
    )
    model = forms.CharField(max_length=200, required=False)
    text = forms.CharField(max_length=200, required=False)
    since = DayField()
    until = DayField()
    sort = forms.ChoiceField(
        choices=SORTS,
        required=False,
        error_messages={"invalid_choice": "“%(value)s” is not an order. Choose one from the list."},
    )

    def offer(self, sources: Collection[str]) -> None:
        """Offer only these sources to choose, and the one that was asked for."""
        offered = {*sources, self["source"].value()}
        listed = [choice for choice in SOURCES if choice[0] in offered]
        self.fields["source"].widget.choices = [("", "Every source"), *listed]

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        since, until = given.get("since"), given.get("until")
        if since and until and since >= until:
            self.add_error("until", "“Before” has to be later than “from”.")
        return given

    @property
    def is_filtered(self) -> bool:
        return any(self.data.get(name) for name in self.fields if name != "sort")

    def session_filter(self) -> SessionFilter:
        """The filter that was asked for. Raises ``BadInput`` with the first fault."""
        if not self.is_valid():
            name, messages = next(iter(self.errors.items()))
            raise BadInput(str(messages[0]), hint=f"Correct the filter “{name}”, or leave it out.")
        given = self.cleaned_data
        return SessionFilter(
            project_id=given["project"],
            source=given["source"],
            model=given["model"],
            text=given["text"],
            since=given["since"],
            until=given["until"],
            sort=given["sort"] or "-endedAt",
        )
