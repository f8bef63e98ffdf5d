"""What is kept about exports: the jobs that build them, the files that came of them, who may and did download
them, and what is made again and again."""

from __future__ import annotations

import uuid
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone

from exports.calendar import Rule
from jobs.models import Job

MADE_BY = ("preset", "schedule")
"""Parameters of a job that say what asked for it."""


class ExportJob(Job):
    """Builds one file in ``format`` from what ``filter`` lets through."""

    task_name = "exports.tasks.run_export_job"
    queue = "exports"
    kind = "export"
    label = "Export"

    format = models.CharField(max_length=32)
    filter = models.JSONField(default=dict, blank=True)
    choices = models.JSONField(default=dict, blank=True, help_text="How it is made, where not as a rule.")
    subject = models.CharField(
        max_length=200, blank=True, help_text="The filter in words; empty for everything."
    )
    schedule = models.ForeignKey(
        "exports.Schedule", null=True, blank=True, on_delete=models.SET_NULL, related_name="jobs"
    )
    slot = models.DateTimeField(null=True, blank=True, help_text="For which time its schedule made it.")

    class Meta(Job.Meta):
        abstract = False
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["schedule", "slot"], name="exportjob_one_a_slot")
        ]

    @property
    def title(self) -> str:
        """What is exported, and as what."""
        return f"{self.subject or 'Everything'} as {self.format}"

    @property
    def parts(self) -> list[Artifact]:
        """The files of this export in their order; as a rule there is one."""
        return sorted(self.artifacts.all(), key=lambda artifact: artifact.number)

    @property
    def artifact(self) -> Artifact | None:
        """The file of this export, or the first of its parts."""
        return next(iter(self.parts), None)

    @property
    def total_bytes(self) -> int:
        """All of its files together."""
        return sum(artifact.bytes for artifact in self.parts)

    @property
    def ready_artifact(self) -> Artifact | None:
        """The same, while it can be downloaded."""
        artifact = self.artifact
        return artifact if artifact is not None and artifact.is_ready else None

    def told_parameters(self) -> dict[str, str]:
        """The format and the filter, in words; the preset and the schedule that asked for it."""
        made_by = {name: str(self.parameters[name]) for name in MADE_BY if name in self.parameters}
        return {"format": self.format, "filter": self.subject or "everything"} | made_by

    def get_absolute_url(self) -> str:
        """Its page."""
        return reverse("exports:detail", args=[self.pk])


class ArtifactState(models.TextChoices):
    """Whether the bytes are still there."""

    READY = "ready", "ready"
    DAMAGED = "damaged", "damaged"
    EXPIRED = "expired", "expired"


class ArtifactQuerySet(models.QuerySet[Any]):
    """Artifacts, and which of them hold bytes."""

    def kept(self) -> Self:
        """Those whose bytes are still there, good or damaged."""
        return self.exclude(state=ArtifactState.EXPIRED)


class Artifact(models.Model):
    """A finished file on the disk; its bytes never change under its name. An export that is split has
    several, numbered from 1."""

    job = models.ForeignKey(ExportJob, on_delete=models.CASCADE, related_name="artifacts")
    number = models.PositiveIntegerField(default=1)
    storage_name = models.CharField(max_length=80, unique=True, editable=False)
    filename = models.CharField(max_length=200, help_text="What a download is called.")
    media_type = models.CharField(max_length=80)
    bytes = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)
    messages = models.BigIntegerField(default=0)
    sessions = models.BigIntegerField(default=0)
    manifest = models.JSONField(default=dict)
    state = models.CharField(max_length=16, choices=ArtifactState.choices, default=ArtifactState.READY)
    stamp = models.CharField(
        max_length=120, blank=True, editable=False, help_text="What the file looked like when it was checked."
    )
    checked_at = models.DateTimeField(null=True, blank=True, help_text="When its SHA-256 was last taken.")
    downloads = models.IntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(db_index=True)

    objects = ArtifactQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-created_at", "number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["job", "number"], name="artifact_number_of_job")
        ]

    def __str__(self) -> str:
        return self.filename

    @property
    def path(self) -> Path:
        """Where the bytes are; the name is ours."""
        return artifact_folder() / self.storage_name

    @property
    def is_ready(self) -> bool:
        """It can be downloaded: not expired by its mark or by the clock, and not known to be damaged."""
        return self.state == ArtifactState.READY and not self.is_expired

    @property
    def is_expired(self) -> bool:
        """Its time is over, by its mark or by the clock."""
        return self.state == ArtifactState.EXPIRED or self.expires_at <= timezone.now()

    @property
    def told_state(self) -> ArtifactState:
        """The state as it is now: the clock may be ahead of the mark."""
        return ArtifactState.EXPIRED if self.is_expired else ArtifactState(self.state)


class LinkState(models.TextChoices):
    """What becomes of whoever follows a link."""

    OPEN = "open", "works"
    EXPIRED = "expired", "expired"
    REVOKED = "revoked", "revoked"


class Link(models.Model):
    """Lets whoever holds its signed address download one artifact, until it expires or is revoked."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    artifact = models.ForeignKey(Artifact, on_delete=models.CASCADE, related_name="links")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    note = models.CharField(max_length=200, blank=True, help_text="Whom it is for.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-created_at"]

    def __str__(self) -> str:
        return self.note or f"Link to {self.artifact}"

    @property
    def state(self) -> LinkState:
        """Whether it leads to the file now, and if not, why."""
        if self.revoked_at is not None or not self._is_vouched_for():
            return LinkState.REVOKED
        is_over = self.expires_at <= timezone.now() or self.artifact.is_expired
        return LinkState.EXPIRED if is_over else LinkState.OPEN

    def _is_vouched_for(self) -> bool:
        """Who made it may still see the export: a link gives nobody more than its maker has."""
        owner = self.owner
        return owner.is_active and owner.is_staff and self.artifact.job.is_visible_to(owner)


class Download(models.Model):
    """One answer that sent an artifact, or a part of it: to whom, when, and from which byte."""

    artifact = models.ForeignKey(Artifact, on_delete=models.CASCADE, related_name="download_log")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    link = models.ForeignKey(Link, null=True, blank=True, on_delete=models.SET_NULL, related_name="downloads")
    at = models.DateTimeField(default=timezone.now, editable=False)
    address = models.GenericIPAddressField(null=True, blank=True)
    program = models.CharField(max_length=200, blank=True, help_text="What the client calls itself.")
    first_byte = models.BigIntegerField(default=0)
    bytes = models.BigIntegerField(default=0, help_text="How many the answer was to have.")

    class Meta:
        ordering: ClassVar = ["-at", "-id"]

    def __str__(self) -> str:
        return f"{self.artifact} at {self.at:%Y-%m-%d %H:%M}"


class Preset(models.Model):
    """An export to be made again: a format, a filter and choices. Others may use a shared one."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=100)
    is_shared = models.BooleanField(default=False, help_text="Whether other staff may use it.")
    format = models.CharField(max_length=32)
    filter = models.JSONField(default=dict, blank=True)
    choices = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering: ClassVar = ["name", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["owner", "name"], name="preset_name_of_owner")
        ]

    def __str__(self) -> str:
        return self.name


class Frequency(models.TextChoices):
    """How often a schedule is due."""

    DAILY = "daily", "every day"
    WEEKLY = "weekly", "every week"
    MONTHLY = "monthly", "every month"


class Schedule(models.Model):
    """Makes the export of a preset again and again, at a time of day in a time zone."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    preset = models.ForeignKey(Preset, on_delete=models.CASCADE, related_name="schedules")
    frequency = models.CharField(max_length=16, choices=Frequency.choices, default=Frequency.WEEKLY)
    weekday = models.PositiveSmallIntegerField(default=0, help_text="0 is Monday; for every week.")
    monthday = models.PositiveSmallIntegerField(default=1, help_text="1 to 28; for every month.")
    time_of_day = models.TimeField(default=time(3, 0))
    time_zone = models.CharField(max_length=64, default="UTC")
    skips_empty = models.BooleanField(default=True, help_text="Make nothing where nothing matches.")
    is_enabled = models.BooleanField(default=True)
    next_at = models.DateTimeField(db_index=True)
    last_at = models.DateTimeField(null=True, blank=True)
    failures = models.PositiveSmallIntegerField(default=0, help_text="In a row, up to now.")
    stopped_because = models.CharField(max_length=500, blank=True)
    last_note = models.CharField(
        max_length=500, blank=True, help_text="What came of the last slot, where no job tells it."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering: ClassVar = ["next_at", "id"]

    def __str__(self) -> str:
        return f"{self.preset}, {self.rule}"

    def get_absolute_url(self) -> str:
        """Its page."""
        return reverse("exports:schedule", args=[self.pk])

    @property
    def rule(self) -> Rule:
        """When it is due."""
        return Rule(self.frequency, self.weekday, self.monthday, self.time_of_day, self.time_zone)

    @property
    def notice_id(self) -> uuid.UUID:
        """What notices about it go by; no job's id."""
        return uuid.uuid5(uuid.NAMESPACE_OID, f"claudelens schedule {self.pk}")


def artifact_folder() -> Path:
    """Where artifacts are written and read."""
    return Path(settings.CLAUDELENS_ARTIFACT_DIR)


def new_expiry() -> datetime:
    """Until when an artifact made now is kept."""
    return timezone.now() + timedelta(days=settings.CLAUDELENS_ARTIFACT_DAYS)
