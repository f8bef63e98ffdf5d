"""How storage looks in the API: for the schema, since the report is plain values already."""

# ruff: noqa: N815  (the API speaks camelCase)

from __future__ import annotations

from typing import Any

from rest_framework import serializers


class StorageReportSerializer(serializers.Serializer[Any]):
    """Everything that the storage page shows."""

    at = serializers.DateTimeField(help_text="When it was measured.")
    disk = serializers.DictField(help_text="The database's disk, its growth, and when it is full.")
    totals = serializers.DictField(help_text="Messages, and the bytes of everything.")
    tiers = serializers.ListField(child=serializers.DictField(), help_text="Always four.")
    partitions = serializers.ListField(child=serializers.DictField())
    collections = serializers.ListField(child=serializers.DictField(), help_text="What holds no messages.")
    growth = serializers.DictField(help_text="What was kept of each day, and the growth by day.")
    compactable = serializers.ListField(child=serializers.DictField())
    indexes = serializers.ListField(child=serializers.DictField())
    queries = serializers.ListField(child=serializers.DictField())
    advice = serializers.ListField(child=serializers.DictField())
    lastNight = serializers.ListField(child=serializers.DictField())
    tonight = serializers.ListField(child=serializers.DictField())
