# mypy: disallow-untyped-decorators=False
# ruff: noqa: N815
"""Sessions, projects and messages as JSON: the archive's own words (and camelCase), ids and money
as strings."""

from collections.abc import Mapping
from math import isfinite
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers


class ProjectSerializer(serializers.Serializer[Mapping[str, Any]]):
    """A folder that conversations were held in."""

    id = serializers.CharField(source="_id", help_text="24 hexadecimal digits.")
    name = serializers.CharField()
    path = serializers.CharField()
    stats = serializers.SerializerMethodField(help_text="Sums over the project's sessions.")

    def get_stats(self, project: Mapping[str, Any]) -> dict[str, str | int]:
        stats = project.get("stats") or {}
        return {name: str(v) if name == "totalCost" else int(v) for name, v in stats.items()}


class SessionSerializer(serializers.Serializer[Mapping[str, Any]]):
    """One conversation."""

    sessionId = serializers.CharField()
    projectId = serializers.CharField(allow_null=True)
    title = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]
    startedAt = serializers.DateTimeField(allow_null=True)
    endedAt = serializers.DateTimeField(allow_null=True)
    messageCount = serializers.IntegerField()
    promptCount = serializers.IntegerField()
    totalCost = serializers.CharField(help_text="US dollars, exact; calls without a price excluded.")
    unpricedCalls = serializers.IntegerField(help_text="Calls of a model without a known price.")
    inputTokens = serializers.IntegerField()
    outputTokens = serializers.IntegerField()
    cacheReadTokens = serializers.IntegerField()
    cacheWriteTokens = serializers.IntegerField()
    models = serializers.ListField(child=serializers.CharField())
    gitBranch = serializers.CharField(default="")
    cwd = serializers.CharField(default="")
    version = serializers.CharField(default="")
    summary = serializers.CharField(default="")
    tags = serializers.ListField(child=serializers.CharField(), default=list)


class MessageSerializer(serializers.Serializer[Mapping[str, Any]]):
    """One message in its normal form."""

    id = serializers.SerializerMethodField(help_text="64 hexadecimal digits.")
    sessionId = serializers.CharField()
    projectId = serializers.CharField(default=None, allow_null=True)
    uuid = serializers.CharField(default=None, allow_null=True)
    parentUuid = serializers.CharField(default=None, allow_null=True)
    type = serializers.CharField()
    role = serializers.CharField(default=None, allow_null=True)
    timestamp = serializers.DateTimeField(default=None, allow_null=True)
    fileId = serializers.CharField()
    seq = serializers.IntegerField(help_text="Line and place in its file: the order that counts.")
    source = serializers.CharField()  # type: ignore[assignment]
    model = serializers.CharField(default=None, allow_null=True)
    apiMessageId = serializers.CharField(default=None, allow_null=True)
    requestId = serializers.CharField(default=None, allow_null=True)
    isSidechain = serializers.BooleanField(default=False)
    agentId = serializers.CharField(default=None, allow_null=True)
    cwd = serializers.CharField(default=None, allow_null=True)
    gitBranch = serializers.CharField(default=None, allow_null=True)
    version = serializers.CharField(default=None, allow_null=True)
    text = serializers.CharField(default="")

    def get_id(self, message: Mapping[str, Any]) -> str:
        return bytes(message["_id"]).hex()


class FullMessageSerializer(MessageSerializer):
    """One message with the record that it was made of."""

    usage = serializers.SerializerMethodField()
    record = serializers.SerializerMethodField(
        help_text="The original object, keys in their order; numbers that JSON cannot hold as text."
    )

    @extend_schema_field(OpenApiTypes.OBJECT)
    def get_usage(self, message: Mapping[str, Any]) -> Any:
        return sendable(message.get("usage"))

    @extend_schema_field(OpenApiTypes.OBJECT)
    def get_record(self, message: Mapping[str, Any]) -> Any:
        return sendable(message.get("record"))


def sendable(value: Any) -> Any:
    """The value as JSON can hold it: infinity, which some parsers make of ``1e999``, as text."""
    if isinstance(value, Mapping):
        return {key: sendable(each) for key, each in value.items()}
    if isinstance(value, list):
        return [sendable(each) for each in value]
    if isinstance(value, float) and not isfinite(value):
        return str(value)
    return value
