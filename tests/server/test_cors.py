"""Pages of other origins: none may ask unless a setting says so, and never with credentials of the browser."""

from __future__ import annotations

from pathlib import Path

import pytest

from fanin.server.settings import ServerSettings
from fanin.tests.callers import Ask, sent
from fanin.tests.facts import visit, write

ORIGIN = "https://dashboard.example"
ASKED = Ask("GET", "/graphql?query={accounts{id}}", headers={"Origin": ORIGIN})


@pytest.fixture(scope="module")
def warehouse_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("facts") / "w.duckdb"
    write(path, "acme", [visit("2026-03-17T10:00")])
    return path


def preflight(method: str = "POST", headers: str = "content-type", origin: str = ORIGIN) -> Ask:
    wanted = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": headers}
    return Ask("OPTIONS", "/graphql", headers={"Origin": origin, **wanted})


def cors(path: Path, ask: Ask, *origins: str) -> tuple[int, dict[str, str]]:
    """The status, and what is said to browsers."""
    (response,) = sent(path, ask, settings=ServerSettings(cors_origins=origins))
    said = {name: text for name, text in response.headers.items() if name.startswith("access-control-")}
    return response.status_code, said


def test_nothing_is_said_to_browsers_by_default(warehouse_file: Path) -> None:
    assert cors(warehouse_file, ASKED) == (200, {})
    assert cors(warehouse_file, preflight()) == (204, {})


def test_an_allowed_page_may_read_the_answer_and_the_headers_that_matter(warehouse_file: Path) -> None:
    exposed = (
        "X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, Retry-After, X-Request-ID, Server-Timing, ETag"
    )

    for origins, allowed in (((ORIGIN,), ORIGIN), (("*",), "*"), (("https://a.example", ORIGIN), ORIGIN)):
        assert cors(warehouse_file, ASKED, *origins) == (
            200,
            {"access-control-allow-origin": allowed, "access-control-expose-headers": exposed},
        )


@pytest.mark.parametrize("origins", [(ORIGIN,), ("*",)])
def test_an_allowed_page_is_told_what_it_may_send_and_never_that_cookies_count(
    warehouse_file: Path, origins: tuple[str, ...]
) -> None:
    wanted = "authorization,content-type,if-none-match,x-api-key,x-request-id"

    status, said = cors(warehouse_file, preflight(headers=wanted), *origins)

    assert status == 200
    assert said == {
        "access-control-allow-origin": origins[0],
        "access-control-allow-methods": "GET, POST",
        "access-control-allow-headers": "Accept, Accept-Language, Authorization, Content-Language, Content-Type, "
        "If-None-Match, X-API-Key, X-Fanin-Cost, X-Request-ID",
        "access-control-max-age": "600",
    }


@pytest.mark.parametrize(
    "ask",
    [
        preflight(origin="https://evil.example"),
        preflight("DELETE"),
        preflight(headers="x-evil"),
        preflight(origin="null"),
    ],
)
def test_what_is_not_allowed_is_refused_before_it_is_sent(warehouse_file: Path, ask: Ask) -> None:
    status, _ = cors(warehouse_file, ask, ORIGIN)

    assert status == 400


def test_the_answer_is_said_to_depend_on_the_origin(warehouse_file: Path) -> None:
    for origins, asks in (((ORIGIN,), (ASKED, Ask("GET", ASKED.address))), (("*",), (Ask("GET", ASKED.address),))):
        for ask in asks:
            (response,) = sent(warehouse_file, ask, settings=ServerSettings(cors_origins=origins))
            assert response.headers["vary"].split(", ") == [
                "Accept",
                "Accept-Encoding",
                "Authorization",
                "X-API-Key",
                "Origin",
            ]
