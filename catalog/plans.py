"""Plans: how much of the server one caller may use in a minute.  Contract §4.4."""

from __future__ import annotations

from dataclasses import dataclass

WINDOW_S = 60

# A dashboard of all reports is one scan, so whoever asks sensibly runs out of requests first.  A batch of fifty
# windows is up to 50 scans: it is one request, and pays with its scans.
SCANS_PER_REQUEST = 5
ROWS_PER_REQUEST = 50_000


@dataclass(frozen=True, slots=True)
class Plan:
    """One plan.  A batch is one request however many queries it holds; scans and their rows are counted beside it."""

    name: str
    requests: int  # per minute, as are scans and rows

    @property
    def scans(self) -> int:
        return self.requests * SCANS_PER_REQUEST

    @property
    def rows(self) -> int:
        """Rows that scans bring back, before pages are cut out of them."""
        return self.requests * ROWS_PER_REQUEST


ANONYMOUS = Plan("anonymous", 60)  # per address

PLANS: dict[str, Plan] = {
    plan.name: plan for plan in (Plan("free", 240), Plan("growth", 240), Plan("scale", 480), Plan("enterprise", 10_000))
}
DEFAULT_PLAN = "growth"
