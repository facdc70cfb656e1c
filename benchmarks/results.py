"""The figures of one run as a page of Markdown."""

from __future__ import annotations

import os
import platform

import duckdb

from .graphql_execution import FANIN, ROWS, STOCK, ExecutionFigures
from .graphql_execution import REPORTS as TILES
from .hostile_documents import hostile_section
from .import_speed import ImportFigures
from .reports import BATCH, ENGINE, REPORTS, STATEMENTS, ReportFigures

TARGET_RATIO = 0.6
TARGET_LINES_PER_SECOND = 30_000
TARGET_OF_STOCK = 0.05

_HOW = {
    ENGINE: "a new loader, every answer cut to its page",
    BATCH: "the page's request, JSON in and JSON out",
    STATEMENTS: "hand-written, one after another",
}


def as_markdown(reports: ReportFigures, executed: ExecutionFigures, imported: ImportFigures) -> str:
    return "\n".join([*_reports(reports), *execution_section(executed), *hostile_section(), *_import(imported), ""])


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


def execution_section(figures: ExecutionFigures) -> list[str]:
    stock = figures.medians_ms[STOCK]
    return [
        "## GraphQL alone",
        "",
        f"{TILES} reports of {ROWS} rows and {figures.leaves // (TILES * ROWS)} fields in one document, over answers that are "
        f"ready: {figures.answer_bytes:,} bytes, the same from all.  Medians of the processor's time in {figures.rounds} rounds in turn; "
        f"{FANIN} has read the document before.  Target: at most {TARGET_OF_STOCK} of stock Strawberry.",
        "",
        "| | median | ratio |",
        "|---|---:|---:|",
        *(f"| {name} | {median:.2f} ms | {median / stock:.3f} |" for name, median in figures.medians_ms.items()),
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
        "| lines | sessions | time | lines/s | of the target |",
        "|---:|---:|---:|---:|---:|",
        f"| {figures.lines:,} | {figures.sessions:,} | {figures.seconds:.1f} s | {figures.lines_per_second:,.0f} "
        f"| {figures.lines_per_second / TARGET_LINES_PER_SECOND:.2f} |",
    ]
