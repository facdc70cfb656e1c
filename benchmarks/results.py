"""The figures of one run as a page of Markdown."""

from __future__ import annotations

import os
import platform

import duckdb

from .import_speed import FormatFigures, ImportFigures
from .reports import BATCH, ENGINE, REPORTS, STATEMENTS, ReportFigures

TARGET_RATIO = 0.6
TARGET_LINES_PER_SECOND = 30_000

_HOW = {
    ENGINE: "a new loader, every answer cut to its page",
    BATCH: "the page's request, JSON in and JSON out",
    STATEMENTS: "hand-written, one after another",
}


def as_markdown(reports: ReportFigures, imported: ImportFigures, formats: list[FormatFigures]) -> str:
    return "\n".join([*_reports(reports), *_import(imported), *_formats(formats), ""])


def _reports(figures: ReportFigures) -> list[str]:
    statements = figures.medians_ms[STATEMENTS]
    return [
        "# Benchmarks",
        "",
        f"Written by `make bench`.  Python {platform.python_version()}, DuckDB {duckdb.__version__}, "
        f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}.",
        "",
        f"## {len(REPORTS)} reports in one batch",
        "",
        f"An account of {figures.page_views:,} page views, {figures.page_views_in_window:,} of them in the 30 days asked for.  "
        f"Medians of {figures.rounds} rounds, all contestants in turn in one process, no answer kept between rounds; "
        f"the engine sends {figures.scans} statements.  Target: at most {TARGET_RATIO} of the {len(REPORTS)} statements.",
        "",
        "| | how | median | ratio |",
        "|---|---|---:|---:|",
        *(
            f"| {name} | {_HOW[name]} | {median:.1f} ms | {median / statements:.2f} |"
            for name, median in figures.medians_ms.items()
        ),
        "",
    ]


def _import(figures: ImportFigures) -> list[str]:
    return [
        "## Import",
        "",
        f"The shop's sample log {figures.repeat} times over, from the gzip to the published warehouse.  "
        "Repeated lines meet warm caches: once over (`--repeat 1`) is slower per line.  "
        f"Target: at least {TARGET_LINES_PER_SECOND:,} lines/s.",
        "",
        "| lines | sessions | time | lines/s | of the target | peak memory |",
        "|---:|---:|---:|---:|---:|---:|",
        f"| {figures.lines:,} | {figures.sessions:,} | {figures.seconds:.1f} s | {figures.lines_per_second:,.0f} "
        f"| {figures.lines_per_second / TARGET_LINES_PER_SECOND:.2f} | {figures.peak_mib} MiB |",
    ]


def _formats(figures: list[FormatFigures]) -> list[str]:
    return [
        "",
        "## Formats",
        "",
        "The shop's requests as each kind of server would have logged them, read once and put into sessions, "
        "without the warehouse; lines per second of one core.",
        "",
        "| as logged by | lines | lines/s |",
        "|---|---:|---:|",
        *(f"| {row.server} | {row.lines:,} | {row.lines_per_second:,.0f} |" for row in figures),
    ]
