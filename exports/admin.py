"""Exports in the admin: to look at, cancel and retry; artifacts only to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from archive.errors import ArchiveError
from exports import presets, schedules, services
from exports.finished import admin as finished  # noqa: F401  (registers links and downloads)
from exports.models import Artifact, ExportJob, Preset, Schedule
from jobs.admin import JobAdmin, ReadOnlyForStaff
from jobs.wording import human_bytes

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Artifact]
    AnyAdmin = admin.ModelAdmin[Any]
else:
    ModelAdmin = AnyAdmin = admin.ModelAdmin


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


@admin.register(Preset)
class PresetAdmin(ReadOnlyForStaff, AnyAdmin):
    """A preset, to look at; it is changed and deleted on its page, where it is checked."""

    list_display = ("name", "owner", "is_shared", "format", "updated_at")
    list_filter = ("is_shared", "format")
    search_fields = ("name", "owner__username")
    list_select_related = ("owner",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Those that the user may use."""
        return presets.visible_presets(request.user).order_by("name", "pk")


@admin.register(Schedule)
class ScheduleAdmin(ReadOnlyForStaff, AnyAdmin):
    """A schedule, to look at, to run and to switch; it is changed on its page, where it is checked."""

    list_display = (
        "preset", "owner", "due", "is_enabled", "next_at", "last_at", "failures", "stopped_because",
    )  # fmt: skip
    list_filter = ("is_enabled", "frequency")
    search_fields = ("preset__name", "owner__username")
    actions = ("run_now", "switch_on", "switch_off")

    @admin.display(ordering="frequency")
    def due(self, schedule: Schedule) -> str:
        """When, in words."""
        return str(schedule.rule)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """One's own; a superuser sees all."""
        return schedules.visible_schedules(request.user).order_by("next_at", "pk")

    @admin.action(description="Make the export now")
    def run_now(self, request: HttpRequest, chosen: QuerySet[Any]) -> None:
        """Beside its slots."""
        for schedule in chosen:
            try:
                schedules.run_schedule(schedule)
            except ArchiveError as refusal:
                self.message_user(request, f"{schedule}: {refusal.message}", messages.ERROR)

    @admin.action(description="Switch on")
    def switch_on(self, request: HttpRequest, chosen: QuerySet[Any]) -> None:
        """From the next slot on."""
        for schedule in chosen:
            schedules.change_schedule(schedule, {"enabled": True})

    @admin.action(description="Switch off")
    def switch_off(self, request: HttpRequest, chosen: QuerySet[Any]) -> None:
        """Until it is switched on again."""
        for schedule in chosen:
            schedules.change_schedule(schedule, {"enabled": False})
