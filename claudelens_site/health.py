"""Is this server fit to answer? For load balancers, containers and people."""

from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe


@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """200 while the web process can reach its SQL database, 503 otherwise.

    The archive and the broker are left out on purpose: pages say what they miss, and restarting
    the web process would mend neither.
    """
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return JsonResponse({"status": "no database"}, status=503)
    return JsonResponse({"status": "ok"})
