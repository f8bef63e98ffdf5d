"""Addresses of what happens to finished exports, below those of exports."""

from django.urls import URLPattern, path

from exports.finished import api, views

urlpatterns: list[URLPattern] = [
    path("links/<str:token>/", api.LinkDownloadView.as_view(), name="link"),
    path("<uuid:job_id>/links/", views.link_new, name="link-new"),
    path("<uuid:job_id>/links/<uuid:link_id>/revoke/", views.link_revoke, name="link-revoke"),
    path("<uuid:job_id>/keep/", views.files_keep, name="keep"),
    path("<uuid:job_id>/delete/", views.files_delete, name="delete"),
]

api_urlpatterns: list[URLPattern] = [
    path("exports/<uuid:job_id>/links/", api.LinkListView.as_view(), name="api-export-links"),
    path("exports/<uuid:job_id>/links/<uuid:link_id>/", api.LinkView.as_view(), name="api-export-link"),
    path("exports/<uuid:job_id>/downloads/", api.DownloadListView.as_view(), name="api-export-downloads"),
    path("exports/<uuid:job_id>/artifacts/", api.ArtifactListView.as_view(), name="api-export-artifacts"),
    path(
        "exports/<uuid:job_id>/artifacts/<int:number>/",
        api.ArtifactView.as_view(),
        name="api-export-artifact",
    ),
]
