"""How indexes and advice on them look in the API."""

# ruff: noqa: N815  (the API speaks camelCase)

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from archive.index_advice import Verdict
from archive.index_changes import AdviceState


class KeySerializer(serializers.Serializer[Any]):
    """One field of an index."""

    field = serializers.CharField()
    direction = serializers.JSONField(help_text="1 is up, -1 is down; else the kind: hashed, text.")


class AdviceSerializer(serializers.Serializer[Any]):
    """One piece of advice, and what became of it."""

    id = serializers.CharField()
    kind = serializers.ChoiceField(choices=("unused", "redundant", "missing"))
    collection = serializers.CharField(help_text="For a missing index: the family of collections.")
    index = serializers.CharField()
    keys = KeySerializer(many=True)
    bytes = serializers.IntegerField()
    reason = serializers.CharField()
    state = serializers.ChoiceField(choices=[str(each) for each in AdviceState])
    madeAt = serializers.DateTimeField()
    decidedAt = serializers.DateTimeField(allow_null=True)
    decidedBy = serializers.CharField()
    can = serializers.ListField(child=serializers.CharField(), help_text="apply, dismiss, undo.")


class IndexSerializer(serializers.Serializer[Any]):
    """One index, and what to think of it."""

    collection = serializers.CharField()
    index = serializers.CharField()
    keys = KeySerializer(many=True)
    bytes = serializers.IntegerField()
    used = serializers.IntegerField(allow_null=True, help_text="Times within the last 30 days.")
    knownSince = serializers.DateTimeField(allow_null=True)
    verdict = serializers.ChoiceField(choices=[str(each) for each in Verdict])
    reason = serializers.CharField()


class ShapeSerializer(serializers.Serializer[Any]):
    """One shape of query, and how long it took."""

    shape = serializers.CharField()
    collection = serializers.CharField()
    operation = serializers.CharField()
    count = serializers.IntegerField(help_text="An estimate where only a sample is counted.")
    totalMs = serializers.FloatField()
    meanMs = serializers.FloatField()
    maxMs = serializers.FloatField()
