"""Answers as streams: the payloads of one operation as parts of a multipart body, or as server-sent events.

GraphQL over HTTP, *Incremental Delivery*; graphql-sse, *distinct connections mode*.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass

import orjson
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from ..rest_compat.responses import ClientGone, unless_client_leaves
from .media_types import EVENTS_TYPE, MULTIPART_TYPE
from .operations import Payload

HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

BEAT = b":\n\n"  # a comment: keeps what lies between from taking silence for the end


def part(payload: Payload) -> bytes:
    """It ends with the line that begins the next one, so that a reader knows at once that it is whole."""
    return b"\r\nContent-Type: application/json; charset=utf-8\r\n\r\n%s\r\n---" % orjson.dumps(payload)


def event(payload: Payload) -> bytes:
    """JSON has no line breaks that would need splitting; an empty payload is a sign of life."""
    return b"event: next\ndata: %s\n\n" % orjson.dumps(payload) if payload else BEAT


class CutOff(Exception):
    """A stream ends before its answers do; its client, who is not told that it is complete, asks again."""


@dataclass(frozen=True, slots=True)
class Form:
    """How a stream is written: its type in full, what stands before and after the payloads, and each of them."""

    content_type: str
    before: bytes
    written: Callable[[Payload], bytes]
    after: bytes


FORMS: dict[str, Form] = {
    MULTIPART_TYPE: Form(f'{MULTIPART_TYPE}; boundary="-"; incrementalSpec=v0.2', b"---", part, b"--\r\n"),
    EVENTS_TYPE: Form(f"{EVENTS_TYPE}; charset=utf-8", b"", event, b"event: complete\ndata: \n\n"),
}


class StreamedAnswer(StreamingResponse):
    """Sends each payload as it comes, waiting for the client to take it, and ends everything when the client leaves.

    The ``first`` payload has been made already: what fails before it can still be told by a status.
    """

    def __init__(
        self, first: Payload, others: AsyncGenerator[Payload, None], stream: str, headers: Mapping[str, str]
    ) -> None:
        form = FORMS[stream]
        self._others = others
        super().__init__(self._encoded(first, form), headers={**HEADERS, **headers, "Content-Type": form.content_type})

    async def _encoded(self, first: Payload, form: Form) -> AsyncGenerator[bytes, None]:
        yield form.before + form.written(first)
        with suppress(CutOff):
            async for payload in self._others:
                yield form.written(payload)
            yield form.after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._others):
            with suppress(ClientGone):
                await unless_client_leaves(Request(scope, receive), self.stream_response(send))
