"""From where a request looks: all that an answer depends on beside its question.  From equal vantages equal questions have
equal answers, so what was worked out from one may be used again from another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ..catalog.accounts import Account
from ..catalog.identity import Identity


@dataclass(frozen=True, slots=True)
class Vantage:
    """The accounts as they are, those of them that may be read (None: all), and the present day in each of their zones."""

    accounts: object  # stands for them: the same one for as long as none of them changes
    readable: frozenset[str] | None
    today: tuple[date, ...]


class Vantages:
    """Shared by all requests of a process, which knows one state of its accounts at a time."""

    def __init__(self) -> None:
        self._accounts: Mapping[str, Account] | None = None
        self._stands_for = object()
        self._zones: tuple[ZoneInfo, ...] = ()

    def of(self, accounts: Mapping[str, Account], identity: Identity, now: datetime) -> Vantage:
        """The vantage of a request that is put to these accounts, whoever may read them, at that time."""
        if accounts is not self._accounts and accounts != self._accounts:
            self._stands_for = object()
            # Where no account is known yet, a period is resolved in UTC.
            names = sorted({"UTC", *(account.time_zone for account in accounts.values())})
            self._zones = tuple(zone for name in names if (zone := _zone(name)) is not None)
        self._accounts = accounts
        return Vantage(self._stands_for, identity.accounts, tuple(now.astimezone(zone).date() for zone in self._zones))


def _zone(name: str) -> ZoneInfo | None:
    """None for one that is not known here: that is for those to hear who ask about its account."""
    try:
        return ZoneInfo(name)
    except ZoneInfoNotFoundError:
        return None
