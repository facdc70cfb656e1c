"""Figures: how summed integers leave the engine.  Counts are ``int``, money ``Decimal`` and rates ``float``, two decimals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

from ..catalog.metrics import METRICS, Unit, value_of
from ..warehouse.store import Column

Answer = dict[str, Any]
Sums = Mapping[str, Any]


def summed(sums: Mapping[str, Column]) -> dict[str, int]:
    return {name: int(column.sum()) for name, column in sums.items()}


def figures(sums: Sums, metrics: Iterable[str]) -> Answer:
    return {name: figure(name)(value_of(name, sums)) for name in metrics}


def figure_column(metric: str, column: Column) -> list[Any]:
    present = figure(metric)
    return column.tolist() if present is int else [present(value) for value in column.tolist()]


def figure(metric: str) -> Callable[[int], Any]:
    """How an integer of this metric's unit leaves the engine."""
    return _PRESENT[METRICS[metric].unit]


def money(cents: int) -> Decimal:
    return Decimal(cents).scaleb(-2)


def _hundredths(value: int) -> float:
    return value / 100


_PRESENT: dict[Unit, Callable[[int], Any]] = {
    Unit.COUNT: int,
    Unit.MONEY: money,
    Unit.PERCENT: _hundredths,
    Unit.RATIO: _hundredths,
}


def as_rows(columns: Mapping[str, list[Any]]) -> list[Answer]:
    names = tuple(columns)
    return [dict(zip(names, values, strict=True)) for values in zip(*columns.values(), strict=True)]
