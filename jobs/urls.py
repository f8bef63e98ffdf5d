"""The addresses of jobs of any kind. Their pages belong to the apps that know their kind."""

from django.urls import URLPattern, path

from jobs.api import AnyJob, AnyJobList

app_name = "jobs"
urlpatterns: list[URLPattern] = []

api_urlpatterns = [
    path("jobs/", AnyJobList.as_view(), name="api-job-list"),
    path("jobs/<uuid:job_id>/", AnyJob.as_view(), name="api-job"),
]
