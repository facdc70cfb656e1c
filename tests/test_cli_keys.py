"""``fanin keys`` and what ``fanin serve`` makes of them.  Contract §4.1."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from fanin.app import create_app_from_environment
from fanin.catalog.errors import BadRequest
from fanin.cli import cli
from fanin.server.entrance import open_credentials
from fanin.server.keys import ID_LENGTH, KeyRing, read_keys
from fanin.server.settings import SETTINGS, read_settings
from fanin.tests.facts import visit, write


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own, and an environment without settings."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("FANIN_")]:
        monkeypatch.delenv(name)
    return tmp_path


def run(*words: str, **environment: str) -> Result:
    return CliRunner().invoke(cli, list(words), env=environment)


def made(*words: str, **environment: str) -> str:
    result = run("keys", "create", *words, **environment)
    assert result.exit_code == 0, result.output
    return result.stdout.strip()


def listed(*words: str) -> list[dict[str, Any]]:
    return json.loads(run("keys", "list", "--json", *words).stdout)


def test_a_key_is_shown_once_on_stdout_and_the_message_goes_to_stderr() -> None:
    result = run("keys", "create", "--account", "acme", "--name", "CI")

    assert re.fullmatch(r"sm_[A-Za-z0-9]{61}\n", result.stdout)
    key = result.stdout.strip()
    assert key not in result.stderr
    assert f"{key[:ID_LENGTH]} reads acme, plan growth" in result.stderr
    for later in (run("keys", "list"), run("keys", "list", "--json"), run("keys", "revoke", key[:ID_LENGTH])):
        assert key[ID_LENGTH:] not in later.output


def test_the_file_lies_beside_the_warehouse_or_where_it_is_told(folder: Path) -> None:
    made("--all-accounts", "--warehouse", "duckdb:///shop.duckdb")
    made("--all-accounts", "--keys", "told.json")
    made("--all-accounts", FANIN_KEYS="by-variable.json")
    made("--all-accounts")

    files = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert files == dict.fromkeys(("shop.keys.json", "told.json", "by-variable.json", "fanin.keys.json"), 0o600)


def test_the_list_tells_everything_but_the_key() -> None:
    key = made("--account", "acme", "--account", "globex", "--name", "CI", "--scope", "read", "--plan", "scale")
    day = datetime.now(UTC).date().isoformat()

    (row,) = listed()

    assert re.match(day, row.pop("created"))
    assert row == {
        "id": key[:ID_LENGTH],
        "name": "CI",
        "accounts": ["acme", "globex"],
        "scopes": ["read"],
        "plan": "scale",
        "expires": None,
        "revoked": None,
    }
    table = run("keys", "list").stdout
    for word in (key[:ID_LENGTH], "CI", "scale"):
        assert word in table


def test_a_key_for_all_accounts_is_listed_as_such() -> None:
    made("--all-accounts")

    assert listed()[0]["accounts"] is None
    assert " all " in run("keys", "list").stdout


def test_the_list_of_no_keys_is_empty() -> None:
    assert listed() == []
    assert run("keys", "list").exit_code == 0


@pytest.mark.parametrize("days", [1, 365])
def test_a_key_may_expire_after_1_to_365_days(days: int) -> None:
    made("--all-accounts", "--expires-days", str(days))

    (row,) = listed()
    assert (datetime.fromisoformat(row["expires"]) - datetime.fromisoformat(row["created"])).days == days


@pytest.mark.parametrize("days", ["0", "366", "x"])
def test_no_other_number_of_days_is_taken(folder: Path, days: str) -> None:
    assert run("keys", "create", "--all-accounts", "--expires-days", days).exit_code == 2
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "Say which accounts the key may read: --account ID, repeatable, or --all-accounts"),
        (("--account", "acme", "--all-accounts"), "Say either --account or --all-accounts"),
        (("--account", "../x"), "is no account id"),
        (("--all-accounts", "--scope", "stats:wirte"), "'stats:wirte' is no scope"),
        (("--all-accounts", "--plan", "gold"), "'gold' is no plan; accepted: free, growth, scale, enterprise"),
    ],
)
def test_what_cannot_be_granted_is_refused_and_nothing_is_made(
    folder: Path, words: tuple[str, ...], message: str
) -> None:
    result = run("keys", "create", *words)

    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert list(folder.iterdir()) == []


def test_an_account_that_is_not_there_yet_is_said_so(folder: Path) -> None:
    write(folder / "fanin.duckdb", "acme", [visit()])

    result = run("keys", "create", "--account", "acme", "--account", "acne")

    assert result.exit_code == 0
    assert "There is no account acne yet" in result.stderr
    assert "no account acme" not in result.stderr


def test_options_have_environment_twins() -> None:
    key = made(FANIN_ACCOUNT="acme globex", FANIN_KEY_NAME="CI", FANIN_SCOPE="read", FANIN_PLAN="free")

    (row,) = listed()
    assert (row["id"], row["accounts"], row["name"]) == (key[:ID_LENGTH], ["acme", "globex"], "CI")
    assert (row["scopes"], row["plan"]) == (["read"], "free")


def test_revoking_is_for_good_and_told(folder: Path) -> None:
    key, other = made("--all-accounts"), made("--all-accounts")

    result = run("keys", "revoke", key[:ID_LENGTH])

    assert result.exit_code == 0
    assert f"{key[:ID_LENGTH]} is revoked since" in result.stderr
    assert [bool(row["revoked"]) for row in listed()] == [True, False]
    assert len(KeyRing(folder / "fanin.keys.json")) == len(read_keys(folder / "fanin.keys.json")) == 2
    assert made("--all-accounts") not in (key, other)


def test_revoking_what_is_not_there_is_refused() -> None:
    result = run("keys", "revoke", "sm_nothing0")

    assert result.exit_code == 2
    assert "There is no key 'sm_nothing0'" in result.stderr


# --- serving ------------------------------------------------------------------------------------------------------


def test_serve_refuses_to_start_open_where_other_machines_reach_it(folder: Path) -> None:
    write(folder / "fanin.duckdb", "acme", [visit()])

    result = run("serve", "--host", "0.0.0.0", "--port", "0")

    assert result.exit_code == 2
    assert "0.0.0.0 can be reached from other machines and no keys are set" in result.stderr
    assert "fanin keys create" in result.stderr
    assert "--insecure" in result.stderr


@pytest.mark.parametrize(
    ("words", "environment", "message"),
    [
        ((), {"FANIN_JWT_SECRET": "short"}, "FANIN_JWT_SECRET is too short to be safe"),
        ((), {"FANIN_JWT_PUBLIC_KEY": "nowhere.pem"}, "FANIN_JWT_PUBLIC_KEY: nowhere.pem cannot be read"),
        ((), {"FANIN_JWT_PLAN": "gold"}, "FANIN_JWT_PLAN: 'gold' is no plan"),
        ((), {"FANIN_CORS_ORIGINS": "example"}, "FANIN_CORS_ORIGINS: 'example' is no origin"),
        (("--keys", "damaged.json"), {}, "The key file damaged.json is damaged"),
    ],
)
def test_serve_refuses_settings_it_cannot_serve(
    folder: Path, words: tuple[str, ...], environment: dict[str, str], message: str
) -> None:
    (folder / "damaged.json").write_text("{")

    result = run("serve", *words, **environment)

    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr.replace("\n", " ")


@pytest.mark.parametrize(
    ("environment", "is_open"),
    [
        ({}, False),  # who reaches it is not known
        ({"FANIN_HOST": "127.0.0.1"}, True),
        ({"FANIN_HOST": "::1"}, True),
        ({"FANIN_HOST": "localhost"}, True),
        ({"FANIN_HOST": "0.0.0.0"}, False),
        ({"FANIN_HOST": "example.com"}, False),
        ({"FANIN_HOST": "0.0.0.0", "FANIN_INSECURE": "1"}, True),
        ({"FANIN_HOST": "0.0.0.0", "FANIN_INSECURE": ""}, False),
        ({"FANIN_HOST": "127.0.0.1", "FANIN_JWT_SECRET": "x" * 32}, False),
        ({"FANIN_HOST": "0.0.0.0", "FANIN_INSECURE": "1", "FANIN_JWT_SECRET": "x" * 32}, False),
    ],
)
def test_only_a_loopback_host_or_insecure_is_open_and_only_without_credentials(
    environment: dict[str, str], is_open: bool
) -> None:
    assert open_credentials(read_settings(environment)).is_open is is_open

    made("--all-accounts")
    assert not open_credentials(read_settings(environment)).is_open


def test_no_secret_is_in_the_repr_of_the_settings(folder: Path) -> None:
    (folder / "key.pem").write_text("a public key")
    environment = {
        "FANIN_JWT_SECRET": "the-secret",
        "FANIN_JWT_PUBLIC_KEY": "key.pem",
        "FANIN_RATE_LIMIT_STORE": "redis://:password@host",
    }

    told = repr(read_settings(environment))

    assert [word for word in ("the-secret", "a public key", "password") if word in told] == []


def test_a_worker_takes_everything_from_the_environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder / "shop.duckdb", "acme", [visit()])
    monkeypatch.setenv("FANIN_WAREHOUSE", "duckdb:///shop.duckdb")
    key = made("--account", "acme", "--warehouse", "duckdb:///shop.duckdb")
    assert set(SETTINGS) >= {"FANIN_KEYS", "FANIN_RATE_LIMIT"}

    async def ask() -> list[int]:
        app = create_app_from_environment()
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://x") as client,
        ):
            address = "/api/v1/stats/overview?account_id=acme"
            answers = [await client.get(address), await client.get(address, headers={"X-API-Key": key})]
            return [answer.status_code for answer in answers]

    assert asyncio.run(ask()) == [401, 200]


def test_a_worker_with_settings_that_cannot_be_served_does_not_start(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder / "fanin.duckdb", "acme", [visit()])
    monkeypatch.setenv("FANIN_RATE_LIMIT", "many")

    with pytest.raises(BadRequest, match="FANIN_RATE_LIMIT"):
        create_app_from_environment()


@contextmanager
def serving(*words: str) -> Iterator[tuple[str, str]]:
    """A server process: its address and what it said when it started."""
    command = [sys.executable, "-m", "fanin", "serve", "--port", "0", *words]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        said = "".join(process.stderr.readline() for _ in range(2))
        address = re.search(r"http://\S+", said)
        assert address is not None, said
        yield address.group(), said
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_served_key_file_opens_closes_and_revokes_while_the_server_runs(folder: Path, workers: str) -> None:
    write(folder / "fanin.duckdb", "acme", [visit()])
    report = "/api/v1/stats/overview?account_id=acme"

    with serving("--workers", workers) as (address, said), httpx.Client(base_url=address, timeout=30) as client:
        assert "open: no keys asked for" in said
        assert [client.get(report).status_code for _ in range(4)] == [200] * 4
        headers = {"X-API-Key": made("--account", "acme")}
        assert [client.get(report).status_code for _ in range(4)] == [401] * 4
        assert [client.get(report, headers=headers).status_code for _ in range(4)] == [200] * 4
        run("keys", "revoke", headers["X-API-Key"][:ID_LENGTH])
        assert [client.get(report, headers=headers).status_code for _ in range(4)] == [401] * 4

    with serving("--workers", workers) as (_, said):
        assert "asks for API keys" in said
