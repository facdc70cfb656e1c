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


# --- importing ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DiskFault:
    """What becomes of the disk that a served warehouse lies on, as options of a mount, and what mends it."""

    what: str
    options: str
    answer: str
    recovery: str
    mended_by: str = "remount,rw,size=64m"


REFUSED_IMPORT = "the import says so in one sentence and leaves the old state; the server answers as before"

DISK_FAULTS: tuple[DiskFault, ...] = (
    DiskFault(
        "the disk is full while an import writes",
        "remount,size={used}k",
        REFUSED_IMPORT,
        "the next import, once there is room",
    ),
    DiskFault("the disk can only be read", "remount,ro", REFUSED_IMPORT, "the next import, once it can be written"),
)


# --- rate limits and clocks -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StoreFault:
    """The store that rate limits are counted in cannot be reached, under one setting."""

    what: str
    fails_closed: bool
    statuses: tuple[int, ...]  # of three requests where two a minute are allowed
    answer: str
    recovery: str


STORE_FAULTS: tuple[StoreFault, ...] = (
    StoreFault(
        "the store of rate limits is gone, `FANIN_RATE_LIMIT_STORE_AWAY=open`",
        fails_closed=False,
        statuses=(200, 200, 429),
        answer="each process counts for itself",
        recovery="within five seconds of its return",
    ),
    StoreFault(
        "the store of rate limits is gone, `FANIN_RATE_LIMIT_STORE_AWAY=closed`",
        fails_closed=True,
        statuses=(503, 503, 503),
        answer="503 `service_unavailable`, `Retry-After: 5`",
        recovery="within five seconds of its return",
    ),
)


@dataclass(frozen=True, slots=True)
class ClockFault:
    """The system's clock jumps by so many seconds after the requests of a minute are used up."""

    what: str
    by_s: float
    statuses: tuple[int, ...]  # of two requests after the jump, of which one is allowed a minute
    answer: str
    recovery: str = "nothing to recover from: deadlines, time-outs and lines do not ask that clock"


CLOCK_FAULTS: tuple[ClockFault, ...] = (
    ClockFault("the clock jumps forward by an hour", 3_600, (200, 429), "a new minute of rate limits begins"),
    ClockFault("the clock jumps back by an hour", -3_600, (200, 429), "a new minute of rate limits begins"),
    ClockFault("the clock is set back by some seconds", -20, (429, 429), "the minute goes on as it was"),
)


def page() -> str:
    """``docs/faults.md``."""
    tables = (
        ("What happens to a warehouse that is served", FAULTS),
        ("What happens to the disk", DISK_FAULTS),
        ("What happens beside it", (*STORE_FAULTS, *CLOCK_FAULTS)),
    )
    return _INTRODUCTION + "\n".join(
        f"\n## {title}\n\n| Fault | Answer | Recovery |\n| --- | --- | --- |\n"
        + "".join(f"| {row.what} | {row.answer} | {row.recovery} |\n" for row in rows)
        for title, rows in tables
    )


_INTRODUCTION = """# Faults

Made by `make golden` from the rows that `tests/faults` does for real, one after the other, to a server that goes on running:
what is answered while a fault lasts, and when all is well again. None of it needs a restart. A failure never tells a path,
a statement or what the engine said; the log has that under the request's id.

What is kept in memory, and files that are open already, are answered from all the same; the answers below are those to
whoever asks for what has to be read. A fault of an account's file is told to those who ask for that account; all others
are answered.
"""
