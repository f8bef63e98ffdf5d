"""What every page is given: the notices that its user has not seen."""

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from jobs.claims import DATABASE_TROUBLE
from jobs.notices import Unseen, unseen


def notices(request: HttpRequest) -> dict[str, Any]:
    """``notices``, asked of the database only by a template that shows them."""
    return {"notices": SimpleLazyObject(lambda: _unseen(request))}


def _unseen(request: HttpRequest) -> Unseen:
    """None where there is no user, and on the page that says that the database does not answer."""
    try:
        return unseen(request.user) if hasattr(request, "user") else Unseen([])
    except DATABASE_TROUBLE:
        return Unseen([])
