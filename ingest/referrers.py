"""What a referrer says about where a visitor came from: a source and a medium, or spam.

The lists are files in ``lists/``; their README tells where they come from.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple

from .addresses import VALUE_LIMIT, Referrer, parameters


class Origin(NamedTuple):
    source: str
    medium: str


class _Entry(NamedTuple):
    """One line of ``referrers.tsv``."""

    path: str  # the referrer's path must start with it
    origin: Origin
    parameters: tuple[str, ...]  # when given, the referrer's query must hold one of them


def origin_of(referrer: Referrer) -> Origin:
    """Search engine, social network, AI assistant, or else the referring host itself.  Contract §1.0.3.

    The closest entry wins: the host as a whole before the domain it belongs to, a longer path before a shorter.
    """
    for key in _keys(referrer.host):
        for entry in _entries().get(key, ()):
            if referrer.path.startswith(entry.path) and _asks(entry, referrer.query):
                return entry.origin
    return Origin(referrer.host[:VALUE_LIMIT], "referrer")


@lru_cache(maxsize=16_384)
def is_spam(host: str) -> bool:
    """Whether the host, or a domain it belongs to, is known to send referrers nobody ever followed."""
    return any(domain in _spammers() for domain in _domains(host))


_COUNTRY_ENDING = re.compile(r"\.(?:com?\.)?[a-z]{2}$")


def _keys(host: str) -> Iterator[str]:
    """The ways an entry for this host may be written, closest first; ``{}`` stands for a country's ending."""
    yield host
    general = _COUNTRY_ENDING.sub(".{}", host)
    if general != host:
        yield general
    first, _, rest = host.partition(".")
    if len(first) == 2:
        yield f"{{}}.{rest}"
    for domain in _domains(host):
        yield f".{domain}"


def _domains(host: str) -> Iterator[str]:
    """``a.b.c``, ``b.c``, ``c``."""
    while host:
        yield host
        host = host.partition(".")[2]


def _asks(entry: _Entry, query: str) -> bool:
    return not entry.parameters or any(name in entry.parameters for name in parameters(query))


@lru_cache(maxsize=1)
def _entries() -> dict[str, list[_Entry]]:
    """By host, longest path first."""
    entries: dict[str, list[_Entry]] = {}
    for line in _lines("referrers.tsv"):
        address, source, medium, *names = line.split("\t")
        host, slash, path = address.partition("/")
        entries.setdefault(host, []).append(
            _Entry(slash + path, Origin(source, medium), tuple(names[0].split(",")) if names else ())
        )
    for found in entries.values():
        found.sort(key=lambda entry: len(entry.path), reverse=True)
    return entries


@lru_cache(maxsize=1)
def _spammers() -> frozenset[str]:
    return frozenset(_lines("spammers.txt"))


def _lines(name: str) -> Iterator[str]:
    text = files("fanin.ingest.lists").joinpath(name).read_text(encoding="utf-8")
    return (line for line in text.splitlines() if line and not line.startswith("#"))
