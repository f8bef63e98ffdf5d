"""What people do with a finished export: make and revoke links, keep its files longer, delete them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from archive.errors import ArchiveError, NotFound
from exports import artifacts
from exports.finished import keeping, links
from exports.finished.forms import KeepForm, LinkForm
from exports.models import ExportJob
from exports.views import staff_required

Act = Callable[[], str]
"""Does something and says what was done."""


def _export_or_404(request: HttpRequest, job_id: UUID) -> ExportJob:
    try:
        return artifacts.find_export(request.user, job_id)
    except NotFound as error:
        raise Http404 from error


def _told(request: HttpRequest, job: ExportJob, act: Act) -> HttpResponse:
    """Do it, and back to the export, which says what came of it."""
    try:
        messages.success(request, act())
    except ArchiveError as refusal:
        messages.error(request, f"{refusal.message} {refusal.hint}".strip())
    return redirect(job)


def _misfilled(request: HttpRequest, job: ExportJob, form: forms.Form) -> HttpResponse:
    for name, errors in form.errors.items():
        label = form.fields[name].label if name in form.fields else name
        messages.error(request, f"{label}: {' '.join(map(str, errors))}")
    return redirect(job)


@require_POST
@staff_required
def link_new(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Make a link to one of the export's files."""
    job = _export_or_404(request, job_id)
    form = LinkForm(request.POST, artifacts=job.artifacts.all())
    if not form.is_valid():
        return _misfilled(request, job, form)
    return _told(request, job, lambda: _make(request.user, job, form.cleaned_data))


def _make(user: Any, job: ExportJob, wanted: dict[str, Any]) -> str:
    artifact = artifacts.find_artifact(user, job.pk, wanted["number"])
    link = links.make_link(user, artifact, hours=wanted["hours"], note=wanted["note"])
    early = "; it ends with its file" if links.ends_with_file(link) else ""
    return f"The link works until {link.expires_at:%Y-%m-%d %H:%M} UTC{early}."


@require_POST
@staff_required
def link_revoke(request: HttpRequest, job_id: UUID, link_id: UUID) -> HttpResponse:
    """Let a link lead nowhere from now on."""
    job = _export_or_404(request, job_id)
    try:
        link = links.link_of(job, link_id)
    except NotFound as error:
        raise Http404 from error
    links.revoke_link(link)
    messages.success(request, "The link was revoked.")
    return redirect(job)


@require_POST
@staff_required
def files_keep(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Keep all files of the export until so many days from now."""
    job = _export_or_404(request, job_id)
    form = KeepForm(request.POST)
    if not form.is_valid():
        return _misfilled(request, job, form)
    return _told(request, job, lambda: _keep(job, form.cleaned_data["days"]))


def _keep(job: ExportJob, days: int) -> str:
    files = keeping.kept_artifacts(job)
    keeping.keep_until(files, days)
    return f"Kept until {files[0].expires_at:%Y-%m-%d %H:%M} UTC."


@require_POST
@staff_required
def files_delete(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Delete all files of the export at once."""
    job = _export_or_404(request, job_id)
    return _told(request, job, lambda: _delete(request.user, job))


def _delete(user: Any, job: ExportJob) -> str:
    count = keeping.delete_now(keeping.kept_artifacts(job), user)
    return "The file was deleted." if count == 1 else f"{count:,} files were deleted."
