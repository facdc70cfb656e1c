"""Several server processes on one socket: each is replaced when it dies, and all of them stop when one is told to.

Every process opens the warehouse for itself; the kernel hands each new connection to one that is waiting for it.
"""

from __future__ import annotations

import logging
import multiprocessing
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from typing import Any

log = logging.getLogger(__name__)

YOUNG_S = 10.0  # who dies younger than this may die again, so the next one waits
LONGEST_WAIT_S = 5.0
SIGNALS = (signal.SIGINT, signal.SIGTERM)

# What a worker does: it is given the socket, and told when to stop.
Work = Callable[[socket.socket, Callable[[], bool]], None]


@dataclass(slots=True)
class _Worker:
    process: SpawnProcess
    born: float


@dataclass(slots=True)
class Workers:
    """``work`` is a function of some module, as a process of its own begins by importing it."""

    work: Work
    listening: socket.socket
    number: int
    stop_within_s: float
    _workers: list[_Worker] = field(default_factory=list)
    _deaths: int = 0  # in a row, of young ones

    def run(self) -> int:
        """Until a signal comes.  0 when all have left by themselves, 1 when one had to be killed."""
        context = multiprocessing.get_context("spawn")
        stop = context.Event()
        with _heard() as (signals, waker):
            while not signals():
                for _ in range(self.number - len(self._workers)):
                    self._workers.append(self._started(context, stop))
                wait([waker, *(worker.process.sentinel for worker in self._workers)])
                self._bury(waker, signals)
            stop.set()
            self.listening.close()  # theirs are closed when they leave: nothing may be taken that no one will answer
            return self._all_gone(signals)

    def _started(self, context: Any, stop: Any) -> _Worker:
        process = context.Process(target=_begin, args=(self.work, self.listening, stop), name="fanin worker")
        process.start()
        return _Worker(process, time.monotonic())

    def _bury(self, waker: socket.socket, signals: Callable[[], int]) -> None:
        dead = [worker for worker in self._workers if not worker.process.is_alive()]
        self._workers = [worker for worker in self._workers if worker not in dead]
        for worker in dead:
            if not signals():
                log.error("worker %s %s; another takes its place", worker.process.pid, _ended(worker.process))
            young = time.monotonic() - worker.born < YOUNG_S
            self._deaths = self._deaths + 1 if young else 0
        if dead and self._deaths > 1:
            wait([waker], min(0.1 * 2**self._deaths, LONGEST_WAIT_S))

    def _all_gone(self, signals: Callable[[], int]) -> int:
        """Wait for everyone; a second signal or the end of patience kills those who are left."""
        until, heard = time.monotonic() + self.stop_within_s, signals()
        while (left := [worker.process for worker in self._workers if worker.process.is_alive()]) and (
            signals() == heard and time.monotonic() < until
        ):
            wait([process.sentinel for process in left], 0.1)
        for process in left:
            process.kill()
        for worker in self._workers:
            worker.process.join()
        return 1 if left and signals() == heard else 0


def _begin(work: Work, listening: socket.socket, stop: Any) -> None:
    """The first function of a worker's own process."""
    parent = multiprocessing.parent_process()
    work(listening, lambda: stop.is_set() or (parent is not None and not parent.is_alive()))


def _ended(process: SpawnProcess) -> str:
    code = process.exitcode or 0
    return f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"


@contextmanager
def _heard() -> Iterator[tuple[Callable[[], int], socket.socket]]:
    """How many signals to stop have come, and a socket that can be waited for: it is readable from the first one on."""
    heard: list[int] = []
    waker, bell = socket.socketpair()

    def hear(number: int, _frame: object) -> None:
        heard.append(number)
        bell.send(b"!")

    before = {number: signal.signal(number, hear) for number in SIGNALS}
    try:
        yield lambda: len(heard), waker
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        waker.close()
        bell.close()
