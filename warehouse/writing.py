"""The embedded warehouse, written: a copy is changed beside the file and published by one atomic rename.

So an import lands whole or not at all, whatever stops it, and servers keep reading meanwhile.  The copy costs as much as
the warehouse is large; that is the price of one file that any number of processes may read.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import shutil
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import IO, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import duckdb
import numpy as np

from ..catalog.accounts import check_account_id
from ..catalog.dimensions import Table
from ..catalog.errors import BadRequest, WarehouseUnavailable
from .facts import GoalKind, Session
from .layout import (
    ACCOUNT_TABLES,
    FACTS,
    NO_EXTENSIONS,
    SCHEMA_VERSION,
    SESSION_DIMENSIONS,
    create_statements,
    forward_statements,
    lexicon_of,
)
from .rolling_up import roll_up, roll_up_everything

log = logging.getLogger(__name__)

# A disk that is full shows when a transaction cannot be committed.
_ENGINE_FAILURES = (duckdb.IOException, duckdb.TransactionException, duckdb.FatalException, duckdb.OutOfMemoryException)

_BATCH = 100_000  # sessions held as Python values before they become columns


class WarehouseBusy(WarehouseUnavailable):
    """Another import is writing the same warehouse."""


@contextmanager
def writing(path: Path) -> Iterator[Writer]:
    """Change the warehouse at ``path``, made on first use.  All of it is published at the end, nothing on an exception.

    One of an earlier layout is brought forward, and stays beside the new one under its name with ``.layout-1``.
    Raises ``WarehouseBusy`` while another import runs, ``WarehouseUnavailable`` when the file is no warehouse or cannot
    be written.
    """
    path = Path(os.path.realpath(path))  # what a link points to is replaced, not the link
    with _claimed(path):
        draft = path.with_name(path.name + ".next")
        try:
            connection, layout = _open(draft, path)
            try:
                writer = Writer(connection)
                with _engine_failures_told(path):
                    yield writer
                    if writer.changed:
                        writer.finish()
                        connection.execute("CHECKPOINT")
            finally:
                connection.close()
            if writer.changed:
                if layout < SCHEMA_VERSION:
                    _keep_beside(path, layout)
                _publish(draft, path)
        finally:
            _remove(draft)


@contextmanager
def _claimed(path: Path) -> Iterator[None]:
    """Hold the warehouse's lock file, which the system lets go of whatever ends the process.

    It is removed by its holder; whoever locked it in the very moment before finds another one, or none, under the name.
    """
    lock = path.with_name(path.name + ".lock")
    with _disk_failures_told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = _locked(lock)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
        file.close()


def _locked(lock: Path) -> IO[bytes]:
    while True:
        file = lock.open("ab")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _has_name(file, lock):
                return file
        except BlockingIOError:
            file.close()
            raise WarehouseBusy("Another import is writing this warehouse; wait for it to end") from None
        file.close()


def _has_name(file: IO[bytes], name: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), name.stat())
    except FileNotFoundError:
        return False


def _open(draft: Path, path: Path) -> tuple[duckdb.DuckDBPyConnection, int]:
    """The draft, a copy of what is there, and the layout that has; a draft that an import left behind when it died is
    thrown away."""
    with _disk_failures_told(path):
        _remove(draft)
        if path.exists():
            shutil.copyfile(path, draft)
            shutil.copymode(path, draft)
    try:
        connection = duckdb.connect(str(draft), config=dict(NO_EXTENSIONS))
    except duckdb.Error as error:
        log.info("cannot open %s: %s", path, error)
        raise WarehouseUnavailable(f"{path} is not a fanin warehouse, or cannot be read") from None
    try:
        with _engine_failures_told(path):
            return connection, _brought_forward(connection, path)
    except BaseException:
        connection.close()
        raise


def _brought_forward(connection: duckdb.DuckDBPyConnection, path: Path) -> int:
    """Give the draft the layout of today; the layout it had."""
    if not path.exists():
        connection.begin()  # one commit of many statements
        for statement in create_statements():
            connection.execute(statement)
        connection.commit()
    try:
        (version,) = connection.execute("SELECT schema_version FROM fanin_meta").fetchone() or (None,)
    except duckdb.Error:
        raise WarehouseUnavailable(f"{path} is a database of another program, not a fanin warehouse") from None
    if version == 1:
        for statement in forward_statements():
            connection.execute(statement)
        roll_up_everything(connection)
    elif version != SCHEMA_VERSION:
        raise WarehouseUnavailable(f"{path} is a warehouse of layout {version}; this fanin writes {SCHEMA_VERSION}")
    return version


def _keep_beside(path: Path, layout: int) -> None:
    """The file as it was, under a name of its own: a second name for the same bytes, where the disk has such."""
    kept = path.with_name(f"{path.name}.layout-{layout}")
    with _disk_failures_told(path):
        kept.unlink(missing_ok=True)
        try:
            os.link(path, kept)
        except OSError:
            shutil.copy2(path, kept)


def _publish(draft: Path, path: Path) -> None:
    """Make the draft durable, then let it take the warehouse's name in one step."""
    with _disk_failures_told(path):
        with draft.open("rb+") as file:
            os.fsync(file.fileno())
        draft.replace(path)


def _remove(draft: Path) -> None:
    for leftover in (draft, draft.with_name(draft.name + ".wal")):
        leftover.unlink(missing_ok=True)


@contextmanager
def _disk_failures_told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise WarehouseUnavailable(f"{path} cannot be written: {error.strerror or error}") from None


@contextmanager
def _engine_failures_told(path: Path) -> Iterator[None]:
    try:
        yield
    except _ENGINE_FAILURES as error:
        log.error("cannot write %s: %s", path, error)
        raise WarehouseUnavailable(f"{path} cannot be written: the disk or the memory may be full") from None


class Writer:
    """Puts facts into a draft.  Use it through ``writing``."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._encoders: dict[int, _Encoder] = {}
        self._days: defaultdict[int, set[int]] = defaultdict(set)  # that sessions were added to, by account
        self.changed = False  # whether there is anything to publish

    def has_import(self, account_id: str, digest: str) -> bool:
        """Whether content with this digest is in the account already."""
        found = self._connection.execute(
            "SELECT 1 FROM imports JOIN accounts USING (account) WHERE id = ? AND digest = ?", [account_id, digest]
        )
        return found.fetchone() is not None

    def put_account(self, account_id: str, *, time_zone: str = "UTC", currency: str = "EUR") -> None:
        """Create the account, or find it as it is.

        Raises ``BadRequest`` for an unknown zone, or when the account is there with another zone or currency: its days
        and its money would no longer mean what they meant.
        """
        check_account_id(account_id)
        _check_time_zone(time_zone)
        _check_currency(currency)
        row = self._connection.execute("SELECT time_zone, currency FROM accounts WHERE id = ?", [account_id]).fetchone()
        if row is None:
            self.changed = True
            self._connection.execute(
                "INSERT INTO accounts SELECT coalesce(max(account), 0) + 1, ?, ?, ?, 0, NULL, NULL, '' FROM accounts",
                [account_id, time_zone, currency],
            )
        elif row != (time_zone, currency):
            raise BadRequest(
                f"Account {account_id} is kept in {row[0]} and {row[1]}, not in {time_zone} and {currency}; "
                "import into another account, or with the same settings"
            )

    def add_sessions(self, account_id: str, sessions: Iterable[Session], *, digest: str, source_name: str) -> int:
        """Append sessions and what belongs to them, and raise the account's data version.  Returns how many."""
        number, time_zone = self._account(account_id)
        self.changed = True
        encoder = self._encoder(number)
        columns = _Columns(number, _LocalTime(time_zone), encoder)
        before = self._sessions_so_far(number)
        added = 0
        for session in sorted(sessions, key=lambda session: session.start):
            added += 1
            columns.add(before + added, session)
            if added % _BATCH == 0:
                self._append(columns)
        self._append(columns)
        self._days[number] |= columns.days
        told = source_name.encode(errors="replace").decode()  # a file's name may be any bytes
        self._connection.execute("INSERT INTO imports VALUES (?, ?, ?, ?)", [number, digest, told, added])
        self._tell_change(number)
        return added

    def clear_account(self, account_id: str, *, source_name: str) -> None:
        """Take out everything that came from ``source_name`` and raise the data version; the account itself stays.

        Raises ``BadRequest`` when anything else was imported into it: facts do not tell where they came from.
        """
        number, _ = self._account(account_id)
        names = self._connection.execute(
            "SELECT DISTINCT source_name FROM imports WHERE account = ?", [number]
        ).fetchall()
        if not names:
            return
        if names != [(source_name,)]:
            raise BadRequest(
                f"Account {account_id} holds imported logs, which {source_name} would replace; name another"
            )
        self.changed = True
        for table in ACCOUNT_TABLES:
            self._connection.execute(f"DELETE FROM {table} WHERE account = ?", [number])
        self._connection.execute("UPDATE accounts SET first_day = NULL, last_day = NULL WHERE account = ?", [number])
        self._tell_change(number)
        self._encoders.pop(number, None)
        self._days.pop(number, None)

    def _tell_change(self, number: int) -> None:
        """The version tells how often an account changed; the stamp is new in any file, even one made anew."""
        self._connection.execute(
            "UPDATE accounts SET data_version = data_version + 1, data_stamp = ? WHERE account = ?",
            [uuid.uuid4().hex, number],
        )

    def finish(self) -> None:
        """Write the new words of each lexicon, the roll-ups of the days added to, and each account's first and last day."""
        for number, encoder in self._encoders.items():
            self._insert("lexicon", encoder.new_words(number))
        for number, days in self._days.items():
            roll_up(self._connection, number, days)
        self._connection.execute(
            "UPDATE accounts SET first_day = days.first, last_day = days.last FROM "
            "(SELECT account, min(day) AS first, max(day) AS last FROM sessions GROUP BY account) AS days "
            "WHERE accounts.account = days.account"
        )

    def _sessions_so_far(self, number: int) -> int:
        found = self._connection.execute("SELECT coalesce(max(session), 0) FROM sessions WHERE account = ?", [number])
        ((last,),) = found.fetchall()
        return last

    def _account(self, account_id: str) -> tuple[int, str]:
        row = self._connection.execute("SELECT account, time_zone FROM accounts WHERE id = ?", [account_id]).fetchone()
        if row is None:
            raise BadRequest(f"There is no account {account_id} to import into")
        return row

    def _encoder(self, number: int) -> _Encoder:
        if number not in self._encoders:
            words = self._connection.execute(
                "SELECT dimension, value FROM lexicon WHERE account = ? ORDER BY dimension, code", [number]
            ).fetchall()
            self._encoders[number] = _Encoder(words)
        return self._encoders[number]

    def _append(self, columns: _Columns) -> None:
        for table, values in columns.take().items():
            self._insert(table.value, values)

    def _insert(self, table: str, columns: dict[str, Any]) -> None:
        if len(next(iter(columns.values()))) == 0:
            return
        self._connection.register("incoming", columns)
        self._connection.execute(f"INSERT INTO {table} SELECT {', '.join(columns)} FROM incoming")
        self._connection.unregister("incoming")


class _Encoder:
    """Values to codes, per lexicon.  New values get the next code."""

    def __init__(self, words: Iterable[tuple[str, str]]) -> None:
        self._codes: dict[str, dict[str, int]] = {}
        self._known: dict[str, int] = {}
        for lexicon, value in words:
            self.code(lexicon, value)
        self._known = {lexicon: len(codes) for lexicon, codes in self._codes.items()}

    def code(self, lexicon: str, value: str) -> int:
        codes = self._codes.setdefault(lexicon, {})
        return codes.setdefault(value, len(codes))

    def new_words(self, number: int) -> dict[str, Any]:
        """The columns of what has been added since the lexicon was read."""
        rows = [
            (lexicon, code, value)
            for lexicon, codes in self._codes.items()
            for value, code in list(codes.items())[self._known.get(lexicon, 0) :]
        ]
        return {
            "account": np.full(len(rows), number, dtype=np.int32),
            "dimension": np.array([row[0] for row in rows], dtype=object),
            "code": np.array([row[1] for row in rows], dtype=np.uint32),
            "value": np.array([row[2] for row in rows], dtype=object),
        }

    def settle(self) -> None:
        """Take what has been added for known: it is written."""
        self._known = {lexicon: len(codes) for lexicon, codes in self._codes.items()}


class _LocalTime:
    """UTC seconds to the account's local day and hour.  Offsets change at whole minutes: at 00:01 where it was thought
    wise to keep a day whole."""

    def __init__(self, time_zone: str) -> None:
        self._zone = ZoneInfo(time_zone)
        self._known: dict[int, tuple[int, int]] = {}

    def day_and_hour(self, at: int) -> tuple[int, int]:
        minute = at // 60
        if minute not in self._known:
            local = datetime.fromtimestamp(minute * 60, self._zone)
            self._known[minute] = (local.toordinal() - _EPOCH_ORDINAL, local.hour)
        return self._known[minute]


_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()

_NUMPY = {"INTEGER": np.int32, "BIGINT": np.int64, "UINTEGER": np.uint32, "UTINYINT": np.uint8, "BOOLEAN": np.bool_}


class _Columns:
    """Sessions turned into rows of codes, table by table."""

    def __init__(self, number: int, local_time: _LocalTime, encoder: _Encoder) -> None:
        self._number = number
        self._local_time = local_time
        self._code = encoder.code
        self._lexicons = {name: lexicon_of(Table.SESSIONS, name) for name in SESSION_DIMENSIONS}
        self._rows: dict[Table, list[tuple[Any, ...]]] = {table: [] for table in Table}
        self.days: set[int] = set()  # local ones, of all that were ever added

    def add(self, session_number: int, session: Session) -> None:
        day, hour = self._local_time.day_and_hour(session.start)
        self.days.add(day)
        shared = (self._number, session_number, session.start, day, hour, *self._session_codes(session))
        views, goals = session.page_views, session.goals
        conversions = [goal for goal in goals if goal.kind is GoalKind.CONVERSION]
        revenue = sum(goal.amount_cents for goal in conversions)
        self._rows[Table.SESSIONS].append(
            (*shared, len(views), len(conversions), len(goals) - len(conversions), revenue)
        )
        self._rows[Table.PAGE_VIEWS].extend(
            (
                *shared,
                view.at,
                self._code("path", view.path),
                self._code("content_grouping", view.content_grouping),
                index == 0,
                len(views) >= 2,
            )
            for index, view in enumerate(views)
        )
        self._rows[Table.GOALS].extend(
            (*shared, goal.at, self._code("goal", goal.name), goal.kind is GoalKind.CONVERSION, goal.amount_cents)
            for goal in goals
        )

    def take(self) -> dict[Table, dict[str, Any]]:
        """The columns gathered so far; afterwards there are none."""
        taken = {
            table: {
                name: np.array([row[place] for row in rows], dtype=_NUMPY[kind])
                for place, (name, kind) in enumerate(FACTS[table])
            }
            for table, rows in self._rows.items()
        }
        self._rows = {table: [] for table in Table}
        return taken

    def _session_codes(self, session: Session) -> Iterator[int]:
        first = session.page_views[0] if session.page_views else None
        landing = {
            "landing_page": first.path if first else "",
            "landing_content_grouping": first.content_grouping if first else "",
        }
        for name, lexicon in self._lexicons.items():
            yield self._code(lexicon, landing[name] if name in landing else getattr(session, name))


def _check_time_zone(time_zone: str) -> None:
    try:
        ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadRequest(f"'{time_zone}' is no time zone; give a name such as Europe/Madrid or UTC") from None


def _check_currency(currency: str) -> None:
    if not re.fullmatch(r"[A-Z]{3}", currency):
        raise BadRequest(f"'{currency}' is no currency; give three capital letters such as EUR")
