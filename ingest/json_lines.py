"""Logs in which every line is a JSON object: those of nginx, of Caddy and of Traefik."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from .log_lines import LineReader, LogLine, line_of, unescape

# A field of a request: where it may stand, first found first.  A name with dots leads into objects and lists.
Places = Mapping[str, tuple[str, ...]]

# nginx has no JSON of its own; these are the names of its variables, and what people call them.
NGINX: Places = {
    "address": ("remote_addr", "client_ip", "clientip", "remote_ip", "client", "ip"),
    "forwarded": ("http_x_forwarded_for", "x_forwarded_for"),
    "time": ("time_iso8601", "time_local", "msec", "@timestamp", "timestamp", "time", "ts"),
    "request": ("request",),
    "method": ("request_method", "method", "verb"),
    "target": ("request_uri", "uri", "url", "path"),
    "status": ("status", "status_code", "response"),
    "referrer": ("http_referer", "http_referrer", "referer", "referrer"),
    "agent": ("http_user_agent", "user_agent", "agent", "useragent"),
    "host": ("host", "http_host", "server_name", "vhost"),
}

CADDY: Places = {
    "address": ("request.client_ip", "request.remote_ip"),
    "time": ("ts",),
    "method": ("request.method",),
    "target": ("request.uri",),
    "status": ("status",),
    "referrer": ("request.headers.Referer.0",),
    "agent": ("request.headers.User-Agent.0",),
    "host": ("request.host",),
}

TRAEFIK: Places = {
    "address": ("ClientHost",),
    "time": ("StartUTC", "time"),
    "method": ("RequestMethod",),
    "target": ("RequestPath",),
    "status": ("DownstreamStatus",),
    "referrer": ("request_Referer",),
    "agent": ("request_User-Agent",),
    "host": ("RequestHost",),
}


def json_reader(places: Places, tells_headers: Callable[[dict[str, Any]], bool] = lambda _: False) -> LineReader:
    """Reads lines by a table of places.  Of an entry that tells its headers, a missing agent was not sent."""
    ways = [(field, [place.split(".") for place in found]) for field, found in places.items()]
    flat = [(field, [way[0] for way in found]) for field, found in ways if all(len(way) == 1 for way in found)]
    deep = [(field, found) for field, found in ways if any(len(way) > 1 for way in found)]

    def read(text: str) -> LogLine | None:
        entry = _object(text)
        if entry is None:
            return None
        fields = {field: _text(entry[name]) for field, names in flat for name in reversed(names) if name in entry}
        for field, found in deep:
            values = (value_at(entry, way) for way in found)
            value = next((value for value in values if value is not None), None)
            if value is not None:
                fields[field] = _text(value)
        return line_of(fields, tells_agent="agent" in fields or tells_headers(entry))

    return read


def caddy_tells_headers(entry: dict[str, Any]) -> bool:
    return value_at(entry, ["request", "headers"]) is not None


def traefik_tells_headers(entry: dict[str, Any]) -> bool:
    """They are dropped unless it was told to keep them."""
    return any(name.startswith("request_") for name in entry)


def value_at(entry: Any, way: list[str]) -> Any:
    """What stands at the end of the way through objects and lists, or None."""
    for step in way:
        if isinstance(entry, dict):
            entry = entry.get(step)
        elif isinstance(entry, list) and step.isdecimal() and int(step) < len(entry):
            entry = entry[int(step)]
        else:
            return None
    return entry


def _object(text: str) -> dict[str, Any] | None:
    try:
        entry = orjson.loads(text)
    except orjson.JSONDecodeError:
        entry = _with_octets(text)
    return entry if isinstance(entry, dict) else None


def _with_octets(text: str) -> Any:
    r"""nginx writes ``\xNN`` into JSON too unless it was told to escape as JSON does."""
    if "\\x" not in text:
        return None
    try:
        entry = orjson.loads(text.replace("\\x", "\\\\x"))
    except orjson.JSONDecodeError:
        return None
    return {name: unescape(_text(value)) for name, value in entry.items()} if isinstance(entry, dict) else None


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return f"{value:.6f}"
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""
