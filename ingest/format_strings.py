"""A log's format as its server was told it: an nginx ``log_format`` or an Apache ``LogFormat``, made into a reader.

The format may be given alone or as the whole directive it stands in.  What a request does not need is stepped over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import orjson

from .json_lines import json_reader
from .log_lines import IN_QUOTES, LineReader, pattern_reader
from .refusals import ImportRefused

# Variables of nginx, and what they are to a request.
NGINX = {
    "remote_addr": "address",
    "realip_remote_addr": "",
    "http_x_forwarded_for": "forwarded",
    "time_local": "time",
    "time_iso8601": "time",
    "msec": "time",
    "request": "request",
    "request_method": "method",
    "request_uri": "target",
    "uri": "target",
    "args": "query",
    "query_string": "query",
    "status": "status",
    "http_referer": "referrer",
    "http_user_agent": "agent",
    "host": "host",
    "http_host": "host",
    "server_name": "host",
}

# Directives of Apache, without what may stand between the sign and the letter (``%>s``).
APACHE = {
    "h": "address",
    "a": "address",
    "{X-Forwarded-For}i": "forwarded",
    "t": "time",
    "{sec}t": "time",
    "{msec}t": "time",
    "{usec}t": "time",
    "r": "request",
    "m": "method",
    "U": "target",
    "q": "query",
    "s": "status",
    "{Referer}i": "referrer",
    "{User-agent}i": "agent",
    "{User-Agent}i": "agent",
    "{Host}i": "host",
    "V": "host",
    "v": "host",
}

_NEEDED = {"time": "the time", "status": "the status"}

_NGINX_DIRECTIVE = re.compile(r"\s*log_format\s+\S+\s+(?:escape=\w+\s+)?(.*?);?\s*", re.DOTALL)
_NGINX_PIECES = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"", re.DOTALL)
_NGINX_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_APACHE_DIRECTIVE = re.compile(r"\s*(?:LogFormat|CustomLog\s+\S+)\s+\"(.*)\"(?:\s+\S+)?\s*", re.DOTALL)
_APACHE_VARIABLE = re.compile(r"%[<>!,\d]*(\{[^}]*\}(?:\^t[io]|[a-zA-Z])|\^FB|[a-zA-Z]|%)")


def is_format_string(text: str) -> bool:
    return "$" in text or "%" in text


def format_string_reader(text: str) -> LineReader:
    """Reads lines written in the format.  Raises ``ImportRefused`` when it leaves out what a request needs."""
    if "$" in text:
        return _nginx_reader(_nginx_format(text))
    return _compiled(text, list(_apache_parts(_apache_format(text))))


def _nginx_reader(text: str) -> LineReader:
    names = _json_names(text)
    if names is not None:
        _check(text, set(names))
        return json_reader(names)
    return _compiled(text, list(_nginx_parts(text)))


def _nginx_format(text: str) -> str:
    """The pieces of a directive put together, or the text as it is."""
    directive = _NGINX_DIRECTIVE.fullmatch(text)
    if directive is None:
        return text
    return "".join(single or double for single, double in _NGINX_PIECES.findall(directive[1]))


def _apache_format(text: str) -> str:
    directive = _APACHE_DIRECTIVE.fullmatch(text)
    return (directive[1] if directive else text).replace('\\"', '"').replace("\\t", "\t")


def _json_names(text: str) -> dict[str, tuple[str, ...]] | None:
    """Of a format that is a JSON object: in which of its names each field stands."""
    try:
        entry = orjson.loads(re.sub(r"(?<=[:,\s])\$(\w+)(?=\s*[,}])", r'"$\1"', text))
    except orjson.JSONDecodeError:
        return None
    if not isinstance(entry, dict):
        return None
    names: dict[str, tuple[str, ...]] = {}
    for name, value in entry.items():
        found = _NGINX_VARIABLE.fullmatch(value) if isinstance(value, str) else None
        field = NGINX.get(found[1] or found[2], "") if found else ""
        if field:
            names[field] = (*names.get(field, ()), name)
    return names


def _nginx_parts(text: str) -> Iterator[tuple[str, str]]:
    """Texts and fields in turn, the text first; a field that no request needs is empty."""
    end = 0
    for found in _NGINX_VARIABLE.finditer(text):
        yield text[end : found.start()], NGINX.get(found[1] or found[2], "")
        end = found.end()
    yield text[end:], ""


def _apache_parts(text: str) -> Iterator[tuple[str, str]]:
    end, closing = 0, ""
    for found in _APACHE_VARIABLE.finditer(text):
        before, letter = closing + text[end : found.start()], found[1]
        is_time = letter == "t"  # Apache puts it into brackets by itself
        yield f"{before}[" if is_time else before, APACHE.get(letter, "")
        end, closing = found.end(), "]" if is_time else ""
    yield closing + text[end:], ""


def _compiled(text: str, parts: list[tuple[str, str]]) -> LineReader:
    """A pattern in which each field ends where the text after it begins."""
    pattern = ""
    told: set[str] = set()
    for place, (before, field) in enumerate(parts):
        pattern += re.escape(before)
        if place == len(parts) - 1:
            break
        later = next((text for text, _ in parts[place + 1 :] if text), " ")
        value = _value(field, before, parts[place + 1][0], later)
        pattern += value if not field or field in told else f"(?P<{field}>{value})"
        told.add(field)
    _check(text, told)
    return pattern_reader(re.compile(pattern))


def _value(field: str, before: str, after: str, later: str) -> str:
    """What a field may be, between the text before it and the text after it, or the next there is."""
    if before.endswith('"') and after.startswith('"'):
        return IN_QUOTES
    if not after:
        return {"target": rf'[^?\s"{re.escape(later[0])}]*+', "": r"\S*?"}.get(field, r"\S*+")
    if field in _WITH_SPACES and after[0] == " ":
        return _WITH_SPACES[field]
    if not field and len(after) > 1:
        return ".*?"  # a user's name may have spaces in it
    return f"[^{re.escape(after[0])}]*+"


# What has spaces in it without brackets or quotes around it.
_WITH_SPACES = {"time": r"\S++(?: [+-]\d{4})?", "request": r"\S++ \S++ HTTP/[\d.]+"}


def _check(text: str, told: set[str]) -> None:
    missing = [what for field, what in _NEEDED.items() if field not in told]
    if not told & {"address", "forwarded"}:
        missing.append("the address")
    if "request" not in told and not {"method", "target"} <= told:
        missing.append("the request")
    if missing:
        raise ImportRefused(
            f"The format '{text}' cannot be used: it does not tell {' and '.join(missing)}; accepted is an nginx "
            "log_format or an Apache LogFormat with address, time, request and status."
        )
