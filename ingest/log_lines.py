"""One line of a web server's log: what a request was, and the formats in which servers write it as plain text.

The combined format of Apache and nginx is the one most logs are in:
``address ident user [time] "request" status bytes "referrer" "agent" …``, where quoted fields hold ``\\"`` and ``\\xNN``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from .addresses import host_of
from .log_times import minute_start, moment


class LogLine(NamedTuple):
    """What one request was.  A field the server wrote as ``-`` is empty here."""

    address: str
    at: int  # UTC, seconds since 1970
    method: str  # empty, like the target, when what was sent is no HTTP request
    target: str  # as sent: path and query, percent-encoded
    status: str
    referrer: str
    agent: str | None  # None when the format does not tell it: then no one can say who is a bot
    host: str = ""  # which of the server's hosts was asked, where the format tells it


LineReader = Callable[[str], LogLine | None]  # None for a line that is damaged; raises nothing, whatever the text

# Every quantifier inside quotes is possessive: a damaged line fails in one pass instead of trying all splits.
IN_QUOTES = r'[^"\\]*+(?:\\.[^"\\]*+)*+'
QUOTED = rf'"({IN_QUOTES})"'

LINE = re.compile(
    rf"(\S++) \S++ [^\[]*+\[(\d\d/[A-Za-z]{{3}}/\d{{4}}:\d\d:\d\d):(\d\d) ([+-]\d{{4}})\] "
    rf"{QUOTED} (\d{{3}}) (?:\d+|-) {QUOTED} {QUOTED}(?:\s.*)?",
    re.ASCII,
)

REQUEST = re.compile(r"([A-Z]+) (\S+)(?: HTTP/\d(?:\.\d)?)?", re.ASCII)

_TIME = r"\[(?P<time>[^\]]++)\]"
_REQUEST = rf'"(?P<request>{IN_QUOTES})"'
_STATUS_AND_BYTES = r"(?P<status>\d{3}) (?:\d+|-)"
_REFERRER_AND_AGENT = rf'"(?P<referrer>{IN_QUOTES})" "(?P<agent>{IN_QUOTES})"'

COMMON = re.compile(rf"(?P<address>\S++) \S++ [^\[]*+{_TIME} {_REQUEST} {_STATUS_AND_BYTES}", re.ASCII)

# The second field is an address, so that a combined line is not taken for one of these.
VHOST_COMBINED = re.compile(
    rf"(?P<host>[^\s\[\"]++) (?=[0-9a-fA-F]*+[.:])(?P<address>[0-9a-fA-F.:]++) \S++ [^\[]*+{_TIME} {_REQUEST} "
    rf"{_STATUS_AND_BYTES} {_REFERRER_AND_AGENT}(?:\s.*)?",
    re.ASCII,
)

ALB = re.compile(
    r"(?:https?|h2|grpcs|wss?) (?P<time>\S++) \S++ \[?(?P<address>\S+?)\]?:\d+ \S++ \S++ \S++ \S++ (?P<status>\d{3}|-) "
    rf'\S++ \S++ \S++ {_REQUEST} "(?P<agent>{IN_QUOTES})"(?:\s.*)?',
    re.ASCII,
)

S3 = re.compile(
    rf"\S++ \S++ {_TIME} (?P<address>\S++) \S++ \S++ \S++ \S++ (?:{_REQUEST}|-) (?P<status>\d{{3}}|-) \S++ (?:\d+|-) "
    rf'(?:\d+|-) \S++ \S++ (?:"(?P<referrer>{IN_QUOTES})"|-) (?:"(?P<agent>{IN_QUOTES})"|-)(?:\s.*)?',
    re.ASCII,
)


def parse_line(text: str) -> LogLine | None:
    """The request of one line in combined format, or None when the line is damaged."""
    match = LINE.fullmatch(text)
    if match is None:
        return None
    address, minute, second, zone, request, status, referrer, agent = match.groups()
    start = minute_start(minute, zone)
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


def pattern_reader(pattern: re.Pattern[str]) -> LineReader:
    """Reads lines by the named groups of a pattern: those are the names ``line_of`` knows."""
    tells_agent = "agent" in pattern.groupindex

    def read(text: str) -> LogLine | None:
        match = pattern.fullmatch(text)
        if match is None:
            return None
        fields = match.groupdict("")
        if "\\" in text:
            fields = {name: unescape(field) for name, field in fields.items()}
        return line_of(fields, tells_agent=tells_agent)

    return read


def line_of(fields: Mapping[str, str], *, tells_agent: bool = True) -> LogLine | None:
    """The request that a line's fields tell, or None without an address and a time that can be read.

    Known are address (or forwarded, a list of which the first counts), time, request (or method, target and query),
    status, referrer, agent and host.
    """
    told = {name: "" if field == "-" else field for name, field in fields.items()}
    at = moment(told.get("time", ""))
    address = told.get("address") or told.get("forwarded", "").partition(",")[0].strip()
    if at is None or not address or "status" not in told:
        return None
    method, target = told.get("method", ""), told.get("target", "")
    if told.get("request"):
        sent = REQUEST.fullmatch(told["request"])
        method, target = sent.groups() if sent else ("", "")
    if told.get("query"):
        target = f"{target}?{told['query'].removeprefix('?')}"
    host = told.get("host") or host_of(target)
    return LogLine(
        address,
        at,
        method,
        target,
        told["status"],
        told.get("referrer", ""),
        told.get("agent") or ("" if tells_agent else None),
        host,
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
