"""The pages of imports: the list, the upload page, and one import as it runs, as it ended, and undone."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.admin.views.decorators import staff_member_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from archive.errors import ArchiveError
from imports import drafts, outcomes, report, rollback, services, uploads
from imports.models import ImportDraft, ImportJob, Upload
from imports.naming import ACCEPTED_EXTENSIONS, ACCEPTED_WORDS
from imports.outcomes import FILES_SHOWN, files_of, rejected_by_cause
from jobs import notices

PAGE_SIZE = 50
LOG_LINES_SHOWN = 200
DRAFTS_SHOWN = 20
AT_ONCE = "import"


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


@require_http_methods(["GET", "HEAD", "POST"])
@staff_required
def import_new(request: HttpRequest) -> HttpResponse:
    """Choose files. The page's script sends them in parts; without scripts, a small form does."""
    if request.method != "POST":
        return _new_page(request)
    try:
        uploads.check_form_size(request.headers.get("Content-Length"))
        return redirect(_begin(request))
    except ArchiveError as refusal:
        return _new_page(request, refusal)


def _begin(request: HttpRequest) -> ImportJob | ImportDraft:
    """What the form asks for: an import at once, or a draft to look at first."""
    at_once = request.POST.get("then") == AT_ONCE
    if ids := _ids(request.POST.getlist("upload")):
        if at_once:
            return services.create_import(request.user, uploads=ids)
        return drafts.create_draft(request.user, ids)
    files = request.FILES.getlist("file")
    if at_once:
        return services.import_form_files(request.user, files)
    return drafts.draft_form_files(request.user, files)


def _ids(given: list[str]) -> list[UUID]:
    """The ids of uploads: a value each, or several in one value (a form may have a thousand values)."""
    try:
        return [UUID(each) for value in given for each in value.split()]
    except ValueError:
        raise Http404 from None


def _new_page(request: HttpRequest, refusal: ArchiveError | None = None) -> HttpResponse:
    begun = drafts.open_drafts(request.user, DRAFTS_SHOWN)
    in_drafts = {upload_id for draft in begun for upload_id in draft.uploads}
    newest = Upload.objects.filter(owner_id=request.user.pk).waiting()[:FILES_SHOWN]
    waiting = [upload for upload in newest if str(upload.pk) not in in_drafts]
    context = {"waiting": waiting, "waiting_complete": any(upload.is_complete for upload in waiting)}
    context |= {"drafts": begun, "refusal": refusal}
    return render(request, "imports/new.html", _limits() | context, status=400 if refusal else 200)


def _limits() -> dict[str, Any]:
    return {
        "accepted": ",".join(ACCEPTED_EXTENSIONS),
        "accepted_words": ACCEPTED_WORDS,
        "part_bytes": settings.CLAUDELENS_UPLOAD_PART_BYTES,
        "max_bytes": settings.CLAUDELENS_UPLOAD_MAX_BYTES,
        "form_max_bytes": settings.CLAUDELENS_MULTIPART_MAX_BYTES,
        "expiry_hours": settings.CLAUDELENS_UPLOAD_EXPIRY_HOURS,
    }


@require_safe
@staff_required
def import_detail(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """One import: how far it is, what came of each record, which were rejected and why."""
    job = _job_or_404(request, job_id)
    notices.see_job(request.user, job)
    files = files_of(job)
    conversations = outcomes.conversations_of(job)
    context = {
        "job": job,
        "report": report.report_of(job),
        "conversations": conversations,
        "more_conversations": job.sessions - len(conversations),
        "causes": rejected_by_cause(job),
        "files": files,
        "columns": report.count_columns(job, files),
        "is_cut_off": len(files) == FILES_SHOWN,
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


@staff_required
@require_http_methods(["GET", "HEAD", "POST"])
def import_roll_back(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Tell what undoing the import would change and what stands in its way; undo it once confirmed."""
    job = _job_or_404(request, job_id)
    if request.method == "POST":
        return _act(request, job, services.roll_back_import)
    return render(request, "imports/roll_back.html", {"job": job, "plan": rollback.plan(job)})


@require_POST
@staff_required
def import_run(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Import for good what a dry run has looked at."""
    return _follow(request, _job_or_404(request, job_id), services.run_planned)


@require_POST
@staff_required
def import_reopen(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Choose otherwise for the files of a dry run."""
    return _follow(request, _job_or_404(request, job_id), partial(drafts.reopen_plan, request.user))


@require_POST
@staff_required
def import_again(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Prepare an import of the rejected records alone."""
    return _follow(request, _job_or_404(request, job_id), drafts.draft_rejected)


def _follow(
    request: HttpRequest, job: ImportJob, make: Callable[[ImportJob], ImportJob | ImportDraft]
) -> HttpResponse:
    """Go to what is made of the job, or tell a refusal on its page."""
    try:
        return redirect(make(job))
    except ArchiveError as refusal:
        messages.error(request, f"{refusal.message} {refusal.hint}".strip())
        return redirect(job)


def _act(request: HttpRequest, job: ImportJob, action: Callable[[ImportJob], None]) -> HttpResponse:
    """Do it, tell a refusal on the page."""
    try:
        action(job)
    except ArchiveError as refusal:
        messages.error(request, f"{refusal.message} {refusal.hint}".strip())
    return redirect(job)
