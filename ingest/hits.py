"""What one request means on one site: a page view, a goal, a redirect, or one of the many things that are neither."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from ipaddress import ip_address
from typing import NamedTuple

from ..warehouse.facts import Arrival, Goal, Hit, PageView
from .addresses import Referrer, bare_host, parameters, parse_referrer, readable, split_target, target_of
from .agents import describe_agent
from .log_lines import LogLine
from .money import cents
from .referrers import Origin, is_spam, origin_of
from .site_rules import GoalRule, Places, SiteRules
from .summaries import LineClass

REDIRECT_STATUSES = frozenset(("301", "302", "303", "307", "308"))

# Endings of what a page is made of, of what is downloaded, and of what only programs read.
STATIC_ENDINGS = frozenset(
    ending
    for row in (
        "css js mjs map wasm png jpg jpeg jpe gif svg svgz webp avif ico cur bmp tif tiff heic woff woff2 ttf otf eot swf",
        "xml xsl xslt rss atom rdf txt json jsonld webmanifest yml yaml csv pdf doc docx xls xlsx ppt pptx odt ods rtf",
        "ps zip gz tgz bz2 xz zst 7z rar tar jar war deb rpm dmg exe msi apk ipa iso bin gem whl pyc class so dll",
        "mp3 m4a ogg oga opus wav flac mp4 m4v mov avi mkv webm ogv mpg mpeg wmv flv vtt",
    )
    for ending in row.split()
)

# Click ids stand in for tags that were not set; names in lower case.  Contract §3, *Attribution*.  Facebook and
# Instagram put theirs on every link out, paid or not, so that it says no more than the network.
CLICK_IDS = {
    "gclid": Origin("google", "cpc"),
    "gbraid": Origin("google", "cpc"),
    "wbraid": Origin("google", "cpc"),
    "dclid": Origin("google", "display"),
    "msclkid": Origin("bing", "cpc"),
    "yclid": Origin("yandex", "cpc"),
    "ttclid": Origin("tiktok", "cpc"),
    "twclid": Origin("twitter", "cpc"),
    "li_fat_id": Origin("linkedin", "cpc"),
    "epik": Origin("pinterest", "cpc"),
    "rdt_cid": Origin("reddit", "cpc"),
    "sccid": Origin("snapchat", "cpc"),
    "fbclid": Origin("facebook", "social"),
    "igshid": Origin("instagram", "social"),
}

KEPT_TARGETS = 65_536  # descriptions of targets remembered; then it starts over


class GoalReached(NamedTuple):
    rule: GoalRule
    amount_cents: int | None  # None when the amount could not be read


class Target(NamedTuple):
    """What a request's path and query mean, whoever asks for them."""

    line_class: LineClass  # PAGE_VIEW when it may be one
    path: str = ""
    content_grouping: str = ""
    goals: tuple[GoalReached, ...] = ()
    tags: Arrival | None = None


_STATIC = Target(LineClass.STATIC)
_EXCLUDED = Target(LineClass.EXCLUDED)
_NO_REQUEST = Target(LineClass.OTHER)


class HitReader:
    """Reads requests by the rules of one site, and remembers what it has found out about targets."""

    def __init__(self, rules: SiteRules) -> None:
        self._rules = rules
        self._own_hosts = frozenset(map(bare_host, rules.sites))
        self._pass_through = frozenset(map(bare_host, rules.pass_through))
        self._goal_places = Places.of(*(text for goal in rules.goals for text in goal.places.texts))
        self._static_endings = STATIC_ENDINGS.difference(rules.page_types)
        self._page_methods = frozenset(rules.page_methods)
        self._page_statuses = frozenset(rules.page_statuses)
        self._hosts = frozenset(map(bare_host, rules.hosts))
        self._shuts_out = bool(rules.hosts or rules.exclude_addresses or rules.exclude_agents)
        self._is_excluded_address = lru_cache(maxsize=KEPT_TARGETS)(self._look_address_up)
        self._targets: dict[str, Target] = {}

    def read(self, line: LogLine) -> tuple[LineClass, Hit | None]:
        """The class the line counts in, and the hit when it is one."""
        target = self._target(line.target)
        if target.line_class is not LineClass.PAGE_VIEW and not target.goals:
            return target.line_class, None
        if self._shuts_out and self._is_shut_out(line):
            return LineClass.EXCLUDED, None
        if describe_agent(line.agent).is_bot:
            return LineClass.BOT, None
        referrer = parse_referrer(line.referrer)
        if referrer is not None and referrer.host not in self._own_hosts and is_spam(referrer.host):
            return LineClass.SPAM, None
        line_class = self._line_class(line, target)
        if line_class not in _HITS:
            return line_class, None
        hit = self._hit(line, target, referrer, line_class)
        return line_class, None if line_class is LineClass.REDIRECT and hit.arrival is None else hit

    def bad_amounts(self, line: LogLine) -> int:
        """How many of the goals the line reached have an amount that could not be read."""
        return sum(goal.amount_cents is None for goal in _reached(line, self._target(line.target)))

    def _is_shut_out(self, line: LogLine) -> bool:
        """Another host's request, or one of those who do not count: staff, monitoring."""
        if self._hosts and line.host and bare_host(line.host) not in self._hosts:
            return True
        agent = (line.agent or "").lower()
        return any(text in agent for text in self._rules.exclude_agents) or self._is_excluded_address(line.address)

    def _look_address_up(self, text: str) -> bool:
        try:
            address = ip_address(text)
        except ValueError:
            return False
        return any(address in network for network in self._rules.exclude_addresses)

    def _line_class(self, line: LogLine, target: Target) -> LineClass:
        is_page = target.line_class is LineClass.PAGE_VIEW and line.method in self._page_methods
        if is_page and line.status in self._page_statuses:
            return LineClass.PAGE_VIEW
        if _reached(line, target):
            return LineClass.GOAL
        if is_page and line.status in REDIRECT_STATUSES:
            return LineClass.REDIRECT
        return LineClass.OTHER if target.line_class is LineClass.PAGE_VIEW else target.line_class

    def _hit(self, line: LogLine, target: Target, referrer: Referrer | None, line_class: LineClass) -> Hit:
        is_same_site = referrer is not None and referrer.host in self._own_hosts
        return Hit(
            line.at,
            is_same_site,
            None if is_same_site or line_class is LineClass.GOAL else self._arrival(target.tags, referrer),
            PageView(line.at, target.path, target.content_grouping) if line_class is LineClass.PAGE_VIEW else None,
            tuple(
                Goal(line.at, goal.rule.kind, goal.rule.name, goal.amount_cents or 0) for goal in _reached(line, target)
            ),
        )

    def _arrival(self, tags: Arrival | None, referrer: Referrer | None) -> Arrival | None:
        """Tags before referrers; a host the visitor was only sent through says nothing.  Contract §3, *Attribution*."""
        url = referrer.url if referrer else ""
        if tags is not None:
            return tags._replace(referrer=url)
        if referrer is None or referrer.host in self._pass_through:
            return None
        source, medium = origin_of(referrer)
        return Arrival(source, medium, referrer=url)

    def _target(self, text: str) -> Target:
        target = self._targets.get(text)
        if target is None:
            if len(self._targets) >= KEPT_TARGETS:
                self._targets.clear()
            target = self._targets[text] = self._describe(text)
        return target

    def _describe(self, text: str) -> Target:
        if text.startswith(("http://", "https://")):  # the form a proxy is asked in
            text = target_of(text)
        if not text.startswith("/"):
            return _NO_REQUEST
        encoded, query = split_target(text)
        path = readable(encoded)
        goals = tuple(self._goals(path, query)) if self._goal_places.hold(path, query) else ()
        if _ending(path) in self._static_endings:
            return _STATIC._replace(goals=goals) if goals else _STATIC
        if not self._is_page(path, query):
            return _EXCLUDED._replace(goals=goals) if goals else _EXCLUDED
        return Target(
            LineClass.PAGE_VIEW, self._stored(path, query), self._content_grouping(path, query), goals, tags_of(query)
        )

    def _is_page(self, path: str, query: str) -> bool:
        include = self._rules.include
        return (not include.texts or include.hold(path, query)) and not self._rules.exclude.hold(path, query)

    def _goals(self, path: str, query: str) -> Iterator[GoalReached]:
        for rule in self._rules.goals:
            if rule.places.hold(path, query):
                yield GoalReached(rule, amount_of(rule, path, query))

    def _stored(self, path: str, query: str) -> str:
        """The path under which a page is counted: without its query, but for the parameters the rules keep."""
        kept = self._rules.keep_parameters
        if not kept or not query:
            return path
        pairs = [f"{name}={value}" for name, value in parameters(query).items() if name in kept]
        return f"{path}?{'&'.join(pairs)}" if pairs else path

    def _content_grouping(self, path: str, query: str) -> str:
        groupings = self._rules.content_groupings
        return next((grouping.name for grouping in groupings if grouping.places.hold(path, query)), "")


_HITS = frozenset((LineClass.PAGE_VIEW, LineClass.GOAL, LineClass.REDIRECT))


def _reached(line: LogLine, target: Target) -> list[GoalReached]:
    return [goal for goal in target.goals if line.method in goal.rule.methods and line.status in goal.rule.statuses]


def _ending(path: str) -> str:
    return path.rpartition("/")[2].rpartition(".")[2].lower() if "." in path else ""


def tags_of(query: str) -> Arrival | None:
    """UTM tags, or else an ad click.  Labels of contract §1.0.3."""
    if "=" not in query:
        return None
    given = {name.lower(): value for name, value in parameters(query).items() if value}
    source, medium, campaign, term, content = (
        given.get(f"utm_{name}", "") for name in ("source", "medium", "campaign", "term", "content")
    )
    if source or medium or campaign or term or content:
        return Arrival(
            source or "(not set)", medium or "(none)", campaign or "(not set)", term, content, is_tagged=True
        )
    clicked = next((CLICK_IDS[name] for name in CLICK_IDS if name in given), None)
    return Arrival(*clicked, is_tagged=True) if clicked else None


def amount_of(rule: GoalRule, path: str, query: str) -> int | None:
    """In cents, or None when it cannot be read where the rule says it stands."""
    if rule.amount_path is not None:
        found = rule.amount_path.search(path)
        return cents(found[1] or "") if found else None
    if rule.amount_parameter:
        return cents(parameters(query).get(rule.amount_parameter, ""))
    return rule.amount_cents
