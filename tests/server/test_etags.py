"""ETag and 304 on GET: the same answer is not sent again, and another one always is."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from fanin.catalog.accounts import Account
from fanin.rest_compat.etags import etag_of, tag_held
from fanin.server.settings import ServerSettings
from fanin.tests.callers import Ask, Clock, closed, document, graphql, key_for, limits, sent
from fanin.tests.facts import client_of, engine_over, visit, write
from fanin.tests.upstreams import fanin_served, gateway_over
from fanin.warehouse.upstream_options import Upstream


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


# --- without asking -----------------------------------------------------------------------------------------------


async def _scans(path: Path, *steps: Any) -> list[tuple[int, int]]:
    """Status and scans of each GET, which shows the tag that the one before it brought; other steps are taken between."""
    clock = Clock()
    with engine_over(path) as (engine, warehouse):
        async with client_of(replace(engine, clock=clock)) as client:
            told: list[tuple[int, int]] = []
            tag = ""
            for step in steps:
                if callable(step):
                    step(clock)
                    continue
                before = len(warehouse.scans)
                response = await client.get(step, headers={"If-None-Match": tag})
                tag = response.headers["etag"]
                told.append((response.status_code, len(warehouse.scans) - before))
            return told


def scans(path: Path, *steps: Any) -> list[tuple[int, int]]:
    return asyncio.run(_scans(path, *steps))


TODAY = '{ stats(accountId: "acme", period: "today") { channels { rows { channel } } } }'
BY_GET = {
    "graphql": f"/graphql?{httpx.QueryParams({'query': TODAY})}",
    "rest": "/api/v1/stats/channels?account_id=acme&period=today",
}


@pytest.mark.parametrize("address", BY_GET.values(), ids=BY_GET)
def test_what_the_client_has_already_is_known_without_a_scan_until_an_import_or_midnight(
    warehouse_file: Path, address: str
) -> None:
    def imported(clock: Clock) -> None:
        write(warehouse_file, "acme", [visit("2026-03-18T09:00", channel="Email")])

    told = scans(
        warehouse_file,
        address,
        address,
        imported,
        address,
        address,
        lambda clock: clock.wait(hours=11, minutes=59, seconds=59),
        address,
        lambda clock: clock.wait(seconds=1),
        address,
        address,
    )

    assert [status for status, _ in told] == [200, 304, 200, 304, 304, 200, 304]
    assert [count > 0 for _, count in told] == [True, False, True, False, False, True, False]


def test_a_rest_tag_is_weak_and_every_other_question_has_another(warehouse_file: Path) -> None:
    base = "/api/v1/stats/channels?period=7d&account_id="
    addresses = ["acme", "globex", "acme&include_totals=1", "acme&page_size=9", "acme&compare=yoy", "acme&country=ES"]

    tags = etags(warehouse_file, *(Ask("GET", base + rest) for rest in addresses), Ask("GET", f"{base}acme&page=1"))
    (again,) = sent(warehouse_file, Ask("GET", f"{base}acme", headers={"If-None-Match": f'"x", {tags[0]}'}))

    assert len(set(tags[:6])) == 6
    assert all(tag is not None and tag.startswith('W/"') for tag in tags)
    assert tags[6] == tags[0]  # the same question in other words
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tags[0])
    assert again.headers["vary"] == "Accept-Encoding, Authorization, X-API-Key"


def test_any_tag_will_do_for_what_is_there_and_none_for_what_fails(warehouse_file: Path) -> None:
    base = "/api/v1/stats/channels?account_id=acme"
    asks = [Ask("GET", base + more, headers={"If-None-Match": "*"}) for more in ("", "&filters=path:regex:(")]

    there, failing = sent(warehouse_file, *asks)

    assert (there.status_code, failing.status_code) == (304, 400)
    assert "etag" not in failing.headers


def test_a_tag_tells_nothing_to_whoever_may_not_read_the_account(warehouse_file: Path, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    own, other = key_for(keys, "acme"), key_for(keys, "globex")
    config = closed(keys)
    told = sent(warehouse_file, *(Ask("GET", address).by(own) for address in BY_GET.values()), settings=config)

    for address, response in zip(BY_GET.values(), told, strict=True):
        held = Ask("GET", address, headers={"If-None-Match": response.headers["etag"]})
        known, foreign = sent(warehouse_file, held.by(own), held.by(other), settings=config)
        assert (known.status_code, foreign.status_code in (200, 403)) == (304, True)
        assert "forbidden" in foreign.text


def test_what_a_key_may_read_is_part_of_what_it_is_told(warehouse_file: Path, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    one, two = key_for(keys, "acme"), key_for(keys, "globex")
    asked = Ask("GET", f"/graphql?{httpx.QueryParams({'query': '{ accounts { id } }'})}")

    first, other = sent(warehouse_file, asked.by(one), asked.by(two), settings=closed(keys))
    held = Ask("GET", asked.address, headers={"If-None-Match": first.headers["etag"]})
    responses = sent(warehouse_file, asked.by(one), held.by(one), held.by(two), settings=closed(keys))

    assert first.headers["etag"] != other.headers["etag"]
    assert [response.status_code for response in responses] == [200, 304, 200]


def test_what_is_answered_elsewhere_may_change_unseen_and_is_asked_again(warehouse_file: Path) -> None:
    """A gateway's tags are of what it was told, never of what it was told before."""

    async def ask(address: str) -> list[tuple[int, Any]]:
        told: list[tuple[int, Any]] = []
        async with gateway_over(address, Upstream(accounts=(Account("acme"),))) as engine, client_of(engine) as client:
            for place in BY_GET.values():
                first = await client.get(place)
                tag = first.headers.get("etag", '"none"')
                write(warehouse_file, "acme", [visit("2026-03-18T09:00", channel=f"Email {place}")])
                second = await client.get(place, headers={"If-None-Match": tag})
                told.append((second.status_code, second.content != first.content))
        return told

    with fanin_served(warehouse_file) as address:
        assert asyncio.run(ask(address)) == [(200, True), (200, True)]
