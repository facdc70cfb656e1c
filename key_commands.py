"""``fanin keys``: who may read what.  A running server obeys at once.  Contract §4.1."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .catalog.errors import BadRequest, StatsError
from .catalog.identity import READ_STATS
from .catalog.plans import DEFAULT_PLAN, PLANS
from .console import WarehouseOption, messages, print_json, print_line, refusals_told
from .server.keys import DAYS, SCOPES, Key, NewKey, create_key, keys_file_of, read_keys, revoke_key
from .server.settings import KEYS
from .warehouse.addresses import DEFAULT_ADDRESS, open_warehouse

keys_cli = typer.Typer(help="Make, list and revoke API keys.", no_args_is_help=True)

KeysOption = Annotated[
    Path | None, typer.Option("--keys", envvar=KEYS, help="The key file; beside the warehouse unless said.")
]


@keys_cli.command()
@refusals_told
def create(
    account: Annotated[
        list[str] | None, typer.Option(envvar="FANIN_ACCOUNT", help="An account it may read; may be repeated.")
    ] = None,
    all_accounts: Annotated[
        bool, typer.Option("--all-accounts", envvar="FANIN_ALL_ACCOUNTS", help="All accounts, those to come included.")
    ] = False,
    name: Annotated[str, typer.Option(envvar="FANIN_KEY_NAME", help="Who or what it is for.")] = "",
    scope: Annotated[
        list[str] | None, typer.Option(envvar="FANIN_SCOPE", help=f"{', '.join(SCOPES)}; {READ_STATS} unless said.")
    ] = None,
    expires_days: Annotated[
        int | None, typer.Option(envvar="FANIN_EXPIRES_DAYS", min=DAYS[0], max=DAYS[1], help="Days it is good for.")
    ] = None,
    plan: Annotated[str, typer.Option(envvar="FANIN_PLAN", help=f"{', '.join(PLANS)}.")] = DEFAULT_PLAN,
    keys: KeysOption = None,
    warehouse: WarehouseOption = DEFAULT_ADDRESS,
) -> None:
    """Make a key and print it, this once."""
    if account and all_accounts:
        raise BadRequest("Say either --account or --all-accounts")
    now = datetime.now(UTC)
    new = NewKey(
        accounts=None if all_accounts else tuple(account or ()),
        name=name,
        scopes=tuple(scope or (READ_STATS,)),
        plan=plan,
        expires=None if expires_days is None else now + timedelta(days=expires_days),
    )
    text, key = create_key(_file(keys, warehouse), new, now)
    print_line(f"{text}\n".encode())
    _tell_made(key, warehouse)


@keys_cli.command("list")
@refusals_told
def list_keys(
    keys: KeysOption = None,
    warehouse: WarehouseOption = DEFAULT_ADDRESS,
    as_json: Annotated[bool, typer.Option("--json", envvar="FANIN_JSON", help="Print JSON.")] = False,
) -> None:
    """What keys there are; never the keys themselves."""
    found = read_keys(_file(keys, warehouse))
    if as_json:
        print_json([_row(key) for key in found])
        return
    table = Table("Id", "Name", "Accounts", "Scopes", "Plan", "Created", "Expires", "Revoked")
    for column in table.columns:
        column.overflow = "fold"  # a name cut short names nothing
    table.columns[0].no_wrap = True
    for key in found:
        table.add_row(*map(escape, _cells(key)))
    Console().print(table)


@keys_cli.command()
@refusals_told
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The key's id, as the list shows it.")],
    keys: KeysOption = None,
    warehouse: WarehouseOption = DEFAULT_ADDRESS,
) -> None:
    """Revoke a key for good."""
    key = revoke_key(_file(keys, warehouse), key_id, datetime.now(UTC))
    messages.print(f"{key.id} is revoked since {key.revoked}", soft_wrap=True)


def _file(keys: Path | None, warehouse: str) -> Path:
    return keys or keys_file_of(warehouse)


def _tell_made(key: Key, warehouse: str) -> None:
    reads = "all accounts" if key.accounts is None else ", ".join(key.accounts)
    until = f" until {key.expires}" if key.expires else ""
    messages.print(
        f"{key.id} reads {reads}{until}, plan {key.plan}.  The key is shown this once and kept nowhere: keep it safe.",
        soft_wrap=True,
    )
    for account in _missing(key, warehouse):
        messages.print(f"There is no account {account} yet", soft_wrap=True)


def _missing(key: Key, warehouse: str) -> list[str]:
    """Accounts that may be a slip of the pen; none where the warehouse cannot be read to know."""
    if not key.accounts:
        return []
    try:
        store = open_warehouse(warehouse)
    except StatsError:
        return []
    try:
        return [account for account in key.accounts if account not in store.snapshot().accounts]
    finally:
        store.close()


def _row(key: Key) -> dict[str, str | list[str] | None]:
    return {
        "id": key.id,
        "name": key.name,
        "accounts": None if key.accounts is None else list(key.accounts),
        "scopes": list(key.scopes),
        "plan": key.plan,
        "created": key.created,
        "expires": key.expires,
        "revoked": key.revoked,
    }


def _cells(key: Key) -> tuple[str, ...]:
    accounts = "all" if key.accounts is None else ", ".join(key.accounts)
    days = (time[:10] if time else "-" for time in (key.created, key.expires, key.revoked))
    return key.id, key.name or "-", accounts, ", ".join(key.scopes), key.plan, *days
