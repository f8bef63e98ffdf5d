"""The base of the jobs' admin pages: to look, to cancel and to retry; nothing is edited here."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from archive.errors import ArchiveError
from jobs import runner
from jobs.models import Job
from jobs.wording import count_label, human_bytes, human_count, human_seconds

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
else:
    ModelAdmin = admin.ModelAdmin

LOG_SHOWN = 500


class ReadOnlyForStaff:
    """Rows that every staff member may look at, as far as ``get_queryset`` shows them, and nobody edits."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Every staff member has rows of their own."""
        return bool(request.user.is_active and request.user.is_staff)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Staff; the queryset hides what is not theirs."""
        return self.has_module_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """They are made by services."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """What happened is not edited."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """What happened is not deleted; files expire by themselves."""
        return False


class JobAdmin(ReadOnlyForStaff, ModelAdmin):
    """Staff see their own jobs, a superuser every job."""

    list_display = (
        "title", "state_shown", "kind_shown", "owner", "progress_shown", "counts_shown",
        "started_at", "duration",
    )  # fmt: skip
    list_filter = ("state", "created_at")
    search_fields = ("id", "owner__username", "error_message")
    list_select_related = ("owner",)
    date_hierarchy = "created_at"
    ordering = ("-created_at",)
    actions: tuple[str, ...] = ("cancel_jobs", "retry_jobs")
    job_fields: ClassVar[tuple[str, ...]] = (
        "id", "state_shown", "owner", "created_at", "started_at", "finished_at", "duration",
        "phase", "progress_shown", "records_shown", "bytes_shown", "counts_shown", "attempts",
    )  # fmt: skip
    extra_fields: ClassVar[tuple[str, ...]] = ()
    """What the concrete job's page shows besides."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Own jobs; for a superuser all."""
        jobs: Any = super().get_queryset(request)
        visible: QuerySet[Any] = jobs.visible_to(request.user)
        return visible

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """The job, why it failed if it did, what was asked for, and its log."""
        told: list[tuple[str | None, dict[str, Any]]] = [(None, {"fields": self.job_fields})]
        if obj is not None and obj.error_code:
            told.append(("Error", {"fields": self._error_fields(request, obj)}))
        told.append(("Request", {"fields": (*self.extra_fields, "parameters")}))
        told.append(("Log", {"fields": ("log_shown",)}))
        return told

    def _error_fields(self, request: HttpRequest, job: Job) -> tuple[str, ...]:
        fields = ("error_code", "error_message", "error_hint")
        return (*fields, "traceback_shown") if job.traceback else fields

    @admin.display(description="Job")
    def title(self, job: Job) -> str:
        """What a person calls it."""
        return job.title

    @admin.display(description="State", ordering="state")
    def state_shown(self, job: Job) -> SafeString:
        """Sign and word: never colour alone."""
        return format_html(
            '<span class="job-state job-state--{}"><span aria-hidden="true">{}</span> {}</span>',
            job.state,
            job.icon,
            job.get_state_display(),
        )

    @admin.display(description="Kind")
    def kind_shown(self, job: Job) -> str:
        """Import, export, …"""
        return job.label

    @admin.display(description="Progress")
    def progress_shown(self, job: Job) -> str | SafeString:
        """A bar with its figure beside it; a dash where the total is unknown."""
        if job.percent is None:
            return "–"
        return format_html(
            '<progress max="100" value="{}" aria-label="Progress"></progress> {} %',
            round(job.percent),
            round(job.percent),
        )

    @admin.display(description="Counts")
    def counts_shown(self, job: Job) -> str:
        """``12 inserted, 3 duplicates``."""
        parts = (f"{human_count(n)} {count_label(name).lower()}" for name, n in job.counts.items() if n)
        return ", ".join(parts) or "–"

    @admin.display(description="Records")
    def records_shown(self, job: Job) -> str:
        """Done, and of how many if that is known."""
        return _of(human_count, job.records_done, job.records_total)

    @admin.display(description="Bytes")
    def bytes_shown(self, job: Job) -> str:
        """Done, and of how many if that is known."""
        return _of(human_bytes, job.bytes_done, job.bytes_total)

    @admin.display(description="Duration")
    def duration(self, job: Job) -> str:
        """From the first start to the end."""
        if job.started_at is None or job.finished_at is None:
            return "–"
        return human_seconds(job.finished_at - job.started_at)

    @admin.display(description="Traceback")
    def traceback_shown(self, job: Job) -> SafeString:
        """The bug, as Python told it."""
        return format_html("<pre>{}</pre>", job.traceback)

    @admin.display(description="Lines")
    def log_shown(self, job: Job) -> str | SafeString:
        """The newest lines of the log, oldest of them first."""
        newest = list(job.log_lines().order_by("-id")[:LOG_SHOWN])[::-1]
        lines = ((line.at.strftime("%Y-%m-%d %H:%M:%S"), line.level, line.text) for line in newest)
        if not newest:
            return "Nothing was logged."
        return format_html("<pre>{}</pre>", format_html_join("\n", "{} {}: {}", lines))

    @admin.action(description="Cancel the selected jobs")
    def cancel_jobs(self, request: HttpRequest, jobs: QuerySet[Any]) -> None:
        """Ask each to stop; those that have ended are told."""
        self._each(request, jobs, self.cancel_job, "asked to stop")

    @admin.action(description="Run the selected jobs again")
    def retry_jobs(self, request: HttpRequest, jobs: QuerySet[Any]) -> None:
        """Queue each again; those that cannot be are told."""
        self._each(request, jobs, self.retry_job, "queued again")

    def cancel_job(self, job: Any) -> None:
        """How this kind of job is cancelled; its service's verb where it has one."""
        runner.request_cancel(job)

    def retry_job(self, job: Any) -> None:
        """How this kind of job is run again."""
        runner.retry(job)

    def _each(
        self, request: HttpRequest, jobs: QuerySet[Any], verb: Callable[[Any], None], done: str
    ) -> None:
        count = 0
        for job in jobs:
            try:
                verb(job)
            except ArchiveError as refusal:
                self.message_user(request, f"{refusal.message} {refusal.hint}", messages.WARNING)
            else:
                count += 1
        if count:
            noun = "job was" if count == 1 else "jobs were"
            self.message_user(request, f"{count} {noun} {done}.", messages.SUCCESS)


def _of(word: Callable[[float | None], str], done: int, total: int | None) -> str:
    return f"{word(done)} of {word(total)}" if total else word(done)
