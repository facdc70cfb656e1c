"""API keys: how they are made, kept, read again and revoked.  Contract §4.1."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import string
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fanin.catalog.errors import BadRequest, InvalidQuery, Unauthorized
from fanin.catalog.identity import Means
from fanin.catalog.plans import PLANS
from fanin.server import keys as keys_module
from fanin.server.keys import ID_LENGTH, Key, KeyRing, NewKey, create_key, keys_file_of, read_keys, revoke_key
from fanin.tests.facts import NOW


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def make(path: Path, *accounts: str, **granted: Any) -> str:
    return create_key(path, NewKey(accounts or None, **granted), NOW)[0]


def why_not(ring: KeyRing, key: str, now: Any = NOW) -> str:
    with pytest.raises(Unauthorized) as refused:
        ring.identity(key, now)
    return refused.value.message


def test_a_key_is_64_characters_alphanumeric_after_the_prefix_and_each_is_another(path: Path) -> None:
    made = {make(path) for _ in range(20)}

    assert len(made) == 20
    assert {len(key) for key in made} == {64}
    assert {key[:3] for key in made} == {"sm_"}
    assert set("".join(key[3:] for key in made)) <= set(string.ascii_letters + string.digits)


def test_the_file_holds_a_digest_and_never_the_key(path: Path) -> None:
    key = make(path, "acme", name="CI")

    text = path.read_text()
    assert key not in text
    assert key[ID_LENGTH:] not in text
    (kept,) = json.loads(text)["keys"]
    assert kept == {
        "id": key[:ID_LENGTH],
        "sha256": hashlib.sha256(key.encode()).hexdigest(),
        "name": "CI",
        "accounts": ["acme"],
        "scopes": ["stats:read"],
        "plan": "growth",
        "created": "2026-03-18T12:00:00+00:00",
        "expires": None,
        "revoked": None,
    }


def test_only_its_owner_reads_the_file_whatever_the_mask(path: Path) -> None:
    mask = os.umask(0)
    try:
        key = make(path)
        path.chmod(0o644)
        revoke_key(path, key[:ID_LENGTH], NOW)
    finally:
        os.umask(mask)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["keys.json"]  # no draft and no lock stays behind


def test_a_key_is_an_identity_with_its_accounts_scopes_and_plan(path: Path) -> None:
    key = make(path, "acme", "globex", "acme", scopes=("stats:read", "sites:read"), plan="scale")

    identity = KeyRing(path).identity(key, NOW)

    assert identity.name == f"key:{key[:ID_LENGTH]}"
    assert identity.accounts == {"acme", "globex"}
    assert identity.scopes == {"stats:read", "sites:read"}
    assert (identity.plan, identity.means) == (PLANS["scale"], Means.KEY)


def test_a_key_for_all_accounts_has_no_list(path: Path) -> None:
    key = make(path)

    assert KeyRing(path).identity(key, NOW).accounts is None


def test_a_key_is_compared_in_constant_time_and_so_is_one_that_no_one_has(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = make(path)
    ring = KeyRing(path)
    compared: list[tuple[str, str]] = []
    real = keys_module.hmac.compare_digest

    def compare(one: str, other: str) -> bool:
        compared.append((one, other))
        return real(one, other)

    monkeypatch.setattr(keys_module.hmac, "compare_digest", compare)
    ring.identity(key, NOW)
    why_not(ring, key[:-1] + ("a" if key[-1] != "a" else "b"))
    why_not(ring, "sm_" + "x" * 61)

    assert [(len(one), len(other)) for one, other in compared] == [(64, 64)] * 3


@pytest.mark.parametrize(
    "change", [lambda key: key[:-1], lambda key: key + "a", str.swapcase, lambda key: key[:ID_LENGTH]]
)
def test_what_is_nearly_a_key_is_none(path: Path, change: Any) -> None:
    key = make(path)
    near = "sm_" + change(key)[3:]

    assert why_not(KeyRing(path), near) == "Invalid API key"


def test_a_key_expires_at_its_moment_and_not_before(path: Path) -> None:
    key = make(path, expires=NOW + timedelta(days=1))
    ring = KeyRing(path)

    assert ring.identity(key, NOW + timedelta(hours=23, minutes=59)).accounts is None
    assert why_not(ring, key, NOW + timedelta(days=1)) == "API key has expired"


def test_that_a_key_has_expired_is_told_only_to_whoever_holds_it(path: Path) -> None:
    key = make(path, expires=NOW + timedelta(days=1))

    assert why_not(KeyRing(path), key[:ID_LENGTH] + "x" * 53, NOW + timedelta(days=2)) == "Invalid API key"


def test_a_revoked_key_is_like_one_that_never_was(path: Path) -> None:
    key, other = make(path), make(path)
    ring = KeyRing(path)

    revoked = revoke_key(path, key[:ID_LENGTH], NOW)

    assert revoked.revoked == "2026-03-18T12:00:00+00:00"
    assert why_not(ring, key) == "Invalid API key"
    assert ring.identity(other, NOW)


def test_revoking_once_more_keeps_the_first_moment(path: Path) -> None:
    key = make(path)
    revoke_key(path, key[:ID_LENGTH], NOW)

    assert revoke_key(path, key[:ID_LENGTH], NOW + timedelta(days=1)).revoked == "2026-03-18T12:00:00+00:00"


def test_an_id_that_is_not_there_is_refused_with_the_nearest(path: Path) -> None:
    key_id = make(path)[:ID_LENGTH]
    near = key_id[:-1] + ("0" if key_id[-1] != "0" else "1")

    with pytest.raises(BadRequest, match=f"There is no key '{near}' \\(did you mean '{key_id}'\\?\\)"):
        revoke_key(path, near, NOW)


def test_two_keys_never_share_an_id(path: Path) -> None:
    words = iter(["sm_" + "a" * 61, "sm_" + "a" * 60 + "b", "sm_" + "c" * 61])

    first, second = (create_key(path, NewKey(None), NOW, make=lambda: next(words)) for _ in range(2))

    assert (first[1].id, second[1].id) == ("sm_aaaaaaaa", "sm_cccccccc")


def test_commands_at_once_lose_no_key(path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: make(path), range(24)))

    ring = KeyRing(path)
    assert len(ring) == 24
    assert all(ring.identity(key, NOW) for key in made)


def test_a_link_to_the_file_stays_a_link(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.json"
    link.symlink_to(path)

    make(link)

    assert link.is_symlink()
    assert len(read_keys(path)) == 1


def test_without_a_file_there_are_no_keys_and_none_is_asked_for(path: Path) -> None:
    ring = KeyRing(path)

    assert (len(ring), ring.asks) == (0, False)
    assert why_not(ring, "sm_x") == "Invalid API key"


def test_a_ring_asks_from_the_first_key_on_for_ever(path: Path) -> None:
    ring = KeyRing(path)
    key = make(path)

    assert ring.asks
    revoke_key(path, key[:ID_LENGTH], NOW)
    assert ring.asks
    path.unlink()
    assert ring.asks
    assert why_not(ring, key) == "Invalid API key"


DAMAGED = [
    b"",
    b"[]",
    b"{}",
    b"null",
    b'{"version": 1}',
    b'{"version": 1, "keys": [{}]}',
    b'{"version": 1, "keys": [null]}',
    b'{"version": 1, "keys": {"id": 1}}',
    b"\xff\xfe",
]


@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_file_is_said_so_in_one_sentence(path: Path, text: bytes) -> None:
    path.write_bytes(text)

    with pytest.raises(BadRequest, match="is damaged; restore it, or remove it and make new keys"):
        KeyRing(path)


@pytest.mark.parametrize("name", [field.name for field in fields(Key)])
@pytest.mark.parametrize("value", [7, "{}", "?", (7,)])
def test_a_row_with_a_wrong_value_grants_nothing(path: Path, name: str, value: Any) -> None:
    make(path, "acme")
    kept = json.loads(path.read_text())
    kept["keys"][0][name] = value
    path.write_text(json.dumps(kept))

    if name in ("id", "name") and isinstance(value, str):  # any text does
        assert len(read_keys(path)) == 1
        return
    with pytest.raises(BadRequest, match="is damaged"):
        read_keys(path)


def test_a_file_of_another_version_is_said_so(path: Path) -> None:
    path.write_text('{"version": 2, "keys": []}')

    with pytest.raises(BadRequest, match="was written by another version of fanin"):
        read_keys(path)


def test_damage_under_a_running_server_leaves_the_keys_as_they_were(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    key = make(path)
    ring = KeyRing(path)

    path.write_bytes(b"{")

    assert ring.identity(key, NOW)
    assert why_not(ring, "sm_x") == "Invalid API key"
    assert [record.levelname for record in caplog.records] == ["ERROR"]  # once, not at every request


def test_damage_that_is_all_there_ever_was_lets_no_one_in(path: Path) -> None:
    ring = KeyRing(path)

    path.write_bytes(b"{")

    assert ring.asks
    assert why_not(ring, "sm_x") == "Invalid API key"


def test_a_damaged_file_is_not_written_over(path: Path) -> None:
    path.write_bytes(b"{")

    with pytest.raises(BadRequest):
        make(path)
    assert path.read_bytes() == b"{"


def test_a_file_that_cannot_be_read_or_written_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")

    with pytest.raises(BadRequest, match="cannot be read: Is a directory"):
        read_keys(tmp_path / "folder")
    with pytest.raises(BadRequest, match="cannot be written: "):
        make(tmp_path / "file" / "keys.json")


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(path)
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(keys_module.os, "fsync", full)

    with pytest.raises(BadRequest, match="No space left on device"):
        make(path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["keys.json"]


@pytest.mark.parametrize(
    ("granted", "message"),
    [
        ({"accounts": ()}, "Say which accounts the key may read"),
        ({"accounts": ("acme",), "scopes": ("stats:write",)}, "'stats:write' is no scope; accepted: stats:read"),
        ({"accounts": ("acme",), "plan": "grwth"}, "is no plan; accepted: free, growth, scale, enterprise (did you"),
        ({"accounts": ("acme",), "name": "a" * 101}, "A name is at most 100 printable characters"),
        ({"accounts": ("acme",), "name": "a\x1b[2J"}, "A name is at most 100 printable characters"),
    ],
)
def test_what_cannot_be_granted_is_refused_in_words(granted: dict[str, Any], message: str) -> None:
    with pytest.raises(BadRequest) as refused:
        NewKey(**granted)

    assert message in refused.value.message


def test_an_account_must_be_an_id() -> None:
    with pytest.raises(InvalidQuery, match="is no account id"):
        NewKey(("*",))


@pytest.mark.parametrize(
    ("warehouse", "file"),
    [
        ("duckdb:///var/fanin.duckdb", "var/fanin.keys.json"),
        ("duckdb:////srv/shop.db", "/srv/shop.keys.json"),
        ("plain", "plain.keys.json"),
        ("clickhouse://user:pass@host:8123/db", "fanin.keys.json"),
        ("https://stats.example/api/v1", "fanin.keys.json"),
    ],
)
def test_the_file_lies_beside_the_warehouse(warehouse: str, file: str) -> None:
    assert keys_file_of(warehouse) == Path(file)
