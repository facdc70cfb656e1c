"""Reading a plan: every fault of its structure at once, and its order.  One test per rule at least."""

import json
from dataclasses import asdict
from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanin.catalog.errors import BadRequest, InvalidQuery, StatsError
from fanin.rest_compat.dependency_graph import cycles, levels
from fanin.rest_compat.plan import MOST_PROBLEMS, BatchOptions, Plan, PlannedQuery, PlanRefused, read_plan
from fanin.rest_compat.plan_checks import OPTIONS, PlanProblem
from fanin.rest_compat.spelled_params import spell_params

UNHURRIED = settings(deadline=None)  # a slow machine is no failure

ID_RULE = "1 to 64 letters, digits, '_' or '-', starting with a letter or a digit"


def query(query_id, *depends_on, **members):
    entry = {"id": query_id, "endpoint": "/stats/overview", "params": {"account_id": "blog"}}
    return entry | ({"depends_on": list(depends_on)} if depends_on else {}) | members


def without(member, query):
    return {name: value for name, value in query.items() if name != member}


def read(*queries, **others):
    return read_plan(json.dumps({"queries": list(queries)} | others).encode())


def problems(*queries, **others):
    """``[[field, type, message, query_id?]]`` of a refused plan."""
    with pytest.raises(PlanRefused) as refused:
        read(*queries, **others)
    assert (refused.value.code, refused.value.http_status) == ("validation_error", 422)
    told = refused.value.as_json()["detail"]
    return [[fault["field"], fault["type"], fault["message"], *filter(None, [fault.get("query_id")])] for fault in told]


def test_the_example_of_the_page_is_read():
    body = {
        "queries": [
            {
                "id": "overview",
                "endpoint": "/stats/overview",
                "params": {"account_id": "my-site", "period": "30d"},
            },
            {
                "id": "pages",
                "endpoint": "/stats/pages",
                "params": {"account_id": "my-site", "period": "30d", "page_size": 10},
            },
            {
                "id": "sources",
                "endpoint": "/stats/sources",
                "params": {"account_id": "my-site", "period": "30d"},
                "depends_on": ["overview"],
            },
        ],
        "options": {"fail_fast": False, "parallel_limit": 5, "include_timing": True},
    }

    plan = read_plan(json.dumps(body).encode())

    assert plan == Plan(
        queries=(
            PlannedQuery("overview", "/stats/overview", {"account_id": "my-site", "period": "30d"}, (), 0),
            PlannedQuery("pages", "/stats/pages", {"account_id": "my-site", "period": "30d", "page_size": 10}, (), 1),
            PlannedQuery("sources", "/stats/sources", {"account_id": "my-site", "period": "30d"}, ("overview",), 2),
        ),
        options=BatchOptions(fail_fast=False, parallel_limit=5, include_timing=True, dry_run=False),
    )
    assert plan.execution_order == ("overview", "pages", "sources")
    assert plan.parallel_groups == (("overview", "pages"), ("sources",))


def test_options_left_out_are_as_documented():
    assert read(query("a")).options == BatchOptions(False, 5, True, False)


def test_every_option_of_the_table_is_a_field_of_the_plan():
    assert list(asdict(BatchOptions())) == list(OPTIONS)


def test_rule_1_1_not_json_is_a_bad_request():
    with pytest.raises(BadRequest) as refused:
        read_plan(b'{"queries": }')

    assert refused.value.message == "The body is no JSON: Expecting value at line 1, column 13"


@pytest.mark.parametrize(
    ("body", "told"), [(b"[1, 2]", "a list of 2"), (b"null", "null"), (b'"x"', "'x'"), (b"7", "7")]
)
def test_rule_1_1_json_that_is_no_object_is_invalid_but_no_refused_plan(body, told):
    with pytest.raises(InvalidQuery) as refused:
        read_plan(body)

    message = f"The body must be a JSON object, not {told}"
    assert not isinstance(refused.value, PlanRefused)
    assert refused.value.as_json() == {
        "code": "validation_error",
        "message": message,
        "detail": [{"field": "body", "message": message, "type": "object_type"}],
    }


def test_rule_1_1_every_problem_is_told_at_once():
    body = b"""{"queries": [{"id": "a", "endpoint": "/pages", "params": {"page": 1, "page": 2}, "depends_on": ["b", 1]},
                            {"id": "b", "endpoint": "/stats/pages", "params": {}, "depends_on": ["a"]}],
                "options": {"parallel_limit": 0}}"""

    with pytest.raises(PlanRefused) as refused:
        read_plan(body)

    assert refused.value.query_count == 2
    assert refused.value.as_json() == {
        "code": "validation_error",
        "message": "The key 'page' is written twice in the same object (and 4 more)",
        "detail": [
            {
                "field": "body.queries.0.params.page",
                "message": "The key 'page' is written twice in the same object",
                "type": "duplicate_key",
                "query_id": "a",
            },
            {
                "field": "body.queries.0.endpoint",
                "message": "endpoint must be a path that starts with '/stats/', not '/pages'",
                "type": "string_pattern_mismatch",
                "query_id": "a",
            },
            {
                "field": "body.queries.0.depends_on.1",
                "message": "A dependency must be a query's id, not 1",
                "type": "string_type",
                "query_id": "a",
            },
            {
                "field": "body.queries.0.depends_on",
                "message": "The queries wait for each other: a → b → a",
                "type": "cycle",
                "query_id": "a",
            },
            {
                "field": "body.options.parallel_limit",
                "message": "parallel_limit must be a whole number from 1 to 10, not 0",
                "type": "out_of_range",
            },
        ],
    }


def test_rule_1_1_a_refusal_is_copied_whole():
    with pytest.raises(PlanRefused) as refused:
        read()

    copy = refused.value.copy()

    assert (copy.as_json(), copy.query_count) == (refused.value.as_json(), 0)


def test_rule_1_1_a_problem_seen_from_one_level_up_keeps_its_query():
    assert PlanProblem("id", "id is missing", "missing", "a").under("body").as_json() == {
        "field": "body.id",
        "message": "id is missing",
        "type": "missing",
        "query_id": "a",
    }


def test_rule_1_1_nonsense_is_told_up_to_a_bound():
    with pytest.raises(PlanRefused) as refused:
        read(*[{}] * 1000)

    assert refused.value.query_count == 1000
    assert len(refused.value.detail) == MOST_PROBLEMS + 1
    assert refused.value.as_json()["detail"][-1] == {
        "field": "body",
        "message": "Only the first 500 problems are told",
        "type": "too_many_problems",
    }


def test_rule_1_2_queries_may_not_be_missing():
    with pytest.raises(PlanRefused) as refused:
        read_plan(b"{}")

    assert refused.value.as_json()["detail"] == [
        {"field": "body.queries", "message": "queries is missing: a list of 1 to 50 queries", "type": "missing"}
    ]


@pytest.mark.parametrize(
    ("queries", "fault", "told"),
    [
        ([], "too_short", "a list of 0"),
        ([query(f"q{n}") for n in range(51)], "too_long", "a list of 51"),
        ({"a": query("a")}, "list_type", "an object"),
        (None, "list_type", "null"),
    ],
)
def test_rule_1_2_there_are_1_to_50_queries(queries, fault, told):
    with pytest.raises(PlanRefused) as refused:
        read_plan(json.dumps({"queries": queries}).encode())

    assert refused.value.as_json()["detail"] == [
        {"field": "body.queries", "message": f"queries must be a list of 1 to 50 queries, not {told}", "type": fault}
    ]


def test_rule_1_2_50_queries_are_a_plan():
    assert len(read(*(query(f"q{n}") for n in range(50))).queries) == 50


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        (7, ["body.queries.0", "object_type", "A query must be an object, not 7"]),
        (without("id", query("a")), ["body.queries.0.id", "missing", f"id is missing: {ID_RULE}"]),
        (
            without("endpoint", query("a")),
            ["body.queries.0.endpoint", "missing", "endpoint is missing: a path that starts with '/stats/'", "a"],
        ),
        (without("params", query("a")), ["body.queries.0.params", "missing", "params is missing: an object", "a"]),
        (query(1), ["body.queries.0.id", "string_type", f"id must be {ID_RULE}, not 1"]),
        (
            query("a", endpoint=None),
            [
                "body.queries.0.endpoint",
                "string_type",
                "endpoint must be a path that starts with '/stats/', not null",
                "a",
            ],
        ),
        (
            query("a", params=[["page", 1]]),
            ["body.queries.0.params", "object_type", "params must be an object, not a list of 1", "a"],
        ),
        (
            query("a", depends_on="b"),
            ["body.queries.0.depends_on", "list_type", "depends_on must be a list of query ids, not 'b'", "a"],
        ),
        (
            query("a", depends_on=[["b"]]),
            ["body.queries.0.depends_on.0", "string_type", "A dependency must be a query's id, not a list of 1", "a"],
        ),
    ],
)
def test_rule_1_2_a_member_missing_or_of_the_wrong_type_is_told(entry, problem):
    assert problems(entry) == [problem]


def test_rule_1_2_a_duplicate_id_names_both_positions():
    assert problems(query("a"), query("b"), query("a")) == [
        ["body.queries.2.id", "duplicate_id", "The id 'a' is used twice: queries 0 and 2", "a"]
    ]


@pytest.mark.parametrize(
    ("endpoint", "hint"),
    [
        ("/api/v1/stats/pages", " (did you mean '/stats/pages'?)"),
        ("https://host/api/v1/stats/pages", " (did you mean '/stats/pages'?)"),
        ("stats/pages", " (did you mean '/stats/pages'?)"),
        ("/Stats/pages", ""),
        ("pages", ""),
        ("", ""),
    ],
)
def test_rule_1_2_an_endpoint_starts_with_stats(endpoint, hint):
    message = f"endpoint must be a path that starts with '/stats/', not '{endpoint}'{hint}"

    assert problems(query("a", endpoint=endpoint)) == [
        ["body.queries.0.endpoint", "string_pattern_mismatch", message, "a"]
    ]


@pytest.mark.parametrize("limit", [1, 10])
def test_rule_1_2_a_limit_in_range_is_taken(limit):
    assert read(query("a"), options={"parallel_limit": limit}).options.parallel_limit == limit


@pytest.mark.parametrize(
    ("limit", "fault", "told"),
    [
        (0, "out_of_range", "0"),
        (11, "out_of_range", "11"),
        (-1, "out_of_range", "-1"),
        (True, "int_type", "true"),
        (5.0, "int_type", "5.0"),
        ("5", "int_type", "'5'"),
        (None, "int_type", "null"),
    ],
)
def test_rule_1_2_a_limit_is_never_clamped_or_guessed(limit, fault, told):
    message = f"parallel_limit must be a whole number from 1 to 10, not {told}"

    assert problems(query("a"), options={"parallel_limit": limit}) == [["body.options.parallel_limit", fault, message]]


@pytest.mark.parametrize("option", ["fail_fast", "include_timing", "dry_run"])
def test_rule_1_2_a_flag_is_true_or_false(option):
    assert getattr(read(query("a"), options={option: True}).options, option) is True
    assert problems(query("a"), options={option: 1}) == [
        [f"body.options.{option}", "bool_type", f"{option} must be true or false, not 1"]
    ]


def test_rule_1_2_options_are_an_object():
    assert problems(query("a"), options=None) == [
        ["body.options", "object_type", "options must be an object, not null"]
    ]


def test_rule_1_2_an_unknown_dependency_carries_the_nearest_id():
    assert problems(query("overview"), query("b", "overveiw"), query("c", "zzz")) == [
        [
            "body.queries.1.depends_on.0",
            "unknown_dependency",
            "There is no query 'overveiw' to wait for (did you mean 'overview'?)",
            "b",
        ],
        ["body.queries.2.depends_on.0", "unknown_dependency", "There is no query 'zzz' to wait for", "c"],
    ]


def test_rule_1_2_a_dependency_on_a_query_with_a_bad_id_is_no_second_fault():
    assert problems(query("a b"), query("c", "a b")) == [
        ["body.queries.0.id", "string_pattern_mismatch", f"id must be {ID_RULE}, not 'a b'"]
    ]


def test_rule_1_2_a_self_dependency_is_its_own_fault():
    assert problems(query("a", "a")) == [
        ["body.queries.0.depends_on.0", "self_dependency", "The query 'a' depends on itself", "a"]
    ]


def test_rule_1_2_a_cycle_is_printed_in_full():
    assert problems(query("a", "c"), query("b", "a"), query("c", "b")) == [
        ["body.queries.0.depends_on", "cycle", "The queries wait for each other: a → c → b → a", "a"]
    ]


def test_rule_1_2_every_strongly_connected_group_prints_one_cycle():
    queries = [
        query("after", "b", "y"),  # waits for cycles, is in none
        query("b", "a", "d"),
        query("a", "b", "free"),
        query("free"),
        query("d", "e"),
        query("e", "b"),  # b → d → e → b is the longer way round
        query("x", "y", "a"),
        query("y", "x"),
    ]

    assert problems(*queries) == [
        ["body.queries.1.depends_on", "cycle", "The queries wait for each other: b → a → b", "b"],
        ["body.queries.6.depends_on", "cycle", "The queries wait for each other: x → y → x", "x"],
    ]


def test_rule_1_2_a_cycle_of_the_longest_ids_and_all_queries_is_printed_in_full():
    ids = [f"{n:02d}".ljust(64, "x") for n in range(50)]
    queries = [query(name, needed) for name, needed in zip(ids, [*ids[1:], ids[0]], strict=True)]

    [[_, _, message, _]] = problems(*queries)

    assert message == f"The queries wait for each other: {' → '.join([*ids, ids[0]])}"


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("dependsOn", " (did you mean 'depends_on'?)"),
        ("endpint", " (did you mean 'endpoint'?)"),
        ("ID", " (did you mean 'id'?)"),
        ("zzz", "; known are id, endpoint, params, depends_on"),
    ],
)
def test_rule_1_2_an_unknown_key_of_a_query_is_refused_with_a_suggestion(key, hint):
    assert problems(query("a", **{key: []})) == [
        [f"body.queries.0.{key}", "extra_forbidden", f"Unknown key '{key}'{hint}", "a"]
    ]


def test_rule_1_2_an_unknown_option_is_refused_with_a_suggestion():
    assert problems(query("a"), options={"failFast": True}) == [
        ["body.options.failFast", "extra_forbidden", "Unknown key 'failFast' (did you mean 'fail_fast'?)"]
    ]


def test_an_unknown_key_of_the_body_is_refused_with_a_suggestion():
    assert problems(query("a"), option={}) == [
        ["body.option", "extra_forbidden", "Unknown key 'option' (did you mean 'options'?)"]
    ]


@pytest.mark.parametrize(
    ("body", "field", "owner"),
    [
        (b'{"queries": [Q, R], "queries": [Q, R]}', "body.queries", None),
        (b'{"queries": [Q, R], "options": {"dry_run": true, "dry_run": false}}', "body.options.dry_run", None),
        (b'{"queries": [Q, {"id": "x", "id": "b", "endpoint": "/stats/os", "params": {}}]}', "body.queries.1.id", "b"),
        (
            b'{"queries": [Q, {"id": "b", "endpoint": "/stats/os", "params": {"period": "7d", "period": "30d"}}]}',
            "body.queries.1.params.period",
            "b",
        ),
    ],
)
def test_rule_1_2_the_same_key_twice_is_refused(body, field, owner):
    body = body.replace(b"Q", json.dumps(query("a")).encode()).replace(b"R", json.dumps(query("b")).encode())

    with pytest.raises(PlanRefused) as refused:
        read_plan(body)

    message = f"The key '{field.rpartition('.')[2]}' is written twice in the same object"
    expected = {"field": field, "message": message, "type": "duplicate_key"}
    assert refused.value.as_json()["detail"] == [expected | ({"query_id": owner} if owner else {})]


def test_rule_1_3_content_is_not_looked_at():
    plan = read(query("a", endpoint="/stats/nothing", params={"period": "31x", "who": {"knows": [1]}}))

    assert plan.queries[0].params == {"period": "31x", "who": {"knows": [1]}}


@pytest.mark.parametrize("query_id", ["a", "Z", "0", "a-b_c", "9-", "x" * 64])
def test_rule_1_4_a_good_id_is_taken(query_id):
    assert read(query(query_id)).execution_order == (query_id,)


@pytest.mark.parametrize("query_id", ["", "-a", "_a", "a b", "a.b", "a/b", "é", "a\n", "١", "x" * 65])
def test_rule_1_4_a_bad_id_is_refused(query_id):
    assert [fault[:2] for fault in problems(query(query_id))] == [["body.queries.0.id", "string_pattern_mismatch"]]


def test_rule_1_4_ids_are_case_sensitive():
    assert read(query("a"), query("A")).execution_order == ("a", "A")


def test_rule_1_4_depends_on_is_a_set_and_may_point_forward():
    plan = read(query("a", "c", "b", "c"), query("b"), query("c"))

    assert plan.queries[0].depends_on == ("c", "b")
    assert plan.parallel_groups == (("b", "c"), ("a",))


@pytest.mark.parametrize(
    ("endpoint", "path"),
    [
        ("/stats/pages", "pages"),
        ("/stats/pages/", "pages"),
        ("/stats/geo/countries", "geo/countries"),
        ("/stats/pages//", "pages/"),
        ("/stats/../accounts", "../accounts"),
        ("/stats/pages?page=2", "pages?page=2"),
        ("/stats/geo%2Fcountries", "geo%2Fcountries"),
        ("/stats/", ""),
    ],
)
def test_rule_1_5_one_trailing_slash_is_dropped_and_nothing_else(endpoint, path):
    assert read(query("a", endpoint=endpoint)).queries[0].report_path == path


def test_rule_1_6_params_are_spelled_as_in_a_query_string():
    params = {
        "page": 10,
        "share": 0.5,
        "page_size": 20.0,
        "search": "10",
        "details": True,
        "country": ["ES", 1, None, False],
        "compare": None,
        "utm_term": [],
    }

    assert spell_params(params) == {
        "page": ("10",),
        "share": ("0.5",),
        "page_size": ("20",),
        "search": ("10",),
        "details": ("true",),
        "country": ("ES", "1", "false"),
    }


def test_rule_1_6_what_a_query_string_cannot_carry_is_refused():
    with pytest.raises(InvalidQuery) as refused:
        spell_params({"a": {"b": 1}, "page": 1, "c": [[1]]})

    assert [problem.as_json() for problem in refused.value.detail] == [
        {"field": "a", "message": "a must be a value or a list of values, not an object", "type": "value_error"},
        {"field": "c", "message": "c must be a value or a list of values, not a list of 1", "type": "value_error"},
    ]


def test_rule_2_1_groups_are_dependency_levels_in_input_order():
    plan = read(
        query("deep", "middle"),
        query("b"),
        query("middle", "a"),
        query("a"),
        query("side", "b"),
        query("both", "b", "middle"),
        options={"parallel_limit": 1},
    )

    assert plan.parallel_groups == (("b", "a"), ("middle", "side"), ("deep", "both"))
    assert plan.execution_order == ("b", "a", "middle", "side", "deep", "both")


def test_rule_2_1_a_chain_of_50_has_50_groups():
    ids = [f"q{n}" for n in range(50)]
    plan = read(query("q0"), *(query(later, earlier) for earlier, later in pairwise(ids)))

    assert plan.parallel_groups == tuple((query_id,) for query_id in ids)


NODES = [f"n{number}" for number in range(8)]
GRAPHS = st.fixed_dictionaries(
    {
        node: st.lists(st.sampled_from([other for other in NODES if other != node]), unique=True, max_size=3)
        for node in NODES
    }
)


@UNHURRIED
@given(st.permutations(NODES), st.data())
def test_rule_2_1_every_id_once_and_dependencies_first(order, data):
    depends_on = {
        node: data.draw(st.sets(st.sampled_from(order[:place]))) if place else () for place, node in enumerate(order)
    }
    plan = read(*(query(node, *depends_on[node]) for node in NODES))

    place_of = {query_id: place for place, query_id in enumerate(plan.execution_order)}
    level_of = {query_id: level for level, group in enumerate(plan.parallel_groups) for query_id in group}

    assert sorted(plan.execution_order) == NODES
    assert all(place_of[needed] < place_of[node] for node in NODES for needed in depends_on[node])
    assert level_of == {node: max((1 + level_of[needed] for needed in depends_on[node]), default=0) for node in NODES}
    assert all(list(group) == sorted(group, key=NODES.index) for group in plan.parallel_groups)


def reached(graph, start):
    found = set()
    while new := {needed for node in {start, *found} for needed in graph[node]} - found:
        found |= new
    return found


@UNHURRIED
@given(GRAPHS)
def test_rule_1_2_one_real_cycle_for_every_strongly_connected_group(graph):
    found = list(cycles(graph))

    reach = {node: reached(graph, node) for node in graph}
    in_cycles = {node for node in graph if node in reach[node]}
    assert all(cycle[0] == cycle[-1] and len(set(cycle)) == len(cycle) - 1 >= 2 for cycle in found)
    assert all(later in graph[earlier] for cycle in found for earlier, later in pairwise(cycle))
    assert all(
        other not in reach[node] or node not in reach[other] for (node, *_), (other, *_) in combinations(found, 2)
    )
    assert all(any(node in reach[start] and start in reach[node] for start, *_ in found) for node in in_cycles)


@UNHURRIED
@given(GRAPHS)
def test_rule_2_1_only_what_waits_for_a_cycle_has_no_level(graph):
    placed = {node for level in levels(graph) for node in level}

    reach = {node: reached(graph, node) for node in graph}
    assert placed == {node for node in graph if not any(other in reach[other] for other in {node, *reach[node]})}


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 60) | st.sampled_from(["a", "b", "", "/stats/os", "/stats/"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "endpoint", "params", "depends_on", "dry_run", "x"]), inner, max_size=5
        )
    ),
    max_leaves=15,
)
ANY_PLAN = st.fixed_dictionaries(
    {}, optional={"queries": st.lists(ANY_JSON, max_size=4) | ANY_JSON, "options": ANY_JSON}
)


@UNHURRIED
@given(st.binary() | ANY_PLAN.map(json.dumps).map(str.encode) | ANY_JSON.map(json.dumps).map(str.encode))
def test_any_bytes_are_a_plan_or_a_documented_error(body):
    try:
        plan = read_plan(body)
    except StatsError as refused:
        json.dumps(refused.as_json(), ensure_ascii=False).encode()
    else:
        assert len(plan.execution_order) == len(plan.queries)
