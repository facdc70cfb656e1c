"""The reports, one row each.  GraphQL fields, statements, REST routes, the settings node and the docs come from here.

The columns stand in the order of the contract's parameter matrix (§1.0.4), so that both can be held side by side.
Every report takes the account, a period or dates, ``filters`` and every standard filter of §2.4: the facts carry all
dimensions, so nothing would be ignored.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from .dimensions import Table
from .periods import MAX_DAYS, Compare


class Shape(StrEnum):
    """How an answer is laid out.  Each shape has one answerer in ``resolvers/answers.py`` and one type in ``schema``."""

    TOTALS = "totals"  # one object, no dimension: overview
    ROWS = "rows"  # a page of rows, one per value of the dimensions
    BREAKDOWN = "breakdown"  # several short lists in one object, not paginated: devices
    GOALS = "goals"  # a page of goals, each with its split by source and country
    FUNNEL = "funnel"  # rows over the UTM dimensions with a count per goal
    TOP = "top"  # the first few rows, without pages or comparison
    GROUPED = "grouped"  # a page of rows that sum up the values of a finer dimension and count them
    GOAL = "goal"  # one goal with its splits
    NAMES = "names"  # the names of goals
    EVENTS = "events"  # a page of single goals, newest first
    STEPS = "steps"  # how many sessions went through steps in their order
    SERIES = "series"  # one point per hour, day, week or month
    FREE = "free"  # rows over dimensions and metrics of the caller's choice


TRAFFIC = (
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
VIEWS = ("page_views", "entrances")
LANDING = (
    "entrances",
    "engaged_entrances",
    "bounce_rate",
    "microconversions",
    "conversions",
    "conversion_rate",
    "revenue",
)

TRAFFIC_SORT = ("entrances", "engaged_entrances", "page_views", "conversions", "revenue", "bounce_rate")
LANDING_SORT = ("entrances", "engaged_entrances", "microconversions", "conversions", "revenue", "bounce_rate")

UTM = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")

# What ``include`` may name on pages and landing pages (Contract §1.2), and the dimension behind each word.
INCLUDES = {"device": "device_type", "browser": "browser", "os": "os", "channel_group": "channel"}


@dataclass(frozen=True, slots=True)
class PageSize:
    default: int
    maximum: int
    parameter: str = "page_size"  # ``limit`` where there is only one page


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One report."""

    name: str  # snake_case; the GraphQL field is its camelCase, the REST path its kebab-case
    noun: str  # what GraphQL types are named after
    title: str
    meaning: str
    dimensions: tuple[str, ...] = ()
    shape: Shape = Shape.ROWS
    table: Table = Table.SESSIONS
    metrics: tuple[str, ...] = TRAFFIC
    search: bool = False
    sort: tuple[str, ...] = ()  # the first is the default; empty: by entrances, and not for the caller to change
    page_size: PageSize | None = None
    compare: Compare | None = Compare.NONE  # the default; None: this report has nothing to compare
    include_totals: bool = False
    granularity: bool = False
    include: bool = False  # takes ``include`` and ``include_utm``
    money_as_text: bool = False  # REST writes money as "7392.00" here and as 7392.0 elsewhere.  Contract §1.0.2
    labels: tuple[str, ...] = ()  # further row fields told from the dimension (``catalog/labels.py``)
    goal_kind: int | None = None  # of shapes about goals: 1 conversions, 0 microconversions
    conversion_type: bool = False  # takes ``conversion_type``, the goals it is about
    counts: str = ""  # of the GROUPED shape: the finer dimension whose values are counted
    max_days: int = MAX_DAYS
    rows_like: str = ""  # the report whose rows its own are like
    untold_by_landing_page: tuple[str, ...] = ()  # metrics that REST leaves out beside ``landing_page``.  Contract §1.3
    method: str = "GET"  # a POST takes a body of its own and has no place in a batch
    own_path: str = ""
    aliases: tuple[str, ...] = ()
    on_the_page: bool = True  # one of the 16 of the batch page

    @property
    def path(self) -> str:
        """The REST path below ``/api/v1``, and what ``endpoint`` says in a batch."""
        return "/stats/" + (self.own_path or self.name.replace("_", "-"))

    @property
    def contract_path(self) -> str:
        """The path of the newer edition, which other servers of the API have.  Contract §0.4."""
        return self.aliases[0] if self.aliases else self.path

    @property
    def needs_arguments(self) -> bool:
        """Whether it cannot be asked with an account and a window alone."""
        return self.shape in (Shape.GOAL, Shape.STEPS, Shape.FREE)

    @property
    def default_sort(self) -> str:
        return next(iter((*self.sort, *self.metrics)), "")


def _traffic(name: str, noun: str, dimension: str, title: str, meaning: str, **columns: Any) -> Endpoint:
    """A list of traffic rows, the commonest report."""
    common: dict[str, Any] = {
        "search": True,
        "sort": TRAFFIC_SORT,
        "page_size": PageSize(50, 100),
        "include_totals": True,
    }
    return Endpoint(name, noun, title, meaning, (dimension,), **(common | columns))


def _top(name: str, noun: str, dimension: str, like: str, **columns: Any) -> Endpoint:
    """The first few rows of a list.  Contract §1.3, §1.16."""
    common: dict[str, Any] = {
        "shape": Shape.TOP,
        "page_size": PageSize(10, 100, "limit"),
        "compare": None,
        "rows_like": like,
        "own_path": f"{like.replace('_', '-')}/top",
        "on_the_page": False,
    }
    title = f"Top {like.replace('_', ' ')}"
    return Endpoint(
        name, noun, title, f"The {like.replace('_', ' ')} with the most.", (dimension,), **(common | columns)
    )


# How a single goal is split, and the dimensions of each split.  Contract §1.13.
GOAL_SPLITS = {
    "by_source": UTM,
    "by_country": ("country",),
    "by_device": ("device_type",),
    "by_landing_page": ("landing_page",),
}

# The parts of an overview.  Contract §1.1: of the series only three are told of the comparison window too.
OVERVIEW_TRAFFIC = (
    "entrances",
    "engaged_entrances",
    "page_views",
    "microconversions",
    "conversions",
    "revenue",
    "bounce_rate",
    "pages_per_session",
)
OVERVIEW_CONVERSIONS = ("conversions", "revenue", "microconversions", "conversion_rate", "average_order_value")
OVERVIEW_SERIES = ("entrances", "engaged_entrances", "page_views", "conversions", "microconversions", "revenue")
OVERVIEW_COMPARED_SERIES = ("entrances", "page_views", "conversions")

# The lists of a breakdown, and the report whose rows each one holds.  Contract §1.9.
BREAKDOWN_LISTS = {"by_device": "device_types", "by_browser": "browsers", "by_os": "os"}

# What ``POST /stats/query`` may group by, and the dimension behind each word; and what it may sum.  Contract §1.17.
FREE_DIMENSIONS = {
    "date": "day",
    "hour": "hour",
    "day_of_week": "day",
    "country": "country",
    "utm_source": "utm_source",
    "utm_medium": "utm_medium",
    "utm_campaign": "utm_campaign",
    "utm_term": "utm_term",
    "utm_content": "utm_content",
    "device_type": "device_type",
    "browser": "browser",
    "os": "os",
    "channel_group": "channel",
}
FREE_METRICS = ("entrances", "engaged_entrances", "page_views", "microconversions", "conversions", "revenue")

ENDPOINTS: dict[str, Endpoint] = {
    endpoint.name: endpoint
    for endpoint in (
        Endpoint(
            "overview",
            "Overview",
            "Traffic overview",
            "Whole-site totals with a series per metric.",
            shape=Shape.TOTALS,
            metrics=(*TRAFFIC, "pages_per_session", "average_order_value"),
            compare=Compare.PREVIOUS,
            granularity=True,
            money_as_text=True,
        ),
        Endpoint(
            "pages",
            "Page",
            "Pages report",
            "Page views and entrances per path.",
            ("path", "content_grouping"),
            table=Table.PAGE_VIEWS,
            metrics=VIEWS,
            sort=VIEWS,
            page_size=PageSize(50, 1000),
            include=True,
        ),
        _traffic("sources", "Source", "utm_source", "Traffic sources", "Traffic per source."),
        _traffic("mediums", "Medium", "utm_medium", "UTM mediums", "Traffic per medium."),
        _traffic("campaigns", "Campaign", "utm_campaign", "UTM campaigns", "Traffic per campaign."),
        _traffic("terms", "Term", "utm_term", "UTM terms", "Traffic per term."),
        _traffic(
            "contents", "Content", "utm_content", "UTM contents", "Traffic per ad or link variant.", on_the_page=False
        ),
        _traffic(
            "referrers",
            "Referrer",
            "referrer",
            "Referrers",
            "Traffic per full referring address.",
            labels=("referrer_domain",),
        ),
        _traffic(
            "countries",
            "Country",
            "country",
            "Geographic data",
            "Traffic per country.",
            search=False,
            page_size=PageSize(50, 1000),
            labels=("country_name",),
            money_as_text=True,
            aliases=("/stats/geo/countries",),
        ),
        Endpoint(
            "devices",
            "Devices",
            "Device types",
            "Traffic by device type, browser and operating system in one object.",
            ("device_type", "browser", "os"),
            shape=Shape.BREAKDOWN,
            metrics=(*TRAFFIC, "percentage"),
        ),
        Endpoint(
            "device_types",
            "DeviceType",
            "Device types alone",
            "Traffic per device type.",
            ("device_type",),
            metrics=(*TRAFFIC, "percentage"),
            page_size=PageSize(10, 100),
            own_path="devices/types",
            on_the_page=False,
        ),
        Endpoint(
            "browsers",
            "Browser",
            "Browsers",
            "Traffic per browser.",
            ("browser",),
            metrics=(*TRAFFIC, "percentage"),
            page_size=PageSize(15, 100),
        ),
        Endpoint(
            "os",
            "Os",
            "Operating systems",
            "Traffic per operating system.",
            ("os",),
            metrics=(*TRAFFIC, "percentage"),
            page_size=PageSize(15, 100),
            aliases=("/stats/operating-systems",),
        ),
        Endpoint(
            "conversions",
            "Conversion",
            "Conversions",
            "Conversions per type, split by source and country.",
            ("goal",),
            shape=Shape.GOALS,
            table=Table.GOALS,
            metrics=("count", "revenue", "avg_value"),
            sort=("count", "revenue", "avg_value"),
            page_size=PageSize(20, 100),
            money_as_text=True,
            goal_kind=1,
        ),
        Endpoint(
            "microconversions",
            "Microconversion",
            "Microconversions",
            "Microconversions per type, split by source.",
            ("goal",),
            shape=Shape.GOALS,
            table=Table.GOALS,
            metrics=("count",),
            sort=("count",),
            page_size=PageSize(20, 100),
            goal_kind=0,
            conversion_type=True,
        ),
        Endpoint(
            "funnel",
            "Funnel",
            "Funnel analysis",
            "Entrances, microconversions and conversions per source, medium, campaign and term.",
            ("utm_source", "utm_medium", "utm_campaign", "utm_term"),
            shape=Shape.FUNNEL,
            metrics=("entrances", "page_views"),
            page_size=PageSize(100, 10_000, "limit"),
            compare=None,
        ),
        Endpoint(
            "landing_pages",
            "LandingPage",
            "Landing pages",
            "Traffic per landing page.",
            ("landing_page", "content_grouping"),
            metrics=LANDING,
            sort=LANDING_SORT,
            page_size=PageSize(50, 1000),
            include_totals=True,
            include=True,
            money_as_text=True,
        ),
        _traffic("channels", "Channel", "channel", "Channel groups", "Traffic per channel group."),
        _top("top_sources", "Source", "utm_source", "sources", untold_by_landing_page=("page_views",)),
        _top("top_campaigns", "Campaign", "utm_campaign", "campaigns"),
        _top("top_terms", "Term", "utm_term", "terms"),
        _top("top_contents", "Content", "utm_content", "contents"),
        _top("top_referrers", "Referrer", "referrer", "referrers", labels=("referrer_domain",)),
        _top(
            "top_channels",
            "Channel",
            "channel",
            "channels",
            own_path="top-channels",
            page_size=PageSize(10, 50, "limit"),
        ),
        _top(
            "top_pages",
            "TopPage",
            "path",
            "pages",
            table=Table.PAGE_VIEWS,
            metrics=("page_views", "entrances", "engaged_entrances", "bounce_rate"),
            rows_like="",
        ),
        _top(
            "top_landing_pages",
            "TopLandingPage",
            "landing_page",
            "landing_pages",
            metrics=LANDING,
            rows_like="",
        ),
        Endpoint(
            "content_groups",
            "ContentGroup",
            "Content groups",
            "Page views per group of pages; pages without one are left out.",
            ("content_grouping",),
            shape=Shape.GROUPED,
            table=Table.PAGE_VIEWS,
            metrics=("unique_pages", *VIEWS),
            sort=VIEWS,
            page_size=PageSize(50, 1000),
            counts="path",
            own_path="pages/content-groups",
            on_the_page=False,
        ),
        Endpoint(
            "landing_content_groups",
            "LandingContentGroup",
            "Landing pages by content group",
            "Traffic per group of landing pages; pages without one are left out.",
            ("content_grouping",),
            shape=Shape.GROUPED,
            metrics=("unique_pages", *LANDING),
            sort=LANDING_SORT,
            page_size=PageSize(50, 1000),
            counts="landing_page",
            money_as_text=True,
            own_path="landing-pages/by-content-group",
            on_the_page=False,
        ),
        Endpoint(
            "microconversion",
            "MicroconversionDetail",
            "One microconversion",
            "How often one microconversion was reached, split by source, country, device and landing page.",
            shape=Shape.GOAL,
            table=Table.GOALS,
            metrics=("count",),
            compare=None,
            goal_kind=0,
            own_path="microconversions/{type}",
            on_the_page=False,
        ),
        Endpoint(
            "microconversion_types",
            "MicroconversionType",
            "Microconversion types",
            "The names of the microconversions that were reached.",
            shape=Shape.NAMES,
            table=Table.GOALS,
            metrics=("count",),
            compare=None,
            goal_kind=0,
            own_path="microconversions-types",
            on_the_page=False,
        ),
        *(
            Endpoint(
                f"{kind}_events",
                f"{kind.capitalize()}Event",
                f"Single {kind}s",
                f"Every {kind} of at most 31 days, newest first.",
                shape=Shape.EVENTS,
                table=Table.GOALS,
                metrics=(),
                page_size=PageSize(100, 10_000),
                compare=None,
                goal_kind=goal_kind,
                conversion_type=True,
                max_days=31,
                money_as_text=True,
                own_path=f"{kind}s/raw",
                on_the_page=False,
            )
            for kind, goal_kind in (("conversion", 1), ("microconversion", 0))
        ),
        Endpoint(
            "time_series",
            "TimeSeries",
            "Time series",
            "Every metric by hour, day, week or month, the empty moments included.",
            shape=Shape.SERIES,
            metrics=(*TRAFFIC, "pages_per_session", "average_order_value"),
            own_path="evolution",
            on_the_page=False,
        ),
        Endpoint(
            "funnel_steps",
            "FunnelSteps",
            "Custom funnel",
            "How many sessions went through 2 to 10 steps in their order: page paths or goals.",
            shape=Shape.STEPS,
            metrics=(),
            compare=None,
            own_path="funnel",
            method="POST",
            on_the_page=False,
        ),
        Endpoint(
            "query",
            "Free",
            "Free query",
            "Metrics over dimensions of the caller's choice.",
            shape=Shape.FREE,
            metrics=FREE_METRICS,
            page_size=PageSize(100, 10_000, "limit"),
            own_path="query",
            method="POST",
            on_the_page=False,
        ),
    )
}

# Every accepted REST path, the documented aliases included.  Contract §0.4.
ENDPOINTS_BY_PATH: dict[str, Endpoint] = {
    path: endpoint
    for endpoint in ENDPOINTS.values()
    if endpoint.method == "GET"
    for path in (endpoint.path, *endpoint.aliases)
}


def can_stand_in_path(value: str) -> bool:
    """Whether a value can be one segment of a path: no slash in it, however written."""
    return bool(value) and not any(letter in "/%?#" for letter in value)
