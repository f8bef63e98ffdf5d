"""Exports in the admin: to look at, cancel and retry; artifacts only to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest

from exports import services
from exports.models import Artifact, ExportJob
from jobs.admin import JobAdmin
from jobs.wording import human_bytes

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Artifact]
else:
    ModelAdmin = admin.ModelAdmin


@admin.register(ExportJob)
class ExportJobAdmin(JobAdmin):
    """An export job."""

    extra_fields = ("format", "filter", "artifact")

    def cancel_job(self, job: Any) -> None:
        """Nothing of a cancelled export stays."""
        services.cancel_export(job)

    def retry_job(self, job: Any) -> None:
        """It is built anew."""
        services.retry_export(job)


@admin.register(Artifact)
class ArtifactAdmin(ModelAdmin):
    """A finished file. Nothing of it can be changed by hand."""

    list_display = (
        "filename", "owner", "size", "messages", "sessions", "state", "downloads", "created_at", "expires_at",
    )  # fmt: skip
    list_filter = ("state", "media_type", "created_at")
    search_fields = ("filename", "sha256", "job__owner__username")
    list_select_related = ("job__owner",)

    @admin.display(ordering="bytes")
    def size(self, artifact: Artifact) -> str:
        """For people."""
        return human_bytes(artifact.bytes)

    @admin.display(ordering="job__owner")
    def owner(self, artifact: Artifact) -> str:
        """Whose it is."""
        return str(artifact.job.owner or "")

    def get_queryset(self, request: HttpRequest) -> Any:
        """One's own; a superuser sees all."""
        found = super().get_queryset(request)
        return found if request.user.is_superuser else found.filter(job__owner_id=request.user.pk)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Exports make them."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Artifact | None = None) -> bool:
        """Their bytes never change."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Artifact | None = None) -> bool:
        """They expire."""
        return False
