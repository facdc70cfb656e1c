"""The 18 shortcuts, explicit dates, and what they are compared with.  Contract §2.2, §2.3, §6.10."""

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanin.catalog.errors import BadRequest
from fanin.catalog.periods import (
    DEFAULT_PERIOD,
    MAX_DAYS,
    PERIODS,
    Compare,
    Window,
    comparison_window,
    custom_window,
    parse_period,
)

UNHURRIED = settings(deadline=None)  # a slow machine is no failure

TODAY = date(2026, 3, 18)  # the Wednesday of the worked example

ROLLING = {"today": 1, "yesterday": 1, "7d": 7, "30d": 30, "90d": 90, "12m": 365}
ALIASES = {"wtd": "this_week", "mtd": "this_month", "qtd": "this_quarter", "ytd": "this_year"}

# The table of §2.2, first and last day of the window, of ``previous`` (where two readings stand there, the table's,
# extended by §6.10 to week, quarter and year) and of ``yoy``.
WORKED_EXAMPLE = [
    ("today", 1, "2026-03-18 2026-03-18", "2026-03-17 2026-03-17", "2025-03-18 2025-03-18"),
    ("yesterday", 1, "2026-03-17 2026-03-17", "2026-03-16 2026-03-16", "2025-03-17 2025-03-17"),
    ("7d", 7, "2026-03-12 2026-03-18", "2026-03-05 2026-03-11", "2025-03-12 2025-03-18"),
    ("30d", 30, "2026-02-17 2026-03-18", "2026-01-18 2026-02-16", "2025-02-17 2025-03-18"),
    ("90d", 90, "2025-12-19 2026-03-18", "2025-09-20 2025-12-18", "2024-12-19 2025-03-18"),
    ("12m", 365, "2025-03-19 2026-03-18", "2024-03-19 2025-03-18", "2024-03-19 2025-03-18"),
    ("this_week", 3, "2026-03-16 2026-03-18", "2026-03-09 2026-03-11", "2025-03-16 2025-03-18"),
    ("last_week", 7, "2026-03-09 2026-03-15", "2026-03-02 2026-03-08", "2025-03-09 2025-03-15"),
    ("this_month", 18, "2026-03-01 2026-03-18", "2026-02-01 2026-02-18", "2025-03-01 2025-03-18"),
    ("last_month", 28, "2026-02-01 2026-02-28", "2026-01-01 2026-01-31", "2025-02-01 2025-02-28"),
    ("this_quarter", 77, "2026-01-01 2026-03-18", "2025-10-01 2025-12-16", "2025-01-01 2025-03-18"),
    ("last_quarter", 92, "2025-10-01 2025-12-31", "2025-07-01 2025-09-30", "2024-10-01 2024-12-31"),
    ("this_year", 77, "2026-01-01 2026-03-18", "2025-01-01 2025-03-18", "2025-01-01 2025-03-18"),
    ("last_year", 365, "2025-01-01 2025-12-31", "2024-01-01 2024-12-31", "2024-01-01 2024-12-31"),
]

days = st.dates(date(1971, 1, 1), date(2199, 12, 31))
names = st.sampled_from(sorted(PERIODS))


def window(text: str) -> Window:
    start, end = text.split()
    return Window(date.fromisoformat(start), date.fromisoformat(end))


def compared(name: str, today: date, compare: Compare = Compare.PREVIOUS) -> Window:
    period = PERIODS[name]
    found = comparison_window(period.window(today), compare, period)
    assert found is not None
    return found


def refusal(start: date | None, end: date | None) -> str:
    with pytest.raises(BadRequest) as refused:
        custom_window(start, end)
    return refused.value.message


def test_the_shortcuts_are_the_documented_eighteen_in_order():
    assert list(PERIODS) == [
        "today",
        "yesterday",
        "7d",
        "30d",
        "90d",
        "12m",
        "this_week",
        "last_week",
        "wtd",
        "this_month",
        "last_month",
        "mtd",
        "this_quarter",
        "last_quarter",
        "qtd",
        "this_year",
        "last_year",
        "ytd",
    ]
    assert [parse_period(name) for name in PERIODS] == list(PERIODS.values())
    assert DEFAULT_PERIOD == "30d"


def test_the_worked_example_shows_every_shortcut_but_the_second_names():
    assert [row[0] for row in WORKED_EXAMPLE] == [name for name in PERIODS if name not in ALIASES]


@pytest.mark.parametrize(("name", "length", "expected", "previous", "yoy"), WORKED_EXAMPLE)
def test_a_shortcut_names_the_windows_of_the_worked_example(name, length, expected, previous, yoy):
    assert PERIODS[name].window(TODAY) == window(expected)
    assert PERIODS[name].window(TODAY).days == length
    assert compared(name, TODAY, Compare.PREVIOUS) == window(previous)
    assert compared(name, TODAY, Compare.YOY) == window(yoy)


@pytest.mark.parametrize(("alias", "name"), ALIASES.items())
@UNHURRIED
@given(today=days)
def test_wtd_mtd_qtd_and_ytd_are_second_names(alias, name, today):
    assert PERIODS[alias].window(today) == PERIODS[name].window(today)
    assert compared(alias, today) == compared(name, today)
    assert PERIODS[alias].meaning == f"the same as {name}"


@UNHURRIED
@given(names, days)
def test_a_shortcut_never_ends_before_it_starts_nor_in_the_future_and_fits_the_limit(name, today):
    found = PERIODS[name].window(today)

    assert found.start <= found.end <= today
    assert found.days <= MAX_DAYS


@UNHURRIED
@given(names, days)
def test_both_comparisons_of_a_shortcut_are_windows_that_lie_before_it(name, today):
    found = PERIODS[name].window(today)
    previous, yoy = compared(name, today), compared(name, today, Compare.YOY)

    assert previous.start <= previous.end < found.start
    assert yoy.start <= yoy.end < found.end
    assert 364 <= (found.start - yoy.start).days <= 366


@pytest.mark.parametrize(("name", "length"), ROLLING.items())
@UNHURRIED
@given(today=days)
def test_a_rolling_window_has_its_length_and_so_has_the_one_right_before_it(name, length, today):
    found, previous = PERIODS[name].window(today), compared(name, today)

    assert (found.days, previous.days) == (length, length)
    assert previous.end == found.start - timedelta(days=1)
    assert found.end == (today if name != "yesterday" else today - timedelta(days=1))


@pytest.mark.parametrize("unit", ["week", "month", "quarter", "year"])
@UNHURRIED
@given(today=days)
def test_last_is_the_whole_unit_that_ends_where_this_begins(unit, today):
    this, last = PERIODS[f"this_{unit}"].window(today), PERIODS[f"last_{unit}"].window(today)

    assert this.end == today
    assert last.end == this.start - timedelta(days=1)
    assert last == PERIODS[f"this_{unit}"].window(last.end)
    assert compared(f"last_{unit}", today) == PERIODS[f"last_{unit}"].window(last.end)


@pytest.mark.parametrize("unit", ["week", "month", "quarter", "year"])
@UNHURRIED
@given(today=days)
def test_this_is_compared_from_the_first_day_of_the_unit_before_and_never_beyond_its_end(unit, today):
    this, last = PERIODS[f"this_{unit}"].window(today), PERIODS[f"last_{unit}"].window(today)
    previous = compared(f"this_{unit}", today)

    assert previous.start == last.start
    assert previous.end <= last.end
    if unit == "year":  # the same dates, whatever a leap day between them does to the count
        assert (previous.end.month, previous.end.day) in [(today.month, today.day), (2, 28)]
    else:
        assert previous.days == min(this.days, last.days)


@UNHURRIED
@given(days)
def test_weeks_start_on_monday_months_quarters_and_years_on_the_first(today):
    starts = {unit: PERIODS[f"this_{unit}"].window(today).start for unit in ("week", "month", "quarter", "year")}

    assert starts["week"].weekday() == 0
    assert starts["month"] == today.replace(day=1)
    assert (starts["quarter"].month in (1, 4, 7, 10), starts["quarter"].day) == (True, 1)
    assert starts["year"] == date(today.year, 1, 1)
    assert starts["year"] <= starts["quarter"] <= starts["month"] <= today


@pytest.mark.parametrize(
    ("name", "today", "previous"),
    [
        ("this_month", "2026-03-31", "2026-02-01 2026-02-28"),
        ("this_month", "2024-03-30", "2024-02-01 2024-02-29"),
        ("this_month", "2026-01-31", "2025-12-01 2025-12-31"),
        ("this_month", "2026-05-31", "2026-04-01 2026-04-30"),
        ("this_quarter", "2026-06-30", "2026-01-01 2026-03-31"),
        ("this_quarter", "2026-09-30", "2026-04-01 2026-06-30"),
        ("this_year", "2024-02-29", "2023-01-01 2023-02-28"),
        ("this_year", "2024-12-31", "2023-01-01 2023-12-31"),
        ("this_week", "2026-01-01", "2025-12-22 2025-12-25"),
        ("last_month", "2024-03-31", "2024-01-01 2024-01-31"),
        ("last_quarter", "2026-01-01", "2025-07-01 2025-09-30"),
    ],
)
def test_previous_keeps_to_the_unit_before_where_that_is_shorter(name, today, previous):
    assert compared(name, date.fromisoformat(today)) == window(previous)


@pytest.mark.parametrize(
    ("today", "yoy"),
    [
        ("2024-02-29 2024-02-29", "2023-02-28 2023-02-28"),
        ("2024-02-01 2024-02-29", "2023-02-01 2023-02-28"),
        ("2024-02-29 2024-03-02", "2023-02-28 2023-03-02"),
        ("2025-02-28 2025-02-28", "2024-02-28 2024-02-28"),
        ("2025-02-28 2025-03-01", "2024-02-28 2024-03-01"),
    ],
)
def test_a_year_before_29_february_is_28_february(today, yoy):
    assert comparison_window(window(today), Compare.YOY) == window(yoy)


@UNHURRIED
@given(days, st.integers(1, MAX_DAYS))
def test_explicit_dates_are_compared_with_the_equal_length_right_before(start, length):
    explicit = custom_window(start, start + timedelta(days=length - 1))
    previous = comparison_window(explicit, Compare.PREVIOUS)

    assert explicit.days == length
    assert previous == Window(start - timedelta(days=length), start - timedelta(days=1))


@UNHURRIED
@given(names, days)
def test_no_comparison_has_no_window(name, today):
    period = PERIODS[name]

    assert comparison_window(period.window(today), Compare.NONE, period) is None


@pytest.mark.parametrize(
    ("explicit", "compare"),
    [
        ("0001-01-01 0001-01-01", Compare.PREVIOUS),
        ("0001-01-02 0001-01-03", Compare.PREVIOUS),
        ("0001-12-31 0001-12-31", Compare.YOY),
    ],
)
def test_before_the_first_day_of_the_calendar_there_is_nothing_to_compare_with(explicit, compare):
    with pytest.raises(BadRequest) as refused:
        comparison_window(window(explicit), compare)

    assert refused.value.message == f"start_date {explicit[:10]} has no {compare.value} window before it"


def test_a_window_of_730_days_is_the_longest():
    assert custom_window(date(2024, 1, 1), date(2025, 12, 30)).days == MAX_DAYS == 730
    assert refusal(date(2024, 1, 1), date(2025, 12, 31)) == (
        "Date range cannot exceed 730 days: 2024-01-01 to 2025-12-31 is 731 days"
    )


def test_dates_in_the_wrong_order_are_refused():
    assert refusal(date(2026, 3, 2), date(2026, 3, 1)) == "start_date 2026-03-02 is after end_date 2026-03-01"


def test_half_a_range_is_refused_and_says_which_half_is_missing():
    assert refusal(date(2026, 3, 1), None) == "start_date needs end_date beside it: give both dates, or a period"
    assert refusal(None, date(2026, 3, 1)) == "end_date needs start_date beside it: give both dates, or a period"


@pytest.mark.parametrize(
    ("word", "near"),
    [
        ("31x", ""),
        ("", ""),
        ("last_mont", " (did you mean 'last_month'?)"),
        ("this-week", " (did you mean 'this_week'?)"),
        ("TODAY", ""),
        ("x" * 1000, ""),
    ],
)
def test_an_unknown_period_is_named_beside_all_that_would_be_accepted(word, near):
    with pytest.raises(BadRequest) as refused:
        parse_period(word)

    assert refused.value.message == f"Unknown period: {word[:40]}{near}; accepted: {', '.join(PERIODS)}"


def test_a_window_prints_as_overview_shows_it():
    assert window("2026-03-12 2026-03-18").as_json() == {
        "start_date": "2026-03-12",
        "end_date": "2026-03-18",
        "days": 7,
    }
