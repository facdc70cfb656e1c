"""Who asks: the accounts they may read, what they may do, and the name their limits are counted under.  Contract §4."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum

from .accounts import Account
from .plans import ANONYMOUS, Plan

READ_STATS = "stats:read"

# What a scope grants beside itself.  Contract §4.2.
IMPLIED_SCOPES: dict[str, frozenset[str]] = {"read": frozenset({READ_STATS})}


class Means(Enum):
    """How an identity was shown; limits differ by it.  Contract §4.4."""

    KEY = "key"
    TOKEN = "token"  # noqa: S105  a kind of credential, not one
    ADDRESS = "address"  # nothing but the address the request came from


# The headers that a caller's credentials were shown in, by lower-case name.
Shown = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Identity:
    """One caller, as every door sees them.  ``accounts`` is None where all may be read, those to come included.

    ``name`` is stable from request to request and holds no secret.
    """

    name: str
    accounts: frozenset[str] | None = frozenset()
    scopes: frozenset[str] = frozenset()
    plan: Plan = ANONYMOUS
    means: Means = Means.ADDRESS
    shown: Shown = field(default=(), repr=False)  # only where another server is to decide what they allow

    def allows(self, scope: str) -> bool:
        return scope in self.scopes or any(scope in IMPLIED_SCOPES.get(held, ()) for held in self.scopes)

    def readable(self, accounts: Mapping[str, Account]) -> Mapping[str, Account]:
        """Those of the accounts that may be read.

        Where another server decides, any may be tried and none is listed: what is shown may be made up.
        """
        if self.shown:
            return Unlisted(accounts)
        if self.accounts is None:
            return accounts
        return {account_id: accounts[account_id] for account_id in sorted(self.accounts & accounts.keys())}


class Unlisted(Mapping[str, Account]):
    """Accounts that can be named and not looked through."""

    def __init__(self, accounts: Mapping[str, Account]) -> None:
        self._accounts = accounts

    def __getitem__(self, account_id: str) -> Account:
        return self._accounts[account_id]

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


ANYONE = Identity("anyone", accounts=None, scopes=frozenset({READ_STATS}))
"""Who runs commands beside the warehouse, and every caller of an open server."""

NOBODY = Identity("nobody")
"""Reads nothing: what a door sees as long as no one has said who asks."""
