"""The reference, made from the tables: what the README says of reports, parameters, metrics and errors."""

from __future__ import annotations

from collections.abc import Iterable

from ..catalog.channels import CHANNELS
from ..catalog.dimensions import DIMENSIONS
from ..catalog.endpoints import ENDPOINTS, Endpoint
from ..catalog.errors import ERRORS
from ..catalog.filters import FILTER_FIELDS, OPERATORS
from ..catalog.limits import DOCUMENT_LIMITS, LIMITS, LOAD_LIMITS
from ..catalog.metrics import METRICS
from ..catalog.periods import PERIODS
from ..schema.naming import camel_case
from .params import PARAMETERS, parameters_of

# Those with a query string; a POST takes a body of its own.
_READ = [endpoint for endpoint in ENDPOINTS.values() if endpoint.method == "GET"]


def reference() -> str:
    """Markdown, a section per table."""
    sections = (
        (
            "Reports",
            _table(("GraphQL", "REST", "Rows per", "Page size", "Sorted by"), map(_report, ENDPOINTS.values())),
        ),
        ("Parameters of REST", _table(("Parameter", "Meaning", "Taken by"), map(_parameter, PARAMETERS))),
        (
            "Metrics",
            _table(("Metric", "Unit", "Meaning"), ((m.name, m.unit.value, m.meaning) for m in METRICS.values())),
        ),
        (
            "Filters",
            f"`filters=field:op:value`, several joined by commas (AND), list values by `|`. "
            f"Fields: {_words(FILTER_FIELDS)}.\n\n"
            + _table(("Operator", "The field …"), ((f"`{o.name}`", o.meaning) for o in OPERATORS.values())),
        ),
        (
            "Dimensions",
            _table(
                ("Dimension", "Meaning"),
                ((f"`{name}`", DIMENSIONS[name].meaning) for name in FILTER_FIELDS),
            ),
        ),
        ("Periods", _table(("Period", "Window"), ((f"`{p.name}`", p.meaning) for p in PERIODS.values()))),
        ("Channels", f"First match wins: {_words(CHANNELS)}."),
        (
            "Errors",
            _table(
                ("Code", "HTTP", "Try again", "Meaning"),
                (
                    (f"`{e.code}`", str(e.http_status or "in a batch"), "yes" if e.retry else "no", e.meaning)
                    for e in ERRORS.values()
                ),
            ),
        ),
        (
            "Limits",
            _table(
                ("Limit", "Value", "Of"),
                ((f"`{n}`", f"{v:,}", said) for n, (v, said) in (LIMITS | DOCUMENT_LIMITS).items()),
            ),
        ),
        (
            "Load",
            "Of each server process; `FANIN_LOAD_LIMITS=max_running=64,deadline_ms=30000` changes them.\n\n"
            + _table(("Limit", "Value", "Of"), ((f"`{n}`", f"{v:,}", said) for n, (v, said) in LOAD_LIMITS.items())),
        ),
    )
    return "\n\n".join(f"### {title}\n\n{body}" for title, body in sections) + "\n"


def _report(endpoint: Endpoint) -> tuple[str, ...]:
    size = endpoint.page_size
    method = "" if endpoint.method == "GET" else f"{endpoint.method} "
    paths = ", ".join(f"`{method}{path}`" for path in (endpoint.path, *endpoint.aliases))
    return (
        f"`{camel_case(endpoint.name)}`",
        paths,
        ", ".join(endpoint.dimensions) or "-",
        f"{size.default} of at most {size.maximum}" if size else "-",
        ", ".join(endpoint.sort) or "-",
    )


def _parameter(name: str) -> tuple[str, ...]:
    takers = [endpoint for endpoint in _READ if name in parameters_of(endpoint)]
    said = "all" if len(takers) == len(_READ) else _shorter_list(takers)
    return f"`{name}`", PARAMETERS[name].meaning + (", repeatable" if PARAMETERS[name].repeatable else ""), said


def _shorter_list(takers: list[Endpoint]) -> str:
    others = [endpoint.name for endpoint in _READ if endpoint not in takers]
    if len(others) < len(takers):
        return f"all but {', '.join(others)}"
    return ", ".join(endpoint.name for endpoint in takers)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def _words(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)
