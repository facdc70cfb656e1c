"""The embedded warehouse, written: an account's next file is made beside the present one, and published by one rename.

So an import lands whole or not at all, whatever stops it, and any number of processes keep reading meanwhile.  It costs
what its account costs to copy, and imports into several accounts may run at the same time.
"""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import date
from pathlib import Path

import duckdb

from ..catalog.accounts import Account, check_account_id, check_currency, check_time_zone
from ..catalog.errors import BadRequest
from .coding import FactColumns, LocalTime
from .drafts import (
    AT,
    Draft,
    disk_failures_told,
    engine_failures_told,
    files_of,
    remove,
    remove_leftovers,
    take_out,
)
from .facts import Session
from .forgetting import forget_before
from .intake import Intake
from .layout import LAYOUT, NO_EXTENSIONS, tables_of
from .locks import WarehouseBusy, claimed
from .manifest import KEPT_S, Entry, Manifest, folder_of, make_durable, publish, read_manifest, with_entries

__all__ = ["WarehouseBusy", "Writer", "writing"]

_BATCH = 100_000  # sessions held as Python values before they become columns

_PATIENCE_S = 60  # to publish takes milliseconds, and bringing an earlier layout forward may take longer

_BUSY = "Another import is writing this account; wait for it to end"
_PUBLISHING = "Another import is publishing into this warehouse; try again"


@contextmanager
def writing(path: Path) -> Iterator[Writer]:
    """Change accounts of the warehouse at ``path``, made on first use.  All of it is published at the end, nothing on an
    exception.

    A warehouse of an earlier layout is brought forward, and stays beside the new one under its name with ``.layout-2``.
    Raises ``WarehouseBusy`` while another import writes the same account, ``WarehouseUnavailable`` when the file is no
    warehouse or cannot be written.
    """
    path = Path(os.path.realpath(path))  # what a link points to is replaced, not the link
    with disk_failures_told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    _manifest(path)
    writer = Writer(path)
    try:
        with engine_failures_told(path):
            yield writer
        writer.publish()
    finally:
        writer.close()


def _manifest(path: Path) -> Manifest:
    return read_manifest(path) if path.exists() else Manifest()


class Writer:
    """Puts facts into the drafts of accounts.  Use it through ``writing``.

    An account is claimed when it is first named; from then on no other import changes it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._claims = ExitStack()
        self._found: dict[str, tuple[Entry | None, int]] = {}  # of each claimed account, and the layout of its file
        self._digests: dict[str, set[str]] = {}
        self._drafts: dict[str, Draft] = {}
        self._gone: set[str] = set()
        self._forgetful: set[str] = set()  # accounts whose older files are not kept for requests under way

    def has_import(self, account_id: str, digest: str) -> bool:
        """Whether content with this digest is in the account already."""
        if account_id not in self._digests:
            self._digests[account_id] = set(self._known(account_id, "digest", "imports"))
        return digest in self._digests[account_id]

    def put_account(self, account_id: str, *, time_zone: str = "UTC", currency: str = "EUR") -> None:
        """Create the account, or find it as it is.

        Raises ``BadRequest`` for an unknown zone, or when the account is there with another zone or currency: its days
        and its money would no longer mean what they meant.
        """
        check_account_id(account_id)
        check_time_zone(time_zone)
        check_currency(currency)
        account = self._account(account_id)
        if account is None:
            self._drafts[account_id] = self._opened(account_id, Account(account_id, time_zone, currency))
        elif (account.time_zone, account.currency) != (time_zone, currency):
            raise BadRequest(
                f"Account {account_id} is kept in {account.time_zone} and {account.currency}, not in {time_zone} and "
                f"{currency}; import into another account, or with the same settings"
            )

    def settings(self, account_id: str) -> str | None:
        """What an earlier import has left for this one; None when there is nothing, or no account."""
        return next(iter(self._known(account_id, "settings", "settings")), None)

    def keep_settings(self, account_id: str, text: str) -> None:
        """Leave it for later ones.  By itself it is no change of the account's data."""
        connection = self.draft(account_id).connection
        connection.execute("DELETE FROM settings")
        connection.execute("INSERT INTO settings VALUES (?)", [text])

    def add_sessions(self, account_id: str, sessions: Iterable[Session], *, digest: str, source_name: str) -> int:
        """Append sessions and what belongs to them, and raise the account's data version.  Returns how many."""
        draft = self.draft(account_id)
        columns = FactColumns(draft.number, LocalTime(draft.account.time_zone), draft.encoder)
        ((before,),) = draft.connection.execute("SELECT coalesce(max(session), 0) FROM sessions").fetchall()
        added = 0
        for session in sorted(sessions, key=lambda session: session.start):
            added += 1
            columns.add(before + added, session)
            if added % _BATCH == 0:
                _append(draft, columns)
        _append(draft, columns)
        draft.remember_import(digest, source_name)
        return added

    def intake(self, account_id: str, idle_s: int) -> Intake:
        """Where lines and hits go in.  A session ends after ``idle_s`` without a hit."""
        return Intake(self.draft(account_id), idle_s)

    def clear_account(self, account_id: str, *, source_name: str) -> None:
        """Take out everything that came from ``source_name`` and raise the data version; the account itself stays.

        Raises ``BadRequest`` when anything else was imported into it: facts do not tell where they came from.
        """
        draft = self.draft(account_id)
        names = draft.connection.execute("SELECT DISTINCT source_name FROM imports").fetchall()
        if not names:
            return
        if names != [(source_name,)]:
            raise BadRequest(
                f"Account {account_id} holds imported logs, which {source_name} would replace; name another"
            )
        draft.empty()
        draft.changes += 1

    def forget_account(self, account_id: str) -> None:
        """Take the account out with all its files.  Raises ``BadRequest`` when there is no such account."""
        if self._account(account_id) is None:
            raise BadRequest(f"There is no account {account_id} to forget")
        self._gone.add(account_id)

    def forget_before(self, account_id: str, day: date) -> int:
        """Take out the sessions of all local days before ``day``, from disk too.  Returns how many."""
        draft = self.draft(account_id)
        forgotten = forget_before(draft, day)
        if forgotten:
            draft.compact()
            self._forgetful.add(account_id)
        return forgotten

    def draft(self, account_id: str) -> Draft:
        """The account's next file.  Raises ``BadRequest`` when there is no such account."""
        if account_id not in self._drafts:
            account = self._account(account_id)
            if account is None:
                raise BadRequest(f"There is no account {account_id} to import into")
            self._drafts[account_id] = self._opened(account_id, account)
        return self._drafts[account_id]

    def publish(self) -> None:
        """Make what has changed durable and let everyone see it, all at once."""
        changed = [draft for draft in self._drafts.values() if draft.changes or self._is_new(draft.account.id)]
        if not changed and not self._gone:
            return
        with engine_failures_told(self._path), disk_failures_told(self._path):
            entries = [draft.finish() for draft in changed]
            make_durable(folder_of(self._path))
            with self._manifest_claimed():
                _publish(self._path, entries, self._gone, self._forgetful | self._gone)
        for draft in changed:
            del self._drafts[draft.account.id]

    def close(self) -> None:
        """Throw away what was not published, and let go of the accounts."""
        for draft in self._drafts.values():
            draft.close()
            remove(draft.file)
        self._claims.close()
        with suppress(OSError):  # it stays when there is something in it
            folder_of(self._path).rmdir()

    def _account(self, account_id: str) -> Account | None:
        if account_id in self._drafts:
            return self._drafts[account_id].account
        entry, _ = self._claim(account_id)
        return entry.account if entry else None

    def _is_new(self, account_id: str) -> bool:
        return self._claim(account_id)[0] is None

    def _opened(self, account_id: str, account: Account) -> Draft:
        entry, layout = self._claim(account_id)
        return Draft(self._path, account, entry, layout)

    def _claim(self, account_id: str) -> tuple[Entry | None, int]:
        """The account as it is listed, no one else changing it from now on, and the layout of its file."""
        if account_id not in self._found:
            folder = folder_of(self._path)
            with disk_failures_told(self._path):
                folder.mkdir(exist_ok=True)
                self._claims.enter_context(claimed(folder / f"{check_account_id(account_id)}{AT}lock", _BUSY))
            manifest = _manifest(self._path)
            remove_leftovers(self._path, account_id, {*manifest.files, *manifest.retired})
            self._found[account_id] = manifest.entries.get(account_id), manifest.layout
        return self._found[account_id]

    @contextmanager
    def _manifest_claimed(self) -> Iterator[None]:
        with claimed(self._path.with_name(self._path.name + ".lock"), _PUBLISHING, _PATIENCE_S):
            yield

    def _known(self, account_id: str, column: str, table: str) -> list[str]:
        """A column of the account as it will be, or is, without making a draft for it."""
        if account_id in self._drafts:
            found = self._drafts[account_id].connection.execute(f"SELECT {column} FROM {table}").fetchall()
            return [value for (value,) in found]
        entry, layout = self._claim(account_id)
        if entry is None or table not in tables_of(layout):
            return []
        quoted = str(entry.file).replace("'", "''")
        with duckdb.connect(":memory:", config=dict(NO_EXTENSIONS)) as connection:
            connection.execute(f"ATTACH '{quoted}' AS present (READ_ONLY, TYPE duckdb)")
            where = "" if layout == LAYOUT else f" WHERE account = {entry.number}"
            found = connection.execute(f"SELECT {column} FROM present.{table}{where}").fetchall()
            return [value for (value,) in found]


def _append(draft: Draft, columns: FactColumns) -> None:
    for table, values in columns.take().items():
        draft.insert(table.value, values)
    draft.days |= columns.days


def _publish(path: Path, entries: Iterable[Entry], gone: Collection[str], forgetful: Collection[str]) -> None:
    """List these entries among all others, and take away what has been out of use for long enough, or must not stay."""
    manifest = _manifest(path)
    changed = {entry.account.id: entry for entry in entries}
    if manifest.layout < LAYOUT:
        _keep_beside(path, manifest.layout)
        others = [entry for name, entry in manifest.entries.items() if name not in changed and name not in gone]
        manifest = Manifest({entry.account.id: take_out(path, entry, manifest.layout) for entry in others})
        make_durable(folder_of(path))
    before = int(time.time()) - KEPT_S
    for file in [file for file, since in manifest.retired.items() if since < before]:
        remove(file)
    kept = {file: since for file, since in manifest.retired.items() if since >= before or file.exists()}
    after = with_entries(Manifest(manifest.entries, kept), changed.values(), gone)
    older = {file for account_id in forgetful for file in files_of(path, account_id)} - after.files
    publish(Manifest(after.entries, {file: since for file, since in after.retired.items() if file not in older}), path)
    for file in older:
        remove(file)


def _keep_beside(path: Path, layout: int) -> None:
    """The file as it was, under a name of its own: a second name for the same bytes, where the disk has such."""
    kept = path.with_name(f"{path.name}.layout-{layout}")
    kept.unlink(missing_ok=True)
    try:
        os.link(path, kept)
    except OSError:
        shutil.copy2(path, kept)
