"""The metrics: what is summed in a scan, what is computed from the sums, in which unit it leaves.  Contract §3.

Rates are computed from summed counts, never averaged, and are 0 where the denominator is 0.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from .dimensions import Table


class Unit(StrEnum):
    """The unit of a metric, and so its type at every door."""

    COUNT = "count"  # int
    MONEY = "money"  # integer cents inside, Decimal outside
    PERCENT = "percent"  # 0 to 100, two decimals
    RATIO = "ratio"  # two decimals


@dataclass(frozen=True, slots=True)
class Aggregate:
    """How one fact table sums a metric: what each row adds, and which rows do."""

    adds: str = "1"  # SQL over the table's columns; 1 counts rows
    where: str = ""

    @property
    def total(self) -> str:
        """The SQL aggregate, to which a FILTER may be added."""
        return "count(*)" if self.adds == "1" else f"sum({self.adds})"

    @property
    def per_row(self) -> str:
        """What one row adds, as an SQL expression."""
        return f"CASE WHEN {self.where} THEN {self.adds} ELSE 0 END" if self.where else self.adds


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: either summed by the warehouse (``aggregates``) or derived from the metrics it ``needs``.

    ``derive`` takes plain integers or numpy columns of them; percent and ratio come out in whole hundredths.
    """

    name: str
    unit: Unit
    meaning: str
    aggregates: Mapping[Table, Aggregate] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    derive: Callable[..., Any] | None = None

    @property
    def additive(self) -> bool:
        return self.derive is None


def _rounded(scale: int, cap: int | None = None) -> Callable[[Any, Any], Any]:
    """``part × scale ÷ whole`` as an integer, rounded half up; 0 where the whole is 0."""

    def derive(part: Any, whole: Any) -> Any:
        empty = whole == 0
        divisor = whole + empty  # never zero
        value = (2 * scale * part + divisor) // (2 * divisor) * (1 - empty)
        return value if cap is None else value - (value > cap) * (value - cap)

    return derive


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "entrances",
            Unit.COUNT,
            "sessions started in the window",
            {
                Table.SESSIONS: Aggregate(),
                Table.PAGE_VIEWS: Aggregate(where="is_entrance"),
            },
        ),
        Metric(
            "engaged_entrances",
            Unit.COUNT,
            "sessions with two or more page views",
            {
                Table.SESSIONS: Aggregate(where="page_views >= 2"),
                Table.PAGE_VIEWS: Aggregate(where="is_entrance AND is_engaged"),
            },
        ),
        Metric(
            "bounces",
            Unit.COUNT,
            "entrances less engaged entrances",
            needs=("entrances", "engaged_entrances"),
            derive=operator.sub,
        ),
        Metric(
            "bounce_rate",
            Unit.PERCENT,
            "bounces in percent of entrances",
            needs=("bounces", "entrances"),
            derive=_rounded(100_00),
        ),
        Metric(
            "page_views",
            Unit.COUNT,
            "page loads; a reload counts again",
            {
                Table.SESSIONS: Aggregate("page_views"),
                Table.PAGE_VIEWS: Aggregate(),
            },
        ),
        Metric(
            "pages_per_session",
            Unit.RATIO,
            "page views per entrance",
            needs=("page_views", "entrances"),
            derive=_rounded(100),
        ),
        Metric(
            "microconversions",
            Unit.COUNT,
            "micro events",
            {
                Table.SESSIONS: Aggregate("microconversions"),
                Table.GOALS: Aggregate(where="NOT is_conversion"),
            },
        ),
        Metric(
            "conversions",
            Unit.COUNT,
            "conversion events; several in one session count each",
            {
                Table.SESSIONS: Aggregate("conversions"),
                Table.GOALS: Aggregate(where="is_conversion"),
            },
        ),
        Metric(
            "conversion_rate",
            Unit.PERCENT,
            "conversions in percent of entrances, at most 100",
            needs=("conversions", "entrances"),
            derive=_rounded(100_00, cap=100_00),
        ),
        Metric(
            "revenue",
            Unit.MONEY,
            "the sum of conversion amounts in the account's currency",
            {
                Table.SESSIONS: Aggregate("revenue_cents"),
                Table.GOALS: Aggregate("amount_cents"),
            },
        ),
        Metric(
            "average_order_value",
            Unit.MONEY,
            "revenue per conversion",
            needs=("revenue", "conversions"),
            derive=_rounded(1),
        ),
        Metric("count", Unit.COUNT, "how often the goal was reached", {Table.GOALS: Aggregate()}),
        Metric(
            "avg_value",
            Unit.MONEY,
            "revenue per conversion of that type",
            needs=("revenue", "count"),
            derive=_rounded(1),
        ),
        Metric("unique_pages", Unit.COUNT, "how many different pages of the group there were"),
        Metric(
            "percentage",
            Unit.PERCENT,
            "the row's share of the whole, in percent",
            needs=("part", "whole"),
            derive=_rounded(100_00),
        ),
    )
}


def value_of(name: str, sums: Mapping[str, Any]) -> Any:
    """The metric out of summed ones: integers, or numpy columns; money in cents, rates in hundredths.

    ``percentage`` needs a ``part`` and a ``whole`` among the sums, which only the answerer knows.
    """
    if name in sums:
        return sums[name]
    metric = METRICS[name]
    if metric.derive is None:
        raise KeyError(f"{name} is summed by the warehouse and is not among the sums")
    return metric.derive(*(value_of(need, sums) for need in metric.needs))


def sums_needed(names: Iterable[str]) -> tuple[str, ...]:
    """The additive metrics from which all of ``names`` can be told, in the table's order."""
    needed: set[str] = set()
    todo = list(names)
    while todo:
        name = todo.pop()
        metric = METRICS.get(name)
        if metric is not None:
            todo.extend(metric.needs)
            needed.add(name)
    return tuple(name for name, metric in METRICS.items() if name in needed and metric.additive)


def additive_metrics(names: Iterable[str]) -> tuple[str, ...]:
    """Those that can be set side by side with an earlier window's: the summed ones."""
    return tuple(name for name in names if METRICS[name].additive)


# The metric that counts a table's own rows: a group without any is only there because of a comparison.
ROW_COUNT: dict[Table, str] = {
    Table.SESSIONS: "entrances",
    Table.PAGE_VIEWS: "page_views",
    Table.GOALS: "count",
}
