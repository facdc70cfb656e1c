from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanin.ingest.log_times import moment

AT = 1_773_828_005  # 2026-03-18 10:00:05 UTC


@pytest.mark.parametrize(
    "text",
    [
        "18/Mar/2026:10:00:05 +0000",
        "18/Mar/2026:13:30:05 +0330",
        "2026-03-18T10:00:05Z",
        "2026-03-18T10:00:05.999999999Z",
        "2026-03-18 10:00:05",
        "2026-03-18 10:00:05.5 UTC",
        "2026-03-18 05:00:05-05:00",
        "1773828005",
        "1773828005.999",
        "1773828005999",
        "1773828005999999",
        "1773828005999999999",
    ],
)
def test_one_moment_in_every_way_it_is_written(text):
    assert moment(text) == AT


def test_a_time_without_a_zone_is_read_in_the_one_that_is_given():
    madrid = ZoneInfo("Europe/Madrid")

    assert moment("2026-03-18 11:00:05", madrid) == AT
    assert moment("2026-03-18T10:00:05Z", madrid) == moment("2026-03-18 10:00:05 UTC", madrid) == AT


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "yesterday",
        "12",
        "2026-13-01",
        "18/Mar/2026",
        "18/Mar/2026:10:00:05",
        "1773828005x",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "01/Jan/1969:10:00:05 +0000",
        "31/Dec/9999:10:00:05 +0000",
    ],
)
def test_what_is_no_time_is_none(text):
    assert moment(text) is None


@given(st.text(alphabet="0123456789-/:. +TZMar", max_size=30))
def test_no_text_makes_it_raise(text):
    moment(text)
