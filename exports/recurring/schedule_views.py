"""The pages of schedules: the list, one with its last exports, and what can be done with it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from archive.errors import ArchiveError
from exports import presets, schedules
from exports.models import Schedule
from exports.reading import zone_names
from exports.recurring.forms import ScheduleForm, values_of
from exports.recurring.views import or_404, told
from exports.views import staff_required

SHOWN = 500
EXPORTS_SHOWN = 20


@require_safe
@staff_required
def schedule_list(request: HttpRequest) -> HttpResponse:
    """The user's schedules: when each is due next, and what came of it last."""
    found = list(schedules.visible_schedules(request.user).order_by("-is_enabled", "next_at", "pk")[:SHOWN])
    outcomes = schedules.last_outcomes(found)
    rows = [{"schedule": schedule, "last": outcomes[schedule.pk]} for schedule in found]
    has_presets = presets.visible_presets(request.user).exists()
    return render(request, "exports/schedules.html", {"rows": rows, "has_presets": has_presets})


@require_http_methods(["GET", "HEAD", "POST"])
@staff_required
def schedule_new(request: HttpRequest) -> HttpResponse:
    """Choose a preset and when it is made; ``?preset=ID`` chooses it beforehand."""
    if request.method != "POST":
        initial = {"preset": request.GET.get("preset", ""), "timezone": _last_zone(request.user)}
        return _form_page(request, _form(request.user, initial=initial))
    form = _form(request.user, data=request.POST)
    if form.is_valid():
        try:
            schedules.create_schedule(request.user, form.asked)
        except ArchiveError as refusal:
            form.refuse(refusal)
        else:
            messages.success(request, "The schedule was saved.")
            return redirect("exports:schedules")
    return _form_page(request, form, status=400)


def _last_zone(user: Any) -> str:
    """People live in one time zone, mostly."""
    last = Schedule.objects.filter(owner=user).order_by("-pk").first()
    return last.time_zone if last else "UTC"


def _form(owner: Any, **given: Any) -> ScheduleForm:
    return ScheduleForm(presets=presets.visible_presets(owner), **given)


def _form_page(request: HttpRequest, form: ScheduleForm, *, status: int = 200, **more: Any) -> HttpResponse:
    context = {"form": form, "zones": zone_names()} | more
    return render(request, "exports/schedule.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_required
def schedule_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """One schedule, to be looked at and changed, with the exports that it made last."""
    schedule = or_404(schedules.find_schedule, request, pk)
    if request.method != "POST":
        return _schedule_page(request, schedule, _form(schedule.owner, initial=values_of(schedule)))
    form = _form(schedule.owner, data=request.POST)
    if form.is_valid():
        try:
            schedules.change_schedule(schedule, form.asked)
        except ArchiveError as refusal:
            form.refuse(refusal)
        else:
            messages.success(request, "Saved.")
            return redirect("exports:schedule", pk)
    return _schedule_page(request, schedule, form, status=400)


def _schedule_page(
    request: HttpRequest, schedule: Schedule, form: ScheduleForm, status: int = 200
) -> HttpResponse:
    more = {
        "schedule": schedule,
        "last": schedules.last_outcomes([schedule])[schedule.pk],
        "jobs": schedule.jobs.prefetch_related("artifacts")[:EXPORTS_SHOWN],
    }
    return _form_page(request, form, status=status, **more)


@require_POST
@staff_required
def schedule_run(request: HttpRequest, pk: int) -> HttpResponse:
    """Make its export now, beside its slots."""
    schedule = or_404(schedules.find_schedule, request, pk)
    try:
        return redirect(schedules.run_schedule(schedule))
    except ArchiveError as refusal:
        told(request, refusal)
        return redirect(schedule)


@require_POST
@staff_required
def schedule_switch(request: HttpRequest, pk: int) -> HttpResponse:
    """Stop it (``enabled=false``), or have it begin again (``enabled=true``)."""
    schedule = or_404(schedules.find_schedule, request, pk)
    try:
        schedules.change_schedule(schedule, {"enabled": request.POST.get("enabled", "")})
    except ArchiveError as refusal:
        told(request, refusal)
    return redirect("exports:schedules")


@require_http_methods(["GET", "HEAD", "POST"])
@staff_required
def schedule_delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask, then delete; its exports stay."""
    schedule = or_404(schedules.find_schedule, request, pk)
    if request.method != "POST":
        return render(request, "exports/schedule_delete.html", {"schedule": schedule})
    schedules.delete_schedule(schedule)
    messages.success(request, "The schedule was deleted.")
    return redirect("exports:schedules")
