"""A batch of two queries as the API's description shows it: the plan, the answer, its records, its validation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..catalog.endpoints import ENDPOINTS
from .json_schema import Schema, ref
from .response_schemas import TIMESTAMP, data_name
from .schema_examples import example_of
from .streaming import Record, ndjson_line, server_sent_event

_REPORTS = {"channels": 18, "countries": 12}  # report, the milliseconds it takes in the example
_BATCH_ID = "0b0f6a2e-6c1d-4d53-9a51-3f1f4a1c2e77"

PLAN: dict[str, Any] = {
    "queries": [
        {
            "id": name,
            "endpoint": ENDPOINTS[name].path,
            "params": {"account_id": "my-site", "period": "7d", "page_size": 50},
        }
        for name in _REPORTS
    ],
    "options": {"parallel_limit": 5},
}


def answer_example(schemas: Mapping[str, Schema]) -> dict[str, Any]:
    """The buffered answer."""
    return {
        "batch_id": _BATCH_ID,
        "status": "completed",
        "results": {
            name: {
                "status": "success",
                "data": example_of(ref(data_name(ENDPOINTS[name])), schemas),
                "timing_ms": timing_ms,
            }
            for name, timing_ms in _REPORTS.items()
        },
        "meta": {
            "total_queries": len(_REPORTS),
            "successful": len(_REPORTS),
            "failed": 0,
            "skipped": 0,
            "total_timing_ms": sum(_REPORTS.values()),
            "parallel_execution": True,
        },
        "timestamp": TIMESTAMP["examples"][0],
    }


def validation_example() -> dict[str, Any]:
    return {
        "valid": True,
        "query_count": len(_REPORTS),
        "execution_order": [*_REPORTS],
        "parallel_groups": [[*_REPORTS]],
        "errors": [],
        "warnings": [],
    }


def ndjson_example(schemas: Mapping[str, Schema]) -> str:
    return "".join(ndjson_line(number, record).decode() for number, record in enumerate(_records(schemas)))


def events_example(schemas: Mapping[str, Schema]) -> str:
    return "".join(server_sent_event(number, record).decode() for number, record in enumerate(_records(schemas)))


def _records(schemas: Mapping[str, Schema]) -> list[Record]:
    answer, order = answer_example(schemas), validation_example()
    return [
        {
            "type": "plan",
            "batch_id": answer["batch_id"],
            **{name: order[name] for name in ("execution_order", "parallel_groups", "query_count")},
        },
        *({"type": "result", "id": name, "result": result} for name, result in answer["results"].items()),
        {"type": "end", **{name: answer[name] for name in ("status", "meta", "timestamp")}},
    ]
