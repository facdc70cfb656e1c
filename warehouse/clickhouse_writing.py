"""A ClickHouse warehouse, written: rows of a version that no one reads yet, and last a row that tells everyone to.

So an import is seen whole or not at all, whatever stops it.  Blocks bear tokens: one that is sent again, because its
answer was lost on the way, is added once.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from clickhouse_connect.driver.client import Client

from ..catalog.accounts import Account, check_account_id, check_currency, check_time_zone
from ..catalog.errors import BadRequest
from ..catalog.filters import folded
from .clickhouse_claims import LEASE_S, Claims
from .clickhouse_connecting import ClickHousePlace, connect, write_failures_told
from .clickhouse_intake import ClickHouseIntake
from .clickhouse_reading import read_layout
from .clickhouse_tables import VERSIONED, local_name
from .coding import Encoder, FactColumns, LocalTime
from .facts import Session
from .layout import FACTS
from .store import Intake

_BATCH = 100_000  # sessions held as Python values before they become columns

# A block is in the roll-ups too when it is there, and on most replicas.
_INSERTING: Mapping[str, Any] = {
    "async_insert": 0,
    "deduplicate_blocks_in_dependent_materialized_views": 1,
    "max_partitions_per_insert_block": 0,
}
_ON_A_CLUSTER: Mapping[str, Any] = {
    "insert_quorum": "auto",
    "insert_quorum_parallel": 0,
    "select_sequential_consistency": 1,
    "distributed_foreground_insert": 1,
}

# More rows than this are deleted in the background; the importer waits for the server to have marked them.
_SWEEPING = {"lightweight_deletes_sync": 2}


@contextmanager
def writing_clickhouse(place: ClickHousePlace, *, lease_s: float = LEASE_S) -> Iterator[ClickHouseWriter]:
    """Change the warehouse at a place.  All of it is published at the end, nothing on an exception.

    Raises ``WarehouseBusy`` while another import writes the same account, ``WarehouseUnavailable`` when there is no
    warehouse or it cannot be written.
    """
    with closing(connect(place)) as client, write_failures_told(place):
        cluster = read_layout(client, place)
        settings = {**_INSERTING, **(_ON_A_CLUSTER if cluster else {})}
        with Claims(place, settings, lease_s) as claims:
            writer = ClickHouseWriter(client, claims, cluster, settings)
            yield writer
            writer.publish()


@dataclass(slots=True)
class _Draft:
    """An account as it is going to be."""

    id: str
    number: int
    version: int  # the one that is written
    time_zone: str
    currency: str
    encoder: Encoder
    first_day: int | None = None
    last_day: int | None = None
    changed: bool = False
    blocks: int = 0


class ClickHouseWriter:
    """Puts facts behind the version that is read.  Use it through ``writing_clickhouse``.

    An account is claimed when it is first named; from then on no other import changes it.
    """

    def __init__(self, client: Client, claims: Claims, cluster: str, settings: Mapping[str, Any]) -> None:
        self._client = client
        self._claims = claims
        self._cluster = cluster
        self._settings = settings
        self._drafts: dict[str, _Draft | None] = {}

    def has_import(self, account_id: str, digest: str) -> bool:
        """Whether content with this digest is in the account already."""
        draft = self._draft(account_id)
        return draft is not None and bool(
            self._rows(
                "SELECT 1 FROM imports WHERE account = {account:UInt64} AND digest = {digest:String} LIMIT 1",
                account=draft.number,
                digest=digest,
            )
        )

    def put_account(self, account_id: str, *, time_zone: str = "UTC", currency: str = "EUR") -> None:
        """Create the account, or find it as it is.

        Raises ``BadRequest`` for an unknown zone, or when the account is there with another zone or currency: its days
        and its money would no longer mean what they meant.
        """
        check_account_id(account_id)
        check_time_zone(time_zone)
        check_currency(currency)
        draft = self._draft(account_id)
        if draft is None:
            draft = _Draft(account_id, _new_number(), 1, time_zone, currency, Encoder([]), changed=True)
            self._drafts[account_id] = draft
        elif (draft.time_zone, draft.currency) != (time_zone, currency):
            raise BadRequest(
                f"Account {account_id} is kept in {draft.time_zone} and {draft.currency}, not in {time_zone} and "
                f"{currency}; import into another account, or with the same settings"
            )

    def add_sessions(self, account_id: str, sessions: Iterable[Session], *, digest: str, source_name: str) -> int:
        """Append sessions and what belongs to them, and raise the account's data version.  Returns how many."""
        draft = self._there(account_id)
        columns = FactColumns(0, LocalTime(draft.time_zone), draft.encoder)
        ((before,),) = self._rows(
            "SELECT max(session) FROM sessions WHERE account = {account:UInt64}", account=draft.number
        )
        added = 0
        for session in sorted(sessions, key=lambda session: session.start):
            added += 1
            columns.add(before + added, session)
            if added % _BATCH == 0:
                self._append(draft, columns)
        self._append(draft, columns)
        told = source_name.encode(errors="replace").decode()  # a file's name may be any bytes
        self._insert(draft, "imports", {"digest": [digest], "source_name": [told], "added": [added]})
        draft.changed = True
        return added

    def clear_account(self, account_id: str, *, source_name: str) -> None:
        """Take out everything that came from ``source_name`` and raise the data version; the account itself stays.

        It gets a new number.  What is under the old one goes with the next import, when no one reads it any more.
        Raises ``BadRequest`` when anything else was imported into it: facts do not tell where they came from.
        """
        draft = self._there(account_id)
        names = self._rows(
            "SELECT DISTINCT source_name FROM imports WHERE account = {account:UInt64}", account=draft.number
        )
        if not names:
            return
        if names != [(source_name,)]:
            raise BadRequest(
                f"Account {account_id} holds imported logs, which {source_name} would replace; name another"
            )
        self._drafts[account_id] = _Draft(
            account_id, _new_number(), draft.version, draft.time_zone, draft.currency, Encoder([]), changed=True
        )

    def settings(self, account_id: str) -> str | None:
        """What an earlier import has left for this one; None when there is nothing, or no account."""
        draft = self._draft(account_id)
        found = (
            self._own_rows(draft, "SELECT settings FROM settings WHERE {own} ORDER BY version DESC LIMIT 1")
            if draft
            else []
        )
        return found[0][0] if found else None

    def keep_settings(self, account_id: str, text: str) -> None:
        """Leave it for later ones.  By itself it is no change of the account's data."""
        self._insert(self._there(account_id), "settings", {"settings": [text]})

    def intake(self, account_id: str, idle_s: int) -> Intake:
        """Where lines and hits go in.  A session ends after ``idle_s`` without a hit."""
        draft = self._there(account_id)
        draft.changed = True
        account = Account(account_id, draft.time_zone, draft.currency)
        return ClickHouseIntake(_Place(self, draft), account, idle_s)

    def take_back(self, account_id: str, sessions: Sequence[int]) -> None:
        """Take these sessions out, by their numbers, with all that belongs to them."""
        draft = self._there(account_id)
        columns = {table.value: [name for name, _ in columns] for table, columns in FACTS.items()}
        for table, names in (columns | {"visits": ["session", "visitor", "start", "last"]}).items():
            self._claims.check()
            kept = ", ".join(name for name in names if name != "account")
            self._client.command(
                f"INSERT INTO {table} (account, version, sign, {kept}) "
                f"SELECT account, {{version:UInt32}}, -sign, {kept} FROM {table} "
                "WHERE account = {account:UInt64} AND version < {version:UInt32} AND sign > 0 "
                "AND session IN {sessions:Array(UInt32)}",
                {"account": draft.number, "version": draft.version, "sessions": list(sessions)},
                settings=dict(self._settings),
            )
        draft.changed = True

    def publish(self) -> None:
        """Let everyone see what has changed, all at once."""
        changed = [draft for draft in self._drafts.values() if draft is not None and draft.changed]
        if not changed:
            return
        self._claims.check()
        for draft in changed:
            ((draft.first_day, draft.last_day),) = self._own_rows(draft, _DAYS, draft.version)
        rows = [
            [draft.id, draft.version, draft.number, draft.time_zone, draft.currency, draft.first_day, draft.last_day, uuid.uuid4().hex]
            for draft in changed
        ]  # fmt: skip
        self._client.insert("accounts", rows, _ACCOUNT_COLUMNS, settings=dict(self._settings))

    def _there(self, account_id: str) -> _Draft:
        draft = self._draft(account_id)
        if draft is None:
            raise BadRequest(f"There is no account {account_id} to import into")
        return draft

    def _draft(self, account_id: str) -> _Draft | None:
        """The account with the version that comes next, no one else writing it from now on; None when there is none."""
        if account_id not in self._drafts:
            self._claims.claim(check_account_id(account_id))
            self._drafts[account_id] = self._opened(account_id)
        return self._drafts[account_id]

    def _opened(self, account_id: str) -> _Draft | None:
        found = self._rows(
            "SELECT account, version, time_zone, currency, first_day, last_day FROM accounts WHERE id = {id:String} "
            "ORDER BY version DESC",
            id=account_id,
        )
        if not found:
            return None
        number, version, time_zone, currency, first, last = found[0]
        self._sweep(number, version)
        for earlier in {row[0] for row in found} - {number}:
            self._sweep(earlier, 0)
        words = self._rows(
            "SELECT dimension, value FROM lexicon FINAL WHERE account = {account:UInt64} ORDER BY dimension, code",
            account=number,
        )
        return _Draft(account_id, number, version + 1, time_zone, currency, Encoder(words), first, last)

    def _sweep(self, number: int, version: int) -> None:
        """Take out what bears a later version than the one that is read: an import that died has left it."""
        left = " UNION ALL ".join(
            f"SELECT '{table}' FROM {table} WHERE account = {{account:UInt64}} AND version > {{version:UInt32}} LIMIT 1"
            for table in VERSIONED
        )
        for (table,) in self._rows(left, account=number, version=version):
            self._client.command(
                f"DELETE FROM {self._stored(table)} WHERE account = {{account:UInt64}} AND version > {{version:UInt32}}",
                {"account": number, "version": version},
                settings=_SWEEPING,
            )

    def _stored(self, table: str) -> str:
        """A table as rows are deleted from it: those of a cluster are on each of its servers."""
        return f"{local_name(table)} ON CLUSTER '{self._cluster}'" if self._cluster else table

    def _append(self, draft: _Draft, columns: FactColumns) -> None:
        """The words first: what reads a code finds it spelled."""
        self._append_words(draft)
        for table, values in columns.take().items():
            self._insert(draft, table.value, {**values, "sign": np.ones(len(values["session"]), dtype=np.int8)})

    def _append_words(self, draft: _Draft) -> None:
        words = draft.encoder.new_words(0)
        draft.encoder.settle()
        told = {**words, "folded": np.array([folded(value) for value in words["value"]], dtype=object)}
        self._insert(draft, "lexicon", told, versioned=False)

    def _insert(self, draft: _Draft, table: str, columns: Mapping[str, Any], *, versioned: bool = True) -> None:
        rows = len(next(iter(columns.values())))
        if not rows:
            return
        self._claims.check()
        draft.blocks += 1
        own = {"account": np.full(rows, draft.number, dtype=np.uint64)}
        own |= {"version": np.full(rows, draft.version, dtype=np.uint32)} if versioned else {}
        told = {**columns, **own}
        token = f"{self._claims.name}-{draft.id}-{draft.blocks}"
        self._client.insert(
            table,
            list(told.values()),
            list(told),
            column_oriented=True,
            settings={**self._settings, "insert_deduplication_token": token},
        )

    def _own_rows(self, draft: _Draft, text: str, version: int = 0, **parameters: Any) -> list[tuple[Any, ...]]:
        """What a statement tells of an account's rows, up to a version or those that are seen."""
        own = text.replace("{own}", "account = {account:UInt64} AND version <= {version:UInt32}")
        return self._rows(own, account=draft.number, version=version or draft.version - 1, **parameters)

    def _rows(self, text: str, **parameters: Any) -> list[tuple[Any, ...]]:
        settings = {"select_sequential_consistency": 1} if self._cluster else {}
        return [tuple(row) for row in self._client.query(text, parameters, settings=settings).result_rows]


@dataclass(frozen=True, slots=True)
class _Place:
    """An account, as an intake asks for what is there and hands over what is new."""

    writer: ClickHouseWriter
    draft: _Draft

    def rows(self, text: str, **parameters: Any) -> list[tuple[Any, ...]]:
        return self.writer._own_rows(self.draft, text, **parameters)

    def send(self, table: str, columns: Mapping[str, Any]) -> None:
        self.writer._insert(self.draft, table, columns)

    def send_words(self, encoder: Encoder) -> None:
        self.draft.encoder = encoder
        self.writer._append_words(self.draft)

    def take_back(self, sessions: Sequence[int]) -> None:
        self.writer.take_back(self.draft.id, sessions)


# The local days of the first and the last session that is left.
_DAYS = """\
SELECT if(count() = 0, NULL, min(day)), if(count() = 0, NULL, max(day)) FROM (
    SELECT day FROM sessions_by_day WHERE {own} AND rollup = 1 GROUP BY day HAVING sum(entrances) > 0
)"""

_ACCOUNT_COLUMNS = ("id", "version", "account", "time_zone", "currency", "first_day", "last_day", "stamp")


def _new_number() -> int:
    """Drawn by lot, so that importers need not agree on the next; never used again."""
    return secrets.randbits(63)
