"""How services log: text for people, one JSON object a line for machines."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

from omnyshell.printable import ELLIPSIS, LONGEST, printable, printable_json
from omnyshell.steps import FIELDS

LONGEST_FIELD = 256
"""Characters of a field that are logged."""

LONGEST_TRACEBACK = 64 * 1024
"""Characters of a traceback that are logged: its last lines may quote a peer."""

TEXT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, and the ids that the call gave."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        data: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _cut(record.getMessage(), LONGEST),
        }
        data.update(_fields(record))
        if record.exc_info:
            data["exception"] = _cut(self.formatException(record.exc_info), LONGEST_TRACEBACK)
        return printable_json(json.dumps(data, ensure_ascii=False, default=str))


class TextFormatter(logging.Formatter):
    """A line for people, without control characters that a peer may have sent."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """Return the line."""
        record.message = printable(record.message + _fields_as_text(record))
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802
        """Return a traceback with each line made printable, as it may quote a peer, and indented by a space."""
        text = _cut(super().formatException(ei), LONGEST_TRACEBACK)
        return "\n".join(f" {printable(line)}" for line in text.split("\n"))


def _fields(record: logging.LogRecord) -> dict[str, object]:
    """Return the fields among `FIELDS` that a log call gave in `extra`, without the empty ones."""
    given = {name: value for name in FIELDS if (value := getattr(record, name, None)) not in (None, "")}
    return {
        name: value if isinstance(value, int | float) else _cut(str(value), LONGEST_FIELD)
        for name, value in given.items()
    }


def _fields_as_text(record: logging.LogRecord) -> str:
    """Return the fields of a step as text; other records have no fields that their message does not name."""
    if not getattr(record, "is_step", False):
        return ""
    return "".join(f" {name}={_word(str(value))}" for name, value in _fields(record).items())


def _cut(text: str, longest: int) -> str:
    """Return the beginning of a text that a peer may have made as long as it likes."""
    return text if len(text) <= longest else text[:longest] + ELLIPSIS


def _word(text: str) -> str:
    return json.dumps(text, ensure_ascii=False) if not text or any(char in text for char in ' "=') else text


def formatter(*, is_json: bool) -> logging.Formatter:
    """Return the formatter for machines or for people."""
    return JsonFormatter() if is_json else TextFormatter(TEXT)
