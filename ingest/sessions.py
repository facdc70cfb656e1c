"""One visitor's hits, in order of time, into sessions.  Contract §3, *Session* and *Attribution*."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ..catalog.channels import classify
from ..warehouse.facts import Arrival, Goal, GoalKind, Hit, PageView, Session, Visitor
from .agents import UNKNOWN

IDLE_S = 2 * 60 * 60  # a session ends after so long without a hit
REDIRECT_S = 10  # a redirect hands its arrival on to a page view within so long


DIRECT = Arrival("(direct)", "(none)")
REJOINED = Arrival("rejoined", "(none)")  # a same-site hit after its session had ended


class Stretch:
    """A session while it is being collected."""

    def __init__(self, first: Hit) -> None:
        self.first = first
        self.last_at = first.at
        self.visitor = first.visitor
        self.arrival = REJOINED if first.is_same_site else DIRECT
        self.page_views: list[PageView] = []
        self.goals: list[Goal] = []

    def add(self, hit: Hit, arrival: Arrival | None) -> None:
        """Last click: a later arrival from outside replaces the source, a hit without one leaves it."""
        self.last_at = hit.at
        if hit.visitor != self.visitor:
            self.visitor = Visitor(*map(_known, self.visitor, hit.visitor))
        if arrival is not None:
            self.arrival = arrival
        if hit.page_view is not None:
            self.page_views.append(hit.page_view)
        self.goals.extend(hit.goals)

    def session(self) -> Session:
        visitor = self.visitor
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
            device_type=visitor.device_type,
            browser=visitor.browser,
            os=visitor.os,
        )


def sessions_of(hits: Iterable[Hit], idle_s: float = IDLE_S) -> Iterator[Session]:
    """The sessions of one visitor, whose hits these are, ordered as ``order_of`` has it."""
    stretch: Stretch | None = None
    redirect: Hit | None = None
    for hit in hits:
        if hit.is_redirect:
            redirect = _telling(redirect, hit)
            continue
        if stretch is None or hit.at - stretch.last_at > idle_s:
            if stretch is not None:
                yield stretch.session()
            stretch = Stretch(hit)
        stretch.add(hit, _arrival_of(hit, redirect))
        if hit.page_view is not None:
            redirect = None
    if stretch is not None:
        yield stretch.session()


def order_of(hit: Hit) -> tuple[Any, ...]:
    """What hits of one visitor are ordered by: time, and within a second what leads on to the next, then their content.

    The order of lines is no help: servers write them when they have answered, and halves of a log come in any order.
    """
    is_step = hit.page_view is None and not hit.is_redirect
    page = (hit.page_view.path, hit.page_view.content_grouping) if hit.page_view else ()
    goals = tuple((goal.kind is GoalKind.CONVERSION, goal.name, goal.amount_cents) for goal in hit.goals)
    return hit.at, not hit.is_redirect, is_step, hit.is_same_site, page, hit.arrival or (), goals, hit.visitor


def _known(told: str, told_later: str) -> str:
    """Events may leave out what earlier ones of the session have said, or say it only later."""
    return told_later if told == UNKNOWN else told


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
