"""The commands.  Results go to stdout, messages and progress to stderr; every option has an environment twin.

Exit codes: 0 done, 1 partial or failed, 2 refused, with one sentence on stderr.
"""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import sys
import tempfile
import uuid
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Table

from .account_commands import accounts_cli
from .app import create_app, open_engine
from .batch_display import PlainLines, display_for
from .catalog.errors import BadRequest, StatsError
from .console import (
    CurrencyOption,
    SegmentsOption,
    SiteOption,
    TimezoneOption,
    WarehouseOption,
    messages,
    print_json,
    print_line,
    refusals_told,
)
from .export_command import export
from .ingest.account_settings import AccountSettings
from .ingest.demo import load_demo
from .ingest.event_mappings import PLAIN, mapping_named, shipped
from .ingest.importing import WrittenAs, import_log
from .ingest.judges import sensible_jobs
from .ingest.log_files import files_named
from .ingest.log_formats import FORMATS, format_named
from .ingest.rejects import rejects_into
from .ingest.site_rules import read_settings_text
from .ingest.summaries import ImportSummary, LineClass
from .key_commands import KeysOption, keys_cli
from .rest_compat.batch import open_batch, validate_batch
from .rest_compat.encoded import decoded
from .rest_compat.plan import Plan, PlanRefused, read_plan
from .rest_compat.streaming import Record, batch_records, folded, ndjson_line
from .schema.engine import Engine
from .schema.schema import schema as graphql_schema
from .server.credentials import Credentials
from .server.entrance import open_credentials
from .server.log_output import log_to_stderr
from .server.metrics import PROCESSES_FOLDER, told_of_processes
from .server.metrics_page import MetricsServer
from .server.serving import GRACE_S, Manners, Server, read_proxies, server_config
from .server.settings import (
    DRAIN_SECONDS,
    GRACE_SECONDS,
    HOST,
    INSECURE,
    KEYS,
    LOG_FORMAT,
    LOG_FORMATS,
    LOG_LEVEL,
    LOG_LEVELS,
    METRICS_PORT,
    PRODUCTION,
    RATE_LIMIT,
    SEGMENTS,
    TRACES,
    TRUSTED_PROXIES,
    UPSTREAM_ACCOUNTS,
    UPSTREAM_KEY,
    WAREHOUSE,
    ServerSettings,
    read_settings,
)
from .server.workers import Workers
from .upkeep_commands import doctor, forget
from .warehouse.addresses import DEFAULT_ADDRESS, is_upstream
from .warehouse_commands import warehouse_cli

cli = typer.Typer(
    help="fanin: many questions in, few scans, every answer in its documented shape out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
cli.add_typer(accounts_cli, name="accounts")
cli.add_typer(keys_cli, name="keys")
cli.add_typer(warehouse_cli, name="warehouse")
cli.command()(export)
cli.command()(forget)
cli.command()(doctor)

# Long waits for the interpreter lock cost a statement more than switching does (README, Decisions).
SWITCH_INTERVAL_S = 0.0005

# Of a process with workers, beyond the time that they have: to say goodbye to subscribers and put everything away.
PATIENCE_S = 10

EVENTS = "events"  # the name of event files where a log's format is named

AccountOption = Annotated[str, typer.Option("--account", envvar="FANIN_ACCOUNT", help="The account's id.")]


def main() -> None:
    """The entry point of the ``fanin`` command."""
    cli()


# --- serve --------------------------------------------------------------------------------------------------------


@cli.command()
@refusals_told
def serve(
    warehouse: WarehouseOption = DEFAULT_ADDRESS,
    host: Annotated[str, typer.Option(envvar=HOST, help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(envvar="FANIN_PORT", min=0, max=65535, help="0 takes a free one.")] = 8000,
    workers: Annotated[int, typer.Option(envvar="FANIN_WORKERS", min=1, help="Server processes.")] = 1,
    insecure: Annotated[
        bool, typer.Option("--insecure", envvar=INSECURE, help="Serve to other machines without keys.")
    ] = False,
    keys: KeysOption = None,
    rate_limit: Annotated[
        int | None,
        typer.Option(envvar=RATE_LIMIT, min=1, help="Requests per minute and address of callers without a key."),
    ] = None,
    segments: SegmentsOption = None,
    production: Annotated[
        bool,
        typer.Option("--production", envvar=PRODUCTION, help="No introspection, suggestions, GraphiQL and costs."),
    ] = False,
    log_format: Annotated[str, typer.Option(envvar=LOG_FORMAT, help=f"{' or '.join(LOG_FORMATS)}.")] = "text",
    log_level: Annotated[
        str, typer.Option(envvar=LOG_LEVEL, help=f"{', '.join(LOG_LEVELS)}; info is a line for each request.")
    ] = "info",
    metrics_port: Annotated[
        int | None, typer.Option(envvar=METRICS_PORT, min=0, max=65535, help="A port of its own for /metrics.")
    ] = None,
    traces: Annotated[
        bool, typer.Option("--traces", envvar=TRACES, help="Record traces by OpenTelemetry; needs fanin[otel].")
    ] = False,
    trusted_proxies: Annotated[
        str,
        typer.Option(
            envvar=TRUSTED_PROXIES, help="Addresses and networks, joined by commas, whose X-Forwarded-For is believed."
        ),
    ] = "",
    drain_seconds: Annotated[
        int,
        typer.Option(
            envvar=DRAIN_SECONDS, min=0, max=3600, help="Served on once asked to stop, while /readyz says no."
        ),
    ] = 0,
    grace_seconds: Annotated[
        int, typer.Option(envvar=GRACE_SECONDS, min=0, max=3600, help="For requests under way to finish after that.")
    ] = GRACE_S,
    upstream_key: Annotated[
        str | None,
        typer.Option(
            envvar=UPSTREAM_KEY,
            show_envvar=True,
            help="The key to ask an upstream API with; every user of a machine sees its command lines, not its variables.",
        ),
    ] = None,
    upstream_accounts: Annotated[
        str | None,
        typer.Option(envvar=UPSTREAM_ACCOUNTS, help="An upstream's accounts: acme=Europe/Madrid:EUR,blog."),
    ] = None,
) -> None:
    """Serve GraphQL, the batch API and GraphiQL."""
    told = _environment(warehouse, host, insecure, keys, rate_limit, segments)
    told |= {UPSTREAM_KEY: upstream_key or "", UPSTREAM_ACCOUNTS: upstream_accounts or ""}
    told[PRODUCTION] = "1" if production else ""
    told |= {LOG_FORMAT: log_format, LOG_LEVEL: log_level, TRACES: "1" if traces else ""}
    told |= {} if metrics_port is None else {METRICS_PORT: str(metrics_port)}
    settings = read_settings({**os.environ, **told})
    manners = Manners(drain_seconds, grace_seconds, read_proxies(trusted_proxies), settings.load)
    credentials = open_credentials(settings)
    _refuse_open_doors(host, credentials)
    engine = open_engine(warehouse, segments, settings.upstream)
    listening = _listen(host, port)
    address = f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}"
    unnamed = "an upstream API" if is_upstream(warehouse) else "none yet"
    accounts = ", ".join(engine.warehouse.snapshot().accounts) or unnamed
    messages.print(f"fanin serves [bold]{escape(accounts)}[/bold] on {address}", soft_wrap=True)
    graphql = "GraphQL" if production else "GraphiQL"
    messages.print(
        f"  {graphql} {address}/graphql   batch {address}/api/v1/batch   {_doors(credentials)}", soft_wrap=True
    )
    log_to_stderr(settings.log_format, settings.log_level)
    if workers == 1:
        _serve_alone(engine, settings, listening, manners, metrics_host=host)
    else:
        engine.warehouse.close()
        counts = settings.open_limit is not None or not credentials.is_open
        if counts and not settings.rate_limit_store:
            messages.print("  each worker counts for itself; FANIN_RATE_LIMIT_STORE lets them count together")
        _serve_with_workers(told, settings, host, listening, workers, manners)


def _environment(
    warehouse: str, host: str, insecure: bool, keys: Path | None, rate_limit: int | None, segments: Path | None
) -> dict[str, str]:
    """The options as the variables that worker processes read."""
    told = {WAREHOUSE: warehouse, HOST: host, INSECURE: "1" if insecure else ""}
    if keys is not None:
        told[KEYS] = str(keys)
    if rate_limit is not None:
        told[RATE_LIMIT] = str(rate_limit)
    if segments is not None:
        told[SEGMENTS] = str(segments)
    return told


def _doors(credentials: Credentials) -> str:
    if credentials.is_open:
        return "open: no keys asked for"
    if credentials.passed_on:
        return "passes credentials on"
    shown = ["API keys"] if credentials.keys is not None and credentials.keys.asks else []
    return f"asks for {' or '.join([*shown, *(['access tokens'] if credentials.tokens else [])])}"


def _serve_alone(
    engine: Engine,
    settings: ServerSettings,
    listening: socket.socket,
    manners: Manners,
    asked: Callable[[], bool] = lambda: False,
    *,
    metrics_host: str | None = None,
) -> None:
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, _leave)  # uvicorn raises the signal once more when all is put away
    app = create_app(engine, settings)
    if metrics_host is not None:
        _serve_metrics(settings, metrics_host, app.state.metrics.told)
    Server(server_config(app, manners), manners.drain_s, asked).run(sockets=[listening])


def _serve_metrics(settings: ServerSettings, host: str, told: Callable[[], bytes]) -> None:
    """At a port of their own, where there is to be one."""
    if settings.metrics_port is None:
        return
    port = MetricsServer(host, settings.metrics_port, told, settings.metrics_token).port
    messages.print(f"  metrics http://{f'[{host}]' if ':' in host else host}:{port}/metrics", soft_wrap=True)


def _leave(_signal: int, _frame: object) -> None:
    """To be asked to stop is no failure."""
    raise SystemExit(0)


def _serve_with_workers(
    told: dict[str, str],
    settings: ServerSettings,
    host: str,
    listening: socket.socket,
    workers: int,
    manners: Manners,
) -> NoReturn:
    """Each process opens the warehouse for itself; all of them accept on one socket, and count into one folder."""
    patience_s = manners.drain_s + manners.grace_s + PATIENCE_S
    with tempfile.TemporaryDirectory(prefix="fanin-metrics-", ignore_cleanup_errors=True) as counted:
        os.environ.update(told | {PROCESSES_FOLDER: counted})
        _serve_metrics(settings, host, lambda: told_of_processes(Path(counted)))
        raise SystemExit(Workers(partial(serve_as_worker, manners), listening, workers, patience_s).run())


def serve_as_worker(manners: Manners, listening: socket.socket, asked: Callable[[], bool]) -> None:
    """What each of several workers does, in a process of its own."""
    try:
        segments = os.environ.get(SEGMENTS)
        engine = open_engine(os.environ.get(WAREHOUSE, DEFAULT_ADDRESS), Path(segments) if segments else None)
        settings = read_settings()
    except StatsError as error:  # what was well when the first process looked may not be later
        messages.print(f"a worker cannot begin: {escape(error.message)}", soft_wrap=True)
        raise SystemExit(1) from None
    log_to_stderr(settings.log_format, settings.log_level)
    _serve_alone(engine, settings, listening, manners, asked)


def _refuse_open_doors(host: str, credentials: Credentials) -> None:
    """Where other machines reach the server, it asks for credentials or was told not to."""
    if not credentials.asks and not credentials.may_be_open:
        raise BadRequest(
            f"{host} can be reached from other machines and no keys are set; make one with fanin keys create, "
            "or say --insecure to serve it open"
        )


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(2048)
    except OSError as error:
        listening.close()
        reason = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be listened on ({error.strerror})"
        raise BadRequest(f"{host}:{port} {reason}; choose another with --port") from None
    listening.set_inheritable(True)
    return listening


# --- import and demo data -----------------------------------------------------------------------------------------


@cli.command("import")
@refusals_told
def import_files(
    files: Annotated[list[str], typer.Argument(help="Logs or event files, plain, .gz, .bz2 or .zst; - reads stdin.")],
    account: AccountOption,
    warehouse: WarehouseOption = DEFAULT_ADDRESS,
    log_format: Annotated[
        str | None,
        typer.Option(
            "--format",
            envvar="FANIN_FORMAT",
            help=f"Recognised unless said: {', '.join(FORMATS)}, an nginx log_format, an Apache LogFormat, or events.",
        ),
    ] = None,
    mapping: Annotated[
        str | None,
        typer.Option(envvar="FANIN_MAPPING", help=f"Event files of {', '.join(shipped())}, or a TOML file that maps."),
    ] = None,
    settings: Annotated[
        Path | None,
        typer.Option(
            "--settings", "--goals", envvar="FANIN_GOALS", help="TOML file: own hosts, what counts as a page, goals."
        ),
    ] = None,
    site: SiteOption = None,
    timezone: TimezoneOption = None,
    currency: CurrencyOption = None,
    rejects: Annotated[
        Path | None, typer.Option(envvar="FANIN_REJECTS", help="A file for every line that could not be read.")
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(envvar="FANIN_JOBS", min=1, max=64, help="Processes that read; for large logs as many as cores."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", envvar="FANIN_JSON", help="Print the summary as JSON on stdout.")
    ] = False,
) -> None:
    """Load web-server logs or event files into an account, whole or not at all."""
    given = AccountSettings(
        read_settings_text(settings) if settings else None, tuple(site) if site else None, timezone, currency
    )
    given.rules(str(settings))
    written_as = _written_as(log_format, mapping)
    with _progress("Reading") as report, rejects_into(rejects) as on_damaged:
        paths = files_named(files)
        count = jobs or sensible_jobs(paths)
        summary = _spelled(import_log(paths, account, warehouse, None, report, written_as, on_damaged, count, given))
    if as_json:
        print_json(summary)
    else:
        _print_summary(summary, account)


def _written_as(log_format: str | None, mapping: str | None) -> WrittenAs | None:
    """What the files are in; None when each is to be recognised."""
    if mapping is not None:
        if log_format not in (None, EVENTS):
            raise BadRequest(f"--mapping is for event files and --format {log_format} for logs; give one of them")
        return mapping_named(mapping)
    if log_format is None:
        return None
    return PLAIN if log_format == EVENTS else format_named(log_format)


class _progress:  # reads as a verb where it is used
    """A bar on stderr when it is a terminal, nothing when it is not."""

    def __init__(self, title: str) -> None:
        self._bar = Progress(
            TextColumn(title),
            BarColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=messages,
            disable=not messages.is_terminal,
            transient=True,
        )
        self._task = self._bar.add_task(title, total=None)

    def __enter__(self) -> Callable[[int, int], None]:
        self._bar.start()
        return lambda done, total: self._bar.update(self._task, completed=done, total=total)

    def __exit__(self, *_: object) -> None:
        self._bar.stop()


def _spelled(summary: ImportSummary) -> ImportSummary:
    """File names as text that can be printed: on disk they may be any bytes."""

    def name(text: str) -> str:
        return os.fsencode(text).decode(errors="replace")

    return replace(
        summary,
        files_read=tuple(map(name, summary.files_read)),
        files_already_there=tuple(map(name, summary.files_already_there)),
        formats={name(file): found for file, found in summary.formats.items()},
        damaged_lines=tuple(replace(line, file=name(line.file)) for line in summary.damaged_lines),
    )


def _print_summary(summary: ImportSummary, account: str) -> None:
    for name in summary.files_already_there:
        messages.print(f"{escape(name)} is in account {account} already; nothing changed", soft_wrap=True)
    if not summary.files_read:
        return
    table = Table("What", "Count", title=f"Into account {account}", title_justify="left")
    table.columns[1].justify = "right"
    table.add_row("lines read", f"{summary.lines:,}")
    for line_class, count in summary.classes.items():
        table.add_row(f"  {line_class.value.replace('_', ' ')}", f"{count:,}")
    table.add_row("sessions", f"{summary.sessions:,}")
    for name, count in summary.goals.items():
        table.add_row(f"  {escape(name)}", f"{count:,}")
    messages.print(table)
    messages.print(f"read as {', '.join(dict.fromkeys(summary.formats.values()))}")
    if summary.first and summary.last:
        messages.print(f"from {summary.first:%Y-%m-%d %H:%M} to {summary.last:%Y-%m-%d %H:%M} UTC")
    if summary.bad_amounts:
        messages.print(f"{summary.bad_amounts:,} amounts could not be read and count as 0")
    for line in summary.damaged_lines:
        messages.print(f"damaged: {escape(line.file)} line {line.number}: {escape(line.excerpt)}", soft_wrap=True)
    unseen = summary.classes[LineClass.DAMAGED] - len(summary.damaged_lines)
    if unseen:
        messages.print(f"and {unseen:,} more damaged lines; --rejects FILE keeps them all")


@cli.command("demo-data")
@refusals_told
def demo_data(
    account: AccountOption = "my-site",
    warehouse: WarehouseOption = DEFAULT_ADDRESS,
    days: Annotated[int, typer.Option(envvar="FANIN_DAYS", help="Local days, today the last.")] = 400,
    sessions: Annotated[int, typer.Option(envvar="FANIN_SESSIONS", help="How many sessions.")] = 40_000,
    seed: Annotated[int, typer.Option(envvar="FANIN_SEED", help="The same seed makes the same shop.")] = 1,
) -> None:
    """Fill an account with a made-up shop that ends today."""
    added = load_demo(warehouse, account, now=datetime.now(UTC), days=days, sessions=sessions, seed=seed)
    messages.print(f"{added:,} sessions into account {account}" if added else f"account {account} is up to date")


# --- looking ------------------------------------------------------------------------------------------------------


@cli.command()
def schema() -> None:
    """Print the GraphQL schema."""
    sys.stdout.write(graphql_schema.as_str() + "\n")


# --- batch --------------------------------------------------------------------------------------------------------

RequestArgument = Annotated[str, typer.Argument(metavar="FILE|-", help="A batch request as JSON; - reads stdin.")]


@cli.command()
@refusals_told
def batch(
    request: RequestArgument,
    warehouse: WarehouseOption = DEFAULT_ADDRESS,
    stream: Annotated[
        bool, typer.Option("--stream", envvar="FANIN_STREAM", help="Print each result as a line when it is ready.")
    ] = False,
    segments: SegmentsOption = None,
) -> None:
    """Run a batch request without a server."""
    plan = _read(request)
    if isinstance(plan, PlanRefused):
        for problem in plan.detail:
            messages.print(f"[red]{escape(problem.field)}[/red]: {escape(problem.message)}", soft_wrap=True)
        raise typer.Exit(2)
    if plan.options.dry_run:
        _tell_validation(_with_engine(warehouse, segments, lambda engine: validate_batch(plan, engine)))
    status = _with_engine(warehouse, segments, lambda engine: _run_batch(plan, engine, stream=stream))
    raise typer.Exit(0 if status == "completed" else 1)


async def _run_batch(plan: Plan, engine: Engine, *, stream: bool) -> str:
    """Runs the plan, showing its progress; how it ended."""
    records: list[Record] = []
    one_terminal = stream and sys.stdout.isatty()  # records and live lines would write over each other
    with PlainLines(messages) if one_terminal else display_for(plan, messages) as display:
        async with (
            open_batch(plan, engine, str(uuid.uuid4()), on_start=display.started) as batch,
            aclosing(batch_records(batch)) as coming,
        ):
            async for record in coming:
                if stream:
                    print_line(ndjson_line(len(records), record))
                if record["type"] == "result":
                    display.settled(record["id"], record["result"])
                records.append(record)
            sharing, wall_ms = batch.sharing, batch.wall_ms
    answer = folded(records, plan)
    if not stream:
        print_json(decoded(answer))
    messages.print(f"{answer['status']} in {wall_ms:.0f} ms, {sharing.scans} scans")
    return answer["status"]


@cli.command()
@refusals_told
def validate(
    request: RequestArgument,
    warehouse: WarehouseOption = DEFAULT_ADDRESS,
    explain: Annotated[
        bool, typer.Option("--explain", envvar="FANIN_EXPLAIN", help="Add windows, scans and advice.")
    ] = False,
    segments: SegmentsOption = None,
) -> None:
    """Check a batch request and print its order, without touching data."""
    subject = _read(request)
    _tell_validation(_with_engine(warehouse, segments, lambda engine: validate_batch(subject, engine, explain=explain)))


def _tell_validation(answer: dict[str, Any]) -> NoReturn:
    print_json(answer)
    raise typer.Exit(0 if answer["valid"] else 2)


def _read(request: str) -> Any:
    try:
        body = sys.stdin.buffer.read() if request == "-" else Path(request).read_bytes()
    except OSError as error:
        raise BadRequest(f"{request} cannot be read: {error.strerror}") from None
    try:
        return read_plan(body)
    except PlanRefused as refusal:
        return refusal


def _with_engine(warehouse: str, segments: Path | None, work: Callable[[Engine], Any]) -> Any:
    engine = open_engine(warehouse, segments)

    async def run() -> Any:
        try:
            return await work(engine)
        finally:
            await engine.close()

    return asyncio.run(run())
