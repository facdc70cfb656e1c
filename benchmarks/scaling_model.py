"""What a fleet needs: a model of volumes, accounts and questions over constants that were measured.

Everything here is arithmetic and one seeded simulation; nothing is measured (``scaling_measure.py``) and nothing is said
(``scaling_page.py``).  Sizes of accounts follow Zipf's law, and whatever was measured at several sizes is taken in between
and beyond as a power of the size.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

DAY_S = 86_400
WINDOW_DAYS = 30


class Way(StrEnum):
    """How a dashboard of sixteen reports was answered."""

    KEPT = "kept by the process"
    FOUND = "found in the shared store"
    CUBE = "roll-ups in memory"
    ROLLUP = "roll-ups in the file"
    BLOCK = "filtered, rows in memory"
    FACTS = "filtered, from the file"


@dataclass(frozen=True, slots=True)
class Measured:
    """One account of the measurement.  Times are of the server's processors, for one dashboard."""

    sessions: int  # of all its days
    sessions_per_day: float
    file_bytes: int
    facts_bytes: int
    rollup_bytes: int
    rollup_rows: int  # per day and month, all of them
    cube_bytes: int  # of all three tables, when held
    block_bytes: int  # of the window, when held
    window_sessions: int
    cpu_ms: Mapping[str, float]  # by ``Way``


@dataclass(frozen=True, slots=True)
class Constants:
    """What was measured, where, in one run."""

    where: str
    days: int  # that the accounts have
    events_per_session: float
    accounts: Sequence[Measured]  # small to large
    kept_get_ms: float  # one report by GET, kept
    answer_bytes: int  # sixteen answers, as the process keeps them
    stored_bytes: int  # the same in the shared store
    process_bytes: int  # resident, before anything is held
    import_lines_per_cpu_s: float
    line_bytes: float  # on disk, of what is remembered of a line so that it counts once

    def by_size(self, field: str, sessions_per_day: float) -> float:
        """A measured number of an account of that size: a straight line between logarithms."""
        sizes = [math.log(account.sessions_per_day) for account in self.accounts]
        values = [math.log(max(1, getattr(account, field))) for account in self.accounts]
        return math.exp(_on_line(sizes, values, math.log(sessions_per_day)))

    def cpu_ms(self, way: Way, window_sessions: float) -> float:
        """Of one dashboard: what it costs whatever the size, and what each session of the window adds."""
        fixed, per_session = self.cost(way)
        return fixed + per_session * window_sessions

    def cost(self, way: Way) -> tuple[float, float]:
        """Milliseconds of a dashboard, and milliseconds that each session of the window adds; none where it shrinks."""
        sizes = np.array([account.window_sessions for account in self.accounts], dtype=float)
        times = np.array([account.cpu_ms[way] for account in self.accounts])
        slope = max(0.0, (times[-1] - times[0]) / (sizes[-1] - sizes[0]))
        return max(0.0, float(times[0] - slope * sizes[0])), float(slope)

    def told_ms(self, way: Way) -> float:
        """Of a dashboard that scans nothing: as much as the account took that took the most."""
        return max(account.cpu_ms[way] for account in self.accounts)

    @property
    def facts_bytes_per_session(self) -> float:
        return self.accounts[-1].facts_bytes / self.accounts[-1].sessions

    @property
    def rollup_bytes_per_row(self) -> float:
        return self.accounts[-1].rollup_bytes / self.accounts[-1].rollup_rows

    @property
    def block_bytes_per_session(self) -> float:
        return self.accounts[-1].block_bytes / self.accounts[-1].window_sessions


def _on_line(places: list[float], values: list[float], place: float) -> float:
    """Between the two nearest points, or beyond the last ones in their direction."""
    right = next((number for number, known in enumerate(places[1:-1], start=1) if place <= known), len(places) - 1)
    left = right - 1
    slope = (values[right] - values[left]) / (places[right] - places[left])
    return values[left] + slope * (place - places[left])


@dataclass(frozen=True, slots=True)
class Workload:
    """What is asked of the fleet.  A dashboard is sixteen reports over thirty days."""

    events_per_day: float = 1e9
    accounts: int = 10_000
    days_kept: int = 400
    dashboards_per_day: float = 1e6
    peak_share: float = 0.15  # of a day's dashboards in its busiest hour
    peak_import: float = 3.0  # times the average
    kept_share: float = 0.6  # asked before, since the account's last import
    filtered_share: float = 0.2  # the rest is new and unfiltered

    @property
    def shares(self) -> np.ndarray:
        """Of each account in all events, the largest first: Zipf's law."""
        weights = 1 / np.arange(1, self.accounts + 1)
        return weights / weights.sum()

    @property
    def popularity(self) -> np.ndarray:
        """Of each account in all dashboards: large ones are looked at more, but not as much as they are larger."""
        weights = np.arange(1, self.accounts + 1) ** -0.5
        return weights / weights.sum()

    @property
    def peak_per_s(self) -> float:
        return self.dashboards_per_day * self.peak_share / 3_600


@dataclass(frozen=True, slots=True)
class Machine:
    cores: int
    memory_gb: float
    disk_tb: float


GATEWAY = Machine(cores=8, memory_gb=16, disk_tb=0.1)
SHARD = Machine(cores=32, memory_gb=128, disk_tb=8)
ALONE = Machine(cores=16, memory_gb=64, disk_tb=2)
BUSY = 0.6  # of its cores, at the peak: more, and waiting grows faster than work
REPLICAS = 2


@dataclass(frozen=True, slots=True)
class AccountNeeds:
    """One account of the workload."""

    rank: int
    events_per_day: float
    window_sessions: float
    rollup_rows_per_day: float
    disk_gb: float
    cube_mb: float
    scanned_gb: float  # by a filtered dashboard, as the columns lie in memory
    filtered_cpu_s: float


def account_needs(constants: Constants, workload: Workload, rank: int, row_bytes: int) -> AccountNeeds:
    events = workload.events_per_day * float(workload.shares[rank - 1])
    per_day = events / constants.events_per_session
    rows = constants.by_size("rollup_rows", per_day) / constants.days
    disk = workload.days_kept * (per_day * constants.facts_bytes_per_session + rows * constants.rollup_bytes_per_row)
    window = per_day * WINDOW_DAYS
    return AccountNeeds(
        rank,
        events,
        window,
        rows,
        disk / 1e9,
        constants.by_size("cube_bytes", per_day) / 1e6,
        window * row_bytes / 1e9,
        constants.cpu_ms(Way.FACTS, window) / 1_000,
    )


@dataclass(frozen=True, slots=True)
class FleetNeeds:
    """All accounts together, and the machines for them."""

    sessions_per_day: float
    facts_tb: float
    rollups_tb: float
    lines_tb: float
    import_cores: float
    peak_per_s: float
    gateway_cores: float
    scan_cores: float
    cubes_gb: float
    store_gb: float
    gateways: int
    shards_for_disk: int
    shards_for_scans: int

    @property
    def shards(self) -> int:
        return max(self.shards_for_disk, self.shards_for_scans)


def fleet_needs(constants: Constants, workload: Workload) -> FleetNeeds:
    """Filtered questions are scanned by the warehouse; everything else is the gateways' work, who tell every answer anew."""
    sizes = workload.events_per_day * workload.shares / constants.events_per_session
    sessions = float(sizes.sum())
    facts = sessions * workload.days_kept * constants.facts_bytes_per_session
    rows = sum(constants.by_size("rollup_rows", size) / constants.days for size in sizes)
    rollups = rows * workload.days_kept * constants.rollup_bytes_per_row
    lines = workload.events_per_day * workload.days_kept * constants.line_bytes
    new_share = 1 - workload.kept_share - workload.filtered_share
    gateway_ms = (
        workload.kept_share * constants.told_ms(Way.FOUND)
        + new_share * constants.told_ms(Way.ROLLUP)
        + workload.filtered_share * constants.told_ms(Way.FOUND)
    )
    scan_ms = workload.filtered_share * float(
        (workload.popularity * constants.cost(Way.FACTS)[1] * sizes * WINDOW_DAYS).sum()
    )
    gateway_cores = workload.peak_per_s * gateway_ms / 1_000
    scan_cores = workload.peak_per_s * scan_ms / 1_000
    cubes = sum(constants.by_size("cube_bytes", size) for size in sizes)
    imported = workload.events_per_day / DAY_S * workload.peak_import / constants.import_lines_per_cpu_s
    return FleetNeeds(
        sessions_per_day=sessions,
        facts_tb=facts / 1e12,
        rollups_tb=rollups / 1e12,
        lines_tb=lines / 1e12,
        import_cores=imported,
        peak_per_s=workload.peak_per_s,
        gateway_cores=gateway_cores,
        scan_cores=scan_cores,
        cubes_gb=cubes / 1e9,
        store_gb=workload.dashboards_per_day * (1 - workload.kept_share) / 4 * constants.stored_bytes / 1e9,
        gateways=max(2, math.ceil(gateway_cores / BUSY / GATEWAY.cores)),
        shards_for_disk=math.ceil((facts + rollups + lines) / 1e12 / (SHARD.disk_tb * 0.7)),
        shards_for_scans=math.ceil(scan_cores / BUSY / SHARD.cores),
    )


# --- one machine --------------------------------------------------------------------------------------------------

PATIENCE_S = 2.0  # for a filtered dashboard of the largest account
REWRITTEN_MB_PER_S = 300  # of an account's file, by an import that publishes a new one


@dataclass(frozen=True, slots=True)
class Limit:
    """How much of something one machine has is used, in percent; over 100 it breaks."""

    what: str
    percent: float


def limits_alone(constants: Constants, workload: Workload) -> list[Limit]:
    """Of one machine with the embedded warehouse and an import an hour of every account, the tightest first."""
    needs = fleet_needs(constants, workload)
    largest = account_needs(constants, workload, 1, 0)
    rewritten_s = largest.disk_gb * 1_000 / REWRITTEN_MB_PER_S
    limits = [
        Limit("disk", 100 * (needs.facts_tb + needs.rollups_tb + needs.lines_tb) / ALONE.disk_tb),
        Limit("cores for imports", 100 * needs.import_cores / (ALONE.cores / 2)),
        Limit("an hourly import of the largest account", 100 * rewritten_s / 3_600),
        Limit("cores for questions", 100 * (needs.gateway_cores + needs.scan_cores) / (ALONE.cores / 2 * BUSY)),
        Limit("a filtered dashboard of the largest account", 100 * largest.filtered_cpu_s / ALONE.cores / PATIENCE_S),
    ]
    return sorted(limits, key=lambda limit: -limit.percent)


# --- a busy hour, played ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hour:
    """What a busy hour came to, from a sample of its dashboards."""

    dashboards: int
    in_memory_percent: float  # of new unfiltered ones, those whose account's roll-ups were held
    new_ms: float  # of the processors' time of such a one, on average
    median_ms: float  # of the processors' time of a dashboard
    p95_ms: float
    p99_ms: float
    cores: float  # busy on average, gateways and warehouse together
    largest_ten_percent: float  # of all that time, what the ten largest accounts took


def play_hour(
    constants: Constants, workload: Workload, gateways: int, cube_mb: float, *, by_account: bool = False, seed: int = 1
) -> Hour:
    """Dashboards come to gateways at random or by their account; each gateway holds the roll-ups it used last, as far as
    its memory goes."""
    random = np.random.default_rng(seed)
    count = min(40_000, round(workload.peak_per_s * 3_600))
    accounts = random.choice(workload.accounts, count, p=workload.popularity)
    chance = random.random(count)
    sent_to = accounts % gateways if by_account else random.integers(0, gateways, count)
    sizes = workload.events_per_day * workload.shares / constants.events_per_session
    cubes = [constants.by_size("cube_bytes", size) for size in sizes]
    held = [_Memory(cube_mb * 1e6) for _ in range(gateways)]
    times = np.empty(count)
    unfiltered = in_memory = 0
    for number, (account, gateway) in enumerate(zip(accounts.tolist(), sent_to.tolist(), strict=True)):
        window = float(sizes[account]) * WINDOW_DAYS
        if chance[number] < workload.kept_share:
            times[number] = constants.told_ms(Way.KEPT)
        elif chance[number] < workload.kept_share + workload.filtered_share:
            times[number] = constants.cpu_ms(Way.FACTS, window)
        else:
            found = held[gateway].use(account, cubes[account])
            unfiltered, in_memory = unfiltered + 1, in_memory + found
            times[number] = constants.told_ms(Way.CUBE if found else Way.ROLLUP)
    median, p95, p99 = np.percentile(times, [50, 95, 99]).tolist()
    return Hour(
        count,
        100 * in_memory / max(1, unfiltered),
        _average(constants.told_ms(Way.CUBE), in_memory, constants.told_ms(Way.ROLLUP), unfiltered - in_memory),
        median,
        p95,
        p99,
        float(times.sum()) / 1_000 / (count / workload.peak_per_s),
        100 * float(times[accounts < 10].sum() / times.sum()),
    )


def _average(one: float, ones: int, other: float, others: int) -> float:
    return (one * ones + other * others) / max(1, ones + others)


@dataclass(slots=True)
class _Memory:
    """What one gateway holds; the longest unused makes room."""

    budget: float
    size: float = 0.0
    held: OrderedDict[int, float] = field(default_factory=OrderedDict)

    def use(self, account: int, size: float) -> bool:
        """Whether it was held; from now on it is, if there can be room."""
        if account in self.held:
            self.held.move_to_end(account)
            return True
        if size <= self.budget:
            self.held[account] = size
            self.size += size
            while self.size > self.budget:
                self.size -= self.held.popitem(last=False)[1]
        return False
