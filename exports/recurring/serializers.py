"""How presets and schedules look in the API. For what comes in, ``exports.presets`` and ``exports.schedules``
check; the fields here are for the schema."""

# ruff: noqa: N815  (the API speaks camelCase)

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from exports.calendar import FREQUENCIES, LAST_MONTHDAY
from exports.models import Preset, Schedule
from exports.renderers import RENDERERS
from exports.renderers.values import iso
from exports.schedules import last_outcomes
from exports.serializers import ExportFilterSerializer


class PresetChangeSerializer(serializers.Serializer[Any]):
    """What is to be changed of a preset."""

    name = serializers.CharField(required=False, max_length=100)
    shared = serializers.BooleanField(required=False, help_text="Whether other staff may use it.")
    format = serializers.ChoiceField(choices=list(RENDERERS), required=False)
    filter = ExportFilterSerializer(required=False)
    choices = serializers.DictField(required=False, help_text="How it is made, as for an export.")


class PresetCreateSerializer(PresetChangeSerializer):
    """A new preset."""

    name = serializers.CharField(max_length=100)
    format = serializers.ChoiceField(choices=list(RENDERERS))


class PresetSerializer(serializers.Serializer[Any]):
    """A saved export: its filter and choices in the words in which they were asked for."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    shared = serializers.BooleanField()
    owner = serializers.CharField()
    format = serializers.CharField()
    filter = serializers.DictField()
    choices = serializers.DictField()
    createdAt = serializers.DateTimeField()
    updatedAt = serializers.DateTimeField()

    def to_representation(self, instance: Preset) -> dict[str, Any]:
        """Plain values, exact."""
        same = ("id", "name", "format", "filter", "choices")
        return {name: getattr(instance, name) for name in same} | {
            "shared": instance.is_shared,
            "owner": instance.owner.get_username(),
            "createdAt": iso(instance.created_at),
            "updatedAt": iso(instance.updated_at),
        }


class ScheduleChangeSerializer(serializers.Serializer[Any]):
    """What is to be changed of a schedule."""

    preset = serializers.IntegerField(required=False, help_text="The id of a preset.")
    frequency = serializers.ChoiceField(choices=FREQUENCIES, required=False)
    weekday = serializers.IntegerField(
        required=False, min_value=0, max_value=6, help_text="0 is Monday; for weekly."
    )
    monthday = serializers.IntegerField(
        required=False, min_value=1, max_value=LAST_MONTHDAY, help_text="For monthly."
    )
    timeOfDay = serializers.CharField(required=False, help_text="Such as 03:00.")
    timezone = serializers.CharField(required=False, help_text="Such as Europe/Berlin; UTC without it.")
    skipsEmpty = serializers.BooleanField(required=False, help_text="Make nothing where nothing matches.")
    enabled = serializers.BooleanField(required=False)


class ScheduleCreateSerializer(ScheduleChangeSerializer):
    """A new schedule."""

    preset = serializers.IntegerField(help_text="The id of a preset.")


class OutcomeSerializer(serializers.Serializer[Any]):
    """What came of a schedule last."""

    state = serializers.CharField(help_text="The job's state; or failed, skipped, stopped; or empty.")
    text = serializers.CharField(help_text="Why, in a sentence.")
    job = serializers.UUIDField(allow_null=True)


class ScheduleSerializer(serializers.Serializer[Any]):
    """A preset that is made again and again."""

    id = serializers.IntegerField()
    preset = serializers.IntegerField()
    presetName = serializers.CharField()
    owner = serializers.CharField()
    frequency = serializers.CharField()
    weekday = serializers.IntegerField()
    monthday = serializers.IntegerField()
    timeOfDay = serializers.CharField()
    timezone = serializers.CharField()
    skipsEmpty = serializers.BooleanField()
    enabled = serializers.BooleanField()
    nextAt = serializers.DateTimeField(allow_null=True, help_text="Null while it is not enabled.")
    lastAt = serializers.DateTimeField(allow_null=True, help_text="The last slot that was due.")
    last = OutcomeSerializer()
    failures = serializers.IntegerField(help_text="In a row, before the last one.")
    stoppedBecause = serializers.CharField()
    createdAt = serializers.DateTimeField()

    def to_representation(self, instance: Schedule) -> dict[str, Any]:
        """Plain values, exact."""
        return self._rule(instance) | self._state(instance) | {"createdAt": iso(instance.created_at)}

    def _rule(self, schedule: Schedule) -> dict[str, Any]:
        return {
            "id": schedule.pk,
            "preset": schedule.preset_id,
            "presetName": schedule.preset.name,
            "owner": schedule.owner.get_username(),
            "frequency": schedule.frequency,
            "weekday": schedule.weekday,
            "monthday": schedule.monthday,
            "timeOfDay": f"{schedule.time_of_day:%H:%M}",
            "timezone": schedule.time_zone,
            "skipsEmpty": schedule.skips_empty,
            "enabled": schedule.is_enabled,
        }

    def _state(self, schedule: Schedule) -> dict[str, Any]:
        last = (self.context.get("outcomes") or last_outcomes([schedule]))[schedule.pk]
        return {
            "nextAt": iso(schedule.next_at) if schedule.is_enabled else None,
            "lastAt": iso(schedule.last_at) if schedule.last_at else None,
            "last": {"state": last.state, "text": last.text, "job": str(last.job.pk) if last.job else None},
            "failures": schedule.failures,
            "stoppedBecause": schedule.stopped_because,
        }
