"""What codes stand for: lexicons, combinations, and which codes pass a filter.

All of it is read when it is first needed and kept while the account stays as it is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..catalog.accounts import Account
from ..catalog.dimensions import DIMENSIONS
from ..catalog.filters import Filter
from .account_files import AccountCursor
from .conditions import conditions_of, passes
from .held_rows import read_combinations, read_lexicons
from .rollup_reading import Combinations, rollup_of
from .rollups import Rollup
from .statements import build_passing_statement, dimensions_of
from .store import Column, Lexicon, Scan

# Of so many conditions it is remembered which codes pass them.
REMEMBERED_CONDITIONS = 500


def retain(kept: dict[Any, Any], accounts: Collection[Account]) -> None:
    """Forget what is kept, by account and more, of all accounts but these."""
    for key in [key for key in list(kept) if key[0] not in accounts]:
        kept.pop(key, None)


@dataclass(frozen=True, slots=True)
class Words:
    """The words of all accounts as they are.

    Scans on several threads read and add while a new snapshot forgets, so each looks up once and holds what it found.
    """

    lexicons: dict[tuple[Account, str], Lexicon] = field(default_factory=dict)
    combinations: dict[tuple[Account, Rollup], Combinations] = field(default_factory=dict)
    passing: dict[tuple[Account, Filter], Column] = field(default_factory=dict)

    def retain(self, accounts: Collection[Account]) -> None:
        for kept in (self.lexicons, self.combinations, self.passing):
            retain(kept, accounts)


@dataclass(frozen=True, slots=True)
class AccountWords:
    """The words of one account, those that are not kept yet read with a cursor."""

    words: Words
    account: Account
    number: int
    cursor: AccountCursor

    def knows(self, scan: Scan) -> bool:
        """Whether all that a roll-up takes to tell this scan is kept."""
        conditions = conditions_of(scan.filters, scan.segment)
        return (
            not self._unread_lexicons(dimensions_of(scan.groupings))
            and not self._unread_combinations(_rollups(scan))
            and all((self.account, _positive(condition)) in self.words.passing for condition in conditions)
        )

    def read_lexicons(self, dimensions: Iterable[str]) -> None:
        """Read those of many dimensions at once: of an account that is asked for the first time they all are new."""
        if unread := self._unread_lexicons(dimensions):
            for name, lexicon in read_lexicons(self.cursor, self.number, unread).items():
                self.words.lexicons[self.account, name] = lexicon

    def read_combinations(self, scans: Iterable[Scan]) -> None:
        """Read what tells these scans off the roll-ups, at once."""
        if unread := self._unread_combinations(rollup for scan in scans for rollup in _rollups(scan)):
            for rollup, combinations in read_combinations(self.cursor, self.number, unread).items():
                self.words.combinations[self.account, rollup] = combinations

    def lexicon(self, dimension: str) -> Lexicon | None:
        """The lexicon of a dimension; None for one of plain numbers."""
        name = DIMENSIONS[dimension].lexicon_name
        if name is None:
            return None
        found = self.words.lexicons.get((self.account, name))
        if found is None:
            found = read_lexicons(self.cursor, self.number, [name])[name]
            self.words.lexicons[self.account, name] = found
        return found

    def combinations(self, rollup: Rollup) -> Combinations:
        found = self.words.combinations.get((self.account, rollup))
        if found is None:
            found = read_combinations(self.cursor, self.number, [rollup])[rollup]
            self.words.combinations[self.account, rollup] = found
        return found

    def passing(self, condition: Filter) -> Column:
        """Whether each code of a dimension passes a condition, negation aside."""
        positive = _positive(condition)
        passing = self.words.passing.get((self.account, positive))
        if passing is None:
            lexicon = self.lexicon(condition.field)
            passing = np.zeros(len(lexicon.values) if lexicon else 0, dtype=bool)
            statement = build_passing_statement(condition, self.number)
            passing[self.cursor.execute(statement.text, statement.parameters).fetchnumpy()["code"]] = True
            if len(self.words.passing) >= REMEMBERED_CONDITIONS:
                self.words.passing.clear()
            self.words.passing[self.account, positive] = passing
        return passing

    def passing_combinations(self, scan: Scan, rollup: Rollup) -> Column:
        """Whether each combination of a roll-up passes the filters and the segment of a scan."""
        if rollup.is_combined:
            codes = self.combinations(rollup)
        else:
            (name,) = rollup.dimensions
            lexicon = self.lexicon(name)
            codes = {name: np.arange(len(lexicon.values) if lexicon else 0)}
        rows = len(next(iter(codes.values())))

        def codes_of(dimension: str) -> Column:
            return codes[rollup.columns[DIMENSIONS[dimension].column(scan.table)]]

        return passes(scan.filters, scan.segment, codes_of, self.passing, rows)

    def _unread_lexicons(self, dimensions: Iterable[str]) -> list[str]:
        names = dict.fromkeys(DIMENSIONS[dimension].lexicon_name for dimension in dimensions)
        return [name for name in names if name is not None and (self.account, name) not in self.words.lexicons]

    def _unread_combinations(self, rollups: Iterable[Rollup]) -> list[Rollup]:
        combined = dict.fromkeys(rollup for rollup in rollups if rollup.is_combined)
        return [rollup for rollup in combined if (self.account, rollup) not in self.words.combinations]


def _rollups(scan: Scan) -> list[Rollup]:
    return [rollup_of(scan, grouping) for grouping in scan.groupings]


def _positive(condition: Filter) -> Filter:
    return replace(condition, negated=False)
