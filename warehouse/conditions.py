"""Which coded rows pass the filters and the segment of a scan.

Filters are tested on the lexicon, by the engine and once; here a row passes when its code is among those that did.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from ..catalog.filters import Filter
from ..catalog.segments import Segment
from .columns import Column

# Whether each code of a condition's dimension passes it, negation aside.
Passing = Callable[[Filter], Column]


def passes(
    filters: Iterable[Filter], segment: Segment | None, codes_of: Callable[[str], Column], passing: Passing, rows: int
) -> Column:
    """Whether each row passes: all filters, any group of the segment wholly (where it has groups), and none of its
    not-groups wholly.  ``codes_of`` tells the rows' codes of a dimension."""

    def wholly(conditions: Iterable[Filter]) -> Column:
        passed = np.ones(rows, dtype=bool)
        for condition in conditions:
            passed &= passing(condition)[codes_of(condition.field)] != condition.negated
        return passed

    passed = wholly(filters)
    if segment and segment.groups:
        passed &= np.logical_or.reduce([wholly(group) for group in segment.groups])
    for group in segment.not_groups if segment else ():
        passed &= ~wholly(group)
    return passed
