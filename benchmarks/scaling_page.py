"""``docs/scaling.md``: every figure of it comes from the constants that were recorded, so page and model cannot differ."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import date

from fanin.catalog.dimensions import Table
from fanin.catalog.endpoints import ENDPOINTS
from fanin.catalog.periods import Window
from fanin.catalog.query import Scope, StatsQuery, ask
from fanin.resolvers.planner import fuse, gather
from fanin.warehouse.layout import FACTS
from fanin.warehouse.statements import build_statement

from .data import PAGE_VIEWS_PER_SESSION
from .scaling_model import (
    ALONE,
    BUSY,
    GATEWAY,
    PATIENCE_S,
    REPLICAS,
    REWRITTEN_MB_PER_S,
    SHARD,
    WINDOW_DAYS,
    Constants,
    Way,
    Workload,
    account_needs,
    fleet_needs,
    limits_alone,
    play_hour,
)

RANKS = (1, 10, 100, 1_000, 10_000)
GROWTH = (  # events a day, accounts, dashboards a day
    (1e6, 10, 1e3),
    (1e7, 100, 1e4),
    (1e8, 1_000, 1e5),
    (1e9, 10_000, 1e6),
)
# For roll-ups, of each gateway in megabytes, and whether dashboards are sent to it by their account.
MEMORIES = ((GATEWAY.memory_gb * 500, False), (GATEWAY.memory_gb * 500, True), (256_000, False), (256_000, True))
REPORTS = tuple(endpoint.name for endpoint in ENDPOINTS.values() if endpoint.on_the_page)
_WIDTHS = {"INTEGER": 4, "UINTEGER": 4, "BIGINT": 8, "UTINYINT": 1, "BOOLEAN": 1}
_SCOPE = Scope("account", Window(date(2026, 2, 17), date(2026, 3, 18)))


def page(constants: Constants) -> str:
    """The whole page, as Markdown."""
    workload = Workload()
    parts = (
        _opening(constants),
        _costs(constants),
        _scanned(constants),
        _sizes(constants),
        _accounts(constants, workload),
        _fleet(constants, workload),
        _hour(constants, workload),
        _breaking(constants),
    )
    return "\n".join(line for part in parts for line in (*part, ""))


# --- what was measured --------------------------------------------------------------------------------------------


def _opening(constants: Constants) -> Iterable[str]:
    sizes = ", ".join(f"{account.sessions:,}" for account in constants.accounts)
    return (
        "# Scaling",
        "",
        "<!-- made by `python -m benchmarks.scaling` -->",
        "",
        "What a fleet needs, from constants measured on generated accounts and a model of what is asked. "
        "`python -m benchmarks.scaling` measures anew, keeps the constants in `benchmarks/scaling.json`, and writes this "
        "page; `--page` writes it from the constants that are there. A test holds page and model together.",
        "",
        f"Measured with {constants.where}, over accounts of {sizes} sessions in {constants.days} days. Times are of a "
        "server's processor, from the socket to the socket, for one dashboard: "
        f"{len(REPORTS)} reports over {WINDOW_DAYS} days in one batch. Absolute times are this machine's; put yours in by "
        "measuring there.",
    )


def _costs(constants: Constants) -> Iterable[str]:
    names = " | ".join(f"{account.window_sessions:,} sessions" for account in constants.accounts)
    yield from (
        "## A dashboard",
        "",
        f"| Answers are | {names} | a session adds | a core answers |",
        f"|---|{'---:|' * len(constants.accounts)}---:|---:|",
    )
    for way in Way:
        times = " | ".join(f"{account.cpu_ms[way]:.1f} ms" for account in constants.accounts)
        per_core = 1_000 / constants.accounts[1].cpu_ms[way]
        yield f"| {way} | {times} | {constants.cost(way)[1] * 1e6:,.0f} ns | {per_core:,.0f} a second |"
    yield from (
        "",
        f"A single kept report by GET takes {constants.kept_get_ms:.2f} ms: {1_000 / constants.kept_get_ms:,.0f} a second "
        "and core. What is kept by the process is kept in the bytes it was told in; what is found in the shared store, or "
        "made from memory, is told anew, which is most of its time. So the store pays where a scan is saved, and once: what "
        "was found is kept from then on.",
    )


def _scanned(constants: Constants) -> Iterable[str]:
    yield from (
        "## Bytes scanned",
        "",
        "Of a filtered question, which roll-ups cannot answer: the columns that its statement names, as wide as they lie in "
        "memory, per session of the window. On disk they are compressed.",
        "",
        "| Report | Rows of | Columns | Bytes a session |",
        "|---|---|---:|---:|",
    )
    for name in REPORTS:
        read = _columns_read([ask(_SCOPE, name)])
        tables = ", ".join(table.value.replace("_", " ") for table in read)
        columns = sum(len(widths) for widths in read.values())
        yield f"| `{name}` | {tables} | {columns} | {_row_bytes(constants, [name]):.0f} |"
    yield f"| all {len(REPORTS)} at once | | | {_row_bytes(constants, REPORTS):.0f} |"
    apart = sum(_row_bytes(constants, [name]) for name in REPORTS)
    yield from (
        "",
        f"Asked one by one they would read {apart:.0f} bytes a session, {apart / _row_bytes(constants, REPORTS):.1f} "
        "times as much: this is what fusing saves.",
    )


def _columns_read(queries: Iterable[StatsQuery]) -> dict[Table, dict[str, int]]:
    """By table, the columns that the fused statements name, and their bytes."""
    read: dict[Table, dict[str, int]] = {}
    for scan in (scan for key, asked in gather(queries).items() for scan in fuse(key, asked)):
        text = build_statement(scan, 1).text
        named = {name: _WIDTHS[kind] for name, kind in FACTS[scan.table] if re.search(rf"\b{name}\b", text)}
        read[scan.table] = read.get(scan.table, {}) | named
    return read


def _row_bytes(constants: Constants, reports: Iterable[str]) -> float:
    """Bytes that answering reads for each session of the window."""
    rows = {
        Table.SESSIONS: 1.0,
        Table.PAGE_VIEWS: PAGE_VIEWS_PER_SESSION,
        Table.GOALS: constants.events_per_session - PAGE_VIEWS_PER_SESSION,
    }
    read = _columns_read(ask(_SCOPE, name) for name in reports)
    return sum(rows[table] * sum(widths.values()) for table, widths in read.items())


def _sizes(constants: Constants) -> Iterable[str]:
    yield from (
        "## Sizes",
        "",
        "| Sessions a day | file | facts | roll-ups | roll-up rows a day | roll-ups in memory | 30 days of rows in memory |",
        "|---:|---:|---:|---:|---:|---:|---:|",
    )
    for account in constants.accounts:
        yield (
            f"| {account.sessions_per_day:,.0f} | {_mb(account.file_bytes)} | {_mb(account.facts_bytes)} "
            f"| {_mb(account.rollup_bytes)} | {account.rollup_rows / constants.days:,.0f} | {_mb(account.cube_bytes)} "
            f"| {_mb(account.block_bytes)} |"
        )
    yield from (
        "",
        f"The largest takes {constants.facts_bytes_per_session:.0f} bytes a session for all its facts "
        f"({constants.facts_bytes_per_session / constants.events_per_session:.1f} an event, of which a session has "
        f"{constants.events_per_session:.1f}), {constants.rollup_bytes_per_row:.1f} bytes a roll-up row, and "
        f"{constants.block_bytes_per_session:.0f} bytes a session for rows in memory. A process begins with "
        f"{_mb(constants.process_bytes)}; the {len(REPORTS)} answers of a dashboard are kept in {_mb(constants.answer_bytes)} "
        f"and stored for others in {constants.stored_bytes / 1e3:,.0f} kB. An import brings in "
        f"{constants.import_lines_per_cpu_s:,.0f} lines of a log with a second of one core, and remembers {constants.line_bytes:.1f} bytes of each, so that it counts "
        "once. The hits that it keeps beside, to cut sessions anew when a late one comes, are in none of these figures.",
    )


def _mb(size_bytes: float) -> str:
    return f"{size_bytes / 1e6:,.1f} MB"


# --- what it comes to ---------------------------------------------------------------------------------------------


def _accounts(constants: Constants, workload: Workload) -> Iterable[str]:
    yield from (
        "## A billion events a day, ten thousand accounts",
        "",
        f"Supposed: sizes by Zipf's law, {workload.days_kept} days kept, {workload.dashboards_per_day:,.0f} dashboards a day "
        f"of which {workload.peak_share:.0%} in the busiest hour; large accounts are looked at more often, by the root of "
        f"their size. {workload.kept_share:.0%} of the dashboards were asked before since the account's last import, "
        f"{workload.filtered_share:.0%} are filtered, the rest is new. Events come {workload.peak_import:.0f} times as "
        "fast as on average at their busiest, as lines of an event file; an access log has several lines for each. Beyond "
        "the sizes measured, numbers follow the line between the last two, so that roll-ups of the largest accounts are "
        "taken for larger than they are: they end where no new pages, referrers and terms come.",
        "",
        f"| Account | events a day | sessions in {WINDOW_DAYS} days | roll-up rows a day | on disk | roll-ups in memory "
        "| a filtered dashboard scans | and takes |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|",
    )
    row_bytes = round(_row_bytes(constants, REPORTS))
    for rank in RANKS:
        needs = account_needs(constants, workload, rank, row_bytes)
        yield (
            f"| {rank:,}. | {needs.events_per_day:,.0f} | {needs.window_sessions:,.0f} | {needs.rollup_rows_per_day:,.0f} "
            f"| {needs.disk_gb:,.1f} GB | {needs.cube_mb:,.0f} MB | {needs.scanned_gb:,.3f} GB "
            f"| {needs.filtered_cpu_s:,.2f} core s |"
        )


def _fleet(constants: Constants, workload: Workload) -> Iterable[str]:
    needs = fleet_needs(constants, workload)
    rows = (
        ("sessions a day", f"{needs.sessions_per_day / 1e6:,.0f} M"),
        (f"facts of {workload.days_kept} days", f"{needs.facts_tb:,.1f} TB"),
        ("their roll-ups", f"{needs.rollups_tb:,.2f} TB"),
        ("what is remembered of every line", f"{needs.lines_tb:,.1f} TB"),
        ("cores for imports, at the busiest", f"{needs.import_cores:,.1f}"),
        ("dashboards a second, at the busiest", f"{needs.peak_per_s:,.0f}"),
        ("cores for everything but scans", f"{needs.gateway_cores:,.1f}"),
        ("cores for scans of filtered questions", f"{needs.scan_cores:,.0f}"),
        ("all roll-ups in memory", f"{needs.cubes_gb:,.0f} GB"),
        ("answers in the shared store, six hours of them", f"{needs.store_gb:,.1f} GB"),
        (f"gateways of {GATEWAY.cores} cores and {GATEWAY.memory_gb:.0f} GB", f"{needs.gateways}"),
        (
            f"ClickHouse shards of {SHARD.cores} cores and {SHARD.disk_tb:.0f} TB",
            f"{needs.shards} ({needs.shards_for_disk} for the disk, {needs.shards_for_scans} for the scans), "
            f"each {REPLICAS} times",
        ),
    )
    return (
        "### Machines",
        "",
        "| | |",
        "|---|---:|",
        *(f"| {name} | {figure} |" for name, figure in rows),
        "",
        f"No core is planned for more than {BUSY:.0%} of its time at the busiest, no disk for more than 70%. Gateways do "
        "what is kept, found and made of roll-ups, supposed that nothing is in their own memory; ClickHouse scans. Its figures are those of the embedded engine, bytes and "
        "nanoseconds a session: an assumption, to be measured on a server of your own before buying any. Shards are by "
        "account, so the largest account's scans run on one of them; replicas share the reading.",
    )


def _hour(constants: Constants, workload: Workload) -> Iterable[str]:
    gateways = fleet_needs(constants, workload).gateways
    yield from (
        "### A busy hour, played",
        "",
        f"A sample of the busiest hour's dashboards, one after the other, sent to {gateways} gateways. Each holds the "
        "roll-ups that it used last, as far as its memory for them goes. Times are of processors; nobody waits for anybody.",
        "",
        "| Memory for roll-ups, of each gateway | sent | in memory | a new unfiltered one | median of all "
        "| 95 of 100 within | 99 of 100 within | cores busy | the ten largest accounts take |",
        "|---:|---|---:|---:|---:|---:|---:|---:|---:|",
    )
    for cube_mb, by_account in MEMORIES:
        hour = play_hour(constants, workload, gateways, cube_mb, by_account=by_account)
        yield (
            f"| {cube_mb / 1_000:,.0f} GB | {'by account' if by_account else 'at random'} | {hour.in_memory_percent:.0f}% "
            f"| {hour.new_ms:,.0f} ms | {hour.median_ms:,.1f} ms | {hour.p95_ms:,.0f} ms | {hour.p99_ms:,.0f} ms "
            f"| {hour.cores:,.0f} | {hour.largest_ten_percent:.0f}% |"
        )
    yield from (
        "",
        "Memory for roll-ups pays for few accounts that are asked often, not for thousands that are asked now and then; "
        "filtered dashboards of the few largest accounts are most of the work, and all of the waiting.",
    )


def _breaking(constants: Constants) -> Iterable[str]:
    yield from (
        "## Where it breaks first",
        "",
        f"One machine of {ALONE.cores} cores, {ALONE.memory_gb:.0f} GB and {ALONE.disk_tb:.0f} TB with the embedded "
        "warehouse, half of its cores for imports and half for questions. Every account is imported once an hour, which "
        f"writes its file anew at {REWRITTEN_MB_PER_S} MB a second; a filtered dashboard of the largest account is to take "
        f"{PATIENCE_S:.0f} s on all cores. In percent of what there is; over 100 it does not work.",
        "",
        "| Events a day | accounts | first | then | then |",
        "|---:|---:|---|---|---|",
    )
    for events, accounts, dashboards in GROWTH:
        workload = replace(Workload(), events_per_day=events, accounts=accounts, dashboards_per_day=dashboards)
        tightest = " | ".join(
            f"{limit.what} ({limit.percent:,.1f}%)" for limit in limits_alone(constants, workload)[:3]
        )
        yield f"| {events:,.0f} | {accounts:,} | {tightest} |"
    yield from (
        "",
        "What then:",
        "",
        "* **A filtered dashboard of the largest account** is what no number of gateways helps. Rows in memory "
        "(`FANIN_BLOCK_MB`) do as long as they fit; then more cores under one account: a warehouse that is a server, its "
        "shards by visitor instead of by account for the few accounts that need it; or a shorter window.",
        "* **An import** costs its account's file, not the warehouse. When that takes too long, import larger pieces less "
        "often, or split the account's sites; or use ClickHouse, which appends.",
        "* **Disk:** keep facts for fewer days; roll-ups answer everything unfiltered.",
        "* **Cores for questions:** more gateways; they share nothing that has to agree. Send an account to the same gateway "
        "where you can (a hash of `account_id` in the balancer): its roll-ups are then held once instead of everywhere.",
        "* **Memory for roll-ups** is a luxury: without it a dashboard takes the time of *roll-ups in the file*, at any size.",
        "* **The shared store** holds what can be made anew. When it is full it forgets; when it is gone, gateways are as busy "
        "as if nothing were shared.",
    )
