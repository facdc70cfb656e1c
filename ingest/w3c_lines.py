"""The extended format of the W3C, which IIS and CloudFront write: ``#Fields`` says what stands in the lines after it."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from urllib.parse import unquote

from .log_lines import LineReader, LogLine, line_of

HEADER = "#"  # how a line begins that holds no request
CLOUDFRONT_FIELD = "x-edge-location"  # tells CloudFront's logs from those of others

_FIELDS = "#Fields:"

# The names in ``#Fields``, and what they are to a request.
NAMES = {
    "date": "date",
    "time": "time",
    "c-ip": "address",
    "cs-method": "method",
    "cs-uri-stem": "target",
    "cs-uri-query": "query",
    "sc-status": "status",
    "cs(Referer)": "referrer",
    "cs(User-Agent)": "agent",
    "cs-host": "host",
    "cs(Host)": "host",
    "x-host-header": "host",  # CloudFront's cs(Host) is its own name for the site; the later field counts
}

_HEADERS = ("referrer", "agent")


def w3c_reader() -> LineReader:
    """Reads one file; IIS writes a space inside a header as ``+``."""
    return _reader(lambda text: text.replace("+", " "), lambda names: CLOUDFRONT_FIELD not in names)


def cloudfront_reader() -> LineReader:
    """Reads one file; CloudFront writes headers percent-encoded, in years past even twice."""
    return _reader(_unquoted, lambda names: CLOUDFRONT_FIELD in names)


@lru_cache(maxsize=16_384)
def _unquoted(text: str) -> str:
    return unquote(unquote(text))


def _reader(spoken: Callable[[str], str], is_ours: Callable[[list[str]], bool]) -> LineReader:
    places: dict[str, int] = {}
    width = 0

    def read(text: str) -> LogLine | None:
        nonlocal places, width
        if text.startswith(_FIELDS):
            names = text.removeprefix(_FIELDS).split()
            places = {NAMES[name]: place for place, name in enumerate(names) if name in NAMES} if is_ours(names) else {}
            width = len(names)
        values = text.split("\t") if "\t" in text else text.split(" ")
        if not places or text.startswith(HEADER) or len(values) != width:
            return None
        fields = {name: values[place] for name, place in places.items()}
        fields["time"] = f"{fields.pop('date', '')} {fields.get('time', '')}"
        for name in _HEADERS:
            if name in fields:
                fields[name] = spoken(fields[name])
        return line_of(fields, tells_agent="agent" in fields)

    return read
