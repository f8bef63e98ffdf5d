"""Maintenance in the admin: its jobs to look at, cancel, retry and run as planned; its policies to edit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from archive import sessions
from jobs.admin import JobAdmin
from maintenance import previews, services
from maintenance.access import is_allowed
from maintenance.models import MaintenanceJob, StoragePolicy, TierPolicy
from maintenance.shown import item_columns, item_rows
from maintenance.steps import STEPS

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
    PolicyForm = forms.ModelForm[TierPolicy]
else:
    ModelAdmin = admin.ModelAdmin
    PolicyForm = forms.ModelForm

ITEMS_SHOWN = 200


class ForSuperusers:
    """Seen and used by superusers alone."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        """It is everybody's data."""
        return is_allowed(request.user)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """It is everybody's data."""
        return is_allowed(request.user)


@admin.register(MaintenanceJob)
class MaintenanceJobAdmin(ForSuperusers, JobAdmin):
    """A job of maintenance; the buttons above the list begin one."""

    change_list_template = "admin/maintenance/job_list.html"
    list_filter = ("state", "step", "dry_run", "created_at")  # type: ignore[assignment]
    extra_fields = ("step", "dry_run", "slot", "plan_shown", "result")
    actions = ("cancel_jobs", "retry_jobs", "run_plans")

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """With a button for each step."""
        return super().changelist_view(request, {**(extra_context or {}), "steps": STEPS.values()})

    @admin.display(description="Plan")
    def plan_shown(self, job: MaintenanceJob) -> str | SafeString:
        """The sentence, and the rows."""
        plan = job.stored_plan
        if plan is None:
            return "Not planned yet."
        items = plan.items[:ITEMS_SHOWN]
        columns = item_columns(items)
        rows = (
            (format_html_join("", "<td>{}</td>", ((text,) for _, text, _ in row)),)
            for row in item_rows(items, columns)
        )
        head = format_html_join("", "<th>{}</th>", ((label,) for _, label in columns))
        body = format_html_join("", "<tr>{}</tr>", rows)
        table = format_html("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>", head, body)
        return format_html("<p>{}</p>{}", plan.summary, table if items else "")

    @admin.action(description="Run the stored plan of the selected dry runs")
    def run_plans(self, request: HttpRequest, jobs: QuerySet[Any]) -> None:
        """Each as it stands; those that have none are told."""

        def run(planned: MaintenanceJob) -> None:
            services.create_job(planned.step, {}, request.user, plan_of=planned)

        self._each(request, jobs, run, "sent on its way as planned")

    def cancel_job(self, job: Any) -> None:
        """What is done stays done."""
        services.cancel_maintenance(job)

    def retry_job(self, job: Any) -> None:
        """With the same plan."""
        services.retry_maintenance(job)


class TierPolicyForm(PolicyForm):
    """A policy, whose project is one of the archive's."""

    class Meta:
        model = TierPolicy
        fields = ("project", "warm_after_days", "cold_after_days", "frozen_after_days")

    def clean_project(self) -> str:
        """The id of a project, given as its id, path or name; empty for every project."""
        given = str(self.cleaned_data["project"]).strip()
        if not given:
            return ""
        for field in ("_id", "path", "name"):
            found = [each for each in sessions.list_projects() if str(each.get(field, "")) == given]
            if len(found) == 1:
                return str(found[0]["_id"])
        raise forms.ValidationError(
            "There is no such project, or several: give its id.", code="impossible_policy"
        )


class PolicyAdmin(ForSuperusers, ModelAdmin):
    """What is gone by from the next job on; tells what tonight's move would do."""

    change_form_template = "admin/maintenance/policy_form.html"
    change_list_template = "admin/maintenance/policy_list.html"

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Superusers."""
        return is_allowed(request.user)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Superusers."""
        return is_allowed(request.user)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Superusers; without a policy the built-in ages hold."""
        return is_allowed(request.user)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """With tonight's move above."""
        return super().changelist_view(request, {**(extra_context or {}), "preview": previews.tonight()})

    def changeform_view(
        self, request: HttpRequest, object_id: Any = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """With tonight's move above."""
        shown = {} if request.method == "POST" else {"preview": previews.tonight()}
        return super().changeform_view(request, object_id, form_url, {**(extra_context or {}), **shown})

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """What was told before holds no longer."""
        super().save_model(request, obj, form, change)
        previews.forget()

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """The same."""
        super().delete_model(request, obj)
        previews.forget()


@admin.register(TierPolicy)
class TierPolicyAdmin(PolicyAdmin):
    """At which age messages move down."""

    form = TierPolicyForm
    list_display = ("__str__", "warm_after_days", "cold_after_days", "frozen_after_days", "updated_at")


@admin.register(StoragePolicy)
class StoragePolicyAdmin(PolicyAdmin):
    """How storage is looked after by itself."""

    list_display = ("__str__", "rotate_above_mib", "sealed_retention", "quiet_from", "quiet_until")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """There is one."""
        return super().has_add_permission(request) and not StoragePolicy.objects.exists()
