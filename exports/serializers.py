"""How exports look in the API."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from rest_framework import serializers

from exports.choices import CONTENTS, LAYOUTS, LEVELS, ROWS, SECRETS
from exports.models import Artifact, ExportJob
from exports.renderers import RENDERERS
from exports.renderers.values import iso
from jobs.serializers import JobSerializer


def _some(help_text: str) -> Any:
    return serializers.ListField(child=serializers.CharField(), required=False, help_text=help_text)


class ExportFilterSerializer(serializers.Serializer[Any]):
    """What to export; every part is optional. For the schema: ``exports.filters`` checks it."""

    project = _some("Ids, paths or names of projects.")
    session = _some("Session ids.")
    tag = _some("Tags of sessions.")
    source = _some("Sources, such as claude-code.")
    type = _some("Types of messages, such as user.")
    role = _some("Roles, such as assistant.")
    model = _some("Models.")
    tool = _some("Names of tools that the message calls.")
    branch = _some("Git branches.")
    since = serializers.DateTimeField(required=False, help_text="The first moment exported.")
    until = serializers.DateTimeField(required=False, help_text="The first moment not exported.")
    period = serializers.CharField(
        required=False, help_text="Instead of since and until: last-week, this-month, 30d …"
    )
    timezone = serializers.CharField(required=False, help_text="Whose days and weeks; UTC without it.")
    text = serializers.CharField(required=False, help_text="Stands in the message, whatever the case.")
    minCost = serializers.DecimalField(  # noqa: N815
        33, 20, required=False, help_text="US dollars that the session cost at least."
    )
    maxCost = serializers.DecimalField(  # noqa: N815
        33, 20, required=False, help_text="US dollars that the session cost at most."
    )
    subagents = serializers.ChoiceField(choices=("yes", "no", "only"), required=False)


class ExportChoicesSerializer(serializers.Serializer[Any]):
    """How to make it; every part is optional. For the schema: ``exports.choices`` checks it."""

    layout = serializers.ChoiceField(choices=LAYOUTS, required=False)
    rows = serializers.ChoiceField(choices=ROWS, required=False)
    columns = serializers.ListField(child=serializers.CharField(), required=False)
    guardFormulas = serializers.BooleanField(required=False)  # noqa: N815
    without = serializers.ListField(child=serializers.ChoiceField(choices=CONTENTS), required=False)
    redact = serializers.ListField(child=serializers.ChoiceField(choices=SECRETS), required=False)
    patterns = serializers.ListField(child=serializers.CharField(), required=False)
    compression = serializers.ChoiceField(choices=list(LEVELS), required=False)
    level = serializers.IntegerField(required=False, help_text="gzip: 1 to 9. zstd: 1 to 19.")
    split = serializers.CharField(required=False, help_text="month, or a size such as 100 MB.")


class ExportCreateSerializer(serializers.Serializer[Any]):
    """A new export."""

    format = serializers.ChoiceField(choices=list(RENDERERS))
    filter = ExportFilterSerializer(required=False)
    choices = ExportChoicesSerializer(required=False)  # type: ignore[assignment]


class FormatSerializer(serializers.Serializer[Any]):
    """One export format, with what it loses."""

    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    description = serializers.CharField()
    extension = serializers.CharField()
    mediaType = serializers.CharField()  # noqa: N815
    loses = serializers.ListField(child=serializers.CharField())
    takes = serializers.ListField(child=serializers.CharField(), help_text="Choices that only some have.")
    rows = serializers.ListField(child=serializers.CharField(), help_text="What its rows can be.")
    layouts = serializers.ListField(child=serializers.CharField())
    columns = serializers.DictField(
        child=serializers.ListField(child=serializers.CharField()), help_text="For each kind of rows."
    )
    packsItself = serializers.CharField(  # noqa: N815
        help_text="Why it is not compressed once more; empty where it can be."
    )
    streams = serializers.BooleanField(help_text="Whether it can be streamed without a job.")
    available = serializers.BooleanField(help_text="Whether what it is made with is installed here.")


class PartSerializer(serializers.Serializer[Any]):
    """One file of a finished export."""

    number = serializers.IntegerField(help_text="Which of its parts, from 1 on.")
    filename = serializers.CharField()
    url = serializers.CharField(help_text="Where to download it; takes Range requests.")
    mediaType = serializers.CharField()  # noqa: N815
    bytes = serializers.IntegerField()
    sha256 = serializers.CharField()
    messages = serializers.IntegerField()
    sessions = serializers.IntegerField()
    state = serializers.CharField(help_text="ready, damaged or expired")
    downloads = serializers.IntegerField()
    createdAt = serializers.DateTimeField()  # noqa: N815
    expiresAt = serializers.DateTimeField()  # noqa: N815

    def to_representation(self, instance: Artifact) -> dict[str, Any]:
        """Plain values, exact."""
        same = ("number", "filename", "bytes", "sha256", "messages", "sessions", "downloads")
        part = f"?part={instance.number}" if instance.number > 1 else ""
        return {name: getattr(instance, name) for name in same} | {
            "url": reverse("api-export-download", args=[instance.job_id]) + part,
            "mediaType": instance.media_type,
            "state": instance.told_state.value,
            "createdAt": iso(instance.created_at),
            "expiresAt": iso(instance.expires_at),
        }


class ArtifactSerializer(PartSerializer):
    """The file of a finished export, or the first of its parts, with what is in it and what is not."""

    manifest = serializers.DictField()

    def to_representation(self, instance: Artifact) -> dict[str, Any]:
        """With the manifest."""
        return super().to_representation(instance) | {"manifest": instance.manifest}


class ExportJobSerializer(JobSerializer):
    """An export: the job, what was asked for, and the files once there are any."""

    format = serializers.CharField()
    filter = serializers.DictField()
    choices = serializers.DictField()  # type: ignore[assignment]
    artifact = ArtifactSerializer(allow_null=True)
    artifacts = PartSerializer(many=True)

    def more(self, job: ExportJob) -> dict[str, Any]:
        """The format, the filter and choices as they were understood, the files in their order."""
        parts = job.parts
        return {
            "format": job.format,
            "filter": job.filter,
            "choices": job.choices,
            "artifact": ArtifactSerializer(parts[0]).data if parts else None,
            "artifacts": PartSerializer(parts, many=True).data,
        }
