"""Addresses of indexes: pages under /maintenance/, API under /api/v1/."""

from django.urls import URLPattern, URLResolver, path

from maintenance.indexes import api, views

urlpatterns: list[URLPattern | URLResolver] = [
    path("indexes/", views.index_list, name="indexes"),
    path("advice/<slug:advice_id>/<slug:verb>/", views.advice_decide, name="advice-decide"),
]

api_urlpatterns: list[URLPattern | URLResolver] = [
    path("maintenance/indexes/", api.IndexListView.as_view(), name="api-indexes"),
    path("maintenance/query-shapes/", api.ShapeListView.as_view(), name="api-query-shapes"),
    path("maintenance/advice/", api.AdviceListView.as_view(), name="api-advice"),
    path(
        "maintenance/advice/<slug:advice_id>/apply/", api.AdviceApplyView.as_view(), name="api-advice-apply"
    ),
    path(
        "maintenance/advice/<slug:advice_id>/dismiss/",
        api.AdviceDismissView.as_view(),
        name="api-advice-dismiss",
    ),
    path("maintenance/advice/<slug:advice_id>/undo/", api.AdviceUndoView.as_view(), name="api-advice-undo"),
]
