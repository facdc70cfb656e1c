"""What one event means on one site: a page view, a goal, or one of those that do not count.

A tracker has said already what is a page; the rules of the site may leave out some of them, and add goals.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple
from zoneinfo import ZoneInfo

from ..warehouse.facts import Arrival, Goal, GoalKind, Hit, PageView, Visitor
from .addresses import (
    VALUE_LIMIT,
    Referrer,
    bare_host,
    clean,
    host_of,
    parse_referrer,
    readable,
    split_target,
    target_of,
)
from .agents import UNKNOWN, describe_agent
from .countries import country_named, country_of
from .event_files import Row, value_at
from .event_mappings import COLUMNS, EventKind, EventMapping
from .hits import HitReader, amount_of, tags_of
from .log_lines import LogLine
from .log_times import moment
from .money import cents
from .referrers import is_spam
from .site_rules import SiteRules
from .summaries import LineClass

TAGS = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")

# What trackers call devices, in lower case; any other is a desktop.
DEVICES = {"mobile": "mobile", "smartphone": "mobile", "phone": "mobile", "tablet": "tablet"}

# Labels for what was not there, which exports write out.
_NOTHING = frozenset(("", "(direct)", "(none)", "(not set)", "(not provided)", "null", "none"))


class VisitorKey(NamedTuple):
    """Whose event it was.  With a session's own key it is that session, however long the visitor was away in it."""

    visitor: str
    agent: str  # tells visitors at one address apart
    session: str


class EventRead(NamedTuple):
    line_class: LineClass
    at: int | None = None
    key: VisitorKey | None = None
    hit: Hit | None = None
    bad_amounts: int = 0
    content: str = ""  # its id, or else everything it says
    is_once: bool = False  # it has an id


class _Event(NamedTuple):
    """An event taken apart."""

    told: dict[str, str]  # by column, empty where nothing is told
    line: LogLine  # the request a log would have told
    kind: EventKind | None
    path: str  # decoded
    query: str
    referrer: Referrer | None


_DAMAGED = EventRead(LineClass.DAMAGED)


class EventReader(HitReader):
    """Reads events by the rules of one site and the mapping of their file."""

    def __init__(self, rules: SiteRules, mapping: EventMapping) -> None:
        super().__init__(rules)
        self._mapping = mapping
        self._zone = mapping.zone or ZoneInfo(rules.time_zone)

    def wants(self, column: str) -> bool:
        """Whether a file's column is of use."""
        return column in self._columns_of_use

    @property
    def _columns_of_use(self) -> set[str]:
        places = [place for found in self._mapping.columns.values() for place in found]
        return {name for place in (*places, *self._mapping.when_present) for name in (place, place.partition(".")[0])}

    def read_event(self, row: Row) -> EventRead:
        """The class the event counts in, and the hit when it is one."""
        told = self._told(row)
        at = moment(told["time"], self._zone)
        key = _key(told)
        if at is None or not told["event"] or key == _NOBODY:
            return _DAMAGED
        line_class, hit, bad_amounts = self._judged(_event(told, at, self._kind(told["event"])))
        content = told["id"] or "\x00".join(told.values())
        return EventRead(line_class, at, key, hit, bad_amounts, content, bool(told["id"]))

    def _told(self, row: Row) -> dict[str, str]:
        told = dict.fromkeys(COLUMNS, "")
        for column, places in self._mapping.columns.items():
            for place in places:
                told[column] = value_at(row, place).strip()
                if told[column]:
                    break
        if told["event"] not in self._mapping.kinds:
            present = (event for place, event in self._mapping.when_present.items() if value_at(row, place))
            told["event"] = next(present, told["event"])
        told["host"] = told["host"] or host_of(told["url"])
        if told["referrer"] and "://" not in told["referrer"]:
            told["referrer"] = f"https://{told['referrer']}"
        return told

    def _judged(self, event: _Event) -> tuple[LineClass, Hit | None, int]:
        """The class, the hit when it is one, and how many amounts could not be read."""
        reached = list(self._reached(event))
        line_class = self._event_class(event, bool(reached))
        if line_class not in (LineClass.PAGE_VIEW, LineClass.GOAL):
            return line_class, None, 0
        is_same_site = self._is_same_site(event)
        is_view = line_class is LineClass.PAGE_VIEW
        hit = Hit(
            event.line.at,
            is_same_site,
            self._arrival(_tags(event), event.referrer) if is_view and not is_same_site else None,
            self._page_view(event) if is_view else None,
            tuple(Goal(event.line.at, kind, name, amount or 0) for kind, name, amount in reached),
            _visitor(event.told),
        )
        return line_class, hit, sum(amount is None for *_, amount in reached)

    def _event_class(self, event: _Event, reaches_goals: bool) -> LineClass:
        is_view = event.kind is EventKind.PAGE_VIEW
        if not is_view and not reaches_goals:
            return LineClass.OTHER
        if self._shuts_out and self._is_shut_out(event.line):
            return LineClass.EXCLUDED
        if event.line.agent is not None and describe_agent(event.line.agent).is_bot:
            return LineClass.BOT
        if event.referrer is not None and not self._is_same_site(event) and is_spam(event.referrer.host):
            return LineClass.SPAM
        if is_view and self._is_page(event.path, event.query):
            return LineClass.PAGE_VIEW
        return LineClass.GOAL if reaches_goals else LineClass.EXCLUDED

    def _is_same_site(self, event: _Event) -> bool:
        """The page's own host is the site's, whatever the rules say."""
        host = event.referrer.host if event.referrer else ""
        return bool(host) and (host in self._own_hosts or host == bare_host(event.line.host))

    def _page_view(self, event: _Event) -> PageView:
        path, query = event.path, event.query
        return PageView(event.line.at, self._stored(path, query), self._content_grouping(path, query))

    def _kind(self, event: str) -> EventKind | None:
        """Events that nobody knows are what the mapping says of ``*``, if it says anything."""
        kinds = self._mapping.kinds
        return kinds.get(event, kinds.get("*"))

    def _reached(self, event: _Event) -> Iterator[tuple[GoalKind, str, int | None]]:
        """The goals an event reaches, by the rules or by what it is.  An amount is None when it cannot be read."""
        told, rules = event.told, self._rules.goals
        by_name = [rule for rule in rules if told["event"] in rule.events or told["name"] in rule.events]
        for rule in by_name:
            tells = rule.kind is GoalKind.CONVERSION and told["amount"]
            yield rule.kind, rule.name, self._amount(told) if tells else amount_of(rule, event.path, event.query)
        kind = _GOALS.get(event.kind) if event.kind else None
        if not by_name and kind is not None:
            name = clean(told["name"] or self._mapping.names.get(told["event"], told["event"]))
            yield kind, name, self._amount(told) if kind is GoalKind.CONVERSION else 0
        if event.kind is EventKind.PAGE_VIEW:
            for rule in rules:
                if rule.places.hold(event.path, event.query):
                    yield rule.kind, rule.name, amount_of(rule, event.path, event.query)

    def _amount(self, told: dict[str, str]) -> int | None:
        """In cents; None when it cannot be read or is in another currency than the account's."""
        if told["currency"] and told["currency"].upper() != self._rules.currency:
            return None
        return cents(told["amount"]) if told["amount"] else 0


_GOALS = {EventKind.CONVERSION: GoalKind.CONVERSION, EventKind.MICROCONVERSION: GoalKind.MICROCONVERSION}


def _visitor(told: dict[str, str]) -> Visitor:
    """What the event tells about whoever sent it."""
    agent = describe_agent(told["user_agent"] or None)
    device = told["device_type"].lower()
    return Visitor(
        country_named(told["country"]) or (country_of(told["address"]) if told["address"] else UNKNOWN),
        DEVICES.get(device, "desktop") if device else agent.device_type,
        clean(told["browser"]) or agent.browser,
        clean(told["os"]) or agent.os,
    )


def _tags(event: _Event) -> Arrival | None:
    """The tags of the event's own columns, or else those in its address."""
    tags = [_label(event.told[tag]) for tag in TAGS]
    if not any(tags):
        return tags_of(event.query)
    source, medium, campaign, term, content = tags
    return Arrival(source or "(not set)", medium or "(none)", campaign or "(not set)", term, content, is_tagged=True)


def _event(told: dict[str, str], at: int, kind: EventKind | None) -> _Event:
    target, agent = _target(told), told["user_agent"] or None
    line = LogLine(told["address"], at, "GET", target, "200", told["referrer"], agent, told["host"])
    path, query = split_target(target)
    return _Event(told, line, kind, readable(path), query, parse_referrer(line.referrer))


def _key(told: dict[str, str]) -> VisitorKey:
    if told["visitor"] or told["session"]:
        return VisitorKey(told["visitor"], "", told["session"])
    return VisitorKey(told["address"], told["user_agent"] if told["address"] else "", "")


_NOBODY = VisitorKey("", "", "")


def _label(text: str) -> str:
    return "" if text.lower() in _NOTHING else clean(text, VALUE_LIMIT)


def _target(told: dict[str, str]) -> str:
    """Path and query of the page, as a log would tell them."""
    target = target_of(told["url"]) or told["path"]
    if not target.startswith("/"):
        target = f"/{target}"
    return f"{target}?{told['query'].removeprefix('?')}" if told["query"] and not told["url"] else target
