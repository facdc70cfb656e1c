"""Faults, one row each: how each comes about for real, what is answered, and how the server recovers.

The tests walk the rows, and ``docs/faults.md`` is made from them, so the page says what was tried and nothing else.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fanin.warehouse.manifest import folder_of

UNAVAILABLE = "503 `database_unavailable`, `Retry-After: 30`"
ANSWERS = "answers as before"

Undo = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Fault:
    """``happen`` does it to a warehouse that is served, and gives what undoes it."""

    what: str
    happen: Callable[[Path], Undo]
    answer: str
    recovery: str

    @property
    def is_told(self) -> bool:
        """Whether callers hear of it."""
        return self.answer == UNAVAILABLE


def account_file(warehouse: Path) -> Path:
    """The one file that the tests' account lies in."""
    (file,) = folder_of(warehouse).glob("*.duckdb")
    return file


def _put_back(file: Path) -> Undo:
    """A copy that takes the file's place again, as a restored backup does."""
    copy = file.with_name(f"{file.name}.kept")
    shutil.copy2(file, copy)

    def undo() -> None:
        if file.is_dir():
            file.rmdir()
        copy.replace(file)

    return undo


def _removed(which: Callable[[Path], Path]) -> Callable[[Path], Undo]:
    def happen(warehouse: Path) -> Undo:
        undo = _put_back(which(warehouse))
        which(warehouse).unlink()
        return undo

    return happen


def _overwritten(which: Callable[[Path], Path], change: Callable[[bytes], bytes]) -> Callable[[Path], Undo]:
    """Its bytes are others, under the same name and in the same place on disk."""

    def happen(warehouse: Path) -> Undo:
        file = which(warehouse)
        undo = _put_back(file)
        file.write_bytes(change(file.read_bytes()))
        return undo

    return happen


def _a_folder(which: Callable[[Path], Path]) -> Callable[[Path], Undo]:
    def happen(warehouse: Path) -> Undo:
        file = which(warehouse)
        undo = _put_back(file)
        file.unlink()
        file.mkdir()
        return undo

    return happen


HOLD = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"


def _locked(warehouse: Path) -> Undo:
    """Another process has the account's file open for writing."""
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(account_file(warehouse))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert other.stdout is not None
    other.stdout.readline()  # it holds the file, or has ended because the server reads it already

    def undo() -> None:
        other.communicate()

    return undo


def _the_list(warehouse: Path) -> Path:
    return warehouse


def _zeroed(part: slice) -> Callable[[bytes], bytes]:
    def change(content: bytes) -> bytes:
        start, stop, _ = part.indices(len(content))
        return content[:start] + bytes(stop - start) + content[stop:]

    return change


RESTORED = "at the next request once the file is back"

FAULTS: tuple[Fault, ...] = (
    Fault("the warehouse's list of files is removed", _removed(_the_list), ANSWERS, RESTORED),
    Fault(
        "the list is cut off in its midst",
        _overwritten(_the_list, lambda text: text[: len(text) // 2]),
        UNAVAILABLE,
        RESTORED,
    ),
    Fault("the list is empty", _overwritten(_the_list, lambda text: b""), UNAVAILABLE, RESTORED),
    Fault(
        "something else lies in the list's place",
        _overwritten(_the_list, lambda text: b"something else" * 1_000),
        UNAVAILABLE,
        RESTORED,
    ),
    Fault("a folder lies in the list's place", _a_folder(_the_list), UNAVAILABLE, RESTORED),
    Fault(
        "a newer fanin has written the list",
        _overwritten(_the_list, lambda text: text.replace(b'"layout": ', b'"layout": 9')),
        UNAVAILABLE,
        RESTORED,
    ),
    Fault("an account's file is missing", _removed(account_file), UNAVAILABLE, RESTORED),
    Fault(
        "an account's file is cut off in its midst",
        _overwritten(account_file, lambda content: content[: len(content) // 2]),
        UNAVAILABLE,
        RESTORED,
    ),
    Fault("an account's file is empty", _overwritten(account_file, lambda content: b""), UNAVAILABLE, RESTORED),
    Fault(
        "the head of an account's file is damaged",
        _overwritten(account_file, _zeroed(slice(0, 4_096))),
        UNAVAILABLE,
        RESTORED,
    ),
    Fault(
        "an account's file is damaged behind its head",
        _overwritten(account_file, _zeroed(slice(12_288, None))),
        UNAVAILABLE,
        RESTORED,
    ),
    Fault(
        "an account's file is no DuckDB file",
        _overwritten(account_file, lambda content: b"PK\x03\x04" * 10_000),
        UNAVAILABLE,
        RESTORED,
    ),
    Fault("a folder lies in an account's file's place", _a_folder(account_file), UNAVAILABLE, RESTORED),
    Fault(
        "another process has an account's file open for writing",
        _locked,
        UNAVAILABLE,
        "at the next request once it is closed",
    ),
)
