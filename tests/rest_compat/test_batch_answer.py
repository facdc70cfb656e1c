"""The documented answers, whole: of the page, of the contract's partial batch, and of the validation."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanin.catalog.errors import BadRequest, Forbidden, InvalidQuery, NotFound, Problem
from fanin.rest_compat.batch_answer import batch_answer, batch_status, validation_answer
from fanin.rest_compat.plan import BatchOptions, Plan, PlannedQuery, PlanRefused, read_plan
from fanin.rest_compat.schedule import DependencyFailed, FailFast, Outcome

UNHURRIED = settings(deadline=None)  # a slow machine is no failure


def plan_of(depends_on, **options):
    queries = [
        PlannedQuery(query_id, f"/stats/{query_id}", {}, tuple(needed), position)
        for position, (query_id, needed) in enumerate(depends_on.items())
    ]
    return Plan(tuple(queries), BatchOptions(**options))


def success(timing_ms):
    return Outcome("success", data={}, timing_ms=timing_ms)


def test_rule_4_1_the_answer_of_the_page():
    plan = plan_of({"overview": [], "pages": [], "sources": ["overview"]})
    outcomes = {"sources": success(28), "overview": success(45), "pages": success(32)}  # as they came in

    answer = batch_answer(plan, outcomes, batch_id="uuid", timestamp="2026-03-18T10:00:00Z")

    assert answer == {
        "batch_id": "uuid",
        "status": "completed",
        "results": {
            "overview": {"status": "success", "data": {}, "timing_ms": 45},
            "pages": {"status": "success", "data": {}, "timing_ms": 32},
            "sources": {"status": "success", "data": {}, "timing_ms": 28},
        },
        "meta": {
            "total_queries": 3,
            "successful": 3,
            "failed": 0,
            "skipped": 0,
            "total_timing_ms": 105,
            "parallel_execution": True,
        },
        "timestamp": "2026-03-18T10:00:00Z",
    }
    assert list(answer) == ["batch_id", "status", "results", "meta", "timestamp"]
    assert list(answer["results"]) == ["overview", "pages", "sources"]


def test_rule_4_2_the_partial_batch_of_the_contract():
    plan = plan_of({"ov": [], "bad": [], "dep": ["bad"]})
    outcomes = {
        "ov": Outcome("success", data={"traffic": {"entrances": 18000}}, timing_ms=21),
        "bad": Outcome("error", error=BadRequest("Unknown period: 31x"), timing_ms=1),
        "dep": Outcome("skipped", error=DependencyFailed("Skipped: dependency 'bad' did not succeed")),
    }

    answer = batch_answer(
        plan, outcomes, batch_id="0b0f6a2e-6c1d-4d53-9a51-3f1f4a1c2e77", timestamp="2026-03-18T10:00:00Z"
    )

    assert answer == {
        "batch_id": "0b0f6a2e-6c1d-4d53-9a51-3f1f4a1c2e77",
        "status": "partial",
        "results": {
            "ov": {"status": "success", "data": {"traffic": {"entrances": 18000}}, "timing_ms": 21},
            "bad": {
                "status": "error",
                "error": {"code": "bad_request", "message": "Unknown period: 31x", "status": 400},
                "timing_ms": 1,
            },
            "dep": {
                "status": "skipped",
                "error": {"code": "dependency_failed", "message": "Skipped: dependency 'bad' did not succeed"},
            },
        },
        "meta": {
            "total_queries": 3,
            "successful": 1,
            "failed": 1,
            "skipped": 1,
            "total_timing_ms": 22,
            "parallel_execution": True,
        },
        "timestamp": "2026-03-18T10:00:00Z",
    }


def test_rule_4_2_an_error_tells_its_detail_after_its_status():
    error = InvalidQuery.of(Problem("page", "page must be 1 or more, not 0", "out_of_range"))
    plan = plan_of({"a": []})

    answer = batch_answer(plan, {"a": Outcome("error", error=error, timing_ms=0)}, batch_id="b", timestamp="t")

    assert answer["results"] == {
        "a": {
            "status": "error",
            "error": {
                "code": "validation_error",
                "message": "page must be 1 or more, not 0",
                "status": 422,
                "detail": [{"field": "page", "message": "page must be 1 or more, not 0", "type": "out_of_range"}],
            },
            "timing_ms": 0,
        }
    }
    assert list(answer["results"]["a"]["error"]) == ["code", "message", "status", "detail"]


def test_rule_4_4_without_timing_only_the_sum_is_told():
    plan = plan_of({"a": [], "b": []}, include_timing=False)
    outcomes = {"a": success(45), "b": Outcome("error", error=NotFound("No such report: b"), timing_ms=2)}

    answer = batch_answer(plan, outcomes, batch_id="b", timestamp="t")

    assert answer["results"] == {
        "a": {"status": "success", "data": {}},
        "b": {"status": "error", "error": {"code": "not_found", "message": "No such report: b", "status": 404}},
    }
    assert answer["meta"]["total_timing_ms"] == 47


@pytest.mark.parametrize(
    ("count", "limit", "parallel"), [(1, 5, False), (2, 1, False), (2, 2, True), (50, 10, True), (1, 1, False)]
)
def test_rule_4_5_parallel_is_more_than_one_query_and_a_limit_above_one(count, limit, parallel):
    plan = plan_of({f"q{number}": [] for number in range(count)}, parallel_limit=limit)
    outcomes = {query.id: success(1) for query in plan.queries}

    answer = batch_answer(plan, outcomes, batch_id="b", timestamp="t")

    assert answer["meta"]["parallel_execution"] is parallel


OUTCOMES = st.sampled_from(
    [
        Outcome("success", data={}, timing_ms=3),
        Outcome("error", error=Forbidden("no"), timing_ms=0),
        Outcome("skipped", error=FailFast("Skipped: another query failed")),
    ]
)


@UNHURRIED
@given(st.lists(OUTCOMES, min_size=1, max_size=6))
def test_rules_4_1_and_4_5_the_counts_add_up_and_fit_the_status(outcomes):
    plan = plan_of({f"q{number}": [] for number in range(len(outcomes))})
    by_id = dict(zip((query.id for query in plan.queries), outcomes, strict=True))

    answer = batch_answer(plan, by_id, batch_id="b", timestamp="t")

    meta = answer["meta"]
    assert meta["successful"] + meta["failed"] + meta["skipped"] == meta["total_queries"] == len(answer["results"])
    expected = {0: "failed", meta["total_queries"]: "completed"}.get(meta["successful"], "partial")
    assert answer["status"] == batch_status(outcomes) == expected


def test_rule_1_1_the_validation_answer_of_the_page():
    plan = plan_of({"overview": [], "pages": [], "sources": ["overview"]})

    assert validation_answer(plan) == {
        "valid": True,
        "query_count": 3,
        "execution_order": ["overview", "pages", "sources"],
        "parallel_groups": [["overview", "pages"], ["sources"]],
        "errors": [],
        "warnings": [],
    }


def test_rule_1_1_the_validation_answer_of_a_refused_plan():
    body = b"""{"queries": [{"id": "a", "endpoint": "/stats/os", "params": {}, "depends_on": ["b"]}, {"id": "c"}],
                "options": {"parallel_limit": 11}}"""
    with pytest.raises(PlanRefused) as refused:
        read_plan(body)

    assert validation_answer(refused.value) == {
        "valid": False,
        "query_count": 2,
        "execution_order": [],
        "parallel_groups": [],
        "errors": [
            {
                "code": "validation_error",
                "message": "There is no query 'b' to wait for",
                "field": "body.queries.0.depends_on.0",
                "query_id": "a",
            },
            {
                "code": "validation_error",
                "message": "endpoint is missing: a path that starts with '/stats/'",
                "field": "body.queries.1.endpoint",
                "query_id": "c",
            },
            {
                "code": "validation_error",
                "message": "params is missing: an object",
                "field": "body.queries.1.params",
                "query_id": "c",
            },
            {
                "code": "validation_error",
                "message": "parallel_limit must be a whole number from 1 to 10, not 11",
                "field": "body.options.parallel_limit",
            },
        ],
        "warnings": [],
    }


def test_rule_1_3_the_validation_answer_of_queries_refused_by_content():
    plan = plan_of({"a": [], "b": [], "c": []})
    page = Problem("page", "page must be 1 or more, not 0").under(f"{plan.queries[2].field}.params")
    size = Problem("page_size", "page_size must be 100 or less, not 101").under(f"{plan.queries[2].field}.params")
    refused = {"c": InvalidQuery.of(page, size), "a": Forbidden("Access denied to account: other")}
    warning = {"code": "unused_dependency", "message": "…", "query_id": "b"}

    assert validation_answer(plan, refused, [warning]) == {
        "valid": False,
        "query_count": 3,
        "execution_order": [],
        "parallel_groups": [],
        "errors": [
            {"code": "forbidden", "message": "Access denied to account: other", "query_id": "a"},
            {
                "code": "validation_error",
                "message": "page must be 1 or more, not 0",
                "field": "body.queries.2.params.page",
                "query_id": "c",
            },
            {
                "code": "validation_error",
                "message": "page_size must be 100 or less, not 101",
                "field": "body.queries.2.params.page_size",
                "query_id": "c",
            },
        ],
        "warnings": [warning],
    }
