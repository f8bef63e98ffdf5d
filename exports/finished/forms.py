"""The small forms on the page of a finished export."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.conf import settings

from exports.models import Artifact
from jobs.wording import human_bytes

HOURS_OFFERED = (1, 24, 72, 168, 720)


def in_words(hours: int) -> str:
    """``1`` -> ``1 hour``, ``72`` -> ``3 days``."""
    amount, unit = (hours // 24, "day") if hours % 24 == 0 else (hours, "hour")
    return f"{amount:,} {unit}" if amount == 1 else f"{amount:,} {unit}s"


def hours_offered() -> list[int]:
    """What a person can choose, the default and the longest among it."""
    longest = settings.CLAUDELENS_LINK_MAX_HOURS
    known = {*HOURS_OFFERED, min(settings.CLAUDELENS_LINK_HOURS, longest), longest}
    return sorted(hours for hours in known if hours <= longest)


class LinkForm(forms.Form):
    """A new link to one of the export's files."""

    number = forms.TypedChoiceField(label="File", coerce=int)
    hours = forms.TypedChoiceField(label="Works for", coerce=int)
    note = forms.CharField(label="Whom it is for", max_length=200, required=False)

    def __init__(self, *given: Any, artifacts: Iterable[Artifact], **options: Any) -> None:
        super().__init__(*given, **options)
        files = [(each.number, f"{each.filename} ({human_bytes(each.bytes)})") for each in artifacts]
        self.fields["number"].choices = files  # type: ignore[attr-defined]
        self.fields["hours"].choices = [  # type: ignore[attr-defined]
            (hours, in_words(hours)) for hours in hours_offered()
        ]
        self.fields["hours"].initial = settings.CLAUDELENS_LINK_HOURS
        self.has_one_file = len(files) == 1


class KeepForm(forms.Form):
    """How long the files are kept from now on."""

    days = forms.IntegerField(label="Days from now", min_value=1, initial=30)
