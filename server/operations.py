"""Operations: what is to be run, and what it came to.  Here documents from outside meet the schema."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Hashable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import orjson
from graphql import (
    ExecutionResult,
    ExperimentalIncrementalExecutionResults,
    GraphQLError,
    GraphQLSyntaxError,
    OperationType,
)

from ..catalog.errors import StatsError
from ..schema.context import RequestContext
from ..schema.documents import Document
from ..schema.engine import Engine
from ..schema.notes import present_notes
from ..schema.schema import masked, schema
from .graphql_requests import read_graphql_request
from .persisted_queries import PersistedQueries
from .refusals import NotAcceptable

Payload = dict[str, Any]  # one part of an answer, as it leaves


@dataclass(frozen=True, slots=True)
class Operation:
    """What is to be run."""

    document: str
    name: str | None
    variables: dict[str, Any]

    def read(self, engine: Engine) -> Document:
        return engine.documents.read(self.document, schema.graphql_schema)

    def kinds(self, engine: Engine) -> set[OperationType]:
        """Query or subscription; more than one while it is not said which operation of the document is meant."""
        meant = self.read(engine).named(self.name)
        for operation in meant:
            present_notes().name_operation(operation.name)
        return {operation.kind for operation in meant}

    def accounts(self, engine: Engine) -> list[str]:
        """Those it is about."""
        meant = self.read(engine).named(self.name)
        return [account for operation in meant for account in operation.accounts(self.variables)]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one operation came to; ``refused`` when nothing of it could be run."""

    data: dict[str, Any] | None = None
    errors: tuple[Mapping[str, Any], ...] = ()
    refused: bool = False

    def body(self, extensions: dict[str, Any]) -> Payload:
        """A well-formed response: ``errors`` alone for what was refused, else ``data`` and what it came to."""
        errors = {"errors": self.errors} if self.errors else {}
        return errors if self.refused else errors | {"data": self.data} | extensions


def read_operation(entry: Any, persisted: PersistedQueries) -> Operation:
    """Raises a ``StatsError`` for what is no request, and for a document that is not there."""
    asked = read_graphql_request(entry)
    document = persisted.document(asked.query, asked.document_id)
    return Operation(document, asked.operation_name, asked.variables or {})


def question_of(operation: Operation) -> Hashable:
    """The same for operations that ask the same."""
    try:
        variables = orjson.dumps(operation.variables, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # nested deeper than can be written, so it is no one else's
        return object()
    return operation.document, operation.name, variables


def check_one_answer(operation: Operation, engine: Engine) -> None:
    """Raises ``NotAcceptable`` for a subscription, whose answers are a stream."""
    if OperationType.SUBSCRIPTION in operation.kinds(engine):
        raise NotAcceptable("A subscription is answered as text/event-stream, or over a WebSocket")


# --- running ------------------------------------------------------------------------------------------------------


async def execute(operation: Operation, context: RequestContext) -> Outcome:
    """The whole answer in one piece, its reports as fragments of JSON: it is written by orjson and not looked into."""
    context.allow_rows()
    document = context.documents.read(operation.document, schema.graphql_schema)
    result = await schema.answer(document, operation.variables, context, operation.name, encoded=True)
    return outcome_of(result.data, result.errors)


async def execute_in_parts(operation: Operation, context: RequestContext) -> AsyncGenerator[Outcome | Payload, None]:
    """One outcome where nothing is deferred; else a payload now and one whenever something is ready.

    The payloads are those of the incremental delivery draft: ``pending``, ``incremental``, ``completed``, ``hasNext``.
    Close it when you leave early.
    """
    context.allow_rows()
    document = context.documents.read(operation.document, schema.graphql_schema)
    result = await schema.answer_in_parts(document, operation.variables, context, operation.name)
    if isinstance(result, ExecutionResult):
        yield outcome_of(result.data, result.errors)
        return
    async with aclosing(result.subsequent_results) as following:
        yield _first_payload(result)
        async for part in following:
            yield _payload(part)


def outcome_of(data: dict[str, Any] | None, errors: Iterable[GraphQLError] | None) -> Outcome:
    found = list(errors or ())
    refused = bool(found) and data is None and all(error.path is None for error in found)
    return Outcome(data, tuple(map(told, found)), refused)


def _first_payload(result: ExperimentalIncrementalExecutionResults) -> Payload:
    first = result.initial_result
    return _with_errors(dict(first.formatted), first.errors)


def _payload(part: Any) -> Payload:
    """A later part; each of its errors is masked and logged as those of whole answers are."""
    payload = dict(part.formatted)
    for name in ("incremental", "completed"):
        if items := getattr(part, name):
            payload[name] = [_with_errors(dict(item.formatted), item.errors) for item in items]
            schema.process_errors([error for item in items for error in item.errors or ()])
    return payload


def _with_errors(payload: Payload, errors: Iterable[GraphQLError] | None) -> Payload:
    return payload | {"errors": list(map(told, errors))} if errors else payload


# --- telling ------------------------------------------------------------------------------------------------------


def told(error: GraphQLError) -> Mapping[str, Any]:
    """The error as a caller may see it, always with a code of the vocabulary."""
    formatted = masked(error).formatted
    unreadable = isinstance(error, GraphQLSyntaxError) or error.nodes is None
    code = "bad_request" if unreadable else "validation_error"
    return {**formatted, "extensions": {"code": code} | formatted.get("extensions", {})}


def told_refusal(error: StatsError) -> Mapping[str, Any]:
    return {"message": error.message, "extensions": error.extensions}
