"""Who writes an account of a ClickHouse warehouse: one importer at a time, which says so again as long as it lives.

The server has no locks.  An importer writes its claim down, and only then looks: whoever sees another's live claim takes
its own back.  Of two that come at one moment at least one sees the other, so never both go on.
"""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections.abc import Mapping
from contextlib import closing, suppress
from types import TracebackType
from typing import Any

from clickhouse_connect.driver.client import Client

from ..catalog.errors import WarehouseUnavailable
from .clickhouse_connecting import ClickHousePlace, connect, failures_told
from .locks import WarehouseBusy

# A claim that has not been said again for so long is that of a dead importer.
LEASE_S = 30.0
_RENEWALS = 4  # within a lease

_SAY = "INSERT INTO claims (id, claim, serial, until) SELECT {id:String}, {claim:String}, {serial:UInt32}, now64(3) + toIntervalMillisecond({lease:Int64})"  # fmt: skip
_OTHERS = """\
SELECT claim, argMax(until, serial) AS last, max(serial) FROM claims
WHERE id = {id:String} AND claim != {claim:String} GROUP BY claim HAVING last > now64(3)"""


class Claims:
    """The accounts that one import has claimed, until it ends."""

    def __init__(self, place: ClickHousePlace, settings: Mapping[str, Any], lease_s: float = LEASE_S) -> None:
        self.name = uuid.uuid4().hex
        self._place = place
        self._settings = settings
        self._lease_s = lease_s
        self._serial = 0
        self._held: dict[str, float] = {}  # accounts, and until when a claim certainly holds
        self._saying = threading.Lock()
        self._ending = threading.Event()
        self._renewing = threading.Thread(target=self._renew, name="clickhouse-claims", daemon=True)

    def __enter__(self) -> Claims:
        self._client: Client = connect(self._place)
        self._renewing.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._renewing.join()
        with closing(self._client), suppress(WarehouseUnavailable), failures_told("A claim could not be given back"):
            for account_id in list(self._held):
                self._say(account_id, lease_s=0)

    def claim(self, account_id: str) -> None:
        """Claim an account.  One that a dead importer holds is waited for.  Raises ``WarehouseBusy``."""
        seen: dict[str, int] = {}
        while True:
            until = self._say(account_id, self._lease_s)
            others = {claim: serial for claim, _, serial in self._others(account_id)}
            if not others:
                self._held[account_id] = until
                return
            self._say(account_id, lease_s=0)
            if any(seen.get(claim, serial) != serial for claim, serial in others.items()):  # it lives: it said so again
                raise WarehouseBusy(f"Another import is writing account {account_id}; wait for it to end")
            seen |= others
            time.sleep(self._lease_s / _RENEWALS * random.uniform(0.3, 0.6))  # noqa: S311  no secret

    def check(self) -> None:
        """Before anything is written.  Raises ``WarehouseUnavailable`` when the claims could not be held."""
        if any(time.monotonic() > until for until in self._held.values()):
            raise WarehouseUnavailable(
                "The import was cut off from the warehouse for too long; nothing of it is seen, repeat it"
            )

    def _renew(self) -> None:
        while not self._ending.wait(self._lease_s / _RENEWALS):
            with suppress(WarehouseUnavailable), failures_told("A claim could not be renewed"):
                for account_id in list(self._held):
                    self._held[account_id] = self._say(account_id, self._lease_s)

    def _say(self, account_id: str, lease_s: float) -> float:
        """Write the claim down; until when it holds, by our clock and with some to spare."""
        with self._saying:
            began = time.monotonic()
            self._serial += 1
            parameters = {"id": account_id, "claim": self.name, "serial": self._serial, "lease": int(lease_s * 1000)}
            self._client.command(_SAY, parameters, settings=dict(self._settings))
        return began + lease_s * (1 - 1 / _RENEWALS)

    def _others(self, account_id: str) -> list[tuple[Any, ...]]:
        settings = {"select_sequential_consistency": 1} if "insert_quorum" in self._settings else {}
        with self._saying:
            found = self._client.query(_OTHERS, {"id": account_id, "claim": self.name}, settings=settings)
        return [tuple(row) for row in found.result_rows]
