"""The names a server answers to: on an open loopback host only those of the loopback, so no site can borrow it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from fanin.app import create_app
from fanin.catalog.errors import BadRequest
from fanin.server.hosts import answers_to
from fanin.server.settings import ServerSettings, read_settings
from fanin.tests.callers import DOORS, Ask, key_for, limits, refusal, sent
from fanin.tests.facts import engine_over, visit, write

LOOPBACK = {"FANIN_HOST": "127.0.0.1"}
BORROWED = {"Host": "rebound.example:8000"}


@pytest.fixture(scope="module")
def warehouse_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("facts") / "w.duckdb"
    write(path, "acme", [visit("2026-03-17T10:00", country="ES")])
    return path


@pytest.fixture
def keys_file(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def named(ask: Ask, host: str) -> Ask:
    return Ask(ask.method, ask.address, ask.body, {**ask.headers, "Host": host})


def served(keys_file: Path, **variables: str) -> ServerSettings:
    return read_settings({"FANIN_KEYS": str(keys_file), **variables})


@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
def test_an_open_loopback_server_refuses_a_borrowed_name_at_every_door(
    warehouse_file: Path, keys_file: Path, door: Callable[[str], Ask]
) -> None:
    ask = door("acme")

    borrowed, own = sent(
        warehouse_file,
        named(ask, "rebound.example:8000"),
        named(ask, "localhost:8000"),
        settings=served(keys_file, **LOOPBACK),
    )

    assert refusal(borrowed) == (
        421,
        "bad_request",
        "This server does not go by 'rebound.example:8000'; ask it by a loopback name, "
        "or name the host in FANIN_ALLOWED_HOSTS",
    )
    assert own.status_code == 200


def test_graphiql_and_preflights_are_refused_to_a_borrowed_name_too(warehouse_file: Path, keys_file: Path) -> None:
    page = Ask("GET", "/graphql", headers={"Accept": "text/html", **BORROWED})
    preflight = Ask(
        "OPTIONS",
        "/graphql",
        headers={"Origin": "https://a.example", "Access-Control-Request-Method": "POST", **BORROWED},
    )
    config = served(keys_file, **LOOPBACK, FANIN_CORS_ORIGINS="*")

    assert [response.status_code for response in sent(warehouse_file, page, preflight, settings=config)] == [421, 421]


def test_probes_are_asked_by_any_name(warehouse_file: Path, keys_file: Path) -> None:
    asks = [Ask("GET", path, headers=BORROWED) for path in ("/health", "/livez", "/readyz")]

    for config in (served(keys_file, **LOOPBACK), served(keys_file, FANIN_ALLOWED_HOSTS="a.example")):
        assert [response.status_code for response in sent(warehouse_file, *asks, settings=config)] == [200] * 3


def test_probes_are_probes_below_a_root_path_too(warehouse_file: Path, keys_file: Path) -> None:
    async def ask() -> list[int]:
        with engine_over(warehouse_file) as (engine, _):
            transport = httpx.ASGITransport(create_app(engine, served(keys_file, **LOOPBACK)), root_path="/below")
            async with httpx.AsyncClient(transport=transport, base_url="http://elsewhere.example") as client:
                return [(await client.get(f"/below{path}")).status_code for path in ("/livez", "/openapi.json")]

    assert asyncio.run(ask()) == [200, 421]


def test_the_first_key_closes_an_open_server_and_then_the_name_no_longer_matters(
    warehouse_file: Path, keys_file: Path
) -> None:
    made: list[str] = []
    config = served(keys_file, **LOOPBACK)
    ask = named(DOORS["graphql"]("acme"), "stats.example")

    open_, closed_ = sent(
        warehouse_file, ask, ask.after(lambda: made.append(key_for(keys_file, "acme"))), settings=config
    )
    (shown,) = sent(warehouse_file, ask.by(made[0]), settings=config)

    assert [open_.status_code, closed_.status_code, shown.status_code] == [421, 401, 200]


@pytest.mark.parametrize(
    "variables",
    [{"FANIN_HOST": "0.0.0.0", "FANIN_INSECURE": "1"}, {**LOOPBACK, "FANIN_ALLOWED_HOSTS": "*"}],
    ids=["other machines may come", "every name is allowed"],
)
def test_any_name_will_do_where_it_was_said(
    warehouse_file: Path, keys_file: Path, variables: Mapping[str, str]
) -> None:
    (response,) = sent(
        warehouse_file, named(DOORS["graphql"]("acme"), "stats.example"), settings=served(keys_file, **variables)
    )

    assert response.status_code == 200


def test_a_server_that_was_told_its_names_goes_by_them_alone_with_keys_or_without(
    warehouse_file: Path, keys_file: Path
) -> None:
    key = key_for(keys_file, "acme")
    config = served(keys_file, FANIN_HOST="192.0.2.7", FANIN_ALLOWED_HOSTS="stats.example, *.stats.example")
    hosts = ("stats.example", "eu.stats.example:443", "localhost", "other.example", "192.0.2.7", "")

    responses = sent(
        warehouse_file, *(named(DOORS["graphql"]("acme").by(key), host) for host in hosts), settings=config
    )

    assert [response.status_code for response in responses] == [200, 200, 200, 421, 421, 421]


def test_of_two_names_both_have_to_be_right(warehouse_file: Path, keys_file: Path) -> None:
    statuses: list[int] = []

    async def ask(*hosts: bytes) -> None:  # below the client, which sends one
        async def receive() -> Any:
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        with engine_over(warehouse_file) as (engine, _):
            scope = {
                "type": "http",
                "method": "OPTIONS",
                "path": "/graphql",
                "query_string": b"",
                "headers": [(b"host", host) for host in hosts],
            }
            await create_app(engine, served(keys_file, **LOOPBACK))(scope, receive, send)

    for hosts in ((b"localhost", b"rebound.example"), (b"rebound.example", b"localhost"), (b"localhost", b"[::1]"), ()):
        asyncio.run(ask(*hosts))

    assert statuses == [421, 421, 204, 421]


def test_a_refused_name_is_not_counted(warehouse_file: Path, keys_file: Path) -> None:
    config = served(keys_file, **LOOPBACK, FANIN_RATE_LIMIT="5")
    ask = DOORS["graphql"]("acme")

    *_, own = sent(warehouse_file, *[named(ask, "rebound.example")] * 9, named(ask, "localhost"), settings=config)

    assert (own.status_code, limits(own)[:2]) == (200, [5, 4])


@pytest.mark.parametrize(
    ("host", "answered"),
    [
        ("localhost", True),
        ("LOCALHOST:8000", True),
        ("localhost.", True),
        ("app.localhost:3000", True),
        ("127.0.0.1", True),
        ("127.8.9.1:80", True),
        ("[::1]", True),
        ("[::1]:8000", True),
        ("::1", False),  # no Host header is written so
        ("", False),
        ("localhost.example", False),
        ("127.0.0.1.example", False),
        ("127.0.0.1@rebound.example", False),
        ("localhost:80:80", False),
        ("0.0.0.0", False),
        ("10.0.0.1", False),
        ("a.example", True),
        ("b.a.example", False),
        ("b.wild.example:1", True),
        ("c.b.wild.example", True),
        ("wild.example", False),
        ("badwild.example", False),
        ("[2001:db8::1]:443", True),
    ],
)
def test_names_are_compared_without_port_and_case(host: str, answered: bool) -> None:
    assert answers_to(host, ("a.example", "*.wild.example", "2001:db8::1")) is answered


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("", ()),
        ("*", ("*",)),
        (" A.example ,b.example,A.example", ("a.example", "b.example")),
        (
            "*.a.example,[2001:db8::1],192.0.2.1,internal_name",
            ("*.a.example", "2001:db8::1", "192.0.2.1", "internal_name"),
        ),
    ],
)
def test_allowed_hosts_are_read_from_the_environment(text: str, hosts: tuple[str, ...]) -> None:
    assert read_settings({"FANIN_ALLOWED_HOSTS": text}).allowed_hosts == hosts


@pytest.mark.parametrize("text", ["https://a.example", "a.example:80", "a.*", "*a.example", "a..example", "a example"])
def test_what_is_no_host_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match=r"FANIN_ALLOWED_HOSTS: .* is no name of a host"):
        read_settings({"FANIN_ALLOWED_HOSTS": text})


def test_an_app_that_was_told_nothing_answers_to_any_name(warehouse_file: Path) -> None:
    (response,) = sent(warehouse_file, named(DOORS["graphql"]("acme"), "any.example"))

    assert response.status_code == 200
