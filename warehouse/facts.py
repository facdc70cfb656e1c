"""The facts a warehouse holds, as an importer hands them over: sessions with their page views and goals, and the hits that
sessions are cut from.

A session counts wholly, with all its page views and goals, on the local day it started (Contract §3, *Session*);
the warehouse works that day out from the account's time zone.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class GoalKind(StrEnum):
    """What reaching a goal is worth: a conversion may carry money, a microconversion is a step on the way."""

    CONVERSION = "conversion"
    MICROCONVERSION = "microconversion"


@dataclass(frozen=True, slots=True)
class PageView:
    at: int  # UTC, seconds since 1970
    path: str
    content_grouping: str = ""


@dataclass(frozen=True, slots=True)
class Goal:
    at: int  # UTC, seconds since 1970
    kind: GoalKind
    name: str
    amount_cents: int = 0  # in the account's currency; 0 for microconversions


class Arrival(NamedTuple):
    """Where a visitor came from, as the labels of contract §1.0.3."""

    source: str
    medium: str
    campaign: str = "(not set)"
    term: str = ""
    content: str = ""
    referrer: str = ""
    is_tagged: bool = False  # by UTM tags or an ad click, which weigh more than a referrer


class Visitor(NamedTuple):
    """What is told of a visitor; who it is stays outside."""

    country: str = "Unknown"
    device_type: str = "desktop"
    browser: str = "Unknown"
    os: str = "Unknown"


class Hit(NamedTuple):
    """A page view, a goal, both, or a redirect on the way to one."""

    at: int  # UTC, seconds since 1970
    is_same_site: bool  # the referrer is the site itself
    arrival: Arrival | None = None  # None when the hit says nothing about where the visitor came from
    page_view: PageView | None = None
    goals: tuple[Goal, ...] = ()
    visitor: Visitor = Visitor()

    @property
    def is_redirect(self) -> bool:
        return self.page_view is None and not self.goals


@dataclass(frozen=True, slots=True)
class Session:
    """One session.  Labels for what is missing follow Contract §1.0.3; the landing page is the first page view's path,
    which may be none when all that was seen of a session were goals."""

    start: int  # UTC, seconds since 1970
    page_views: tuple[PageView, ...] = ()
    goals: tuple[Goal, ...] = ()
    utm_source: str = "(direct)"
    utm_medium: str = "(none)"
    utm_campaign: str = "(not set)"
    utm_term: str = ""
    utm_content: str = ""
    referrer: str = ""
    channel: str = "Direct"
    country: str = "Unknown"  # ISO 3166-1 alpha-2, upper case
    device_type: str = "desktop"  # desktop, mobile or tablet
    browser: str = "Unknown"
    os: str = "Unknown"
