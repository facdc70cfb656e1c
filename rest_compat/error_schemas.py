"""The error envelope, one schema per HTTP status, with the codes that status can have.  Contract §4.3."""

from __future__ import annotations

from ..catalog.errors import ERRORS
from ..schema.naming import pascal_case
from .json_schema import Members, Schema, array, closed, one_of, ref, text

# Codes with a status that exist inside a batch only, where they tell what became of one query.
_OF_A_QUERY = ("binding_failed",)

PROBLEM = closed(
    {
        "field": text(
            "Where it is: a dotted path such as `query.period` or `body.queries.0.id`.", examples=["query.page"]
        ),
        "message": text(
            "What is wrong, and what would be accepted.", examples=["page must be a whole number, got 'x'"]
        ),
        "type": text("The kind of fault.", examples=["int_parsing"]),
        "query_id": text("The query of a batch it belongs to.", examples=["overview"]),
    },
    "One fault of one field.",
    ("query_id",),
)


def codes_of(status: int) -> list[str]:
    """The codes of a whole request's refusal by its HTTP status."""
    return [code for code, row in ERRORS.items() if row.http_status == status and code not in _OF_A_QUERY]


def error_name(status: int) -> str:
    """The schema of a status's ``error``: ``BadRequestError`` of 400."""
    return f"{pascal_case(codes_of(status)[0]).removesuffix('Error')}Error"


def envelope_name(status: int) -> str:
    return f"{error_name(status)}Envelope"


def error_schemas(statuses: tuple[int, ...]) -> Members:
    """``components/schemas`` of errors."""
    made: Members = {"Problem": PROBLEM}
    for status in statuses:
        made[error_name(status)] = _error(status)
        made[envelope_name(status)] = _envelope(status)
    return made


def _error(status: int) -> Schema:
    codes = codes_of(status)
    first = ERRORS[codes[0]]
    members = {
        "code": one_of(codes, "Branch on this; messages may change.", examples=[codes[0]]),
        "message": text("For people.", examples=[first.meaning]),
    }
    if status == 422:
        members["detail"] = array(ref("Problem"), "Every fault.", minItems=1)
    return closed(members, " ".join(ERRORS[code].meaning for code in codes))


def _envelope(status: int) -> Schema:
    members = {
        "error": ref(error_name(status)),
        "request_id": text(
            "The same as in `X-Request-ID`.", maxLength=64, examples=["0b0f6a2e-6c1d-4d53-9a51-3f1f4a1c2e77"]
        ),
    }
    return closed(members, f"A request refused with {status}.")
