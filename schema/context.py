"""What one GraphQL execution stands on: a snapshot, a loader and one clock.  A batch shares one among its executions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..catalog.accounts import Account, check_account_id
from ..catalog.errors import AccountNotFound, BadRequest, Forbidden
from ..catalog.identity import ANYONE, Identity
from ..catalog.query import Scope, StatsQuery, make_scope, most_rows
from ..catalog.segments import NamedSegment, find_segment
from ..resolvers.loader import Loader
from .documents import Documents
from .vantages import Vantage


@dataclass(slots=True)
class RequestContext:
    """One request's view of the world; "now" is taken once, so all its periods agree.  Rule 2.7."""

    accounts: Mapping[str, Account]
    loader: Loader
    now: datetime
    segments: tuple[NamedSegment, ...] = ()  # the saved ones
    identity: Identity = ANYONE  # for whom ``accounts`` are all there are
    rows_left: int | None = None  # that the request may still be answered with; None: any number
    asked: dict[int, Any] = field(default_factory=dict)  # reports' questions, for their rows.  See ``drill_down``
    report_ms: dict[str, float] = field(default_factory=dict)  # path in the answer: from asked to answered
    documents: Documents = field(default_factory=Documents)  # those of the process, and the rules they are read under
    vantage: Vantage = field(default_factory=lambda: Vantage(object(), None, ()))  # like no other's unless it is told

    def allow_rows(self) -> None:
        """Hold the request to the rows of one operation more than so far, where the guard enforces its limits."""
        rules = self.documents.rules
        if rules.enforced:
            self.rows_left = (self.rows_left or 0) + rules.limits["max_rows"]

    def charge(self, query: StatsQuery) -> None:
        """Take the rows that an answer may hold off those that the request may be answered with.

        The guard has seen the document alone; only here are variables, windows and the rows that reports are inside of known.
        Raises ``BadRequest`` when there are not that many left.
        """
        if self.rows_left is None:
            return
        self.rows_left -= most_rows(query)
        if self.rows_left < 0:
            most = self.documents.rules.limits["max_rows"]
            raise BadRequest(
                f"The request is over max_rows: its reports may return more than {most} rows; ask for shorter lists, fewer "
                "rows to look into or fewer days"
            )

    def account(self, account_id: str) -> Account:
        """The account of that id, if it may be read.

        Raises ``InvalidQuery`` for what is no id.  To whoever may read everything an id without an account is
        ``AccountNotFound``; to all others whatever they may not read is ``Forbidden``, whether it exists or not.  Rule 4.7.
        """
        check_account_id(account_id)
        if account_id in self.accounts:
            return self.accounts[account_id]
        if self.identity.accounts is None:
            raise AccountNotFound(f"Account not found: {account_id}")
        raise Forbidden(f"Access denied to account: {account_id}")

    def scope(self, account_id: str, *, segment: str | None = None, **given: Any) -> Scope:
        """The scope of a question, as ``make_scope`` makes it, narrowed by the segment of that name.

        Raises what ``account`` and ``make_scope`` raise, and ``NotFound`` for an unknown segment.
        """
        account = self.account(account_id)
        narrowed = None if segment is None else find_segment(segment, account.id, self.segments)
        return make_scope(account, self.now, segment=narrowed, **given)
