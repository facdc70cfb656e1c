"""What an import did, line by line accounted for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from math import inf, isinf

EXAMPLES = 5  # damaged lines shown
EXCERPT = 120  # characters of each


class LineClass(StrEnum):
    """What a line was counted as.  Every line is in exactly one class, the first that fits from the bottom up:
    a bot asking for a picture is a static file, a bot asking for a page is a bot."""

    PAGE_VIEW = "page_views"
    GOAL = "goal_hits"  # reached a goal without being a page view
    REDIRECT = "redirects"
    STATIC = "static_files"
    EXCLUDED = "excluded"  # by the rules of the site
    BOT = "bots"
    SPAM = "spam"  # a referrer nobody followed
    OTHER = "other"  # another method or status, or no HTTP request at all
    DUPLICATE = "duplicates"  # an event whose id came before
    DAMAGED = "damaged"
    BLANK = "blank"  # or a header, such as `#Fields`


DamageReport = Callable[[str, int, str], None]  # file, number of the line, the line itself


@dataclass(frozen=True, slots=True)
class DamagedLine:
    file: str
    number: int  # from 1
    excerpt: str


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """``classes`` adds up to ``lines``.  Times are those of the first and last line that could be read."""

    lines: int = 0
    classes: dict[LineClass, int] = field(default_factory=lambda: dict.fromkeys(LineClass, 0))
    sessions: int = 0
    goals: dict[str, int] = field(
        default_factory=dict
    )  # by name: those of the rules in their order, then those of event files
    bad_amounts: int = 0  # conversions whose amount could not be read and counts as 0
    damaged_lines: tuple[DamagedLine, ...] = ()  # the first few
    first: datetime | None = None
    last: datetime | None = None
    files_read: tuple[str, ...] = ()
    files_already_there: tuple[str, ...] = ()
    formats: dict[str, str] = field(default_factory=dict)  # of the files read

    @property
    def page_views(self) -> int:
        return self.classes[LineClass.PAGE_VIEW]


class Tally:
    """The summary while it is being counted."""

    def __init__(self, on_damaged: DamageReport | None = None) -> None:
        self._on_damaged = on_damaged
        self.formats: dict[str, str] = {}
        self.lines = 0
        self.classes = dict.fromkeys(LineClass, 0)
        self.goals: Counter[str] = Counter()
        self.bad_amounts = 0
        self.damaged_lines: list[DamagedLine] = []
        self._first_at: float = inf
        self._last_at: float = -inf

    def count(self, line_class: LineClass) -> None:
        self.lines += 1
        self.classes[line_class] += 1

    def count_damaged(self, file: str, number: int, text: str) -> None:
        self.count(LineClass.DAMAGED)
        if self._on_damaged:
            self._on_damaged(file, number, text)
        if len(self.damaged_lines) < EXAMPLES:
            excerpt = "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text[:EXCERPT])
            self.damaged_lines.append(DamagedLine(file, number, excerpt))

    def see(self, at: int) -> None:
        if at < self._first_at:
            self._first_at = at
        if at > self._last_at:
            self._last_at = at

    def summary(self, sessions: int, goal_names: tuple[str, ...], files: tuple[str, ...]) -> ImportSummary:
        return ImportSummary(
            lines=self.lines,
            classes=dict(self.classes),
            sessions=sessions,
            goals={name: self.goals[name] for name in dict.fromkeys((*goal_names, *self.goals))},
            bad_amounts=self.bad_amounts,
            damaged_lines=tuple(self.damaged_lines),
            first=_time(self._first_at),
            last=_time(self._last_at),
            files_read=files,
            formats=self.formats,
        )


def _time(at: float) -> datetime | None:
    return None if isinf(at) else datetime.fromtimestamp(at, UTC)
