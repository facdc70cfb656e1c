"""The reports, one row each.  GraphQL fields, statements, REST routes, the settings node and the docs come from here.

The columns stand in the order of the contract's parameter matrix (§1.0.4), so that both can be held side by side.
Every report takes the account, a period or dates, ``filters`` and every standard filter of §2.4: the facts carry all
dimensions, so nothing would be ignored.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from .dimensions import Table
from .periods import Compare


class Shape(StrEnum):
    """How an answer is laid out.  Each shape has one answerer in ``resolvers/answers.py`` and one type in ``schema``."""

    TOTALS = "totals"  # one object, no dimension: overview
    ROWS = "rows"  # a page of rows, one per value of the dimensions
    BREAKDOWN = "breakdown"  # several short lists in one object, not paginated: devices
    GOALS = "goals"  # a page of goals, each with its split by source and country
    FUNNEL = "funnel"  # rows over the UTM dimensions with a count per goal


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
    goal_kind: int | None = None  # of the GOALS shape: 1 conversions, 0 microconversions
    own_path: str = ""
    aliases: tuple[str, ...] = ()
    on_the_page: bool = True  # one of the 16 of the batch page

    @property
    def path(self) -> str:
        """The REST path below ``/api/v1``, and what ``endpoint`` says in a batch."""
        return "/stats/" + (self.own_path or self.name.replace("_", "-"))

    @property
    def default_sort(self) -> str:
        return self.sort[0] if self.sort else self.metrics[0]


def _traffic(name: str, noun: str, dimension: str, title: str, meaning: str, **columns: object) -> Endpoint:
    """A list of traffic rows, the commonest report."""
    common: dict[str, object] = {
        "search": True,
        "sort": TRAFFIC_SORT,
        "page_size": PageSize(50, 100),
        "include_totals": True,
    }
    return Endpoint(name, noun, title, meaning, (dimension,), **(common | columns))  # type: ignore[arg-type]  # a row of columns


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
    )
}

# Every accepted REST path, the documented aliases included.  Contract §0.4.
ENDPOINTS_BY_PATH: dict[str, Endpoint] = {
    path: endpoint for endpoint in ENDPOINTS.values() for path in (endpoint.path, *endpoint.aliases)
}
