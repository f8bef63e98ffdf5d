"""Putting notices away: the one thing that people do with them on a page."""

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from archive.errors import NotFound
from jobs import notices


@require_POST
@login_required
def see_notice(request: HttpRequest, notice_id: int) -> HttpResponse:
    """Put one notice away and go back to where it was shown."""
    try:
        notices.see(request.user, notice_id)
    except NotFound as refusal:
        raise Http404 from refusal
    return _back(request)


@require_POST
@login_required
def see_all_notices(request: HttpRequest) -> HttpResponse:
    """Put all notices away."""
    notices.see_all(request.user)
    return _back(request)


def _back(request: HttpRequest) -> HttpResponse:
    """To the page that the form stood on, if it is one of ours."""
    place = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(place, {request.get_host()}, require_https=request.is_secure())
    return redirect(place if is_ours else "/")
