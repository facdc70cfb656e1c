"""ETag and 304 on GET: the same answer is not sent again, and another one always is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from fanin.rest_compat.etags import etag_of, tag_held
from fanin.server.settings import ServerSettings
from fanin.tests.callers import Ask, closed, document, graphql, key_for, limits, sent
from fanin.tests.facts import visit, write


@pytest.fixture
def warehouse_file(tmp_path: Path) -> Path:
    write(tmp_path / "w.duckdb", "acme", [visit("2026-03-17T10:00", country="ES")])
    write(tmp_path / "w.duckdb", "globex", [visit("2026-03-17T10:00", channel="Email")])
    return tmp_path / "w.duckdb"


def asking(account: str = "acme", **headers: str) -> Ask:
    return Ask("GET", f"/graphql?{httpx.QueryParams({'query': document(account)})}", headers=headers)


def etags(path: Path, *asks: Ask) -> list[str | None]:
    return [response.headers.get("etag") for response in sent(path, *asks)]


def test_the_same_answer_has_the_same_strong_tag_and_is_304_to_whoever_holds_it(warehouse_file: Path) -> None:
    first, second = sent(warehouse_file, asking(), asking())
    etag = first.headers["etag"]

    (again,) = sent(warehouse_file, asking(**{"If-None-Match": etag}))

    assert (first.content, etag) == (second.content, second.headers["etag"])
    assert first.json() == {
        "data": {"stats": {"channels": {"total": 1, "rows": [{"channel": "Direct", "entrances": 1}]}}}
    }
    assert etag.startswith('"')
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    for response in (first, again):
        assert response.headers["cache-control"] == "private, no-cache"
        assert response.headers["vary"] == "Accept, Accept-Encoding, Authorization, X-API-Key"
        assert '"1 scans"' in response.headers["server-timing"]


def test_an_import_changes_the_tag(warehouse_file: Path) -> None:
    more = [visit("2026-03-17T12:00", country="FR")]

    before, after = etags(
        warehouse_file, asking(), asking().after(lambda: write(warehouse_file, "acme", more, currency="EUR"))
    )

    assert before != after


def test_each_type_account_and_encoding_has_its_own_tag(warehouse_file: Path) -> None:
    listing = {"query": "{ settings { limits { name value meaning } periods { name meaning } } }"}
    large = f"/graphql?{httpx.QueryParams(listing)}"
    asks = [
        asking(),
        asking("globex"),
        asking(Accept="application/graphql-response+json"),
        Ask("GET", large, headers={"Accept-Encoding": "identity"}),
        Ask("GET", large, headers={"Accept-Encoding": "gzip"}),
    ]

    assert len(set(etags(warehouse_file, *asks))) == 5


@pytest.mark.parametrize(
    ("sent_tags", "held"),
    [
        ("{tag}", True),
        ("W/{tag}", True),
        ('"other", {tag}', True),
        ('W/"a,b" ,W/{tag}', True),
        ("*", True),
        (" * ", True),
        ('"other"', False),
        ("{bare}", False),
        ("", False),
        ("{tag}x", True),
    ],
)
def test_if_none_match_is_a_list_compared_weakly_or_everything(sent_tags: str, held: bool) -> None:
    etag = etag_of(b"body", "application/json")

    found = tag_held(sent_tags.format(tag=etag, bare=etag.strip('"')), etag)

    assert found == (etag if held else None)


def test_a_tag_of_the_compressed_answer_is_held_too(warehouse_file: Path) -> None:
    address = f"/graphql?{httpx.QueryParams({'query': '{ settings { periods { name meaning } } }'})}"
    (compressed,) = sent(warehouse_file, Ask("GET", address, headers={"Accept-Encoding": "gzip"}))
    etag = compressed.headers["etag"]

    (again,) = sent(warehouse_file, Ask("GET", address, headers={"If-None-Match": etag}))

    assert compressed.headers["content-encoding"] == "gzip"
    assert etag.endswith('-gzip"')
    assert (again.status_code, again.headers["etag"], again.content) == (304, etag, b"")


@pytest.mark.parametrize(
    "ask",
    [
        asking("nowhere"),
        Ask("GET", "/graphql?query={nope}"),
        Ask("GET", "/graphql?query={"),
        Ask("GET", "/graphql"),
    ],
    ids=["an account that is not there", "invalid", "unreadable", "nothing"],
)
def test_an_answer_with_an_error_in_it_has_no_tag_and_is_not_stored(warehouse_file: Path, ask: Ask) -> None:
    (response,) = sent(warehouse_file, Ask(ask.method, ask.address, headers={"If-None-Match": "*"}))

    assert response.status_code in (200, 400)
    assert "errors" in response.json()
    assert "etag" not in response.headers
    assert response.headers["cache-control"] == "no-store"


def test_a_post_has_no_tag_and_is_always_answered(warehouse_file: Path) -> None:
    ask = graphql("acme")

    (response,) = sent(warehouse_file, Ask(ask.method, ask.address, ask.body, {"If-None-Match": "*"}))

    assert (response.status_code, "etag" in response.headers) == (200, False)
    assert response.json()["data"]["stats"]["channels"]["total"] == 1


def test_a_304_counts_as_a_request_and_asks_for_credentials(warehouse_file: Path, tmp_path: Path) -> None:
    key = key_for(tmp_path / "keys.json", "acme")
    config: ServerSettings = closed(tmp_path / "keys.json")
    held: dict[str, Any] = {"If-None-Match": "*"}

    known, unknown = sent(warehouse_file, asking(**held).by(key), asking(**held), settings=config)

    assert (known.status_code, unknown.status_code) == (304, 401)
    assert limits(known)[:2] == [240, 239]


def test_rest_answers_hold_a_timestamp_and_have_no_tag(warehouse_file: Path) -> None:
    (response,) = sent(warehouse_file, Ask("GET", "/api/v1/stats/overview?account_id=acme"))

    assert (response.status_code, "etag" in response.headers) == (200, False)
