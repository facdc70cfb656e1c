"""The files of accounts, attached read-only to one empty database in memory when they are first asked for.

One database for all: another one for each account would cost ten times the time to open, and several threads.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import duckdb

from .layout import NO_EXTENSIONS
from .manifest import folder_of
from .statements import DATABASE

MOST_ATTACHED = 256  # each keeps a file open and half a megabyte


@dataclass(slots=True)
class Attached:
    """A file as the database knows it."""

    name: str
    cursors: int = 0
    is_wanted: bool = True  # False once an import has replaced it, or it could not be read


class AccountFiles:
    """All files of the warehouse at ``path``, which is no link; no other file can be reached through its cursors."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = self._connected()
        self._attached: OrderedDict[Path, Attached] = OrderedDict()
        self._lock = Lock()
        self._names = 0

    def _connected(self) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect(":memory:", config={"threads": os.cpu_count() or 1, **NO_EXTENSIONS})
        connection.execute(f"SET allowed_directories = [{_quoted(folder_of(self._path))}]")
        # The file of an earlier layout, and what the engine looks for.
        older = self._path, self._path.with_name(self._path.name + ".wal")
        connection.execute(f"SET allowed_paths = [{', '.join(map(_quoted, older))}]")
        connection.execute("SET enable_external_access = false")
        return connection

    def cursor(self, file: Path) -> AccountCursor:
        return AccountCursor(self, file)

    def new_cursor(self) -> duckdb.DuckDBPyConnection:
        return self._connection.cursor()

    def take(self, file: Path) -> Attached:
        """A file as it is attached, until it is given back.  Raises ``duckdb.Error``."""
        with self._lock:
            attached = self._attached.get(file)
            if attached is None:
                attached = self._attached[file] = self._attach(file)
            self._attached.move_to_end(file)
            attached.cursors += 1
            if len(self._attached) > MOST_ATTACHED:
                self._detach_some()
            return attached

    def give_back(self, attached: Attached) -> None:
        with self._lock:
            attached.cursors -= 1
            if not attached.is_wanted:
                self._detach_some()
                if attached not in self._attached.values() and not attached.cursors:
                    self._detach(attached)

    def open_anew(self, file: Path, *, everything: bool = False) -> None:
        """For the next who asks, as what was read made no sense; ``everything`` once the engine itself has given up.

        Whoever reads on does so from what was open.
        """
        with self._lock:
            for attached in self._attached.values() if everything else filter(None, [self._attached.get(file)]):
                attached.is_wanted = False
            if everything:
                self._attached.clear()
                self._connection = self._connected()
            else:
                self._attached.pop(file, None)

    def retain(self, files: Collection[Path]) -> None:
        """Let go of all files but these.  Whoever still reads one reads on."""
        with self._lock:
            for file, attached in self._attached.items():
                attached.is_wanted = file in files
            self._detach_some()

    def close(self) -> None:
        self._connection.close()

    def _attach(self, file: Path) -> Attached:
        self._names += 1
        name = f"file_{self._names}"
        with self._connection.cursor() as cursor:
            cursor.execute(f"ATTACH {_quoted(file)} AS {name} (READ_ONLY, TYPE duckdb)")
        return Attached(name)

    def _detach_some(self) -> None:
        """What nobody reads: first what is replaced, then what was used longest ago."""
        idle = [file for file, attached in self._attached.items() if not attached.cursors]
        replaced = [file for file in idle if not self._attached[file].is_wanted]
        others = [file for file in idle if self._attached[file].is_wanted]
        too_many = max(0, len(self._attached) - len(replaced) - MOST_ATTACHED)
        for file in [*replaced, *others[:too_many]]:
            self._detach(self._attached.pop(file))

    def _detach(self, attached: Attached) -> None:
        with suppress(duckdb.Error), self._connection.cursor() as cursor:
            cursor.execute(f"DETACH {attached.name}")


class AccountCursor:
    """Reads the file of one account, which statements call ``warehouse``.  Nothing is opened before the first of them."""

    def __init__(self, files: AccountFiles, file: Path) -> None:
        self._files = files
        self._file = file
        self._attached: Attached | None = None
        self._cursor: duckdb.DuckDBPyConnection | None = None

    def execute(self, text: str, parameters: Sequence[Any] = ()) -> duckdb.DuckDBPyConnection:
        if self._cursor is None or self._attached is None:
            self._attached = self._files.take(self._file)
            self._cursor = self._files.new_cursor()
        return self._cursor.execute(text.replace(f"{DATABASE}.", f"{self._attached.name}."), parameters)

    def open_anew(self, *, everything: bool) -> None:
        """The next cursor of this file opens it again."""
        self._files.open_anew(self._file, everything=everything)

    def interrupt(self) -> None:
        if self._cursor is not None:
            self._cursor.interrupt()

    def close(self) -> None:
        if self._cursor is not None:
            self._cursor.close()
        if self._attached is not None:
            self._files.give_back(self._attached)


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
