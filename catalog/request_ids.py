"""The id a request goes by, for whoever logs on its behalf: an answer tells no more of a failure than this id."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_request_id: ContextVar[str] = ContextVar("request_id", default="-")


@contextmanager
def request_called(request_id: str) -> Iterator[None]:
    """Everything inside, in tasks started inside too, works for the request of that id."""
    token = _request_id.set(request_id)
    try:
        yield
    finally:
        _request_id.reset(token)


def present_request_id() -> str:
    """``-`` outside of any request, as in commands."""
    return _request_id.get()
