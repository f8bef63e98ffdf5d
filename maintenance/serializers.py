"""How maintenance looks in the API."""

# ruff: noqa: N815  (the API speaks camelCase)

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from jobs.serializers import JobSerializer
from maintenance.models import MaintenanceJob
from maintenance.steps import STEPS


class MaintenanceCreateSerializer(serializers.Serializer[Any]):
    """A new job: a step with its parameters, or the plan of a dry run. For the schema."""

    step = serializers.ChoiceField(choices=list(STEPS))
    parameters = serializers.DictField(required=False, help_text="What the step is told; see its page.")
    dryRun = serializers.BooleanField(required=False, help_text="Only plan it.")
    plan = serializers.UUIDField(required=False, help_text="The dry run whose plan is run as it stands.")


class PlanSerializer(serializers.Serializer[Any]):
    """What is, or will be, done."""

    summary = serializers.CharField()
    items = serializers.ListField(child=serializers.DictField())
    totals = serializers.DictField(child=serializers.IntegerField())


class MaintenanceJobSerializer(JobSerializer):
    """A job of maintenance: the step, its plan once it is made, and what came of it."""

    step = serializers.CharField()
    dryRun = serializers.BooleanField()
    plan = PlanSerializer(allow_null=True)
    result = serializers.DictField()
    slot = serializers.CharField(help_text="For which time it was begun by itself, if it was.")

    def more(self, job: MaintenanceJob) -> dict[str, Any]:
        """As it is stored."""
        return {
            "step": job.step,
            "dryRun": job.dry_run,
            "plan": job.plan,
            "result": job.result,
            "slot": job.slot,
        }


class StepSerializer(serializers.Serializer[Any]):
    """One step, and when it is begun by itself."""

    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    about = serializers.CharField()
    command = serializers.CharField()
    parameters = serializers.DictField(child=serializers.CharField())
    nextAt = serializers.DateTimeField(allow_null=True)
