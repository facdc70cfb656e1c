"""What a warehouse holds at one moment: which accounts, and the file each of them lies in.

The warehouse's own file is this list, a few lines of JSON.  Beside it, in a folder with ``.d`` behind the same name, every
account has a DuckDB file that never changes: an import writes another one and publishes a new list by one rename.
Until layout 2 all accounts lay in one DuckDB file under the warehouse's name; that is read as such a list, too.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import orjson

from ..catalog.accounts import Account
from ..catalog.errors import WarehouseUnavailable
from .layout import FIRST_WITH_ROLLUPS, LAYOUT, NO_EXTENSIONS, OLDER_LAYOUTS

log = logging.getLogger(__name__)

# A request that began before an import reads on in the file of then; none takes as long as this.
KEPT_S = 600

_REPLACE_TRIES = 100  # where a file that someone is just reading cannot be replaced


@dataclass(frozen=True, slots=True)
class Entry:
    """An account, the file it lies in, and its number there."""

    account: Account
    file: Path
    number: int = 1


@dataclass(frozen=True, slots=True)
class Manifest:
    """``retired`` are files that are no longer in use, with the time since when, in seconds since 1970."""

    entries: Mapping[str, Entry] = field(default_factory=dict)  # by the account's id, in their order
    retired: Mapping[Path, int] = field(default_factory=dict)
    layout: int = LAYOUT

    @property
    def files(self) -> set[Path]:
        return {entry.file for entry in self.entries.values()}


def folder_of(path: Path) -> Path:
    """Where a warehouse's files lie.  ``path`` is no link."""
    return path.with_name(path.name.replace("?", "_") + ".d")  # the engine takes what follows a ? for options


def read_manifest(path: Path) -> Manifest:
    """The list under the warehouse's name, ``path`` being no link.  Raises ``WarehouseUnavailable``."""
    try:
        with path.open("rb") as file:
            text = file.read(1)
            if text == b"{":
                return _told(path, text + file.read())
    except OSError as error:
        log.info("cannot read %s: %s", path, error)
        raise _no_warehouse(path) from None
    return _read_older(path)


def publish(manifest: Manifest, path: Path) -> None:
    """Let the manifest take the warehouse's name in one step.  Raises ``OSError``."""
    draft = path.with_name(path.name + ".next")
    try:
        with draft.open("wb") as file:
            if path.exists():
                os.chmod(draft, path.stat().st_mode & 0o777)
            file.write(_text(manifest))
            file.flush()
            os.fsync(file.fileno())
        _replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    make_durable(path.parent)


def make_durable(folder: Path) -> None:
    """Write down which names a folder holds, where systems know of that."""
    if os.name != "posix":
        return
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def with_entries(manifest: Manifest, changed: Iterable[Entry], gone: Collection[str] = ()) -> Manifest:
    """The manifest after an import: the files that it replaces are retired."""
    entries = dict(manifest.entries) | {entry.account.id: entry for entry in changed}
    entries = {account_id: entry for account_id, entry in entries.items() if account_id not in gone}
    after = Manifest(dict(sorted(entries.items())))
    replaced = dict.fromkeys(sorted(manifest.files - after.files), int(time.time()))
    return Manifest(after.entries, {**manifest.retired, **replaced})


def _replace(draft: Path, path: Path) -> None:
    for _ in range(_REPLACE_TRIES):
        try:
            draft.replace(path)
        except PermissionError:
            if os.name == "posix":
                raise
            time.sleep(0.05)
        else:
            return
    draft.replace(path)


def _text(manifest: Manifest) -> bytes:
    told = {
        "program": "fanin",
        "layout": manifest.layout,
        "accounts": [
            {
                "id": entry.account.id,
                "time_zone": entry.account.time_zone,
                "currency": entry.account.currency,
                "first_day": entry.account.first_day,
                "last_day": entry.account.last_day,
                "data_version": entry.account.data_version,
                "data_stamp": entry.account.data_stamp,
                "file": entry.file.name,
                "number": entry.number,
            }
            for entry in manifest.entries.values()
        ],
        "retired": {file.name: since for file, since in manifest.retired.items()},
    }
    return orjson.dumps(told, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _told(path: Path, text: bytes) -> Manifest:
    folder = folder_of(path)
    try:
        told = orjson.loads(text)
        if told["program"] != "fanin":
            raise _no_warehouse(path)
        if told["layout"] != LAYOUT:
            raise _other_layout(path, told["layout"])
        return Manifest(
            {row["id"]: _entry(row, folder) for row in told["accounts"]},
            {folder / name: since for name, since in told["retired"].items()},
        )
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        log.info("cannot read %s: %r", path, error)
        raise _no_warehouse(path) from None


def _entry(row: Mapping[str, Any], folder: Path) -> Entry:
    first, last = (row[name] and date.fromisoformat(row[name]) for name in ("first_day", "last_day"))
    account = Account(row["id"], row["time_zone"], row["currency"], first, last, row["data_version"], row["data_stamp"])
    return Entry(account, folder / row["file"], row["number"])


def _read_older(path: Path) -> Manifest:
    quoted = str(path).replace("'", "''")
    try:
        with duckdb.connect(":memory:", config=dict(NO_EXTENSIONS)) as connection:
            connection.execute(f"ATTACH '{quoted}' AS older (READ_ONLY, TYPE duckdb)")
            (layout,) = connection.execute("SELECT schema_version FROM older.fanin_meta").fetchone() or (None,)
            if layout not in OLDER_LAYOUTS:
                raise _other_layout(path, layout)
            stamp = "data_stamp" if layout >= FIRST_WITH_ROLLUPS else "''"
            rows = connection.execute(
                f"SELECT account, id, time_zone, currency, first_day, last_day, data_version, {stamp} "
                "FROM older.accounts ORDER BY id"
            ).fetchall()
    except duckdb.Error as error:
        log.info("cannot attach %s: %s", path, error)
        raise _no_warehouse(path) from None
    accounts = [
        (number, Account(account_id, zone, currency, day_of(first), day_of(last), version, stamp))
        for number, account_id, zone, currency, first, last, version, stamp in rows
    ]
    return Manifest({account.id: Entry(account, path, number) for number, account in accounts}, {}, layout)


def day_of(number: int | None) -> date | None:
    """A day as it is stored."""
    return None if number is None else date(1970, 1, 1) + timedelta(days=number)


def _no_warehouse(path: Path) -> WarehouseUnavailable:
    return WarehouseUnavailable(f"{path} is not a fanin warehouse, or cannot be read")


def _other_layout(path: Path, layout: Any) -> WarehouseUnavailable:
    return WarehouseUnavailable(
        f"{path} is a warehouse of layout {layout}; this fanin reads layouts {OLDER_LAYOUTS[0]} to {LAYOUT}"
    )
