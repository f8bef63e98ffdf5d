"""Addresses: pages under /imports/, API under /api/v1/."""

from django.urls import URLPattern, URLResolver, path

from imports import api, views, wizard_views
from imports.tus import api as tus_api

app_name = "imports"
urlpatterns: list[URLPattern | URLResolver] = [
    path("", views.import_list, name="list"),
    path("new/", views.import_new, name="new"),
    path("drafts/<uuid:draft_id>/format/", wizard_views.draft_format, name="draft-format"),
    path("drafts/<uuid:draft_id>/mapping/", wizard_views.draft_mapping, name="draft-mapping"),
    path("drafts/<uuid:draft_id>/preview/", wizard_views.draft_preview, name="draft-preview"),
    path("drafts/<uuid:draft_id>/options/", wizard_views.draft_options, name="draft-options"),
    path("drafts/<uuid:draft_id>/discard/", wizard_views.draft_discard, name="draft-discard"),
    path("<uuid:job_id>/", views.import_detail, name="detail"),
    path("<uuid:job_id>/cancel/", views.import_cancel, name="cancel"),
    path("<uuid:job_id>/retry/", views.import_retry, name="retry"),
    path("<uuid:job_id>/roll-back/", views.import_roll_back, name="roll-back"),
    path("<uuid:job_id>/run/", views.import_run, name="run"),
    path("<uuid:job_id>/reopen/", views.import_reopen, name="reopen"),
    path("<uuid:job_id>/again/", views.import_again, name="again"),
]
api_urlpatterns: list[URLPattern | URLResolver] = [
    path("import-formats/", api.FormatListView.as_view(), name="api-import-formats"),
    path("import-previews/", api.PreviewView.as_view(), name="api-import-previews"),
    path("uploads/", tus_api.UploadListView.as_view(), name="api-upload-list"),
    path("uploads/<uuid:upload_id>/", tus_api.UploadView.as_view(), name="api-upload-detail"),
    *api.router.urls,
]
