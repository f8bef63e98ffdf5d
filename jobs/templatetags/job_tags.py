"""States, sizes and durations in templates."""

from datetime import timedelta
from typing import Any

from django import template
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs import wording
from jobs.models import Job
from jobs.states import JobState

register = template.Library()


@register.simple_tag
def job_badge(job: Job) -> SafeString:
    """The state as a badge: word, and by the stylesheet a sign and a colour."""
    return format_html(
        '<span class="badge badge--{}" data-field="state">{}</span>',
        job.state,
        JobState(job.state).label,
    )


@register.simple_tag
def job_url(job: Job, verb: str, given: str = "") -> str:
    """The address of the job's ``verb`` in its own app, unless one is given; "" for none."""
    try:
        return given or reverse(f"{job._meta.app_label}:{verb}", args=[job.pk])
    except NoReverseMatch:
        return ""


@register.filter
def human_bytes(size: float | None) -> str:
    """``1536`` -> ``1.5 KiB``."""
    return wording.human_bytes(size)


@register.filter
def human_count(number: float | None) -> str:
    """``1234567`` -> ``1,234,567``."""
    return wording.human_count(number)


@register.filter
def human_seconds(duration: timedelta | float | None) -> str:
    """``3725`` -> ``1 h 2 min``."""
    return wording.human_seconds(duration)


@register.filter
def count_label(name: str) -> str:
    """``keptBoth`` and ``kept_both`` -> ``Kept both``."""
    return wording.count_label(name)


@register.filter
def in_words(parameters: dict[str, Any]) -> list[tuple[str, str]]:
    """``{"files": 3}`` -> ``[("Files", "3")]``."""
    return wording.parameters_in_words(parameters)


@register.filter
def job_duration(job: Job) -> str:
    """How long the job ran; "" before it started or while it runs."""
    if job.started_at is None or job.finished_at is None:
        return ""
    return wording.human_seconds(job.finished_at - job.started_at)
