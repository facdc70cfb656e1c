"""What each metric means, on numbers small enough to check by hand.  Contract §3."""

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanin.catalog.dimensions import Table
from fanin.catalog.endpoints import ENDPOINTS
from fanin.catalog.metrics import METRICS, ROW_COUNT, Aggregate, Unit, sums_needed, value_of

UNHURRIED = settings(deadline=None)  # a slow machine is no failure

DERIVED = [name for name, metric in METRICS.items() if not metric.additive]
QUOTIENTS = [name for name in DERIVED if name != "bounces"]
SUMMED = [name for name, metric in METRICS.items() if metric.additive]
SCALE = {Unit.PERCENT: 100_00, Unit.RATIO: 100, Unit.MONEY: 1}  # of one whole, in what the metric is counted in

counts = st.integers(0, 10**9)
columns = st.lists(st.tuples(*[counts] * 8), min_size=1, max_size=20)
NAMES: tuple[str, ...] = (
    "entrances",
    "engaged_entrances",
    "page_views",
    "conversions",
    "revenue",
    "count",
    "part",
    "whole",
)


def sums(**given: Any) -> dict[str, Any]:
    return given


def half_up(part: int, whole: int, scale: int) -> int:
    """The same by another road: decimal arithmetic."""
    if whole == 0:
        return 0
    return int((Decimal(part) * scale / Decimal(whole)).quantize(Decimal(1), ROUND_HALF_UP))


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("bounces", sums(entrances=10, engaged_entrances=7), 3),
        ("bounce_rate", sums(entrances=10, engaged_entrances=7), 30_00),
        ("bounce_rate", sums(entrances=4200, engaged_entrances=2730), 35_00),
        ("bounce_rate", sums(entrances=3, engaged_entrances=1), 66_67),
        ("bounce_rate", sums(entrances=3, engaged_entrances=2), 33_33),
        ("bounce_rate", sums(entrances=3, engaged_entrances=0), 100_00),
        ("pages_per_session", sums(page_views=11340, entrances=4200), 2_70),
        ("pages_per_session", sums(page_views=5, entrances=3), 1_67),
        ("conversion_rate", sums(conversions=84, entrances=4200), 2_00),
        ("conversion_rate", sums(conversions=45, entrances=1900), 2_37),
        ("conversion_rate", sums(conversions=20, entrances=610), 3_28),
        ("average_order_value", sums(revenue=7392_00, conversions=84), 88_00),
        ("average_order_value", sums(revenue=100_00, conversions=3), 33_33),
        ("avg_value", sums(revenue=7392_00, count=80), 92_40),
        ("avg_value", sums(revenue=200_00, count=3), 66_67),
        ("percentage", sums(part=234, whole=456), 51_32),
        ("percentage", sums(part=2520, whole=4200), 60_00),
    ],
)
def test_a_derived_metric_is_what_the_contract_defines(name, given, expected):
    assert value_of(name, given) == expected


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("percentage", sums(part=1, whole=800), 13),  # 0.125 %
        ("percentage", sums(part=3, whole=800), 38),  # 0.375 %
        ("percentage", sums(part=1, whole=20_000), 1),  # 0.005 %
        ("percentage", sums(part=1, whole=20_001), 0),
        ("pages_per_session", sums(page_views=201, entrances=200), 1_01),  # 1.005
        ("pages_per_session", sums(page_views=203, entrances=200), 1_02),  # 1.015
        ("average_order_value", sums(revenue=1, conversions=2), 1),  # half a cent
        ("average_order_value", sums(revenue=5, conversions=2), 3),  # two and a half
        ("avg_value", sums(revenue=1, count=3), 0),
    ],
)
def test_half_a_hundredth_is_rounded_up(name, given, expected):
    assert value_of(name, given) == expected


def test_a_conversion_rate_ends_at_100_percent():
    assert [value_of("conversion_rate", sums(conversions=n, entrances=4)) for n in (3, 4, 5, 400)] == [
        75_00,
        100_00,
        100_00,
        100_00,
    ]


def test_no_other_metric_has_a_ceiling():
    assert value_of("pages_per_session", sums(page_views=10**6, entrances=1)) == 10**8
    assert value_of("percentage", sums(part=3, whole=1)) == 300_00


@pytest.mark.parametrize("name", QUOTIENTS)
def test_nothing_divided_by_nothing_is_0(name):
    empty = dict.fromkeys(NAMES, 0)

    assert value_of(name, empty) == 0
    assert value_of(name, empty | {"revenue": 5, "page_views": 5, "part": 5}) == 0


@UNHURRIED
@given(columns)
@pytest.mark.parametrize("name", DERIVED)
def test_columns_give_the_same_as_plain_integers(name, rows):
    column = {key: np.array(values, dtype=np.int64) for key, values in zip(NAMES, zip(*rows, strict=True), strict=True)}
    plain = [value_of(name, dict(zip(NAMES, row, strict=True))) for row in rows]

    assert value_of(name, column).tolist() == plain
    assert value_of(name, column).dtype == np.int64
    assert [int(value_of(name, {key: values[0] for key, values in column.items()}))] == plain[:1]


@UNHURRIED
@given(st.tuples(*[counts] * 8))
@pytest.mark.parametrize("name", QUOTIENTS)
def test_a_quotient_is_exact_to_its_last_digit(name, row):
    given = dict(zip(NAMES, row, strict=True))
    part, whole = (value_of(need, given) for need in METRICS[name].needs)
    exact = half_up(part, whole, SCALE[METRICS[name].unit])
    expected = min(exact, 100_00) if name == "conversion_rate" else exact

    if part >= 0:  # more engaged entrances than entrances there are never
        assert value_of(name, given) == expected


@pytest.mark.parametrize("make", [int, lambda number: np.array([number], dtype=np.int64)], ids=["plain", "column"])
def test_ten_billion_in_money_and_as_many_visits_stay_exact(make):
    large = dict.fromkeys(NAMES, make(10**12)) | {
        "conversions": make(3),
        "count": make(1),
        "engaged_entrances": make(1),
    }

    assert {name: np.ravel(value_of(name, large)).tolist() for name in DERIVED} == {
        "bounces": [10**12 - 1],
        "bounce_rate": [100_00],
        "pages_per_session": [1_00],
        "conversion_rate": [0],
        "average_order_value": [333_333_333_333],
        "avg_value": [10**12],
        "percentage": [100_00],
    }


def test_what_was_summed_is_told_as_it_is():
    assert value_of("entrances", sums(entrances=7)) == 7
    assert value_of("bounces", sums(bounces=2, entrances=7, engaged_entrances=7)) == 2


@pytest.mark.parametrize("name", SUMMED)
def test_what_has_to_be_summed_cannot_be_told_without_its_sum(name):
    with pytest.raises(KeyError, match=f"{name} is summed by the warehouse and is not among the sums"):
        value_of(name, {})


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_is_either_summed_or_derived_and_different_pages_are_counted_from_finer_groups(name):
    metric = METRICS[name]

    assert metric.additive == (not metric.needs)
    assert metric.additive == (bool(metric.aggregates) or name == "unique_pages")
    assert metric.name == name
    assert set(metric.needs) <= set(METRICS) | {"part", "whole"}


def test_units_are_the_documented_types():
    by_unit = {unit: [name for name, metric in METRICS.items() if metric.unit is unit] for unit in Unit}

    assert by_unit == {
        Unit.COUNT: [
            "entrances",
            "engaged_entrances",
            "bounces",
            "page_views",
            "microconversions",
            "conversions",
            "count",
            "unique_pages",
        ],
        Unit.MONEY: ["revenue", "average_order_value", "avg_value"],
        Unit.PERCENT: ["bounce_rate", "conversion_rate", "percentage"],
        Unit.RATIO: ["pages_per_session"],
    }


def test_the_sums_needed_are_all_that_the_metrics_stand_on_in_the_tables_order():
    assert sums_needed(["bounce_rate"]) == ("entrances", "engaged_entrances")
    assert sums_needed(["average_order_value", "conversion_rate"]) == ("entrances", "conversions", "revenue")
    assert sums_needed(["avg_value", "count"]) == ("revenue", "count")
    assert sums_needed(["percentage"]) == ()
    assert sums_needed([]) == ()


@pytest.mark.parametrize("report", ENDPOINTS)
def test_a_reports_sums_are_enough_to_tell_all_its_metrics(report):
    metrics = ENDPOINTS[report].metrics
    given = dict.fromkeys(sums_needed(metrics), 1) | {"part": 1, "whole": 1}

    assert {name: type(value_of(name, given)) for name in metrics} == dict.fromkeys(metrics, int)


@pytest.mark.parametrize("table", Table)
def test_the_rows_of_a_table_are_counted_by_a_metric_that_leaves_none_out(table):
    assert METRICS[ROW_COUNT[table]].aggregates[table] == Aggregate()
    assert Aggregate().total == "count(*)"


def test_an_aggregate_says_the_same_for_a_group_and_for_a_row():
    assert (Aggregate().total, Aggregate().per_row) == ("count(*)", "1")
    assert (Aggregate("cents").total, Aggregate("cents").per_row) == ("sum(cents)", "cents")
    assert (Aggregate(where="paid").total, Aggregate(where="paid").per_row) == (
        "count(*)",
        "CASE WHEN paid THEN 1 ELSE 0 END",
    )
