"""Metrics: what a server counts and measures of itself, for Prometheus.

Labels are of small sets: routes as they are written in the code, statuses, what scans were read from.  No account, key,
address or text of a caller is ever one.  Where several processes serve, each writes into files of one folder
(``PROMETHEUS_MULTIPROC_DIR``), and whichever is asked tells the sums of all.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from importlib.metadata import version
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from ..catalog.errors import StatsError
from ..resolvers.loader import FinishedRead
from ..resolvers.shared_answers import Event
from ..resolvers.turns import Turns
from ..schema.engine import Engine
from ..warehouse.store import ReportWarehouse
from .observing import Observation, Traffic

PROCESSES_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
REFRESH_EVERY_S = 5.0

disable_created_metrics()  # a second series for each, which says when this process began


class Kind(Enum):
    """What Prometheus calls it; of a gauge, how the processes of one server add up."""

    COUNTER = "counter"
    HISTOGRAM = "histogram"
    SUM = "gauge, the sum over processes"
    LEAST = "gauge, the least of any process"
    MOST = "gauge, the most of any process"


_OVER_PROCESSES = {Kind.SUM: "livesum", Kind.LEAST: "livemin", Kind.MOST: "livemax"}

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_SCANS = (0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 50)


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One metric.  Counters end in ``_total``; times are in seconds, sizes in bytes, as Prometheus has it."""

    name: str
    kind: Kind
    meaning: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


METRICS: dict[str, MetricRow] = {
    row.name: row
    for row in (
        MetricRow("fanin_build_info", Kind.MOST, "always 1; fanin's version and Python's", ("version", "python")),
        MetricRow(
            "fanin_requests_total",
            Kind.COUNTER,
            "requests that have ended; a WebSocket is one, with status 101",
            ("route", "method", "status"),
        ),
        MetricRow(
            "fanin_request_seconds",
            Kind.HISTOGRAM,
            "from a request's arrival until its answer began",
            ("route",),
            _SECONDS,
        ),
        MetricRow("fanin_requests_under_way", Kind.SUM, "requests and live connections that have not ended"),
        MetricRow("fanin_requests_running", Kind.SUM, "of them, those that were let in and have their turn"),
        MetricRow("fanin_requests_waiting", Kind.SUM, "of them, those that wait for their turn"),
        MetricRow("fanin_requests_turned_away_total", Kind.COUNTER, "requests refused because too many were waiting"),
        MetricRow("fanin_scans_running", Kind.SUM, "reads of the warehouse that are under way"),
        MetricRow("fanin_scans_waiting", Kind.SUM, "reads of the warehouse that wait for their turn"),
        MetricRow("fanin_sent_bytes_total", Kind.COUNTER, "bytes of answers' bodies, after compression", ("route",)),
        MetricRow(
            "fanin_request_scans", Kind.HISTOGRAM, "scans that one request with questions cost", ("route",), _SCANS
        ),
        MetricRow("fanin_questions_total", Kind.COUNTER, "questions asked: reports of all doors"),
        MetricRow(
            "fanin_questions_identical_total", Kind.COUNTER, "of them, those that the same request had asked already"
        ),
        MetricRow(
            "fanin_questions_kept_total", Kind.COUNTER, "of them, those whose answer was kept from another request"
        ),
        MetricRow("fanin_reads_joined_total", Kind.COUNTER, "reads that another request had under way"),
        MetricRow(
            "fanin_scan_seconds",
            Kind.HISTOGRAM,
            "time of one read of the warehouse; its count is the scans. `source` is what it was read from, or `failed`",
            ("source",),
            _SECONDS,
        ),
        MetricRow("fanin_scan_rows_total", Kind.COUNTER, "rows that scans brought back"),
        MetricRow("fanin_answers_kept_bytes", Kind.SUM, "memory of the answers that are kept"),
        MetricRow(
            "fanin_shared_answers_total",
            Kind.COUNTER,
            "answers looked for or stored in the store that several processes share, by what became of them; `failed` "
            "counts attempts",
            ("outcome",),
        ),
        MetricRow("fanin_warehouse_readable", Kind.LEAST, "1 while the warehouse can be read, else 0"),
        MetricRow("fanin_accounts", Kind.MOST, "accounts in the warehouse"),
        MetricRow(
            "fanin_data_versions",
            Kind.MOST,
            "the accounts' data versions, summed; each import raises it by one or more",
        ),
        MetricRow(
            "fanin_data_seen_timestamp_seconds",
            Kind.MOST,
            "when the present data were first seen: the last import, or the server's start where that was later",
        ),
        MetricRow("fanin_log_lines_dropped_total", Kind.COUNTER, "log lines that no one read in time"),
        MetricRow("fanin_processes", Kind.SUM, "server processes"),
        MetricRow("fanin_resident_memory_bytes", Kind.SUM, "memory of the server's processes"),
        MetricRow("fanin_cpu_seconds", Kind.SUM, "processor time of the server's processes since they began"),
        MetricRow("fanin_open_files", Kind.SUM, "open files and connections, where the system tells"),
    )
}


class Metrics:
    """The metrics of one process, or its part of those of a server with several."""

    def __init__(
        self, engine: Engine, traffic: Traffic, turns: Turns, dropped_lines: Callable[[], int] = lambda: 0
    ) -> None:
        self._engine = engine
        self._traffic = traffic
        self._turns = turns
        self._counted_elsewhere: dict[str, Callable[[], int]] = {
            "fanin_log_lines_dropped_total": dropped_lines,
            "fanin_requests_turned_away_total": lambda: turns.refused,
        }
        self._counted = dict.fromkeys(self._counted_elsewhere, 0)
        self._counted_shared: dict[Event, int] = {}
        self._seen: tuple[int, int] | None = None
        self._found: dict[tuple[str, ...], Any] = {}
        self._registry = CollectorRegistry()
        self._of: dict[str, Any] = {name: _made(row, self._registry) for name, row in METRICS.items()}
        python = f"{sys.version_info.major}.{sys.version_info.minor}"
        self._of["fanin_build_info"].labels(version("fanin"), python).set(1)
        self._of["fanin_processes"].set(1)

    def observe(self, seen: Observation) -> None:
        """Count one request that has ended."""
        of, cost = self._of, seen.notes.cost
        self._labelled("fanin_requests_total", seen.route, seen.method, str(seen.status)).inc()
        self._labelled("fanin_request_seconds", seen.route).observe(seen.began_ms / 1000)
        self._labelled("fanin_sent_bytes_total", seen.route).inc(seen.body_bytes)
        if not cost.fields:
            return
        self._labelled("fanin_request_scans", seen.route).observe(cost.scans)
        of["fanin_questions_total"].inc(cost.fields)
        for name, count in (
            ("fanin_questions_identical_total", cost.identical),
            ("fanin_questions_kept_total", cost.cache_hits),
            ("fanin_reads_joined_total", cost.joined),
        ):
            if count:
                of[name].inc(count)

    def observe_read(self, read: FinishedRead) -> None:
        """Count one read of the warehouse that has ended."""
        source = read.source.value if read.source else "failed"
        self._labelled("fanin_scan_seconds", source).observe(read.duration_ms / 1000)
        self._of["fanin_scan_rows_total"].inc(read.rows)

    def _labelled(self, name: str, *labels: str) -> Any:
        """The one of a metric with these labels; the library takes longer to find it than to count."""
        metric = self._found.get((name, *labels))
        if metric is None:
            metric = self._found[name, *labels] = self._of[name].labels(*labels)
        return metric

    async def keep_fresh(self) -> None:
        """Look at what no request tells, again and again: another process may be the one that is asked."""
        while True:
            self.refresh()
            await asyncio.sleep(REFRESH_EVERY_S)

    def refresh(self) -> None:
        of = self._of
        of["fanin_requests_under_way"].set(self._traffic.under_way)
        of["fanin_answers_kept_bytes"].set(self._engine.cache.size_bytes)
        of["fanin_requests_running"].set(self._turns.running)
        of["fanin_requests_waiting"].set(self._turns.waiting)
        of["fanin_scans_running"].set(self._engine.gate.running)
        of["fanin_scans_waiting"].set(self._engine.gate.waiting)
        for name, count in self._counted_elsewhere.items():
            counted = count()
            of[name].inc(counted - self._counted[name])
            self._counted[name] = counted
        self._count_shared()
        self._look_at_data()
        of["fanin_resident_memory_bytes"].set(_resident_bytes())
        of["fanin_cpu_seconds"].set(time.process_time())
        of["fanin_open_files"].set(_open_files())

    def _count_shared(self) -> None:
        if self._engine.shared is None:
            return
        counts = dict(self._engine.shared.counts)
        for event, count in counts.items():
            self._of["fanin_shared_answers_total"].labels(event.value).inc(count - self._counted_shared.get(event, 0))
        self._counted_shared = counts

    def _look_at_data(self) -> None:
        warehouse = self._engine.warehouse
        if isinstance(warehouse, ReportWarehouse):  # whose data are another's to watch
            self._of["fanin_warehouse_readable"].set(warehouse.standing != "unavailable")
            return
        try:
            accounts = warehouse.snapshot().accounts
        except StatsError:
            self._of["fanin_warehouse_readable"].set(0)
            return
        seen = len(accounts), sum(account.data_version for account in accounts.values())
        if seen != self._seen:
            self._of["fanin_data_seen_timestamp_seconds"].set(self._engine.clock().timestamp())
            self._seen = seen
        self._of["fanin_warehouse_readable"].set(1)
        self._of["fanin_accounts"].set(seen[0])
        self._of["fanin_data_versions"].set(seen[1])

    def told(self) -> bytes:
        """All of them in Prometheus' text format, of all processes."""
        folder = os.environ.get(PROCESSES_FOLDER)
        return told_of_processes(Path(folder)) if folder else generate_latest(self._registry)


def told_of_processes(folder: Path) -> bytes:
    """What the processes that write into a folder have counted; those that have died still count, but are no more."""
    for process in {int(file.stem.rpartition("_")[2]) for file in folder.glob("gauge_live*.db")}:
        if not _is_alive(process):
            mark_process_dead(process, str(folder))
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(folder))
    return generate_latest(registry)


def _made(row: MetricRow, registry: CollectorRegistry) -> Any:
    match row.kind:
        case Kind.COUNTER:
            return Counter(row.name, row.meaning, row.labels, registry=registry)
        case Kind.HISTOGRAM:
            return Histogram(row.name, row.meaning, row.labels, registry=registry, buckets=row.buckets)
        case kind:
            over: Any = _OVER_PROCESSES[kind]
            return Gauge(row.name, row.meaning, row.labels, registry=registry, multiprocess_mode=over)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _resident_bytes() -> int:
    """What is resident now; elsewhere than on Linux the most there ever was, or 0 where not even that is told."""
    with suppress(OSError):
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    try:
        import resource
    except ModuleNotFoundError:  # there is none on Windows
        return 0
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _open_files() -> int:
    with suppress(OSError):
        return len(os.listdir("/proc/self/fd"))
    return 0
