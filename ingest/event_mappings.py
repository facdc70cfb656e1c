"""The columns of an event file, and the mapping files that say where they stand in the files of other programs."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from ..catalog.errors import suggestion
from .refusals import ImportRefused

# What may stand in an event file; ``docs/ingest.md`` shows this table.
COLUMNS = {
    "time": "when it happened: ISO 8601, or a number since 1970; needed",
    "event": "`page_view`, `conversion`, `microconversion`, or a name that a goal's `event` lists; needed",
    "name": "of a conversion or microconversion: the goal's name; unless said, what stands in `event`",
    "url": "the page: an address in full, or from its path on; UTM tags and click ids in it are read",
    "path": "the page's path, where there is no `url`",
    "query": "what belongs behind `path`",
    "host": "the page's host, where there is no `url` in full; a referrer of the same host is the site itself",
    "referrer": "the address the visitor came from; a host alone will do",
    "utm_source": "tags, which come before those in `url`",
    "utm_medium": "",
    "utm_campaign": "",
    "utm_term": "",
    "utm_content": "",
    "visitor": "any text that tells one visitor from another",
    "session": "any text that tells the visitor's sessions apart; without it a session ends after two hours",
    "address": "the visitor's IP address: tells visitors apart where there is no `visitor`, and their country",
    "user_agent": "as the browser sent it: tells bots, device, browser and system",
    "country": "ISO 3166 code or English name; comes before `address`",
    "device_type": "`desktop`, `mobile` or `tablet`; comes before `user_agent`, like the next two",
    "browser": "the browser's name",
    "os": "the system's name",
    "amount": "of a conversion, such as `12.50`",
    "currency": "of the amount; one in another currency than the account's counts as 0 and is told",
    "id": "any text; of two events with the same one the first counts",
}

NEEDED = ("time", "event")
WHO = ("visitor", "session", "address")  # one of them is needed


class EventKind(StrEnum):
    PAGE_VIEW = "page_view"
    CONVERSION = "conversion"
    MICROCONVERSION = "microconversion"
    IGNORED = "ignored"


Way = tuple[str, tuple[str, ...]]  # a column, and the steps from what is in it


@dataclass(frozen=True, slots=True)
class EventMapping:
    """Where each column stands (the first that says something counts), and what the events of a file are."""

    columns: Mapping[str, tuple[str, ...]]
    kinds: Mapping[str, EventKind] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)  # of goals, by event
    when_present: Mapping[str, str] = field(default_factory=dict)  # event, by a place that only it fills
    zone: tzinfo | None = None  # of times without one; unless said, the account's


PLAIN = EventMapping({name: (name,) for name in COLUMNS}, {str(kind): kind for kind in EventKind})


def shipped() -> list[str]:
    """The names of the mappings that come with fanin."""
    folder = files("fanin.ingest.mappings")
    return sorted(item.name.removesuffix(".toml") for item in folder.iterdir() if item.name.endswith(".toml"))


def mapping_named(text: str) -> EventMapping:
    """One that comes with fanin, by its name, or a file.  Raises ``ImportRefused`` naming what is accepted."""
    known = shipped()
    if text in known:
        return _mapping(text, files("fanin.ingest.mappings").joinpath(f"{text}.toml").read_text(encoding="utf-8"))
    path = Path(text)
    if not path.exists() and path.suffix != ".toml":
        raise ImportRefused(
            f"There is no mapping '{text}'{suggestion(text, known)}; known are {', '.join(known)}, and TOML files."
        )
    try:
        return _mapping(text, path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ImportRefused(f"The mapping '{text}' cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise ImportRefused(f"The mapping '{text}' is not TOML: {error}.") from error


def _mapping(name: str, text: str) -> EventMapping:
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ImportRefused(f"The mapping '{name}' is not TOML: {error}.") from error
    try:
        return _checked(table)
    except _Wrong as wrong:
        raise ImportRefused(f"The mapping '{name}' cannot be used: {wrong}.") from wrong


class _Wrong(ValueError):
    """What is wrong and what is accepted, as the end of a sentence."""


_TABLES = ("columns", "events", "names", "when_present", "time_zone")


def _checked(table: dict[str, Any]) -> EventMapping:
    for key in table:
        _known(key, _TABLES)
    columns = _table(table, "columns")
    for key in columns:
        _known(f"columns.{key}", [f"columns.{name}" for name in COLUMNS])
    if not all(name in columns for name in NEEDED) or not any(name in columns for name in WHO):
        raise _Wrong("columns must tell time, event and one of visitor, session and address")
    kinds = _table(table, "events")
    for key, value in kinds.items():
        if value not in list(EventKind):
            raise _Wrong(f"events.{key} = {value!r} is not accepted, it takes one of {', '.join(EventKind)}")
    return EventMapping(
        {name: _places(f"columns.{name}", value) for name, value in columns.items()},
        {str(kind): kind for kind in EventKind} | {key: EventKind(value) for key, value in kinds.items()},
        {key: _text(f"names.{key}", value) for key, value in _table(table, "names").items()},
        {key: _text(f"when_present.{key}", value) for key, value in _table(table, "when_present").items()},
        _zone(table.get("time_zone")),
    )


def _known(key: str, accepted: tuple[str, ...] | list[str]) -> None:
    if key not in accepted:
        raise _Wrong(f"there is no {key}{suggestion(key, accepted)}; known are {', '.join(accepted)}")


def _table(table: dict[str, Any], key: str) -> dict[str, Any]:
    found = table.get(key, {})
    if not isinstance(found, dict):
        raise _Wrong(f"{key} = {found!r} is not accepted, it takes a table headed [{key}]")
    return found


def _places(key: str, value: Any) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    return tuple(_text(key, one) for one in values)


def _text(key: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _Wrong(f"{key} = {value!r} is not accepted, it takes a text")
    return value


def _zone(value: Any) -> tzinfo | None:
    if value is None:
        return None
    try:
        return ZoneInfo(_text("time_zone", value))
    except (KeyError, ValueError, OSError) as error:
        raise _Wrong(f"time_zone = {value!r} is not accepted, it takes a name such as 'Europe/Madrid'") from error
