"""Errors as people and scripts see them: RFC 9457 for the API, plain pages for the rest."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler as drf_exception_handler

from archive import errors

CONTENT_TYPE = "application/problem+json"
KEPT_HEADERS = {"WWW-Authenticate", "Retry-After", "Allow"}
STATUS_BY_CLASS: list[tuple[type[errors.ArchiveError], int]] = [
    (errors.TooLarge, 413),
    (errors.TooMany, 429),
    (errors.BadInput, 400),
    (errors.NotFound, 404),
    (errors.Conflict, 409),
    (errors.Gone, 410),
    (errors.OutOfSpace, 507),
    (errors.Unavailable, 503),
    (errors.ArchiveError, 400),
]
TITLES = {
    400: "The request cannot be taken",
    401: "Sign in first",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    406: "Not acceptable",
    409: "Conflict",
    410: "Gone",
    412: "Precondition failed",
    413: "Too large",
    415: "Unsupported media type",
    416: "Range not satisfiable",
    429: "Too many requests",
    460: "Checksum mismatch",
    500: "Server error",
    503: "Unavailable",
    507: "Out of space",
}
CODES = {
    401: "not_authenticated",
    403: "permission_denied",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    412: "tus_version",
    415: "unsupported_media_type",
    429: "throttled",
    460: "checksum_mismatch",
    500: "server_error",
}
HINTS = {
    401: "Send 'Authorization: Token <token>'; POST /api/v1/tokens/ makes one.",
    403: "Ask an administrator for the right, or send the CSRF token with your session.",
    404: "Look at /api/docs/ for what there is.",
    429: "Wait as many seconds as the Retry-After header says.",
    500: "It is logged with the request id; tell your administrator.",
    503: "Try again in a moment; the data is safe.",
}


def status_of(error: errors.ArchiveError) -> int:
    """The HTTP status that a refusal of the archive is told with."""
    return next(status for kind, status in STATUS_BY_CLASS if isinstance(error, kind))


def problem(status: int, detail: str, *, code: str = "", hint: str = "", **more: Any) -> dict[str, Any]:
    """The members of an RFC 9457 problem."""
    title = TITLES.get(status, "The request failed")
    members = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    members["code"] = code or CODES.get(status, "error")
    members["hint"] = hint or HINTS.get(status, "")
    return members | more


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's hook: the response for an error, None for a bug (which becomes a logged 500)."""
    instance = context["request"].path
    if isinstance(error, errors.ArchiveError):
        status = status_of(error)
        told = {"code": error.code, "hint": error.hint, "instance": instance, **error.more}
        members = problem(status, error.message, **told)
        return _response(members, _headers(error))
    response = drf_exception_handler(error, context)
    if response is None:
        return None
    members = problem(response.status_code, _detail(error), instance=instance)
    if isinstance(error, exceptions.ValidationError):
        members |= {"code": "invalid", "errors": list(_flat(error.detail))}
    return _response(members, dict(response.items()))


def unknown_endpoint(request: HttpRequest, rest: str = "") -> HttpResponse:
    """What the API answers where it has nothing."""
    return _json(404, "There is no such endpoint.", request)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler400."""
    return _page(request, 400, "The request was not understood.")


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler403."""
    return _page(request, 403, "You may not do this.")


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler404."""
    return _page(request, 404, "There is nothing here, or it is not yours to see.")


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler500."""
    return _page(request, 500, "Something went wrong on the server.")


def _page(request: HttpRequest, status: int, detail: str) -> HttpResponse:
    if request.path.startswith("/api/"):
        return _json(status, detail, request)
    return render(request, f"{status}.html", status=status)


def _json(status: int, detail: str, request: HttpRequest) -> JsonResponse:
    members = problem(status, detail, instance=request.path)
    return JsonResponse(members, status=status, content_type=CONTENT_TYPE)


def _response(members: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    kept = {name: value for name, value in (headers or {}).items() if name in KEPT_HEADERS}
    return Response(members, status=members["status"], headers=kept, content_type=CONTENT_TYPE)


def _headers(error: errors.ArchiveError) -> dict[str, str]:
    if isinstance(error, (errors.TooMany, errors.Busy)):
        return {"Retry-After": str(error.retry_after)}
    return {}


def _detail(error: Exception) -> str:
    if isinstance(error, exceptions.ValidationError):
        first = next(_flat(error.detail), None)
        return f"{first['field']}: {first['message']}" if first else "The input is not valid."
    if isinstance(error, Http404):
        return "There is no such thing, or it is not yours to see."
    if isinstance(error, PermissionDenied):
        return str(error) or "You may not do this."
    return str(getattr(error, "detail", error))


def _flat(detail: Any, field: str = "") -> Any:
    """Each message of DRF's nested error structure, with the dotted name of its field."""
    if isinstance(detail, dict):
        for name, value in detail.items():
            yield from _flat(value, f"{field}.{name}" if field else str(name))
    elif isinstance(detail, list):
        for value in detail:
            yield from _flat(value, field)
    else:
        yield {
            "field": field or "non_field_errors",
            "message": str(detail),
            "code": getattr(detail, "code", "invalid"),
        }
