"""How exports look in the API."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from rest_framework import serializers

from exports.models import Artifact, ExportJob
from exports.renderers import RENDERERS
from exports.renderers.values import iso
from jobs.serializers import JobSerializer


class ExportFilterSerializer(serializers.Serializer[Any]):
    """What to export; every part is optional. For the schema: ``exports.filters`` checks it."""

    project = serializers.ListField(child=serializers.CharField(), required=False)
    session = serializers.ListField(child=serializers.CharField(), required=False)
    source = serializers.ListField(  # type: ignore[assignment]
        child=serializers.CharField(), required=False
    )
    model = serializers.ListField(child=serializers.CharField(), required=False)
    since = serializers.DateTimeField(required=False, help_text="The first moment exported.")
    until = serializers.DateTimeField(required=False, help_text="The first moment not exported.")


class ExportCreateSerializer(serializers.Serializer[Any]):
    """A new export."""

    format = serializers.ChoiceField(choices=list(RENDERERS))
    filter = ExportFilterSerializer(required=False)


class FormatSerializer(serializers.Serializer[Any]):
    """One export format, with what it loses."""

    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    description = serializers.CharField()
    extension = serializers.CharField()
    mediaType = serializers.CharField()  # noqa: N815
    loses = serializers.ListField(child=serializers.CharField())


class ArtifactSerializer(serializers.Serializer[Any]):
    """The file of a finished export."""

    filename = serializers.CharField()
    url = serializers.CharField(help_text="Where to download it; takes Range requests.")
    mediaType = serializers.CharField()  # noqa: N815
    bytes = serializers.IntegerField()
    sha256 = serializers.CharField()
    messages = serializers.IntegerField()
    sessions = serializers.IntegerField()
    state = serializers.CharField(help_text="ready or expired")
    downloads = serializers.IntegerField()
    createdAt = serializers.DateTimeField()  # noqa: N815
    expiresAt = serializers.DateTimeField()  # noqa: N815
    manifest = serializers.DictField()

    def to_representation(self, instance: Artifact) -> dict[str, Any]:
        """Plain values, exact."""
        same = ("filename", "bytes", "sha256", "messages", "sessions", "downloads", "manifest")
        return {name: getattr(instance, name) for name in same} | {
            "url": reverse("api-export-download", args=[instance.job_id]),
            "mediaType": instance.media_type,
            "state": "ready" if instance.is_ready else "expired",
            "createdAt": iso(instance.created_at),
            "expiresAt": iso(instance.expires_at),
        }


class ExportJobSerializer(JobSerializer):
    """An export: the job, what was asked for, and the file once there is one."""

    format = serializers.CharField()
    filter = serializers.DictField()
    artifact = ArtifactSerializer(allow_null=True)

    def more(self, job: ExportJob) -> dict[str, Any]:
        """The format, the filter as it was understood, the artifact."""
        artifact = getattr(job, "artifact", None)
        return {
            "format": job.format,
            "filter": job.filter,
            "artifact": ArtifactSerializer(artifact).data if artifact else None,
        }
