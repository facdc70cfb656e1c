"""What all commands share: where messages go, how a refusal is told, how JSON is printed.

Results go to stdout, messages and progress to stderr.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, ParamSpec

import orjson
import typer
from rich.console import Console
from rich.markup import escape

from .catalog.errors import StatsError
from .server.settings import SEGMENTS, WAREHOUSE

messages = Console(stderr=True, highlight=False, emoji=False)

P = ParamSpec("P")

WarehouseOption = Annotated[
    str,
    typer.Option(
        "--warehouse",
        envvar=WAREHOUSE,
        help="duckdb:///file, relative to this folder; duckdb:////file from the root; "
        "clickhouse://user:pass@host:8123/database; https://host/api/v1 asks an upstream.",
    ),
]

SegmentsOption = Annotated[
    Path | None, typer.Option("--segments", envvar=SEGMENTS, help="TOML file of saved segments.")
]

SiteOption = Annotated[
    list[str] | None, typer.Option(envvar="FANIN_SITE", help="A host of the site itself; may be repeated.")
]
TimezoneOption = Annotated[
    str | None, typer.Option(envvar="FANIN_TIMEZONE", help="The zone the account's days fall in.")
]
CurrencyOption = Annotated[str | None, typer.Option(envvar="FANIN_CURRENCY", help="The account's currency.")]


def refusals_told(command: Callable[P, None]) -> Callable[P, None]:
    """A refusal is one sentence and exit code 2, never a traceback."""

    @wraps(command)
    def told(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except StatsError as error:
            messages.print(f"[red]fanin:[/red] {escape(error.message)}", soft_wrap=True)
            raise typer.Exit(2) from None

    return told


def print_json(answer: Any) -> None:
    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS
    print_line(orjson.dumps(answer, option=options))


def print_line(line: bytes) -> None:
    """On stdout, at once.  Whoever reads may have seen enough and left; then so do we."""
    try:
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left unwritten must not fail again
        raise typer.Exit(1) from None
