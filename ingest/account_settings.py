"""An account's settings as an import is given them, and as the warehouse keeps them for the next one.

What is not given again stays as it was.  Other settings hold for lines that come after; what was read stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from .site_rules import SiteRules, overridden, site_rules_of


@dataclass(frozen=True, slots=True)
class AccountSettings:
    """A settings file's text, and what was said beside it; None where nothing was said."""

    text: str | None = None
    sites: tuple[str, ...] | None = None
    time_zone: str | None = None
    currency: str | None = None

    def rules(self, file: str) -> SiteRules:
        """What they come to; ``file`` is what the text is called when it cannot be used.  Raises ``ImportRefused``."""
        rules = site_rules_of(self.text, file) if self.text is not None else SiteRules()
        return overridden(rules, self.sites, self.time_zone, self.currency)

    def over(self, kept: AccountSettings) -> AccountSettings:
        """These, and the kept ones where these say nothing.  A file replaces what was once said beside another."""
        if self.text is not None:
            return self
        return AccountSettings(
            kept.text,
            kept.sites if self.sites is None else self.sites,
            kept.time_zone if self.time_zone is None else self.time_zone,
            kept.currency if self.currency is None else self.currency,
        )

    def to_text(self) -> str:
        """As the warehouse keeps them."""
        return orjson.dumps(self).decode()

    @classmethod
    def of_text(cls, text: str) -> AccountSettings:
        told = orjson.loads(text)
        return cls(told["text"], told["sites"] and tuple(told["sites"]), told["time_zone"], told["currency"])
