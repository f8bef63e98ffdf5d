"""How estimates look in the API."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from exports.renderers import RENDERERS
from exports.serializers import ExportFilterSerializer


class EstimateAskedSerializer(serializers.Serializer[Any]):
    """An export that is not to be made yet."""

    format = serializers.ChoiceField(choices=list(RENDERERS))
    filter = ExportFilterSerializer(required=False)
    choices = serializers.DictField(required=False, help_text="As of a new export.")


class EstimateSerializer(serializers.Serializer[Any]):
    """What it would come to."""

    messages = serializers.IntegerField()
    sessions = serializers.IntegerField()
    bytes = serializers.IntegerField(help_text="Of the finished file, compressed if that was chosen; about.")
    isExact = serializers.BooleanField(  # noqa: N815
        help_text="Whether messages and sessions were counted, and not worked out from a sample."
    )
    sample = serializers.CharField(help_text="How it would begin; of a zip the names of its first files.")
