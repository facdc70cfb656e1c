"""Everything a caller can get wrong, and everything that can fail us.  Contract §4.3.

StatsError                     code, message, http_status, detail
├── BadRequest             400 the question contradicts itself or is out of range
├── InvalidQuery           422 a field of the question cannot be read; one Problem per fault
├── Unauthorized           401 no credentials, or wrong ones
├── Forbidden              403 the account is not this caller's
├── NotFound               404 no such report
├── AccountNotFound        404 no such account (said only where every account may be seen)
├── RequestTimeout         408 the body did not come in time
├── RateLimitExceeded      429 too much in this minute
├── WarehouseUnavailable   503 ask again later
├── Overloaded             503 too much at once, refused before anything was done
├── Stopping               503 the server's time to finish is over; another one answers
├── WarehouseTimedOut      504 not answered in time
└── InternalError          500 our fault, told without its inside

One class serves every door: REST reads ``http_status`` and ``code``, GraphQL copies ``extensions``,
the batch stores the same object per query.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """One code of the documented vocabulary.  Contract §4.3."""

    code: str
    http_status: int | None  # None: exists only as the status of a query inside a batch
    retry: bool
    meaning: str
    retry_after_s: int | None = None  # told by the header of that name, where the code alone says it


ERRORS: dict[str, ErrorRow] = {
    row.code: row
    for row in (
        ErrorRow("bad_request", 400, False, "The request contradicts itself, is out of range or is no JSON."),
        ErrorRow("unauthorized", 401, False, "No credentials, or wrong ones."),
        ErrorRow("forbidden", 403, False, "The credentials do not cover this account or scope."),
        ErrorRow("not_found", 404, False, "There is no such address or report."),
        ErrorRow("account_not_found", 404, False, "There is no such account."),
        ErrorRow("method_not_allowed", 405, False, "This address does not take this method; see Allow."),
        ErrorRow("request_timeout", 408, True, "The body did not come in time."),
        ErrorRow("payload_too_large", 413, False, "The body is over its limit."),
        ErrorRow("unsupported_media_type", 415, False, "The body is of a type this address does not read."),
        ErrorRow("validation_error", 422, False, "A field is missing, unknown or unreadable; detail names each."),
        ErrorRow("rate_limit_exceeded", 429, True, "Too many requests; wait for Retry-After seconds."),
        ErrorRow("internal_error", 500, True, "Our fault; the request id finds it in the log."),
        ErrorRow("database_unavailable", 503, True, "The warehouse cannot be read now.", 30),
        ErrorRow("service_unavailable", 503, True, "The server is starting, stopping or overloaded.", 5),
        ErrorRow("gateway_timeout", 504, True, "The warehouse did not answer in time."),
        ErrorRow("dependency_failed", None, False, "Skipped: a query it depends on did not succeed."),
        ErrorRow("fail_fast", None, False, "Skipped: another query failed and the batch asked to stop there."),
        ErrorRow("deadline", None, True, "Skipped: not ready when the batch's deadline came."),
        ErrorRow("binding_empty", None, False, "Skipped: the value it takes from another query is not there."),
        ErrorRow("binding_failed", 422, False, "The value taken from another query is of the wrong kind."),
    )
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of one field.  ``field`` is a dotted path inside the thing that was read."""

    field: str
    message: str
    type: str = "value_error"

    def under(self, prefix: str) -> Problem:
        """The same fault seen from one level up: ``page`` under ``query`` is ``query.page``."""
        return Problem(f"{prefix}.{self.field}" if self.field else prefix, self.message, self.type)

    def as_json(self) -> dict[str, str]:
        return {"field": self.field, "message": self.message, "type": self.type}


class StatsError(Exception):
    """A failure with a place in the vocabulary."""

    code: ClassVar[str] = "internal_error"

    def __init__(self, message: str, detail: Iterable[Problem] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.detail = tuple(detail)

    @property
    def http_status(self) -> int:
        return ERRORS[self.code].http_status or 500

    @property
    def extensions(self) -> dict[str, Any]:
        """What a GraphQL error carries beside its message."""
        return self.as_json() | {"status": self.http_status}

    def as_json(self) -> dict[str, Any]:
        """``{code, message, detail?}``, the ``error`` of every envelope."""
        body: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.detail:
            body["detail"] = [problem.as_json() for problem in self.detail]
        return body

    def copy(self) -> StatsError:
        """A fresh instance for a further waiter: one raised twice would collect both tracebacks."""
        return type(self)(self.message, self.detail)


class BadRequest(StatsError):
    code = "bad_request"


class InvalidQuery(StatsError):
    code = "validation_error"

    @classmethod
    def of(cls, *problems: Problem) -> InvalidQuery:
        """Names the first fault in the message and all of them in the detail."""
        first, *others = problems
        return cls(f"{first.message} (and {len(others)} more)" if others else first.message, problems)


class Unauthorized(StatsError):
    code = "unauthorized"


class Forbidden(StatsError):
    code = "forbidden"


class NotFound(StatsError):
    code = "not_found"


class AccountNotFound(StatsError):
    code = "account_not_found"


class RequestTimeout(StatsError):
    code = "request_timeout"


class RateLimitExceeded(StatsError):
    code = "rate_limit_exceeded"


class WarehouseUnavailable(StatsError):
    code = "database_unavailable"


class Overloaded(StatsError):
    code = "service_unavailable"


class Stopping(StatsError):
    code = "service_unavailable"


class WarehouseTimedOut(StatsError):
    code = "gateway_timeout"


class InternalError(StatsError):
    code = "internal_error"


def suggestion(word: str, known: Iterable[str]) -> str:
    """`` (did you mean 'x'?)`` for a near miss, else nothing."""
    close = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" (did you mean '{close[0]}'?)" if close else ""
