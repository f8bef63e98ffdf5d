"""How links, downloads and the keeping of files look in the API."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from exports.finished.links import ends_with_file
from exports.finished.shown import link_address
from exports.models import Download, Link
from exports.renderers.values import iso


class ExactSerializer(serializers.Serializer[Any]):
    """Takes the fields that there are and no others, so that a misspelt one is not passed over."""

    def to_internal_value(self, data: Any) -> Any:
        """The values; a field that is none is refused by its name."""
        unknown = sorted(set(data) - set(self.fields)) if isinstance(data, dict) else []
        if unknown:
            told = f"There is no such field: {', '.join(self.fields)}."
            raise serializers.ValidationError({name[:60]: [told] for name in unknown})
        return super().to_internal_value(data)


class LinkCreateSerializer(ExactSerializer):
    """A new link."""

    number = serializers.IntegerField(default=1, min_value=1, help_text="Which of the export's files.")
    hours = serializers.IntegerField(required=False, help_text="How long it works; CLAUDELENS_LINK_HOURS.")
    note = serializers.CharField(default="", allow_blank=True, max_length=200, help_text="Whom it is for.")


class LinkSerializer(serializers.Serializer[Any]):
    """A link, with its address."""

    id = serializers.UUIDField()
    number = serializers.IntegerField(help_text="Which of the export's files.")
    filename = serializers.CharField()
    url = serializers.CharField(help_text="Whoever has it may download the file, without signing in.")
    note = serializers.CharField()
    owner = serializers.CharField(help_text="Who made it.")
    state = serializers.CharField(help_text="open, expired or revoked")
    createdAt = serializers.DateTimeField()  # noqa: N815
    expiresAt = serializers.DateTimeField()  # noqa: N815
    endsWithFile = serializers.BooleanField(  # noqa: N815
        help_text="Whether it ends early, since its file does."
    )
    revokedAt = serializers.DateTimeField(allow_null=True)  # noqa: N815

    def to_representation(self, instance: Link) -> dict[str, Any]:
        """Plain values, exact."""
        artifact = instance.artifact
        return {
            "id": str(instance.pk),
            "number": artifact.number,
            "filename": artifact.filename,
            "url": link_address(self.context["request"], instance),
            "note": instance.note,
            "owner": instance.owner.get_username(),
            "state": instance.state.value,
            "createdAt": iso(instance.created_at),
            "expiresAt": iso(instance.expires_at),
            "endsWithFile": ends_with_file(instance),
            "revokedAt": iso(instance.revoked_at) if instance.revoked_at else None,
        }


class DownloadSerializer(serializers.Serializer[Any]):
    """One answer that sent a file, or a part of it."""

    number = serializers.IntegerField(help_text="Which of the export's files.")
    filename = serializers.CharField()
    user = serializers.CharField(allow_null=True, help_text="Who was signed in; null through a link.")
    link = serializers.UUIDField(allow_null=True, help_text="The link that was followed.")
    at = serializers.DateTimeField()
    address = serializers.CharField(allow_null=True)
    program = serializers.CharField(help_text="What the client called itself.")
    firstByte = serializers.IntegerField()  # noqa: N815
    bytes = serializers.IntegerField(help_text="How many the answer was to have.")

    def to_representation(self, instance: Download) -> dict[str, Any]:
        """Plain values, exact."""
        return {
            "number": instance.artifact.number,
            "filename": instance.artifact.filename,
            "user": instance.user.get_username() if instance.user else None,
            "link": str(instance.link_id) if instance.link_id else None,
            "at": iso(instance.at),
            "address": instance.address,
            "program": instance.program,
            "firstByte": instance.first_byte,
            "bytes": instance.bytes,
        }


class KeepSerializer(ExactSerializer):
    """How long files are kept."""

    days = serializers.IntegerField(
        help_text="From now on; CLAUDELENS_ARTIFACT_MAX_DAYS since they were made."
    )
