"""The table of reports, held beside the contract's parameter matrix and the batch page."""

import pytest

from fanin.catalog.dimensions import DIMENSIONS, Table
from fanin.catalog.endpoints import ENDPOINTS, ENDPOINTS_BY_PATH, INCLUDES, UTM, Shape
from fanin.catalog.labels import LABELS
from fanin.catalog.metrics import METRICS
from fanin.catalog.periods import Compare
from fanin.tests.questions import READ

# "Supported endpoints" of the batch page, word for word.
ON_THE_PAGE = {
    "/stats/overview": "Traffic overview",
    "/stats/pages": "Pages report",
    "/stats/sources": "Traffic sources",
    "/stats/mediums": "UTM mediums",
    "/stats/campaigns": "UTM campaigns",
    "/stats/terms": "UTM terms",
    "/stats/referrers": "Referrers",
    "/stats/countries": "Geographic data",
    "/stats/devices": "Device types",
    "/stats/browsers": "Browsers",
    "/stats/os": "Operating systems",
    "/stats/conversions": "Conversions",
    "/stats/microconversions": "Microconversions",
    "/stats/funnel": "Funnel analysis",
    "/stats/landing-pages": "Landing pages",
    "/stats/channels": "Channel groups",
}

TR_SORT = "entrances engaged_entrances page_views conversions revenue bounce_rate"
LANDING_SORT = "entrances engaged_entrances microconversions conversions revenue bounce_rate"

# The matrix of §1.0.4: sort fields (the default first), page size "default/maximum", and of the rest what is taken.
# ``compare`` is ours for the device lists too: their rows can tell it as well as any other.
MATRIX = {
    "/stats/overview": ("", None, "compare granularity"),
    "/stats/pages": ("page_views entrances", "50/1000", "compare include"),
    "/stats/sources": (TR_SORT, "50/100", "search compare include_totals"),
    "/stats/mediums": (TR_SORT, "50/100", "search compare include_totals"),
    "/stats/campaigns": (TR_SORT, "50/100", "search compare include_totals"),
    "/stats/terms": (TR_SORT, "50/100", "search compare include_totals"),
    "/stats/contents": (TR_SORT, "50/100", "search compare include_totals"),
    "/stats/referrers": (TR_SORT, "50/100", "search compare include_totals"),
    "/stats/countries": (TR_SORT, "50/1000", "compare include_totals"),
    "/stats/devices": ("", None, "compare"),
    "/stats/devices/types": ("", "10/100", "compare"),
    "/stats/browsers": ("", "15/100", "compare"),
    "/stats/os": ("", "15/100", "compare"),
    "/stats/conversions": ("count revenue avg_value", "20/100", "compare"),
    "/stats/microconversions": ("count", "20/100", "compare conversion_type"),
    "/stats/funnel": ("", "100/10000", ""),
    "/stats/landing-pages": (LANDING_SORT, "50/1000", "compare include_totals include"),
    "/stats/channels": (TR_SORT, "50/100", "search compare include_totals"),
    # The close relatives, §1.2-1.6, §1.12-1.17.  ``/stats/funnel`` is one report to a GET and another to a POST.
    "/stats/sources/top": ("", "10/100", ""),
    "/stats/campaigns/top": ("", "10/100", ""),
    "/stats/terms/top": ("", "10/100", ""),
    "/stats/contents/top": ("", "10/100", ""),
    "/stats/referrers/top": ("", "10/100", ""),
    "/stats/top-channels": ("", "10/50", ""),
    "/stats/pages/top": ("", "10/100", ""),
    "/stats/landing-pages/top": ("", "10/100", ""),
    "/stats/pages/content-groups": ("page_views entrances", "50/1000", "compare"),
    "/stats/landing-pages/by-content-group": (LANDING_SORT, "50/1000", "compare"),
    "/stats/microconversions/{type}": ("", None, ""),
    "/stats/microconversions-types": ("", None, ""),
    "/stats/conversions/raw": ("", "100/10000", "conversion_type"),
    "/stats/microconversions/raw": ("", "100/10000", "conversion_type"),
    "POST /stats/funnel": ("", None, ""),
    "POST /stats/query": ("", "100/10000", "compare"),
}

# Money as a decimal string; everywhere else it is a number.  §1.0.2
MONEY_AS_TEXT = [
    "overview",
    "countries",
    "conversions",
    "landing_pages",
    "landing_content_groups",
    "conversion_events",
    "microconversion_events",
]

ROW_DIMENSIONS = {
    "overview": (),
    "pages": ("path", "content_grouping"),
    "sources": ("utm_source",),
    "mediums": ("utm_medium",),
    "campaigns": ("utm_campaign",),
    "terms": ("utm_term",),
    "contents": ("utm_content",),
    "referrers": ("referrer",),
    "countries": ("country",),
    "devices": ("device_type", "browser", "os"),
    "device_types": ("device_type",),
    "browsers": ("browser",),
    "os": ("os",),
    "conversions": ("goal",),
    "microconversions": ("goal",),
    "funnel": ("utm_source", "utm_medium", "utm_campaign", "utm_term"),
    "landing_pages": ("landing_page", "content_grouping"),
    "channels": ("channel",),
    "top_sources": ("utm_source",),
    "top_campaigns": ("utm_campaign",),
    "top_terms": ("utm_term",),
    "top_contents": ("utm_content",),
    "top_referrers": ("referrer",),
    "top_channels": ("channel",),
    "top_pages": ("path",),
    "top_landing_pages": ("landing_page",),
    "content_groups": ("content_grouping",),
    "landing_content_groups": ("content_grouping",),
}

every_report = pytest.mark.parametrize("endpoint", ENDPOINTS.values(), ids=list(ENDPOINTS))


def test_the_sixteen_of_the_batch_page_are_there_with_their_titles_in_its_order():
    assert {endpoint.path: endpoint.title for endpoint in ENDPOINTS.values() if endpoint.on_the_page} == ON_THE_PAGE
    assert [endpoint.path for endpoint in ENDPOINTS.values() if endpoint.on_the_page] == list(ON_THE_PAGE)
    assert len(ON_THE_PAGE) == 16


def in_the_matrix(endpoint):
    return endpoint.path if endpoint.method == "GET" else f"{endpoint.method} {endpoint.path}"


def test_the_reports_stand_in_the_order_of_the_matrix():
    assert [in_the_matrix(endpoint) for endpoint in ENDPOINTS.values()] == list(MATRIX)


@every_report
def test_a_report_takes_what_the_matrix_says(endpoint):
    size = endpoint.page_size
    taken = {
        "search": endpoint.search,
        "compare": endpoint.compare is not None,
        "include_totals": endpoint.include_totals,
        "granularity": endpoint.granularity,
        "include": endpoint.include,
        "conversion_type": endpoint.conversion_type,
    }

    assert (
        " ".join(endpoint.sort),
        size and f"{size.default}/{size.maximum}",
        " ".join(name for name, claim in taken.items() if claim),
    ) == MATRIX[in_the_matrix(endpoint)]


def test_overview_alone_compares_without_being_asked():
    assert [name for name, row in ENDPOINTS.items() if row.compare not in (None, Compare.NONE)] == ["overview"]
    assert ENDPOINTS["overview"].compare is Compare.PREVIOUS


def test_what_has_one_page_alone_has_a_limit_instead_of_pages():
    assert {
        name: (e.page_size.default, e.page_size.maximum)
        for name, e in ENDPOINTS.items()
        if e.page_size and e.page_size.parameter == "limit"
    } == {
        "funnel": (100, 10_000),
        **{name: (10, 100) for name, e in ENDPOINTS.items() if e.shape is Shape.TOP},
        "top_channels": (10, 50),
        "query": (100, 10_000),
    }


def test_rows_are_grouped_by_the_documented_dimensions():
    assert {name: endpoint.dimensions for name, endpoint in ENDPOINTS.items() if endpoint.dimensions} == {
        name: dimensions for name, dimensions in ROW_DIMENSIONS.items() if dimensions
    }


def test_money_is_text_where_the_contract_says_so():
    assert [name for name, endpoint in ENDPOINTS.items() if endpoint.money_as_text] == MONEY_AS_TEXT


def test_a_traffic_row_has_the_nine_documented_metrics():
    traffic = (
        "entrances",
        "engaged_entrances",
        "bounces",
        "bounce_rate",
        "page_views",
        "microconversions",
        "conversions",
        "conversion_rate",
        "revenue",
    )
    landing = tuple(name for name in traffic if name not in ("bounces", "page_views"))
    own = {
        "overview": (*traffic, "pages_per_session", "average_order_value"),
        "pages": ("page_views", "entrances"),
        "devices": (*traffic, "percentage"),
        "device_types": (*traffic, "percentage"),
        "browsers": (*traffic, "percentage"),
        "os": (*traffic, "percentage"),
        "conversions": ("count", "revenue", "avg_value"),
        "microconversions": ("count",),
        "funnel": ("entrances", "page_views"),
        "landing_pages": landing,
        "top_pages": ("page_views", "entrances", "engaged_entrances", "bounce_rate"),
        "top_landing_pages": landing,
        "content_groups": ("unique_pages", "page_views", "entrances"),
        "landing_content_groups": ("unique_pages", *landing),
        "microconversion": ("count",),
        "microconversion_types": ("count",),
        "conversion_events": (),
        "microconversion_events": (),
        "funnel_steps": (),
        "query": ("entrances", "engaged_entrances", "page_views", "microconversions", "conversions", "revenue"),
    }

    assert {name: endpoint.metrics for name, endpoint in ENDPOINTS.items()} == {
        name: own.get(name, traffic) for name in ENDPOINTS
    }


@every_report
def test_every_word_of_a_row_of_the_table_is_in_the_vocabulary(endpoint):
    assert set(endpoint.dimensions) <= set(DIMENSIONS)
    assert set(endpoint.metrics) <= set(METRICS)
    assert set(endpoint.sort) <= set(endpoint.metrics)
    assert {LABELS[label].dimension for label in endpoint.labels} <= set(endpoint.dimensions)


@every_report
def test_a_page_holds_at_least_one_row_and_no_more_than_its_maximum(endpoint):
    assert endpoint.page_size is None or 1 <= endpoint.page_size.default <= endpoint.page_size.maximum


@every_report
def test_the_default_order_is_the_first_sort_field_or_else_the_first_metric(endpoint):
    assert [endpoint.default_sort] == list((endpoint.sort or endpoint.metrics or ("",))[:1])


def test_only_what_has_goals_for_rows_says_which():
    assert {name: endpoint.goal_kind for name, endpoint in ENDPOINTS.items() if endpoint.shape is Shape.GOALS} == {
        "conversions": 1,
        "microconversions": 0,
    }
    about_goals = (Shape.GOALS, Shape.GOAL, Shape.NAMES, Shape.EVENTS)
    assert {name for name, row in ENDPOINTS.items() if row.goal_kind is not None} == {
        name for name, row in ENDPOINTS.items() if row.shape in about_goals
    }


def test_each_report_reads_one_table():
    assert {name: endpoint.table for name, endpoint in ENDPOINTS.items() if endpoint.table is not Table.SESSIONS} == {
        "pages": Table.PAGE_VIEWS,
        "conversions": Table.GOALS,
        "microconversions": Table.GOALS,
        "top_pages": Table.PAGE_VIEWS,
        "content_groups": Table.PAGE_VIEWS,
        "microconversion": Table.GOALS,
        "microconversion_types": Table.GOALS,
        "conversion_events": Table.GOALS,
        "microconversion_events": Table.GOALS,
    }


def test_the_documented_second_paths_lead_to_the_same_report():
    assert {path: endpoint.path for path, endpoint in ENDPOINTS_BY_PATH.items() if path != endpoint.path} == {
        "/stats/geo/countries": "/stats/countries",
        "/stats/operating-systems": "/stats/os",
    }


@pytest.mark.parametrize("endpoint", READ.values(), ids=list(READ))
def test_every_path_of_a_report_resolves_to_it(endpoint):
    assert [ENDPOINTS_BY_PATH[path] for path in (endpoint.path, *endpoint.aliases)] == [endpoint] * (
        1 + len(endpoint.aliases)
    )


def test_paths_names_and_nouns_are_unique():
    assert len(ENDPOINTS_BY_PATH) == sum(1 + len(endpoint.aliases) for endpoint in READ.values())
    named = [endpoint.noun for endpoint in ENDPOINTS.values() if not endpoint.rows_like]
    assert len(set(named)) == len(named)
    assert len(ENDPOINTS) == 34
    assert [endpoint.name for endpoint in ENDPOINTS.values()] == list(ENDPOINTS)


def test_include_names_the_four_documented_columns():
    assert INCLUDES == {"device": "device_type", "browser": "browser", "os": "os", "channel_group": "channel"}
    assert set(INCLUDES.values()) | set(UTM) <= set(DIMENSIONS)
