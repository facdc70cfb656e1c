"""A time series equals a plain recount, and its comparison stands beside the right moments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanin.catalog.metrics import METRICS
from fanin.catalog.periods import Compare
from fanin.catalog.query import Interval
from fanin.tests.recounted import SUMS, Answers, local, windows, within
from fanin.warehouse.facts import Session

Moment = tuple[date, int | None]

# Where a session belongs: the first day of its point before the window cuts it, and the hour.
BEGINS = {
    Interval.HOUR: lambda at: (at.date(), at.hour),
    Interval.DAY: lambda at: (at.date(), None),
    Interval.WEEK: lambda at: (at.date() - timedelta(days=at.weekday()), None),
    Interval.MONTH: lambda at: (at.date().replace(day=1), None),
}


def moments(days: tuple[date, date], interval: Interval) -> dict[Moment, tuple[date, date, int | None]]:
    """First day, last day and hour of every point of a window, by where it begins."""
    found: dict[Moment, tuple[date, date, int | None]] = {}
    day = days[0]
    while day <= days[1]:
        for hour in range(24) if interval is Interval.HOUR else (None,):
            begins = (day, hour) if interval is Interval.HOUR else BEGINS[interval](_Noon(day))
            first = found[begins][0] if begins in found else day
            found[begins] = (first, day, hour)
        day += timedelta(days=1)
    return found


class _Noon:
    """A day as something with a date and a weekday."""

    def __init__(self, day: date) -> None:
        self._day = day
        self.hour = 12

    def date(self) -> date:
        return self._day

    def weekday(self) -> int:
        return self._day.weekday()


def counted(sessions: Iterable[Session], interval: Interval) -> dict[Moment, Counter[str]]:
    sums: dict[Moment, Counter[str]] = {}
    for session in sessions:
        at = sums.setdefault(BEGINS[interval](local(session)), Counter())
        at.update({name: int(count(session)) for name, count in SUMS.items()})
    return sums


def told(sums: Counter[str]) -> dict[str, Any]:
    return {name: sums[name] for name in SUMS} | {"revenue": Decimal(sums["revenue"]).scaleb(-2)}


@settings(max_examples=60, deadline=None)
@given(days=windows, interval=st.sampled_from(Interval))
def test_every_moment_of_the_window_tells_what_a_plain_recount_tells(
    answers: Answers, days: tuple[date, date], interval: Interval
) -> None:
    answer = answers.to("time_series", days=days, interval=interval)

    sums = counted(within(days), interval)
    expected = [
        {"date": first, "end_date": last, "hour": hour} | told(sums.get(begins, Counter()))
        for begins, (first, last, hour) in moments(days, interval).items()
    ]
    points = [{name: point[name] for name in ("date", "end_date", "hour", *SUMS)} for point in answer["points"]]
    assert points == expected
    assert all(point["comparison_date"] is None and point["entrances_prev"] is None for point in answer["points"])


@settings(max_examples=60, deadline=None)
@given(days=windows, interval=st.sampled_from([Interval.HOUR, Interval.DAY, Interval.WEEK]))
def test_days_are_set_beside_the_days_as_long_before(
    answers: Answers, days: tuple[date, date], interval: Interval
) -> None:
    answer = answers.to("time_series", days=days, interval=interval, compare=Compare.PREVIOUS)

    length = timedelta(days=(days[1] - days[0]).days + 1)
    for point in answer["points"]:
        earlier = (point["date"] - length, point["end_date"] - length)
        found = [s for s in within(earlier) if point["hour"] in (None, local(s).hour)]
        sums = Counter({name: sum(int(count(session)) for session in found) for name, count in SUMS.items()})
        assert point["comparison_date"] == earlier[0]
        assert {name: point[f"{name}_prev"] for name in SUMS} == told(sums)


def test_months_are_set_beside_months_when_both_windows_begin_on_the_same_day_of_one(answers: Answers) -> None:
    days = (date(2027, 2, 1), date(2027, 3, 18))

    answer = answers.to("time_series", days=days, interval=Interval.MONTH, compare=Compare.YOY)

    february = within((date(2026, 2, 1), date(2026, 2, 28)))
    march = within((date(2026, 3, 1), date(2026, 3, 18)))
    assert [(p["date"], p["end_date"], p["comparison_date"], p["entrances_prev"]) for p in answer["points"]] == [
        (date(2027, 2, 1), date(2027, 2, 28), date(2026, 2, 1), len(february)),
        (date(2027, 3, 1), date(2027, 3, 18), date(2026, 3, 1), len(march)),
    ]
    assert february
    assert march


def test_a_year_earlier_days_stand_beside_their_own_date_and_a_leap_day_beside_none(answers: Answers) -> None:
    days = (date(2024, 2, 27), date(2024, 3, 1))

    points = answers.to("time_series", days=days, compare=Compare.YOY)["points"]

    assert [(str(point["date"]), point["comparison_date"], point["entrances_prev"]) for point in points] == [
        ("2024-02-27", date(2023, 2, 27), 0),
        ("2024-02-28", date(2023, 2, 28), 0),
        ("2024-02-29", None, None),
        ("2024-03-01", date(2023, 3, 1), 0),
    ]


def test_rates_are_told_from_the_sums_of_the_moment(answers: Answers) -> None:
    days = (date(2026, 2, 20), date(2026, 3, 18))

    (month, _) = answers.to("time_series", days=days, interval=Interval.MONTH)["points"]

    bounced = month["entrances"] - month["engaged_entrances"]
    assert month["bounces"] == bounced
    assert month["bounce_rate"] == pytest.approx(100 * bounced / month["entrances"], abs=0.005)
    assert month["pages_per_session"] == pytest.approx(month["page_views"] / month["entrances"], abs=0.005)
    assert set(METRICS) >= set(month) - {"date", "end_date", "hour", "comparison_date"} - {
        f"{name}_prev" for name in METRICS
    }
