"""What is kept about maintenance: its jobs, and the policies they go by."""

from __future__ import annotations

from datetime import time
from typing import TYPE_CHECKING, Any, ClassVar

from django.core.exceptions import ValidationError
from django.db import models
from django.urls import reverse

from jobs.models import Job
from jobs.states import ACTIVE
from maintenance.policies import Ages, ImpossiblePolicy
from maintenance.quiet import QuietHours, is_time_zone

if TYPE_CHECKING:
    from maintenance.steps.base import Plan, Step


class MaintenanceJob(Job):
    """Plans and does one step. A dry run ends with its plan, which another job may run as it is.

    ``slot`` says for which time beat made it; empty when a person did.
    """

    task_name = "maintenance.tasks.run_maintenance_job"
    queue = "maintenance"
    kind = "maintenance"
    label = "Maintenance"

    step = models.CharField(max_length=32)
    dry_run = models.BooleanField(default=False)
    plan = models.JSONField(null=True, blank=True, help_text="What will be done; empty until it is planned.")
    result = models.JSONField(default=dict, blank=True)
    slot = models.CharField(max_length=40, blank=True, help_text="For which time it was made by itself.")

    class Meta(Job.Meta):
        abstract = False
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["step", "slot"], condition=~models.Q(slot=""), name="maintenancejob_one_a_slot"
            ),
            models.UniqueConstraint(
                fields=["step"],
                condition=models.Q(state__in=[str(state) for state in ACTIVE], dry_run=False),
                name="maintenancejob_one_a_step",
            ),
        ]

    @property
    def kind_of_step(self) -> Step | None:
        """The step, if there still is one of that name."""
        from maintenance.steps import STEPS  # the steps go by the policies below

        return STEPS.get(self.step)

    @property
    def title(self) -> str:
        """The step in words."""
        step = self.kind_of_step
        name = step.label if step else self.step
        return f"{name}, dry run" if self.dry_run else name

    @property
    def stored_plan(self) -> Plan | None:
        """What will be, or was, done."""
        from maintenance.steps.base import Plan

        return Plan.from_dict(self.plan) if self.plan else None

    @property
    def has_runnable_plan(self) -> bool:
        """Whether it is a dry run whose plan can be run as it stands."""
        return bool(self.dry_run and self.plan and self.is_finished)

    def told_parameters(self) -> dict[str, Any]:
        """The step, its parameters, and the plan in a sentence."""
        plan = self.stored_plan
        return {"step": self.step, **self.parameters} | ({"plan": plan.summary} if plan else {})

    def get_absolute_url(self) -> str:
        """Its page."""
        return reverse("maintenance:detail", args=[self.pk])


class Retention(models.TextChoices):
    """What becomes of a hot month that rotation has sealed, once it is old enough."""

    KEEP = "keep", "keep it (the nightly move takes its messages down by their age)"
    OFFLOAD = "offload", "offload it to files, and drop its collection once they were read back"


class TierPolicy(models.Model):
    """At which age messages move down: of one project, or of every project that has no policy of its own."""

    project = models.CharField(
        max_length=64, blank=True, unique=True, help_text="Its id. Empty: every project without its own."
    )
    warm_after_days = models.PositiveIntegerField(default=7, help_text="Hot to warm, in days.")
    cold_after_days = models.PositiveIntegerField(default=90, help_text="Warm to cold, in days.")
    frozen_after_days = models.PositiveIntegerField(
        null=True, blank=True, help_text="Cold to frozen, in days. Empty: never by itself."
    )
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering: ClassVar = ["project"]
        verbose_name_plural = "tier policies"

    def __str__(self) -> str:
        ages = f"warm after {self.warm_after_days} days, cold after {self.cold_after_days}"
        frozen = f", frozen after {self.frozen_after_days}" if self.frozen_after_days is not None else ""
        return f"{self.project or 'Every project'}: {ages}{frozen}"

    @property
    def ages(self) -> Ages:
        """The ages alone."""
        return Ages(self.warm_after_days, self.cold_after_days, self.frozen_after_days)

    def clean(self) -> None:
        """Raises ValidationError, code ``impossible_policy``, naming the age that cannot be."""
        try:
            self.ages.check()
        except ImpossiblePolicy as refusal:
            told = ValidationError(refusal.message, code=refusal.code)
            raise ValidationError({refusal.field: told}) from refusal


class StoragePolicy(models.Model):
    """How storage is looked after by itself. There is one row."""

    rotate_above_mib = models.PositiveIntegerField(
        default=2048, help_text="Rotate when the hot messages come to more, in MiB. 0: only every month."
    )
    sealed_retention = models.CharField(max_length=16, choices=Retention.choices, default=Retention.KEEP)
    sealed_retention_months = models.PositiveIntegerField(
        default=12, help_text="How old a sealed month has to be for that."
    )
    quiet_from = models.TimeField(default=time(1, 0), help_text="When the nightly move may begin.")
    quiet_until = models.TimeField(default=time(6, 0), help_text="When it has to stop.")
    quiet_time_zone = models.CharField(max_length=64, default="UTC", help_text="Such as Europe/Berlin.")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "storage policy"

    def __str__(self) -> str:
        return "Storage policy"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """There is one row."""
        self.pk = 1
        super().save(*args, **kwargs)

    @classmethod
    def current(cls) -> StoragePolicy:
        """The one that holds: the row, else the defaults."""
        return cls.objects.first() or cls()

    @property
    def quiet_hours(self) -> QuietHours:
        """When the nightly move may work."""
        return QuietHours(self.quiet_from, self.quiet_until, self.quiet_time_zone)

    def clean(self) -> None:
        """Raises ValidationError naming the field that cannot be."""
        if not is_time_zone(self.quiet_time_zone):
            told = ValidationError("There is no such time zone.", code="impossible_policy")
            raise ValidationError({"quiet_time_zone": told})
