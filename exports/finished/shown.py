"""What an export's page shows of its finished files, beside the files themselves."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.urls import reverse

from exports.finished.download_log import download_lines
from exports.finished.forms import KeepForm, LinkForm
from exports.finished.keeping import latest_expiry
from exports.finished.links import ends_with_file, links_of, token_of
from exports.models import Artifact, ExportJob, Link

LINKS_SHOWN = 50


def link_address(request: Any, link: Link) -> str:
    """The whole address of the link, as people outside see the site."""
    path = reverse("exports:link", args=[token_of(link)])
    public = settings.CLAUDELENS_PUBLIC_URL
    return f"{public}{path}" if public else str(request.build_absolute_uri(path))


def shown_files(request: Any, job: ExportJob) -> dict[str, Any]:
    """Links, downloads and forms, for the template; nothing where the export has no file."""
    artifacts = sorted(job.artifacts.all(), key=lambda artifact: artifact.number)
    if not artifacts:
        return {}
    kept = [artifact for artifact in artifacts if not artifact.is_expired]
    return {
        "links": [_shown_link(request, link) for link in links_of(job)[:LINKS_SHOWN]],
        "downloads": download_lines(job),
        "several_files": len(artifacts) > 1,
        "link_form": LinkForm(artifacts=kept) if kept else None,
        "keeping": _keeping(kept) if kept else None,
    }


def _shown_link(request: Any, link: Link) -> dict[str, Any]:
    is_open = link.state == "open"
    return {
        "link": link,
        "is_open": is_open,
        "address": link_address(request, link) if is_open else "",
        "ends_with_file": ends_with_file(link),
    }


def _keeping(kept: list[Artifact]) -> dict[str, Any]:
    return {"form": KeepForm(), "latest": min(map(latest_expiry, kept)), "files": len(kept)}
