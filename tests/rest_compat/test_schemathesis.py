"""Requests made from the API's own description, right and wrong ones, over the sample warehouse.

Every answer must be documented: no 5xx, its status, content type, headers and body as described; what the description
forbids is refused, and so is a method it does not name.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import negative_data_rejection, positive_data_acceptance
from starlette.types import Receive, Scope, Send

from fanin.app import create_app
from fanin.catalog.endpoints import ENDPOINTS_BY_PATH
from fanin.catalog.segments import SYSTEM_SEGMENTS
from fanin.schema.engine import Engine
from fanin.tests.described import DOCUMENT
from fanin.tests.facts import NOW
from fanin.warehouse.duckdb_reading import DuckDBWarehouse

# A bad plan is what a validation is for; and the parameters in a body are read as those of a query string would be, so
# that `"5"` is 5 and a list of one is that one (rule 1.6).  ``test_plan.py`` and ``test_bodies.py`` hold these to theirs.
TAKING_MORE = ("/api/v1/batch/validate", "/api/v1/stats/funnel", "/api/v1/stats/query")


def narrowed() -> dict[str, Any]:
    """The document with the names that are really there, so that requests get past them.

    Reports share their parameters' readers, so each parameter is tried at the first report that takes it.  What a
    query of a batch holds inside is its own fault and no refusal (rule 1.3), so it is left open.
    """
    document = copy.deepcopy(DOCUMENT)
    parameters, schemas = document["components"]["parameters"], document["components"]["schemas"]
    parameters["AccountId"]["schema"]["enum"] = ["my-site"]
    parameters["Segment"]["schema"]["enum"] = [segment.slug for segment in SYSTEM_SEGMENTS]
    schemas["PlannedQuery"]["properties"]["endpoint"]["enum"] = list(ENDPOINTS_BY_PATH)
    schemas["QueryParams"] = {"type": "object"}
    for name in ("FunnelRequest", "FreeQuery"):
        schemas[name]["properties"]["account_id"]["enum"] = ["my-site"]
    tried: list[Any] = []
    for operation in operations(document):
        given = operation.pop("parameters", [])
        kept = [parameter for parameter in given if parameter not in tried and not aliased(parameter, parameters)]
        tried += [parameter for parameter in kept if parameter != ACCOUNT]
        operation["parameters"] = kept
    return document


ACCOUNT = {"$ref": "#/components/parameters/AccountId"}


def operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [operation for item in document["paths"].values() for operation in item.values()]


def aliased(parameter: dict[str, Any], named: dict[str, Any]) -> bool:
    """Whether it is a second name, which may only say what the first one does."""
    return named[parameter["$ref"].rpartition("/")[2]].get("deprecated", False) if "$ref" in parameter else False


SLOW = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
API = schemathesis.openapi.from_dict(narrowed())


@pytest.fixture(scope="module")
def app(sample_warehouse: Path) -> Iterator[Any]:
    warehouse = DuckDBWarehouse(sample_warehouse)
    gateway = create_app(Engine(warehouse, clock=lambda: NOW))

    async def outliving(scope: Scope, receive: Receive, send: Send) -> None:
        """The client starts and stops the application around each request; the warehouse must outlive that."""
        if scope["type"] == "http":
            await gateway(scope, receive, send)
            return
        for moment in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{moment}.complete"})

    yield outliving
    warehouse.close()


@API.parametrize()
@settings(max_examples=10, deadline=None, derandomize=True, database=None, suppress_health_check=SLOW)
def test_every_answer_is_a_documented_one(case: schemathesis.Case, app: Any) -> None:
    # Rules between fields (dates that go together, RE2, values that name one thing) are none that a schema can tell.
    excluded = [positive_data_acceptance]
    response = case.call(app=app)
    if case.operation.method.upper() == "POST" and case.operation.path in TAKING_MORE:
        excluded.append(negative_data_rejection)
    case.validate_response(response, excluded_checks=excluded, transport_kwargs={"app": app})
