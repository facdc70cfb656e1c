"""How a running batch looks on stderr: one live line per query on a terminal, one plain line per result elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from .rest_compat.plan import Plan, PlannedQuery

Result = dict[str, Any]  # an entry of ``results``

STYLES = {"waiting": "dim", "running": "cyan", "success": "green", "error": "red", "skipped": "yellow"}
REFRESHES_PER_S = 8


class BatchDisplay(Protocol):
    """Hears what happens to each query; used as a context for as long as the batch runs."""

    def started(self, query: PlannedQuery) -> None: ...

    def settled(self, query_id: str, result: Result) -> None: ...

    def __enter__(self) -> BatchDisplay: ...

    def __exit__(self, *_: object) -> None: ...


def display_for(plan: Plan, console: Console) -> BatchDisplay:
    return LiveLines(plan, console) if console.is_terminal else PlainLines(console)


@dataclass(slots=True)
class PlainLines:
    """A line for each query when it has ended."""

    console: Console

    def started(self, query: PlannedQuery) -> None:
        """Nothing to say yet."""

    def settled(self, query_id: str, result: Result) -> None:
        timing = f" {result['timing_ms']} ms" if "timing_ms" in result else ""
        self.console.print(f"{query_id}: {result['status']}{timing}{_reason(result)}", soft_wrap=True)

    def __enter__(self) -> BatchDisplay:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def _reason(result: Result) -> str:
    return f"  {escape(result['error']['message'])}" if "error" in result else ""


@dataclass(slots=True)
class Line:
    """A query's state, and its time so far or in the end."""

    state: str = "waiting"
    began: float | None = None
    took_ms: int | None = None
    reason: str = ""


@dataclass(slots=True)
class LiveLines:
    """A line for each query from the beginning, redrawn as its state and time change."""

    plan: Plan
    console: Console
    clock: Callable[[], float] = time.perf_counter
    lines: dict[str, Line] = field(init=False)
    _live: Live = field(init=False)

    def __post_init__(self) -> None:
        self.lines = {query_id: Line() for query_id in self.plan.execution_order}
        self._live = Live(console=self.console, refresh_per_second=REFRESHES_PER_S, get_renderable=self.table)

    def started(self, query: PlannedQuery) -> None:
        line = self.lines[query.id]
        line.state, line.began = "running", self.clock()

    def settled(self, query_id: str, result: Result) -> None:
        line = self.lines[query_id]
        line.state, line.took_ms, line.reason = result["status"], self._milliseconds(line), _reason(result)

    def table(self) -> Table:
        """What is shown now."""
        table = Table.grid(padding=(0, 2))
        table.add_column()
        table.add_column()
        table.add_column(justify="right")
        table.add_column()
        for query_id, line in self.lines.items():
            took_ms = self._milliseconds(line) if line.state == "running" else line.took_ms
            style = STYLES[line.state]
            told = "" if took_ms is None else f"{took_ms} ms"
            table.add_row(query_id, f"[{style}]{line.state}[/{style}]", told, line.reason)
        return table

    def _milliseconds(self, line: Line) -> int | None:
        return None if line.began is None else round((self.clock() - line.began) * 1000)

    def __enter__(self) -> BatchDisplay:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()
