"""Links and the log of downloads in the admin: to look at; links can be revoked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from exports.finished import links
from exports.models import Download, Link
from jobs.admin import ReadOnlyForStaff
from jobs.wording import human_bytes

if TYPE_CHECKING:
    AnyAdmin = admin.ModelAdmin[Any]
else:
    AnyAdmin = admin.ModelAdmin


class OfOwnExports(ReadOnlyForStaff, AnyAdmin):
    """Rows about the files of one's own exports; a superuser sees all."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Only what belongs to an export that the user may see."""
        found = super().get_queryset(request)
        mine = {"artifact__job__owner_id": request.user.pk}
        return found if getattr(request.user, "is_superuser", False) else found.filter(**mine)


@admin.register(Link)
class LinkAdmin(OfOwnExports):
    """A link to a file. Its address is on the page of its export."""

    list_display = (
        "note_shown",
        "artifact",
        "owner",
        "state_shown",
        "created_at",
        "expires_at",
        "revoked_at",
    )
    list_filter = ("created_at", "expires_at")
    search_fields = ("note", "artifact__filename", "owner__username")
    list_select_related = ("owner", "artifact__job")
    actions = ("revoke",)

    @admin.display(description="Whom it is for", ordering="note")
    def note_shown(self, link: Link) -> str:
        """The note, or that there is none."""
        return link.note or "no note"

    @admin.display(description="State")
    def state_shown(self, link: Link) -> str:
        """Whether it works, in a word."""
        return str(link.state.label)

    @admin.action(description="Revoke the selected links")
    def revoke(self, request: HttpRequest, chosen: QuerySet[Any]) -> None:
        """Those that were revoked before are passed over."""
        count = sum(map(links.revoke_link, chosen))
        self.message_user(
            request, f"{count} {'link was' if count == 1 else 'links were'} revoked.", messages.SUCCESS
        )


@admin.register(Download)
class DownloadAdmin(OfOwnExports):
    """An answer that sent a file, or a part of it."""

    list_display = ("artifact", "user", "link", "at", "address", "program", "first_byte", "size")
    list_filter = ("at",)
    search_fields = ("artifact__filename", "user__username", "link__note", "address")
    list_select_related = ("artifact", "user", "link__artifact")
    date_hierarchy = "at"

    @admin.display(description="Bytes", ordering="bytes")
    def size(self, download: Download) -> str:
        """For people."""
        return human_bytes(download.bytes)
