"""A file of an import, plain or compressed, read once from its first line to its last; ``-`` is standard input."""

from __future__ import annotations

import bz2
import gzip
import os
import re
import shutil
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from functools import lru_cache
from glob import glob, has_magic
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

from .refusals import ImportRefused

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

CHUNK = 1 << 20  # bytes of text read at once
STANDARD_INPUT = Path("-")

# How many times its compressed size a file may be once it is large; a log is about ten times, and hardly ever a hundred.
MAX_EXPANSION = "FANIN_MAX_EXPANSION"
USUAL_EXPANSION = 300
ALWAYS_TAKEN_BYTES = 64 << 20  # whatever their compressed size

# First bytes of a file, what it is called, how it is opened.
COMPRESSIONS: tuple[tuple[bytes, str, Callable[[IO[bytes]], Any]], ...] = (
    (b"\x1f\x8b", "gzip", gzip.open),
    (b"BZh", "bzip2", bz2.open),
    (b"\x28\xb5\x2f\xfd", "zstd", zstd.open),
)


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
        compression = ""
        try:
            with on_disk(self.path).open("rb") as raw:
                compression, content = _decompressed(raw)
                most = _most_expansion()
                taken = 0
                with closing(content):
                    while chunk := content.read(CHUNK):
                        taken += len(chunk)
                        if compression and taken > max(ALWAYS_TAKEN_BYTES, most * raw.tell()):
                            raise self._bomb(compression, most)
                        self._hash.update(chunk)
                        if self._on_bytes:
                            self._on_bytes(raw.tell())
                        yield chunk
        except (EOFError, zlib.error, zstd.ZstdError) as error:
            raise self._damaged(compression) from error
        except OSError as error:
            if compression and not error.errno:  # how gzip and bzip2 say that data is no good
                raise self._damaged(compression) from error
            raise ImportRefused(f"'{self.path}' cannot be read: {error.strerror or error}.") from error

    def _bomb(self, compression: str, most: int) -> ImportRefused:
        return ImportRefused(
            f"'{self.path}' is over {most} times its size when {compression} is taken off, as no log is; "
            f"{MAX_EXPANSION} says how many times are accepted."
        )

    def _damaged(self, compression: str) -> ImportRefused:
        return ImportRefused(
            f"'{self.path}' is a damaged or cut off {compression} file; a whole one or plain text is accepted."
        )


def _most_expansion() -> int:
    """A variable rather than an option, as processes that read files beside this one read it too."""
    text = os.environ.get(MAX_EXPANSION) or str(USUAL_EXPANSION)
    if not re.fullmatch(r"[1-9][0-9]{0,8}", text):
        raise ImportRefused(f"{MAX_EXPANSION} must be a whole number from 1, got '{text[:40]}'.")
    return int(text)


def digest_of(path: Path) -> str:
    """The digest of a whole file, by which an import knows it again."""
    file = LogFile(path)
    for _ in file._chunks():
        pass
    return file.digest


def size_of(path: Path) -> int:
    """Bytes on disk; 0 of a file that is not there, which is refused when it is read."""
    found = on_disk(path)
    return found.stat().st_size if found.exists() else 0


def on_disk(path: Path) -> Path:
    """Where a file can be read more than once: standard input is copied first."""
    return Path(_copy_of_standard_input().name) if path == STANDARD_INPUT else path


def files_named(names: Iterable[str]) -> list[Path]:
    """The files of a command line; a pattern that the shell left alone stands for what it matches, in order of name.

    Raises ``ImportRefused`` for a pattern without a file.
    """
    files: list[Path] = []
    for name in names:
        if not has_magic(name) or Path(name).exists():
            files.append(Path(name))
            continue
        found = sorted(glob(name, recursive=True))
        if not found:
            raise ImportRefused(f"'{name}' matches no file; accepted are files, patterns such as 'logs/*.gz', and '-'.")
        files.extend(map(Path, found))
    return files


@lru_cache(maxsize=1)
def _copy_of_standard_input() -> Any:
    """Standard input can be read only once; the copy goes away with the process."""
    copy = tempfile.NamedTemporaryFile(prefix="fanin-stdin-")  # noqa: SIM115  # lives as long as the process
    shutil.copyfileobj(sys.stdin.buffer, copy)
    copy.flush()
    return copy


def _decompressed(raw: IO[bytes]) -> tuple[str, Any]:
    """The compression's name, empty when there is none, and the content."""
    start = raw.read(max(len(magic) for magic, *_ in COMPRESSIONS))
    raw.seek(0)
    for magic, name, opened in COMPRESSIONS:
        if start.startswith(magic):
            return name, opened(raw)
    return "", raw


def _split(octets: bytes) -> list[str]:
    return octets.decode("utf-8", errors="replace").replace("\r\n", "\n").removesuffix("\r").split("\n")
