"""The parameters of the documented API on every report: what is taken, how it is read, what is refused.

Contract §1.0.4 and §2, batch rules 1.3, 1.5 and 1.6.
"""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanin.catalog.accounts import Account
from fanin.catalog.endpoints import ENDPOINTS, ENDPOINTS_BY_PATH, Endpoint, Shape
from fanin.catalog.errors import AccountNotFound, BadRequest, InvalidQuery, NotFound, StatsError
from fanin.catalog.filters import make_filter, parse_filters
from fanin.catalog.periods import PERIODS, Compare, Window
from fanin.catalog.query import Granularity, SortOrder, ask, make_scope
from fanin.rest_compat.params import PARAMETERS, RestQuery, endpoint_at, parameters_of, path_params, read_query
from fanin.schema.context import RequestContext
from fanin.tests.questions import READ, ask_needed

UNHURRIED = settings(deadline=None)  # a slow machine is no failure

NOW = datetime(2026, 3, 18, 23, 30, tzinfo=UTC)
ACCOUNTS = {"acme": Account("acme"), "tokyo": Account("tokyo", "Asia/Tokyo")}
CONTEXT = RequestContext(accounts=ACCOUNTS, loader=None, now=NOW)  # type: ignore[arg-type]  # reading asks no loader

# §1.0.4 and our readings of it: every report takes the account, the dates, ``filters`` and each standard filter.
EVERYWHERE = {
    "account_id",
    "site_id",
    "period",
    "start_date",
    "end_date",
    "date_from",
    "date_to",
    "filters",
    "country",
    "utm_source",
    "utm_medium",
    "utm_campaign",
    "utm_term",
    "utm_content",
    "browser",
    "os",
    "device",
    "device_type",
    "channel_group",
    "content_grouping",
    "landing_page",
    "path_filter",
    "segment",
}
LIST = "page page_size"
SORTED_LIST = f"sort_by sort_order {LIST}"
TRAFFIC_LIST = f"compare search include_totals {SORTED_LIST}"
MATRIX = {
    "/stats/overview": "compare granularity",
    "/stats/pages": f"compare include include_utm {SORTED_LIST}",
    "/stats/sources": TRAFFIC_LIST,
    "/stats/mediums": TRAFFIC_LIST,
    "/stats/campaigns": TRAFFIC_LIST,
    "/stats/terms": TRAFFIC_LIST,
    "/stats/contents": TRAFFIC_LIST,
    "/stats/referrers": TRAFFIC_LIST,
    "/stats/countries": f"compare include_totals {SORTED_LIST}",
    "/stats/devices": "compare",
    "/stats/devices/types": f"compare {LIST}",
    "/stats/browsers": f"compare {LIST}",
    "/stats/os": f"compare {LIST}",
    "/stats/conversions": f"compare {SORTED_LIST}",
    "/stats/microconversions": f"compare conversion_type {SORTED_LIST}",
    "/stats/funnel": "limit",
    "/stats/landing-pages": f"compare include_totals include include_utm {SORTED_LIST}",
    "/stats/channels": TRAFFIC_LIST,
    **dict.fromkeys((path for path, row in ENDPOINTS_BY_PATH.items() if row.shape is Shape.TOP), "limit"),
    "/stats/pages/content-groups": f"compare {SORTED_LIST}",
    "/stats/landing-pages/by-content-group": f"compare {SORTED_LIST}",
    "/stats/microconversions/{type}": "type",
    "/stats/microconversions-types": "",
    "/stats/conversions/raw": f"conversion_type {LIST}",
    "/stats/microconversions/raw": f"conversion_type {LIST}",
}

# A value of each parameter that every report taking it accepts.
ACCEPTABLE: dict[str, Any] = {
    "account_id": "acme",
    "site_id": "acme",
    "period": "7d",
    "start_date": "2026-03-01",
    "end_date": "2026-03-10",
    "date_from": "2026-03-01",
    "date_to": "2026-03-10",
    "compare": "yoy",
    "filters": "browser:eq:Chrome",
    "country": "ES",
    "utm_source": "google",
    "utm_medium": "cpc",
    "utm_campaign": "brand",
    "utm_term": "shoes",
    "utm_content": "a",
    "browser": "Chrome",
    "os": "iOS",
    "device": "mobile",
    "device_type": "mobile",
    "channel_group": "Paid Search",
    "content_grouping": "Blog",
    "landing_page": "/shop",
    "path_filter": "/shop",
    "segment": "mobile",
    "conversion_type": "lead",
    "type": "cart",
    "search": "goo",
    "sort_order": "asc",
    "page": 2,
    "page_size": 5,
    "limit": 5,
    "include_totals": True,
    "granularity": "hourly",
    "include": "device",
    "include_utm": True,
}
NEEDS = {"start_date": "end_date", "end_date": "start_date", "date_from": "date_to", "date_to": "date_from"}

REPORTS = list(READ.values())
every_report = pytest.mark.parametrize("endpoint", REPORTS, ids=list(READ))


def read(path: str, **params: Any) -> RestQuery:
    return read_query(ENDPOINTS_BY_PATH[path], {"account_id": "acme"} | params, CONTEXT)


def refused(path: str, params: dict[str, Any]) -> StatsError:
    with pytest.raises(StatsError) as caught:
        read_query(ENDPOINTS_BY_PATH[path], params, CONTEXT)
    return caught.value


def problems(path: str, **params: Any) -> list[tuple[str, str, str]]:
    """``(field, type, message)`` of a query refused with 422."""
    error = refused(path, {"account_id": "acme"} | params)
    assert (type(error), error.http_status) == (InvalidQuery, 422)
    return [(problem.field, problem.type, problem.message) for problem in error.detail]


def bad_request(path: str, **params: Any) -> str:
    error = refused(path, {"account_id": "acme"} | params)
    assert (type(error), error.http_status, error.detail) == (BadRequest, 400, ())
    return error.message


def acceptable(endpoint: Endpoint, name: str) -> dict[str, Any]:
    """The fewest parameters that make a question with this one in it."""
    value = endpoint.sort[-1] if name == "sort_by" else ACCEPTABLE[name]
    needed = {NEEDS[name]: ACCEPTABLE[NEEDS[name]]} if name in NEEDS else {}
    return least(endpoint) | needed | {name: value}


def least(endpoint: Endpoint) -> dict[str, Any]:
    """The parameters that no question to this report can be without."""
    return {"account_id": "acme"} | ({"type": "form"} if endpoint.shape is Shape.GOAL else {})


# --- who takes what -----------------------------------------------------------------------------------------------


@every_report
def test_a_report_takes_exactly_the_parameters_of_the_matrix(endpoint):
    assert set(parameters_of(endpoint)) == EVERYWHERE | set(MATRIX[endpoint.path].split())


def test_the_matrix_names_every_parameter_of_the_table():
    assert EVERYWHERE | {name for taken in MATRIX.values() for name in taken.split()} == set(PARAMETERS)


@pytest.mark.parametrize("name", PARAMETERS)
@every_report
def test_each_parameter_is_taken_or_refused_on_each_report_as_the_table_says(endpoint, name):
    if name in parameters_of(endpoint):
        assert read_query(endpoint, acceptable(endpoint, name), CONTEXT).endpoint is endpoint
    else:
        value = ACCEPTABLE.get(name, "entrances")
        message = f"{endpoint.path} does not take '{name}'"
        assert problems(endpoint.path, **least(endpoint) | {name: value}) == [(name, "extra_forbidden", message)]


@every_report
def test_every_parameter_makes_another_question_or_another_answer(endpoint):
    plain = read_query(endpoint, least(endpoint), CONTEXT)
    silent = [
        name
        for name in parameters_of(endpoint)
        if name not in ("account_id", "site_id")
        and replace(read_query(endpoint, acceptable(endpoint, name), CONTEXT), dates={}) == replace(plain, dates={})
    ]

    assert silent == (["sort_by"] if len(endpoint.sort) == 1 else [])  # there is no other field to sort by


@every_report
def test_the_account_alone_asks_for_the_defaults(endpoint):
    query = read_query(endpoint, least(endpoint), CONTEXT)
    compare = Compare.PREVIOUS if endpoint.name == "overview" else Compare.NONE

    assert query == RestQuery(
        ask_needed(make_scope(ACCOUNTS["acme"], NOW, compare=compare), endpoint.name), {}, compare, (), False
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("perido", "unknown parameter 'perido' (did you mean 'period'?)"),
        ("pageSize", "unknown parameter 'pageSize' (did you mean 'page_size'?)"),
        ("utm_sorce", "unknown parameter 'utm_sorce' (did you mean 'utm_source'?)"),
        ("zzz", "unknown parameter 'zzz'"),
    ],
)
def test_an_unknown_parameter_is_named_with_the_nearest_that_is_taken(name, message):
    assert problems("/stats/sources", **{name: "1"}) == [(name, "extra_forbidden", message)]


def test_a_suggestion_is_one_that_the_report_takes():
    assert problems("/stats/devices", serach="x") == [("serach", "extra_forbidden", "unknown parameter 'serach'")]


def test_a_long_unknown_name_is_cut_short():
    assert problems("/stats/sources", **{"x" * 100: "1"}) == [
        ("x" * 60, "extra_forbidden", f"unknown parameter '{'x' * 60}'")
    ]


# --- paths --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ENDPOINTS_BY_PATH)
def test_a_path_is_found_with_and_without_one_slash_at_its_end(path):
    written = path.replace("{type}", "form")

    assert endpoint_at(written) is endpoint_at(f"{written}/") is ENDPOINTS_BY_PATH[path]


@pytest.mark.parametrize("goal", ["", "a/b", "..%2F", "a?b", "a#b", "x" * 201])
def test_a_goal_in_a_path_is_one_plain_segment(goal):
    with pytest.raises(NotFound):
        endpoint_at(f"/stats/microconversions/{goal}/")


def test_a_goal_in_a_path_is_read_as_it_is_written():
    assert path_params("/stats/microconversions/Add to cart") == {"type": "Add to cart"}
    assert path_params("/stats/microconversions/raw") == {}
    assert endpoint_at("/stats/microconversions/raw") is ENDPOINTS["microconversion_events"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/stats/sorces", "Unknown endpoint: /stats/sorces (did you mean '/stats/sources'?)"),
        ("/stats/landing_pages", "Unknown endpoint: /stats/landing_pages (did you mean '/stats/landing-pages'?)"),
        ("/stats/OS", "Unknown endpoint: /stats/OS (did you mean '/stats/os'?)"),
        ("/stats/os//", "Unknown endpoint: /stats/os// (did you mean '/stats/os'?)"),
    ],
)
def test_an_unknown_path_is_not_found_and_the_nearest_is_suggested(path, message):
    with pytest.raises(NotFound) as caught:
        endpoint_at(path)

    assert caught.value.message == message


@pytest.mark.parametrize(
    "path", ["", "/", "/stats/", "/stats/overview?x=1", "/stats/../stats/os", "/stats/%6fs", "stats/os", "/stats/os "]
)
def test_nothing_but_the_written_paths_is_found(path):
    with pytest.raises(NotFound):
        endpoint_at(path)


# --- the account --------------------------------------------------------------------------------------------------


def test_site_id_is_another_name_of_account_id():
    sources = ENDPOINTS["sources"]

    assert read_query(sources, {"site_id": "acme"}, CONTEXT) == read("/stats/sources")
    assert read_query(sources, {"site_id": "acme", "account_id": "acme"}, CONTEXT) == read("/stats/sources")


@pytest.mark.parametrize("params", [{}, {"account_id": None}, {"site_id": []}, {"account_id": [], "site_id": None}])
def test_without_an_account_there_is_no_query(params):
    assert refused("/stats/sources", params).as_json() == {
        "code": "validation_error",
        "message": "account_id is required",
        "detail": [{"field": "account_id", "message": "account_id is required", "type": "missing"}],
    }


@pytest.mark.parametrize("name", ["account_id", "site_id"])
def test_what_is_no_id_is_a_problem_of_the_parameter_that_said_it(name):
    error = refused("/stats/sources", {name: "a b"})

    assert [problem.field for problem in error.detail] == [name]
    assert error.message.startswith("'a b' is no account id: letters, digits,")


def test_an_account_that_is_not_there_is_not_found():
    with pytest.raises(AccountNotFound, match="Account not found: nobody"):
        read("/stats/sources", account_id="nobody")


def test_what_is_wrong_with_the_query_is_told_before_whether_the_account_is_there():
    assert [field for field, _, _ in problems("/stats/sources", account_id="nobody", page_size=0)] == ["page_size"]


@pytest.mark.parametrize(
    ("one", "other", "values"),
    [
        ("account_id", "site_id", ("acme", "tokyo")),
        ("start_date", "date_from", ("2026-03-01", "2026-03-02")),
        ("end_date", "date_to", ("2026-03-01", "2026-03-02")),
        ("device", "device_type", ("mobile", "tablet")),
    ],
)
def test_two_names_of_one_parameter_may_agree_but_not_differ(one, other, values):
    needed = {"start_date": "2026-03-01", "end_date": "2026-03-01"} if "date" in one else {}
    same = {one: values[0], other: values[0]}

    assert read("/stats/sources", **(needed | same)) == read("/stats/sources", **(needed | {one: values[0]}))
    for first, second in ((one, other), (other, one)):
        asked = {first: values[0], second: values[1]}
        account = {} if one == "account_id" else {"account_id": "acme"}
        error = refused("/stats/sources", account | asked)
        assert type(error) is BadRequest
        assert error.message == f"{first} and {second} name the same thing and differ: '{values[0]}' and '{values[1]}'"


def test_second_names_are_marked_in_the_table():
    assert {name: row.same_as for name, row in PARAMETERS.items() if row.same_as} == {
        "site_id": "account_id",
        "date_from": "start_date",
        "date_to": "end_date",
        "device_type": "device",
    }


# --- dates and comparison -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PERIODS)
def test_every_period_is_resolved_in_the_accounts_zone(name):
    for account, today in (("acme", date(2026, 3, 18)), ("tokyo", date(2026, 3, 19))):
        assert read("/stats/sources", account_id=account, period=name).stats.scope.window == PERIODS[name].window(today)


@pytest.mark.parametrize(("start", "end"), [("start_date", "end_date"), ("date_from", "date_to")])
def test_dates_are_iso_days_and_both_included(start, end):
    asked = read("/stats/sources", **{start: "2026-03-01", end: "2026-03-10"})

    assert asked.stats.scope.window == Window(date(2026, 3, 1), date(2026, 3, 10))
    assert asked.dates == {"start_date": date(2026, 3, 1), "end_date": date(2026, 3, 10)}


def test_a_period_wins_over_dates():
    dates = {"start_date": "2020-01-01", "end_date": "2020-01-02"}

    assert read("/stats/sources", period="7d", **dates).stats == read("/stats/sources", period="7d").stats
    assert read("/stats/sources", **dates, period="7d").stats == read("/stats/sources", period="7d").stats


@pytest.mark.parametrize("name", ["start_date", "end_date", "date_from", "date_to"])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("yesterday", "'yesterday' is no date; write YYYY-MM-DD"),
        ("2026-3-1", "'2026-3-1' is no date; write YYYY-MM-DD"),
        ("20260301", "'20260301' is no date; write YYYY-MM-DD"),
        ("2026-W10-1", "'2026-W10-1' is no date; write YYYY-MM-DD"),
        ("2026-03-01T00:00", "'2026-03-01T00:00' is no date; write YYYY-MM-DD"),
        ("٢٠٢٦-03-01", "'٢٠٢٦-03-01' is no date; write YYYY-MM-DD"),
        ("", "'' is no date; write YYYY-MM-DD"),
        ("2026-02-29", "there is no day 2026-02-29"),
        ("2026-13-01", "there is no day 2026-13-01"),
        ("0000-01-01", "there is no day 0000-01-01"),
    ],
)
def test_what_is_no_date_is_a_problem_of_the_parameter_that_said_it(name, text, message):
    assert problems("/stats/sources", **{name: text}) == [(name, "date_parsing", f"{name}: {message}")]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"period": "31x"}, f"Unknown period: 31x; accepted: {', '.join(PERIODS)}"),
        ({"start_date": "2026-03-01"}, "start_date needs end_date beside it: give both dates, or a period"),
        ({"date_to": "2026-03-01"}, "end_date needs start_date beside it: give both dates, or a period"),
        (
            {"start_date": "2026-03-02", "end_date": "2026-03-01"},
            "start_date 2026-03-02 is after end_date 2026-03-01",
        ),
        (
            {"start_date": "2024-01-01", "end_date": "2025-12-31"},
            "Date range cannot exceed 730 days: 2024-01-01 to 2025-12-31 is 731 days",
        ),
        (
            {"compare": "last"},
            "Invalid compare mode: 'last'; accepted: previous, true, yoy, none, false",
        ),
        (
            {"start_date": "0001-01-01", "end_date": "0001-01-02", "compare": "yoy"},
            "start_date 0001-01-01 has no yoy window before it",
        ),
    ],
)
def test_dates_periods_and_comparisons_out_of_range_are_bad_requests(params, message):
    assert bad_request("/stats/sources", **params) == message


@pytest.mark.parametrize(
    ("word", "compare"),
    [
        ("previous", Compare.PREVIOUS),
        ("true", Compare.PREVIOUS),
        (True, Compare.PREVIOUS),
        ("yoy", Compare.YOY),
        ("none", Compare.NONE),
        ("false", Compare.NONE),
        (False, Compare.NONE),
    ],
)
@pytest.mark.parametrize("path", ["/stats/overview", "/stats/sources", "/stats/devices"])
def test_a_comparison_is_named_by_its_word_and_true_is_previous(path, word, compare):
    asked = read(path, period="7d", compare=word)

    assert asked.compare is compare
    assert asked.stats.scope == make_scope(ACCOUNTS["acme"], NOW, period="7d", compare=compare)


def test_overview_compares_with_the_window_before_unless_told_not_to():
    window = Window(date(2026, 3, 5), date(2026, 3, 11))

    assert read("/stats/overview", period="7d").stats.scope.comparison == window
    assert read("/stats/overview", period="7d", compare="none").stats.scope.comparison is None


# --- filters ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "same"),
    [
        ("country", "es", "country:eq:ES"),
        ("country", ["es", "UNKNOWN"], "country:in:ES|Unknown"),
        ("utm_source", "Google", "utm_source:eq:google"),
        ("utm_medium", ["cpc", "organic"], "utm_medium:in:organic|cpc"),
        ("utm_campaign", "brand", "utm_campaign:eq:brand"),
        ("utm_term", "", "utm_term:eq:"),
        ("utm_content", 7, "utm_content:eq:7"),
        ("browser", ["Chrome", "Safari"], "browser:in:chrome|safari"),
        ("os", "iOS", "os:eq:ios"),
        ("device", "mobile", "device_type:eq:mobile"),
        ("device_type", ["mobile", "tablet"], "device_type:in:tablet|mobile"),
        ("channel_group", "Paid Search", "channel:eq:paid search"),
        ("channel_group", "", "channel:eq:"),
        ("content_grouping", "Blog", "content_grouping:eq:blog"),
        ("path_filter", "/Shop", "path:contains:/Shop"),
    ],
)
def test_a_standard_parameter_is_the_same_filter_as_spelled_out(name, value, same):
    assert read("/stats/sources", **{name: value}) == read("/stats/sources", filters=same)


def test_different_fields_are_joined_by_and():
    asked = read("/stats/sources", country="ES", device="mobile", filters="path:contains:/shop,os:ne:iOS")

    assert asked.stats.scope.filters == tuple(
        sorted(
            [
                make_filter("country", "eq", ["es"]),
                make_filter("device_type", "eq", ["mobile"]),
                make_filter("path", "contains", ["/shop"]),
                make_filter("os", "ne", ["ios"]),
            ]
        )
    )


@pytest.mark.parametrize(
    ("params", "filters"),
    [
        ({"country": "ES"}, "country:in:FR|PT"),
        ({"device": "mobile"}, "device_type:ne:mobile"),
        ({"channel_group": "Direct"}, "channel:contains:paid"),
        ({"path_filter": "/shop"}, "path:eq:/"),
        ({"utm_source": ["a", "b"], "utm_medium": "c"}, "utm_source:regex:^a,utm_medium:eq:d"),
    ],
)
def test_an_explicit_filter_wins_over_the_standard_parameter_of_its_field(params, filters):
    for asked in (params | {"filters": filters}, {"filters": filters} | params):
        assert read("/stats/sources", **asked) == read("/stats/sources", filters=filters)


def test_an_explicit_filter_leaves_the_parameters_of_other_fields_alone():
    asked = read("/stats/sources", country="ES", os="iOS", filters="country:eq:FR")

    assert asked.stats.scope.filters == parse_filters("country:eq:fr,os:eq:ios")


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"filters": "country"}, "filters: 'country' is not of the form field:op:value"),
        ({"filters": "path:regex:(?=x)"}, "filters: '(?=x)' for path is no RE2 pattern: invalid perl operator: (?="),
        ({"filters": "contry:eq:ES"}, "filters: unknown field 'contry' (did you mean 'country'?)"),
        ({"path_filter": ""}, "path_filter: path:contains needs a text to look for"),
        ({"device": "x" * 501}, "device: a value for device_type is longer than 500 characters"),
        ({"utm_source": ["a"] * 101}, "utm_source: utm_source:in takes 1 to 100 values, got 101"),
        ({"os": "a\x00"}, "os: a value for os holds a null character"),
    ],
)
def test_a_filter_that_cannot_be_is_a_bad_request_that_names_the_parameter(params, message):
    assert bad_request("/stats/sources", **params).startswith(message)


@pytest.mark.parametrize("country", ["ESP", "", ["ES", "Spain"]])
def test_a_country_that_is_none_is_a_problem_of_country(country):
    wrong = country[-1] if isinstance(country, list) else country
    message = f"'{wrong}' is no country: two letters (ISO 3166-1 alpha-2) or 'unknown'"

    assert problems("/stats/sources", country=country) == [("country", "value_error", message)]


# --- rule 1.6: values as a query string spells them ----------------------------------------------------------------


@pytest.mark.parametrize("value", [10, "10", 10.0, ["10"], [10], " 10 ", "+10", "010"])
def test_a_whole_number_is_read_however_it_is_written(value):
    assert read("/stats/sources", page_size=value) == read("/stats/sources", page_size="10")


@pytest.mark.parametrize("name", ["page", "page_size"])
@pytest.mark.parametrize("value", ["ten", "", 1.5, True, "1e1", "0x10", "1_0", "١٠", "--1"])
def test_what_is_no_whole_number_is_refused(name, value):
    spelled = {True: "true"}.get(value, str(value))

    assert problems("/stats/sources", **{name: value}) == [
        (name, "int_parsing", f"{name} must be a whole number, got '{spelled}'")
    ]


@pytest.mark.parametrize("value", [True, "true", "TRUE", "1", 1, [True]])
@pytest.mark.parametrize("opposite", [False, "false", "False", "0", 0])
def test_truth_is_read_however_it_is_written(value, opposite):
    path = "/stats/landing-pages"

    assert read(path, include_totals=value).include_totals is True
    assert read(path, include_totals=opposite).include_totals is False
    assert read(path, include_utm=value).stats == ask(read(path).stats.scope, "landing_pages", include_utm=True)
    assert read(path, include_utm=opposite) == read(path)


@pytest.mark.parametrize("name", ["include_totals", "include_utm"])
@pytest.mark.parametrize("value", ["yes", "", 2, "null"])
def test_what_is_neither_true_nor_false_is_refused(name, value):
    assert problems("/stats/landing-pages", **{name: value}) == [
        (name, "bool_parsing", f"{name}: '{value}' is neither true nor false")
    ]


@every_report
def test_null_and_empty_lists_are_parameters_left_out(endpoint):
    taken = [name for name in parameters_of(endpoint) if name not in ("account_id", "site_id")]

    for nothing in (None, [], [None]):
        params = dict.fromkeys(taken, nothing) | least(endpoint)
        assert read_query(endpoint, params, CONTEXT) == read_query(endpoint, least(endpoint), CONTEXT)


@every_report
def test_a_list_of_one_is_that_one(endpoint):
    for name in parameters_of(endpoint):
        params = acceptable(endpoint, name)
        listed = {key: [value] for key, value in params.items()}

        assert read_query(endpoint, listed, CONTEXT) == read_query(endpoint, params, CONTEXT)


@every_report
def test_a_parameter_of_one_value_is_not_to_be_repeated_and_one_of_several_may(endpoint):
    for name in parameters_of(endpoint):
        value = acceptable(endpoint, name)[name]
        params = acceptable(endpoint, name) | {name: [value, value]}
        if PARAMETERS[name].repeatable:
            once = read_query(endpoint, acceptable(endpoint, name), CONTEXT)
            assert read_query(endpoint, params, CONTEXT) == once
        else:
            error = refused(endpoint.path, params)
            assert [(problem.field, problem.type, problem.message) for problem in error.detail] == [
                (name, "too_many", f"{name} was given 2 times and takes one value")
            ]


def test_the_standard_filters_goals_and_include_are_the_repeatable_ones():
    assert [name for name, row in PARAMETERS.items() if row.repeatable] == [
        "country",
        "utm_source",
        "utm_medium",
        "utm_campaign",
        "utm_term",
        "utm_content",
        "browser",
        "os",
        "device",
        "device_type",
        "channel_group",
        "content_grouping",
        "landing_page",
        "conversion_type",
        "include",
    ]


@pytest.mark.parametrize("value", [{}, {"eq": 1}, [[1]], [{}]])
def test_what_a_query_string_cannot_carry_is_refused(value):
    asked = problems("/stats/sources", country=value)

    assert [(field, kind) for field, kind, _ in asked] == [("country", "value_error")]
    assert asked[0][2].startswith("country must be a value or a list of values, not ")


# --- the report's own arguments -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "params", "asked"),
    [
        ("/stats/pages", {"page": "3", "page_size": 10}, {"page": 3, "page_size": 10}),
        ("/stats/funnel", {"limit": "10000"}, {"page_size": 10_000}),
        ("/stats/sources", {"search": "Goo"}, {"search": "goo"}),
        ("/stats/sources", {"sort_by": "revenue", "sort_order": "asc"}, {"sort_by": "revenue", "sort_order": "asc"}),
        ("/stats/pages", {"include": "device,os"}, {"include": ["device", "os"]}),
        ("/stats/pages", {"include": ["os", "device"]}, {"include": ["device", "os"]}),
        ("/stats/pages", {"include": ""}, {}),
        ("/stats/overview", {"granularity": "hourly"}, {"granularity": Granularity.HOURLY}),
        ("/stats/overview", {"granularity": "auto"}, {}),
    ],
)
def test_a_reports_own_parameters_become_its_arguments(path, params, asked):
    scope = read(path).stats.scope
    if "sort_order" in asked:
        asked = asked | {"sort_order": SortOrder(asked["sort_order"])}

    assert read(path, **params).stats == ask(scope, ENDPOINTS_BY_PATH[path].name, **asked)


@pytest.mark.parametrize(
    ("path", "params", "expected"),
    [
        ("/stats/sources", {"page_size": 101}, ("page_size", "page_size must be between 1 and 100, got 101")),
        ("/stats/pages", {"page_size": 1001}, ("page_size", "page_size must be between 1 and 1000, got 1001")),
        ("/stats/os", {"page_size": 0}, ("page_size", "page_size must be between 1 and 100, got 0")),
        ("/stats/funnel", {"limit": 10_001}, ("limit", "limit must be between 1 and 10000, got 10001")),
        ("/stats/funnel", {"limit": "many"}, ("limit", "limit must be a whole number, got 'many'")),
        ("/stats/sources", {"page": -1}, ("page", "page must be between 1 and 1000000, got -1")),
        (
            "/stats/pages",
            {"sort_by": "revenue"},
            ("sort_by", "pages cannot be sorted by 'revenue'; accepted: page_views, entrances"),
        ),
        (
            "/stats/sources",
            {"sort_order": "DESC"},
            ("sort_order", "sort_order: 'DESC' is none of asc, desc"),
        ),
        (
            "/stats/sources",
            {"sort_order": "dsc"},
            ("sort_order", "sort_order: 'dsc' is none of asc, desc (did you mean 'desc'?)"),
        ),
        (
            "/stats/overview",
            {"granularity": "dayly"},
            ("granularity", "granularity: 'dayly' is none of auto, hourly, daily (did you mean 'daily'?)"),
        ),
        ("/stats/sources", {"search": "x" * 201}, ("search", "search is longer than 200 characters")),
        (
            "/stats/pages",
            {"include": "device,city"},
            ("include", "'city' cannot be included; accepted: device, browser, os, channel_group"),
        ),
    ],
)
def test_a_value_out_of_range_is_named_with_what_would_be_accepted(path, params, expected):
    assert [(field, message) for field, _, message in problems(path, **params)] == [expected]


# --- everything at once -------------------------------------------------------------------------------------------


def test_all_problems_of_a_query_are_found_at_once():
    asked = {
        "perido": "7d",
        "period": "31x",
        "start_date": "soon",
        "compare": "last",
        "filters": "city:eq:x",
        "country": "Spain",
        "granularity": "daily",
        "page": "two",
        "page_size": 1000,
        "sort_by": "name",
        "search": "x" * 201,
        "include_totals": "perhaps",
        "os": {"not": "iOS"},
    }

    error = refused("/stats/sources", asked)

    assert type(error) is InvalidQuery
    assert [(problem.field, problem.type) for problem in error.detail] == [
        ("perido", "extra_forbidden"),
        ("period", "bad_request"),
        ("start_date", "date_parsing"),
        ("compare", "bad_request"),
        ("filters", "bad_request"),
        ("country", "value_error"),
        ("granularity", "extra_forbidden"),
        ("page", "int_parsing"),
        ("include_totals", "bool_parsing"),
        ("os", "value_error"),
        ("account_id", "missing"),
        ("page_size", "out_of_range"),
        ("sort_by", "enum"),
        ("search", "string_too_long"),
    ]
    assert error.message == "unknown parameter 'perido' (did you mean 'period'?) (and 13 more)"


def test_half_a_range_is_found_beside_other_problems():
    assert [(field, kind) for field, kind, _ in problems("/stats/sources", start_date="2026-03-01", page=0)] == [
        ("start_date", "bad_request"),
        ("page", "out_of_range"),
    ]


def test_an_unreadable_date_is_not_also_called_missing():
    assert [field for field, _, _ in problems("/stats/sources", start_date="soon", end_date="2026-03-01")] == [
        "start_date"
    ]


def test_several_bad_requests_are_one_that_tells_them_all():
    assert bad_request("/stats/sources", compare="last", filters="country") == (
        "Invalid compare mode: 'last'; accepted: previous, true, yoy, none, false; also: "
        "filters: 'country' is not of the form field:op:value"
    )


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=5,
)


@UNHURRIED
@given(
    st.sampled_from(REPORTS),
    st.dictionaries(st.sampled_from(sorted(PARAMETERS)) | st.text(max_size=10), json_values, max_size=6),
)
def test_whatever_the_parameters_are_they_are_read_or_refused_by_name(endpoint, params):
    try:
        query = read_query(endpoint, least(endpoint) | params, CONTEXT)
    except (InvalidQuery, BadRequest, NotFound, AccountNotFound) as error:
        fields = {problem.field for problem in error.detail}
        unknown = fields - {*PARAMETERS, *(name[:60] for name in params)}
    else:
        unknown = set() if query.endpoint is endpoint else {query.endpoint.name}

    assert unknown == set()
