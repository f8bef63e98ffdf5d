"""Which column of a table holds which field of a message. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from archive.errors import BadInput
from imports.readers.values import (
    TIME_FORMATS,
    BadValueError,
    is_time_format,
    read_count,
    read_money,
    read_name,
    read_text,
    read_time,
)

TIME_FORMAT = "time_format"
COLUMNS_TOLD = 30


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a message that a column can hold: what it is, how its values are read, what columns that
    hold it are often called (without case, spaces and signs), and whether every row has to have one."""

    name: str
    type: str
    description: str
    called: tuple[str, ...]
    required: bool = False


READERS: dict[str, Callable[[Any], Any]] = {
    "text": read_text,
    "name": read_name,
    "count": read_count,
    "money": read_money,
}
_CALLED = {
    "text": "text content message body messagetext messagecontent messagebody contenttext msg textcontent "
    "utterance parts value",
    "role": "role messagerole authorrole senderrole sender sendertype speaker authortype author from "
    "participant who by",
    "time": "timestamp time createdat createtime createdtime created datetime date sentat messagetime when "
    "ts updatedat",
    "session": "sessionid conversationid chatid threadid session conversation chat thread sessionuuid "
    "conversationuuid dialogid convid",
    "uuid": "uuid messageid messageuuid msgid id",
    "parent": "parentuuid parentid parentmessageid parentmessageuuid parent replyto inreplyto",
    "title": "title conversationtitle chattitle conversationname threadtitle subject topic",
    "project": "project projectname projectpath",
    "model": "model modelname modelslug modelid",
    "input_tokens": "inputtokens prompttokens tokensin tokensinput usageinputtokens usageprompttokens",
    "output_tokens": "outputtokens completiontokens tokensout tokensoutput usageoutputtokens "
    "usagecompletiontokens",
    "cost": "costusd cost totalcost totalcostusd priceusd usd",
    "type": "type messagetype kind eventtype",
}
_DESCRIPTIONS = {
    "text": ("text", "what was said"),
    "role": ("name", "who said it: user, assistant …"),
    "time": ("time", "when it was said"),
    "session": ("name", "the conversation's id; without it the file is one conversation"),
    "uuid": ("name", "the message's id"),
    "parent": ("name", "the id of the message before it"),
    "title": ("text", "the conversation's title"),
    "project": ("name", "the project that it belongs to"),
    "model": ("name", "the model that answered"),
    "input_tokens": ("count", "tokens that the model read"),
    "output_tokens": ("count", "tokens that the model wrote"),
    "cost": ("money", "what the answer cost in US dollars"),
    "type": ("name", "what kind of record it is"),
}
FIELDS: dict[str, Field] = {
    name: Field(name, kind, description, tuple(_CALLED[name].split()), required=name == "text")
    for name, (kind, description) in _DESCRIPTIONS.items()
}


def value_at(record: Mapping[str, Any], column: str) -> Any:
    """What a record holds in a column: a key, or a path of keys ("author.role"). None where there is nothing.

    >>> value_at({"a": {"b.c": 1}, "d.e": 2}, "a.b.c"), value_at({"d.e": 2}, "d.e"), value_at({}, "x")
    (1, 2, None)
    """
    if column in record:
        return record[column]
    at = column.find(".")
    while at >= 0:
        inner = record.get(column[:at])
        if isinstance(inner, dict):
            return value_at(inner, column[at + 1 :])
        at = column.find(".", at + 1)
    return None


def column_of(spec: Any) -> str:
    """The column that a mapping names for a field: ``"When"``, or ``{"column": "When", "format": "…"}``."""
    return str(spec["column"]) if isinstance(spec, dict) else str(spec)


def read_field(record: Mapping[str, Any], field: Field, spec: Any) -> Any:
    """The value of a field in a record. Raises ``BadValueError`` naming the column and what is expected."""
    column = column_of(spec)
    value = value_at(record, column)
    try:
        if field.type == "time":
            return read_time(value, spec.get("format", "") if isinstance(spec, dict) else "")
        return READERS[field.type](value)
    except BadValueError as error:
        raise BadValueError(f"column “{column}” ({field.name}) holds {error}") from None


def check_mapping(mapping: Mapping[str, Any], columns: list[str]) -> dict[str, Any]:
    """A mapping that can be worked with: each field that there is, and a column of these.

    A field's value is the name of its column; of ``time`` also ``{"column": …, "format": …}``, or the format
    by itself as ``time_format``. An empty one leaves the field out. Raises ``BadInput``.
    """
    form = mapping.get(TIME_FORMAT, "")
    checked = {
        name: _checked(name, spec, columns)
        for name, spec in mapping.items()
        if name != TIME_FORMAT and spec not in ("", None)
    }
    if missing := [each.name for each in FIELDS.values() if each.required and each.name not in checked]:
        raise _bad_mapping(f"No column is chosen for the {missing[0]}.", columns)
    if form and "time" in checked:
        checked["time"] = {"column": column_of(checked["time"]), "format": _checked_format(form)}
    return checked


def _checked(name: str, spec: Any, columns: list[str]) -> Any:
    if name not in FIELDS:
        hint = f"Fields are: {', '.join(FIELDS)}."
        raise BadInput(f"A message has no field “{name}”.", hint=hint, code="bad_mapping")
    column = spec.get("column") if isinstance(spec, Mapping) else spec
    if not isinstance(column, str) or (isinstance(spec, Mapping) and name != "time"):
        raise _bad_mapping(f"The column for {name} is {spec!r:.100}, not the name of one.", columns)
    if column not in columns:
        raise BadInput(
            f"There is no column “{column:.100}”, which is chosen for {name}.",
            hint=told_columns(columns),
            code="unknown_column",
        )
    if isinstance(spec, Mapping):
        return {"column": column, "format": _checked_format(spec.get("format", ""))}
    return column


def _checked_format(form: Any) -> str:
    if is_time_format(form):
        return str(form)
    raise BadInput(
        f"The format of the time is {form!r:.100}.",
        hint=f"It takes: {', '.join(TIME_FORMATS[1:])}, or a pattern like %d.%m.%Y %H:%M.",
        code="bad_mapping",
    )


def _bad_mapping(message: str, columns: list[str]) -> BadInput:
    return BadInput(message, hint=told_columns(columns), code="bad_mapping")


def told_columns(columns: list[str]) -> str:
    return f"Columns are: {', '.join(columns[:COLUMNS_TOLD])}{', …' if len(columns) > COLUMNS_TOLD else ''}."
