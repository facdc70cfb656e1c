"""The page on scaling says what the model computes from the constants that were measured, and the model can be trusted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fanin.benchmarks.scaling import PAGE, recorded
from fanin.benchmarks.scaling_model import (
    SHARD,
    Constants,
    Measured,
    Way,
    Workload,
    account_needs,
    fleet_needs,
    limits_alone,
    play_hour,
)
from fanin.benchmarks.scaling_page import REPORTS, page


def measured(sessions: int, *, rollup_rows: int = 4_000, cpu_ms: float = 10.0) -> Measured:
    """An account of a hundred days whose facts take 50 bytes a session; its window is thirty days of it."""
    return Measured(
        sessions=sessions,
        sessions_per_day=sessions / 100,
        file_bytes=70 * sessions,
        facts_bytes=50 * sessions,
        rollup_bytes=20 * rollup_rows,
        rollup_rows=rollup_rows,
        cube_bytes=1_000_000,
        block_bytes=10 * sessions,
        window_sessions=sessions * 3 // 10,
        cpu_ms={way.value: 10.0 for way in Way} | {Way.FACTS.value: cpu_ms},
    )


CONSTANTS = Constants(
    where="nowhere",
    days=100,
    events_per_session=2.0,
    accounts=(measured(1_000), measured(101_000, rollup_rows=404_000, cpu_ms=40.0)),
    kept_get_ms=0.5,
    answer_bytes=1_000_000,
    stored_bytes=20_000,
    process_bytes=100_000_000,
    import_lines_per_cpu_s=1e9 / 86_400,
    line_bytes=5.0,
)
ALL_ALIKE = Workload(events_per_day=1e9, accounts=1, days_kept=10, dashboards_per_day=24_000, peak_share=0.15)


def test_the_page_is_what_the_model_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(recorded())


def test_every_way_was_measured_over_three_sizes_at_least() -> None:
    constants = recorded()

    assert len(constants.accounts) >= 3
    assert [set(account.cpu_ms) for account in constants.accounts] == [{way.value for way in Way}] * len(
        constants.accounts
    )
    sizes = [account.sessions for account in constants.accounts]
    assert sizes == sorted(sizes)


def test_an_account_is_its_share_of_everything() -> None:
    needs = account_needs(CONSTANTS, ALL_ALIKE, 1, row_bytes=100)

    assert (needs.events_per_day, needs.window_sessions) == (1e9, 15e9)
    assert needs.rollup_rows_per_day == pytest.approx(2e9)  # four for each session
    assert needs.disk_gb == pytest.approx(10 * (0.5e9 * 50 + 2e9 * 20) / 1e9)
    assert needs.scanned_gb == pytest.approx(1_500)
    assert needs.filtered_cpu_s == pytest.approx(15e9 * 30 / 30_000 / 1_000, rel=1e-3)  # 30 ms for 30,000 more sessions


def test_the_fleet_is_the_sum_of_its_accounts() -> None:
    needs = fleet_needs(CONSTANTS, ALL_ALIKE)

    assert needs.facts_tb == pytest.approx(10 * 0.5e9 * 50 / 1e12)
    assert needs.rollups_tb == pytest.approx(10 * 2e9 * 20 / 1e12)
    assert needs.lines_tb == pytest.approx(10 * 1e9 * 5 / 1e12)
    assert (needs.peak_per_s, needs.import_cores) == (1.0, pytest.approx(3.0))
    assert needs.gateway_cores == pytest.approx(0.010)  # ten milliseconds of each second
    assert needs.scan_cores == pytest.approx(0.2 * 15e9 * 1e-6, rel=1e-3)  # a microsecond for each session
    assert (needs.gateways, needs.shards_for_disk) == (2, 1)
    assert needs.shards_for_scans == -(-needs.scan_cores // (SHARD.cores * 0.6))


def test_shares_are_of_a_whole_and_the_tenth_account_has_a_tenth_of_the_first() -> None:
    workload = Workload(accounts=50)

    assert workload.shares.sum() == pytest.approx(1)
    assert workload.popularity.sum() == pytest.approx(1)
    assert workload.shares[0] / workload.shares[9] == pytest.approx(10)
    assert workload.popularity[0] / workload.popularity[3] == pytest.approx(2)


@pytest.mark.parametrize(
    ("change", "grows"),
    [
        ({"events_per_day": 2e9}, {"facts_tb", "lines_tb", "import_cores", "scan_cores", "sessions_per_day"}),
        ({"days_kept": 800}, {"facts_tb", "rollups_tb", "lines_tb"}),
        ({"dashboards_per_day": 2e6}, {"peak_per_s", "gateway_cores", "scan_cores", "store_gb"}),
    ],
)
def test_what_is_doubled_doubles_what_depends_on_it(change: dict[str, float], grows: set[str]) -> None:
    before = fleet_needs(recorded(), Workload(accounts=100))
    after = fleet_needs(recorded(), replace(Workload(accounts=100), **change))
    numbers = (
        "facts_tb",
        "rollups_tb",
        "lines_tb",
        "import_cores",
        "peak_per_s",
        "gateway_cores",
        "scan_cores",
        "store_gb",
    )

    doubled = {
        name
        for name in (*numbers, "sessions_per_day")
        if getattr(after, name) == pytest.approx(2 * getattr(before, name))
    }
    assert doubled == grows


def test_what_breaks_first_is_told_first() -> None:
    percents = [limit.percent for limit in limits_alone(recorded(), Workload(accounts=100))]

    assert percents == sorted(percents, reverse=True)
    assert len(percents) == 5


def test_an_hour_is_played_alike_every_time_and_more_memory_never_holds_less() -> None:
    workload = Workload(accounts=100, dashboards_per_day=20_000)
    small, again, large = (play_hour(recorded(), workload, 2, cube_mb) for cube_mb in (200, 200, 1e6))

    assert small == again
    assert small.dashboards == 3_000
    assert large.in_memory_percent > small.in_memory_percent
    assert large.cores <= small.cores


def test_accounts_that_are_sent_to_one_gateway_each_are_held_once() -> None:
    workload = Workload(accounts=100, dashboards_per_day=20_000)
    at_random, by_account = (play_hour(recorded(), workload, 4, 3_000, by_account=sent) for sent in (False, True))

    assert by_account.in_memory_percent > at_random.in_memory_percent
    assert by_account.new_ms < at_random.new_ms


def test_a_gateway_that_can_hold_everything_reads_each_account_once() -> None:
    workload = Workload(accounts=5, dashboards_per_day=20_000, kept_share=0, filtered_share=0)

    hour = play_hour(CONSTANTS, workload, 1, 1e6)

    assert hour.in_memory_percent == pytest.approx(100 * (3_000 - 5) / 3_000)
    assert (hour.median_ms, hour.p99_ms, hour.new_ms) == (10, 10, 10)


def test_the_sixteen_reports_are_those_of_the_batch_page() -> None:
    assert len(REPORTS) == 16
