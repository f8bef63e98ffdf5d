"""The states of a job, and what each of them allows."""

from django.db import models


class JobState(models.TextChoices):
    """Where a job stands. ``failed`` is a refusal told to the user, ``errored`` is a bug."""

    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    COMPLETED = "completed", "Completed"
    COMPLETED_WITH_ERRORS = "completed_with_errors", "Completed with errors"
    FAILED = "failed", "Failed"
    ERRORED = "errored", "Errored"
    CANCELLING = "cancelling", "Cancelling"
    CANCELLED = "cancelled", "Cancelled"
    ROLLING_BACK = "rolling_back", "Rolling back"
    ROLLED_BACK = "rolled_back", "Rolled back"


HELD = (JobState.RUNNING, JobState.CANCELLING, JobState.ROLLING_BACK)
"""States in which a worker is, or was, at work."""

ACTIVE = (JobState.QUEUED, *HELD)
"""States that still move; every other one is an end."""

DONE = (JobState.COMPLETED, JobState.COMPLETED_WITH_ERRORS)
"""Ends that have a result."""

RETRYABLE = (JobState.FAILED, JobState.ERRORED, JobState.CANCELLED)
"""Ends from which a person may send the job on its way again."""

UNDOABLE = (*DONE, *RETRYABLE)
"""Ends from which a job's work may be undone, where its kind can do that."""

ICONS: dict[str, str] = {
    JobState.QUEUED: "◷",
    JobState.RUNNING: "▶",
    JobState.COMPLETED: "✔",
    JobState.COMPLETED_WITH_ERRORS: "⚠",
    JobState.FAILED: "✖",
    JobState.ERRORED: "‼",
    JobState.CANCELLING: "◌",
    JobState.CANCELLED: "⊘",
    JobState.ROLLING_BACK: "↶",
    JobState.ROLLED_BACK: "↺",
}

GAVE_UP = ("unavailable", "gave_up")
"""Error codes of a job that was not refused: a server did not answer, or the worker kept dying."""

EXIT_CODES: dict[str, int] = {
    JobState.COMPLETED: 0,
    JobState.ERRORED: 1,
    JobState.FAILED: 2,
    JobState.COMPLETED_WITH_ERRORS: 3,
    JobState.CANCELLED: 130,
    JobState.ROLLED_BACK: 130,
}
EXIT_TRY_AGAIN = 75


def exit_code(state: str, error_code: str) -> int:
    """What a command that ran the job returns to the shell."""
    if state == JobState.FAILED and error_code in GAVE_UP:
        return EXIT_TRY_AGAIN
    if state == JobState.ROLLED_BACK and error_code:
        return EXIT_CODES[JobState.FAILED]
    return EXIT_CODES.get(state, EXIT_TRY_AGAIN)
