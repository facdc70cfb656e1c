"""Where log messages go: one line each on stderr, as JSON or as text, whatever is in them.

Lines are handed to a thread that writes them together, several times a second, so that a reader who is slow, or has
stopped, holds no request up.  Beyond what is kept for it, lines are dropped and counted.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
import traceback
from collections import deque
from datetime import UTC, datetime
from typing import IO, Any

import orjson

from ..catalog.request_ids import present_request_id
from .redaction import redacted
from .request_log import RequestLine

MOST_LINES = 10_000  # that wait to be written
WRITE_EVERY_S = 0.1
LEAVE_WITHIN_S = 1.0


def log_to_stderr(log_format: str, level: str) -> LogOutput:
    """Write what fanin logs from ``level`` on, and the warnings of everything else, to stderr."""
    output = LogOutput(sys.stderr)
    output.setFormatter(JsonLines() if log_format == "json" else TextLines())
    logging.basicConfig(handlers=[output], level=logging.WARNING, force=True)
    logging.getLogger("fanin").setLevel(level.upper())
    return output


def dropped_lines() -> int:
    """How many lines no one read in time."""
    return sum(output.dropped for output in logging.getLogger().handlers if isinstance(output, LogOutput))


def flush_logs() -> None:
    """Have everything written that was logged: a worker process is ended by a signal, after which nothing is."""
    for output in logging.getLogger().handlers:
        if isinstance(output, LogOutput):
            output.flush()


# --- lines --------------------------------------------------------------------------------------------------------


class JsonLines(logging.Formatter):
    """One JSON object a line, in ASCII: no text in it can end the line or speak to a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        return in_ascii({"time": _time(record), "level": record.levelname.lower(), **_fields(record)})


class TextLines(logging.Formatter):
    """A line for people.  What cannot be printed is escaped; a traceback follows, indented."""

    def format(self, record: logging.LogRecord) -> str:
        fields = _fields(record)
        line = printable(f"{_time(record)} {record.levelname.lower():7} {fields.get('message', record.msg)}")
        line += f" [{fields['request_id']}]" if fields["request_id"] != "-" else ""
        return "\n    ".join([line, *map(printable, fields.get("traceback", "").splitlines())])


def in_ascii(fields: dict[str, Any]) -> str:
    try:
        text = orjson.dumps(fields).decode()
    except TypeError:  # half of a surrogate pair
        text = ""
    return text if text.isascii() and text and "\x7f" not in text else json.dumps(fields).replace("\x7f", "\\u007f")


def printable(text: str) -> str:
    """The text with everything escaped that ends a line, moves a cursor or changes the direction of reading."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    if isinstance(record.msg, RequestLine):
        return {"event": "request", **record.msg.fields}
    fields = {"event": "message", "logger": record.name, "request_id": present_request_id()}
    fields["message"] = redacted(record.getMessage())
    if record.exc_info:
        fields["traceback"] = redacted("".join(traceback.format_exception(*record.exc_info)))
    return fields


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{record.msecs:03.0f}Z"


# --- writing ------------------------------------------------------------------------------------------------------


class LogOutput(logging.Handler):
    """Keeps lines and writes them from a thread of its own.  ``dropped`` counts those there was no room for."""

    def __init__(self, stream: IO[str], most_lines: int = MOST_LINES) -> None:
        super().__init__()
        self.dropped = 0
        self._stream = stream
        self._most_lines = most_lines
        self._lines: deque[str] = deque()
        self._waiting = threading.Event()
        self._urgent = threading.Event()
        self._written = threading.Event()
        self._writer = threading.Thread(target=self._write, name="log", daemon=True)
        self._writer.start()

    def emit(self, record: logging.LogRecord) -> None:
        if len(self._lines) >= self._most_lines:
            self.dropped += 1
            return
        try:
            self._lines.append(self.format(record))
        except Exception:  # what is logged must not make what logs it fail
            self.handleError(record)
        if record.levelno >= logging.ERROR:
            self._urgent.set()
        if not self._waiting.is_set():
            self._waiting.set()

    def flush(self) -> None:
        """Wait until what is kept has been written, but not for a reader who has stopped."""
        deadline = time.monotonic() + LEAVE_WITHIN_S
        while self._lines and self._writer.is_alive() and time.monotonic() < deadline:
            self._written.clear()
            self._urgent.set()
            self._written.wait(0.05)

    def _write(self) -> None:
        while self._waiting.wait():
            self._urgent.wait(WRITE_EVERY_S)
            self._urgent.clear()
            self._waiting.clear()
            lines = [*self._lines]
            try:
                self._stream.write("\n".join(lines) + "\n")
                self._stream.flush()
            except (OSError, ValueError):
                self.dropped += len(lines)  # no one reads any more
            for _ in lines:
                self._lines.popleft()
            self._written.set()
