"""The circuit breaker: an upstream that keeps failing is left alone for a while, then asked by one alone.

Its failures are those of the upstream as a whole: no reply, none in time, a status of 500 and above.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Standing(StrEnum):
    OK = "ok"
    RECOVERING = "recovering"  # the next one to ask finds out
    UNAVAILABLE = "unavailable"  # no one asks


@dataclass(frozen=True, slots=True)
class BreakerLimits:
    failures: int = 5  # one after the other
    rest_s: float = 5.0  # doubled with every failed trial
    longest_rest_s: float = 60.0


class Breaker:
    """``now`` tells seconds that only rise."""

    def __init__(self, now: Callable[[], float], limits: BreakerLimits | None = None) -> None:
        self._now = now
        self._limits = limits or BreakerLimits()
        self._failures = 0
        self._rest_s = self._limits.rest_s
        self._rests_until: float | None = None
        self._on_trial = False

    @property
    def standing(self) -> Standing:
        if self._rests_until is None:
            return Standing.OK
        return Standing.UNAVAILABLE if self._now() < self._rests_until else Standing.RECOVERING

    def lets_through(self) -> bool:
        """Whether one may ask now; while recovering it is one at a time, who then has to say how it went."""
        standing = self.standing
        if standing is Standing.RECOVERING and not self._on_trial:
            self._on_trial = True
            return True
        return standing is Standing.OK

    def succeeded(self) -> None:
        self._failures, self._rest_s, self._rests_until, self._on_trial = 0, self._limits.rest_s, None, False

    def failed(self) -> None:
        self._failures += 1
        if self._on_trial:
            self._rest_s = min(2 * self._rest_s, self._limits.longest_rest_s)
        if self._on_trial or self._failures >= self._limits.failures:
            self._rests_until = self._now() + self._rest_s
        self._on_trial = False

    def left(self) -> None:
        """Whoever asked gave up before knowing."""
        self._on_trial = False
