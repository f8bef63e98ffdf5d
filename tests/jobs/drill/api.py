from rest_framework import serializers
from rest_framework.mixins import CreateModelMixin
from rest_framework.response import Response

from jobs import runner
from jobs.api import IdempotentCreateMixin, JobViewSet
from jobs.serializers import JobSerializer
from tests.jobs.drill.models import DrillJob


class DrillSerializer(JobSerializer):
    length = serializers.IntegerField()

    def more(self, job):
        return {"length": job.records_total}


class DrillCreate(CreateModelMixin):
    def create(self, request, *args, **kwargs):
        if request.data.get("length") == "wrong":
            raise serializers.ValidationError({"length": "A number, please."})
        job = DrillJob.objects.create(owner=request.user, records_total=request.data.get("length"))
        runner.enqueue(job)
        headers = {"Location": f"/api/v1/drills/{job.pk}/"}
        return Response(self.get_serializer(job).data, status=201, headers=headers)


class DrillViewSet(IdempotentCreateMixin, DrillCreate, JobViewSet):
    model = DrillJob
    serializer_class = DrillSerializer
