"""How an upstream API is asked, as it was configured; telling it takes no client."""

from __future__ import annotations

from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from ..catalog.accounts import Account, check_account_id
from ..catalog.errors import BadRequest, StatsError
from ..catalog.identity import Shown


@dataclass(frozen=True, slots=True)
class Upstream:
    """How an upstream is asked.  Without ``accounts`` there is whichever it answers for."""

    key: str = field(default="", repr=False)
    passes_credentials: bool = False  # the callers' own, in place of a key
    accounts: tuple[Account, ...] = ()
    answer_s: float = 30.0
    connections: int = 8

    @property
    def shown(self) -> Shown:
        if not self.key:
            return ()
        return (("authorization", self.key),) if self.key.lower().startswith("bearer ") else (("x-api-key", self.key),)


def read_accounts(text: str) -> tuple[Account, ...]:
    """``acme=Europe/Madrid:EUR,blog``: zone and currency may be left out.  Raises ``BadRequest``."""
    return tuple(_read_account(word.strip()) for word in text.split(",") if word.strip())


def _read_account(word: str) -> Account:
    account_id, _, rest = word.partition("=")
    zone, _, currency = rest.partition(":")
    try:
        return Account(check_account_id(account_id), str(ZoneInfo(zone or "UTC")), currency or "EUR")
    except StatsError as error:
        raise BadRequest(f"'{word[:80]}': {error.message}") from None
    except (KeyError, OSError, ValueError):
        raise BadRequest(f"'{word[:80]}': '{zone[:40]}' is no time zone such as Europe/Madrid") from None
