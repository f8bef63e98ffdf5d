"""The pages of maintenance: what ran and will run, a step to begin, and one job with its plan."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from archive.errors import ArchiveError
from jobs import notices
from jobs.wording import parameters_in_words
from maintenance import overview, previews, services
from maintenance.access import superuser_required
from maintenance.models import MaintenanceJob, TierPolicy
from maintenance.shown import plan_shown
from maintenance.steps import STEPS

PAGE_SIZE = 20
LOG_LINES_SHOWN = 200
ITEMS_SHOWN = 500


def _job_or_404(job_id: UUID) -> MaintenanceJob:
    job: MaintenanceJob | None = MaintenanceJob.objects.select_related("owner").filter(pk=job_id).first()
    if job is None:
        raise Http404
    return job


@require_safe
@superuser_required
def maintenance_list(request: HttpRequest) -> HttpResponse:
    """What ran last night, what will run tonight, every step, and every job, newest first."""
    jobs = MaintenanceJob.objects.select_related("owner")
    page = Paginator(jobs, PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "jobs": page.object_list,
        "last_night": overview.last_night(),
        "upcoming": overview.upcoming(),
        "preview": previews.tonight(),
        "rows": overview.step_rows(),
        "policies": TierPolicy.objects.all(),
    }
    return render(request, "maintenance/list.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@superuser_required
def maintenance_new(request: HttpRequest, step: str) -> HttpResponseBase:
    """Begin a step: as a rule a dry run, whose plan is then run."""
    kind = STEPS.get(step)
    if kind is None:
        raise Http404
    given = {name: request.POST[name].strip() for name in kind.asks if request.POST.get(name, "").strip()}
    context: dict[str, Any] = {
        "step": kind,
        "fields": [
            (name, text, given.get(name, ""), name in kind.ticks, kind.choices.get(name, ()))
            for name, text in kind.asks.items()
        ],
    }
    if request.method != "POST":
        return render(request, "maintenance/new.html", context)
    try:
        job = services.create_job(step, given, request.user, dry_run="run" not in request.POST)
    except ArchiveError as refusal:
        context |= {"refusal": refusal, "first": refusal.more.get("jobId")}
        return render(request, "maintenance/new.html", context, status=400)
    return redirect(job)


@require_safe
@superuser_required
def maintenance_detail(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """One job: how far it is, its plan, and what came of it."""
    job = _job_or_404(job_id)
    notices.see_job(request.user, job)
    context = {
        "job": job,
        "step": job.kind_of_step,
        **plan_shown(job.stored_plan, ITEMS_SHOWN),
        "parameters": parameters_in_words(job.parameters),
        "result": parameters_in_words(job.result),
        "log_lines": job.log_lines()[:LOG_LINES_SHOWN],
    }
    return render(request, "maintenance/detail.html", context)


@require_POST
@superuser_required
def maintenance_run_plan(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Run the very plan that a dry run shows."""
    planned = _job_or_404(job_id)
    try:
        return redirect(services.create_job(planned.step, {}, request.user, plan_of=planned))
    except ArchiveError as refusal:
        messages.error(request, f"{refusal.message} {refusal.hint}".strip())
    return redirect(planned)


@require_POST
@superuser_required
def maintenance_cancel(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Ask a job to stop."""
    return _act(request, _job_or_404(job_id), services.cancel_maintenance)


@require_POST
@superuser_required
def maintenance_retry(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Go on with the same plan."""
    return _act(request, _job_or_404(job_id), services.retry_maintenance)


def _act(request: HttpRequest, job: MaintenanceJob, action: Callable[[MaintenanceJob], None]) -> HttpResponse:
    """Do it, tell a refusal on the page."""
    try:
        action(job)
    except ArchiveError as refusal:
        messages.error(request, f"{refusal.message} {refusal.hint}".strip())
    return redirect(job)
