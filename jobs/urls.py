"""The addresses of jobs of any kind, and of notices. Jobs' pages belong to the apps that know their kind."""

from django.urls import URLPattern, path

from jobs import views
from jobs.api import AnyJob, AnyJobList, NoticeList, SeeNotice

app_name = "jobs"
urlpatterns: list[URLPattern] = [
    path("notices/seen/", views.see_all_notices, name="see-all-notices"),
    path("notices/<int:notice_id>/seen/", views.see_notice, name="see-notice"),
]

api_urlpatterns = [
    path("jobs/", AnyJobList.as_view(), name="api-job-list"),
    path("jobs/<uuid:job_id>/", AnyJob.as_view(), name="api-job"),
    path("notices/", NoticeList.as_view(), name="api-notice-list"),
    path("notices/<int:notice_id>/seen/", SeeNotice.as_view(), name="api-notice-seen"),
]
