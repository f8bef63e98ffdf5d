"""Every address of the site. Pages and API of an app come from its own ``urls.py``."""

from django.contrib import admin
from django.contrib.admin.views.decorators import staff_member_required
from django.contrib.auth import views as auth_views
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

import browse.urls
import exports.urls
import imports.urls
import jobs.urls
import maintenance.urls
from claudelens_site import health, problems, tokens_api

APPS = (browse.urls, imports.urls, exports.urls, maintenance.urls, jobs.urls)

# People are sent to the sign-in page; scripts that ask for the schema get a 401.
api_docs = staff_member_required(SpectacularSwaggerSplitView.as_view(url_name="schema"), login_url="login")

api_urlpatterns = [
    *tokens_api.urlpatterns,
    *(pattern for app in APPS for pattern in app.api_urlpatterns),
]

urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("", include("django_prometheus.urls")),
    path("accounts/login/", auth_views.LoginView.as_view(), name="login"),
    path("accounts/logout/", auth_views.LogoutView.as_view(), name="logout"),
    path("admin/", admin.site.urls),
    path("api/v1/", include(api_urlpatterns)),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", api_docs, name="api-docs"),
    path("api/", problems.unknown_endpoint),
    path("api/<path:rest>", problems.unknown_endpoint),
    path("", include(browse.urls)),
    path("imports/", include(imports.urls)),
    path("exports/", include(exports.urls)),
    path("maintenance/", include(maintenance.urls)),
    path("jobs/", include(jobs.urls)),
]

handler400 = "claudelens_site.problems.bad_request"
handler403 = "claudelens_site.problems.permission_denied"
handler404 = "claudelens_site.problems.page_not_found"
handler500 = "claudelens_site.problems.server_error"
