"""The dimensions: what rows are grouped by and filters look at, and the column of each fact table that holds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Table(StrEnum):
    """The fact tables.  A question reads one of them, or sessions and goals (the funnel)."""

    SESSIONS = "sessions"
    PAGE_VIEWS = "page_views"
    GOALS = "goals"


@dataclass(frozen=True, slots=True)
class Dimension:
    """One dimension.  Values are stored as codes; ``lexicon`` names the list that spells them out, None for numbers."""

    name: str  # as the contract writes it, and the column of every table unless ``columns`` says otherwise
    meaning: str
    lexicon: str | None = ""  # "" stands for the dimension's own name
    columns: Mapping[Table, str] | None = None
    ignore_case: bool = True  # how filters compare its values
    told_from: str = (
        ""  # the RE2 pattern whose first group, folded, is told of the lexicon's word; the word unless said
    )

    def column(self, table: Table) -> str:
        """The column that holds this dimension.  KeyError where the table has no such thing."""
        return self.name if self.columns is None else self.columns[table]

    @property
    def lexicon_name(self) -> str | None:
        return self.name if self.lexicon == "" else self.lexicon


_LANDING = {
    Table.SESSIONS: "landing_page",
    Table.PAGE_VIEWS: "landing_page",
    Table.GOALS: "landing_page",
}

DIMENSIONS: dict[str, Dimension] = {
    dimension.name: dimension
    for dimension in (
        Dimension("utm_source", "where the visit came from: `google`, a referring domain, `(direct)`"),
        Dimension("utm_medium", "how it came: `organic`, `cpc`, `email`, `referrer`, `(none)`"),
        Dimension("utm_campaign", "the campaign, `(not set)` when untagged"),
        Dimension("utm_term", "the keyword or term, empty when there is none"),
        Dimension("utm_content", "the ad or link variant, empty when there is none"),
        Dimension("referrer", "the full referring address, empty for direct visits", ignore_case=False),
        Dimension(
            "referrer_domain",
            "the host of the referring address, without `www.`",
            "referrer",
            dict.fromkeys(Table, "referrer"),
            told_from="^[A-Za-z][A-Za-z0-9+.-]*://(?:[^/?#@]*@)?(?:www[.])?([^/:?#]+)",
        ),
        Dimension("channel", "the channel group the visit's source and medium fall into"),
        Dimension("country", "ISO 3166-1 alpha-2, or `Unknown`"),
        Dimension("device_type", "`desktop`, `mobile` or `tablet`"),
        Dimension("browser", "the browser's family: `Chrome`, `Safari`, `Firefox`"),
        Dimension("os", "the operating system's family: `Windows`, `Android`, `iOS`"),
        Dimension("landing_page", "the path of the visit's first page view", "path"),
        Dimension(
            "path",
            "the path of a page view; for a whole visit, of its first one",
            "path",
            {**_LANDING, Table.PAGE_VIEWS: "path"},
            ignore_case=False,
        ),
        Dimension(
            "content_grouping",
            "the group of pages that a path belongs to, empty when none",
            "content_grouping",
            {
                Table.SESSIONS: "landing_content_grouping",
                Table.PAGE_VIEWS: "content_grouping",
                Table.GOALS: "landing_content_grouping",
            },
        ),
        Dimension("goal", "the name of a conversion or microconversion", columns={Table.GOALS: "goal"}),
        Dimension("goal_kind", "1 for a conversion, 0 for a microconversion", None, {Table.GOALS: "is_conversion"}),
        Dimension("day", "the account's local day, counted from 1970-01-01", None),
        Dimension("hour", "the account's local hour, 0 to 23", None),
    )
}
