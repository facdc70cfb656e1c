"""The dashboard: one page, one request, strict and offline; what it shows are the numbers of the warehouse."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import httpx
import pytest
from graphql import build_schema, parse, validate

import fanin.server
from fanin.app import create_app
from fanin.catalog.periods import PERIODS
from fanin.schema.engine import Engine
from fanin.schema.schema import schema
from fanin.server.dashboard import DOCUMENTS, SCRIPTS, STYLES, static_files
from fanin.server.keys import NewKey, create_key
from fanin.server.settings import ServerSettings
from fanin.tests.browser import Browser, chromium, serving
from fanin.tests.facts import NOW, bought, engine_over, reached, visit, write
from fanin.warehouse.duckdb_reading import DuckDBWarehouse

FOLDER = Path(fanin.server.__path__[0]) / "static" / "dashboard"
HOSTILE = "<img src=x onerror=alert(1)>"
HOSTILE_PATH = "/<script>alert(1)</script>"
ACME = "#account=acme&period=7d"

# Seven days to 18 March 2026 and the seven before them.
VISITS = (
    visit("2026-03-17T10:00", "/", "/shoes", utm_source="google", country="ES", goals=[reached("add_to_cart")]),
    visit("2026-03-17T11:00", "/shoes", utm_source="google", country="ES"),
    visit("2026-03-18T09:00", "/", "/shoes", HOSTILE_PATH, utm_source=HOSTILE, country="PT", goals=[bought(4990)]),
    visit("2026-03-10T10:00", "/", utm_source="google", country="ES"),
    visit("2026-03-10T12:00", "/", "/shoes", utm_source="google", country="ES"),
)


# The page and its files


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    path = tmp_path_factory.mktemp("facts") / "w.duckdb"
    write(path, "acme", [visit()])
    with engine_over(path) as (engine, _):
        yield engine


def get(
    engine: Engine, path: str = "/", root_path: str = "", settings: ServerSettings | None = None, method: str = "GET"
) -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(create_app(engine, settings), root_path=root_path)
        async with httpx.AsyncClient(transport=transport, base_url="http://fanin.test") as client:
            return await client.request(method, root_path + path, headers={"accept-encoding": "identity"})

    return asyncio.run(ask())


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_page_has_exactly_these_headers(engine: Engine, method: str) -> None:
    response = get(engine, method=method)

    assert response.status_code == 200
    headers = {name: value for name, value in response.headers.items() if not name.startswith("x-r")}
    assert headers == {
        "content-type": "text/html; charset=utf-8",
        "content-length": str(len(get(engine).content)),
        "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
        "cross-origin-resource-policy": "same-origin",
        "cache-control": "no-cache",
        "vary": "Accept-Encoding",
    }


def test_the_page_has_no_inline_script_or_style(engine: Engine) -> None:
    page = get(engine).text

    assert re.findall(r"<script(?![^>]* src=)[^>]*>", page) == ['<script type="application/json" id="documents">']
    assert re.findall(r"<style|\sstyle=|\son[a-z]+=|https?:|=\"//", page) == []


def test_every_linked_file_is_served_for_good_and_no_other(engine: Engine) -> None:
    links = re.findall(r'(?:href|src)="(/dashboard/[^"]+)"', get(engine).text)
    names = ["icon.svg", *STYLES, "icon.svg", *SCRIPTS]

    assert links == [f"/dashboard/static/{static_files()[name].hashed_name}" for name in names]
    for link in links:
        answer = get(engine, link)
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "public, max-age=31536000, immutable")
    for name in ("page.html", "dashboard.js", "dashboard.graphql", "LICENSES.md"):
        assert get(engine, f"/dashboard/static/{name}").status_code == 404


def test_links_stay_below_the_root_path(engine: Engine) -> None:
    page = get(engine, root_path="/a&b").text

    assert 'data-endpoint="/a&amp;b/graphql" data-graphiql="/a&amp;b/graphql"' in page
    assert page.count('="/a&amp;b/dashboard/static/') == 7
    assert page.count('="/a&amp;b/docs"') == 2


def test_in_production_it_links_to_no_graphiql(engine: Engine) -> None:
    page = get(engine, settings=ServerSettings(production=True)).text

    assert 'data-endpoint="/graphql" data-graphiql=""' in page


def test_vendored_files_are_the_published_ones() -> None:
    rows = re.findall(r"^\| `(\S+)` \| .* \| `([0-9a-f]{64})` \|$", (FOLDER / "LICENSES.md").read_text(), re.MULTILINE)

    assert {name for name, _ in rows} == {path.name for path in FOLDER.glob("*.min.*")}
    assert dict(rows) == {name: sha256((FOLDER / name).read_bytes()).hexdigest() for name, _ in rows}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_it_asks_are_valid_questions(name: str) -> None:
    document = parse((FOLDER / f"{name}.graphql").read_text())

    assert validate(build_schema(schema.as_str()), document) == []


def test_its_periods_are_those_of_the_catalog() -> None:
    options = re.findall(r'<option value="(\w+)"', (FOLDER / "page.html").read_text())
    listed = re.findall(r'"?(\w+)"?: \d+', re.findall(r"PERIOD_DAYS = \{(.*?)\}", script(), re.DOTALL)[0])

    assert len(options) == 14
    assert set(options) - set(PERIODS) == set()
    assert sorted(listed) == sorted(options)


def test_texts_are_never_set_as_markup() -> None:
    assert re.findall(r"innerHTML|outerHTML|insertAdjacent|document\.write|localStorage|sessionStorage", script()) == []


def script() -> str:
    return (FOLDER / "dashboard.js").read_text()


# In a browser


@pytest.fixture
def base_url(tmp_path: Path) -> Iterator[str]:
    with served(tmp_path) as address:
        yield address


@contextmanager
def served(tmp_path: Path, settings: ServerSettings | None = None) -> Iterator[str]:
    """A server of its own, with two accounts, which closes its warehouse when it stops."""
    write(tmp_path / "w.duckdb", "acme", VISITS)
    write(tmp_path / "w.duckdb", "old", [visit("2020-01-05T10:00")], currency="USD")
    with serving(create_app(Engine(DuckDBWarehouse(tmp_path / "w.duckdb"), clock=lambda: NOW), settings)) as address:
        yield address


def settle(browser: Browser) -> None:
    browser.page.wait_for_selector("main[aria-busy=false]")


def open_view(browser: Browser, address: str) -> None:
    browser.page.goto(address)
    settle(browser)


def tiles(browser: Browser) -> dict[str, str]:
    """What each tile says to the eye."""
    read = "buttons => buttons.map(b => [b.querySelector('.label').innerText, b.querySelector('b').innerText])"
    return dict(browser.page.eval_on_selector_all(".tile", read))


def rows(browser: Browser, panel: str) -> list[tuple[str, str]]:
    read = "rows => rows.map(r => [r.querySelector('.name').textContent, r.querySelector('b').firstChild.data])"
    return [
        (name, count)
        for name, count in browser.page.eval_on_selector_all(f"[aria-labelledby=panel-{panel}] .row", read)
    ]


def asked(browser: Browser) -> int:
    return sum(address.endswith("/graphql") for address in browser.requests)


ALL = {
    "Visits": "3",
    "Page views": "6",
    "Pages per visit": "2",
    "Bounce rate": "33.3%",
    "Conversions": "1",
    "Revenue": "€49.90",
}
GOOGLE = {
    "Visits": "2",
    "Page views": "3",
    "Pages per visit": "1.5",
    "Bounce rate": "50%",
    "Conversions": "0",
    "Revenue": "€0.00",
}


@pytest.mark.slow
def test_it_shows_the_numbers_of_the_warehouse_by_one_request(base_url: str) -> None:
    with chromium() as browser:
        open_view(browser, f"{base_url}/{ACME}")
        page = browser.page

        assert tiles(browser) == ALL
        assert page.text_content(".tile[data-key=entrances] .change") == "▲ 50% up from 2 before, better"
        assert page.text_content(".tile[data-key=bounceRate] .change") == "▼ 33.3% down from 50% before, better"
        assert rows(browser, "sources") == [("google", "2"), (HOSTILE, "1")]
        assert rows(browser, "pages") == [("/shoes", "3"), ("/", "2"), (HOSTILE_PATH, "1")]
        assert rows(browser, "countries") == [("Spain", "2"), ("Portugal", "1")]
        assert rows(browser, "funnel") == [
            ("Visits", "3"),
            ("Engaged visits", "2"),
            ("add_to_cart", "1"),
            ("purchase", "1"),
        ]
        assert page.eval_on_selector_all("#points tbody tr", "rows => rows.map(r => r.innerText.split('\\t'))")[
            -2:
        ] == [
            ["Mar 17, 2026", "2", "2"],
            ["Mar 18, 2026", "1", "0"],
        ]
        assert page.locator("#chart canvas").count() == 1
        page.hover("#chart .u-over")  # its middle
        assert page.locator("#legend span").all_inner_texts() == ["Mar 15, 2026: 0", "Mar 8, 2026: 0"]
        assert page.locator("img").count() == 1  # the name's; the hostile source made none
        assert re.fullmatch(r"One request: 1 scan, \d+ ms", page.inner_text("#cost"))
        assert asked(browser) == 1
        browser.assert_clean()


@pytest.mark.slow
def test_rows_filter_by_mouse_and_keyboard_and_the_way_back_is_the_browsers(base_url: str) -> None:
    with chromium() as browser:
        open_view(browser, f"{base_url}/{ACME}")
        page = browser.page
        google = "[data-key='UTM_SOURCE:google']"

        page.click(google)
        page.wait_for_selector(f"{google}[aria-pressed=true]")
        settle(browser)
        assert tiles(browser) == GOOGLE
        assert page.locator("#chips li span").all_inner_texts() == ["Source: google"]
        assert page.evaluate("location.hash") == f"{ACME}&filter=utm_source%3Agoogle"

        page.focus(google)
        page.keyboard.press("Enter")
        page.wait_for_selector(f"{google}[aria-pressed=false]")
        settle(browser)
        assert tiles(browser) == ALL
        assert page.evaluate("document.activeElement.dataset.key") == "UTM_SOURCE:google"

        page.go_back()
        page.wait_for_selector("#chips button")
        settle(browser)
        assert tiles(browser) == GOOGLE
        page.click("#chips button")
        page.wait_for_selector("#chips li", state="detached")
        settle(browser)
        assert tiles(browser) == ALL
        assert asked(browser) == 5

        page.click(".tile[data-key=revenue]")  # all that it needs was asked already
        page.wait_for_selector(".tile[data-key=revenue][aria-pressed=true]")
        assert page.inner_text("#course-title") == "Revenue"
        assert asked(browser) == 5
        browser.assert_clean()


@pytest.mark.slow
def test_an_address_without_an_account_shows_the_latest_and_an_old_one_its_own_days(base_url: str) -> None:
    with chromium(width_px=390, height_px=844, color_scheme="dark") as browser:
        open_view(browser, base_url)
        page = browser.page
        assert page.evaluate("new URLSearchParams(location.hash.slice(1)).get('account')") == "acme"
        assert page.locator("#account option").all_inner_texts() == ["acme", "old"]
        assert asked(browser) == 2  # which accounts there are, then everything

        page.select_option("#account", "old")
        page.wait_for_selector("#from")
        settle(browser)
        assert page.evaluate("location.hash") == "#account=old&from=2020-01-05&to=2020-01-05"
        assert (tiles(browser)["Visits"], tiles(browser)["Revenue"]) == ("1", "$0.00")
        assert asked(browser) == 3

        assert page.evaluate("document.documentElement.scrollWidth") == 390
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert max(int(part) for part in re.findall(r"\d+", ground)) < 60
        browser.assert_clean()


@pytest.mark.slow
def test_its_query_opens_in_graphiql(base_url: str) -> None:
    with chromium() as browser:
        open_view(browser, f"{base_url}/{ACME}")
        address = browser.page.get_attribute("#graphiql", "href")
        assert address is not None
        given = httpx.URL(address).params

        assert given["query"] == (FOLDER / "dashboard.graphql").read_text().strip()
        assert json.loads(given["variables"]) == {"account": "acme", "period": "7d", "interval": "DAY", "filters": []}
        browser.assert_clean()


@pytest.mark.slow
def test_a_key_is_asked_for_and_kept_in_memory_only(tmp_path: Path) -> None:
    key = create_key(tmp_path / "keys.json", NewKey(("acme",)), NOW)[0]
    with served(tmp_path, ServerSettings(keys_file=tmp_path / "keys.json")) as base_url, chromium() as browser:
        open_view(browser, f"{base_url}/{ACME}")
        page = browser.page
        assert page.inner_text("[role=alert]") == "Authentication required"

        page.fill("#key", key)
        page.keyboard.press("Enter")
        page.wait_for_selector(".tile")
        settle(browser)
        assert tiles(browser) == ALL
        assert page.locator("#account option").all_inner_texts() == ["acme"]
        assert not page.is_visible("[role=alert], #credentials")
        assert page.evaluate("localStorage.length + sessionStorage.length + document.cookie.length") == 0
        assert (browser.violations, browser.blocked) == ([], [])


@pytest.mark.slow
def test_a_page_filters_by_the_visits_that_landed_on_it(base_url: str) -> None:
    with chromium() as browser:
        open_view(browser, f"{base_url}/{ACME}")
        page = browser.page
        assert page.is_disabled(f"[data-key='LANDING_PAGE:{HOSTILE_PATH}']")

        page.click("[data-key='LANDING_PAGE:/']")
        page.wait_for_selector("#chips li")
        settle(browser)
        assert page.locator("#chips li span").all_inner_texts() == ["Landed on: /"]
        assert tiles(browser)["Visits"] == "2"
        assert rows(browser, "pages") == [("/", "2"), ("/shoes", "2"), (HOSTILE_PATH, "1")]
        browser.assert_clean()


@pytest.mark.slow
def test_what_goes_wrong_is_said_in_the_servers_words(base_url: str) -> None:
    with chromium() as browser:
        open_view(browser, f"{base_url}/#account=acme&period=7d&filter=nonsense%3Ax")

        assert "NONSENSE" in browser.page.inner_text("[role=alert]")
        assert not browser.page.is_visible("#overview, #course, #panels")
        assert (browser.violations, browser.blocked) == ([], [])
