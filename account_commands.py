"""``fanin accounts``: what there is, and the settings file that an account's imports go by."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .catalog.accounts import Account, check_account_id
from .catalog.errors import BadRequest
from .console import CurrencyOption, SiteOption, TimezoneOption, WarehouseOption, messages, print_json, refusals_told
from .ingest.learning import Learned, learn, settings_text
from .ingest.log_files import files_named
from .ingest.log_formats import format_named
from .ingest.site_rules import SiteRules, overridden
from .server.settings import read_upstream
from .warehouse.addresses import DEFAULT_ADDRESS, open_warehouse

accounts_cli = typer.Typer(help="List the accounts, or begin one with a settings file.", invoke_without_command=True)


@accounts_cli.callback()
@refusals_told
def accounts(
    context: typer.Context,
    warehouse: WarehouseOption = DEFAULT_ADDRESS,
    as_json: Annotated[bool, typer.Option("--json", envvar="FANIN_JSON", help="Print JSON.")] = False,
) -> None:
    """What accounts there are, in which zone and currency, over which days."""
    if context.invoked_subcommand is not None:
        return
    store = open_warehouse(warehouse, upstream=read_upstream())
    found = list(store.snapshot().accounts.values())
    store.close()
    if as_json:
        print_json([_without_stamp(account) for account in found])
        return
    table = Table("Account", "Time zone", "Currency", "First day", "Last day")
    for account in found:
        table.add_row(
            account.id, account.time_zone, account.currency, str(account.first_day or "-"), str(account.last_day or "-")
        )
    Console().print(table)


def _without_stamp(account: Account) -> dict[str, Any]:
    """The account as a program may read it; the stamp of its data is for us."""
    return {name: value for name, value in asdict(account).items() if name != "data_stamp"}


@accounts_cli.command()
@refusals_told
def init(
    account: Annotated[str, typer.Argument(help="The account's id.")],
    logs: Annotated[
        list[str] | None,
        typer.Option("--from", envvar="FANIN_FROM", help="A log to learn hosts and pages from; may be repeated."),
    ] = None,
    log_format: Annotated[
        str | None, typer.Option("--format", envvar="FANIN_FORMAT", help="The log's format, as of fanin import.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(envvar="FANIN_OUTPUT", help="The file to write; ACCOUNT.toml unless said, - stdout.")
    ] = None,
    site: SiteOption = None,
    timezone: TimezoneOption = None,
    currency: CurrencyOption = None,
) -> None:
    """Write a settings file with every key explained, and what a log shows about its site filled in."""
    check_account_id(account)
    rules = overridden(SiteRules(), site, timezone, currency)
    learned = learn(files_named(logs), format_named(log_format) if log_format else None) if logs else None
    text = settings_text(account, rules, learned)
    path = output or Path(f"{account}.toml")
    if str(path) == "-":
        sys.stdout.write(text)
        return
    _write_new(path, text)
    messages.print(f"{escape(str(path))} written{_told(learned)}", soft_wrap=True)


def _write_new(path: Path, text: str) -> None:
    """What is there already may have been worked on: it stays."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise BadRequest(f"{path} is there already and stays as it is; name another with --output") from None
    except OSError as error:
        raise BadRequest(f"{path} cannot be written: {error.strerror or error}") from None


def _told(learned: Learned | None) -> str:
    if learned is None:
        return ""
    return f": learned from {learned.lines:,} requests, own host {', '.join(learned.sites) or 'unknown'}, {len(learned.exclude)} kinds of paths that are no pages"
