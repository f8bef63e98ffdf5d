"""The part of the page of a new export that says what it would come to."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST

from archive.errors import ArchiveError
from exports.forms import ExportForm
from exports.live.services import estimate_asked
from exports.views import staff_required

FRAGMENT = "exports/_estimate.html"


@require_POST
@staff_required
def export_estimate(request: HttpRequest) -> HttpResponse:
    """What the export that the form describes would come to, as a piece of HTML."""
    return render(request, FRAGMENT, told(ExportForm(request.POST)))


def told(form: ExportForm) -> dict[str, Any]:
    """The estimate of a filled form, or why there is none, for the fragment."""
    if not form.is_valid():
        return {"refusals": [f"{_label(form, name)}: {text}" for name, text in _errors(form)]}
    try:
        return {"estimate": estimate_asked(form.cleaned_data["format"], form.asked, form.chosen)}
    except ArchiveError as refusal:
        return {"refusals": [f"{refusal.message} {refusal.hint}".strip()]}


def _errors(form: ExportForm) -> list[tuple[str, str]]:
    return [(name, str(text)) for name, texts in form.errors.items() for text in texts]


def _label(form: ExportForm, name: str) -> str:
    return str(form[name].label) if name in form.fields else "Export"
