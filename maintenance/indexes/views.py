"""The page of indexes, and what people decide there."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from archive.errors import ArchiveError
from maintenance.access import superuser_required
from maintenance.indexes import services, tables


@require_safe
@superuser_required
def index_list(request: HttpRequest) -> HttpResponse:
    """What is advised, every index with its use, and the queries that take the longest."""
    return render(request, "maintenance/indexes.html", tables.context())


@require_POST
@superuser_required
def advice_decide(request: HttpRequest, advice_id: str, verb: str) -> HttpResponse:
    """Apply, dismiss or undo; a refusal is told on the page."""
    if verb not in services.VERBS:
        raise Http404
    try:
        row = services.decide(advice_id, verb, request.user)
        messages.success(request, f"{row.index} of {row.collection}: {row.state}.")
    except ArchiveError as refusal:
        messages.error(request, f"{refusal.message} {refusal.hint}".strip())
    return redirect("maintenance:indexes")
