"""What an import did, line by line accounted for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
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
    DUPLICATE = "duplicates"  # an event whose id came before in the same file
    ALREADY_THERE = "already_there"  # an earlier import, or another file, had it
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
    sessions: int = 0  # how many more the account has
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

    def add(self, counts: Mapping[LineClass, int]) -> None:
        for line_class, count in counts.items():
            self.lines += count
            self.classes[line_class] += count

    def count_damaged(self, file: str, number: int, text: str) -> None:
        self.add({LineClass.DAMAGED: 1})
        if self._on_damaged:
            self._on_damaged(file, number, text)
        if len(self.damaged_lines) < EXAMPLES:
            excerpt = "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text[:EXCERPT])
            self.damaged_lines.append(DamagedLine(file, number, excerpt))

    def see(self, first_at: float, last_at: float) -> None:
        self._first_at = min(self._first_at, first_at)
        self._last_at = max(self._last_at, last_at)

    def summary(self, sessions: int, goal_names: Iterable[str], files: tuple[str, ...]) -> ImportSummary:
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
