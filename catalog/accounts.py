"""The account: whose numbers they are, in which time zone its days fall, in which currency its money is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from .errors import BadRequest, InvalidQuery, Problem

ACCOUNT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Account:
    """One web site's worth of numbers.  Contract §2.1.

    ``first_day`` and ``last_day`` are the local days of the first and last session, None before any import.
    ``data_version`` rises with every import; what was computed under an older one is stale.  ``data_stamp`` changes with
    it, and is never the same twice: not even in a warehouse that was made anew.
    """

    id: str
    time_zone: str = "UTC"
    currency: str = "EUR"
    first_day: date | None = None
    last_day: date | None = None
    data_version: int = 0
    data_stamp: str = ""

    def today(self, now: datetime) -> date:
        """The account's local date at ``now`` (an aware time); periods end here.  Contract §2.2."""
        return now.astimezone(ZoneInfo(self.time_zone)).date()


def check_account_id(account_id: str) -> str:
    """The id itself when it is a slug; anything else cannot be an account.  Raises ``InvalidQuery``."""
    if not ACCOUNT_ID.fullmatch(account_id):
        raise InvalidQuery.of(
            Problem(
                "account_id",
                f"'{account_id[:80]}' is no account id: letters, digits, '.', '_' and '-', at most 64, "
                "starting with a letter or digit",
            )
        )
    return account_id


def check_time_zone(time_zone: str) -> None:
    """Raises ``BadRequest`` for a name that no zone has."""
    try:
        ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadRequest(f"'{time_zone}' is no time zone; give a name such as Europe/Madrid or UTC") from None


def check_currency(currency: str) -> None:
    """Raises ``BadRequest`` for what is no three letters."""
    if not re.fullmatch(r"[A-Z]{3}", currency):
        raise BadRequest(f"'{currency}' is no currency; give three capital letters such as EUR")
