"""ClaudeLens's CSV export: one conversation a row, without its messages. Pure."""

from typing import Any

from archive.projects import Project
from archive.records import Record
from imports.messages import Context, Said, parse_time, short_text, speaks
from imports.readers.base import Format, Match, Sample
from imports.readers.claudelens_messages import NAME
from imports.readers.rows import read_rows, table_of
from imports.readers.texts import joined, text_of, unnamed

COLUMNS = ["id", "title", "summary", "created_at", "message_count", "cost_usd", "model"]
NO_MESSAGES = "no_messages"
WARNINGS = {
    NO_MESSAGES: "{count} conversations stand in the file without their messages: export them as JSON."
}


def detect(sample: Sample) -> Match | None:
    if not sample.text.startswith(COLUMNS[0].encode()):
        return None
    table = table_of(sample.data, is_whole=sample.is_whole)
    if table is None or table.columns != COLUMNS:
        return None
    return Match("ClaudeLens export: a table of conversations, without their messages", table.facts)


def start(sample: Sample, match: Match) -> Context:
    return Context("unnamed", Project(NAME))


def said(record: Record, context: Context) -> Said:
    """A row as the conversation that it names."""
    row: dict[str, Any] = record.value
    context.warn(NO_MESSAGES)
    title, summary = text_of(row, "title"), text_of(row, "summary")
    key = short_text(text_of(row, "id"))
    return Said(
        NAME,
        "conversation",
        f"{NAME}-{key}" if key else unnamed(NAME, row),
        context.project,
        timestamp=parse_time(row["created_at"]),
        text=joined(title, summary),
        titles={"custom": title, "summary": summary},
    )


FORMAT = Format(
    name="claudelens-csv",
    label="ClaudeLens export, CSV",
    description="The list of conversations that ClaudeLens gives as CSV; it holds no messages.",
    source=NAME,
    detect=detect,
    records=read_rows,
    message=speaks(said),
    start=start,
    layout="spans",
    warnings=WARNINGS,
)
