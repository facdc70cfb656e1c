"""One writer at a time: a lock on a file, which the system lets go of whatever ends the process that holds it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from ..catalog.errors import WarehouseUnavailable

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_LOOK_AGAIN_S = 0.01


class WarehouseBusy(WarehouseUnavailable):
    """Another import is writing the same account, or the same warehouse for longer than one waits."""


@contextmanager
def claimed(lock: Path, busy: str, wait_s: float = 0) -> Iterator[None]:
    """Hold a lock file, made where there is none.  Raises ``WarehouseBusy`` with ``busy`` when someone else does.

    It is removed by its holder; whoever locked it in the very moment before finds another one, or none, under the name.
    """
    file = _locked(lock, busy, time.monotonic() + wait_s)
    try:
        yield
    finally:
        with suppress(OSError):  # where an open file cannot be removed it stays, and is locked anew
            lock.unlink()
        file.close()


def _locked(lock: Path, busy: str, until: float) -> IO[bytes]:
    while True:
        file = lock.open("ab")
        try:
            _lock(file)
            if _has_name(file, lock):
                return file
            file.close()
        except OSError:
            file.close()
            if time.monotonic() >= until:
                raise WarehouseBusy(busy) from None
            time.sleep(_LOOK_AGAIN_S)


def _lock(file: IO[bytes]) -> None:
    """Raises ``OSError`` when it is locked, through another handle of the same process too."""
    if sys.platform == "win32":
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _has_name(file: IO[bytes], name: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), name.stat())
    except FileNotFoundError:
        return False
