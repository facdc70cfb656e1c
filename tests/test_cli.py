"""The commands as a person meets them: what goes to stdout, what a refusal says, with which exit code."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import click
import httpx
import pytest
import typer

from fanin.app import create_app_from_environment
from fanin.cli import cli
from fanin.tests.facts import visit, write
from fanin.warehouse.duckdb_reading import DuckDBWarehouse

ROOT = Path(__file__).parent.parent
LINE = '1.2.3.4 - - [10/Mar/2026:10:00:0{n} +0000] "GET {path} HTTP/1.1" 200 10 "-" "Mozilla/5.0 (X11; Linux x86_64) Firefox/124.0"'


def fanin(
    folder: Path, *arguments: str | Path, stdin: str = "", environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command in ``folder``; never a traceback, whatever happens."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("FANIN_")}
    done = subprocess.run(
        [sys.executable, "-m", "fanin", *map(str, arguments)],
        cwd=folder,
        env=inherited | dict(environment or {}),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "Traceback" not in done.stderr + done.stdout
    return done


@pytest.fixture
def log(tmp_path: Path) -> Path:
    file = tmp_path / "access.log"
    file.write_text("\n".join(LINE.format(n=n, path=path) for n, path in enumerate(("/", "/a", "/b"))) + "\n")
    return file


def test_an_import_says_what_it_did_and_the_same_file_twice_changes_nothing(tmp_path: Path, log: Path) -> None:
    first = fanin(tmp_path, "import", log, "--account", "acme", "--json")
    again = fanin(tmp_path, "import", log, "--account", "acme")

    assert first.returncode == 0
    summary = json.loads(first.stdout)
    assert (summary["lines"], summary["classes"]["page_views"], summary["sessions"]) == (3, 3, 1)
    assert again.returncode == 0
    assert again.stdout == ""
    assert "already; nothing changed" in again.stderr


def test_an_import_reads_standard_input_and_patterns_once_each(tmp_path: Path, log: Path) -> None:
    text = log.read_text()
    (tmp_path / "b.log").write_text(text.replace("10:00", "20:00"))

    piped = fanin(tmp_path, "import", "-", "--account", "acme", "--json", stdin=text)
    matched = fanin(tmp_path, "import", "*.log", "--account", "acme", "--json")
    nothing = fanin(tmp_path, "import", "*.gz", "--account", "acme")

    assert (json.loads(piped.stdout)["lines"], json.loads(piped.stdout)["files_read"]) == (3, ["-"])
    assert json.loads(matched.stdout)["files_read"] == ["b.log"]
    assert json.loads(matched.stdout)["files_already_there"] == ["access.log"]
    assert (nothing.returncode, nothing.stderr) == (
        2,
        "fanin: '*.gz' matches no file; accepted are files, patterns such as 'logs/*.gz', and '-'.\n",
    )


def test_a_format_may_be_named_and_every_damaged_line_be_kept(tmp_path: Path, log: Path) -> None:
    bad = [f"bad {number}" for number in range(7)]
    log.write_text(log.read_text() * 3 + "\n".join(bad) + "\n")
    own = '$remote_addr - - [$time_local] "$request" $status $bytes_sent "-" "$http_user_agent"'

    done = fanin(tmp_path, "import", log, "--account", "acme", "--json", "--format", own, "--rejects", "bad.txt")
    told = fanin(tmp_path, "import", log, "--account", "acme-2")
    refused = fanin(tmp_path, "import", log, "--account", "other", "--format", "combine")
    unwritable = fanin(tmp_path, "import", log, "--account", "other", "--rejects", "no/bad.txt")

    summary = json.loads(done.stdout)
    assert (summary["classes"]["page_views"], summary["classes"]["damaged"]) == (9, 7)
    assert len(summary["damaged_lines"]) == 5
    assert (tmp_path / "bad.txt").read_text() == "".join(
        f"access.log:{number}: {text}\n" for number, text in enumerate(bad, start=10)
    )
    assert told.stderr.splitlines()[-7:] == [
        "from 2026-03-10 10:00 to 2026-03-10 10:00 UTC",
        *(f"damaged: access.log line {number}: {text}" for number, text in enumerate(bad[:5], start=10)),
        "and 2 more damaged lines; --rejects FILE keeps them all",
    ]
    assert "There is no log format 'combine' (did you mean 'combined'?)" in refused.stderr
    assert "The rejects file 'no/bad.txt' cannot be written" in unwritable.stderr


def test_events_are_imported_by_their_plain_columns_or_by_a_mapping(tmp_path: Path) -> None:
    (tmp_path / "plain.csv").write_text("time,event,visitor,url\n2026-03-10T10:00:00Z,page_view,v,/\n")
    (tmp_path / "own.csv").write_text("when;what;who\n2026-03-10 10:00;page_view;v\n")
    (tmp_path / "own.toml").write_text('[columns]\ntime = "when"\nevent = "what"\nvisitor = "who"\n')

    plain = fanin(tmp_path, "import", "plain.csv", "--account", "one", "--json")
    named = fanin(tmp_path, "import", "plain.csv", "--account", "two", "--json", "--format", "events")
    mapped = fanin(tmp_path, "import", "own.csv", "--account", "three", "--json", "--mapping", "own.toml")
    unmapped = fanin(tmp_path, "import", "own.csv", "--account", "four", "--format", "events")
    both = fanin(tmp_path, "import", "own.csv", "--account", "four", "--format", "caddy", "--mapping", "own.toml")

    for done in (plain, named, mapped):
        summary = json.loads(done.stdout)
        assert (summary["sessions"], summary["classes"]["page_views"]) == (1, 1)
        assert list(summary["formats"].values()) == ["csv"]
    assert (unmapped.returncode, both.returncode) == (2, 2)
    assert "'own.csv' holds no events" in unmapped.stderr
    assert "--mapping is for event files and --format caddy for logs; give one of them" in both.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"\x00\x01\x02 no log at all\n" * 200, "log"), (b"", "log"), (b"just some prose\n" * 300, "log")],
)
def test_a_file_that_is_no_log_is_refused_and_nothing_is_written(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "thing.log"
    file.write_bytes(content)

    done = fanin(tmp_path, "import", file, "--account", "acme")

    assert done.returncode == 2
    assert said in done.stderr
    assert [item.name for item in tmp_path.iterdir()] == ["thing.log"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("import", "missing.log", "--account", "acme"),
        ("import", "access.log", "--account", "no slug!"),
        ("import", "access.log", "--account", "acme", "--goals", "missing.toml"),
        ("import", "access.log", "--account", "acme", "--timezone", "Mars/Base"),
        ("import", "access.log", "--account", "acme", "--currency", "money"),
        ("import", "access.log", "--account", "acme", "--warehouse", "postgres://host/db"),
        ("accounts", "--warehouse", "missing.duckdb"),
        ("accounts", "--warehouse", "access.log"),
        ("serve", "--warehouse", "missing.duckdb"),
        ("batch", "missing.json"),
        ("demo-data", "--sessions", "0"),
    ],
)
def test_a_refusal_is_one_sentence_with_exit_code_two(tmp_path: Path, log: Path, arguments: tuple[str, ...]) -> None:
    done = fanin(tmp_path, *arguments)

    assert done.returncode == 2
    assert done.stderr.startswith("fanin: ")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_a_busy_port_and_an_open_host_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "fanin.duckdb", "acme", [visit()])
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        busy = fanin(tmp_path, "serve", "--port", port)
    everywhere = fanin(tmp_path, "serve", "--host", "0.0.0.0")

    assert (busy.returncode, f"127.0.0.1:{port} is in use" in busy.stderr) == (2, True)
    assert (everywhere.returncode, "--insecure" in everywhere.stderr) == (2, True)


def test_accounts_are_listed_and_the_schema_printed(tmp_path: Path) -> None:
    write(tmp_path / "fanin.duckdb", "acme", [visit("2026-03-10T10:00")])

    listed = fanin(tmp_path, "accounts", "--json")
    printed = fanin(tmp_path, "schema")

    assert json.loads(listed.stdout) == [
        {
            "id": "acme",
            "time_zone": "UTC",
            "currency": "EUR",
            "first_day": "2026-03-10",
            "last_day": "2026-03-10",
            "data_version": 1,
        }
    ]
    assert printed.stdout == (ROOT / "schema.graphql").read_text()


def request(*reports: str) -> str:
    window = {"account_id": "acme", "start_date": "2026-03-01", "end_date": "2026-03-31"}
    return json.dumps({"queries": [{"id": name, "endpoint": f"/stats/{name}", "params": window} for name in reports]})


@pytest.mark.parametrize(
    ("stdin", "code", "status"),
    [
        (request("channels", "os"), 0, "completed"),
        (request("channels", "nonsense"), 1, "partial"),
        (request("nonsense"), 1, "failed"),
    ],
)
def test_a_batch_runs_without_a_server_and_its_exit_code_tells_how_it_went(
    tmp_path: Path, stdin: str, code: int, status: str
) -> None:
    write(tmp_path / "fanin.duckdb", "acme", [visit("2026-03-10T10:00")])

    done = fanin(tmp_path, "batch", "-", stdin=stdin)

    assert done.returncode == code
    assert json.loads(done.stdout)["status"] == status


def test_a_refused_batch_is_two_and_names_every_fault(tmp_path: Path) -> None:
    write(tmp_path / "fanin.duckdb", "acme", [visit()])
    bad = '{"queries": [{"id": "a b", "endpoint": "/stats/os", "params": {}, "depends_on": ["x"]}]}'

    run = fanin(tmp_path, "batch", "-", stdin=bad)
    checked = fanin(tmp_path, "validate", "-", stdin=bad)
    good = fanin(tmp_path, "validate", "-", stdin=request("os"))

    assert (run.returncode, run.stdout) == (2, "")
    assert "body.queries.0.id" in run.stderr
    assert "body.queries.0.depends_on.0" in run.stderr
    assert (checked.returncode, json.loads(checked.stdout)["valid"]) == (2, False)
    assert (good.returncode, json.loads(good.stdout)["execution_order"]) == (0, ["os"])


def test_every_option_has_an_environment_twin() -> None:
    group = typer.main.get_command(cli)
    commands: dict[str, Any] = getattr(group, "commands", {})

    missing = [
        f"{name} --{parameter.name}"
        for name, command in commands.items()
        for parameter in command.params
        if not isinstance(parameter, click.Argument) and parameter.param_type_name == "option"
        if parameter.name != "help" and not str(getattr(parameter, "envvar", "") or "").startswith("FANIN_")
    ]

    assert missing == []


@pytest.mark.parametrize("workers", [1, 2])
def test_serve_answers_on_the_address_it_prints_and_stops_when_asked(tmp_path: Path, workers: int) -> None:
    write(tmp_path / "fanin.duckdb", "acme", [visit()])
    command = [sys.executable, "-m", "fanin", "serve", "--port", "0", "--workers", str(workers)]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            address, doors = addresses_told(server.stderr)
            with urllib.request.urlopen(f"{address}/readyz", timeout=60) as response:  # noqa: S310  # ours
                assert json.load(response) == {"status": "ok", "accounts": 1}
        finally:
            server.send_signal(signal.SIGTERM)
            _, said = server.communicate(timeout=60)

    assert server.returncode == 0
    assert doors == f"  GraphiQL {address}/graphql   batch {address}/api/v1/batch   open: no keys asked for\n"
    assert said == ""


def addresses_told(stderr: IO[str]) -> tuple[str, str]:
    """The address in the first line a server says, and the second line."""
    return stderr.readline().rsplit(" ", 1)[1].strip(), stderr.readline()


def test_a_server_is_stopped_from_the_keyboard_without_a_word(tmp_path: Path) -> None:
    write(tmp_path / "fanin.duckdb", "acme", [visit()])
    command = [sys.executable, "-m", "fanin", "serve", "--port", "0"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        address, _ = addresses_told(server.stderr)
        with urllib.request.urlopen(f"{address}/livez", timeout=60) as response:  # noqa: S310  # ours
            assert response.status == 200
        server.send_signal(signal.SIGINT)
        _, said = server.communicate(timeout=60)

    assert (server.returncode, said) == (0, "")


SEGMENTS = """
[[segments]]
slug = "spain"
conditions = [{field = "country", op = "eq", value = "ES"}]
"""


@pytest.mark.parametrize("command", ["batch", "validate"])
def test_saved_segments_are_read_from_their_file(tmp_path: Path, command: str) -> None:
    write(tmp_path / "w.duckdb", "acme", [visit(country="ES"), visit(country="US")])
    (tmp_path / "segments.toml").write_text(SEGMENTS)
    params = {"account_id": "acme", "start_date": "2026-03-10", "end_date": "2026-03-10", "segment": "spain"}
    asked = {"queries": [{"id": "q", "endpoint": "/stats/countries", "params": params}]}
    (tmp_path / "b.json").write_text(json.dumps(asked))
    arguments = (command, "b.json", "--warehouse", "duckdb:///w.duckdb")

    told = fanin(tmp_path, *arguments, "--segments", "segments.toml")
    by_environment = fanin(tmp_path, *arguments, environment={"FANIN_SEGMENTS": "segments.toml"})
    without_them = fanin(tmp_path, *arguments)
    nowhere = fanin(tmp_path, *arguments, "--segments", "nowhere.toml")

    assert (told.returncode, by_environment.returncode) == (0, 0)
    if command == "batch":
        rows = json.loads(told.stdout)["results"]["q"]["data"]["data"]
        assert [(row["country"], row["entrances"]) for row in rows] == [("ES", 1)]
    assert "Unknown segment: spain" in without_them.stdout
    assert without_them.returncode == (1 if command == "batch" else 2)
    assert (nowhere.returncode, nowhere.stderr.count("\n")) == (2, 1)


def test_a_server_started_from_the_environment_knows_the_saved_segments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "w.duckdb", "acme", [visit(country="ES"), visit(country="US")])
    (tmp_path / "segments.toml").write_text(SEGMENTS)
    monkeypatch.setenv("FANIN_WAREHOUSE", f"duckdb:///{tmp_path}/w.duckdb")
    monkeypatch.setenv("FANIN_SEGMENTS", str(tmp_path / "segments.toml"))
    monkeypatch.setenv("FANIN_HOST", "127.0.0.1")
    days = "start_date=2026-03-10&end_date=2026-03-10"

    async def ask() -> Any:
        transport = httpx.ASGITransport(create_app_from_environment())
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return (await client.get(f"/api/v1/stats/countries?account_id=acme&segment=spain&{days}")).json()

    rows = asyncio.run(ask())["data"]
    assert [(row["country"], row["entrances"]) for row in rows] == [("ES", 1)]


def test_what_comes_from_the_environment_is_what_the_option_would_say(tmp_path: Path, log: Path) -> None:
    environment = {"FANIN_WAREHOUSE": "elsewhere.duckdb", "FANIN_ACCOUNT": "acme", "FANIN_JSON": "1"}
    environment |= {"FANIN_TIMEZONE": "Asia/Tokyo", "FANIN_CURRENCY": "jpy"}

    imported = fanin(tmp_path, "import", log, environment=environment)
    listed = fanin(tmp_path, "accounts", environment=environment)

    assert json.loads(imported.stdout)["sessions"] == 1
    assert [(found["id"], found["time_zone"], found["currency"]) for found in json.loads(listed.stdout)] == [
        ("acme", "Asia/Tokyo", "JPY")
    ]


@pytest.mark.parametrize("name", [b"[/b].log", b"\\[red]x[/].log", b":bug:.log", b"caf\xe9.log", b"a\xff\xfe.gz"])
def test_a_file_may_have_any_name(tmp_path: Path, log: Path, name: bytes) -> None:
    path = os.path.join(os.fsencode(tmp_path), name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    os.rename(log, path)

    told = fanin(tmp_path, "import", os.fsdecode(path), "--account", "acme", "--json")
    again = fanin(tmp_path, "import", os.fsdecode(path), "--account", "acme")
    refused = fanin(tmp_path, "import", os.fsdecode(path + b"x"), "--account", "acme")

    printed = name.decode(errors="replace")
    assert json.loads(told.stdout)["files_read"] == [f"{tmp_path}/{printed}"]
    assert again.stderr == f"{tmp_path}/{printed} is in account acme already; nothing changed\n"
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)


def test_a_warehouse_cannot_have_a_name_that_is_no_text(tmp_path: Path, log: Path) -> None:
    name = os.fsdecode(b"w\xff.duckdb")

    for arguments in (("import", log, "--account", "acme"), ("accounts",), ("serve",)):
        done = fanin(tmp_path, *arguments, "--warehouse", name)

        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert [file.name for file in tmp_path.iterdir()] == ["access.log"]


def test_output_that_no_one_reads_to_its_end_is_no_failure_worth_a_traceback(tmp_path: Path) -> None:
    command = f"{sys.executable} -m fanin schema | head -1"

    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=True)

    assert done.stdout.count("\n") == 1
    assert "Traceback" not in done.stderr


def test_an_import_beside_a_running_server_is_seen_by_the_next_request(tmp_path: Path, log: Path) -> None:
    path = tmp_path / "fanin.duckdb"
    write(path, "acme", [visit("2026-03-10T10:00")])
    store = DuckDBWarehouse(path)
    before = store.snapshot().accounts["acme"].data_version

    done = fanin(tmp_path, "import", log, "--account", "acme", "--warehouse", str(path))
    after = store.snapshot().accounts["acme"].data_version
    store.close()

    assert done.returncode == 0
    assert (before, after) == (1, 2)
