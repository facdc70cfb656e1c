"""Every line that could not be read, in a file of its own: ``FILE:NUMBER: the line``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .refusals import ImportRefused
from .summaries import DamageReport


@contextmanager
def rejects_into(path: Path | None) -> Iterator[DamageReport | None]:
    """What to call for each damaged line; None, where no file is wanted.  Raises ``ImportRefused``."""
    if path is None:
        yield None
        return
    try:
        file = path.open("w", encoding="utf-8", errors="replace")
    except OSError as error:
        raise ImportRefused(f"The rejects file '{path}' cannot be written: {error.strerror or error}.") from error
    with file:
        yield lambda name, number, text: print(f"{name}:{number}: {text}", file=file)
