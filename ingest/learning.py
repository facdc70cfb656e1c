"""What a log shows about its site, for the settings of a new account: its own host, and which paths are no pages.

A page fetches its parts with itself as referrer, and a click on it leads on with it as referrer.  So a kind of path that
many requests ask for, and that no request of the site itself ever came from, is no page: a picture without an ending, or
what a script asks for.  What is learned is written down once, and from then on it is a rule like any other: importing in
parts, in any order, gives what importing the whole gives.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .addresses import Referrer, parse_referrer, readable, split_target
from .agents import describe_agent
from .hits import HitReader
from .importing import requests_of
from .log_formats import LogFormat
from .site_rules import SiteRules
from .summaries import LineClass

ENOUGH_REQUESTS = 20  # of a kind of path, before anything is said about it
ENOUGH_PAGES = 20  # kinds of referrers are trusted when so many different pages of the site were seen as one
FEW = 0.01  # requests of a kind that came from it, to requests for it: below, what came is chance

_WORD = re.compile(r"[A-Za-z][A-Za-z_-]*")


@dataclass(frozen=True, slots=True)
class Learned:
    """``exclude`` is written as a rule is; ``requests`` tells how many each of them would have left out."""

    sites: tuple[str, ...]
    exclude: tuple[str, ...]
    requests: dict[str, int]
    lines: int


def learn(files: Sequence[Path], written_as: LogFormat | None = None) -> Learned:
    """Reads logs once and says what they show.  Raises ``ImportRefused`` as an import does."""
    reader = HitReader(SiteRules())
    hosts: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    came: dict[str, Counter[str]] = defaultdict(Counter)  # paths by host, as referrers
    lines = 0
    for line in requests_of(files, written_as):
        lines += 1
        referrer = parse_referrer(line.referrer)
        if referrer is not None:
            came[referrer.host][_path(referrer)] += 1
        line_class, _ = reader.read(line)
        if line_class is LineClass.STATIC and referrer is not None and not describe_agent(line.agent).is_bot:
            hosts[referrer.host] += 1
        if line_class is LineClass.PAGE_VIEW:
            asked[readable(split_target(line.target)[0])] += 1
    sites = tuple(host for host, _ in hosts.most_common(1))
    pages = Counter[str]()
    for host in sites:
        pages.update(came[host])
    exclude = _not_pages(asked, pages) if len(pages) >= ENOUGH_PAGES else {}
    return Learned(sites, tuple(exclude), exclude, lines)


def _path(referrer: Referrer) -> str:
    return readable(referrer.path or "/")


def _not_pages(asked: Counter[str], pages: Counter[str]) -> dict[str, int]:
    """The kinds of paths nothing came from, the most asked for first, and how often."""
    requests: Counter[str] = Counter()
    for path, count in asked.items():
        requests.update(dict.fromkeys(_kinds(path), count))
    came_from: Counter[str] = Counter()
    for path, count in pages.items():
        came_from.update(dict.fromkeys(_kinds(path), count))
    found: dict[str, int] = {}
    for kind, count in sorted(requests.items(), key=lambda item: (item[0].count("/"), -item[1], item[0])):
        is_covered = any(kind != wider and kind.startswith(wider.removesuffix("*")) for wider in found)
        if count >= ENOUGH_REQUESTS and came_from[kind] < count * FEW and not is_covered:
            found[kind] = count
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def _kinds(path: str) -> Iterator[str]:
    """What a path is one of, widest first: ``/m/product/7`` is one of ``/m/*`` and of ``/m/product/*``.

    A first or second part that is no word, such as a number, makes no kind.
    """
    parts = path.strip("/").split("/")
    if len(parts) == 1:
        yield path
        return
    kind = ""
    for part in _words(parts[:-1][:2]):
        kind += f"/{part}"
        yield f"{kind}/*"


def _words(parts: Iterable[str]) -> Iterator[str]:
    for part in parts:
        if not _WORD.fullmatch(part):
            return
        yield part


def settings_text(account_id: str, rules: SiteRules, learned: Learned | None) -> str:
    """A settings file for the account, with everything one may want to change, as TOML."""
    sites = learned.sites if learned and learned.sites else rules.sites
    return _TEMPLATE.format(
        account=account_id,
        sites=_texts(sites),
        time_zone=rules.time_zone,
        currency=rules.currency,
        exclude=_learned_text(learned) if learned and learned.exclude else "exclude = []",
    )


def _learned_text(learned: Learned) -> str:
    rows = (f"    {_quoted(text)},  # {learned.requests[text]:,} requests\n" for text in learned.exclude)
    return f"# Learned from {learned.lines:,} requests: nothing on the site ever came from these.\nexclude = [\n{''.join(rows)}]"


def _texts(texts: Iterable[str]) -> str:
    return f"[{', '.join(map(_quoted, texts))}]"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


_TEMPLATE = """\
# What an import has to know about account {account}.  Use: fanin import LOG --account {account} --settings THIS-FILE

# The site's own hosts, without www.; a visitor who comes from one of them does not arrive.
sites = {sites}
time_zone = "{time_zone}"  # days begin at midnight here; it cannot be changed once something was imported
currency = "{currency}"  # as little

# What is no page: paths with * for any text, /*?page=* for a parameter, ^/p/[0-9]+$ for an expression.
{exclude}
# include = ["/shop/*"]  # when there are any, nothing else is a page
# page_method = ["GET"]
# page_status = [200, 304]
# page_type = ["pdf"]  # endings that are pages although they look like files

# Who does not count.
# exclude_addresses = ["192.0.2.7", "10.0.0.0/8"]
# exclude_agents = ["UptimeRobot"]
# hosts = ["www.example.com"]  # of a log of many sites, those that are this account's

# Parameters that tell pages apart.  All others are dropped: they may hold names, addresses, keys.
# keep_parameters = ["id"]
# pass_through = ["pay.example.com"]  # hosts that visitors are sent to and come back from

# [[goals]]
# name = "purchase"
# kind = "conversion"  # or microconversion, which carries no money
# path = "/order/thanks*"
# method = ["GET"]
# status = [200]
# event = ["purchase"]  # of event files
# amount = "12.50"  # or amount_parameter = "total", or amount_path = "^/paid/([0-9.]+)$"

# [[content_groupings]]
# name = "Blog"
# path = ["/blog", "/blog/*"]
"""
