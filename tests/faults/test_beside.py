"""What may fail beside the warehouse: the store that rate limits are counted in, and the clock; and the page of all faults."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from fanin.server import counters
from fanin.server.settings import ServerSettings, read_settings
from fanin.tests.callers import Clock, get, refusal, sent
from fanin.tests.facts import visit, write
from fanin.tests.faults.table import CLOCK_FAULTS, STORE_FAULTS, ClockFault, StoreFault, page
from fanin.tests.redis_servers import REDIS, redis_server

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"


@pytest.fixture(scope="module")
def warehouse_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("facts") / "w.duckdb"
    write(path, "acme", [visit("2026-03-17T10:00")])
    return path


@pytest.mark.parametrize("fault", STORE_FAULTS, ids=lambda fault: fault.what)
def test_a_store_that_is_gone_opens_or_closes_the_doors_as_it_is_set(warehouse_file: Path, fault: StoreFault) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nothing:
        port = nothing.getsockname()[1]  # closed again before anyone asks
    settings = ServerSettings(
        open_limit=2, rate_limit_store=f"redis://127.0.0.1:{port}/0", rate_limits_fail_closed=fault.fails_closed
    )

    answers = sent(warehouse_file, *[get("acme")] * 3, settings=settings)

    assert tuple(answer.status_code for answer in answers) == fault.statuses
    if fault.fails_closed:
        assert refusal(answers[0])[1:] == (
            "service_unavailable",
            "Rate limits cannot be counted now; wait for Retry-After seconds",
        )
        assert answers[0].headers["retry-after"] == "5"


@pytest.mark.skipif(REDIS is None, reason="needs redis-server or valkey-server")
@pytest.mark.parametrize("fault", STORE_FAULTS, ids=lambda fault: fault.what)
def test_once_the_store_is_back_it_is_counted_in_again(
    warehouse_file: Path, tmp_path: Path, fault: StoreFault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counters, "AWAY_S", 0.0)
    with redis_server(tmp_path) as address:
        settings = ServerSettings(open_limit=2, rate_limit_store=address, rate_limits_fail_closed=fault.fails_closed)

        answers = sent(warehouse_file, *[get("acme")] * 3, settings=settings)

    assert [answer.status_code for answer in answers] == [200, 200, 429]


@pytest.mark.parametrize("fault", CLOCK_FAULTS, ids=lambda fault: fault.what)
def test_a_clock_that_jumps_locks_no_one_out(warehouse_file: Path, fault: ClockFault) -> None:
    clock = Clock()
    jump = get("acme").after(lambda: clock.wait(seconds=fault.by_s))

    answers = sent(warehouse_file, get("acme"), jump, get("acme"), settings=ServerSettings(open_limit=1), clock=clock)

    assert tuple(answer.status_code for answer in answers[1:]) == fault.statuses


def test_the_setting_says_open_or_closed_and_nothing_else() -> None:
    assert read_settings({}).rate_limits_fail_closed is False
    assert read_settings({"FANIN_RATE_LIMIT_STORE_AWAY": "closed"}).rate_limits_fail_closed is True


def test_the_page_tells_the_faults_that_are_tried() -> None:
    if os.environ.get("FANIN_GOLDEN") == "rewrite":
        PAGE.write_text(page(), encoding="utf-8")

    assert PAGE.read_text(encoding="utf-8") == page()
