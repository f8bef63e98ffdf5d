"""Imports and uploads in the admin: to look, to cancel, to retry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from imports import services
from imports.models import ImportDraft, ImportJob, Upload
from jobs.admin import JobAdmin, ReadOnlyForStaff
from jobs.wording import human_bytes

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
else:
    ModelAdmin = admin.ModelAdmin

FILES_SHOWN = 100


@admin.register(ImportJob)
class ImportJobAdmin(JobAdmin):
    """Imports, with their files and the way to what was rejected."""

    actions = (*JobAdmin.actions, "roll_back_jobs")
    extra_fields = ("files_shown", "sessions", "refused_files", "rejected_shown", "file_hash")

    @admin.display(description="Files")
    def files_shown(self, job: ImportJob) -> SafeString:
        """Names and sizes, the first hundred."""
        lines = ((each["name"], human_bytes(each["bytes"])) for each in job.sources[:FILES_SHOWN])
        more = len(job.sources) - FILES_SHOWN
        tail = f"… and {more} more" if more > 0 else ""
        return format_html("<pre>{}\n{}</pre>", format_html_join("\n", "{}  {}", lines), tail)

    @admin.display(description="Rejected records")
    def rejected_shown(self, job: ImportJob) -> SafeString:
        """How many, and where they are listed."""
        return format_html(
            '<a href="{}">{} rejected</a>', job.get_absolute_url(), job.counts.get("rejected", 0)
        )

    @admin.action(description="Roll back the selected imports")
    def roll_back_jobs(self, request: HttpRequest, jobs: QuerySet[Any]) -> None:
        """Undo each, the newest first; those that cannot be are told."""
        self._each(request, jobs.order_by("-created_at"), services.roll_back_import, "sent to be undone")

    def cancel_job(self, job: ImportJob) -> None:
        """By the import's own verb."""
        services.cancel_import(job)

    def retry_job(self, job: ImportJob) -> None:
        """By the import's own verb."""
        services.retry_import(job)


@admin.register(ImportDraft)
class ImportDraftAdmin(ReadOnlyForStaff, ModelAdmin):
    """Imports in preparation, read-only: staff see their own, a superuser all."""

    list_display = ("title", "owner", "updated_at", "job")
    search_fields = ("id", "title")
    list_select_related = ("owner", "job")
    fields = ("id", "title", "owner", "options", "needs_mapping", "job", "created_at", "updated_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Own drafts; for a superuser all."""
        rows: Any = super().get_queryset(request)
        visible: QuerySet[Any] = rows.visible_to(request.user)
        return visible


@admin.register(Upload)
class UploadAdmin(ReadOnlyForStaff, ModelAdmin):
    """Uploads, read-only: staff see their own, a superuser all."""

    list_display = ("name", "owner", "state", "received", "content", "created_at", "expires_at")
    list_filter = ("state", "content")
    search_fields = ("id", "name", "sha256")
    list_select_related = ("owner",)
    fields = (
        "id", "name", "owner", "state", "received", "content", "sha256", "job_link",
        "created_at", "expires_at", "removed_at",
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Own uploads; for a superuser all."""
        rows: Any = super().get_queryset(request)
        visible: QuerySet[Any] = rows.visible_to(request.user)
        return visible

    @admin.display(description="Received")
    def received(self, upload: Upload) -> str:
        """So many bytes of so many."""
        return f"{human_bytes(upload.offset)} of {human_bytes(upload.size)}"

    @admin.display(description="Import")
    def job_link(self, upload: Upload) -> str | SafeString:
        """The import that has it."""
        if upload.job is None:
            return "–"
        address = reverse("admin:imports_importjob_change", args=[upload.job.pk])
        return format_html('<a href="{}">{}</a>', address, upload.job.title)
