"""The schema: ``stats`` says the scope once, everything below it is a report."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, cast

import strawberry
from graphql import ExecutionResult as GraphQLResult
from graphql import (
    ExperimentalIncrementalExecutionResults,
    GraphQLDeferDirective,
    GraphQLError,
    GraphQLObjectType,
    GraphQLSchema,
    experimental_execute_incrementally,
    get_argument_values,
)
from graphql.execution.collect_fields import collect_fields
from strawberry.execution import optimized_is_awaitable
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionResult

from ..catalog.errors import InternalError, StatsError
from ..catalog.filters import FILTER_FIELDS, OPERATORS, make_filter
from ..catalog.limits import DOCUMENT_LIMITS, DocumentRules
from ..catalog.periods import Compare
from ..catalog.query import StatsQuery
from ..catalog.request_ids import present_request_id
from .context import RequestContext
from .documents import Document, Documents, read_document
from .naming import enum_of
from .projection import ProjectingExecutor
from .settings import Settings, settings_under
from .stats import Info, Stats, resolve_directly
from .types import make_type

log = logging.getLogger(__name__)

OWN_RULES = DocumentRules(limits=dict.fromkeys(DOCUMENT_LIMITS, sys.maxsize))

CompareEnum = strawberry.enum(
    Compare, description="An earlier window to compare with: the one before, or the same dates a year back."
)
FilterField = enum_of("FilterField", FILTER_FIELDS, "A dimension that filters take.")
FilterOperator = enum_of(
    "FilterOperator",
    OPERATORS,
    "How a filter looks at a value.",
    {operator.name: f"The field {operator.meaning}." for operator in OPERATORS.values()},
)


@strawberry.input(description="A condition on one dimension; several are joined by AND.")
class FilterInput:
    field: FilterField = strawberry.field(description="The dimension.")  # type: ignore[valid-type]
    op: FilterOperator = strawberry.field(  # type: ignore[valid-type]
        default=FilterOperator.EQ, description="The operator."
    )
    values: list[str] = strawberry.field(description="One value, or several for IN and NOT_IN.")


AccountType = make_type(
    "Account",
    [
        ("id", strawberry.ID, "The account's id."),
        ("time_zone", str, "The zone its days fall in."),
        ("currency", str, "The currency its money is in."),
        ("first_day", date | None, "The local day of its first session; null before any import."),
        ("last_day", date | None, "The local day of its last session; null before any import."),
    ],
    "An account that may be read.",
)


def _told(meaning: str) -> Any:
    return strawberry.argument(description=meaning)


def _stats(
    info: Info,
    account_id: Annotated[strawberry.ID, _told("The account.")],
    period: Annotated[str | None, _told("A word such as `30d`, `last_month` or `ytd`; see `settings.periods`.")] = None,
    start_date: Annotated[date | None, _told("First day, with `endDate` and without `period`.")] = None,
    end_date: Annotated[date | None, _told("Last day, included.")] = None,
    compare: Annotated[CompareEnum | None, _told("An earlier window to compare with.")] = None,  # type: ignore[valid-type]
    segment: Annotated[str | None, _told("A segment's slug or id; see `settings.segments`.")] = None,
    filters: Annotated[list[FilterInput] | None, _told("Conditions, joined by AND; win over the segment's.")] = None,
) -> Stats:  # type: ignore[valid-type]
    scope = info.context.scope(
        str(account_id),
        segment=segment,
        period=period,
        start_date=start_date,
        end_date=end_date,
        compare=compare or Compare.NONE,
        filters=[make_filter(given.field.value, given.op.value, given.values) for given in filters or ()],
    )
    return Stats(scope)


@strawberry.type(description="Everything that can be asked.")
class Query:
    stats: Stats = strawberry.field(  # type: ignore[valid-type]
        resolver=_stats,
        description="All reports of one account. `period` wins over dates; neither is the last 30 days, today included.",
    )

    @strawberry.field(description="The accounts that may be read.")
    def accounts(self, info: Info) -> list[AccountType]:  # type: ignore[valid-type]
        return list(info.context.accounts.values())

    @strawberry.field(description="Limits, reports, sortable and filterable fields, readable by a program.")
    def settings(self, info: Info) -> Settings:  # type: ignore[valid-type]
        return settings_under(info.context.documents.rules)


@strawberry.type(description="Everything that can be followed, over a WebSocket or as server-sent events.")
class Subscription:
    """Its field resolves like any other: whoever follows executes the operation anew for each answer (``live.py``)."""

    dashboard: Stats = strawberry.field(  # type: ignore[valid-type]
        resolver=_stats,
        description="What `stats` answers: now, and afresh whenever an import has raised the account's data version.",
    )


def _value_of(source: Any, name: str) -> Any:
    """Answers are dicts, accounts are objects; a field that an answer leaves out is null."""
    return source.get(name) if isinstance(source, dict) else getattr(source, name)


class FaninSchema(strawberry.Schema):
    """Reads each document once, executes it, logs what is our fault and leaves the caller's mistakes to the caller."""

    @property
    def graphql_schema(self) -> GraphQLSchema:
        return self._schema

    async def execute(
        self,
        query: str | None,
        variable_values: dict[str, Any] | None = None,
        context_value: RequestContext | None = None,
        root_value: Any = None,
        operation_name: str | None = None,
        allowed_operation_types: Any = None,
        operation_extensions: dict[str, Any] | None = None,
    ) -> ExecutionResult:
        """Answer a caller's document.  What is wrong with it is told in the result's errors; nothing is raised."""
        documents = context_value.documents if context_value is not None else Documents()
        document = documents.read(query or "", self._schema)
        return await self.answer(document, variable_values or {}, context_value, operation_name)

    def resolve_reports_directly(self) -> None:
        resolve_directly(cast("GraphQLObjectType", self._schema.type_map["Stats"]))

    def allow_defer(self) -> None:
        self._schema.directives = (*self._schema.directives, GraphQLDeferDirective)

    def own_document(self, text: str) -> Document:
        """A document that we wrote ourselves: not refused for its size.  To be kept by whoever wrote it."""
        return read_document(text, self._schema, OWN_RULES)

    async def answer(
        self,
        document: Document,
        variables: Mapping[str, Any],
        context: RequestContext | None,
        operation_name: str | None = None,
        *,
        encoded: bool = False,
    ) -> ExecutionResult:
        """Execute a document that was read, into one whole answer: ``@defer`` is as if it were not there.

        ``encoded`` is for those who write the data with orjson and never look inside: reports are fragments of JSON.
        """
        result = await self._executed(document, variables, context, operation_name, encoded=encoded)
        return ExecutionResult(data=result.data, errors=result.errors)

    async def compiled_report(
        self, document: Document, switches: Mapping[str, Any], question: StatsQuery, context: RequestContext
    ) -> dict[str, Any] | None:
        """What executing a document that asks one report tells of it, for whoever knows the question that makes.

        None until it was executed with these switches, and where an answer needs the ordinary path.
        """
        if document.node is None:
            return None
        projection = document.selections.of(document.node.definitions[0], switches, in_parts=False).sole_projection
        if projection is None:
            return None
        context.charge(question)
        answer = context.loader.kept(question) or await context.loader.load(question)
        return projection.complete_one(answer)

    async def answer_in_parts(
        self,
        document: Document,
        variables: Mapping[str, Any],
        context: RequestContext,
        operation_name: str | None = None,
    ) -> GraphQLResult | ExperimentalIncrementalExecutionResults:
        """Execute a document that was read; where it defers something, into a first part and those that follow.

        What is deferred is asked at once, with everything else, so that it takes no scan of its own.
        """
        return await self._executed(document, variables, context, operation_name, in_parts=True)

    async def _executed(
        self,
        document: Document,
        variables: Mapping[str, Any],
        context: RequestContext | None,
        operation_name: str | None,
        *,
        in_parts: bool = False,
        encoded: bool = False,
    ) -> Any:
        refusals = document.refused(operation_name, variables)
        if refusals or document.node is None:
            return GraphQLResult(data=None, errors=list(refusals))
        answered = experimental_execute_incrementally(
            self._schema,
            document.node,
            context_value=context,
            variable_values=dict(variables),
            operation_name=operation_name,
            enable_early_execution=True,
            executor_class=ProjectingExecutor,
            is_awaitable=cast("Any", optimized_is_awaitable),
            hide_suggestions=not document.rules.suggestions,
            selections=document.selections,
            in_parts=in_parts,
            encoded=encoded,
        )
        result = (
            answered
            if isinstance(answered, (GraphQLResult, ExperimentalIncrementalExecutionResults))
            else await answered
        )
        first = result if isinstance(result, GraphQLResult) else result.initial_result
        self.process_errors(first.errors or [])
        return result

    def followed_account(self, document: Document, variables: Mapping[str, Any], operation_name: str | None) -> str:
        """The account that a subscription is about.  Raises ``GraphQLError`` for one that cannot be executed."""
        if refusals := document.refused(operation_name, variables):
            raise refusals[0]
        executor = ProjectingExecutor.build(
            self._schema, cast("Any", document.node), None, None, dict(variables), operation_name
        )
        if isinstance(executor, list):
            raise executor[0]
        root = cast("GraphQLObjectType", self._schema.subscription_type)
        selected = collect_fields(
            self._schema, executor.fragments, executor.variable_values, root, executor.operation
        ).grouped_field_set
        ((details,),) = selected.values()  # validation lets a subscription have one field
        definition = root.fields[details.node.name.value]
        return get_argument_values(definition, details.node, executor.variable_values)["accountId"]

    def argument_types(self, type_name: str, field_name: str) -> dict[str, str]:
        """The arguments of one field and their types, as a document has to declare its variables."""
        fields = getattr(self._schema.type_map[type_name], "fields", {})
        return {name: str(argument.type) for name, argument in fields[field_name].args.items()}

    def process_errors(self, errors: list[GraphQLError], execution_context: Any = None) -> None:
        for error in errors:
            original = error.original_error
            if original is not None and not isinstance(original, (StatsError, GraphQLError)):
                log.error("request %s: a resolver failed unexpectedly", present_request_id(), exc_info=original)


def masked(error: GraphQLError) -> GraphQLError:
    """The error as a caller may see it: what is neither theirs nor ours by name says no more than where its log is."""
    original = error.original_error
    if original is None or (
        isinstance(original, (StatsError, GraphQLError)) and not isinstance(original, InternalError)
    ):
        return error
    hidden = InternalError("Internal error")
    told = hidden.extensions | {"request_id": present_request_id()}
    return GraphQLError(hidden.message, nodes=error.nodes, path=error.path, original_error=hidden, extensions=told)


schema = FaninSchema(Query, subscription=Subscription, config=StrawberryConfig(default_resolver=_value_of))
schema.resolve_reports_directly()
schema.allow_defer()

__all__ = ["FaninSchema", "Query", "RequestContext", "Subscription", "masked", "schema"]
