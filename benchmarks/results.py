"""The figures of one run as a page of Markdown."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator

import duckdb

from .graphql_execution import FANIN, ROWS, STOCK, ExecutionFigures
from .graphql_execution import REPORTS as TILES
from .hostile_documents import hostile_section
from .import_speed import FormatFigures, ImportFigures
from .pictures import growth_picture
from .reports import (
    BLOCK,
    CUBE,
    FACTS,
    KEPT,
    REPORTS,
    ROLLUP,
    SCANS,
    SERVER,
    STATEMENTS,
    Case,
    CaseFigures,
    ReportFigures,
)

TARGET_LINES_PER_SECOND = 40_000
TARGET_OF_STOCK = 0.05

_HOW = {
    SERVER: "Starlette, a statement per query on four threads; rows only",
    STATEMENTS: "the same statements, one after another, no HTTP",
    KEPT: "asked before: no scan at all",
    CUBE: "the account asked for before, no answer kept",
    ROLLUP: "the first touch of an account",
    BLOCK: "these days asked for before, no answer kept",
    FACTS: "as if there were no roll-ups and nothing held",
    **dict.fromkeys(SCANS.values(), "the warehouse alone, before answers are cut"),
}


def as_markdown(
    reports: list[ReportFigures], executed: ExecutionFigures, imported: ImportFigures, formats: list[FormatFigures]
) -> str:
    lines = [
        "# Benchmarks",
        "",
        f"Written by `make bench`.  Python {platform.python_version()}, DuckDB {duckdb.__version__}, "
        f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}.  All contestants take turns in one process, so "
        "compare ratios, not milliseconds; where others work on the machine too, those of CPU time.  Every way of answering is first seen to tell what the statements tell.",
        "",
    ]
    for figures in reports:
        lines += _reports(figures)
    lines += [*_growth(reports), *execution_section(executed), *hostile_section()]
    return "\n".join([*lines, *_import(imported), *_formats(formats), ""])


def _reports(figures: ReportFigures) -> list[str]:
    lines = [
        f"## {len(REPORTS)} reports in one batch: an account of {figures.page_views:,} page views",
        "",
        f"400 days; {figures.rollup_rows:,} roll-up rows of a day, {figures.file_mb:,.0f} MB on disk, written in "
        f"{figures.make_s:,.0f} s; its cube takes {figures.cube_mb:,.0f} MB.  Medians of {figures.rounds} rounds; "
        f"the process, with all contestants and six warehouses open, peaked at {figures.peak_mb:,.0f} MB.  There is room for "
        "all that could be held.",
        "",
    ]
    for case in figures.cases:
        lines += _case(case)
    return lines


def _case(figures: CaseFigures) -> list[str]:
    server, statements = figures.taken[SERVER], figures.taken[STATEMENTS]
    return [
        f"**{figures.case.name}**: {figures.sessions:,} sessions, {figures.page_views:,} page views in the window",
        "",
        "| | how | median | to the server | to the statements | CPU | to the server's | scans |",
        "|---|---|---:|---:|---:|---:|---:|---|",
        *(
            f"| {name} | {_HOW[name]} | {taken.wall_ms:.1f} ms "
            f"| {taken.wall_ms / server.wall_ms:.3f} | {taken.wall_ms / statements.wall_ms:.3f} "
            f"| {taken.cpu_ms:.1f} ms | {taken.cpu_ms / server.cpu_ms:.3f} | {figures.sources.get(name, '')} |"
            for name, taken in figures.taken.items()
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


def growth_pictures(reports: list[ReportFigures]) -> dict[str, str]:
    """By file name, a picture of each case: the processor's time of every contestant, account by account."""
    if len(reports) < 2:
        return {}
    return {
        _picture_name(case.case): growth_picture(
            f"Processor time of {len(REPORTS)} reports, {case.case.name}",
            {
                name: [(figures.page_views, figures.cases[place].taken[name].cpu_ms) for figures in reports]
                for name in case.taken
            },
        )
        for place, case in enumerate(reports[0].cases)
    }


def _picture_name(case: Case) -> str:
    return f"growth-{case.days}-days{'-filtered' if case.filtered else ''}.svg"


def _growth(reports: list[ReportFigures]) -> Iterator[str]:
    """By what factor the times of the first account grow to those of the last."""
    first, last = reports[0], reports[-1]
    if first is last:
        return
    yield from (
        f"## From {first.page_views:,} to {last.page_views:,} page views",
        "",
        *(f"![{case.case.name}]({_picture_name(case.case)})" for case in first.cases),
        "",
        "| | | time | CPU |",
        "|---|---|---:|---:|",
    )
    for small, large in zip(first.cases, last.cases, strict=True):
        for name, taken in large.taken.items():
            before = small.taken[name]
            grown = f"{taken.wall_ms / before.wall_ms:.1f} | {taken.cpu_ms / before.cpu_ms:.1f}"
            yield f"| {small.case.name} | {name} | {grown} |"
    yield ""


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
