"""What each line of a log or an event file is: a class for every line, and a hit of a visitor for some."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from math import inf

from ..warehouse.facts import Visitor
from ..warehouse.line_batches import LineBatch, LineBatchBuilder
from .agents import describe_agent
from .countries import country_of
from .event_files import NumberedRow
from .event_mappings import EventMapping
from .events import EventReader
from .fingerprints import Fingerprints
from .hits import HitReader
from .log_formats import LogFormat
from .site_rules import SiteRules
from .summaries import LineClass

CLASSES = tuple(LineClass)
_NUMBERS = {line_class: number for number, line_class in enumerate(CLASSES)}

_KEPT_VISITORS = 65_536


@dataclass(slots=True)
class Judged:
    """Lines of one file.  Those that are damaged or blank are in no batch: they change nothing, and always count."""

    batch: LineBatch
    damaged: list[tuple[int, str]] = field(default_factory=list)  # number and text
    blank: int = 0
    first_at: float = inf
    last_at: float = -inf

    def see(self, at: int) -> None:
        self.first_at = min(self.first_at, at)
        self.last_at = max(self.last_at, at)


class LineJudge:
    """Judges the lines of one log by the rules of its site."""

    def __init__(self, rules: SiteRules, log_format: LogFormat, secret: bytes) -> None:
        self._reader = HitReader(rules)
        self._parse = log_format.reader()
        self._is_header = log_format.is_header
        self._fingerprints = Fingerprints(secret)
        self._builder = LineBatchBuilder()

    def judge(self, numbered: Iterable[tuple[int, str]]) -> Judged:
        builder, fingerprints, read = self._builder, self._fingerprints, self._reader.read
        damaged: list[tuple[int, str]] = []
        blank = 0
        first_at, last_at = inf, -inf
        for number, text in numbered:
            line = self._parse(text)
            if line is None:
                if text.strip() and not self._is_header(text):
                    damaged.append((number, text))
                else:
                    blank += 1
                continue
            if line.at < first_at:
                first_at = line.at
            if line.at > last_at:
                last_at = line.at
            line_class, hit = read(line)
            fingerprint = fingerprints.of(text)
            builder.add_line(fingerprint, _NUMBERS[line_class])
            if hit is None:
                continue
            visitor = fingerprints.of_visitor(line.address, line.agent or "")
            hit = hit._replace(visitor=_visitor_of(line.address, line.agent))
            builder.add_hit(fingerprint, hit, visitor, bad_amounts=self._reader.bad_amounts(line) if hit.goals else 0)
        return Judged(builder.take(), damaged, blank, first_at, last_at)


class EventJudge:
    """Judges the rows of one event file.  An event that has an id is known by it, any other by what it says."""

    def __init__(self, rules: SiteRules, mapping: EventMapping, secret: bytes) -> None:
        self._reader = EventReader(rules, mapping)
        self._fingerprints = Fingerprints(secret)
        self._builder = LineBatchBuilder()

    def wants(self, column: str) -> bool:
        """Whether a file's column is of use."""
        return self._reader.wants(column)

    def judge(self, rows: Iterable[NumberedRow]) -> Judged:
        judged = Judged(self._builder.take())
        for number, row, text in rows:
            read = self._reader.read_event(row) if row is not None else None
            if read is None or read.at is None:
                if row is not None or text.strip():
                    judged.damaged.append((number, text))
                else:
                    judged.blank += 1
                continue
            judged.see(read.at)
            fingerprint = self._fingerprints.of(read.content)
            self._builder.add_line(fingerprint, _NUMBERS[read.line_class], read.is_once)
            if read.hit is not None and read.key is not None:
                self._builder.add_hit(
                    fingerprint,
                    read.hit,
                    self._fingerprints.of_visitor("event", *read.key),
                    is_own_visit=bool(read.key.session),
                    bad_amounts=read.bad_amounts,
                )
        judged.batch = self._builder.take()
        return judged


@lru_cache(maxsize=_KEPT_VISITORS)
def _visitor_of(address: str, agent: str | None) -> Visitor:
    return Visitor(country_of(address), *describe_agent(agent)[1:])
