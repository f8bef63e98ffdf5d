"""The pages of exports: the list, the form, and one export with its download."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.admin.views.decorators import staff_member_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from archive.errors import ArchiveError, Conflict, Gone, NotFound
from exports import artifacts, presets, services
from exports.filters import asked_of
from exports.finished.shown import shown_files
from exports.forms import ExportForm, initial_values, takes
from exports.live.services import estimate_asked
from exports.models import ExportJob
from exports.renderers import RENDERERS
from exports.shaping import Changes
from jobs import notices

PAGE_SIZE = 50
LOG_LINES_SHOWN = 200


def staff_required(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Only staff; others are sent to sign in."""
    wrapped: Callable[..., HttpResponseBase] = staff_member_required(view, login_url=settings.LOGIN_URL)
    return wrapped


def _job_or_404(request: HttpRequest, job_id: UUID) -> ExportJob:
    jobs = ExportJob.objects.visible_to(request.user).select_related("owner").prefetch_related("artifacts")
    job: ExportJob | None = jobs.filter(pk=job_id).first()
    if job is None:
        raise Http404
    return job


@require_safe
@staff_required
def export_list(request: HttpRequest) -> HttpResponse:
    """Every export that the user may see, newest first."""
    jobs = ExportJob.objects.visible_to(request.user).select_related("owner").prefetch_related("artifacts")
    page = Paginator(jobs, PAGE_SIZE).get_page(request.GET.get("page"))
    return render(request, "exports/list.html", {"page": page, "jobs": page.object_list})


@require_http_methods(["GET", "HEAD", "POST"])
@staff_required
def export_new(request: HttpRequest) -> HttpResponse:
    """Choose a format and what to export; "count" only says how much that would be."""
    if request.method != "POST":
        return _form_page(request, ExportForm(initial=_initial(request)))
    form = ExportForm(request.POST)
    if not form.is_valid():
        return _form_page(request, form, status=400)
    try:
        if "count" in request.POST:
            estimate = estimate_asked(form.cleaned_data["format"], form.asked, form.chosen)
            return _form_page(request, form, estimate=estimate)
        if "preset" in request.POST:
            return redirect(f"{reverse('exports:preset-new')}?{urlencode(form.export, doseq=True)}")
        job = services.create_export(
            request.user, format=form.cleaned_data["format"], asked=form.asked, choices=form.chosen
        )
    except ArchiveError as refusal:
        form.refuse(getattr(refusal, "field", ""), f"{refusal.message} {refusal.hint}".strip())
        return _form_page(request, form, status=400)
    return redirect(job)


def _initial(request: HttpRequest) -> dict[str, Any]:
    """What the form begins with: a preset, what the address says, or nothing."""
    if "preset" not in request.GET:
        return initial_values(request.GET)
    try:
        return presets.initial_values(presets.find_preset(request.user, request.GET["preset"]))
    except NotFound as error:
        raise Http404 from error


def _form_page(request: HttpRequest, form: ExportForm, *, status: int = 200, **more: Any) -> HttpResponse:
    chosen = form["format"].value()
    formats = [
        {"renderer": renderer, "chosen": name == chosen, "takes": sorted(takes(renderer))}
        for name, renderer in RENDERERS.items()
    ]
    context = {"form": form, "formats": formats} | more
    return render(request, "exports/new.html", context, status=status)


@require_safe
@staff_required
def export_detail(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """One export: how far it is, then its file, what it holds and what it does not."""
    job = _job_or_404(request, job_id)
    notices.see_job(request.user, job)
    context = {
        "job": job,
        "artifact": job.artifact,
        "parts": job.parts,
        "choice_facts": presets.content_in_words({}, job.choices, {}),
        "renderer": RENDERERS.get(job.format),
        "filter_facts": services.filter_in_words(job.filter),
        "changes": Changes.of_manifests(part.manifest for part in job.artifacts.all()).as_dict(),
        "again_url": f"{reverse('exports:new')}?{urlencode(_again(job), doseq=True)}",
        "log_lines": job.log_lines()[:LOG_LINES_SHOWN],
    }
    return render(request, "exports/detail.html", context | shown_files(request, job))


def _again(job: ExportJob) -> dict[str, Any]:
    """The same for the form of a new export."""
    return {"format": job.format, **asked_of(job.filter), **job.choices}


@require_safe
@staff_required
def export_download(request: HttpRequest, job_id: UUID) -> HttpResponseBase:
    """The file itself, or a page that says why there is none."""
    try:
        part = artifacts.part_number(request.GET.get("part"))
        return artifacts.offer(request, artifacts.find_artifact(request.user, job_id, part))
    except NotFound as error:
        raise Http404 from error
    except (Gone, Conflict) as refusal:
        status = 410 if isinstance(refusal, Gone) else 409
        context = {"refusal": refusal, "job": _job_or_404(request, job_id)}
        return render(request, "exports/unavailable.html", context, status=status)


@require_POST
@staff_required
def export_cancel(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Ask an export to stop."""
    return _act(request, _job_or_404(request, job_id), services.cancel_export)


@require_POST
@staff_required
def export_retry(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Build a failed export anew."""
    return _act(request, _job_or_404(request, job_id), services.retry_export)


def _act(request: HttpRequest, job: ExportJob, action: Callable[[ExportJob], None]) -> HttpResponse:
    """Do it, tell a refusal on the page."""
    try:
        action(job)
    except ArchiveError as refusal:
        messages.error(request, f"{refusal.message} {refusal.hint}".strip())
    return redirect(job)
