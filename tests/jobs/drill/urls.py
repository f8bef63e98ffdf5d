"""The site's jobs addresses with the drill's beside them."""

from django.contrib import admin
from django.http import HttpResponse
from django.urls import include, path
from rest_framework.routers import SimpleRouter

from jobs.urls import api_urlpatterns
from tests.jobs.drill.api import DrillViewSet

router = SimpleRouter()
router.register("drills", DrillViewSet, basename="api-drill")


def verb(request, job_id):
    return HttpResponse(status=204)


drill_pages = [
    path("<uuid:job_id>/", verb, name="detail"),
    path("<uuid:job_id>/cancel/", verb, name="cancel"),
    path("<uuid:job_id>/retry/", verb, name="retry"),
]
urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/v1/", include([*api_urlpatterns, *router.urls])),
    path("drills/", include((drill_pages, "drill"))),
]
