"""Contestants measured in turn, so that whatever disturbs the machine disturbs all of them."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from statistics import median

Contestant = Callable[[], Awaitable[object]]


async def medians_ms(
    contestants: Mapping[str, Contestant], rounds: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, float]:
    """Median milliseconds by name.  A round before the first is not counted: imports and first touches of the disk.

    ``time.process_time`` for what only computes: then a machine with other work to do says the same.
    """
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    for count in range(rounds + 1):
        for name, run in contestants.items():
            began = clock()
            await run()
            if count:
                taken[name].append((clock() - began) * 1000)
    return {name: median(times) for name, times in taken.items()}
