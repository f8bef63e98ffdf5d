"""What is kept about an export: the job that builds it, and the file that came of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone

from jobs.models import Job


class ExportJob(Job):
    """Builds one file in ``format`` from what ``filter`` lets through."""

    task_name = "exports.tasks.run_export_job"
    queue = "exports"
    kind = "export"
    label = "Export"

    format = models.CharField(max_length=32)
    filter = models.JSONField(default=dict, blank=True)
    subject = models.CharField(
        max_length=200, blank=True, help_text="The filter in words; empty for everything."
    )

    class Meta(Job.Meta):
        abstract = False

    @property
    def title(self) -> str:
        """What is exported, and as what."""
        return f"{self.subject or 'Everything'} as {self.format}"

    @property
    def ready_artifact(self) -> Artifact | None:
        """The file of this export, while it can be downloaded."""
        artifact = getattr(self, "artifact", None)
        return artifact if artifact is not None and artifact.is_ready else None

    def told_parameters(self) -> dict[str, str]:
        """The format and the filter, in words."""
        return {"format": self.format, "filter": self.subject or "everything"}

    def get_absolute_url(self) -> str:
        """Its page."""
        return reverse("exports:detail", args=[self.pk])


class ArtifactState(models.TextChoices):
    """Whether the bytes are still there."""

    READY = "ready", "ready"
    EXPIRED = "expired", "expired"


class Artifact(models.Model):
    """A finished file on the disk; its bytes never change under its name."""

    job = models.OneToOneField(ExportJob, on_delete=models.CASCADE, related_name="artifact")
    storage_name = models.CharField(max_length=80, unique=True, editable=False)
    filename = models.CharField(max_length=200, help_text="What a download is called.")
    media_type = models.CharField(max_length=80)
    bytes = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)
    messages = models.BigIntegerField(default=0)
    sessions = models.BigIntegerField(default=0)
    manifest = models.JSONField(default=dict)
    state = models.CharField(max_length=16, choices=ArtifactState.choices, default=ArtifactState.READY)
    downloads = models.IntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        ordering: ClassVar = ["-created_at"]

    def __str__(self) -> str:
        return self.filename

    @property
    def path(self) -> Path:
        """Where the bytes are; the name is ours."""
        return artifact_folder() / self.storage_name

    @property
    def is_ready(self) -> bool:
        """It has not expired, by its mark or by the clock."""
        return self.state == ArtifactState.READY and self.expires_at > timezone.now()


def artifact_folder() -> Path:
    """Where artifacts are written and read."""
    return Path(settings.CLAUDELENS_ARTIFACT_DIR)


def new_expiry() -> datetime:
    """Until when an artifact made now is kept."""
    return timezone.now() + timedelta(days=settings.CLAUDELENS_ARTIFACT_DAYS)
