"""GraphiQL: vendored unchanged, strict and offline, and it really runs the example in a browser."""

import asyncio
import http.client
import json
import re
from collections.abc import Iterator
from hashlib import sha256
from itertools import takewhile
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from graphql import (
    ExecutionResult,
    GraphQLList,
    GraphQLResolveInfo,
    build_schema,
    experimental_execute_incrementally,
    get_nullable_type,
    is_leaf_type,
    parse,
    validate,
)
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

import fanin.server
from fanin.app import create_app
from fanin.schema.engine import Engine
from fanin.schema.schema import schema
from fanin.server.graphiql import EXAMPLES, graphiql_page, graphiql_routes, static_files, wants_page
from fanin.tests.browser import Browser, chromium, serving
from fanin.tests.facts import NOW, visit, write
from fanin.tests.served import payload_of
from fanin.warehouse.duckdb_reading import DuckDBWarehouse

FOLDER = Path(fanin.server.__path__[0]) / "static" / "graphiql"
TABS = ["Dashboard", "Comparison", "DrillDown", "TimeSeries", "Funnel", "Live"]
BROWSER_ACCEPT = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"

STUB = build_schema(schema.as_str())  # the real schema, answering without a warehouse
LEAVES: dict[str, Any] = {"Int": 42, "Float": 12.5}


def invent(_source: Any, info: GraphQLResolveInfo, **_arguments: Any) -> Any:
    """Something of the field's type: 42, 12.5 or the field's name; two of each in a list."""
    wanted = get_nullable_type(info.return_type)
    if isinstance(wanted, GraphQLList):
        return [{}, {}]
    return LEAVES.get(str(wanted), info.field_name) if is_leaf_type(wanted) else {}


async def stub_graphql(request: Request) -> Response:
    if wants_page(request):
        return graphiql_page(request)
    asked = await request.json()
    request.app.state.asked.append((request.headers, asked))
    result = experimental_execute_incrementally(
        STUB, parse(asked["query"]), variable_values=asked.get("variables"), field_resolver=invent
    )
    assert isinstance(result, ExecutionResult)
    return JSONResponse(result.formatted, media_type="application/graphql-response+json")


def stub_app() -> Starlette:
    """An application with the page and a GraphQL endpoint that records its requests in ``state.asked``."""
    app = Starlette(routes=[Route("/graphql", stub_graphql, methods=["GET", "POST"]), *graphiql_routes()])
    app.state.asked = []
    return app


def get(path: str, root_path: str = "") -> httpx.Response:
    """What a browser would get from a fresh stub application, in process."""

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(stub_app(), root_path=root_path)
        async with httpx.AsyncClient(transport=transport, base_url="http://stub") as client:
            return await client.get(root_path + path, headers={"accept": BROWSER_ACCEPT})

    return asyncio.run(ask())


@pytest.fixture
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


# The files


def test_vendored_files_are_the_published_ones() -> None:
    rows = re.findall(r"^\| `(\S+)` \| .* \| `([0-9a-f]{64})` \|$", (FOLDER / "LICENSES.md").read_text(), re.MULTILINE)

    assert {name for name, _ in rows} == {path.name for path in FOLDER.glob("*.min.*")}
    assert dict(rows) == {name: sha256((FOLDER / name).read_bytes()).hexdigest() for name, _ in rows}


def test_vendored_files_name_no_address_to_load_from() -> None:
    styles = (FOLDER / "graphiql.min.css").read_text()
    scripts = "".join(path.read_text() for path in FOLDER.glob("*.js"))

    assert re.findall(r"url\(\s*['\"]?(?!data:)[^)]{0,80}|@import[^;]{0,80}", styles) == []
    assert re.findall(r"https?://[^\"'` ]*(?:unpkg|jsdelivr|esm\.sh|cdnjs|googleapis|gstatic)[^\"'` ]*", scripts) == []


def example(name: str) -> dict[str, Any]:
    """An example as a request asks it."""
    document = (FOLDER / "examples" / f"{name}.graphql").read_text()
    variables = json.loads((FOLDER / "examples" / f"{name}.variables.json").read_text())
    return {"query": document, "variables": variables}


def test_there_is_one_tab_for_each_example_called_as_its_operation() -> None:
    definitions = [parse(example(name)["query"]).definitions for name in EXAMPLES]

    assert [operation.name.value for (operation,) in definitions] == TABS  # type: ignore[attr-defined]
    assert {path.name for path in (FOLDER / "examples").iterdir()} == {
        f"{name}.{kind}" for name in EXAMPLES for kind in ("graphql", "variables.json")
    }


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_are_valid_questions(name: str) -> None:
    asked = example(name)

    assert validate(STUB, parse(asked["query"])) == []
    assert asked["variables"] == {"account": "my-site", "period": "today" if name == "live" else "30d"}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "scans"), list(zip(EXAMPLES, (3, 1, 3, 1, 4, 2), strict=True)))
def test_examples_are_answered_with_numbers_from_the_samples(sample_warehouse: Path, name: str, scans: int) -> None:
    app = create_app(Engine(DuckDBWarehouse(sample_warehouse), clock=lambda: NOW))
    headers = {"accept": "text/event-stream", "x-fanin-cost": "1"}  # so that a subscription is answered too
    with (
        serving(app) as base_url,
        httpx.stream("POST", f"{base_url}/graphql", json=example(name), headers=headers) as response,
    ):
        answer = payload_of(first_event(response))

    (stats,) = answer["data"].values()
    assert "errors" not in answer
    assert [field for field, report in stats.items() if not numbers_in(report)] == []
    assert answer["extensions"]["fanin"]["scans"] == scans


def first_event(response: httpx.Response) -> str:
    """The lines before the first empty one."""
    return "\n".join(takewhile(bool, response.iter_lines()))


# Over HTTP


def test_the_page_has_exactly_these_headers() -> None:
    response = get("/graphql")

    assert response.status_code == 200
    assert dict(response.headers) == {
        "content-type": "text/html; charset=utf-8",
        "content-length": str(len(response.content)),
        "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self' data:; "
        "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cache-control": "no-cache",
        "vary": "Accept",
    }


def test_the_page_has_no_inline_script_or_style() -> None:
    page = get("/graphql").text

    assert "<title>fanin · GraphiQL</title>" in page
    assert re.findall(r"<script(?![^>]* src=)[^>]*>", page) == ['<script type="application/json" id="examples">']
    assert re.findall(r"<style|\sstyle=|\son[a-z]+=|https?:|=\"//", page) == []


def test_every_linked_file_is_served_for_good() -> None:
    links = re.findall(r'(?:href|src)="([^"]+)"', get("/graphql").text)
    answers = [get(link) for link in links]

    assert links == [
        f"/graphiql/static/{static_files()[name].hashed_name}"
        for name in (
            "icon.svg",
            "graphiql.min.css",
            "start.css",
            "react.production.min.js",
            "react-dom.production.min.js",
            "graphiql.min.js",
            "start.js",
        )
    ]
    assert [answer.headers["content-type"] for answer in answers] == [
        "image/svg+xml",
        *["text/css; charset=utf-8"] * 2,
        *["text/javascript; charset=utf-8"] * 4,
    ]
    for answer in answers:
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_static_name_carries_the_hash_of_its_content() -> None:
    file = static_files()["start.js"]

    assert file.hashed_name == f"start.{sha256(file.body).hexdigest()[:16]}.js"


def test_any_other_static_name_is_not_found() -> None:
    names = (
        "",
        "start.js",
        "start.0000000000000000.js",
        "page.html",
        "LICENSES.md",
        "examples/dashboard.graphql",
        "../graphiql.py",
        "..%2F..%2Fgraphiql.py",
        "%2e%2e/%2e%2e/graphiql.py",
        "..%5C..%5Cgraphiql.py",
        "%2Fetc%2Fpasswd",
        "start.js%00",
    )

    # http.client sends a path as it is written; httpx would tidy the dots away.
    with serving(stub_app()) as base_url:
        connection = http.client.HTTPConnection(base_url.removeprefix("http://"))
        for name in names:
            connection.request("GET", f"/graphiql/static/{name}")
            answer = connection.getresponse()
            assert (name, answer.status, answer.read()) == (name, 404, b"Not Found")
        connection.close()


@pytest.mark.parametrize(
    ("accept", "page"),
    [
        (BROWSER_ACCEPT, True),
        ("TEXT/HTML; charset=utf-8", True),
        ("*/*", False),
        ("", False),
        ("application/json", False),
        ("application/graphql-response+json, text/html;q=0.1", False),
    ],
)
def test_only_a_browser_gets_the_page(accept: str, page: bool) -> None:
    scope = {"type": "http", "method": "GET", "headers": [(b"accept", accept.encode())]}

    assert wants_page(Request(scope)) is page
    assert not wants_page(Request({**scope, "method": "POST"}))


def test_links_stay_below_the_root_path() -> None:
    page = get("/graphql", root_path="/a&b").text

    assert 'data-endpoint="/a&amp;b/graphql"' in page
    assert page.count('="/a&amp;b/graphiql/static/') == 7


# In a browser


def response_of(browser: Browser) -> dict[str, Any]:
    """What the response pane holds, once it holds something; CodeMirror's own text, as only visible lines are drawn."""
    text = "document.querySelector('.graphiql-response .CodeMirror').CodeMirror.getValue()"
    browser.page.wait_for_function(f"() => {text} !== ''")
    return json.loads(browser.page.evaluate(text))


def editor_text(browser: Browser, pane: str) -> str:
    """The text of a pane, ``Query Editor``, ``Variables`` or ``Headers``."""
    return browser.page.evaluate(
        "pane => document.querySelector(`[aria-label='${pane}'] .graphiql-editor:not(.hidden) .CodeMirror`)"
        ".CodeMirror.getValue()",
        pane,
    )


def open_graphiql(browser: Browser, address: str) -> None:
    """Open the page and wait until its editor stands and the schema has come."""
    with browser.page.expect_response(lambda response: response.request.method == "POST"):
        browser.page.goto(address)
    browser.page.wait_for_selector(".graphiql-query-editor .CodeMirror-code .CodeMirror-line")
    browser.page.wait_for_selector("[aria-label='Re-fetch GraphQL schema']:not([disabled])")


def numbers_in(value: Any) -> list[float]:
    """Every number of a JSON value, depth first; booleans are none."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [number for item in value for number in numbers_in(item)]
    return [value] if isinstance(value, int | float) and not isinstance(value, bool) else []


def run_example(browser: Browser, base_url: str) -> dict[str, Any]:
    """Open ``/graphql``, press the button, give the answer; fails on errors, violations and remote requests."""
    open_graphiql(browser, f"{base_url}/graphql")
    browser.page.click(".graphiql-execute-button")
    answer = response_of(browser)

    assert "errors" not in answer
    assert all(request.startswith((base_url, "data:")) for request in browser.requests)
    browser.assert_clean()
    return answer


@pytest.mark.slow
def test_graphiql_opens_offline_runs_the_example_and_shows_numbers(browser: Browser, sample_warehouse: Path) -> None:
    app = create_app(Engine(DuckDBWarehouse(sample_warehouse), clock=lambda: NOW))
    with serving(app) as base_url:
        answer = run_example(browser, base_url)

    stats = answer["data"]["stats"]
    reports = {name: numbers_in(report) for name, report in stats.items() if not name.lower().endswith("window")}
    assert len(reports) == 16
    assert all(reports.values())
    assert answer["extensions"]["fanin"]["scans"] == 1
    assert browser.page.title() == "fanin · GraphiQL"


@pytest.mark.slow
def test_the_example_is_asked_with_its_variables_in_the_type_we_prefer(browser: Browser) -> None:
    with serving(app := stub_app()) as base_url:
        run_example(browser, base_url)

    headers, asked = app.state.asked[-1]
    assert headers["accept"] == (
        "multipart/mixed;incrementalSpec=v0.2, application/graphql-response+json, application/json;q=0.9"
    )
    assert asked["variables"] == {"account": "my-site", "period": "30d"}
    assert asked["operationName"] == "Dashboard"


@pytest.mark.slow
def test_a_subscription_is_followed_over_a_websocket_and_what_is_deferred_is_merged(
    browser: Browser, tmp_path: Path
) -> None:
    write(tmp_path / "w.duckdb", "acme", [visit("2026-03-17T10:00")])
    followed = 'subscription { dashboard(accountId: "acme") { overview { traffic { entrances } } } }'
    deferred = '{ stats(accountId: "acme") { os { total } ... @defer { pages { total } } } }'
    shown = "text => document.querySelector('.graphiql-response .CodeMirror').CodeMirror.getValue().includes(text)"

    with serving(create_app(Engine(DuckDBWarehouse(tmp_path / "w.duckdb"), clock=lambda: NOW))) as base_url:
        open_graphiql(browser, f"{base_url}/graphql?{urlencode({'query': followed})}")
        browser.page.click(".graphiql-execute-button")
        browser.page.wait_for_function(shown, arg='"entrances": 1')
        write(tmp_path / "w.duckdb", "acme", [visit("2026-03-17T11:00")])
        browser.page.wait_for_function(shown, arg='"entrances": 2')
        browser.page.click(".graphiql-execute-button")  # which stops it
        open_graphiql(browser, f"{base_url}/graphql?{urlencode({'query': deferred})}")
        browser.page.click(".graphiql-execute-button")
        browser.page.wait_for_function(shown, arg='"pages": {')

    browser.assert_clean()


@pytest.mark.slow
def test_a_link_fills_the_editor_and_runs_nothing(browser: Browser) -> None:
    shared = {
        "query": 'query Shared($a: ID!) { stats(accountId: $a) { window { days } } } # "</script>',
        "variables": '{"a": "x"}',
    }

    with serving(app := stub_app()) as base_url:
        for _again in range(2):
            open_graphiql(browser, f"{base_url}/graphql?{urlencode(shared)}")
            assert editor_text(browser, "Query Editor") == shared["query"]
            assert editor_text(browser, "Variables") == shared["variables"]
            assert browser.page.locator(".graphiql-tab").all_inner_texts() == ["Shared", *TABS]
            browser.page.wait_for_timeout(700)

    assert {asked["operationName"] for _, asked in app.state.asked} == {"IntrospectionQuery"}
    browser.assert_clean()


@pytest.mark.slow
def test_what_was_typed_is_there_again_after_a_reload(browser: Browser) -> None:
    with serving(stub_app()) as base_url:
        open_graphiql(browser, f"{base_url}/graphql")
        browser.page.click(".graphiql-tab:has-text('Comparison')")
        browser.page.wait_for_timeout(700)  # GraphiQL stores its tabs half a second later
        open_graphiql(browser, f"{base_url}/graphql")

        assert editor_text(browser, "Query Editor") == (FOLDER / "examples" / "comparison.graphql").read_text().strip()
    browser.assert_clean()


@pytest.mark.slow
def test_credentials_are_sent_and_never_stored(browser: Browser) -> None:
    with serving(app := stub_app()) as base_url:
        open_graphiql(browser, f"{base_url}/graphql")
        browser.page.click("button[data-name=headers]")
        browser.page.evaluate(
            "document.querySelector(`[aria-label='Headers'] .graphiql-editor:not(.hidden) .CodeMirror`)"
            """.CodeMirror.setValue('{"authorization": "Bearer s3cret"}')"""
        )
        browser.page.click(".graphiql-execute-button")
        response_of(browser)
        browser.page.wait_for_timeout(700)
        stored = browser.page.evaluate("JSON.stringify(localStorage)")

    assert app.state.asked[-1][0]["authorization"] == "Bearer s3cret"
    assert "fanin:graphiql:queries" in stored
    assert "s3cret" not in stored
    browser.assert_clean()


@pytest.mark.slow
def test_dialogs_and_panes_open_without_a_violation(browser: Browser) -> None:
    with serving(stub_app()) as base_url:
        open_graphiql(browser, f"{base_url}/graphql")
        for label in ("Open short keys dialog", "Open settings dialog"):
            browser.page.click(f"[aria-label='{label}']")
            browser.page.wait_for_selector("[role=dialog]")
            browser.page.keyboard.press("Escape")
            browser.page.wait_for_selector("[role=dialog]", state="detached")
        browser.page.click("[aria-label='Show Documentation Explorer']")
        browser.page.wait_for_selector(".graphiql-doc-explorer-content >> text=Query")
        browser.page.click("[aria-label='Show History']")
        browser.page.wait_for_selector(".graphiql-history")

    browser.assert_clean()


@pytest.mark.slow
@pytest.mark.parametrize(("color_scheme", "dark"), [("light", False), ("dark", True)])
def test_colours_follow_the_system(color_scheme: str, dark: bool) -> None:
    with serving(stub_app()) as base_url, chromium(color_scheme=color_scheme) as browser:
        open_graphiql(browser, f"{base_url}/graphql")
        background = browser.page.evaluate(
            "getComputedStyle(document.querySelector('.graphiql-container')).backgroundColor"
        )
        red_green_blue = [int(part) for part in re.findall(r"\d+", background)][:3]

        assert (max(red_green_blue) < 100) is dark
        browser.assert_clean()


@pytest.mark.slow
def test_a_page_that_reaches_out_or_breaks_its_policy_is_noticed(browser: Browser) -> None:
    async def bad_page(_request: Request) -> Response:
        html = '<style>p {color: red}</style><img src="https://example.com/x.png"><script src="/broken.js"></script>'
        return HTMLResponse(html, headers={"Content-Security-Policy": "style-src 'self'"})

    async def broken_script(_request: Request) -> Response:
        return Response("throw new Error('broken on purpose')", media_type="text/javascript")

    with serving(Starlette(routes=[Route("/", bad_page), Route("/broken.js", broken_script)])) as base_url:
        browser.page.goto(base_url)

    assert browser.blocked == ["https://example.com/x.png"]
    assert [violation.partition(":")[0] for violation in browser.violations] == ["style-src-elem"]
    assert "broken on purpose" in browser.errors
    with pytest.raises(AssertionError):
        browser.assert_clean()
