"""Judging the lines of logs in several processes, or in this one."""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path
from types import TracebackType

from .judging import Judged, LineJudge
from .log_files import size_of
from .log_formats import LogFormat, format_named
from .site_rules import SiteRules

_AHEAD = 2  # chunks of lines under way for each process, so that none waits

# To start a process takes a second of a core, in which it reads some 30,000 lines.
LARGE_BYTES = 32 << 20  # of text
PACKED = {".gz", ".bz2", ".zst"}
UNPACKED = 10  # times larger than it lies on disk, about

Chunk = list[tuple[int, str]]  # numbered lines


def sensible_jobs(files: Iterable[Path]) -> int:
    """One for what is read in seconds, else as many as there are cores."""
    size = sum(size_of(path) * (UNPACKED if path.suffix in PACKED else 1) for path in files)
    return (os.cpu_count() or 1) if size > LARGE_BYTES else 1


class Judges:
    """As many processes as there are ``jobs``, started when they are first needed; for one job none."""

    def __init__(self, rules: SiteRules, secret: bytes, jobs: int) -> None:
        self._rules = rules
        self._secret = secret
        self._jobs = jobs
        self._pool: ProcessPoolExecutor | None = None

    def judge(self, log_format: LogFormat, chunks: Iterable[Chunk]) -> Iterator[Judged]:
        """The chunks of one log judged, in their order.

        A format whose lines depend on a header is read from its beginning to its end in this process.
        """
        if self._jobs == 1 or log_format.header:
            judge = LineJudge(self._rules, log_format, self._secret)
            return map(judge.judge, chunks)
        return self._judged_by_others(log_format, chunks)

    def _judged_by_others(self, log_format: LogFormat, chunks: Iterable[Chunk]) -> Iterator[Judged]:
        if self._pool is None:
            spawned = multiprocessing.get_context("spawn")  # the only way that every system has
            self._pool = ProcessPoolExecutor(self._jobs, spawned, _begin, (self._rules, self._secret))
        under_way: deque[Future[Judged]] = deque()
        for chunk in chunks:
            under_way.append(self._pool.submit(_judge, log_format.spelled or log_format.name, chunk))
            if len(under_way) > _AHEAD * self._jobs:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()

    def __enter__(self) -> Judges:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)


# --- in the other processes -------------------------------------------------------------------------------------------

_given: tuple[SiteRules, bytes]
_judges: dict[str, LineJudge] = {}


def _begin(rules: SiteRules, secret: bytes) -> None:
    global _given
    _given = rules, secret


def _judge(log_format: str, chunk: Chunk) -> Judged:
    if log_format not in _judges:
        rules, secret = _given
        _judges[log_format] = LineJudge(rules, format_named(log_format), secret)
    return _judges[log_format].judge(chunk)
