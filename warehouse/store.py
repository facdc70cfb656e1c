"""What the engine asks of a place where the numbers live: a snapshot, its accounts, and scans, or else whole reports; and
what an import does.

How facts lie on disk is the store's own business; whoever answers the protocols of reading can stand behind the gateway,
and whoever answers that of writing can be imported into.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

import numpy as np

from ..catalog.accounts import Account
from ..catalog.dimensions import Table
from ..catalog.filters import Filter
from ..catalog.identity import Shown
from ..catalog.periods import Window
from ..catalog.query import StatsQuery
from ..catalog.segments import Segment
from .columns import Column
from .facts import Hit, Session
from .line_batches import LineBatch


@dataclass(frozen=True, slots=True)
class Scan:
    """What is read of one fact table: several groupings of the rows that pass every filter, summed once per window.

    The first window is the one asked about.  The others are there to be compared with, by the ``compared`` groupings
    (None: by all); each sum counts the rows of its own window only.  Scans of several tables share one statement.
    """

    table: Table
    account: str
    windows: tuple[Window, ...]
    filters: tuple[Filter, ...]
    groupings: tuple[tuple[str, ...], ...]  # each a tuple of dimension names
    metrics: tuple[str, ...]  # additive ones
    compared: tuple[tuple[str, ...], ...] | None = None
    segment: Segment | None = None

    def groupings_of(self, window: Window) -> tuple[tuple[str, ...], ...]:
        """The groupings that are summed for one of the windows."""
        return self.groupings if window == self.windows[0] or self.compared is None else self.compared

    def windows_of(self, grouping: tuple[str, ...]) -> tuple[Window, ...]:
        """The windows that one grouping is summed for."""
        return tuple(window for window in self.windows if grouping in self.groupings_of(window))


Scans = tuple[Scan, ...]  # of different tables, about the same account and rows


@dataclass(frozen=True, slots=True)
class Listing:
    """One statement to one fact table that fetches rows as they are: the named dimensions and stored columns of each."""

    table: Table
    account: str
    window: Window
    filters: tuple[Filter, ...]
    columns: tuple[str, ...]
    segment: Segment | None = None


class Lexicon:
    """The values of one dimension in one account, by code.

    ``rank`` orders codes as their values are ordered, so that ties can be broken and rows sorted without spelling them.
    """

    __slots__ = ("_codes", "_lowered", "rank", "values")

    def __init__(self, values: Sequence[str]) -> None:
        self.values = list(values)
        order = sorted(range(len(self.values)), key=self.values.__getitem__)
        self.rank = np.empty(len(order), dtype=np.int64)
        self.rank[order] = np.arange(len(order))
        self._lowered: list[str] | None = None
        self._codes: dict[str, int] | None = None

    def code_of(self, value: str) -> int:
        """The code of exactly this value, -1 when there is none."""
        if self._codes is None:
            self._codes = {known: code for code, known in enumerate(self.values)}
        return self._codes.get(value, -1)

    def codes_containing(self, text: str) -> Column:
        """The codes whose value has ``text`` (in lower case) in it, whatever the value's own case."""
        if self._lowered is None:
            self._lowered = [value.lower() for value in self.values]
        return np.array([code for code, value in enumerate(self._lowered) if text in value], dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Keys:
    """One key column of a grouping: codes with the lexicon that spells them, or plain numbers without one."""

    codes: Column
    lexicon: Lexicon | None

    @property
    def height(self) -> int:
        """How many rows the column is long."""
        return len(self.codes)

    @property
    def ranks(self) -> Column:
        return self.codes if self.lexicon is None else self.lexicon.rank[self.codes]

    def word(self, code: int) -> Any:
        """The value of one code."""
        return code if self.lexicon is None else self.lexicon.values[code]

    def code_of(self, value: Any) -> int:
        """The code of a value, -1 for one that the account never had."""
        return value if self.lexicon is None else self.lexicon.code_of(value)

    def spell(self, chosen: Column) -> list[Any]:
        """The values of the rows with these positions."""
        codes = self.codes[chosen].tolist()
        return codes if self.lexicon is None else [self.lexicon.values[code] for code in codes]


@dataclass(frozen=True, slots=True)
class Groups:
    """One grouping's rows: a key column per dimension, and int64 sums (money in cents) per window and metric."""

    keys: Mapping[str, Keys]
    sums: Mapping[Window, Mapping[str, Column]]

    @property
    def height(self) -> int:
        """How many groups there are; the one of no dimension, whose sums may not have been asked for, is one."""
        columns = [keys.codes for keys in self.keys.values()]
        columns += [column for sums in self.sums.values() for column in sums.values()]
        return max(map(len, columns), default=1)


class Source(StrEnum):
    """What a scan was read from.  The numbers are the same."""

    STATEMENT = "statement"  # the facts
    ROLLUP = "rollup"  # their sums per day and month
    CUBE = "cube"  # the roll-up in memory
    BLOCK = "block"  # the facts in memory
    UPSTREAM = "upstream"  # another server, one call


class ScanResult(dict[tuple[str, ...], Groups]):
    """The groups of every grouping of a scan, and what they were read from."""

    def __init__(self, groups: Mapping[tuple[str, ...], Groups], source: Source = Source.STATEMENT) -> None:
        super().__init__(groups)
        self.source = source


ListingResult = Mapping[str, Keys]


class Snapshot(Protocol):
    """What a warehouse held at one moment.  A request reads one snapshot from beginning to end."""

    @property
    def accounts(self) -> Mapping[str, Account]: ...

    async def scan_together(self, scans: Scans) -> tuple[ScanResult, ...]:
        """Run scans of one account by one statement; what each told, in their order.  Cancelling the call interrupts it.

        Raises ``WarehouseUnavailable`` when the data cannot be read, ``BadRequest`` for a pattern the engine refuses.
        """
        ...

    async def fetch(self, listing: Listing) -> ListingResult:
        """Fetch the rows of a listing, in no particular order.  Cancelling and failure as with ``scan``."""
        ...


@dataclass(slots=True)
class Calls:
    """What a request has cost a place that answers reports."""

    made: int = 0  # messages sent, each of which may carry many reports
    ms: float = 0.0  # their time, summed
    kept: int = 0  # reports that needed none


@runtime_checkable
class ReportSnapshot(Protocol):
    """A place that answers whole reports and cannot be scanned, such as another server of the documented API."""

    @property
    def accounts(self) -> Mapping[str, Account]: ...

    @property
    def reader(self) -> Hashable:
        """On whose behalf it is asked: what one reader was told is not for another."""
        ...

    @property
    def calls(self) -> Calls: ...

    def take_turns(self, turns: AbstractAsyncContextManager[Any]) -> None:
        """Hold ``turns`` while a message is under way, so that a request has no more of them in flight than it may."""
        ...

    async def report(self, query: StatsQuery) -> Any:
        """The documented ``data`` of a report (Contract §1, batch rule 4.3), read as JSON and not looked at any further.

        The question has no segment and is inside of no row.  Raises a ``StatsError``; cancelling the call interrupts it.
        """
        ...


class Warehouse(Protocol):
    def snapshot(self) -> Snapshot | ReportSnapshot:
        """The present state.  Cheap enough to be asked for at every request; raises ``WarehouseUnavailable``."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Settled:
    """What of a file's lines was new, by class; and what was not."""

    added: Mapping[int, int]
    already_there: int
    repeated: int  # lines that occur once only, read again
    goals: Mapping[str, int]  # of the hits that were new
    bad_amounts: int


Cut = Callable[[list[Hit], bool], Iterable[Session]]  # a visitor's hits, and whether they are one session in any case


class Intake(Protocol):
    """The lines of one import into one account.  File by file ``add`` them, then ``settle``; ``cut`` ends it.

    Of a line that a file has several times as many are new as the account has not yet; a file that overlaps with another
    adds what the other had not.
    """

    @property
    def secret(self) -> bytes:
        """What lines and visitors are hashed with: made once for an account, and never shown."""
        ...

    def add(self, batch: LineBatch) -> None:
        """Lines of the present file."""
        ...

    def settle(self, digest: str, source_name: str) -> Settled:
        """Keep of the file's lines those that are new, and remember it by the digest of its content."""
        ...

    def cut(self, cut: Cut) -> int:
        """Cut the sessions that new hits belong to or join, in the place of those that were cut before.

        ``cut`` gets all hits of a visitor that have to do with it, in no order.  Returns how many sessions more there are.
        """
        ...


class Writer(Protocol):
    """One import, or several that are to be seen together.  It is seen whole when it has ended, or not at all.

    No one else changes an account from when it is first named until then.
    """

    def has_import(self, account_id: str, digest: str) -> bool:
        """Whether content with this digest is in the account already."""
        ...

    def put_account(self, account_id: str, *, time_zone: str = "UTC", currency: str = "EUR") -> None:
        """Create the account, or find it as it is.  Raises ``BadRequest`` when it is there with other values."""
        ...

    def settings(self, account_id: str) -> str | None:
        """What an earlier import has left for this one; None when there is nothing, no account, or no place."""
        ...

    def keep_settings(self, account_id: str, text: str) -> None:
        """Leave it for later ones."""
        ...

    def add_sessions(self, account_id: str, sessions: Iterable[Session], *, digest: str, source_name: str) -> int:
        """Append sessions and what belongs to them, under the digest of what they were read from.  Returns how many."""
        ...

    def intake(self, account_id: str, idle_s: int) -> Intake:
        """Where lines and hits go in.  A session ends after ``idle_s`` without a hit."""
        ...

    def clear_account(self, account_id: str, *, source_name: str) -> None:
        """Take out everything that came from ``source_name``.  Raises ``BadRequest`` when anything else is there."""
        ...


@runtime_checkable
class ReportWarehouse(Protocol):
    """A warehouse that answers whole reports and is reached over a network."""

    @property
    def standing(self) -> str:
        """``ok``, ``recovering`` or ``unavailable``, told without asking."""
        ...

    def snapshot(self) -> ReportSnapshot: ...

    def snapshot_for(self, shown: Shown) -> ReportSnapshot:
        """A snapshot as the caller sees it who has shown these credentials."""
        ...

    async def disconnect(self) -> None:
        """Give up the connections, inside the loop that opened them."""
        ...

    def close(self) -> None: ...
