"""Credentials in front of an upstream API: one key for all, or each caller's own, which the upstream then judges."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from fanin.app import create_app
from fanin.catalog.accounts import Account
from fanin.catalog.errors import BadRequest
from fanin.cli import cli
from fanin.server.settings import ServerSettings, read_settings, read_upstream
from fanin.tests.callers import Ask, batch, closed, document, key_for
from fanin.tests.facts import visit, write
from fanin.tests.upstreams import fanin_served, gateway_over
from fanin.warehouse.addresses import open_warehouse
from fanin.warehouse.upstream_options import Upstream


@dataclass(frozen=True)
class Guarded:
    """A fanin that asks for keys, and two of its keys."""

    address: str
    all_accounts: str
    acme_alone: str


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("guarded")
    for account in ("acme", "blog"):
        write(folder / "w.duckdb", account, [visit("2026-03-17T10:00"), visit("2026-03-17T11:00", channel="Email")])
    keys = folder / "keys.json"
    all_accounts, acme_alone = key_for(keys), key_for(keys, "acme")
    with fanin_served(folder / "w.duckdb", closed(keys)) as address:
        yield Guarded(address, all_accounts, acme_alone)


def through(guarded: Guarded, options: Upstream, settings: ServerSettings, *asks: Any) -> list[httpx.Response]:
    async def run() -> list[httpx.Response]:
        async with gateway_over(guarded.address, options) as engine:
            transport = httpx.ASGITransport(create_app(engine, settings))
            async with httpx.AsyncClient(transport=transport, base_url="http://fanin.test") as client:
                return [
                    await client.request(ask.method, ask.address, json=ask.body, headers=dict(ask.headers))
                    for ask in asks
                ]

    return asyncio.run(run())


def outcomes(response: httpx.Response) -> list[Any]:
    """Of a batch the rows found, or the error's code, of each query."""
    if response.status_code != 200:
        return [response.status_code, response.json()["error"]["code"]]
    results = response.json()["results"].values()
    return [result["data"]["total"] if "data" in result else result["error"]["code"] for result in results]


PASSING = Upstream(passes_credentials=True)
PASSES = ServerSettings(upstream=PASSING)


def test_each_caller_reads_what_the_upstream_lets_them(guarded: Guarded) -> None:
    asked = batch("acme", "blog")

    told = through(
        guarded,
        PASSING,
        PASSES,
        asked.by(guarded.all_accounts),
        asked.by(guarded.acme_alone),
        asked.bearing(guarded.acme_alone),
        asked.by(guarded.all_accounts),
    )

    assert list(map(outcomes, told)) == [[2, 2], [2, "forbidden"], [2, "forbidden"], [2, 2]]


def test_whoever_shows_nothing_is_refused_here_and_whoever_shows_a_wrong_key_there(guarded: Guarded) -> None:
    nothing, wrong = through(guarded, PASSING, PASSES, batch("acme"), batch("acme").by("sm_made_up"))

    assert outcomes(nothing) == [401, "unauthorized"]
    assert outcomes(wrong) == ["unauthorized"]
    assert "sm_made_up" not in wrong.text


def test_one_key_serves_callers_who_show_ours(guarded: Guarded, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    own = key_for(keys, "acme")
    settings = closed(keys, upstream=Upstream(key=guarded.all_accounts))

    told = through(
        guarded,
        Upstream(key=guarded.all_accounts),
        settings,
        batch("acme", "blog").by(own),
        batch("acme"),
        batch("acme").by(guarded.all_accounts),
    )

    assert list(map(outcomes, told)) == [[2, "forbidden"], [401, "unauthorized"], [401, "unauthorized"]]


def test_a_key_of_ours_that_the_upstream_refuses_is_no_fault_of_the_caller(guarded: Guarded) -> None:
    (told,) = through(guarded, Upstream(key="sm_revoked"), ServerSettings(), batch("acme"))

    assert outcomes(told) == ["database_unavailable"]
    assert "key" not in told.json()["results"]["q0"]["error"]["message"]


def test_accounts_that_were_named_are_all_there_are(guarded: Guarded) -> None:
    options = Upstream(key=guarded.all_accounts, accounts=(Account("acme", "Europe/Madrid", "EUR"),))
    asked = "{ accounts { id timeZone currency } }"

    async def run() -> Any:
        async with gateway_over(guarded.address, options) as engine:
            transport = httpx.ASGITransport(create_app(engine))
            async with httpx.AsyncClient(transport=transport, base_url="http://fanin.test") as client:
                answers = [await client.post("/graphql", json={"query": text}) for text in (asked, document("blog"))]
                return [answer.json() for answer in answers]

    listed, unnamed = asyncio.run(run())

    assert listed["data"] == {"accounts": [{"id": "acme", "timeZone": "Europe/Madrid", "currency": "EUR"}]}
    assert unnamed["errors"][0]["extensions"]["code"] == "account_not_found"


def test_to_whom_shows_something_made_up_no_account_is_listed_and_no_metric_told(guarded: Guarded) -> None:
    options = Upstream(passes_credentials=True, accounts=(Account("acme", "Europe/Madrid"),))
    settings = ServerSettings(upstream=options)

    listed, known, unknown, metrics = through(
        guarded,
        options,
        settings,
        Ask("POST", "/graphql", {"query": "{ accounts { id } }"}).by("made-up"),
        batch("acme").by("made-up"),
        batch("nowhere").by("made-up"),
        Ask("GET", "/metrics").by("made-up"),
    )

    assert listed.json()["data"] == {"accounts": []}
    assert known.json()["results"] == unknown.json()["results"]
    assert (metrics.status_code, metrics.json()["error"]["code"]) == (403, "forbidden")


# --- settings and commands ----------------------------------------------------------------------------------------


def test_an_upstream_is_told_by_variables() -> None:
    told = read_upstream(
        {
            "FANIN_UPSTREAM_KEY": " sm_x ",
            "FANIN_UPSTREAM_ACCOUNTS": "acme=Europe/Madrid:EUR, blog ,shop=UTC",
            "FANIN_UPSTREAM_TIMEOUT_S": "9",
            "FANIN_UPSTREAM_CONNECTIONS": "3",
        }
    )

    accounts = (Account("acme", "Europe/Madrid", "EUR"), Account("blog"), Account("shop"))
    assert told == Upstream("sm_x", accounts=accounts, answer_s=9, connections=3)
    assert "sm_x" not in repr(told)
    assert read_upstream({"FANIN_UPSTREAM_CREDENTIALS": "caller"}) == PASSING


WRONG = {
    "FANIN_UPSTREAM_CREDENTIALS: 'theirs' is none of own, caller": {"FANIN_UPSTREAM_CREDENTIALS": "theirs"},
    "FANIN_UPSTREAM_CREDENTIALS is caller and FANIN_UPSTREAM_KEY is set; only one of them can be used": {
        "FANIN_UPSTREAM_CREDENTIALS": "caller",
        "FANIN_UPSTREAM_KEY": "sm_x",
    },
    "FANIN_UPSTREAM_KEY holds letters that no header can": {"FANIN_UPSTREAM_KEY": "sm_\n" + "x"},
    "FANIN_UPSTREAM_TIMEOUT_S must be a whole number from 1, got 'soon'": {"FANIN_UPSTREAM_TIMEOUT_S": "soon"},
    "FANIN_UPSTREAM_ACCOUNTS: 'acme=Europe/Nowhere': 'Europe/Nowhere' is no time zone such as Europe/Madrid": {
        "FANIN_UPSTREAM_ACCOUNTS": "acme=Europe/Nowhere"
    },
}


@pytest.mark.parametrize("message", WRONG)
def test_a_wrong_variable_is_named(message: str) -> None:
    with pytest.raises(BadRequest) as refusal:
        read_upstream(WRONG[message])

    assert refusal.value.message == message


def test_variables_of_an_upstream_are_nothing_to_other_warehouses() -> None:
    settings = read_settings({"FANIN_UPSTREAM_CREDENTIALS": "caller", "FANIN_WAREHOUSE": "duckdb:///w.duckdb"})

    assert not settings.passes_credentials


@pytest.mark.parametrize("address", ["https://user:secret@host/api/v1", "https://host/api/v1?key=secret"])
def test_an_address_that_holds_more_than_an_address_is_refused(address: str) -> None:
    with pytest.raises(BadRequest) as refusal:
        open_warehouse(address)

    assert "secret" not in refusal.value.message


def test_commands_ask_an_upstream_too(guarded: Guarded) -> None:
    environment = {"FANIN_UPSTREAM_KEY": guarded.acme_alone, "FANIN_UPSTREAM_ACCOUNTS": "acme=UTC:USD"}

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(cli, [*arguments, "--warehouse", guarded.address], env=environment)

    exported = run("export", "channels", "--account", "acme", "--from", "2026-03-17", "--to", "2026-03-17")
    listed = run("accounts", "--json")

    assert (exported.exit_code, listed.exit_code) == (0, 0)
    assert [line.split(",")[:2] for line in exported.stdout.splitlines()[1:]] == [["Direct", "1"], ["Email", "1"]]
    assert '"id": "acme"' in listed.stdout


def test_an_import_into_an_upstream_is_refused(guarded: Guarded, tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("")

    run = CliRunner().invoke(cli, ["import", str(log), "--account", "acme", "--warehouse", guarded.address])

    assert run.exit_code == 2
    assert "accepted: duckdb:///path/to/file.duckdb" in run.stderr
