"""The log line of a request: who asked, for what, what it cost and how it ended.

Never in it: credentials, query strings, bodies, variables and values of filters.  What a caller may choose freely is cut
and escaped.
"""

from __future__ import annotations

import logging
from typing import Any

from .observing import NO_ROUTE, Observation
from .redaction import redacted

log = logging.getLogger("fanin.requests")

MOST_PATH = 200
PROBES = frozenset({"/health", "/livez", "/readyz", "/metrics"})

# What a line holds, in its order.
FIELDS: dict[str, str] = {
    "request_id": "the id of `X-Request-ID`, under which other lines tell more",
    "method": "as in the request; `WEBSOCKET` for one",
    "path": "the address without its query string, its free parts as `{name}`; what was asked where there is no such address",
    "status": "of the answer; 101 a WebSocket that was let in, 499 a client that left before it was answered",
    "ms": "until the answer had ended",
    "bytes": "of the answer's body, after compression",
    "caller": "`key:` and a key's id, `token:` and a token's subject, or `address:`; never the key",
    "accounts": "those whose reports were asked",
    "operations": "names of GraphQL operations, at most 10",
    "queries": "of a batch",
    "reports": "questions asked",
    "identical": "of them, those that the request had asked already",
    "cache_hits": "of them, those whose answer was kept from another request",
    "joined": "reads that another request had under way",
    "scans": "reads of the warehouse, whatever they were read from",
    "sources": "what the scans were read from: `statement`, `rollup`, `cube`, `block`",
    "scan_ms": "the scans' time, summed",
    "rows": "that the scans brought back",
}


class RequestLine:
    """One request as a log message: ``fields`` for programs, its text for people."""

    __slots__ = ("_observation",)

    def __init__(self, observation: Observation) -> None:
        self._observation = observation

    @property
    def fields(self) -> dict[str, Any]:
        """Counts, and times in milliseconds.  ``reports`` are the questions asked, ``scans`` what they were read with."""
        seen, notes = self._observation, self._observation.notes
        cost = notes.cost
        fields: dict[str, Any] = {
            "request_id": seen.request_id,
            "method": seen.method,
            "path": self._path,
            "status": seen.status,
            "ms": round(seen.total_ms, 1),
            "bytes": seen.body_bytes,
            "caller": notes.caller,
            "accounts": notes.accounts,
            "operations": list(notes.operations),
            "queries": notes.queries,
            "reports": cost.fields,
            "identical": cost.identical,
            "cache_hits": cost.cache_hits,
            "joined": cost.joined,
            "scans": cost.scans,
            "sources": {source.value: count for source, count in sorted(cost.sources.items())},
            "scan_ms": round(cost.scan_ms, 1),
            "rows": cost.rows,
        }
        return fields | {"trace_id": notes.trace_id} if notes.trace_id else fields

    def __str__(self) -> str:
        seen, notes = self._observation, self._observation.notes
        cost = notes.cost
        words = [f"{seen.method} {self._path} {seen.status} in {seen.total_ms:.1f} ms, {seen.body_bytes} bytes"]
        if notes.caller != "-":
            words.append(f"for {notes.caller}")
        words += [f"of {', '.join(notes.accounts)}"] if notes.accounts else []
        words += [f"as {', '.join(notes.operations)}"] if notes.operations else []
        if cost.fields:
            words.append(
                f"({cost.fields} reports, {cost.identical} identical, {cost.cache_hits} kept, {cost.joined} joined, "
                f"{cost.scans} scans, {cost.scan_ms:.1f} ms)"
            )
        return " ".join(words)

    @property
    def _path(self) -> str:
        """The address as we know it, with a name in place of what may be anything; of no address of ours what was asked."""
        seen = self._observation
        return redacted(seen.path[:MOST_PATH]) if seen.route == NO_ROUTE else seen.route


def log_request(observation: Observation) -> None:
    """Our failures are errors and warnings, probes that went well are for debugging."""
    level = _level(observation)
    if log.isEnabledFor(level):
        log.log(level, RequestLine(observation))


def _level(observation: Observation) -> int:
    if observation.status >= 500:
        return logging.ERROR if observation.status == 500 else logging.WARNING
    went_well = observation.status < 400
    return logging.DEBUG if went_well and observation.route in PROBES else logging.INFO
