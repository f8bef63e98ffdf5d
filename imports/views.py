"""The pages of imports: the list, the upload page, and one import as it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.admin.views.decorators import staff_member_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from archive.errors import ArchiveError
from imports import services, uploads
from imports.models import ImportJob, Upload
from imports.naming import ACCEPTED_EXTENSIONS, ACCEPTED_WORDS
from imports.outcomes import FILES_SHOWN, files_of, rejected_by_cause
from jobs import notices

PAGE_SIZE = 50
LOG_LINES_SHOWN = 200


def staff_required(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Only staff; others are sent to sign in."""
    wrapped: Callable[..., HttpResponse] = staff_member_required(view, login_url=settings.LOGIN_URL)
    return wrapped


def _job_or_404(request: HttpRequest, job_id: UUID) -> ImportJob:
    job: ImportJob | None = ImportJob.objects.visible_to(request.user).filter(pk=job_id).first()
    if job is None:
        raise Http404
    return job


@require_safe
@staff_required
def import_list(request: HttpRequest) -> HttpResponse:
    """Every import that the user may see, newest first."""
    jobs = ImportJob.objects.visible_to(request.user).select_related("owner")
    page = Paginator(jobs, PAGE_SIZE).get_page(request.GET.get("page"))
    return render(request, "imports/list.html", {"page": page, "jobs": page.object_list})


@staff_required
def import_new(request: HttpRequest) -> HttpResponse:
    """Choose files. The page's script sends them in parts; without scripts, a small form does."""
    if request.method == "POST":
        return _import_by_form(request)
    waiting = list(Upload.objects.filter(owner_id=request.user.pk).waiting()[:FILES_SHOWN])
    is_any_complete = any(upload.is_complete for upload in waiting)
    context = {"waiting": waiting, "waiting_complete": is_any_complete}
    return render(request, "imports/new.html", _limits() | context)


def _limits() -> dict[str, Any]:
    return {
        "accepted": ",".join(ACCEPTED_EXTENSIONS),
        "accepted_words": ACCEPTED_WORDS,
        "part_bytes": settings.CLAUDELENS_UPLOAD_PART_BYTES,
        "max_bytes": settings.CLAUDELENS_UPLOAD_MAX_BYTES,
        "form_max_bytes": settings.CLAUDELENS_MULTIPART_MAX_BYTES,
        "expiry_hours": settings.CLAUDELENS_UPLOAD_EXPIRY_HOURS,
    }


def _import_by_form(request: HttpRequest) -> HttpResponse:
    try:
        uploads.check_form_size(request.headers.get("Content-Length"))
        if chosen := request.POST.getlist("upload"):
            job = services.create_import(request.user, uploads=_ids(chosen))
        else:
            job = services.import_form_files(request.user, request.FILES.getlist("file"))
    except ArchiveError as refusal:
        context = _limits() | {"refusal": refusal}
        return render(request, "imports/new.html", context, status=400)
    return redirect(job)


def _ids(given: list[str]) -> list[UUID]:
    try:
        return [UUID(value) for value in given]
    except ValueError:
        raise Http404 from None


@require_safe
@staff_required
def import_detail(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """One import: how far it is, what came of each record, which were rejected and why."""
    job = _job_or_404(request, job_id)
    notices.see_job(request.user, job)
    files = files_of(job)
    context = {
        "job": job,
        "files": files,
        "is_cut_off": len(files) == FILES_SHOWN,
        "causes": rejected_by_cause(job),
        "earlier": services.earlier_import(job),
        "log_lines": job.log_lines()[:LOG_LINES_SHOWN],
    }
    return render(request, "imports/detail.html", context)


@require_POST
@staff_required
def import_cancel(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Ask a running import to stop."""
    return _act(request, _job_or_404(request, job_id), services.cancel_import)


@require_POST
@staff_required
def import_retry(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Send a failed import on its way again."""
    return _act(request, _job_or_404(request, job_id), services.retry_import)


def _act(request: HttpRequest, job: ImportJob, action: Callable[[ImportJob], None]) -> HttpResponse:
    """Do it, tell a refusal on the page."""
    try:
        action(job)
    except ArchiveError as refusal:
        messages.error(request, f"{refusal.message} {refusal.hint}".strip())
    return redirect(job)
