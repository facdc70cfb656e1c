"""The log formats: one row each, recognised from a file's first lines or named.  ``docs/ingest.md`` shows this table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..catalog.errors import suggestion
from .format_strings import format_string_reader, is_format_string
from .json_lines import CADDY, NGINX, TRAEFIK, caddy_tells_headers, json_reader, traefik_tells_headers
from .log_lines import ALB, COMMON, S3, VHOST_COMBINED, LineReader, parse_line, pattern_reader
from .refusals import ImportRefused
from .w3c_lines import HEADER, cloudfront_reader, w3c_reader

JUDGED_LINES = 100  # so many lines that are not blank show what a file is
SHOWN = 80  # characters of the first line of a file that is not known


@dataclass(frozen=True, slots=True)
class LogFormat:
    """``reader`` makes a new one for each file, as some remember what a header said."""

    name: str
    written_by: str
    reader: Callable[[], LineReader]
    lacks: str = ""  # what its lines do not tell
    header: str = ""  # how a line begins that holds no request, but says what those after it hold
    spelled: str = ""  # as it was given, where it has no name

    def is_header(self, text: str) -> bool:
        return bool(self.header) and text.startswith(self.header)


# Of two that read the same lines, the one above.
FORMATS = {
    row.name: row
    for row in (
        LogFormat(
            "vhost_combined",
            "Apache's combined with `%v:%p` in front, or any host",
            lambda: pattern_reader(VHOST_COMBINED),
        ),
        LogFormat(
            "combined", "Apache and nginx as they come, Traefik's CLF; further fields may follow", lambda: parse_line
        ),
        LogFormat("common", "Apache's and NCSA's common", lambda: pattern_reader(COMMON), "referrer, agent"),
        LogFormat("caddy", "Caddy's JSON", lambda: json_reader(CADDY, caddy_tells_headers)),
        LogFormat(
            "traefik",
            "Traefik's JSON; headers where `accesslog.fields.headers` keeps them",
            lambda: json_reader(TRAEFIK, traefik_tells_headers),
        ),
        LogFormat("nginx_json", "nginx with JSON in `log_format`, named as its variables", lambda: json_reader(NGINX)),
        LogFormat("w3c", "IIS and others that write `#Fields`", w3c_reader, header=HEADER),
        LogFormat("cloudfront", "Amazon CloudFront's standard logs", cloudfront_reader, header=HEADER),
        LogFormat("alb", "Application load balancers of AWS", lambda: pattern_reader(ALB), "referrer"),
        LogFormat("s3", "Amazon S3's server access logs", lambda: pattern_reader(S3)),
    )
}


def format_named(text: str) -> LogFormat:
    """A row of the table by its name, or one made from an nginx ``log_format`` or Apache ``LogFormat``.

    Raises ``ImportRefused``.
    """
    if text in FORMATS:
        return FORMATS[text]
    if is_format_string(text):
        reader = format_string_reader(text)
        return LogFormat("as given", "", lambda: reader, spelled=text)
    raise ImportRefused(
        f"There is no log format '{text}'{suggestion(text, FORMATS)}; known are {', '.join(FORMATS)}, "
        "an nginx log_format and an Apache LogFormat."
    )


def check_format(path: Path, lines: Sequence[str], log_format: LogFormat) -> None:
    """Raises ``ImportRefused`` unless at least half of a file's first lines are in the format."""
    if not _is_in(log_format, lines):
        raise ImportRefused(f"'{path}' is not in the format {log_format.name}: {_found(log_format, lines)}.")


def recognised(path: Path, lines: Sequence[str]) -> LogFormat:
    """The format that reads most of a file's first lines.  Raises ``ImportRefused`` when none reads half of them."""
    closest = max(FORMATS.values(), key=lambda log_format: _read(log_format, lines))
    if not _is_in(closest, lines):
        raise ImportRefused(
            f"'{path}' is in none of the formats {', '.join(FORMATS)}: {_found(closest, lines)}. "
            "Name the format with --format, which takes an nginx log_format or an Apache LogFormat too."
        )
    return closest


def _is_in(log_format: LogFormat, lines: Sequence[str]) -> bool:
    requests = sum(not log_format.is_header(line) for line in lines)
    return requests > 0 and _read(log_format, lines) * 2 >= requests


def _read(log_format: LogFormat, lines: Sequence[str]) -> int:
    read = log_format.reader()
    return sum(read(line) is not None for line in lines)


def _found(log_format: LogFormat, lines: Sequence[str]) -> str:
    """How much of it the format reads, and what the file begins with."""
    if not lines:
        return "it is empty"
    count = _read(log_format, lines)
    read = f"{log_format.name} reads {count}" if count else "none is read"
    shown = "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in lines[0][:SHOWN])
    return f"of its first {len(lines)} lines {read}; the first is '{shown}{'…' if len(lines[0]) > SHOWN else ''}'"
