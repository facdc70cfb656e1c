"""What one GraphQL execution stands on: a snapshot, a loader and one clock.  A batch shares one among its executions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from ..catalog.accounts import Account, check_account_id
from ..catalog.errors import AccountNotFound
from ..resolvers.loader import StatsLoader


@dataclass(slots=True)
class RequestContext:
    """One request's view of the world; "now" is taken once, so all its periods agree.  Rule 2.7."""

    accounts: Mapping[str, Account]
    loader: StatsLoader
    now: datetime

    def account(self, account_id: str) -> Account:
        """Raises ``InvalidQuery`` for what is no id and ``AccountNotFound`` for an id without an account."""
        check_account_id(account_id)
        try:
            return self.accounts[account_id]
        except KeyError:
            raise AccountNotFound(f"Account not found: {account_id}") from None
