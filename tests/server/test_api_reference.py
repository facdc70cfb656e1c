"""The API reference: everything the document says, as plain HTML that is escaped, offline and readable without a script."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest

from fanin.app import create_app
from fanin.schema.engine import Engine
from fanin.server.api_reference import static_files
from fanin.server.html_text import json_block, paragraphs, prose, table, type_of
from fanin.server.keys import NewKey, create_key
from fanin.server.settings import ServerSettings
from fanin.tests.browser import chromium, serving
from fanin.tests.described import OPERATIONS
from fanin.tests.facts import NOW, engine_over, visit, write
from fanin.warehouse.duckdb_reading import DuckDBWarehouse

VOID = {"meta", "link", "img", "input"}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    path = tmp_path_factory.mktemp("facts") / "w.duckdb"
    write(path, "acme", [visit()])
    with engine_over(path) as (engine, _):
        yield engine


def get(
    engine: Engine,
    path: str,
    root_path: str = "",
    settings: ServerSettings | None = None,
    headers: dict[str, str] | None = None,
) -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(create_app(engine, settings), root_path=root_path)
        async with httpx.AsyncClient(transport=transport, base_url="http://fanin.test") as client:
            return await client.get(root_path + path, headers=headers)

    return asyncio.run(ask())


@pytest.fixture
def base_url(tmp_path: Path) -> Iterator[str]:
    """A server of its own, which closes its warehouse when it stops."""
    write(tmp_path / "w.duckdb", "acme", [visit()])
    with serving(create_app(Engine(DuckDBWarehouse(tmp_path / "w.duckdb")))) as address:
        yield address


class Outline(HTMLParser):
    """What a page consists of; fails on tags that do not close each other."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def values(self, name: str) -> list[str]:
        return [value for _, given, value in self.attributes if given == name]


def test_the_page_has_exactly_these_headers(engine: Engine) -> None:
    response = get(engine, "/docs", headers={"accept-encoding": "identity"})

    assert response.status_code == 200
    headers = {name: value for name, value in response.headers.items() if not name.startswith("x-r")}
    assert headers == {
        "content-type": "text/html; charset=utf-8",
        "content-length": str(len(response.content)),
        "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
        "cross-origin-resource-policy": "same-origin",
        "cache-control": "no-cache",
        "vary": "Accept-Encoding",
    }


def test_the_page_is_well_formed_and_every_link_leads_somewhere(engine: Engine) -> None:
    page = Outline(get(engine, "/docs").text)

    ids = page.values("id")
    assert len(set(ids)) == len(ids)
    assert {href[1:] for href in page.values("href") if href.startswith("#")} <= set(ids)
    assert set(page.values("aria-labelledby")) <= set(ids)
    assert {name: page.tags[name] for name in ("h1", "header", "nav", "main", "footer")} == dict.fromkeys(
        ("h1", "header", "nav", "main", "footer"), 1
    )


def test_the_page_has_no_inline_script_or_style_and_nothing_from_elsewhere(engine: Engine) -> None:
    page = Outline(get(engine, "/docs").text)

    loaded = [value for tag, name, value in page.attributes if name in ("src", "href") and tag != "a"]
    names = {file.hashed_name for file in static_files().values()}
    assert {address.removeprefix("/docs/static/") for address in loaded} == names
    assert [name for _, name, _ in page.attributes if name == "style" or name.startswith("on")] == []
    assert page.tags["script"] == 1
    assert page.tags["style"] == 0


def test_every_operation_is_there_with_its_parameters_request_and_answer(engine: Engine) -> None:
    page = get(engine, "/docs").text

    articles = dict(re.findall(r'<article id="(\w+)".*?>(.*?)</article>', page, re.DOTALL))
    assert list(articles) == [operation["operationId"] for operation in in_the_order_of_tags()]
    for (method, path), operation in OPERATIONS.items():
        article = articles[operation["operationId"]]
        assert f"<code>{path}</code>" in article
        assert f'<b class="method {method.lower()}">{method}</b>' in article
        assert "curl &#x27;" in article or "curl '" in article
        assert "200 <code>application/json</code>" in article
        assert ("<h4>Parameters</h4>" in article) is bool(operation.get("parameters"))
        assert ("<h4>Body</h4>" in article) is ("requestBody" in operation)


def in_the_order_of_tags() -> list[dict[str, Any]]:
    tags = list(dict.fromkeys(tag for operation in OPERATIONS.values() for tag in operation["tags"]))
    return [operation for tag in tags for operation in OPERATIONS.values() if tag in operation["tags"]]


def test_every_static_file_is_served_for_good_and_no_other(engine: Engine) -> None:
    for file in static_files().values():
        answer = get(engine, f"/docs/static/{file.hashed_name}")
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert get(engine, "/docs/static/page.html").status_code == 404


def test_links_stay_below_the_root_path(engine: Engine) -> None:
    page = get(engine, "/docs", root_path="/a&b").text

    assert page.count('="/a&amp;b/docs/static/') == 4
    assert "/a&amp;b/api/v1/stats/sources?account_id" in page


def test_the_reference_is_read_without_a_key(engine: Engine, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    create_key(keys, NewKey(accounts=("acme",)), NOW)
    settings = ServerSettings(keys_file=keys)

    assert [get(engine, path, settings=settings).status_code for path in ("/docs", "/openapi.json")] == [200, 200]
    assert get(engine, "/api/v1/stats/os?account_id=acme", settings=settings).status_code == 401


HOSTILE = "<script>alert(1)</script> `<b>` **<i>** \"'&"


def test_whatever_comes_in_is_escaped() -> None:
    made = "".join(
        (
            prose(HOSTILE),
            paragraphs(HOSTILE),
            json_block({HOSTILE: [HOSTILE, 1, None]}),
            table(HOSTILE, [HOSTILE], []),
            type_of({"enum": [HOSTILE]}, {}),
            type_of({"type": HOSTILE}, {}),
            type_of({"$ref": HOSTILE}, {}),
        )
    )

    assert set(re.findall(r"<(\w+)", made)) == {"code", "strong", "p", "span", "div", "table", "caption", "thead", "tr", "th", "tbody"}  # fmt: skip
    Outline(made)


@pytest.mark.slow
@pytest.mark.parametrize(("color_scheme", "dark"), [("light", False), ("dark", True)])
def test_the_page_opens_offline_in_the_systems_colours(base_url: str, color_scheme: str, dark: bool) -> None:
    with chromium(color_scheme=color_scheme) as browser:
        browser.page.goto(f"{base_url}/docs")
        background = browser.page.evaluate("getComputedStyle(document.body).backgroundColor")

        assert (max(int(part) for part in re.findall(r"\d+", background)[:3]) < 100) is dark
        assert all(request.startswith(base_url) for request in browser.requests)
        browser.assert_clean()


@pytest.mark.slow
def test_search_leaves_what_is_called_that(base_url: str) -> None:
    with chromium() as browser:
        browser.page.goto(f"{base_url}/docs")
        browser.page.keyboard.press("/")
        browser.page.keyboard.type("devices")
        found = browser.page.locator("article:visible h3").all_inner_texts()
        browser.page.keyboard.type(" nowhere")

        assert found == ["Device types #", "Device types alone #"]
        assert browser.page.locator(".nothing").is_visible()
        assert f"curl '{base_url}/api/v1/stats/devices?" in browser.page.locator("#getDevices pre").first.inner_text()
        browser.assert_clean()


@pytest.mark.slow
def test_a_narrow_screen_scrolls_only_down(base_url: str) -> None:
    with chromium(width_px=360, height_px=740) as browser:
        browser.page.goto(f"{base_url}/docs")
        browser.page.evaluate("document.querySelectorAll('article details').forEach((item) => (item.open = true))")

        assert browser.page.evaluate("document.documentElement.scrollWidth") == 360
        browser.assert_clean()
