"""Who may look after storage: superusers, since it is everybody's data."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render

WHY_NOT = "Maintenance touches everybody's data: only superusers see and start it."


def is_allowed(user: Any) -> bool:
    """Whether the user is a superuser who may sign in."""
    return bool(user.is_authenticated and user.is_active and user.is_superuser)


def superuser_required(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Only superusers; other people are told so, strangers are sent to sign in."""

    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if is_allowed(request.user):
            return view(request, *args, **kwargs)
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path())
        return render(request, "maintenance/refused.html", {"why_not": WHY_NOT}, status=403)

    return checked
