"""The batch as schemas: its plan, made from the rows of ``plan_checks.py``, its answer, its records, its validation.

Batch rules 1.2, 4.1 to 4.6 and 5.1 to 5.5.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..catalog.dimensions import Table
from ..catalog.endpoints import ENDPOINTS
from ..catalog.errors import ERRORS
from ..warehouse.store import Source
from .json_schema import (
    Members,
    Schema,
    array,
    closed,
    named_values,
    nullable,
    one_of,
    ref,
    sentence,
    text,
    truth,
    whole_number,
)
from .params import PARAMETERS
from .plan import BatchOptions
from .plan_checks import BINDING, BODY, ID, OPTIONS, QUERY, Kind
from .response_schemas import TIMESTAMP, data_name

# --- the plan -----------------------------------------------------------------------------------------------------

_MEANINGS = {
    "queries": "What to ask, in the order the results come back in.",
    "options": "How to run them.",
    "id": "Names the query's result.",
    "endpoint": "The path of any report that is a GET, less `/api/v1`.",
    "params": "The report's parameters.",
    "depends_on": "Queries that must succeed before this one runs.",
    "from": "The query whose `data` the value is taken from; it is waited for.",
    "path": "A JSON Pointer into that `data`.",
    "fail_fast": "Start nothing more after the first error.",
    "parallel_limit": "Scans in flight at one moment, at most.",
    "include_timing": "Tell `timing_ms` of each query.",
    "dry_run": "Answer as `/batch/validate` does; nothing runs.",
    "deadline_ms": "What is not ready after so many milliseconds is skipped.",
}
_EXAMPLES = {"id": "overview", "endpoint": "/stats/overview", "from": "top", "path": "/data/0/utm_source"}


def _written(kinds: Mapping[str, Kind], description: str) -> Schema:
    """The object that a table of kinds lets pass."""
    members = {name: {**kind.schema, "description": _MEANINGS[name]} for name, kind in kinds.items()}
    for name in members.keys() & _EXAMPLES.keys():
        members[name] |= {"examples": [_EXAMPLES[name]]}
    return closed(members, description, [name for name, kind in kinds.items() if not kind.required])


def _options() -> Schema:
    options = _written(OPTIONS, "How a batch is run.")
    usual = BatchOptions()
    for name, schema in options["properties"].items():
        if (value := getattr(usual, name)) is not None:
            schema["default"] = value
    return options


def _params() -> Schema:
    """What is wrong inside of it is that query's fault, not the batch's, so it is described and left open.  Rule 1.3."""
    value = ref("ParameterValue")
    members = {name: {**value, "description": sentence(row.meaning)} for name, row in PARAMETERS.items()}
    return {
        "type": "object",
        "description": "Parameters as a query string would have them. A wrong one is told in its own query's result; "
        "the report's own operation says what each may hold.",
        "properties": members,
        "additionalProperties": value,
        "examples": [{"account_id": "my-site", "period": "30d"}],
    }


def _parameter_value() -> Schema:
    single = [text(), {"type": "number"}, truth(), {"type": "null"}, ref("Binding")]
    return {
        "description": "A text, a number or a truth value; several of them, as repeated keys; or a value that is taken "
        "from another query.",
        "anyOf": [*single, array({"anyOf": single})],
    }


def plan_schemas() -> Members:
    return {
        "BatchPlan": _written(BODY, "Queries and how to run them."),
        "PlannedQuery": _written(QUERY, "One entry of a batch."),
        "QueryParams": _params(),
        "ParameterValue": _parameter_value(),
        "Binding": _written(BINDING, "A value taken from another query's answer."),
        "BatchOptions": _options(),
    }


# --- the answer ---------------------------------------------------------------------------------------------------

_TIMING = whole_number("From getting its turn to having the result, in milliseconds.", minimum=0, examples=[12])
_ORDER = array(ID.schema, "In which order queries are started.", examples=[["overview", "pages", "sources"]])
_GROUPS = array(
    array(ID.schema),
    "Queries that may run side by side, level by level.",
    examples=[[["overview", "pages"], ["sources"]]],
)
_BATCH_ID = text(
    "Also the request id, unless the caller sent one.", format="uuid", examples=["0b0f6a2e-6c1d-4d53-9a51-3f1f4a1c2e77"]
)
_STATUS = one_of(
    ("completed", "partial", "failed"), "All queries succeeded, some did, or none.", examples=["completed"]
)


def _of_queries() -> dict[str, list[str]]:
    """The codes of queries that failed, and of those that were skipped."""
    refusals = (400, 403, 404, 422, 500, 503, 504)
    return {
        "failed": [code for code, row in ERRORS.items() if row.http_status in refusals],
        "skipped": [code for code, row in ERRORS.items() if row.http_status is None],
    }


def _error(codes: list[str], description: str, further: Members) -> Schema:
    members = {
        "code": one_of(codes, examples=[codes[0]]),
        "message": text("For people.", examples=[ERRORS[codes[0]].meaning]),
        **further,
        "detail": array(ref("Problem"), "Every fault."),
    }
    return closed(members, description, ("detail",))


def answer_schemas() -> Members:
    codes = _of_queries()
    status = whole_number("The HTTP status a single request would have had.", minimum=400, maximum=599, examples=[400])
    batched = [endpoint for endpoint in ENDPOINTS.values() if endpoint.method == "GET"]
    return {
        "BatchAnswer": closed(
            {
                "batch_id": _BATCH_ID,
                "status": _STATUS,
                "results": named_values(ref("QueryResult"), "By query id, in the order of the request."),
                "meta": ref("BatchMeta"),
                "timestamp": TIMESTAMP,
            },
            "The answer to an accepted plan.",
        ),
        "QueryResult": {
            "description": "What became of one query.",
            "oneOf": [ref("SucceededQuery"), ref("FailedQuery"), ref("SkippedQuery")],
            "discriminator": {
                "propertyName": "status",
                "mapping": {
                    "success": "#/components/schemas/SucceededQuery",
                    "error": "#/components/schemas/FailedQuery",
                    "skipped": "#/components/schemas/SkippedQuery",
                },
            },
        },
        "SucceededQuery": closed(
            {"status": _only("success"), "data": ref("ReportData"), "timing_ms": _TIMING},
            "A query with its data.",
            ("timing_ms",),
        ),
        "FailedQuery": closed(
            {"status": _only("error"), "error": ref("QueryError"), "timing_ms": _TIMING},
            "A query that failed; the others are not touched by it.",
            ("timing_ms",),
        ),
        "SkippedQuery": closed({"status": _only("skipped"), "error": ref("SkipReason")}, "A query that never ran."),
        "ReportData": {
            "description": "The data of one report.",
            "anyOf": [ref(data_name(endpoint)) for endpoint in batched],
        },
        "QueryError": _error(codes["failed"], "Why a query failed.", {"status": status}),
        "SkipReason": _error(codes["skipped"], "Why a query was skipped.", {}),
        "BatchMeta": closed(
            {
                "total_queries": whole_number("Queries of the plan.", minimum=1, examples=[1]),
                "successful": whole_number("With data.", minimum=0, examples=[1]),
                "failed": whole_number("With an error.", minimum=0, examples=[0]),
                "skipped": whole_number("Never run.", minimum=0, examples=[0]),
                "total_timing_ms": whole_number("The sum of the queries' times.", minimum=0, examples=[12]),
                "parallel_execution": truth("Whether queries could run side by side.", examples=[False]),
            },
            "Counts that add up.",
        ),
    }


def _only(word: str) -> Schema:
    return text(const=word, examples=[word])


# --- its records --------------------------------------------------------------------------------------------------


def record_schemas() -> Members:
    """What a stream consists of.  Rule 5.1."""
    return {
        "PlanRecord": closed(
            {
                "type": _only("plan"),
                "batch_id": _BATCH_ID,
                "execution_order": _ORDER,
                "parallel_groups": _GROUPS,
                "query_count": whole_number("Queries of the plan.", minimum=1, examples=[3]),
            },
            "The first record.",
        ),
        "ResultRecord": closed(
            {"type": _only("result"), "id": ID.schema, "result": ref("QueryResult")},
            "One query, the moment it is ready.",
        ),
        "EndRecord": closed(
            {"type": _only("end"), "status": _STATUS, "meta": ref("BatchMeta"), "timestamp": TIMESTAMP},
            "The last record; a stream without it was cut off.",
        ),
        "BatchRecord": {
            "description": "One line of NDJSON, or the data of one server-sent event.",
            "oneOf": [ref("PlanRecord"), ref("ResultRecord"), ref("EndRecord")],
        },
    }


# --- validation ---------------------------------------------------------------------------------------------------


def validation_schemas() -> Members:
    note = {
        "code": text("The kind of fault, or of warning.", examples=["validation_error"]),
        "message": text("For people.", examples=["page_size must be between 1 and 100, got 0"]),
        "field": text("Where it is.", examples=["body.queries.0.params.page_size"]),
        "query_id": text("The query it belongs to.", examples=["overview"]),
    }
    query_ids = array(ID.schema)
    return {
        "ValidationAnswer": closed(
            {
                "valid": truth("Whether the plan would run without a fault.", examples=[True]),
                "query_count": whole_number("Queries of the plan.", minimum=0, examples=[3]),
                "execution_order": _ORDER,
                "parallel_groups": _GROUPS,
                "errors": array(ref("ValidationNote"), "Every fault of the plan and its queries.", examples=[[]]),
                "warnings": array(ref("ValidationNote"), "What works and could be better.", examples=[[]]),
                "explanation": ref("Explanation"),
            },
            "What is wrong with a plan, and in which order it would run.",
            ("explanation",),
        ),
        "ValidationNote": closed(note, "One fault or warning.", ("field", "query_id")),
        "Explanation": closed(
            {
                "queries": named_values(ref("ExplainedQuery"), "By query id."),
                "scans": array(ref("ExplainedScan"), "The scans after sharing."),
                "scan_count": whole_number("How many these are.", minimum=0),
                "further_scans_at_most": whole_number("What queries that wait for values may add.", minimum=0),
                "advice": array(ref("Advice"), "How the plan could be better."),
            },
            "What a plan would cost; with `explain=true` only.",
        ),
        "ExplainedQuery": closed(
            {
                "window": ref("DateRange"),
                "comparison_window": ref("DateRange"),
                "scans": array(whole_number(minimum=1), "Numbers of the scans that answer it."),
                "shared_with": array(ID.schema, "Who is answered by the same scans."),
                "depends_on_values": array(ref("AwaitedValue"), "The values it waits for."),
            },
            "One query of a plan.",
            ("window", "comparison_window", "shared_with", "depends_on_values"),
        ),
        "AwaitedValue": closed(
            {"parameter": text(), "from": ID.schema, "path": text()}, "A parameter that another query's answer fills."
        ),
        "ExplainedScan": closed(
            {
                "scan": whole_number("Its number.", minimum=1),
                "source": one_of(
                    (Source.STATEMENT, Source.ROLLUP, Source.UPSTREAM),
                    "What it is read from: the facts, their sums, or a report of an upstream API.",
                ),
                "account_id": text("Whose facts."),
                "windows": array(ref("DateRange"), "Of which days."),
                "filters": array(text(), "Narrowed how, as `filters` would say it."),
                "reads": array(ref("ExplainedRead"), "The tables it reads."),
                "queries": query_ids,
                "segment": nullable(text("The segment it is narrowed to.")),
            },
            "One statement sent to the warehouse.",
            ("segment",),
        ),
        "ExplainedRead": closed(
            {
                "table": one_of(Table, "The facts."),
                "groupings": array(array(text()), "What they are grouped by; nothing: rows as they are."),
            },
            "One table that a scan reads.",
        ),
        "Advice": closed(
            {"code": text(), "message": text(), "query_id": ID.schema}, "How a plan could be better.", ("query_id",)
        ),
    }


def batch_schemas() -> Members:
    return plan_schemas() | answer_schemas() | record_schemas() | validation_schemas()
