"""Jobs as the API shows them: the snapshot, and who owns it; and the notices of their ends."""

# ruff: noqa: N815  (the API speaks camelCase)

from typing import Any
from uuid import UUID

from rest_framework import serializers

from jobs.models import Job, JobLog, Notice


class JobErrorSerializer(serializers.Serializer[Any]):
    """Why a job ended without its result."""

    code = serializers.CharField()
    message = serializers.CharField()
    hint = serializers.CharField()


class SnapshotSerializer(serializers.Serializer[Any]):
    """A job of any kind as it stands. ``seq`` grows with every change."""

    id = serializers.UUIDField()
    seq = serializers.IntegerField()
    kind = serializers.CharField()
    title = serializers.CharField()
    url = serializers.CharField(help_text="The job's page.")
    state = serializers.CharField()
    stateLabel = serializers.CharField()
    stateIcon = serializers.CharField()
    isFinished = serializers.BooleanField()
    canCancel = serializers.BooleanField()
    canRetry = serializers.BooleanField()
    canRollBack = serializers.BooleanField()
    phase = serializers.CharField(allow_blank=True)
    percent = serializers.FloatField(allow_null=True)
    counts = serializers.DictField(child=serializers.IntegerField())
    bytesDone = serializers.IntegerField()
    bytesTotal = serializers.IntegerField(allow_null=True)
    recordsDone = serializers.IntegerField()
    recordsTotal = serializers.IntegerField(allow_null=True)
    rate = serializers.FloatField(allow_null=True, help_text="Records per second.")
    byteRate = serializers.FloatField(allow_null=True, help_text="Bytes per second.")
    etaSeconds = serializers.FloatField(allow_null=True)
    error = JobErrorSerializer(allow_null=True)
    createdAt = serializers.DateTimeField()
    startedAt = serializers.DateTimeField(allow_null=True)
    finishedAt = serializers.DateTimeField(allow_null=True)

    def to_representation(self, instance: Job) -> dict[str, Any]:
        """The very snapshot that is broadcast, so that both always agree."""
        return instance.snapshot()


class JobSerializer(SnapshotSerializer):
    """Base of the concrete jobs' serializers: the snapshot, the owner, the parameters.

    A concrete serializer declares its fields for the schema and adds them in ``more``.
    """

    owner = serializers.CharField(allow_null=True, help_text="Who created it.")
    parameters = serializers.DictField()

    def to_representation(self, instance: Job) -> dict[str, Any]:
        """The snapshot and what this kind of job adds."""
        shown = super().to_representation(instance)
        owner = instance.owner.get_username() if instance.owner else None
        return shown | {"owner": owner, "parameters": instance.parameters} | self.more(instance)

    def more(self, job: Any) -> dict[str, Any]:
        """What only this kind of job has; camelCase, JSON-able."""
        return {}


class JobLogSerializer(serializers.ModelSerializer[JobLog]):
    """One line of a job's log."""

    class Meta:
        model = JobLog
        fields = ("at", "level", "text")


class NoticeSerializer(serializers.ModelSerializer[Notice]):
    """That a job has ended, in a sentence; ``seenAt`` is empty until somebody has seen it. ``job`` is null
    where it is told of something else, which ``kind`` names."""

    job = serializers.SerializerMethodField()
    createdAt = serializers.DateTimeField(source="created_at")
    seenAt = serializers.DateTimeField(source="seen_at", allow_null=True)

    class Meta:
        model = Notice
        fields = (
            "id", "job", "kind", "title", "state", "text", "parameters", "seconds", "url", "createdAt",
            "seenAt",
        )  # fmt: skip
        read_only_fields = fields

    def get_job(self, notice: Notice) -> UUID | None:
        """The job's id."""
        return notice.job_id if notice.is_of_job else None
