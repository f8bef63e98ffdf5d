"""The environment's values, read so that a bad one is told instead of thrown.

A value that cannot be read leaves its setting at the default, and ``claudelens.E011`` names it: no
command, server or worker starts with it.
"""

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from environ import Env


class ToldEnv(Env):
    """``Env`` that collects what it could not read in ``unreadable``, as (variable, what it must be)."""

    def __init__(self) -> None:
        super().__init__()
        self.unreadable: list[tuple[str, str]] = []

    def int(self, var: str, default: Any = Env.NOTSET) -> Any:
        """A whole number."""
        try:
            return super().int(var, default)
        except ValueError:
            self.unreadable.append((var, "a whole number"))
            return default

    def bool(self, var: str, default: Any = Env.NOTSET) -> Any:
        """A yes or no."""
        if self.str(var, "").lower() in ("", *self.BOOLEAN_TRUE_STRINGS, *NO):
            return super().bool(var, default)
        self.unreadable.append((var, "true or false"))
        return default

    def mail_server(self, var: str) -> dict[str, Any]:
        """Django's settings of the mail server at this address; none where there is no address."""
        address = self.str(var, "")
        try:
            return dict(self.email_url_config(address)) if address else {}
        except (ValueError, ImproperlyConfigured):
            self.unreadable.append((var, "an address of the form smtp+tls://user:password@host:587"))
            return {}


NO = ("false", "off", "no", "n", "0")
