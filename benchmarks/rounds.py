"""Contestants measured in turn, so that whatever disturbs the machine disturbs all of them."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from statistics import median

Contestant = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Taken:
    """Medians in milliseconds; ``cpu_ms`` counts all threads of the process."""

    wall_ms: float
    cpu_ms: float


async def medians(contestants: Mapping[str, Contestant], rounds: int) -> dict[str, Taken]:
    """By name.  A round before the first is not counted: imports and first touches of the disk."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in contestants}
    for count in range(rounds + 1):
        for name, run in contestants.items():
            began, cpu = time.perf_counter(), time.process_time()
            await run()
            if count:
                taken[name].append(((time.perf_counter() - began) * 1000, (time.process_time() - cpu) * 1000))
    return {name: Taken(*map(median, zip(*times, strict=True))) for name, times in taken.items()}
