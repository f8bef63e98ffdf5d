"""The steps of an import in preparation, each a page of its own: format, columns, preview, options."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from archive.errors import ArchiveError, BadInput, Gone, NotFound, Unavailable
from imports import drafts, report
from imports.forms import CONFLICTS, MODES, FormatForm, MappingForm, OptionsForm, formats_offered
from imports.models import ImportDraft
from imports.preview import Columns, Preview
from imports.views import staff_required

STATUSES: tuple[tuple[type[ArchiveError], int], ...] = ((NotFound, 404), (Gone, 410), (Unavailable, 503))
FORM_METHODS = ["GET", "HEAD", "POST"]
DRY_RUN = "dry-run"


class Step(NamedTuple):
    """A step as the list at the head of the page shows it: ``state`` is done, current or ahead."""

    name: str
    title: str
    url: str
    state: str


TITLES = {
    "files": "Files",
    "format": "Format",
    "mapping": "Columns",
    "preview": "Preview",
    "options": "Options",
}


def steps_of(draft: ImportDraft, current: str) -> list[Step]:
    """The draft's steps. Those behind the current one can be gone back to."""
    names = [name for name in TITLES if name != "mapping" or draft.needs_mapping]
    at = names.index(current)
    return [
        Step(
            name,
            TITLES[name],
            step_url(draft, name) if 0 < number < at else "",
            "done" if number < at else "current" if number == at else "ahead",
        )
        for number, name in enumerate(names)
    ]


def step_url(draft: ImportDraft, name: str) -> str:
    """The address of a step."""
    return reverse(f"imports:draft-{name}", args=[draft.pk])


def of_draft(
    view: Callable[[HttpRequest, ImportDraft], HttpResponse],
) -> Callable[..., HttpResponse]:
    """A page of the user's own draft; one that has become an import leads there, what is refused is told."""

    @wraps(view)
    def page(request: HttpRequest, draft_id: UUID) -> HttpResponse:
        try:
            draft = drafts.find_draft(request.user, draft_id)
        except NotFound:
            raise Http404 from None
        if draft.job is not None:
            return redirect(draft.job)
        try:
            return view(request, draft)
        except ArchiveError as refusal:
            return _refused(request, draft, refusal)

    return staff_required(page)


def _refused(request: HttpRequest, draft: ImportDraft, refusal: ArchiveError) -> HttpResponse:
    status = next((code for kind, code in STATUSES if isinstance(refusal, kind)), 400)
    context = {"draft": draft, "refusal": refusal}
    return render(request, "imports/draft_refused.html", context, status=status)


def _page(
    request: HttpRequest, draft: ImportDraft, step: str, context: dict[str, Any], status: int = 200
) -> HttpResponse:
    """A step's page, with the list of all steps."""
    steps = steps_of(draft, step)
    at = next(number for number, each in enumerate(steps) if each.state == "current")
    shared = {"draft": draft, "steps": steps, "step_number": at + 1, "step_title": steps[at].title}
    shared["back_url"] = steps[at - 1].url or reverse("imports:new")
    return render(request, f"imports/draft_{step}.html", shared | context, status=status)


# ---------------------------------------------------------------------- format


@require_http_methods(FORM_METHODS)
@of_draft
def draft_format(request: HttpRequest, draft: ImportDraft) -> HttpResponse:
    """What each file is, why, and what is known of it already; the format can be chosen otherwise."""
    if request.method == "POST":
        return _choose_format(request, draft)
    return _format_page(request, draft, FormatForm(initial=draft.options), drafts.formats_of(draft))


def _choose_format(request: HttpRequest, draft: ImportDraft) -> HttpResponse:
    form = FormatForm(request.POST)
    if not form.is_valid():
        return _format_page(request, draft, form, drafts.formats_of(draft), status=400)
    chosen = form.cleaned_data["format"]
    found = drafts.choose_format(draft, chosen)
    if draft.options.get("format") != chosen:
        form.refuse(_first_refusal(found), "format")
        return _format_page(request, draft, form, found, status=400)
    return redirect(step_url(draft, "mapping" if draft.needs_mapping else "preview"))


def _first_refusal(found: Preview) -> BadInput:
    told = next(each.refusal for each in found.files if each.refusal)
    return BadInput(told["message"], hint=told["hint"], code=told["code"])


def _format_page(
    request: HttpRequest, draft: ImportDraft, form: FormatForm, found: Preview, status: int = 200
) -> HttpResponse:
    # Not remembered yet: what was found may still be chosen otherwise.
    draft.needs_mapping = drafts.has_table(found)
    earlier = drafts.earlier_imports(draft)
    files = [{"file": each, "earlier": earlier.get(each.source)} for each in found.files]
    context = {"form": form, "found": found, "files": files, "offers": formats_offered()}
    return _page(request, draft, "format", context, status)


# ---------------------------------------------------------------------- columns


@require_http_methods(FORM_METHODS)
@of_draft
def draft_mapping(request: HttpRequest, draft: ImportDraft) -> HttpResponse:
    """Which column of a table is which field of a message."""
    columns = drafts.columns_of(draft) if draft.needs_mapping else None
    if columns is None:
        return redirect(step_url(draft, "preview"))
    if request.method != "POST":
        form = MappingForm(columns.suggestion, initial=draft.options.get("mapping"))
        return _mapping_page(request, draft, columns, form)
    form = MappingForm(columns.suggestion, request.POST)
    if not form.is_valid():
        return _mapping_page(request, draft, columns, form, status=400)
    drafts.choose(draft, mapping=form.mapping)
    return redirect(step_url(draft, "preview"))


def _mapping_page(
    request: HttpRequest, draft: ImportDraft, columns: Columns, form: MappingForm, status: int = 200
) -> HttpResponse:
    examples = {each.name: each.examples for each in columns.suggestion.columns}
    times = [form["time_format"], form["time_pattern"]]
    context = {"columns": columns, "form": form, "examples": examples, "times": times}
    return _page(request, draft, "mapping", context, status)


# ---------------------------------------------------------------------- preview


@require_safe
@of_draft
def draft_preview(request: HttpRequest, draft: ImportDraft) -> HttpResponse:
    """The first messages as they would be taken in, what is new, and what cannot be read."""
    found = drafts.preview_of(draft)
    refused = [each for each in found.files if each.refusal]
    causes = report.causes_of(found)
    context = {
        "found": found,
        "refused": refused,
        "can_go_on": len(refused) < len(found.files),
        "causes": causes,
        "unreadable": sum(cause.count for cause in causes),
        "messages_found": report.messages_of(found),
    }
    return _page(request, draft, "preview", context)


# ---------------------------------------------------------------------- options


@require_http_methods(FORM_METHODS)
@of_draft
def draft_options(request: HttpRequest, draft: ImportDraft) -> HttpResponse:
    """What becomes of conflicts and bad records; then it is tried, or done."""
    if request.method != "POST":
        return _options_page(request, draft, OptionsForm.begun_with(draft.options))
    form = OptionsForm(request.POST)
    if not form.is_valid():
        return _options_page(request, draft, form, status=400)
    try:
        drafts.choose(draft, **form.cleaned_data)
        job = drafts.start_import(draft, dry_run=request.POST.get("then") == DRY_RUN)
    except ArchiveError as refusal:
        form.refuse(refusal)
        return _options_page(request, draft, form, status=400)
    return redirect(job)


def _options_page(
    request: HttpRequest, draft: ImportDraft, form: OptionsForm, status: int = 200
) -> HttpResponse:
    limits = [form["max_errors"], form["reject_percent"]]
    context = {"form": form, "conflicts": CONFLICTS, "modes": MODES, "limits": limits}
    return _page(request, draft, "options", context, status)


@require_POST
@of_draft
def draft_discard(request: HttpRequest, draft: ImportDraft) -> HttpResponse:
    """Give the import up: its files are deleted."""
    drafts.discard_draft(draft)
    messages.info(request, f"{draft.title} was given up; its files are deleted.")
    return redirect("imports:new")
