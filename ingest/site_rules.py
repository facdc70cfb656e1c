"""What an import has to be told about a site: one TOML file an account, read and checked as a whole.

``sites`` are its own hosts, ``include`` and ``exclude`` say what is a page, ``[[goals]]`` what is worth counting,
``[[content_groupings]]`` how pages fall into groups.  ``docs/ingest.md`` lists every key, from the tables at the end.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from ..catalog.errors import suggestion
from ..warehouse.facts import GoalKind
from .addresses import VALUE_LIMIT, bare_host, readable
from .money import cents
from .refusals import ImportRefused


@dataclass(frozen=True, slots=True)
class Places:
    """Which addresses are meant: any of several.

    ``/blog/*`` is a path with ``*`` for any text, slashes too; ``/*?flav=*`` asks for a parameter as well;
    ``^/p/[0-9]+$`` is a regular expression on the path.  Paths are compared percent-decoded, case matters.
    """

    texts: tuple[str, ...] = ()
    _paths: tuple[re.Pattern[str], ...] = ()  # of a path
    _locations: tuple[re.Pattern[str], ...] = ()  # of a path with its query

    @classmethod
    def of(cls, *texts: str) -> Places:
        """Raises ``re.error`` for an expression that is none."""
        expressions = [text for text in texts if text.startswith("^")]
        globs = [_glob(text, ".*") for text in texts if not text.startswith("^") and "?" not in text]
        locations = [_location(text) for text in texts if not text.startswith("^") and "?" in text]
        return cls(texts, (*_one_of(globs), *(re.compile(text) for text in expressions)), _one_of(locations))

    def hold(self, path: str, query: str) -> bool:
        """Whether the address is one of them.  The path is decoded, the query as it was sent."""
        return any(pattern.match(path) for pattern in self._paths) or (
            bool(query and self._locations)
            and any(pattern.match(f"{path}?{readable(query)}") for pattern in self._locations)
        )


@dataclass(frozen=True, slots=True)
class GoalRule:
    """A request for one of the places reaches the goal, or one of the events of an event file.

    ``amount_cents`` is what it is worth unless the query or the path tells.
    """

    name: str
    kind: GoalKind
    places: Places = Places()
    methods: tuple[str, ...] = ("GET",)
    statuses: tuple[str, ...] = ("200",)
    amount_cents: int = 0
    amount_parameter: str = ""
    amount_path: re.Pattern[str] | None = None  # its first group is the amount
    events: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ContentGrouping:
    name: str
    places: Places


@dataclass(frozen=True, slots=True)
class SiteRules:
    """The rules of one account.  Without a file: no own hosts, UTC, euro, every page counted, no goals."""

    sites: tuple[str, ...] = ()  # lower case, without `www.`, which every host may carry
    time_zone: str = "UTC"
    currency: str = "EUR"
    keep_parameters: tuple[str, ...] = ()  # of a query, what stays part of a page's path
    pass_through: tuple[str, ...] = ()  # hosts a visitor is sent to and back from, such as a payment service
    exclude: Places = Places()
    goals: tuple[GoalRule, ...] = ()
    content_groupings: tuple[ContentGrouping, ...] = ()
    include: Places = Places()  # when there are any, nothing else is a page
    page_methods: tuple[str, ...] = ("GET",)
    page_statuses: tuple[str, ...] = ("200", "304")
    page_types: tuple[str, ...] = ()  # endings of names that are pages, although they look like files
    hosts: tuple[str, ...] = ()  # where a log tells the host that was asked: the only ones that count
    exclude_addresses: tuple[IPv4Network | IPv6Network, ...] = ()
    exclude_agents: tuple[str, ...] = ()  # lower case; a user agent with one of them in it does not count


def read_site_rules(path: Path) -> SiteRules:
    """The rules of a settings file.  Raises ``ImportRefused``."""
    return site_rules_of(read_settings_text(path), str(path))


def read_settings_text(path: Path) -> str:
    """A settings file as it stands.  Raises ``ImportRefused``."""
    try:
        return path.read_bytes().decode()
    except OSError as error:
        raise ImportRefused(f"The rules file '{path}' cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise ImportRefused(f"The rules file '{path}' is not TOML: {error}.") from error


def site_rules_of(text: str, file: str) -> SiteRules:
    """The rules that a file's text spells.  Raises ``ImportRefused`` naming the key, its value and what is accepted."""
    try:
        return SiteRules(**_read_table(tomllib.loads(text), TOP))
    except tomllib.TOMLDecodeError as error:
        raise ImportRefused(f"The rules file '{file}' is not TOML: {error}.") from error
    except _Wrong as wrong:
        raise ImportRefused(f"The rules file '{file}' cannot be used: {wrong}.") from wrong


def own_hosts(names: Iterable[str]) -> tuple[str, ...]:
    """Host names in the form rules compare: lower case, no port, no ``www.``.  Raises ``ImportRefused``."""
    try:
        return _hosts("sites", list(names))
    except _Wrong as wrong:
        raise ImportRefused(f"{wrong}.") from wrong


def overridden(rules: SiteRules, sites: Iterable[str] | None, time_zone: str | None, currency: str | None) -> SiteRules:
    """The rules of the file, with what the command line says instead.  Raises ``ImportRefused``."""
    said = {
        "sites": own_hosts(sites) if sites else None,
        "time_zone": time_zone,
        "currency": currency and currency.upper(),
    }
    try:
        _read_table({key: value for key, value in said.items() if value and key != "sites"}, TOP)
    except _Wrong as wrong:
        raise ImportRefused(f"{wrong}.") from wrong
    return replace(rules, **{name: value for name, value in said.items() if value})


class _Wrong(ValueError):
    """Key, value and what is accepted, as the end of a sentence."""

    def __init__(self, key: str, value: object, accepted: str) -> None:
        super().__init__(f"{key} = {value!r} is not accepted, it takes {accepted}")


class _Missing(_Wrong):
    def __init__(self, key: str) -> None:
        ValueError.__init__(self, f"{key} is missing")


_Reader = Callable[[str, Any], Any]


def _read_table(
    table: Mapping[str, Any], readers: Mapping[str, tuple[str, _Reader]], under: str = ""
) -> dict[str, Any]:
    """Field by field of the table, under the names of the value made from it; an unknown key is refused."""
    for key in table:
        if key not in readers:
            known = ", ".join(readers)
            raise _Wrong(f"{under}{key}", table[key], f"no such key{suggestion(key, readers)}; known are {known}")
    return {name: read(f"{under}{key}", table[key]) for key, (name, read) in readers.items() if key in table}


def _one_of(patterns: list[str]) -> tuple[re.Pattern[str], ...]:
    """One expression instead of many: most addresses match none, and that should be quick to say."""
    return (re.compile(rf"(?:{'|'.join(patterns)})\Z", re.DOTALL),) if patterns else ()


def _glob(text: str, anything: str) -> str:
    return anything.join(re.escape(part) for part in text.split("*"))


def _location(text: str) -> str:
    path, _, parameter = text.partition("?")
    return rf"{_glob(path, '[^?]*')}\?(?:.*&)?{_glob(parameter, '[^&]*')}(?:&.*)?"


def _text(key: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > VALUE_LIMIT:
        raise _Wrong(key, value, f"a text of 1 to {VALUE_LIMIT} characters")
    return value.strip()


def _texts(key: str, value: Any) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(one, str) and one.strip() for one in values):
        raise _Wrong(key, value, "a text or a list of texts")
    return tuple(one.strip() for one in values)


def _hosts(key: str, value: Any) -> tuple[str, ...]:
    names = _texts(key, value)
    for name in names:
        if not re.fullmatch(r"[^\s/?#@*]+", name):
            raise _Wrong(key, name, "host names such as 'example.com', without scheme and path")
    return tuple(bare_host(name) for name in names)


def _time_zone(key: str, value: Any) -> str:
    try:
        return ZoneInfo(_text(key, value)).key
    except (KeyError, ValueError, OSError) as error:
        raise _Wrong(key, value, "the name of a time zone such as 'Europe/Madrid'") from error


def _currency(key: str, value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch("[A-Z]{3}", value):
        raise _Wrong(key, value, "a currency of three capital letters such as 'EUR'")
    return value


def _places(key: str, value: Any) -> Places:
    accepted = "paths such as '/blog/*', with a parameter '/*?page=*', or expressions such as '^/p/[0-9]+$'"
    texts = _texts(key, value)
    for text in texts:
        if not text.startswith(("/", "*", "^")):
            raise _Wrong(key, text, accepted)
    try:
        return Places.of(*texts)
    except re.error as error:
        raise _Wrong(key, value, accepted) from error


def _page_types(key: str, value: Any) -> tuple[str, ...]:
    endings = _texts(key, value)
    if not all(re.fullmatch(r"\.?[A-Za-z0-9]+", ending) for ending in endings):
        raise _Wrong(key, value, "endings of file names such as 'pdf'")
    return tuple(ending.removeprefix(".").lower() for ending in endings)


def _networks(key: str, value: Any) -> tuple[IPv4Network | IPv6Network, ...]:
    networks: list[IPv4Network | IPv6Network] = []
    for text in _texts(key, value):
        try:
            networks.append(ip_network(text))
        except ValueError as error:
            raise _Wrong(key, text, "addresses and ranges of them such as '192.0.2.7' or '10.0.0.0/8'") from error
    return tuple(networks)


def _lower_texts(key: str, value: Any) -> tuple[str, ...]:
    return tuple(text.lower() for text in _texts(key, value))


def _pattern(key: str, value: Any) -> re.Pattern[str]:
    accepted = "an expression with the amount in brackets such as '^/paid/([0-9.]+)$'"
    try:
        pattern = re.compile(value) if isinstance(value, str) else None
    except re.error as error:
        raise _Wrong(key, value, accepted) from error
    if pattern is None or pattern.groups != 1:
        raise _Wrong(key, value, accepted)
    return pattern


def _kind(key: str, value: Any) -> GoalKind:
    if value not in list(GoalKind):
        raise _Wrong(key, value, " or ".join(f"'{kind}'" for kind in GoalKind))
    return GoalKind(value)


def _methods(key: str, value: Any) -> tuple[str, ...]:
    methods = _texts(key, value)
    if not all(re.fullmatch("[A-Z]+", method) for method in methods):
        raise _Wrong(key, value, "HTTP methods in capitals such as 'POST'")
    return methods


def _statuses(key: str, value: Any) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    if not values or not all(type(one) is int and 100 <= one <= 599 for one in values):
        raise _Wrong(key, value, "HTTP statuses from 100 to 599")
    return tuple(str(one) for one in values)


def _amount(key: str, value: Any) -> int:
    amount = cents(value) if isinstance(value, str) else None
    if amount is None:
        raise _Wrong(key, value, "an amount in quotes such as '12.50'")
    return amount


def _goals(key: str, value: Any) -> tuple[GoalRule, ...]:
    return tuple(_goal(f"{key}[{place}].", one) for place, one in enumerate(_tables(key, value), start=1))


def _goal(under: str, table: dict[str, Any]) -> GoalRule:
    _demand(under, table, ("name", "kind"))
    if "event" not in table:
        _demand(under, table, ("path",))
    rule = GoalRule(**_read_table(table, GOAL, under))
    for key in ("amount", "amount_parameter", "amount_path"):
        if key in table and rule.kind is not GoalKind.CONVERSION:
            raise _Wrong(f"{under}{key}", table[key], "no value in a microconversion, which carries no money")
    return rule


def _content_groupings(key: str, value: Any) -> tuple[ContentGrouping, ...]:
    tables = enumerate(_tables(key, value), start=1)
    return tuple(_content_grouping(f"{key}[{place}].", one) for place, one in tables)


def _content_grouping(under: str, table: dict[str, Any]) -> ContentGrouping:
    _demand(under, table, ("name", "path"))
    return ContentGrouping(**_read_table(table, CONTENT_GROUPING, under))


def _tables(key: str, value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise _Wrong(key, value, f"tables, each headed [[{key}]]")
    return value


def _demand(under: str, table: dict[str, Any], keys: Iterable[str]) -> None:
    for key in keys:
        if key not in table:
            raise _Missing(f"{under}{key}")


# Key of the file: field of the value, how it is read.
TOP: dict[str, tuple[str, _Reader]] = {
    "sites": ("sites", _hosts),
    "time_zone": ("time_zone", _time_zone),
    "currency": ("currency", _currency),
    "hosts": ("hosts", _hosts),
    "include": ("include", _places),
    "exclude": ("exclude", _places),
    "page_method": ("page_methods", _methods),
    "page_status": ("page_statuses", _statuses),
    "page_type": ("page_types", _page_types),
    "exclude_addresses": ("exclude_addresses", _networks),
    "exclude_agents": ("exclude_agents", _lower_texts),
    "keep_parameters": ("keep_parameters", _texts),
    "pass_through": ("pass_through", _hosts),
    "goals": ("goals", _goals),
    "content_groupings": ("content_groupings", _content_groupings),
}
GOAL: dict[str, tuple[str, _Reader]] = {
    "name": ("name", _text),
    "kind": ("kind", _kind),
    "path": ("places", _places),
    "method": ("methods", _methods),
    "status": ("statuses", _statuses),
    "event": ("events", _texts),
    "amount": ("amount_cents", _amount),
    "amount_parameter": ("amount_parameter", _text),
    "amount_path": ("amount_path", _pattern),
}
CONTENT_GROUPING: dict[str, tuple[str, _Reader]] = {
    "name": ("name", _text),
    "path": ("places", _places),
}
