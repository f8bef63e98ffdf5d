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
from exports import artifacts, services
from exports.filters import FIELDS
from exports.forms import ExportForm
from exports.models import ExportJob
from exports.renderers import RENDERERS
from jobs import notices

PAGE_SIZE = 50
LOG_LINES_SHOWN = 200


def staff_required(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Only staff; others are sent to sign in."""
    wrapped: Callable[..., HttpResponseBase] = staff_member_required(view, login_url=settings.LOGIN_URL)
    return wrapped


def _job_or_404(request: HttpRequest, job_id: UUID) -> ExportJob:
    jobs = ExportJob.objects.visible_to(request.user).select_related("artifact", "owner")
    job: ExportJob | None = jobs.filter(pk=job_id).first()
    if job is None:
        raise Http404
    return job


@require_safe
@staff_required
def export_list(request: HttpRequest) -> HttpResponse:
    """Every export that the user may see, newest first."""
    jobs = ExportJob.objects.visible_to(request.user).select_related("artifact", "owner")
    page = Paginator(jobs, PAGE_SIZE).get_page(request.GET.get("page"))
    return render(request, "exports/list.html", {"page": page, "jobs": page.object_list})


@require_http_methods(["GET", "HEAD", "POST"])
@staff_required
def export_new(request: HttpRequest) -> HttpResponse:
    """Choose a format and what to export; "count" only says how much that would be."""
    if request.method != "POST":
        return _form_page(request, ExportForm(initial=request.GET.dict()))
    form = ExportForm(request.POST)
    if not form.is_valid():
        return _form_page(request, form, status=400)
    try:
        if "count" in request.POST:
            return _form_page(request, form, matching=services.count_matching(form.asked))
        job = services.create_export(request.user, format=form.cleaned_data["format"], asked=form.asked)
    except ArchiveError as refusal:
        form.refuse(getattr(refusal, "field", ""), f"{refusal.message} {refusal.hint}".strip())
        return _form_page(request, form, status=400)
    return redirect(job)


def _form_page(request: HttpRequest, form: ExportForm, *, status: int = 200, **more: Any) -> HttpResponse:
    chosen = form["format"].value()
    formats = [{"renderer": renderer, "chosen": name == chosen} for name, renderer in RENDERERS.items()]
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
        "artifact": getattr(job, "artifact", None),
        "renderer": RENDERERS.get(job.format),
        "filter_facts": services.filter_in_words(job.filter),
        "again_url": f"{reverse('exports:new')}?{urlencode(_again(job))}",
        "log_lines": job.log_lines()[:LOG_LINES_SHOWN],
    }
    return render(request, "exports/detail.html", context)


def _again(job: ExportJob) -> dict[str, str]:
    """The same choices for the form of a new export, as far as it has room for them."""
    chosen = {"format": job.format}
    for word, (name, _) in FIELDS.items():
        value = job.filter.get(name)
        if value:
            chosen[word] = value[:10] if isinstance(value, str) else value[0]
    return chosen


@require_safe
@staff_required
def export_download(request: HttpRequest, job_id: UUID) -> HttpResponseBase:
    """The file itself, or a page that says why there is none."""
    try:
        return artifacts.offer(request, artifacts.find_artifact(request.user, job_id))
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
