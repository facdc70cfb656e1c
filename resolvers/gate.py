"""The gate: how many scans may be in flight at one moment, in the process and for one account.  Rule 2.4.

Work beyond it waits; the server never refuses its own fan-out.  What may come to the gate at all is bounded where requests
are let in (``Engine.request``).
"""

from __future__ import annotations

from .turns import Turns


class ScanGate(Turns):
    """Shared by all requests of a process.  One account can take at most its part, so that others are served beside it."""

    def __init__(self, per_process: int = 8, per_account: int = 4) -> None:
        super().__init__(per_process, per_account)
