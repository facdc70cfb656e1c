"""The one value that travels: frozen, checked when made, canonical.  Contract §1.0.4, §2.2, §2.6."""

from dataclasses import FrozenInstanceError
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanin.catalog.accounts import Account
from fanin.catalog.dimensions import DIMENSIONS, Table
from fanin.catalog.endpoints import ENDPOINTS, INCLUDES, UTM, Shape
from fanin.catalog.errors import BadRequest, InvalidQuery, NotFound
from fanin.catalog.filters import FILTER_FIELDS, MAX_FILTERS, Filter, Match, make_filter, parse_filters
from fanin.catalog.limits import LIMITS
from fanin.catalog.metrics import METRICS, sums_needed
from fanin.catalog.periods import PERIODS, Compare, Window, comparison_window
from fanin.catalog.query import (
    FreeColumns,
    Granularity,
    Interval,
    Scope,
    SortOrder,
    StatsQuery,
    groupings,
    make_scope,
    summed_metrics,
)
from fanin.tests.questions import NEEDED
from fanin.tests.questions import ask_needed as ask
from fanin.warehouse.layout import FACTS

UNHURRIED = settings(deadline=None)  # a slow machine is no failure

NOW = datetime(2026, 3, 18, 12, 0, tzinfo=UTC)
MARCH = Window(date(2026, 3, 1), date(2026, 3, 18))
FEBRUARY = Window(date(2026, 2, 1), date(2026, 2, 18))
SCOPE = Scope("acme", MARCH, FEBRUARY)
ONE_DAY = Scope("acme", Window(date(2026, 3, 18), date(2026, 3, 18)))

COLUMNS = {table: {name for name, _ in columns} for table, columns in FACTS.items()}

every_report = pytest.mark.parametrize("report", ENDPOINTS)
paged = {name: endpoint.page_size for name, endpoint in ENDPOINTS.items() if endpoint.page_size}


def scope(**asked: Any) -> Scope:
    return make_scope(Account("acme", "Europe/Madrid"), NOW, **asked)


def problems(report: str, **asked: Any) -> list[tuple[str, str, str]]:
    """``(field, type, message)`` of a question that cannot be asked."""
    with pytest.raises(InvalidQuery) as refused:
        ask(SCOPE, report, **asked)
    return [(problem.field, problem.type, problem.message) for problem in refused.value.detail]


# --- the scope ----------------------------------------------------------------------------------------------------


def test_without_period_and_dates_it_is_the_last_thirty_days():
    assert scope() == scope(period="30d") == Scope("acme", Window(date(2026, 2, 17), date(2026, 3, 18)))


@pytest.mark.parametrize("name", PERIODS)
def test_a_period_is_the_same_question_as_its_own_dates(name):
    window = PERIODS[name].window(date(2026, 3, 18))

    assert scope(period=name) == scope(start_date=window.start, end_date=window.end)


def test_a_period_wins_over_dates_even_over_half_a_range():
    assert scope(period="7d", start_date=date(2020, 1, 1), end_date=date(2020, 1, 2)) == scope(period="7d")
    assert scope(period="7d", start_date=date(2026, 3, 1)) == scope(period="7d")


@pytest.mark.parametrize(
    ("zone", "today"),
    [("UTC", date(2026, 3, 18)), ("Pacific/Kiritimati", date(2026, 3, 19)), ("Pacific/Pago_Pago", date(2026, 3, 17))],
)
def test_today_is_told_in_the_accounts_own_zone(zone, today):
    at_ten = datetime(2026, 3, 18, 10, 30, tzinfo=UTC)

    assert make_scope(Account("acme", zone), at_ten, period="today").window == Window(today, today)


@pytest.mark.parametrize("compare", Compare)
@pytest.mark.parametrize("name", PERIODS)
def test_the_comparison_of_a_scope_is_that_of_its_period(name, compare):
    period = PERIODS[name]

    assert scope(period=name, compare=compare).comparison == comparison_window(
        period.window(date(2026, 3, 18)), compare, period
    )


def test_explicit_dates_are_compared_with_the_days_right_before():
    asked = scope(start_date=date(2026, 3, 1), end_date=date(2026, 3, 18), compare=Compare.PREVIOUS)

    assert asked.comparison == Window(date(2026, 2, 11), date(2026, 2, 28))


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"period": "31x"}, "Unknown period: 31x; accepted: "),
        ({"period": ""}, "Unknown period: ; accepted: "),
        ({"start_date": date(2026, 3, 1)}, "start_date needs end_date beside it: "),
        ({"end_date": date(2026, 3, 1)}, "end_date needs start_date beside it: "),
        ({"start_date": date(2026, 3, 2), "end_date": date(2026, 3, 1)}, "start_date 2026-03-02 is after end_date "),
        ({"start_date": date(2020, 1, 1), "end_date": date(2026, 3, 1)}, "Date range cannot exceed 730 days: "),
    ],
)
def test_dates_that_make_no_window_are_refused(asked, message):
    with pytest.raises(BadRequest) as refused:
        scope(**asked)

    assert refused.value.message.startswith(message)


def test_the_filters_of_a_scope_have_no_order_and_no_repetition():
    spain, shop = make_filter("country", "eq", ["ES"]), make_filter("path", "contains", ["/shop"])

    assert scope(filters=[spain, shop, spain]) == scope(filters=(shop, spain))
    assert scope(filters=[shop, spain]).filters == tuple(sorted([shop, spain]))


def test_a_scope_takes_no_more_than_a_hundred_filters_whoever_made_them():
    filters = [make_filter("path", "ne", [f"/{number}"]) for number in range(MAX_FILTERS + 1)]

    assert len(scope(filters=filters[1:]).filters) == 100
    with pytest.raises(BadRequest, match="filters: at most 100 conditions, got 101"):
        scope(filters=filters)


# --- defaults and canonical form ----------------------------------------------------------------------------------


@every_report
def test_what_is_left_out_is_filled_in_from_the_table(report):
    endpoint = ENDPOINTS[report]

    needed = NEEDED.get(endpoint.shape, {})

    assert ask(SCOPE, report) == StatsQuery(
        scope=SCOPE if endpoint.compare is not None else Scope("acme", MARCH),
        report=report,
        page=1,
        page_size=endpoint.page_size.default if endpoint.page_size else 0,
        sort_by=endpoint.default_sort,
        sort_order=SortOrder.DESC,
        search="",
        granularity=Granularity.DAILY if report == "overview" else Granularity.AUTO,
        include=(),
        goals=needed.get("goals", ()),
        steps=needed.get("steps", ()),
        free=FreeColumns() if report == "query" else None,
    )


@every_report
def test_defaults_written_out_make_the_same_question(report):
    endpoint = ENDPOINTS[report]
    written: dict[str, Any] = {"page": 1, "sort_by": endpoint.default_sort, "sort_order": SortOrder.DESC, "search": ""}
    if endpoint.page_size:
        written["page_size"] = endpoint.page_size.default

    assert ask(SCOPE, report, **written) == ask(SCOPE, report)
    assert hash(ask(SCOPE, report, **written)) == hash(ask(SCOPE, report))


def test_a_question_cannot_be_changed():
    query = ask(SCOPE, "sources")

    with pytest.raises(FrozenInstanceError):
        query.page = 2  # type: ignore[misc]  # the point of the test
    with pytest.raises(FrozenInstanceError):
        query.scope.account = "other"  # type: ignore[misc]


def test_questions_that_mean_the_same_are_one_key_however_they_were_spelled():
    dates = {"start_date": date(2026, 2, 17), "end_date": date(2026, 3, 18)}
    spellings = [
        ask(scope(filters=parse_filters("country:eq:ES,os:in:iOS|Android")), "sources", search="Goo"),
        ask(scope(period="30d", filters=parse_filters("os:in:android|ios,country:in:es")), "sources", search="goo"),
        ask(
            scope(**dates, filters=parse_filters("country:eq:es,os:in:iOS|Android|ios")),
            "sources",
            page=1,
            search="GOO",
        ),
    ]

    assert len(set(spellings)) == 1


def test_questions_that_differ_in_anything_are_different_keys():
    asked = [
        ask(SCOPE, "sources"),
        ask(SCOPE, "mediums"),
        ask(Scope("other", MARCH, FEBRUARY), "sources"),
        ask(Scope("acme", FEBRUARY, FEBRUARY), "sources"),
        ask(Scope("acme", MARCH), "sources"),
        ask(Scope("acme", MARCH, FEBRUARY, (Filter("os", Match.ONE_OF, False, ("ios",)),)), "sources"),
        ask(Scope("acme", MARCH, FEBRUARY, (Filter("os", Match.ONE_OF, True, ("ios",)),)), "sources"),
        ask(SCOPE, "sources", page=2),
        ask(SCOPE, "sources", page_size=10),
        ask(SCOPE, "sources", sort_by="revenue"),
        ask(SCOPE, "sources", sort_order=SortOrder.ASC),
        ask(SCOPE, "sources", search="x"),
    ]

    assert len(set(asked)) == len(asked)


def test_what_has_nothing_to_compare_leaves_the_comparison_aside():
    incomparable = {name for name, row in ENDPOINTS.items() if row.compare is None}

    assert ask(SCOPE, "funnel") == ask(Scope("acme", MARCH), "funnel")
    assert {report for report in ENDPOINTS if ask(SCOPE, report).scope.comparison is None} == incomparable


@pytest.mark.parametrize(
    ("window", "granularity", "step"),
    [
        (ONE_DAY, Granularity.AUTO, Granularity.HOURLY),
        (SCOPE, Granularity.AUTO, Granularity.DAILY),
        (ONE_DAY, Granularity.DAILY, Granularity.DAILY),
        (SCOPE, Granularity.HOURLY, Granularity.HOURLY),
    ],
)
def test_automatic_steps_are_hours_for_one_day_and_days_for_more(window, granularity, step):
    assert ask(window, "overview", granularity=granularity).granularity is step


@pytest.mark.parametrize("report", ["pages", "landing_pages"])
def test_included_columns_are_dimensions_in_the_tables_order(report):
    asked = ask(SCOPE, report, include=["os", "device", "os"], include_utm=True)

    assert asked.include == (*UTM, "device_type", "os")
    assert asked.dimensions == (*ENDPOINTS[report].dimensions, *UTM, "device_type", "os")
    assert asked == ask(SCOPE, report, include=["device", "os"], include_utm=True)
    assert ask(SCOPE, report, include=INCLUDES).include == tuple(INCLUDES.values())


# --- what cannot be asked -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("report", paged)
def test_a_page_size_is_from_1_to_the_maximum_of_the_report(report):
    size = ENDPOINTS[report].page_size
    assert size

    for accepted in (1, size.maximum):
        assert ask(SCOPE, report, page_size=accepted).page_size == accepted
    for refused in (0, -1, size.maximum + 1):
        message = f"{size.parameter} must be between 1 and {size.maximum}, got {refused}"
        assert problems(report, page_size=refused) == [(size.parameter, "out_of_range", message)]


@pytest.mark.parametrize("report", [name for name, size in paged.items() if size.parameter == "page_size"])
def test_pages_are_counted_from_1_to_a_million(report):
    assert [ask(SCOPE, report, page=page).page for page in (1, 1_000_000)] == [1, 1_000_000]
    for refused in (0, -1, 1_000_001):
        message = f"page must be between 1 and 1000000, got {refused}"
        assert problems(report, page=refused) == [("page", "out_of_range", message)]


@every_report
def test_a_report_is_sorted_by_the_fields_of_its_row_alone(report):
    endpoint = ENDPOINTS[report]
    accepted = ", ".join(endpoint.sort) or "none"

    assert [ask(SCOPE, report, sort_by=name).sort_by for name in endpoint.sort] == list(endpoint.sort)
    for refused in (
        "utm_source",
        "",
        *(name for name in METRICS if name not in endpoint.sort),
    ):
        if refused == endpoint.default_sort:
            continue
        message = f"{report} cannot be sorted by '{refused}'; accepted: {accepted}"
        assert problems(report, sort_by=refused) == [("sort_by", "enum", message)]


def test_a_search_has_at_most_200_characters():
    assert ask(SCOPE, "sources", search="x" * 200).search == "x" * 200
    assert problems("sources", search="x" * 201) == [
        ("search", "string_too_long", "search is longer than 200 characters")
    ]


@every_report
def test_what_a_report_does_not_take_is_refused_rather_than_ignored(report):
    endpoint = ENDPOINTS[report]
    goals = endpoint.conversion_type or endpoint.shape is Shape.GOAL
    given: dict[str, tuple[Any, bool]] = {
        "page": (2, endpoint.page_size is not None and endpoint.page_size.parameter == "page_size"),
        "page_size": (10, endpoint.page_size is not None),
        "sort_order": (SortOrder.ASC, bool(endpoint.sort)),
        "search": ("x", endpoint.search),
        "granularity": (Granularity.HOURLY, endpoint.granularity),
        "include": (["os"], endpoint.include),
    }
    named = {
        "conversion_type": ({"goals": ["lead"]}, goals),
        "interval": ({"interval": Interval.WEEK}, endpoint.shape is Shape.SERIES),
        "steps": ({"steps": ["/", "/b"]}, endpoint.shape is Shape.STEPS),
        "dimensions": ({"free": FreeColumns(("os",))}, endpoint.shape is Shape.FREE),
    }

    asked = {name: ({name: value}, taken) for name, (value, taken) in given.items()} | named
    for name, (arguments, taken) in asked.items():
        if taken:
            assert ask(SCOPE, report, **arguments).report == report
        else:
            assert problems(report, **arguments) == [(name, "extra_forbidden", f"{report} does not take {name}")]


@pytest.mark.parametrize("word", ["cookies", "device_type", "utm_source", "channel", "", "Device"])
def test_only_the_documented_words_can_be_included(word):
    near = {"device_type": " (did you mean 'device'?)", "channel": " (did you mean 'channel_group'?)"}
    near["Device"] = near["device_type"]
    message = f"'{word}' cannot be included{near.get(word, '')}; accepted: device, browser, os, channel_group"

    assert problems("pages", include=["os", word]) == [("include", "enum", message)]


def test_all_problems_of_a_question_are_told_at_once():
    asked = problems("pages", page=0, page_size=1001, sort_by="revenue", search="x" * 201, include=["city", "town"])

    assert [(field, kind) for field, kind, _ in asked] == [
        ("search", "extra_forbidden"),
        ("page_size", "out_of_range"),
        ("page", "out_of_range"),
        ("sort_by", "enum"),
        ("include", "enum"),
        ("include", "enum"),
    ]


def test_a_question_made_by_hand_is_checked_as_well():
    with pytest.raises(InvalidQuery) as refused:
        StatsQuery(SCOPE, "pages", page_size=0, sort_by="nothing", include=("country",))

    assert [problem.field for problem in refused.value.detail] == ["page_size", "sort_by", "include"]


@pytest.mark.parametrize(
    ("report", "message"),
    [
        ("sorces", "Unknown report: sorces (did you mean 'sources'?)"),
        ("landing-pages", "Unknown report: landing-pages (did you mean 'landing_pages'?)"),
        ("", "Unknown report: "),
    ],
)
def test_an_unknown_report_is_not_found_whoever_asks(report, message):
    for make in (lambda: ask(SCOPE, report), lambda: StatsQuery(SCOPE, report)):
        with pytest.raises(NotFound) as refused:
            make()
        assert refused.value.message == message


def refused_fields(report: str, **asked: Any) -> set[str]:
    try:
        ask(SCOPE, report, **asked)
    except InvalidQuery as error:
        return {problem.field for problem in error.detail}
    return set()


@UNHURRIED
@given(st.sampled_from(sorted(ENDPOINTS)), st.integers(-5, 20_000), st.integers(-5, 20_000), st.text(), st.text())
def test_exactly_the_fields_that_are_out_of_range_are_refused(report, page, page_size, sort_by, search):
    endpoint, size = ENDPOINTS[report], ENDPOINTS[report].page_size
    pages = size is not None and size.parameter == "page_size"
    wrong = {
        "page": page != 1 if not pages else page < 1,
        size.parameter if size else "page_size": not 1 <= page_size <= size.maximum if size else page_size != 0,
        "sort_by": sort_by not in (*endpoint.sort, endpoint.default_sort),
        "search": bool(search) and not endpoint.search,
    }

    asked = refused_fields(report, page=page, page_size=page_size, sort_by=sort_by, search=search)

    assert asked == {field for field, claim in wrong.items() if claim}


# --- what has to be scanned ---------------------------------------------------------------------------------------


def test_the_parts_of_each_shape_are_as_its_answerer_knows_them():
    def parts(query: StatsQuery) -> dict[str, tuple[str, tuple[str, ...]]]:
        return {name: (part.table.value, part.dimensions) for name, part in groupings(query).items()}

    assert parts(ask(SCOPE, "overview")) == {"series": ("sessions", ("day",))}
    assert parts(ask(ONE_DAY, "overview")) == {"series": ("sessions", ("day", "hour"))}
    assert parts(ask(SCOPE, "sources")) == {"rows": ("sessions", ("utm_source",))}
    assert parts(ask(SCOPE, "pages", include=["os"])) == {"rows": ("page_views", ("path", "content_grouping", "os"))}
    assert parts(ask(SCOPE, "devices")) == {
        "device_type": ("sessions", ("device_type",)),
        "browser": ("sessions", ("browser",)),
        "os": ("sessions", ("os",)),
    }
    assert (
        parts(ask(SCOPE, "conversions"))
        == parts(ask(SCOPE, "microconversions"))
        == {
            "rows": ("goals", ("goal_kind", "goal")),
            "by_source": ("goals", ("goal_kind", "goal", *UTM)),
            "by_country": ("goals", ("goal_kind", "goal", "country")),
        }
    )
    assert parts(ask(SCOPE, "funnel")) == {
        "rows": ("sessions", UTM[:4]),
        "goals": ("goals", ("goal_kind", "goal", *UTM[:4])),
    }


@every_report
@pytest.mark.parametrize("include", [(), tuple(INCLUDES)], ids=["plain", "included"])
def test_a_report_is_grouped_only_by_what_its_table_holds(report, include):
    taken = include if ENDPOINTS[report].include else ()
    for part in groupings(ask(SCOPE, report, include=taken, include_utm=bool(taken))).values():
        assert len(part.dimensions) == len(set(part.dimensions))
        assert {DIMENSIONS[dimension].column(part.table) for dimension in part.dimensions} <= COLUMNS[part.table]


@pytest.mark.parametrize("table", Table)
def test_every_dimension_that_filters_take_is_a_column_of_every_table(table):
    assert {DIMENSIONS[field].column(table) for field in FILTER_FIELDS} <= COLUMNS[table]


@every_report
def test_every_metric_of_a_report_is_summed_in_its_table_or_derived_from_such(report):
    query = ask(SCOPE, report)
    own = query.endpoint.table
    summed = summed_metrics(query, own)

    needed = {name for name in sums_needed(query.endpoint.metrics) if METRICS[name].aggregates}
    assert needed <= set(summed)
    assert all(own in METRICS[name].aggregates for name in summed)


@every_report
def test_a_table_is_asked_for_what_it_can_sum_and_nothing_twice(report):
    query = ask(SCOPE, report)
    for table in Table:
        summed = summed_metrics(query, table)

        assert len(summed) == len(set(summed))
        assert all(table in METRICS[name].aggregates for name in summed)


def test_goals_are_counted_and_their_money_summed_for_every_report_that_reads_them():
    readers = [
        name for name in ENDPOINTS if any(part.table is Table.GOALS for part in groupings(ask(SCOPE, name)).values())
    ]

    assert readers == ["conversions", "microconversions", "funnel", "microconversion", "microconversion_types"]
    assert all({"count", "revenue"} <= set(summed_metrics(ask(SCOPE, name), Table.GOALS)) for name in readers)


def test_all_reports_together_read_three_tables():
    assert {part.table for name in ENDPOINTS for part in groupings(ask(SCOPE, name)).values()} == set(Table)
    assert {endpoint.shape for endpoint in ENDPOINTS.values()} == set(Shape)


def test_the_limits_are_told_by_name_with_what_they_count():
    assert {name: limit for name, (limit, _) in LIMITS.items()} == {
        "max_days": 730,
        "max_batch_queries": 50,
        "max_body_bytes": 1_048_576,
        "max_graphql_bytes": 100_000,
        "max_graphql_array": 10,
        "max_live_connections": 20,
        "max_subscriptions": 20,
        "max_query_string_bytes": 32_768,
        "max_search_length": 200,
        "max_filters": 100,
        "max_filter_values": 100,
        "max_filter_value_length": 500,
    }
