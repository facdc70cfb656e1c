"""Money as a log or a rules file writes it, exact to the cent."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal

LARGEST = 10**15  # cents; sums of thousands of these still fit a 64-bit integer

_AMOUNT = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,8})?", re.ASCII)


def cents(text: str) -> int | None:
    """``"12.50"`` is 1250; halves of a cent are rounded up.  None for anything but a plain amount of zero or more."""
    if not _AMOUNT.fullmatch(text.strip()):
        return None
    amount = int((Decimal(text.strip()) * 100).to_integral_value(ROUND_HALF_UP))
    return amount if amount <= LARGEST else None
