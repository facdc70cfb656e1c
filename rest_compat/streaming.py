"""A batch as a stream of records: ``plan``, each ``result`` the moment it is ready, ``end``.  Batch rule 5.1.

Folding the records gives the buffered answer: ``batch_id`` from ``plan``, ``results`` from the results, the rest from
``end``.  A stream without an ``end`` was cut off.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, suppress
from itertools import count
from typing import Any

from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from ..schema.engine import Engine
from .batch import OpenBatch, open_batch
from .batch_answer import batch_meta, batch_status, result
from .encoded import encode
from .plan import Plan
from .preferences import preferences
from .responses import ClientGone, unless_client_leaves
from .schedule import Outcome

Record = dict[str, Any]

JSON = "application/json"
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


async def batch_records(batch: OpenBatch) -> AsyncGenerator[Record, None]:
    """The records of one batch.  Close it when you leave early."""
    plan = batch.plan
    yield _plan_record(batch)
    outcomes: list[Outcome] = []
    async with aclosing(batch.run.settled()) as settled:
        async for query, outcome in settled:
            outcomes.append(outcome)
            yield {"type": "result", "id": query.id, "result": result(outcome, timed=plan.options.include_timing)}
    yield {
        "type": "end",
        "status": batch_status(outcomes),
        "meta": batch_meta(plan, outcomes),
        "timestamp": batch.timestamp,
    }


def _plan_record(batch: OpenBatch) -> Record:
    groups = batch.plan.parallel_groups
    return {
        "type": "plan",
        "batch_id": batch.id,
        "execution_order": [query_id for group in groups for query_id in group],
        "parallel_groups": [list(group) for group in groups],
        "query_count": len(batch.plan.queries),
    }


async def stream_batch(plan: Plan, engine: Engine, batch_id: str, **listening: Any) -> AsyncGenerator[Record, None]:
    """The records of a plan run from beginning to end.

    Takes what ``open_batch`` does, and raises what it raises before the first record.
    """
    async with open_batch(plan, engine, batch_id, **listening) as batch, aclosing(batch_records(batch)) as records:
        async for record in records:
            yield record


def folded(records: Sequence[Record], plan: Plan) -> dict[str, Any]:
    """The buffered answer that a whole stream amounts to."""
    parts = {record["type"]: record for record in records if record["type"] != "result"}
    results = {record["id"]: record["result"] for record in records if record["type"] == "result"}
    return {
        "batch_id": parts["plan"]["batch_id"],
        "status": parts["end"]["status"],
        "results": {query.id: results[query.id] for query in plan.queries},
        "meta": parts["end"]["meta"],
        "timestamp": parts["end"]["timestamp"],
    }


# --- as text ------------------------------------------------------------------------------------------------------


def ndjson_line(number: int, record: Record) -> bytes:
    return encode(record) + b"\n"


def server_sent_event(number: int, record: Record) -> bytes:
    """Named after the record's type, numbered by its id; JSON has no line breaks that would need splitting."""
    return b"event: %s\nid: %d\ndata: %s\n\n" % (record["type"].encode(), number, encode(record))


FORMS: dict[str, Callable[[int, Record], bytes]] = {
    "application/x-ndjson": ndjson_line,
    "text/event-stream": server_sent_event,
}


class StreamedBatch(StreamingResponse):
    """Sends each record as it comes, waiting for the client to take it, and ends everything when the client leaves.

    The ``first`` record has been made already: what fails before it can still be told in an envelope.
    """

    def __init__(self, first: Record, records: AsyncGenerator[Record, None], media_type: str) -> None:
        self._records = records
        super().__init__(self._encoded(first, FORMS[media_type]), headers=HEADERS, media_type=media_type)

    async def _encoded(self, first: Record, form: Callable[[int, Record], bytes]) -> AsyncGenerator[bytes, None]:
        yield form(0, first)
        numbers = count(1)
        async for record in self._records:
            yield form(next(numbers), record)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._records):
            with suppress(ClientGone):
                await unless_client_leaves(Request(scope, receive), self.stream_response(send))


# --- what the caller accepts --------------------------------------------------------------------------------------


def stream_accepted(accept: str) -> str | None:
    """The stream that an ``Accept`` header prefers to JSON, None where it does not.  RFC 9110 §12.5.1.

    A stream is for those who name it: a wildcard means JSON.  What is named as much as JSON is JSON.
    """
    ranges = preferences(accept)
    json_rank = next(((ranges[name], name == JSON) for name in _JSON_RANGES if name in ranges), _NEVER)
    named = [(ranges[form], form) for form in FORMS if ranges.get(form)]
    best = max(named, key=lambda choice: choice[0], default=None)
    return best[1] if best and (best[0], True) > json_rank else None


_JSON_RANGES = (JSON, "application/*", "*/*")  # the most specific decides
_NEVER = (0.0, False)
