"""Addresses: pages under /maintenance/, API under /api/v1/."""

from django.urls import URLPattern, URLResolver, path

from maintenance import api, views
from maintenance.indexes import urls as indexes
from maintenance.storage import urls as storage

app_name = "maintenance"

urlpatterns: list[URLPattern | URLResolver] = [
    path("", views.maintenance_list, name="list"),
    path("new/<slug:step>/", views.maintenance_new, name="new"),
    path("<uuid:job_id>/", views.maintenance_detail, name="detail"),
    path("<uuid:job_id>/run-plan/", views.maintenance_run_plan, name="run-plan"),
    path("<uuid:job_id>/cancel/", views.maintenance_cancel, name="cancel"),
    path("<uuid:job_id>/retry/", views.maintenance_retry, name="retry"),
    *indexes.urlpatterns,
    *storage.urlpatterns,
]

api_urlpatterns: list[URLPattern | URLResolver] = [
    path("maintenance/steps/", api.StepListView.as_view(), name="api-maintenance-steps"),
    *indexes.api_urlpatterns,
    *storage.api_urlpatterns,
    *api.router.urls,
]
