"""The next file of one account while it is being written: a copy of the present one, published or thrown away."""

from __future__ import annotations

import logging
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb

from ..catalog.accounts import Account
from ..catalog.errors import WarehouseUnavailable
from .coding import Encoder
from .layout import FIRST_WITH_ROLLUPS, LAYOUT, NO_EXTENSIONS, copy_statements, create_statements, reorder_statements
from .manifest import Entry, day_of, folder_of
from .rolling_up import days_of, roll_up

log = logging.getLogger(__name__)

# A disk that is full shows when a transaction cannot be committed.
_ENGINE_FAILURES = (duckdb.IOException, duckdb.TransactionException, duckdb.FatalException, duckdb.OutOfMemoryException)

LATE_SHARE = 4  # one session in so many may stand behind later ones

AT = "@"  # between an account's id, which cannot hold it, and the rest of a file's name


class AccountTables:
    """The tables of one account, open for writing.  ``number`` is the account's in them, ``days`` are those whose facts have
    changed, ``changes`` is how often its data did."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, account: Account, number: int = 1) -> None:
        self._connection = connection
        self._encoder: Encoder | None = None
        self.account = account
        self.number = number
        self.days: set[int] = set()
        self.changes = 0

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        return self._connection

    @property
    def encoder(self) -> Encoder:
        """Values to codes, as far as the account knows them."""
        if self._encoder is None:
            words = self._connection.execute("SELECT dimension, value FROM lexicon ORDER BY dimension, code").fetchall()
            self._encoder = Encoder(words)
        return self._encoder

    def insert(self, table: str, columns: dict[str, Any]) -> None:
        """Append columns, all of one length, under the names the table has for them."""
        if len(next(iter(columns.values()))) == 0:
            return
        self._connection.register("incoming", columns)
        self._connection.execute(f"INSERT INTO {table} BY NAME SELECT * FROM incoming")
        self._connection.unregister("incoming")

    def count_late(self, sessions: int) -> None:
        """Tell how many sessions were appended behind later ones; when they are many, all are put in order again."""
        self._connection.execute("UPDATE fanin_meta SET late_sessions = late_sessions + ?", [sessions])
        ((late, every),) = self._connection.execute(
            "SELECT late_sessions, (SELECT count(*) FROM sessions) FROM fanin_meta"
        ).fetchall()
        if late * LATE_SHARE <= every:
            return
        for statement in reorder_statements():
            self._connection.execute(statement)

    def remember_import(self, digest: str, source_name: str, lines: int = 0) -> None:
        """Know content again by its digest, and tell where so many lines came from."""
        told = source_name.encode(errors="replace").decode()  # a file's name may be any bytes
        self._connection.execute("INSERT INTO imports VALUES (?, ?, ?, ?)", [self.number, digest, told, lines])
        self.changes += 1

    def close(self) -> None:
        self._connection.close()


class Draft(AccountTables):
    """One account's next file."""

    def __init__(self, path: Path, account: Account, entry: Entry | None, layout: int = LAYOUT) -> None:
        """A copy of the entry's file, or an empty file when there is none.  ``path`` is the warehouse's."""
        self.path = path
        self.stamp = uuid.uuid4().hex
        self.file = new_file(path, account.id, self.stamp)
        super().__init__(_opened(self.file, path, entry, layout), account, entry.number if entry else 1)

    def empty(self) -> None:
        """Begin with a new file: nothing of the old one is left, nor its words."""
        self._connection.close()
        remove(self.file)
        self._connection = _opened(self.file, self.path, None, LAYOUT)
        self._encoder = None
        self.number = 1
        self.days = set()

    def compact(self) -> None:
        """Go on in a file that holds what is there now and no trace of what was."""
        self._write_sums()
        self.stamp = uuid.uuid4().hex
        compacted = new_file(self.path, self.account.id, self.stamp)
        (name,) = [row[0] for row in self._connection.execute("SELECT current_database()").fetchall()]
        quoted = str(compacted).replace("'", "''")
        self._connection.execute(f"ATTACH '{quoted}' AS compacted")
        self._connection.execute(f'COPY FROM DATABASE "{name}" TO compacted')
        self._connection.execute("DETACH compacted")
        self._connection.close()
        remove(self.file)
        compacted.chmod(self.path.stat().st_mode & 0o777)
        self.file = compacted
        self._connection = duckdb.connect(str(compacted), config=dict(NO_EXTENSIONS))

    def finish(self) -> Entry:
        """Write the new words and the roll-ups of the days that changed, and make the file durable.  What is to be listed."""
        self._write_sums()
        first, last = self._connection.execute("SELECT min(day), max(day) FROM sessions").fetchone() or (None, None)
        self._connection.execute("CHECKPOINT")
        self._connection.close()
        make_file_durable(self.file)
        account = replace(
            self.account,
            first_day=day_of(first),
            last_day=day_of(last),
            data_version=self.account.data_version + self.changes,
            data_stamp=self.stamp if self.changes else self.account.data_stamp,
        )
        return Entry(account, self.file, self.number)

    def _write_sums(self) -> None:
        if self._encoder is not None:
            self.insert("lexicon", self._encoder.new_words(self.number))
            self._encoder = None
        roll_up(self._connection, self.number, self.days)
        self.days = set()


def new_file(path: Path, account_id: str, stamp: str) -> Path:
    return folder_of(path) / f"{account_id}{AT}{stamp}.duckdb"


def take_out(path: Path, entry: Entry, layout: int) -> Entry:
    """An account of an earlier layout, in a file of its own.  Its data is the same, and so is its version."""
    stamp = entry.account.data_stamp or uuid.uuid4().hex
    file = new_file(path, entry.account.id, stamp)
    remove(file)
    _opened(file, path, entry, layout).close()
    make_file_durable(file)
    return Entry(replace(entry.account, data_stamp=stamp), file, entry.number)


def remove(file: Path) -> None:
    """Take a file away.  Where one that is being read cannot be removed it stays until the next import."""
    for leftover in (file, file.with_name(file.name + ".wal")):
        with suppress(PermissionError):
            leftover.unlink(missing_ok=True)
    shutil.rmtree(
        file.with_name(file.name + ".tmp"), ignore_errors=True
    )  # where the engine puts what memory cannot hold


def remove_leftovers(path: Path, account_id: str, used: Iterable[Path]) -> None:
    """What an import of the account left behind when it died."""
    kept = {file.name for file in used}
    for file in files_of(path, account_id):
        if file.name not in kept:
            remove(file)


def files_of(path: Path, account_id: str) -> list[Path]:
    """All files that an account has or had, used or not."""
    return sorted(folder_of(path).glob(f"{account_id}{AT}*.duckdb"))


def _opened(file: Path, path: Path, entry: Entry | None, layout: int) -> duckdb.DuckDBPyConnection:
    """A new file with what the entry's file holds of the account."""
    is_copy = entry is not None and layout == LAYOUT
    with disk_failures_told(path):
        if entry is not None and is_copy:
            shutil.copyfile(entry.file, file)
    try:
        connection = duckdb.connect(str(file), config=dict(NO_EXTENSIONS))
    except duckdb.Error as error:
        log.info("cannot open %s: %s", file, error)
        remove(file)
        raise WarehouseUnavailable(f"{path} is not a fanin warehouse, or cannot be read") from None
    try:
        with engine_failures_told(path):
            if not is_copy:
                _run(connection, create_statements())
                if entry is not None:
                    _copy(connection, entry, layout)
            connection.execute("CHECKPOINT")
            if path.exists():
                file.chmod(path.stat().st_mode & 0o777)  # a private warehouse stays private
        return connection
    except BaseException:
        connection.close()
        remove(file)
        raise


def _run(connection: duckdb.DuckDBPyConnection, statements: Iterable[str]) -> None:
    connection.begin()  # one commit of many statements
    for statement in statements:
        connection.execute(statement)
    connection.commit()


def _copy(connection: duckdb.DuckDBPyConnection, entry: Entry, layout: int) -> None:
    """Everything of one account out of a file that holds several."""
    quoted = str(entry.file).replace("'", "''")
    connection.execute(f"ATTACH '{quoted}' AS older (READ_ONLY, TYPE duckdb)")
    for statement in copy_statements(layout):
        connection.execute(statement, {"account": entry.number})
    connection.execute("DETACH older")
    if layout < FIRST_WITH_ROLLUPS:
        roll_up(connection, entry.number, days_of(connection, entry.number))


def make_file_durable(file: Path) -> None:
    with file.open("rb+") as opened:
        os.fsync(opened.fileno())


@contextmanager
def disk_failures_told(path: Path) -> Iterator[None]:
    """Raises ``WarehouseUnavailable`` for what the system refuses."""
    try:
        yield
    except OSError as error:
        raise WarehouseUnavailable(f"{path} cannot be written: {error.strerror or error}") from None


@contextmanager
def engine_failures_told(path: Path) -> Iterator[None]:
    """The same for what keeps the engine from writing."""
    try:
        yield
    except _ENGINE_FAILURES as error:
        log.error("cannot write %s: %s", path, error)
        raise WarehouseUnavailable(f"{path} cannot be written: the disk or the memory may be full") from None
