"""What is kept about an import: its files, what was chosen so far, and the job that takes them in."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from posixpath import commonpath
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone

from jobs.models import Job
from jobs.states import ACTIVE, UNDOABLE

ACTIVE_STATES = [str(state) for state in ACTIVE]


class UploadState(models.TextChoices):
    """Where an upload stands; only a complete one can be imported."""

    OPEN = "open", "receiving"
    COMPLETE = "complete", "received"
    USED = "used", "given to an import"
    EXPIRED = "expired", "expired"


class UploadQuerySet(models.QuerySet["Upload"]):
    """Uploads, by who may see them and by what they occupy."""

    def visible_to(self, user: Any) -> UploadQuerySet:
        """Own uploads; a superuser sees all."""
        return self if user.is_superuser else self.filter(owner=user)

    def waiting(self) -> UploadQuerySet:
        """Uploads that still take parts, or are whole and not yet given to an import."""
        states = [UploadState.OPEN, UploadState.COMPLETE]
        return self.filter(state__in=states, expires_at__gt=timezone.now())

    def on_disk(self) -> UploadQuerySet:
        """Uploads whose bytes are (or will be) kept under the upload folder."""
        return self.exclude(state=UploadState.EXPIRED).filter(removed_at__isnull=True)


class Upload(models.Model):
    """One file on its way to us, in parts. ``offset`` only counts bytes that are on the disk."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="uploads")
    name = models.CharField(max_length=1024, help_text="As its owner called it; only shown.")
    storage_name = models.CharField(max_length=64, unique=True, editable=False)
    size = models.BigIntegerField()
    offset = models.BigIntegerField(default=0)
    sha256 = models.CharField(max_length=64, blank=True)
    content = models.CharField(max_length=16, blank=True, help_text="What the bytes look like.")
    state = models.CharField(
        max_length=16, choices=UploadState.choices, default=UploadState.OPEN, db_index=True
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(db_index=True)
    removed_at = models.DateTimeField(null=True, blank=True)
    job = models.ForeignKey(
        "ImportJob", null=True, blank=True, on_delete=models.SET_NULL, related_name="uploads"
    )

    objects = UploadQuerySet.as_manager()

    class Meta:
        ordering: ClassVar[list[str]] = ["-created_at"]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["owner", "sha256"], name="upload_same"),
            models.Index(fields=["owner", "-created_at"], name="upload_mine"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def path(self) -> Path:
        """Where the bytes are; the name is ours, whatever the owner's was."""
        return Path(settings.CLAUDELENS_UPLOAD_DIR) / self.storage_name

    @property
    def is_complete(self) -> bool:
        """Every announced byte is on the disk."""
        return self.offset == self.size

    @staticmethod
    def new_expiry() -> datetime:
        """Until when an upload waits that something happens to it, counted from now."""
        return timezone.now() + timedelta(hours=settings.CLAUDELENS_UPLOAD_EXPIRY_HOURS)

    def as_source(self) -> dict[str, Any]:
        """How a job names this upload in its ``sources``."""
        return {
            "path": str(self.path),
            "name": self.name,
            "upload": str(self.id),
            "sha256": self.sha256,
            "bytes": self.size,
        }


def title_of(names: Sequence[str]) -> str:
    """What people call an import of these files."""
    if not names:
        return "Import of nothing"
    first = names[0].rsplit("/", 1)[-1]
    folder = commonpath(names)
    if len(names) > 1 and folder:
        return f"{folder}: {len(names):,} files"
    return f"{first} and {len(names) - 1:,} more" if len(names) > 1 else first


class ImportJob(Job):
    """Takes the files in ``sources`` into the archive."""

    task_name = "imports.tasks.run_import_job"
    queue = "imports"
    kind = "import"
    label = "Import"

    sources = models.JSONField(default=list)
    file_hash = models.CharField(max_length=64, blank=True, editable=False)
    refused_files = models.IntegerField(default=0)
    sessions = models.IntegerField(default=0)

    class Meta(Job.Meta):
        abstract = False
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["file_hash"],
                condition=models.Q(state__in=ACTIVE_STATES) & ~models.Q(file_hash=""),
                name="imports_one_active_import_per_content",
            )
        ]

    @property
    def title(self) -> str:
        """The file's name; of several their folder's, or the first one's and how many more."""
        return title_of([source["name"] for source in self.sources])

    @property
    def bytes_given(self) -> int:
        """What the files hold together, as they were given."""
        return sum(source.get("bytes") or 0 for source in self.sources)

    @property
    def is_dry_run(self) -> bool:
        """It only counts what an import would find."""
        return bool(self.parameters.get("options", {}).get("dry_run"))

    @property
    def is_all_or_nothing(self) -> bool:
        """Unless all of it is good, nothing of it stays."""
        return bool(self.parameters.get("options", {}).get("mode") == "all-or-nothing")

    @property
    def cancel_needs_worker(self) -> bool:
        """What it has written is undone when it is cancelled."""
        return self.is_all_or_nothing and not self.is_dry_run

    @property
    def can_roll_back(self) -> bool:
        """Whether it may be undone: it has ended, and has changed something."""
        return self.state in UNDOABLE and not self.is_dry_run

    @property
    def told_as(self) -> str:
        """A dry run has taken in nothing of what it counted."""
        return "Dry run of" if self.is_dry_run else self.label

    def told_parameters(self) -> dict[str, Any]:
        """How many files, and the options."""
        files = sum(source.get("files", 1) for source in self.sources)
        return {"files": files} | dict(self.parameters.get("options", {}))

    def get_absolute_url(self) -> str:
        """Its page."""
        return reverse("imports:detail", args=[self.pk])


class DraftQuerySet(models.QuerySet["ImportDraft"]):
    """Drafts, by who may see them and by whether they still wait."""

    def visible_to(self, user: Any) -> DraftQuerySet:
        """Own drafts; a superuser sees all."""
        return self if user.is_superuser else self.filter(owner=user)

    def open(self) -> DraftQuerySet:
        """Drafts that have not become an import."""
        return self.filter(job=None)


class ImportDraft(models.Model):
    """An import in preparation: the ids of its uploads, and the options that were chosen so far."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    uploads = models.JSONField(default=list)
    title = models.CharField(max_length=1100, help_text="The file's name, or how many there are.")
    options = models.JSONField(default=dict, blank=True)
    needs_mapping = models.BooleanField(
        default=False, help_text="Whether somebody has to say which column is what."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True, db_index=True)
    job = models.ForeignKey(ImportJob, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    objects = DraftQuerySet.as_manager()

    class Meta:
        ordering: ClassVar[list[str]] = ["-updated_at"]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        """Its first step."""
        return reverse("imports:draft-format", args=[self.pk])
