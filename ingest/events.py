"""What one event means on one site: a page view, a goal, or one of those that do not count.

A tracker has said already what is a page; the rules of the site may leave out some of them, and add goals.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple
from zoneinfo import ZoneInfo

from ..warehouse.facts import Goal, GoalKind, PageView
from .addresses import VALUE_LIMIT, bare_host, clean, host_of, parse_referrer, readable, split_target, target_of
from .agents import UNKNOWN, Agent, describe_agent
from .countries import country_named, country_of
from .event_files import Row, value_at
from .event_mappings import COLUMNS, EventKind, EventMapping
from .hits import HitReader, amount_of
from .log_lines import LogLine
from .log_times import moment
from .money import cents
from .referrers import is_spam
from .sessions import Arrival, Hit, Visitor
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


_DAMAGED = EventRead(LineClass.DAMAGED)


class EventReader(HitReader):
    """Reads events by the rules of one site and the mapping of their file."""

    def __init__(self, rules: SiteRules, mapping: EventMapping) -> None:
        super().__init__(rules)
        self._mapping = mapping
        self._zone = mapping.zone or ZoneInfo(rules.time_zone)
        self._ids: set[int] = set()

    def wants(self, column: str) -> bool:
        """Whether a file's column is of use."""
        return column in self._columns_of_use

    @property
    def _columns_of_use(self) -> set[str]:
        places = [place for found in self._mapping.columns.values() for place in found]
        return {name for place in (*places, *self._mapping.when_present) for name in (place, place.partition(".")[0])}

    def read_event(self, row: Row, source_file: int) -> EventRead:
        """The class the event counts in, and the hit when it is one."""
        told = self._told(row)
        at = moment(told["time"], self._zone)
        key = _key(told)
        if at is None or not told["event"] or key == _NOBODY:
            return _DAMAGED
        if told["id"] and self._is_repeated(told["id"]):
            return EventRead(LineClass.DUPLICATE, at)
        line = LogLine(told["address"], at, "GET", _target(told), "200", told["referrer"], told["user_agent"] or None)
        line_class, hit, bad_amounts = self._judged(line._replace(host=told["host"]), told, source_file)
        return EventRead(line_class, at, key, hit, bad_amounts)

    def visitor(self, row: Row) -> Visitor:
        """What the row tells about whoever sent it."""
        told = self._told(row)
        agent = describe_agent(told["user_agent"] or None)
        device = told["device_type"].lower()
        return Visitor(
            country_named(told["country"]) or (country_of(told["address"]) if told["address"] else UNKNOWN),
            Agent(
                False,
                DEVICES.get(device, "desktop") if device else agent.device_type,
                clean(told["browser"]) or agent.browser,
                clean(told["os"]) or agent.os,
            ),
        )

    def _told(self, row: Row) -> dict[str, str]:
        told = dict.fromkeys(COLUMNS, "")
        for column, places in self._mapping.columns.items():
            told[column] = next((value for place in places if (value := value_at(row, place).strip())), "")
        if told["event"] not in self._mapping.kinds:
            present = (event for place, event in self._mapping.when_present.items() if value_at(row, place))
            told["event"] = next(present, told["event"])
        told["host"] = told["host"] or host_of(told["url"])
        if told["referrer"] and "://" not in told["referrer"]:
            told["referrer"] = f"https://{told['referrer']}"
        return told

    def _is_repeated(self, text: str) -> bool:
        seen = hash(text)
        if seen in self._ids:
            return True
        self._ids.add(seen)
        return False

    def _judged(self, line: LogLine, told: dict[str, str], source_file: int) -> tuple[LineClass, Hit | None, int]:
        referrer = parse_referrer(line.referrer)
        own = {*self._own_hosts, bare_host(line.host)}
        is_same_site = referrer is not None and referrer.host in own
        kind = self._kind(told["event"])
        path, query = split_target(line.target)
        path = readable(path)
        goals, bad_amounts = self._goals_of(told, kind, path, query, line.at)
        is_view = kind is EventKind.PAGE_VIEW
        if not is_view and not goals:
            return LineClass.OTHER, None, 0
        if self._shuts_out and self._is_shut_out(line):
            return LineClass.EXCLUDED, None, 0
        if line.agent is not None and describe_agent(line.agent).is_bot:
            return LineClass.BOT, None, 0
        if referrer is not None and not is_same_site and is_spam(referrer.host):
            return LineClass.SPAM, None, 0
        if is_view and not self._is_page(path, query):
            if not goals:
                return LineClass.EXCLUDED, None, 0
            is_view = False
        arrival = (
            None
            if is_same_site or not is_view
            else self._tagged(told, self._arrival(self._target(line.target), referrer), line)
        )
        view = PageView(line.at, self._stored(path, query), self._content_grouping(path, query)) if is_view else None
        line_class = LineClass.PAGE_VIEW if is_view else LineClass.GOAL
        return line_class, Hit(line.at, source_file, is_same_site, arrival, view, tuple(goals)), bad_amounts

    def _kind(self, event: str) -> EventKind | None:
        """Events that nobody knows are what the mapping says of ``*``, if it says anything."""
        kinds = self._mapping.kinds
        return kinds.get(event, kinds.get("*"))

    def _goals_of(
        self, told: dict[str, str], kind: EventKind | None, path: str, query: str, at: int
    ) -> tuple[list[Goal], int]:
        """The goals an event reaches, by what it is and by the rules, and how many amounts could not be read."""
        reached = list(self._reached(told, kind, path, query))
        goals = [Goal(at, goal_kind, name, amount or 0) for goal_kind, name, amount in reached]
        return goals, sum(amount is None for *_, amount in reached)

    def _reached(
        self, told: dict[str, str], kind: EventKind | None, path: str, query: str
    ) -> Iterator[tuple[GoalKind, str, int | None]]:
        event = told["event"]
        name = clean(told["name"] or self._mapping.names.get(event, event))
        by_rule = [rule for rule in self._rules.goals if event in rule.events or told["name"] in rule.events]
        for rule in by_rule:
            is_paid = rule.kind is GoalKind.CONVERSION and told["amount"]
            yield rule.kind, rule.name, self._amount(told) if is_paid else amount_of(rule, path, query)
        if not by_rule and kind is EventKind.CONVERSION:
            yield GoalKind.CONVERSION, name, self._amount(told)
        if not by_rule and kind is EventKind.MICROCONVERSION:
            yield GoalKind.MICROCONVERSION, name, 0
        if kind is EventKind.PAGE_VIEW:
            for rule in self._rules.goals:
                if rule.places.hold(path, query):
                    yield rule.kind, rule.name, amount_of(rule, path, query)

    def _amount(self, told: dict[str, str]) -> int | None:
        """In cents; None when it cannot be read or is in another currency than the account's."""
        if told["currency"] and told["currency"].upper() != self._rules.currency:
            return None
        return cents(told["amount"]) if told["amount"] else 0

    def _tagged(self, told: dict[str, str], arrival: Arrival | None, line: LogLine) -> Arrival | None:
        """The arrival with the tags of the event's own columns, where there are any."""
        tags = [_label(told[tag]) for tag in TAGS]
        if not any(tags):
            return arrival
        source, medium, campaign, term, content = tags
        referrer = parse_referrer(line.referrer)
        return Arrival(
            source or "(not set)",
            medium or "(none)",
            campaign or "(not set)",
            term,
            content,
            referrer.url if referrer else "",
            is_tagged=True,
        )


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
