"""Values between queries: how they are written, which paths can exist, what is taken, and what then goes wrong.  Rule 5.2."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanin.catalog.endpoints import ENDPOINTS
from fanin.rest_compat.answer_shape import ANY, widest_shape
from fanin.rest_compat.bindings import Binding, bindings_of, index_of, is_pointer, pointer_of, value_at
from fanin.rest_compat.plan import PlanRefused, read_plan
from fanin.rest_compat.plan_checks import MOST_BINDINGS
from fanin.tests.facts import bought, client_of, engine_over, reached, visit, write

UNHURRIED = settings(deadline=None)  # a slow machine is no failure

FACTS = [
    *(visit("2026-03-17T10:00", "/trail", utm_source="google", country="ES", channel="Paid Search") for _ in range(3)),
    *(visit("2026-03-16T10:00", "/shoes", utm_source="news", country="PT", channel="Email") for _ in range(2)),
    visit("2026-03-15T10:00", "/", utm_source="(direct)", country="FR", channel="Direct", goals=[bought(100)]),
    visit("2026-03-15T11:00", "/", utm_source="(direct)", country="FR", channel="Direct", goals=[reached("look")]),
]


@pytest.fixture(scope="module")
def warehouse_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("facts") / "w.duckdb"
    write(path, "acme", FACTS)
    write(path, "google", FACTS[:1])  # an account named like a source, so that a value can name an account
    return path


def value(source: str, path: str) -> dict[str, str]:
    return {"from": source, "path": path}


def query(query_id: str, report: str = "sources", *depends_on: str, **params: Any) -> dict[str, Any]:
    body = {"id": query_id, "endpoint": ENDPOINTS[report].path, "params": {"account_id": "acme", **params}}
    return {**body, "depends_on": list(depends_on)} if depends_on else body


def send(path: Path, address: str, *queries: dict[str, Any], **options: Any) -> tuple[Any, list[Any]]:
    async def ask() -> tuple[Any, list[Any]]:
        with engine_over(path) as (engine, warehouse):
            async with client_of(engine) as client:
                response = await client.post(f"/api/v1{address}", json={"queries": queries, "options": options})
                assert response.status_code == 200, response.text
                return response.json(), list(warehouse.scans)

    return asyncio.run(ask())


def results(path: Path, *queries: dict[str, Any], **options: Any) -> dict[str, Any]:
    return send(path, "/batch", *queries, **options)[0]["results"]


def refusals(*queries: dict[str, Any]) -> list[tuple[str, str]]:
    """Field and message of everything wrong with a plan's structure."""
    with pytest.raises(PlanRefused) as refused:
        read_plan(json.dumps({"queries": queries}).encode())
    return [(problem.field, problem.message) for problem in refused.value.detail]


# --- as it is written ---------------------------------------------------------------------------------------------


def test_rule_5_2_a_value_taken_implies_the_dependency() -> None:
    body = [
        query("last", "pages", utm_source=[value("top", "/data/0/utm_source"), "news"], search=value("mid", "/x")),
        query("mid", "channels", "top"),
        query("top"),
    ]

    plan = read_plan(json.dumps({"queries": body}).encode())

    assert plan.parallel_groups == (("top",), ("mid",), ("last",))
    assert plan.queries[0].depends_on == ("top", "mid")
    assert plan.queries[0].bindings == (
        Binding("utm_source", 0, "top", "/data/0/utm_source"),
        Binding("search", None, "mid", "/x"),
    )


def test_rule_5_2_a_cycle_through_values_is_found_and_printed() -> None:
    ring = [query("a", search=value("b", "/x")), query("b", "sources", "c"), query("c", search=[value("a", "/x")])]

    assert refusals(*ring) == [("body.queries.0.params.search.from", "The queries wait for each other: a → b → c → a")]


def test_rule_5_2_faults_of_writing_are_the_plans() -> None:
    told = refusals(
        query("a", search={"from": "nobody", "path": "/x"}),
        query("b", search={"from": "b", "path": "/x"}),
        query("c", search={"from": 7, "path": "data"}),
        query("d", utm_source=["x", {"from": "a", "paht": "/x"}]),
        query("e", search={"path": "/x"}),
    )

    assert told == [
        ("body.queries.0.params.search.from", "There is no query 'nobody' to take a value from"),
        ("body.queries.1.params.search.from", "The query 'b' takes a value from itself"),
        (
            "body.queries.2.params.search.from",
            "from must be 1 to 64 letters, digits, '_' or '-', starting with a letter or a digit, not 7",
        ),
        (
            "body.queries.2.params.search.path",
            "path must be a JSON Pointer such as '/data/0/utm_source', not 'data'",
        ),
        (
            "body.queries.3.params.utm_source.1.path",
            "path is missing: a JSON Pointer such as '/data/0/utm_source'",
        ),
        ("body.queries.3.params.utm_source.1.paht", "Unknown key 'paht' (did you mean 'path'?)"),
        (
            "body.queries.4.params.search.from",
            "from is missing: 1 to 64 letters, digits, '_' or '-', starting with a letter or a digit",
        ),
    ]


def test_rule_5_2_a_query_takes_so_many_values_and_no_more() -> None:
    taken = [value("a", "/data/0/utm_source")] * (MOST_BINDINGS + 1)

    assert refusals(query("a"), query("b", utm_source=taken)) == [
        ("body.queries.1.params", "A query can take at most 100 values from others")
    ]


def test_rule_5_2_an_object_that_is_no_binding_is_the_querys_fault_as_ever(warehouse_file: Path) -> None:
    answer, _ = send(warehouse_file, "/batch/validate", query("a", search={"form": "a"}))

    assert answer["errors"][0]["message"] == "search must be a value or a list of values, not an object"


@pytest.mark.parametrize(
    ("path", "steps"),
    [("", ()), ("/", ("",)), ("/a/0", ("a", "0")), ("/a~1b~0c", ("a/b~c",)), ("/~01", ("~1",)), ("//", ("", ""))],
)
def test_rule_5_2_paths_are_json_pointers(path: str, steps: tuple[str, ...]) -> None:
    assert is_pointer(path)
    assert pointer_of(path) == steps


@pytest.mark.parametrize("path", ["a", "data/0", "/a~", "/a~2", "/~", "#/a", " /a"])
def test_rule_5_2_what_is_no_json_pointer_is_known(path: str) -> None:
    assert not is_pointer(path)


@pytest.mark.parametrize("step", ["-", "01", "-1", "+1", " 1", "1.0", "", "٣", "1" * 10, "1" * 5000])
def test_rule_5_2_what_is_no_index_is_known(step: str) -> None:
    assert index_of(step) is None


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@UNHURRIED
@given(JSON_VALUES)
def test_rule_5_2_every_part_of_a_document_has_a_pointer_that_finds_it(document: Any) -> None:
    def check(part: Any, path: str) -> None:
        assert value_at(document, pointer_of(path)) is part
        inner = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
        for name, child in inner:
            check(child, f"{path}/{str(name).replace('~', '~0').replace('/', '~1')}")

    check(document, "")


@UNHURRIED
@given(st.dictionaries(st.text(), JSON_VALUES))
def test_rule_5_2_bindings_are_found_in_whatever_params_hold(params: dict[str, Any]) -> None:
    noted = {**params, "taken": value("a", "/b"), "listed": [1, value("c", "")]}

    found = bindings_of({name: item for name, item in noted.items() if name not in params})

    assert found == (Binding("taken", None, "a", "/b"), Binding("listed", 1, "c", ""))


# --- before it runs -----------------------------------------------------------------------------------------------


def kinds(shape: Any, real: Any, way: str = "") -> None:
    """Fails where real data has what the shape has not."""
    if isinstance(real, dict):
        assert isinstance(shape, dict), way
        for name, inner in real.items():
            kinds(shape[ANY if ANY in shape else name], inner, f"{way}/{name}")
    elif isinstance(real, list):
        for place, inner in enumerate(real):
            kinds(shape[0], inner, f"{way}/{place}")
    elif real is not None:
        assert type(real) is type(shape) or shape is None, way


@pytest.mark.parametrize("compare", ["none", "previous"])
def test_rule_5_2_the_shape_of_every_report_is_that_of_its_data(sample_warehouse: Path, compare: str) -> None:
    asked = [
        {"id": name, "endpoint": row.path, "params": {"account_id": "my-site", "period": "7d"}}
        for name, row in ENDPOINTS.items()
        if widest_shape(name) is not None
    ]
    for body in asked:
        if ENDPOINTS[body["id"]].compare is not None:
            body["params"]["compare"] = compare

    told = results(sample_warehouse, *asked)

    answered = {name: result["data"] for name, result in told.items() if result["status"] == "success"}
    assert len(answered) >= 18
    for name, data in answered.items():
        kinds(widest_shape(name), data, name)


def faults(path: Path, *queries: dict[str, Any]) -> list[tuple[str, str, str]]:
    answer, scans = send(path, "/batch/validate", *queries)
    assert scans == []
    assert answer["valid"] is (answer["errors"] == [])
    return [(error["code"], error["query_id"], error["message"]) for error in answer["errors"]]


@pytest.mark.parametrize(
    ("report", "path"),
    [
        ("sources", "/data/0/utm_source"),
        ("sources", "/data/99/entrances"),
        ("sources", "/total"),
        ("overview", "/traffic/revenue"),
        ("overview", "/entrances_series/points/0/date"),
        ("devices", "/by_browser/0/browser"),
        ("funnel", "/rows/0/conversions/any goal~1at all"),
        ("conversions", "/data/0/by_source/0/utm_campaign"),
    ],
)
def test_rule_5_2_a_path_that_can_exist_is_valid(warehouse_file: Path, report: str, path: str) -> None:
    assert faults(warehouse_file, query("a", report), query("b", search=value("a", path))) == []


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/data/0/utm_sauce", "'utm_sauce' is not there; after '/data/0' comes one of utm_source, entrances, "),
        ("/data/0/utm_sauce", "(did you mean 'utm_source'?)"),
        ("/rows/0", "'rows' is not there; first comes one of data, total, page, page_size, has_next, has_prev"),
        ("/data/first", "'first' is not there; after '/data' comes a row's number, from 0"),
        ("/data/-", "'-' is not there; after '/data' comes a row's number, from 0"),
        ("/total/0", "nothing comes after '/total', which is a single value"),
        ("/totals/entrances", "'totals' is not there"),
        ("/data/0/entrances_prev", "'entrances_prev' is not there"),
    ],
)
def test_rule_5_2_a_path_that_can_never_exist_is_told_with_what_would_be_accepted(
    warehouse_file: Path, path: str, reason: str
) -> None:
    ((code, query_id, message),) = faults(warehouse_file, query("a"), query("b", search=value("a", path)))

    assert (code, query_id) == ("validation_error", "b")
    assert message.startswith(f"search: the data of 'a' can never have '{path}': ")
    assert reason in message


def test_rule_5_2_what_was_asked_for_can_be_taken(warehouse_file: Path) -> None:
    asked = query("a", include_totals=True, compare="yoy")

    assert (
        faults(
            warehouse_file,
            asked,
            query("b", search=value("a", "/totals/entrances")),
            query("c", search=value("a", "/data/0/entrances_prev")),
            query("d", start_date=value("a", "/comparison/date_range/start_date"), end_date="2026-03-18"),
        )
        == []
    )


@pytest.mark.parametrize(
    ("parameter", "path", "kind"),
    [
        ("search", "/data", "a list"),
        ("search", "/data/0", "an object"),
        ("search", "", "an object"),
        ("search", "/has_next", "a boolean"),
        ("utm_medium", "/data", "a list of more than single values"),
    ],
)
def test_rule_5_2_a_path_to_no_value_is_a_binding_that_fails(
    warehouse_file: Path, parameter: str, path: str, kind: str
) -> None:
    queries = [query("a"), query("b", "sources", **{parameter: value("a", path)})]

    message = f"{parameter} takes a value; '{path}' of 'a' is {kind}"
    assert faults(warehouse_file, *queries) == [("binding_failed", "b", message)]
    told = results(warehouse_file, *queries)["b"]
    assert (told["status"], told["error"]["code"], told["error"]["status"]) == ("error", "binding_failed", 422)


def test_rule_5_2_what_needs_no_value_is_checked_without_one(warehouse_file: Path) -> None:
    taken = value("a", "/data/0/utm_source")

    told = faults(
        warehouse_file,
        query("a"),
        query("unknown", perod=taken),
        query("untaken", "overview", search=taken),
        query("many", search=[taken, taken]),
        query("literal", "pages", utm_source=taken, page_size=5000, sort_by="nope"),
        query("date", utm_source=taken, start_date="2026-02-30"),
        query("half", start_date=taken, end_date="2026-03-18"),
        {"id": "account", "endpoint": "/stats/sources", "params": {"site_id": taken}},
        {"id": "nobody", "endpoint": "/stats/sources", "params": {"account_id": "nobody", "search": taken}},
        {"id": "path", "endpoint": "/stats/sauces", "params": {"account_id": taken}},
    )

    assert [(code, query_id) for code, query_id, _ in told] == [
        ("validation_error", "unknown"),
        ("validation_error", "untaken"),
        ("validation_error", "many"),
        ("validation_error", "literal"),
        ("validation_error", "literal"),
        ("validation_error", "date"),
        ("account_not_found", "nobody"),
        ("not_found", "path"),
    ]


def test_rule_5_2_all_that_is_wrong_with_a_query_is_told_together(warehouse_file: Path) -> None:
    told = faults(warehouse_file, query("a"), query("b", perod="7d", search=value("a", "/x"), country=value("a", "")))

    assert [message.split(":")[0] for _, _, message in told] == [
        "unknown parameter 'perod' (did you mean 'period'?)",
        "search",
        "country takes a value; '' of 'a' is an object",
    ]


def test_rule_5_2_paths_into_what_is_not_known_yet_or_is_refused_are_checked_as_far_as_can_be(
    warehouse_file: Path,
) -> None:
    told = faults(
        warehouse_file,
        query("a"),
        query("b", search=value("a", "/data/0/utm_source")),
        query("c", search=value("b", "/data/0/nothing")),
        query("d", search=value("b", "/totals/entrances")),
        {"id": "bad", "endpoint": "/stats/sauces", "params": {}},
        query("e", search=value("bad", "/anything")),
    )

    assert [(code, query_id) for code, query_id, _ in told] == [("validation_error", "c"), ("not_found", "bad")]


# --- when it runs -------------------------------------------------------------------------------------------------


def test_rule_5_2_the_value_is_put_where_the_binding_stands(warehouse_file: Path) -> None:
    told = results(
        warehouse_file,
        query("pages", "pages", utm_source=value("top", "/data/0/utm_source")),
        query("top", page_size=1),
        query("literal", "pages", utm_source="google"),
    )

    assert told["pages"]["status"] == "success"
    assert told["pages"]["data"] == told["literal"]["data"]
    assert [row["path"] for row in told["pages"]["data"]["data"]] == ["/trail"]


def test_rule_5_2_several_values_go_into_a_repeatable_parameter(warehouse_file: Path) -> None:
    first, second = value("top", "/data/0/utm_source"), value("top", "/data/2/utm_source")

    told = results(
        warehouse_file,
        query("top"),
        query("pages", "pages", utm_source=[first, "(direct)", second]),
    )

    assert [row["utm_source"] for row in told["top"]["data"]["data"]] == ["google", "(direct)", "news"]
    assert [row["path"] for row in told["pages"]["data"]["data"]] == ["/trail", "/", "/shoes"]


def test_rule_5_2_a_list_of_values_goes_into_a_repeatable_parameter(warehouse_file: Path) -> None:
    told = results(
        warehouse_file,
        query("f", "funnel"),
        query("empty", "funnel", country="PT"),
        query("is", utm_source=value("f", "/conversion_types")),
        query("not", utm_source=value("empty", "/conversion_types")),
    )

    assert told["is"]["data"]["total"] == 0  # no source is named purchase
    assert told["not"]["error"]["code"] == "binding_empty"


def test_rule_5_2_numbers_are_spelled_as_a_query_string_would(warehouse_file: Path) -> None:
    told = results(warehouse_file, query("top"), query("b", page_size=value("top", "/total")))

    assert told["b"]["data"]["page_size"] == 3


def test_rule_5_2_a_value_can_name_the_account_and_the_days(warehouse_file: Path) -> None:
    told = results(
        warehouse_file,
        query("o", "overview", period="7d"),
        {
            "id": "other",
            "endpoint": "/stats/overview",
            "params": {
                "account_id": value("top", "/data/0/utm_source"),
                "start_date": value("o", "/date_range/start_date"),
                "end_date": value("o", "/date_range/end_date"),
            },
        },
        query("top"),
    )

    assert told["other"]["data"]["date_range"] == told["o"]["data"]["date_range"]
    assert told["other"]["data"]["traffic"]["entrances"] == 1


def test_rule_5_2_nothing_there_is_skipped_as_binding_empty(warehouse_file: Path) -> None:
    answer, scans = send(
        warehouse_file,
        "/batch",
        query("top", compare="yoy"),
        query("far", search=value("top", "/data/9/utm_source")),
        query("null", search=value("top", "/data/0/entrances_prev")),
        query("after", "sources", "far"),
        query("one_of_two", "pages", utm_source=["google", value("top", "/data/9/utm_source")]),
    )

    assert answer["status"] == "partial"
    assert {name: result["status"] for name, result in answer["results"].items()} == {
        "top": "success",
        "far": "skipped",
        "null": "skipped",
        "after": "skipped",
        "one_of_two": "skipped",
    }
    message = "there is nothing at '/data/9/utm_source' of 'top'"
    assert answer["results"]["far"] == {
        "status": "skipped",
        "error": {
            "code": "binding_empty",
            "message": f"Skipped: {message}",
            "detail": [
                {"field": "body.queries.1.params.search", "message": message, "type": "binding", "query_id": "top"}
            ],
        },
    }
    assert answer["results"]["null"]["error"]["code"] == "binding_empty"
    assert answer["results"]["after"]["error"]["code"] == "dependency_failed"
    assert len(scans) == 1


def test_rule_5_2_a_value_the_parameter_cannot_read_is_a_binding_that_failed(warehouse_file: Path) -> None:
    told = results(
        warehouse_file,
        query("top"),
        query("size", page_size=value("top", "/data/0/utm_source")),
        query("period", period=value("top", "/data/0/utm_source")),
    )

    assert told["size"]["error"] == {
        "code": "binding_failed",
        "message": "page_size must be a whole number, got 'google'",
        "status": 422,
        "detail": [
            {
                "field": "body.queries.1.params.page_size",
                "message": "page_size must be a whole number, got 'google'",
                "type": "int_parsing",
            }
        ],
    }
    assert (told["period"]["status"], told["period"]["error"]["code"]) == ("error", "binding_failed")
    assert type(told["period"]["timing_ms"]) is int


def test_rule_5_2_an_account_that_is_not_there_is_told_as_ever(warehouse_file: Path) -> None:
    asked = {"id": "b", "endpoint": "/stats/os", "params": {"account_id": value("top", "/data/1/utm_source")}}

    told = results(warehouse_file, query("top", utm_source=["google", "news"]), asked)

    assert told["b"]["error"] == {"code": "account_not_found", "message": "Account not found: news", "status": 404}


def test_rule_5_2_bound_queries_that_become_ready_together_share_a_scan(warehouse_file: Path) -> None:
    taken = value("top", "/data/0/utm_source")
    reports = ("sources", "mediums", "campaigns", "countries", "browsers")

    answer, scans = send(
        warehouse_file,
        "/batch",
        query("top"),
        *(query(report, report, utm_source=taken) for report in reports),
        query("same", "sources", utm_source=taken, page_size=50),
        parallel_limit=1,
    )

    assert answer["status"] == "completed"
    assert len(scans) == 2
    assert answer["results"]["same"]["data"] == answer["results"]["sources"]["data"]


def test_rule_5_2_a_value_passes_through_a_chain(warehouse_file: Path) -> None:
    told = results(
        warehouse_file,
        query("top"),
        query("country", "countries", utm_source=value("top", "/data/2/utm_source")),
        query("page", "pages", country=value("country", "/data/0/country")),
    )

    assert [row["path"] for row in told["page"]["data"]["data"]] == ["/shoes"]
