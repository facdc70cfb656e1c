"""The same numbers at every door: GraphQL, the batch and the single GETs, on two real logs and the made-up shop."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from fanin.catalog.endpoints import ENDPOINTS, ENDPOINTS_BY_PATH, Shape
from fanin.schema.naming import camel_case
from fanin.tests.facts import client_of, engine_over, without
from fanin.tests.questions import GOAL, READ, path_of

ONE_OBJECT = (Shape.TOTALS, Shape.BREAKDOWN, Shape.GOAL)  # shapes whose envelope holds an object.  Contract §1.0.1

# The days each account has.
WINDOWS = {
    "blog": {"start_date": "2015-05-17", "end_date": "2015-05-20"},
    "shop": {"start_date": "2019-01-26", "end_date": "2019-01-26"},
    "my-site": {"period": "30d"},
}
ACCOUNTS = list(WINDOWS)


def asked(path: Path, *requests: tuple[str, str, Any]) -> list[httpx.Response]:
    """The responses to requests of (method, address, JSON body or query parameters)."""

    async def ask() -> list[httpx.Response]:
        with engine_over(path) as (engine, _):
            async with client_of(engine) as client:
                return [
                    await client.request(method, address, **({"json": body} if method == "POST" else {"params": body}))
                    for method, address, body in requests
                ]

    return asyncio.run(ask())


def get(path: Path, report: str, **params: Any) -> dict[str, Any]:
    (response,) = asked(path, ("GET", f"/api/v1{report}", params))
    assert response.status_code == 200, response.text
    return response.json()


def in_batch(path: Path, account: str, **extra: Any) -> dict[str, Any]:
    """Every report in one batch, by report name."""
    queries = [
        {"id": name, "endpoint": path_of(endpoint), "params": {"account_id": account, **WINDOWS[account], **extra}}
        for name, endpoint in READ.items()
    ]
    (response,) = asked(path, ("POST", "/api/v1/batch", {"queries": queries}))
    body = response.json()
    assert body["status"] == "completed", body
    return {name: body["results"][name]["data"] for name in READ}


@pytest.fixture(scope="module")
def batches(sample_warehouse: Path) -> dict[str, dict[str, Any]]:
    return {account: in_batch(sample_warehouse, account) for account in ACCOUNTS}


@pytest.mark.parametrize("account", ACCOUNTS)
@pytest.mark.parametrize("name", READ)
def test_rule_4_3_the_batch_gives_what_the_single_get_gives(
    sample_warehouse: Path, batches: dict[str, dict[str, Any]], name: str, account: str
) -> None:
    endpoint = ENDPOINTS[name]

    answer = get(sample_warehouse, path_of(endpoint), account_id=account, **WINDOWS[account])

    data = answer["data"] if endpoint.shape in ONE_OBJECT else without(answer, "success", "timestamp", "meta")
    absent = [key for key in ("comparison", "totals") if data.get(key, 0) is None]
    assert without(data, *absent) == batches[account][name]


@pytest.mark.parametrize("account", ACCOUNTS)
@pytest.mark.parametrize("name", [name for name, row in ENDPOINTS.items() if row.shape is Shape.ROWS])
def test_rest_and_graphql_give_the_same_rows(
    sample_warehouse: Path, batches: dict[str, dict[str, Any]], name: str, account: str
) -> None:
    endpoint = ENDPOINTS[name]
    fields = (*endpoint.dimensions, *endpoint.labels, *endpoint.metrics)
    window = {camel_case(key): value for key, value in WINDOWS[account].items()}
    document = (
        "query ($account: ID!, $period: String, $startDate: Date, $endDate: Date) { stats(accountId: $account, "
        "period: $period, startDate: $startDate, endDate: $endDate) { "
        f"{camel_case(name)} {{ total rows {{ {' '.join(map(camel_case, fields))} }} }} }} }}"
    )

    (response,) = asked(
        sample_warehouse, ("POST", "/graphql", {"query": document, "variables": {"account": account, **window}})
    )

    report = response.json()["data"]["stats"][camel_case(name)]
    rest = batches[account][name]
    assert report["total"] == rest["total"]
    rows = [{field: _alike(row[camel_case(field)]) for field in fields} for row in report["rows"]]
    assert rows == [{field: _alike(row[field]) for field in fields} for row in rest["data"]]


def _alike(value: Any) -> Any:
    """Money is a text at one door and may be a number at the other."""
    try:
        return Decimal(str(value))
    except ArithmeticError:
        return value


@pytest.mark.parametrize("account", ACCOUNTS)
@pytest.mark.parametrize("name", ["channels", "countries", "device_types", "browsers", "os", "mediums"])
@pytest.mark.parametrize("metric", ["entrances", "engaged_entrances", "page_views", "conversions", "microconversions"])
def test_the_sums_over_a_dimension_are_exactly_the_overview(
    sample_warehouse: Path, batches: dict[str, dict[str, Any]], name: str, account: str, metric: str
) -> None:
    endpoint = ENDPOINTS[name]
    assert endpoint.page_size is not None
    size = endpoint.page_size.maximum

    rows = get(sample_warehouse, endpoint.path, account_id=account, page_size=size, **WINDOWS[account])["data"]

    assert sum(row[metric] for row in rows) == batches[account]["overview"]["traffic"][metric]


@pytest.mark.parametrize("account", ACCOUNTS)
def test_money_adds_up_to_the_cent(sample_warehouse: Path, batches: dict[str, dict[str, Any]], account: str) -> None:
    countries = get(sample_warehouse, "/stats/countries", account_id=account, page_size=1000, **WINDOWS[account])

    revenue = sum((Decimal(row["revenue"]) for row in countries["data"]), Decimal())

    assert revenue == Decimal(batches[account]["overview"]["traffic"]["revenue"])
    conversions = batches[account]["conversions"]["data"]
    assert revenue == sum((Decimal(row["revenue"]) for row in conversions), Decimal())


@pytest.mark.parametrize("account", ACCOUNTS)
def test_views_and_entrances_of_all_pages_are_those_of_the_overview(
    sample_warehouse: Path, batches: dict[str, dict[str, Any]], account: str
) -> None:
    views = entrances = 0
    page = 1
    while True:
        found = get(sample_warehouse, "/stats/pages", account_id=account, page=page, page_size=1000, **WINDOWS[account])
        views += sum(row["page_views"] for row in found["data"])
        entrances += sum(row["entrances"] for row in found["data"])
        if not found["has_next"]:
            break
        page += 1

    overview = batches[account]["overview"]["traffic"]
    assert views == overview["page_views"]
    assert entrances + _entrances_without_a_page(sample_warehouse, account) == overview["entrances"]


def _entrances_without_a_page(path: Path, account: str) -> int:
    """Sessions of which only goals were seen, such as a download reached from elsewhere: they land on no page."""
    rows = get(path, "/stats/landing-pages", account_id=account, page_size=1000, **WINDOWS[account])["data"]
    return sum(row["entrances"] for row in rows if row["landing_page"] == "")


@pytest.mark.parametrize("account", ACCOUNTS)
def test_page_one_and_two_are_the_double_page(sample_warehouse: Path, account: str) -> None:
    def rows(page: int, size: int) -> list[Any]:
        window = WINDOWS[account]
        return get(sample_warehouse, "/stats/landing-pages", account_id=account, page=page, page_size=size, **window)[
            "data"
        ]

    assert rows(1, 7) + rows(2, 7) == rows(1, 14)


@pytest.mark.parametrize("path", ENDPOINTS_BY_PATH)
def test_every_documented_path_answers_alike_alone_and_in_a_batch(sample_warehouse: Path, path: str) -> None:
    path = path.replace("{type}", GOAL)
    params = {"account_id": "my-site", "period": "7d"}
    single, batch = asked(
        sample_warehouse,
        ("GET", f"/api/v1{path}", params),
        ("POST", "/api/v1/batch", {"queries": [{"id": "q", "endpoint": path + "/", "params": params}]}),
    )

    assert single.status_code == 200
    assert batch.json()["results"]["q"]["status"] == "success"


def test_the_whole_page_costs_one_scan_with_comparison_and_all(sample_warehouse: Path) -> None:
    names = [name for name, row in ENDPOINTS.items() if row.on_the_page]
    fields = " ".join(f"{camel_case(name)} {{ __typename }}" for name in names)
    document = f'{{ stats(accountId: "my-site", period: "30d", compare: PREVIOUS) {{ {fields} }} }}'

    (response,) = asked(sample_warehouse, ("POST", "/graphql", {"query": document}))

    sharing = response.json()["extensions"]["fanin"]
    assert len(names) == 16
    assert (sharing["fields"], sharing["identical"], sharing["scans"]) == (16, 0, 1)
    assert sharing["sources"] == {"rollup": 1}
