"""The pages for people: overview, list of conversations, a conversation, a record."""

import base64
import binascii
from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.admin.views.decorators import staff_member_required
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.utils.text import slugify
from django.views.decorators.http import require_safe

from archive import files, reader, sessions
from archive.errors import ArchiveError, BadInput, NotFound
from archive.records import line_of, place_of
from browse import artifacts, conversation
from browse.blocks import cut, images_of
from browse.conversation import Place
from browse.forms import SessionFilterForm
from browse.reading import is_too_large, may_branch
from browse.rendering import is_claude_code
from browse.summaries import UNTITLED, project_names, session_row, session_url, token_counts
from browse.values import as_json
from jobs.models import recent_jobs

RECENT_SESSIONS = 8
LIST_ROWS = 50
RECORD_SHOWN = 1024 * 1024

View = Callable[..., HttpResponse]


def page(view: View) -> View:
    """A page for staff, read only; what the archive refuses becomes a page with the reason."""

    @wraps(view)
    def told(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except NotFound as error:
            raise Http404(error.message) from error
        except BadInput as error:
            return _refusal(request, error, 400)
        except ArchiveError as error:
            return _refusal(request, error, 503)

    guarded: View = require_safe(staff_member_required(told, login_url=settings.LOGIN_URL))
    return guarded


def _refusal(request: HttpRequest, error: ArchiveError, status: int) -> HttpResponse:
    told = {"detail": error.message, "hint": error.hint}
    return render(request, f"{status}.html", told, status=status)


@page
def home(request: HttpRequest) -> HttpResponse:
    """How much there is, and what happened last."""
    newest = sessions.page_sessions(sessions.SessionFilter(), cursor=None, limit=RECENT_SESSIONS)
    projects = project_names(sessions.list_projects())
    context = {
        "totals": sessions.totals(),
        "rows": [session_row(session, projects) for session in newest.items],
        "jobs": recent_jobs(request.user),
    }
    return render(request, "browse/home.html", context)


@page
def session_list(request: HttpRequest) -> HttpResponse:
    """Conversations by filter and order, a page at a time."""
    form = SessionFilterForm(request.GET)
    form.offer(sessions.distinct_values("sources"))
    projects = project_names(sessions.list_projects())
    context = {
        "form": form,
        "projects": dict(sorted(projects.items(), key=lambda item: item[1].lower())),
        "models": sessions.distinct_values("models"),
        "cursor": request.GET.get("cursor"),
        "export_query": _export_query(request.GET),
    }
    try:
        context |= _rows(request, form, projects)
    except BadInput as fault:
        return render(request, "browse/session_list.html", context | {"fault": fault}, status=400)
    return render(request, "browse/session_list.html", context)


def _export_query(query: QueryDict) -> str:
    """The filters that an export knows too, so that it can begin with what is on the page."""
    shared = ("project", "source", "model", "since", "until")
    return urlencode({name: query[name] for name in shared if query.get(name)})


def _rows(request: HttpRequest, form: SessionFilterForm, projects: dict[str, str]) -> dict[str, Any]:
    asked = form.session_filter()
    found = sessions.page_sessions(asked, cursor=request.GET.get("cursor") or None, limit=LIST_ROWS)
    return {
        "rows": [session_row(session, projects) for session in found.items],
        "next_url": _with(request.GET, cursor=found.next),
        "previous_url": _with(request.GET, cursor=found.previous),
    }


def _with(query: QueryDict, **changes: str | None) -> str:
    """The query with these values; "" where a value is None, so that no link is shown."""
    if None in changes.values():
        return ""
    changed = query.copy()
    for name, value in changes.items():
        changed[name] = str(value)
    return f"?{changed.urlencode()}"


@page
def session_detail(request: HttpRequest, session_id: str) -> HttpResponse:
    """One conversation: its facts, and one page of its messages."""
    session = sessions.get_session(session_id)
    place = _place(request.GET)
    held = conversation.files_of(session_id)
    thread = conversation.read(session, place, held.paths)
    context = {
        "session": session,
        "row": session_row(session, project_names(sessions.list_projects())),
        "tokens": token_counts(session),
        "files": held,
        "place": place,
        "thread": thread,
        "artifacts": artifacts.listed(thread.chosen) if thread.number == 1 else (),
        "is_untold": may_branch(session) and is_too_large(session),
    }
    return render(request, "browse/session_detail.html", context)


def _place(asked: QueryDict) -> Place:
    return Place(
        page=asked.get("page", ""),
        file=asked.get("file", ""),
        message=asked.get("at", ""),
        branch=asked.get("branch", ""),
        view=asked.get("view", ""),
    )


@page
def artifact(request: HttpRequest, session_id: str) -> HttpResponse:
    """The text of one artifact of a conversation, for download only, whatever it is."""
    chosen = conversation.choose(sessions.get_session(session_id), _place(request.GET))
    found = artifacts.one_of(chosen, request.GET.get("number", ""))
    name = slugify((found.title or found.id)[:80]) or "artifact"
    return _download(found.content.encode("utf-8", "replace"), f"{name}.txt")


def _download(content: bytes, name: str) -> HttpResponse:
    response = HttpResponse(content, content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@page
def message_detail(request: HttpRequest, hex_id: str) -> HttpResponse:
    """The original record of one message, as readable JSON."""
    message = reader.get_message(hex_id)
    session = sessions.get_session(message["sessionId"])
    record = message.get("record")
    text = as_json(record) if record else files.original_line(message).decode("utf-8", "replace")
    context = {
        "hex": hex_id,
        "message": message,
        "record": cut(text, limit=RECORD_SHOWN),
        "title": session.get("title") or UNTITLED,
        "session_url": session_url(message["sessionId"]),
        "unit": "line" if is_claude_code(message) else "record",
        "line": line_of(message["seq"]),
        "place": place_of(message["seq"]),
    }
    return render(request, "browse/message_detail.html", context)


@page
def message_raw(request: HttpRequest, hex_id: str) -> HttpResponse:
    """The exact bytes of the message's line, for download only."""
    message = reader.get_message(hex_id)
    ending = "jsonl" if is_claude_code(message) else "txt"
    return _download(files.original_line(message), f"{hex_id[:16]}.{ending}")


@page
def message_image(request: HttpRequest, hex_id: str, number: int) -> HttpResponse:
    """One image of the message, numbered as on its page."""
    images = images_of(reader.get_message(hex_id))
    media_type, data = next((pair for n, pair in enumerate(images) if n == number), ("", ""))
    try:
        content = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Http404("The image in this message is damaged.") from error
    if not content:
        raise Http404("The message has no such image.")
    response = HttpResponse(content, content_type=media_type)
    response["Cache-Control"] = "private, max-age=86400, immutable"
    return response
