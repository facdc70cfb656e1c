"""One visitor's hits, in order of time, into sessions.  Contract §3, *Session* and *Attribution*."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ..catalog.channels import classify
from ..warehouse.facts import Goal, PageView, Session
from .agents import Agent

IDLE_S = 2 * 60 * 60  # a session ends after so long without a hit
REDIRECT_S = 10  # a redirect hands its arrival on to a page view within so long


class Arrival(NamedTuple):
    """Where a visitor came from, as the labels of contract §1.0.3."""

    source: str
    medium: str
    campaign: str = "(not set)"
    term: str = ""
    content: str = ""
    referrer: str = ""
    is_tagged: bool = False  # by UTM tags or an ad click, which weigh more than a referrer


DIRECT = Arrival("(direct)", "(none)")
REJOINED = Arrival("rejoined", "(none)")  # a same-site hit after its session had ended


class Hit(NamedTuple):
    """A page view, a goal, both, or a redirect on the way to one."""

    at: int  # UTC, seconds since 1970
    source_file: int  # which of the files read together
    is_same_site: bool  # the referrer is the site itself
    arrival: Arrival | None = None  # None when the hit says nothing about where the visitor came from
    page_view: PageView | None = None
    goals: tuple[Goal, ...] = ()


class Visitor(NamedTuple):
    country: str
    agent: Agent


class Stretch:
    """A session while it is being collected."""

    def __init__(self, first: Hit) -> None:
        self.first = first
        self.last_at = first.at
        self.arrival = REJOINED if first.is_same_site else DIRECT
        self.page_views: list[PageView] = []
        self.goals: list[Goal] = []

    def add(self, hit: Hit, arrival: Arrival | None) -> None:
        """Last click: a later arrival from outside replaces the source, a hit without one leaves it."""
        self.last_at = hit.at
        if arrival is not None:
            self.arrival = arrival
        if hit.page_view is not None:
            self.page_views.append(hit.page_view)
        self.goals.extend(hit.goals)

    def session(self, visitor: Visitor) -> Session:
        source, medium, campaign, term, content, referrer, _ = self.arrival
        return Session(
            start=self.first.at,
            page_views=tuple(self.page_views),
            goals=tuple(self.goals),
            utm_source=source,
            utm_medium=medium,
            utm_campaign=campaign,
            utm_term=term,
            utm_content=content,
            referrer=referrer,
            channel=classify(source, medium, campaign),
            country=visitor.country,
            device_type=visitor.agent.device_type,
            browser=visitor.agent.browser,
            os=visitor.agent.os,
        )


def sessions_of(hits: Iterable[Hit], visitor: Visitor, idle_s: float = IDLE_S) -> Iterator[tuple[int, Session]]:
    """The visitor's sessions, each with the file its first hit stands in.  ``hits`` are in order of time."""
    stretch: Stretch | None = None
    redirect: Hit | None = None
    for hit in hits:
        if hit.page_view is None and not hit.goals:
            redirect = _telling(redirect, hit)
            continue
        if stretch is None or hit.at - stretch.last_at > idle_s:
            if stretch is not None:
                yield stretch.first.source_file, stretch.session(visitor)
            stretch = Stretch(hit)
        stretch.add(hit, _arrival_of(hit, redirect))
        if hit.page_view is not None:
            redirect = None
    if stretch is not None:
        yield stretch.first.source_file, stretch.session(visitor)


def _telling(earlier: Hit | None, later: Hit) -> Hit:
    """Of two redirects in a row the one to hand on: tags are not lost to a second redirect without them."""
    if earlier is None or earlier.arrival is None or later.at - earlier.at > REDIRECT_S:
        return later
    return earlier if earlier.arrival.is_tagged and not (later.arrival and later.arrival.is_tagged) else later


def _arrival_of(hit: Hit, redirect: Hit | None) -> Arrival | None:
    """What the hit itself says, or what the redirect before it knew and the hit lost.  Only page views arrive."""
    if hit.page_view is None:
        return None
    if redirect is None or redirect.arrival is None or hit.at - redirect.at > REDIRECT_S:
        return hit.arrival
    own = hit.arrival
    return redirect.arrival if own is None or (redirect.arrival.is_tagged and not own.is_tagged) else own
