"""``fanin warehouse``: making what a warehouse on a server needs before anything can be imported into it."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from .catalog.errors import BadRequest
from .console import WarehouseOption, messages, refusals_told
from .warehouse.addresses import DEFAULT_ADDRESS, is_clickhouse

warehouse_cli = typer.Typer(help="Prepare a warehouse on a server.", no_args_is_help=True)


@warehouse_cli.callback()
def warehouse() -> None:
    """Prepare a warehouse on a server."""


@warehouse_cli.command()
@refusals_told
def init(
    warehouse: WarehouseOption = DEFAULT_ADDRESS,
    cluster: Annotated[
        str, typer.Option(envvar="FANIN_CLUSTER", help="The cluster to make replicated, distributed tables on.")
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "--sql", envvar="FANIN_DRY_RUN", help="Print the statements, run nothing.")
    ] = False,
) -> None:
    """Make database and tables where they are not there yet.  It may be said again at any time."""
    if not is_clickhouse(warehouse):
        raise BadRequest("Only a clickhouse:// warehouse is made first; a file is made by the first import into it")
    from .warehouse.clickhouse_connecting import place_of
    from .warehouse.clickhouse_making import check_cluster, init_statements, make_tables

    place = place_of(warehouse)
    statements = init_statements(place, check_cluster(cluster))
    if dry_run:
        sys.stdout.write("".join(f"{statement};\n\n" for statement in statements))
        return
    made = make_tables(place, statements)
    for name in made:
        messages.print(f"made {name}", soft_wrap=True)
    messages.print(f"{place} is ready" if made else f"{place} was ready already", soft_wrap=True)
