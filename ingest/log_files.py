"""A log file, plain or gzip, read once from its first line to its last."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import IO

from .refusals import ImportRefused

CHUNK = 1 << 20  # bytes of text read at once
GZIP_MAGIC = b"\x1f\x8b"


class LogFile:
    """Lines go out decoded; what went past is known by its digest.

    Everything that keeps a file from being read is an ``ImportRefused`` with the file's name in it.
    """

    def __init__(self, path: Path, on_bytes: Callable[[int], None] | None = None) -> None:
        self.path = path
        self._on_bytes = on_bytes
        self._hash = sha256()

    @property
    def digest(self) -> str:
        """SHA-256 in hex of the decompressed bytes read so far: the same for a log and for its gzip."""
        return self._hash.hexdigest()

    def lines(self) -> Iterator[str]:
        """Without line ends.  Bytes that are no UTF-8 become U+FFFD; a line of more than a chunk comes in pieces."""
        rest = b""
        for chunk in self._chunks():
            whole, newline, rest = (rest + chunk).rpartition(b"\n")
            if newline:
                yield from _split(whole)
            elif len(rest) > CHUNK:
                yield from _split(rest)
                rest = b""
        if rest:
            yield from _split(rest)

    def _chunks(self) -> Iterator[bytes]:
        self._hash = sha256()
        try:
            with self.path.open("rb") as raw, closing(_decompressed(raw)) as content:
                while chunk := content.read(CHUNK):
                    self._hash.update(chunk)
                    if self._on_bytes:
                        self._on_bytes(raw.tell())
                    yield chunk
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ImportRefused(
                f"'{self.path}' is a damaged or cut off gzip file; a whole one or plain text is accepted."
            ) from error
        except OSError as error:
            raise ImportRefused(f"'{self.path}' cannot be read: {error.strerror or error}.") from error


def digest_of(path: Path) -> str:
    """The digest of a whole file, by which an import knows it again."""
    file = LogFile(path)
    for _ in file._chunks():
        pass
    return file.digest


def _decompressed(raw: IO[bytes]) -> IO[bytes] | gzip.GzipFile:
    magic = raw.read(len(GZIP_MAGIC))
    raw.seek(0)
    return gzip.open(raw) if magic == GZIP_MAGIC else raw


def _split(octets: bytes) -> list[str]:
    return octets.decode("utf-8", errors="replace").replace("\r\n", "\n").removesuffix("\r").split("\n")
