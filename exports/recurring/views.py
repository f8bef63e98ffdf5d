"""The pages of presets: the list, saving, and one with what it exports."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from archive.errors import ArchiveError, NotFound
from exports import presets, schedules
from exports.models import Preset
from exports.recurring.forms import PresetForm, content_of, fields_given
from exports.renderers import RENDERERS
from exports.views import staff_required

SHOWN = 500
"""How many presets a list shows: more than people keep apart."""

Found = TypeVar("Found")


def or_404(find: Callable[[Any, int], Found], request: HttpRequest, pk: int) -> Found:
    """What is found for the user, or the page that says that there is nothing, or nothing of theirs."""
    try:
        return find(request.user, pk)
    except NotFound as error:
        raise Http404 from error


def told(request: HttpRequest, refusal: ArchiveError) -> None:
    """Show a refusal at the top of the next page."""
    messages.error(request, f"{refusal.message} {refusal.hint}".strip())


@require_safe
@staff_required
def preset_list(request: HttpRequest) -> HttpResponse:
    """Every preset that the user may use, by name."""
    found = list(presets.visible_presets(request.user)[:SHOWN])
    words = presets.in_words(found)
    rows = [{"preset": preset, "words": words[preset.pk], "label": _label(preset)} for preset in found]
    return render(request, "exports/presets.html", {"rows": rows})


def _label(preset: Preset) -> str:
    renderer = RENDERERS.get(preset.format)
    return renderer.label if renderer else preset.format


@require_http_methods(["GET", "HEAD", "POST"])
@staff_required
def preset_new(request: HttpRequest) -> HttpResponse:
    """Save an export under a name. Takes the fields of a new export, from its form or in the address; with a
    ``name`` it is saved, without one the page asks for it."""
    fields = fields_given(request.POST if request.method == "POST" else request.GET)
    if "name" not in request.POST:
        return _name_page(request, fields, PresetForm())
    form = PresetForm(request.POST)
    if form.is_valid():
        try:
            preset = presets.create_preset(request.user, content_of(fields) | form.cleaned_data)
        except ArchiveError as refusal:
            form.refuse(refusal)
        else:
            messages.success(request, f"The preset “{preset.name}” was saved.")
            return redirect("exports:preset", preset.pk)
    return _name_page(request, fields, form, status=400)


def _name_page(
    request: HttpRequest, fields: dict[str, list[str]], form: PresetForm, status: int = 200
) -> HttpResponse:
    content: Any = content_of(fields)
    preset = Preset(format=content["format"], filter=content["filter"], choices=content["choices"])
    context = {
        "form": form,
        "fields": [(word, value) for word, values in fields.items() for value in values],
        "label": _label(preset),
        "words": presets.in_words([preset])[preset.pk],
    }
    return render(request, "exports/preset_new.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_required
def preset_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """One preset: what it exports, its schedules; its owner renames and shares it here."""
    preset = or_404(presets.find_preset, request, pk)
    if request.method != "POST":
        return _preset_page(request, preset, PresetForm(_values_of(preset)))
    form = PresetForm(request.POST)
    if form.is_valid():
        try:
            presets.change_preset(request.user, preset, form.cleaned_data)
        except ArchiveError as refusal:
            form.refuse(refusal)
            preset.refresh_from_db()
        else:
            messages.success(request, "Saved.")
            return redirect("exports:preset", pk)
    return _preset_page(request, preset, form, status=400)


def _values_of(preset: Preset) -> dict[str, object]:
    return {"name": preset.name, "shared": preset.is_shared}


def _preset_page(request: HttpRequest, preset: Preset, form: PresetForm, status: int = 200) -> HttpResponse:
    context = {
        "preset": preset,
        "form": form,
        "label": _label(preset),
        "words": presets.in_words([preset])[preset.pk],
        "may_change": presets.may_change(request.user, preset),
        "schedules": schedules.visible_schedules(request.user).filter(preset=preset),
    }
    return render(request, "exports/preset.html", context, status=status)


@require_POST
@staff_required
def preset_export(request: HttpRequest, pk: int) -> HttpResponse:
    """Make its export now."""
    preset = or_404(presets.find_preset, request, pk)
    try:
        return redirect(presets.use_preset(request.user, preset))
    except ArchiveError as refusal:
        told(request, refusal)
        return redirect("exports:preset", pk)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_required
def preset_delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask, then delete."""
    preset = or_404(presets.find_preset, request, pk)
    if request.method != "POST":
        return render(request, "exports/preset_delete.html", {"preset": preset})
    try:
        presets.delete_preset(request.user, preset)
    except ArchiveError as refusal:
        told(request, refusal)
        return redirect("exports:preset", pk)
    messages.success(request, f"The preset “{preset.name}” was deleted.")
    return redirect("exports:presets")
