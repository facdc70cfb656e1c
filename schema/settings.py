"""The ``settings`` node: limits, reports, sortable and filterable fields, readable by a program."""

from __future__ import annotations

from typing import Any

from ..catalog.dimensions import DIMENSIONS
from ..catalog.endpoints import ENDPOINTS, Endpoint
from ..catalog.filters import FILTER_FIELDS, OPERATORS
from ..catalog.limits import DOCUMENT_LIMITS, LIMITS, DocumentRules
from ..catalog.periods import PERIODS
from ..catalog.segments import SYSTEM_SEGMENTS
from .naming import camel_case
from .types import make_type

Named = make_type(
    "Named",
    [("name", str, "The word to use."), ("meaning", str, "What it stands for.")],
    "A word of the vocabulary and its meaning.",
)
Limit = make_type(
    "Limit",
    [("name", str, "The limit's name."), ("value", int, "Its value."), ("meaning", str, "What is counted.")],
    "A limit a caller can run into.",
)
ReportSettings = make_type(
    "ReportSettings",
    [
        ("name", str, "The field of `Stats`."),
        ("path", str, "The REST path, and what `endpoint` says in a batch."),
        ("title", str, "A short title."),
        ("meaning", str, "What the report tells."),
        ("dimensions", list[str], "What its rows are grouped by."),
        ("metrics", list[str], "What its rows tell."),
        ("sort_fields", list[str], "What it can be sorted by; the first is the default."),
        ("default_page_size", int | None, "Rows per page unless asked otherwise; null when it has no pages."),
        ("max_page_size", int | None, "The most rows per page."),
        ("searchable", bool, "Whether it takes `search`."),
        ("comparable", bool, "Whether it tells a comparison."),
    ],
    "What one report can be asked.",
)
Settings = make_type(
    "Settings",
    [
        ("limits", list[Limit], "The limits in force."),
        ("periods", list[Named], "The words `period` takes."),
        ("filter_fields", list[Named], "The dimensions filters take."),
        ("filter_operators", list[Named], "The operators filters take."),
        ("segments", list[Named], "The segments of the system; saved ones come beside them."),
        ("reports", list[ReportSettings], "What each report can be asked."),
    ],
    "What this server accepts.",
)


def settings_under(rules: DocumentRules) -> dict[str, Any]:
    """The settings, with the limits that documents are read under."""
    limits = LIMITS | {name: (rules.limits[name], meaning) for name, (_, meaning) in DOCUMENT_LIMITS.items()}
    return {
        "limits": [{"name": name, "value": value, "meaning": meaning} for name, (value, meaning) in limits.items()],
        "periods": [{"name": period.name, "meaning": period.meaning} for period in PERIODS.values()],
        "filter_fields": [{"name": name, "meaning": DIMENSIONS[name].meaning} for name in FILTER_FIELDS],
        "filter_operators": [{"name": operator.name, "meaning": operator.meaning} for operator in OPERATORS.values()],
        "segments": [{"name": named.slug, "meaning": named.title} for named in SYSTEM_SEGMENTS],
        "reports": [_report_settings(endpoint) for endpoint in ENDPOINTS.values()],
    }


def _report_settings(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "name": camel_case(endpoint.name),
        "path": endpoint.path,
        "title": endpoint.title,
        "meaning": endpoint.meaning,
        "dimensions": list(endpoint.dimensions),
        "metrics": list(endpoint.metrics),
        "sort_fields": list(endpoint.sort),
        "default_page_size": endpoint.page_size.default if endpoint.page_size else None,
        "max_page_size": endpoint.page_size.maximum if endpoint.page_size else None,
        "searchable": endpoint.search,
        "comparable": endpoint.compare is not None,
    }
