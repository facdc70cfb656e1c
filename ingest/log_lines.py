"""One line of a web server's log: the combined format of Apache and nginx, further fields after it left aside.

``address ident user [time] "request" status bytes "referrer" "agent" …``, where quoted fields hold ``\\"`` and ``\\xNN``.
"""

from __future__ import annotations

import re
from calendar import timegm
from datetime import date
from functools import lru_cache
from typing import NamedTuple

# Every quantifier inside quotes is possessive: a damaged line fails in one pass instead of trying all splits.
QUOTED = r'"([^"\\]*+(?:\\.[^"\\]*+)*+)"'

LINE = re.compile(
    rf"(\S++) \S++ [^\[]*+\[(\d\d/[A-Za-z]{{3}}/\d{{4}}:\d\d:\d\d):(\d\d) ([+-]\d{{4}})\] "
    rf"{QUOTED} (\d{{3}}) (?:\d+|-) {QUOTED} {QUOTED}(?:\s.*)?",
    re.ASCII,
)

REQUEST = re.compile(r"([A-Z]+) (\S+)(?: HTTP/\d(?:\.\d)?)?", re.ASCII)

MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), start=1
    )
}


class LogLine(NamedTuple):
    """What one request was.  A field the server wrote as ``-`` is empty here."""

    address: str
    at: int  # UTC, seconds since 1970
    method: str  # empty, like the target, when what was sent is no HTTP request
    target: str  # as sent: path and query, percent-encoded
    status: str
    referrer: str
    agent: str


def parse_line(text: str) -> LogLine | None:
    """The request of one line, or None when the line is damaged.  Raises nothing, whatever the text."""
    match = LINE.fullmatch(text)
    if match is None:
        return None
    address, minute, second, zone, request, status, referrer, agent = match.groups()
    start = _minute_start(minute, zone)
    if start is None or second > "60":
        return None
    if "\\" in text:
        request, referrer, agent = unescape(request), unescape(referrer), unescape(agent)
    sent = REQUEST.fullmatch(request)
    method, target = sent.groups() if sent else ("", "")
    return LogLine(
        address,
        start + int(second),
        method,
        target,
        status,
        "" if referrer == "-" else referrer,
        "" if agent == "-" else agent,
    )


def unescape(field: str) -> str:
    r"""A quoted field as it was sent.  ``\xNN`` that do not spell UTF-8 stay as they are written."""
    return _ESCAPES.sub(_escaped, field)


_ESCAPES = re.compile(r"((?:\\x[0-9A-Fa-f]{2})+)|\\(.)", re.DOTALL)
_LETTERS = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "v": "\v", "f": "\f"}


def _escaped(match: re.Match[str]) -> str:
    octets, letter = match.groups()
    if octets is None:
        return _LETTERS.get(letter, letter)
    try:
        return bytes.fromhex(octets.replace("\\x", "")).decode("utf-8")
    except UnicodeDecodeError:
        return octets


@lru_cache(maxsize=4096)
def _minute_start(minute: str, zone: str) -> int | None:
    """``26/Jan/2019:19:45`` and ``+0330`` as UTC seconds, or None when there is no such minute."""
    day, month, year, hour, past = int(minute[:2]), minute[3:6].lower(), int(minute[7:11]), minute[12:14], minute[15:]
    offset_s = (int(zone[1:3]) * 60 + int(zone[3:])) * 60
    if month not in MONTHS or hour > "23" or past > "59" or offset_s > 86_400:
        return None
    try:
        start = date(year, MONTHS[month], day)
    except ValueError:
        return None
    local = timegm((start.year, start.month, start.day, int(hour), int(past), 0))
    return local - offset_s if zone[0] == "+" else local + offset_s
