"""Addresses of ClickHouse warehouses, and what is said of those that are none."""

from __future__ import annotations

import pytest

pytest.importorskip("clickhouse_connect")

from fanin.catalog.errors import BadRequest
from fanin.warehouse.addresses import file_of, is_clickhouse
from fanin.warehouse.clickhouse_connecting import ClickHousePlace, place_of
from fanin.warehouse.clickhouse_making import check_cluster

PLACES = {
    "clickhouse://host/shop": ClickHousePlace("host", 8123, "shop"),
    "clickhouse://me:p%40ss%2F@host:9000/shop": ClickHousePlace("host", 9000, "shop", "me", "p@ss/"),
    "clickhouse://host": ClickHousePlace("host", 8123, "default"),
    "clickhouse://host/shop?secure=1": ClickHousePlace("host", 8443, "shop", secure=True),
    "clickhouse://[::1]:8123/shop?limit_s=5": ClickHousePlace("::1", 8123, "shop", limit_s=5),
}


@pytest.mark.parametrize("address", PLACES)
def test_an_address_names_a_place(address: str) -> None:
    assert is_clickhouse(address)
    assert place_of(address) == PLACES[address]


REFUSED = {
    "clickhouse://": "cannot be read; accepted: clickhouse://user:password@host:8123/database",
    "clickhouse://me:secret@host:port/shop": "cannot be read; accepted:",
    "clickhouse://me:secret@host/shop/more": "cannot be read; accepted:",
    "clickhouse://me:secret@host/sh`op": "cannot be read; accepted:",
    "clickhouse://me:secret@host/shop?secure=yes": "has secure='yes'; accepted: 0, 1",
    "clickhouse://me:secret@host/shop?limit_s=0": "has limit_s='0'; accepted: 1 to 3600",
    "clickhouse://me:secret@host/shop?colour=red": "has an unknown part 'colour'; accepted: secure, limit_s",
}


@pytest.mark.parametrize("address", REFUSED)
def test_what_is_no_address_is_refused_without_the_password(address: str) -> None:
    with pytest.raises(BadRequest) as refused:
        place_of(address)

    assert REFUSED[address] in refused.value.message
    assert "secret" not in refused.value.message


def test_a_place_shows_no_password() -> None:
    place = place_of("clickhouse://me:secret@host/shop")

    assert str(place) == "clickhouse://host:8123/shop"
    assert "secret" not in repr(place)


def test_an_address_of_no_known_kind_is_refused_without_the_password() -> None:
    with pytest.raises(BadRequest) as refused:
        file_of("mysql://me:secret@host/shop")

    assert refused.value.message == (
        "'mysql://host/shop' is no warehouse address; accepted: duckdb:///path/to/file.duckdb, "
        "clickhouse://user:password@host:8123/database, https://host/api/v1"
    )


@pytest.mark.parametrize("name", ["two words", "a'b", "x" * 101])
def test_what_is_no_name_of_a_cluster_is_refused(name: str) -> None:
    with pytest.raises(BadRequest, match="is no name of a cluster"):
        check_cluster(name)
