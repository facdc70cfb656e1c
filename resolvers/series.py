"""The answer to a time series: one point per hour, day, week or month of the window, the empty ones included.

The comparison stands beside it day by day: a year earlier the days of the same date, else those as far from the beginning.
Months stand beside months when both windows begin on the same day of one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np

from ..catalog.metrics import additive_metrics, value_of
from ..catalog.periods import Compare, Window, comparison_window
from ..catalog.query import Interval, StatsQuery
from ..warehouse.store import Column, Groups
from .figures import Answer, as_rows, figure_column

EPOCH = date(1970, 1, 1)
LEAP_DAY = (2, 29)  # stands beside nothing a year earlier
MONDAY = 3  # days from 1970-01-01, a Thursday, back to its week's Monday


@dataclass(frozen=True, slots=True)
class Moment:
    """One point's place in time: its days inside the window, and its hour when it is no longer than that."""

    first: date
    last: date
    hour: int | None = None


def time_series(query: StatsQuery, parts: Mapping[str, Groups]) -> Answer:
    """``{interval, date_range, points}``; a point has every metric and, where there is a comparison, its ``_prev``."""
    groups, window, comparison = parts["points"], query.scope.window, query.scope.comparison
    moments = _moments(window, query.interval)
    metrics = query.endpoint.metrics
    days = groups.keys["day"].codes.astype(np.int64)
    sums = _sums(groups, window, _places(groups, days, window, query.interval), len(moments))
    columns: dict[str, list[Any]] = {
        "date": [moment.first for moment in moments],
        "end_date": [moment.last for moment in moments],
        "hour": [moment.hour for moment in moments],
    }
    columns |= {name: figure_column(name, value_of(name, sums)) for name in metrics}
    if comparison is None:
        names = ("comparison_date", *(f"{name}_prev" for name in additive_metrics(metrics)))
        columns |= dict.fromkeys(names, [None] * len(moments))
    else:
        columns |= _compared(query, groups, moments, comparison)
    return {
        "interval": query.interval,
        "date_range": {"start_date": window.start, "end_date": window.end, "days": window.days},
        "points": as_rows(columns),
    }


# --- the window's own points --------------------------------------------------------------------------------------


def _moments(window: Window, interval: Interval) -> list[Moment]:
    days = [window.start + timedelta(days=number) for number in range(window.days)]
    if interval is Interval.HOUR:
        return [Moment(day, day, hour) for day in days for hour in range(24)]
    numbers = _numbers(np.arange(window.days) + _number(window.start), interval)
    first = np.flatnonzero(np.diff(numbers, prepend=numbers[0] - 1)).tolist()
    return [Moment(days[start], days[end - 1]) for start, end in zip(first, [*first[1:], len(days)], strict=True)]


def _places(groups: Groups, days: Column, window: Window, interval: Interval) -> Column:
    """Which of the window's points groups of these days belong to; those outside it get a place that is none."""
    if interval is Interval.HOUR:
        return (days - _number(window.start)) * 24 + groups.keys["hour"].codes.astype(np.int64)
    return _numbers(days, interval) - _numbers(np.array([_number(window.start)]), interval)[0]


def _numbers(days: Column, interval: Interval) -> Column:
    """Days as numbers of their day, week or month, each without gaps."""
    if interval is Interval.WEEK:
        return (days + MONDAY) // 7
    if interval is Interval.MONTH:
        return days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    return days


def _sums(groups: Groups, window: Window, places: Column, height: int) -> dict[str, Column]:
    inside = (places >= 0) & (places < height)
    return {
        name: np.bincount(places[inside], weights=column[inside], minlength=height).astype(np.int64)
        for name, column in groups.sums[window].items()
    }


def _number(day: date) -> int:
    return (day - EPOCH).days


# --- the comparison beside them -----------------------------------------------------------------------------------


def _compared(query: StatsQuery, groups: Groups, moments: list[Moment], comparison: Window) -> dict[str, list[Any]]:
    beside = _Beside(query.scope.window, comparison, query.interval)
    sums = _sums(groups, comparison, beside.places(groups), len(moments))
    days = [beside.first_day(moment) for moment in moments]
    columns: dict[str, list[Any]] = {"comparison_date": days}
    for name in additive_metrics(query.endpoint.metrics):
        values = figure_column(name, value_of(name, sums))
        columns[f"{name}_prev"] = [value if day else None for value, day in zip(values, days, strict=True)]
    return columns


@dataclass(frozen=True, slots=True)
class _Beside:
    """Which days of the comparison stand beside which of the window."""

    window: Window
    comparison: Window
    interval: Interval

    def first_day(self, moment: Moment) -> date | None:
        """The first day beside a point; None when the comparison has none there."""
        if self._months:
            begins = _months_on(self.comparison.start, _months_between(self.window.start, moment.first))
            return max(begins, self.comparison.start) if begins <= self.comparison.end else None
        days = (
            self._day(moment.first + timedelta(days=number)) for number in range((moment.last - moment.first).days + 1)
        )
        return next((day for day in days if day), None)

    def places(self, groups: Groups) -> Column:
        """The point each group of the comparison stands beside."""
        if self._months:
            return _places(groups, groups.keys["day"].codes.astype(np.int64), self.comparison, self.interval)
        days = groups.keys["day"].codes.astype(np.int64) - _number(self.comparison.start)
        inside = (days >= 0) & (days < self.comparison.days)
        window_days = np.full(self.comparison.days, -1, dtype=np.int64)
        for number in range(self.window.days):
            if day := self._day(self.window.start + timedelta(days=number)):
                window_days[(day - self.comparison.start).days] = _number(self.window.start) + number
        beside = np.where(inside, window_days[np.where(inside, days, 0)], -1)
        return np.where(beside >= 0, _places(groups, beside, self.window, self.interval), -1)

    def _day(self, day: date) -> date | None:
        """The day beside a day: a year earlier it has the same date, else the same distance from the beginning."""
        if self.comparison == comparison_window(self.window, Compare.YOY):
            beside = None if (day.month, day.day) == LEAP_DAY else day.replace(year=day.year - 1)
        else:
            beside = day - (self.window.start - self.comparison.start)
        return beside if beside and beside <= self.comparison.end else None

    @property
    def _months(self) -> bool:
        """Whole months stand beside whole months where both windows begin on the same day of one."""
        return self.interval is Interval.MONTH and self.window.start.day == self.comparison.start.day


def _months_between(first: date, second: date) -> int:
    return (second.year - first.year) * 12 + second.month - first.month


def _months_on(day: date, months: int) -> date:
    """The first of the month so many months after a day's."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, 1)
