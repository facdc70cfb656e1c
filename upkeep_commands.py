"""``fanin forget`` and ``fanin doctor``: taking facts out for good, and looking whether a warehouse is sound."""

from __future__ import annotations

import sys
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .catalog.errors import BadRequest
from .console import WarehouseOption, messages, print_json, refusals_told
from .warehouse.addresses import DEFAULT_ADDRESS, file_of
from .warehouse.checking import AccountHealth, Health, check
from .warehouse.manifest import read_manifest
from .warehouse.writing import writing


@refusals_told
def forget(
    account: Annotated[str | None, typer.Option("--account", envvar="FANIN_ACCOUNT", help="The account's id.")] = None,
    before: Annotated[
        str | None, typer.Option(envvar="FANIN_BEFORE", help="A day, such as 2025-01-01: only what was before it.")
    ] = None,
    warehouse: WarehouseOption = DEFAULT_ADDRESS,
    yes: Annotated[bool, typer.Option("--yes", envvar="FANIN_YES", help="Do not ask.")] = False,
) -> None:
    """Take an account, or the days before one, out of the warehouse and off the disk."""
    if account is None and before is None:
        raise BadRequest("Nothing is said to be forgotten; give --account, --before, or both")
    path = _existing(warehouse)
    day = _day(before) if before is not None else None
    known = list(read_manifest(path).entries)
    if account is not None and account not in known:
        raise BadRequest(f"There is no account {account} in the warehouse; there are {', '.join(known) or 'none'}")
    accounts = [account] if account is not None else known
    _ask(accounts, day, yes)
    with writing(path) as writer:
        if day is None:
            writer.forget_account(accounts[0])
            messages.print(f"account {accounts[0]} is forgotten")
            return
        for name in accounts:
            messages.print(f"{writer.forget_before(name, day):,} sessions before {day} are forgotten in {name}")


def _ask(accounts: list[str], day: date | None, yes: bool) -> None:
    """Raises ``BadRequest`` unless it is meant."""
    if yes:
        return
    what = f"everything before {day} in" if day else "all of"
    if not sys.stdin.isatty():
        raise BadRequest(f"This would forget {what} {', '.join(accounts)}; say --yes")
    if not typer.confirm(f"Forget {what} {', '.join(accounts)}? It cannot be undone", err=True):
        raise BadRequest("Nothing was forgotten")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadRequest(f"--before: '{text}' is no day; accepted: a date such as 2025-01-01") from None


def _existing(warehouse: str) -> Path:
    path = file_of(warehouse)
    if not path.exists():
        raise BadRequest(f"There is no warehouse at {path}; import a log first: fanin import --help")
    return path.resolve()


@refusals_told
def doctor(
    warehouse: WarehouseOption = DEFAULT_ADDRESS,
    as_json: Annotated[bool, typer.Option("--json", envvar="FANIN_JSON", help="Print JSON.")] = False,
) -> None:
    """Look whether a warehouse is sound: every file whole, every sum that of its facts.  Exit code 1 when it is not."""
    health = check(file_of(warehouse), version("fanin"))
    if as_json:
        print_json(health)
    else:
        _print(health)
    raise typer.Exit(0 if health.is_sound else 1)


def _print(health: Health) -> None:
    console = Console()
    versions = ", ".join(f"{name} {number}" for name, number in health.versions.items())
    console.print(f"{escape(health.path)}: layout {health.layout}, {_size(health.bytes)}; {versions}", soft_wrap=True)
    table = Table("Account", "Sessions", "Page views", "Lines known", "Size", "State")
    for column in table.columns[1:5]:
        column.justify = "right"
    for account in health.accounts:
        counts = (account.sessions, account.page_views, account.lines)
        table.add_row(account.id, *(f"{count:,}" for count in counts), _size(account.bytes), _state(account))
    console.print(table)
    for name in health.leftovers:
        console.print(f"left over: {escape(name)}; the next import into its account takes it away", soft_wrap=True)


def _state(account: AccountHealth) -> str:
    return escape("; ".join(account.problems)) or "sound"


def _size(size: int) -> str:
    return f"{size / 1_000_000:,.1f} MB"
