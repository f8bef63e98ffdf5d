"""How imports and uploads look in the API."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from imports import services, uploads
from imports.models import ImportJob, Upload
from jobs.serializers import JobSerializer

TOLD_OF_A_FILE = ("name", "upload", "sha256", "bytes")


class UploadSerializer(serializers.ModelSerializer[Upload]):
    """One upload: how far it is, and when whole its hash and what it looks like."""

    expiresAt = serializers.DateTimeField(source="expires_at")  # noqa: N815

    class Meta:
        model = Upload
        fields: ClassVar[list[str]] = [
            "id", "name", "size", "offset", "state", "sha256", "content", "expiresAt"
        ]  # fmt: skip
        read_only_fields: ClassVar[list[str]] = fields


class SameFileSerializer(serializers.Serializer[Any]):
    """The newest completed import of a file with the same bytes before."""

    job = serializers.UUIDField()
    finishedAt = serializers.DateTimeField()  # noqa: N815
    sha256 = serializers.CharField()


class UploadDetailSerializer(UploadSerializer):
    """One upload by itself: when whole, also whether its bytes are known already."""

    importedBefore = serializers.SerializerMethodField()  # noqa: N815
    held = serializers.SerializerMethodField(
        help_text="Whether the archive holds this very file; null where it cannot be said."
    )

    class Meta(UploadSerializer.Meta):
        fields: ClassVar[list[str]] = [*UploadSerializer.Meta.fields, "importedBefore", "held"]
        read_only_fields: ClassVar[list[str]] = fields

    @extend_schema_field(SameFileSerializer(allow_null=True))
    def get_importedBefore(self, upload: Upload) -> dict[str, Any] | None:  # noqa: N802
        """The user's own import of it, if there was one."""
        job = uploads.imported_before(upload)
        if job is None:
            return None
        return {"job": str(job.pk), "finishedAt": job.finished_at, "sha256": upload.sha256}

    def get_held(self, upload: Upload) -> bool | None:
        """Whoever brought it."""
        return uploads.is_held(upload)


class ImportCreateSerializer(serializers.Serializer[Any]):
    """What a new import is made of."""

    uploads = serializers.ListField(
        child=serializers.UUIDField(),
        allow_empty=False,
        max_length=20_000,
        help_text="Ids of complete uploads.",
    )
    options = serializers.DictField(
        required=False, default=dict, help_text="How to read and write; see the documentation."
    )


class ImportFormSerializer(serializers.Serializer[Any]):
    """The same as a form: small files at once."""

    file = serializers.ListField(child=serializers.FileField(), help_text="One or more files.")


class ImportFormOptionsSerializer(serializers.Serializer[Any]):
    """The options beside the files of a form, as JSON text."""

    options = serializers.JSONField(binary=True)

    def validate_options(self, value: Any) -> dict[str, Any]:
        """They are an object."""
        if not isinstance(value, dict):
            raise serializers.ValidationError('Give a JSON object, like {"dry_run": true}.')
        return value


class FormatSerializer(serializers.Serializer[Any]):
    """A source format."""

    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    description = serializers.CharField()
    source = serializers.CharField(  # type: ignore[assignment]
        help_text="What its messages say they come from."
    )
    needsMapping = serializers.BooleanField(source="needs_mapping")  # noqa: N815


class PreviewMessageSerializer(serializers.Serializer[Any]):
    """A message as it would be imported: plain text, cut."""

    line = serializers.IntegerField()
    session = serializers.CharField()
    type = serializers.CharField()
    role = serializers.CharField(allow_blank=True)
    time = serializers.DateTimeField(allow_null=True)
    model = serializers.CharField(allow_blank=True)
    text = serializers.CharField(allow_blank=True)
    isCut = serializers.BooleanField()  # noqa: N815


class ProblemSerializer(serializers.Serializer[Any]):
    """Why records would be rejected."""

    code = serializers.CharField()
    hint = serializers.CharField()
    count = serializers.IntegerField()
    records = serializers.ListField(child=serializers.DictField())


class ExpectedSerializer(serializers.Serializer[Any]):
    """What the records looked at are to the archive."""

    new = serializers.IntegerField()
    known = serializers.IntegerField()
    conflicts = serializers.IntegerField()


class FilePreviewSerializer(serializers.Serializer[Any]):
    """One file of an import that has not begun."""

    name = serializers.CharField()
    bytes = serializers.IntegerField()
    format = serializers.CharField(allow_blank=True)
    label = serializers.CharField(allow_blank=True)  # type: ignore[assignment]
    explanation = serializers.CharField(allow_blank=True)
    mapping = serializers.DictField()
    refusal = serializers.DictField(allow_null=True)
    isHeld = serializers.BooleanField(source="is_held")  # noqa: N815
    lookedAt = serializers.IntegerField(source="looked_at")  # noqa: N815
    isWhole = serializers.BooleanField(source="is_whole")  # noqa: N815
    expected = ExpectedSerializer()
    problems = ProblemSerializer(many=True)


class PreviewSerializer(serializers.Serializer[Any]):
    """What an import would find in the beginnings of its files."""

    files = FilePreviewSerializer(many=True)
    fileCount = serializers.IntegerField(source="file_count")  # noqa: N815
    passedOver = serializers.IntegerField(source="passed_over")  # noqa: N815
    bytes = serializers.IntegerField()
    formats = serializers.DictField(child=serializers.IntegerField())
    lookedAt = serializers.IntegerField(source="looked_at")  # noqa: N815
    isWhole = serializers.BooleanField(source="is_whole")  # noqa: N815
    expected = ExpectedSerializer()
    messages = PreviewMessageSerializer(many=True)


class ImportFileSerializer(serializers.Serializer[Any]):
    """A file of an import, by the name it was given."""

    name = serializers.CharField()
    upload = serializers.UUIDField(allow_null=True)
    sha256 = serializers.CharField(allow_blank=True)
    bytes = serializers.IntegerField()


class EarlierImportSerializer(serializers.Serializer[Any]):
    """The newest completed import of the very same content before."""

    job = serializers.UUIDField()
    finishedAt = serializers.DateTimeField()  # noqa: N815


class RejectedRecordSerializer(serializers.Serializer[Any]):
    """A record that was not taken in: where it stands, why, and what to do."""

    file = serializers.CharField()
    line = serializers.IntegerField(allow_null=True)
    byte = serializers.IntegerField(allow_null=True)
    code = serializers.CharField()
    reason = serializers.CharField()
    hint = serializers.CharField(allow_blank=True)
    sample = serializers.CharField(help_text="Its first characters, escaped.")


class ImportSummarySerializer(JobSerializer):
    """An import in a list: the job, and how much it took in."""

    fileCount = serializers.IntegerField()  # noqa: N815
    refusedFiles = serializers.IntegerField()  # noqa: N815
    sessions = serializers.IntegerField()

    def more(self, job: ImportJob) -> dict[str, Any]:
        """How many files were given and refused, how many conversations they hold."""
        return {
            "fileCount": sum(source.get("files", 1) for source in job.sources),
            "refusedFiles": job.refused_files,
            "sessions": job.sessions,
        }


class ImportJobSerializer(ImportSummarySerializer):
    """An import: the job, its files, and what came of them."""

    files = ImportFileSerializer(many=True)
    importedBefore = EarlierImportSerializer(allow_null=True)  # noqa: N815

    def more(self, job: ImportJob) -> dict[str, Any]:
        """The files by the names they were given; where they lie on the server is not told."""
        files = [{name: source.get(name) for name in TOLD_OF_A_FILE} for source in job.sources]
        earlier = services.earlier_import(job)
        return super().more(job) | {
            "files": files,
            "importedBefore": earlier and {"job": str(earlier.pk), "finishedAt": earlier.finished_at},
        }
