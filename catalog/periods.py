"""Periods: a word such as ``30d`` becomes a window of local days, and a window its comparison window.  Contract §2.2, §2.3."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from .errors import BadRequest, suggestion

DEFAULT_PERIOD = "30d"
MAX_DAYS = 730


@dataclass(frozen=True, slots=True)
class Window:
    """Whole local days of an account, both ends included."""

    start: date
    end: date

    @property
    def days(self) -> int:
        return (self.end - self.start).days + 1

    def as_json(self) -> dict[str, str | int]:
        """``{start_date, end_date, days}`` as overview prints it.  Contract §1.1."""
        return {"start_date": self.start.isoformat(), "end_date": self.end.isoformat(), "days": self.days}


@dataclass(frozen=True, slots=True)
class Period:
    """One shortcut: the window it names on a given day, and how its ``previous`` window is found.  Contract §6.10."""

    name: str
    window: Callable[[date], Window]
    meaning: str
    previous: Callable[[Window], Window]


def _months_back(day: date, months: int) -> date:
    """The same day of an earlier month, or that month's last day: 29 Feb a year back is 28 Feb."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def _year_back(window: Window) -> Window:
    return Window(_months_back(window.start, 12), _months_back(window.end, 12))


def _same_length_before(window: Window) -> Window:
    return Window(window.start - timedelta(days=window.days), window.start - timedelta(days=1))


def _last(days: int) -> Callable[[date], Window]:
    return lambda today: Window(today - timedelta(days=days - 1), today)


def _yesterday(today: date) -> Window:
    return Window(today - timedelta(days=1), today - timedelta(days=1))


def _week(today: date) -> Window:
    return Window(today - timedelta(days=today.weekday()), today)


def _month(today: date) -> Window:
    return Window(today.replace(day=1), today)


def _quarter(today: date) -> Window:
    return Window(date(today.year, (today.month - 1) // 3 * 3 + 1, 1), today)


def _year(today: date) -> Window:
    return Window(date(today.year, 1, 1), today)


def _whole_before(unit: Callable[[date], Window]) -> Callable[[date], Window]:
    """The complete unit before the one that ``today`` lies in."""

    def window(today: date) -> Window:
        end = unit(today).start - timedelta(days=1)
        return Window(unit(end).start, end)

    return window


def _same_days_before(unit: Callable[[date], Window]) -> Callable[[Window], Window]:
    """As many days from the start of the unit before, but not beyond its end: 31 March's is the whole of February."""

    def previous(window: Window) -> Window:
        whole = _whole_before(unit)(window.start)
        return Window(whole.start, min(whole.end, whole.start + timedelta(days=window.days - 1)))

    return previous


def _unit_before(unit: Callable[[date], Window]) -> Callable[[Window], Window]:
    return lambda window: _whole_before(unit)(window.start)


PERIODS: dict[str, Period] = {
    period.name: period
    for period in (
        Period("today", _last(1), "the account's local day, so far", _same_length_before),
        Period("yesterday", _yesterday, "the day before", _same_length_before),
        Period("7d", _last(7), "seven days, today included", _same_length_before),
        Period("30d", _last(30), "thirty days, today included", _same_length_before),
        Period("90d", _last(90), "ninety days, today included", _same_length_before),
        Period("12m", _last(365), "365 days, today included", _same_length_before),
        Period("this_week", _week, "Monday to today", _same_days_before(_week)),
        Period("last_week", _whole_before(_week), "the Monday to Sunday before", _unit_before(_week)),
        Period("wtd", _week, "the same as this_week", _same_days_before(_week)),
        Period("this_month", _month, "the 1st to today", _same_days_before(_month)),
        Period("last_month", _whole_before(_month), "the whole month before", _unit_before(_month)),
        Period("mtd", _month, "the same as this_month", _same_days_before(_month)),
        Period("this_quarter", _quarter, "the quarter's first day to today", _same_days_before(_quarter)),
        Period("last_quarter", _whole_before(_quarter), "the whole quarter before", _unit_before(_quarter)),
        Period("qtd", _quarter, "the same as this_quarter", _same_days_before(_quarter)),
        Period("this_year", _year, "1 January to today", _year_back),
        Period("last_year", _whole_before(_year), "the whole year before", _unit_before(_year)),
        Period("ytd", _year, "the same as this_year", _year_back),
    )
}


class Compare(StrEnum):
    """Which earlier window an answer is set against.  Contract §2.3."""

    NONE = "none"
    PREVIOUS = "previous"
    YOY = "yoy"


def parse_period(name: str) -> Period:
    """The shortcut of that name.  Raises ``BadRequest`` naming the value and all that would be accepted."""
    try:
        return PERIODS[name]
    except KeyError:
        raise BadRequest(
            f"Unknown period: {name[:40]}{suggestion(name, PERIODS)}; accepted: {', '.join(PERIODS)}"
        ) from None


def custom_window(start: date | None, end: date | None) -> Window:
    """The window of two explicit dates.

    Raises ``BadRequest`` when one is missing, they are in the wrong order or span more than 730 days.  Contract §2.2, §6.34.
    """
    if start is None or end is None:
        missing, given = ("start_date", "end_date") if start is None else ("end_date", "start_date")
        raise BadRequest(f"{given} needs {missing} beside it: give both dates, or a period")
    if start > end:
        raise BadRequest(f"start_date {start} is after end_date {end}")
    window = Window(start, end)
    if window.days > MAX_DAYS:
        raise BadRequest(f"Date range cannot exceed {MAX_DAYS} days: {start} to {end} is {window.days} days")
    return window


def comparison_window(window: Window, compare: Compare, period: Period | None = None) -> Window | None:
    """The window that ``window`` is compared with, or None.

    ``previous`` of a calendar period is the same days of the unit before, of explicit dates the equal length
    immediately before; ``yoy`` is the same dates a year back.  Contract §2.3, §6.10.  Raises ``BadRequest`` where the
    calendar has no such days.
    """
    if compare is Compare.NONE:
        return None
    earlier = _year_back if compare is Compare.YOY else period.previous if period else _same_length_before
    try:
        return earlier(window)
    except (OverflowError, ValueError):  # the calendar begins with year 1
        raise BadRequest(f"start_date {window.start} has no {compare.value} window before it") from None
