"""``fanin export``: every row of a report, all its pages, as CSV, NDJSON or Parquet."""

from __future__ import annotations

import asyncio
import csv
import io
import os
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import duckdb
import orjson
import typer
from rich.markup import escape

from .app import open_engine
from .batch_display import Result
from .catalog.endpoints import ENDPOINTS, Endpoint
from .catalog.errors import BadRequest, suggestion
from .console import SegmentsOption, WarehouseOption, messages, print_line, refusals_told
from .rest_compat.batch import open_batch
from .rest_compat.plan import PlanRefused, read_plan
from .rest_compat.streaming import batch_records
from .schema.engine import Engine
from .warehouse.addresses import DEFAULT_ADDRESS, file_of
from .warehouse.layout import NO_EXTENSIONS
from .warehouse.session_export import WRITTEN, export_sessions

Row = dict[str, Any]

# Reports that are a list of rows in pages; any other is one object, which ``fanin batch`` prints.
EXPORTED: dict[str, Endpoint] = {
    name: endpoint
    for name, endpoint in ENDPOINTS.items()
    if endpoint.page_size is not None
    and endpoint.page_size.parameter == "page_size"
    and endpoint.method == "GET"
    and not endpoint.needs_arguments
}


@refusals_told
def export(
    account: Annotated[str, typer.Option("--account", envvar="FANIN_ACCOUNT", help="The account's id.")],
    report: Annotated[str | None, typer.Argument(help=f"{', '.join(EXPORTED)}.")] = None,
    warehouse: WarehouseOption = DEFAULT_ADDRESS,
    period: Annotated[str | None, typer.Option(envvar="FANIN_PERIOD", help="Such as 30d or last_month.")] = None,
    start: Annotated[str | None, typer.Option("--from", envvar="FANIN_FROM_DAY", help="First day.")] = None,
    end: Annotated[str | None, typer.Option("--to", envvar="FANIN_TO_DAY", help="Last day, included.")] = None,
    filters: Annotated[str | None, typer.Option(envvar="FANIN_FILTERS", help="field:op:value, …")] = None,
    segment: Annotated[str | None, typer.Option(envvar="FANIN_SEGMENT", help="A segment's slug or id.")] = None,
    output: Annotated[
        Path, typer.Option(envvar="FANIN_OUTPUT", help="A file that ends in .csv, .ndjson or .parquet; - prints CSV.")
    ] = Path("-"),
    segments: SegmentsOption = None,
    sessions: Annotated[
        bool, typer.Option("--sessions", envvar="FANIN_SESSIONS_TOO", help="Single sessions in the place of a report.")
    ] = False,
) -> None:
    """Write every row of a report, or every session, into a file."""
    if sessions:
        _refuse_beside_sessions(REPORT=report, period=period, filters=filters, segment=segment)
        _export_sessions(warehouse, account, _day("from", start), _day("to", end), output)
        return
    if report is None:
        raise BadRequest(f"Which report? Known are {', '.join(EXPORTED)}; or say --sessions")
    endpoint = EXPORTED.get(report.removeprefix("/stats/").replace("-", "_"))
    if endpoint is None:
        raise BadRequest(
            f"There is no report '{report}' in rows{suggestion(report, EXPORTED)}; known are {', '.join(EXPORTED)}"
        )
    write = _writer(output)
    said = {"period": period, "start_date": start, "end_date": end, "filters": filters, "segment": segment}
    params = {"account_id": account} | {name: value for name, value in said.items() if value is not None}
    rows = _rows(endpoint, params, open_engine(warehouse, segments))
    write(rows, output)
    messages.print(f"{len(rows):,} rows of {endpoint.name} into {escape(str(output))}", soft_wrap=True)


def _refuse_beside_sessions(**said: str | None) -> None:
    for name, value in said.items():
        if value is not None:
            raise BadRequest(f"--sessions writes all sessions of the days between --from and --to, without {name}")


def _export_sessions(warehouse: str, account: str, first: date | None, last: date | None, output: Path) -> None:
    if output.suffix not in WRITTEN:
        raise BadRequest(f"{output} cannot be written: its name must end in {', '.join(WRITTEN)}")
    path = file_of(warehouse)
    if not path.exists():
        raise BadRequest(f"There is no warehouse at {path}; import a log first: fanin import --help")
    with _published(output) as draft:
        count = export_sessions(path.resolve(), account, first, last, draft, output.suffix)
    messages.print(f"{count:,} sessions into {escape(str(output))}", soft_wrap=True)


def _day(option: str, text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text is not None else None
    except ValueError:
        raise BadRequest(f"--{option}: '{text}' is no day; accepted: a date such as 2026-03-01") from None


def _rows(endpoint: Endpoint, params: Row, engine: Engine) -> list[Row]:
    async def read() -> list[Row]:
        try:
            return [row async for page in _pages(endpoint, params, engine) for row in page]
        finally:
            await engine.close()

    return asyncio.run(read())


async def _pages(endpoint: Endpoint, params: Row, engine: Engine) -> AsyncIterator[list[Row]]:
    """Page after page.  Raises ``BadRequest`` with what a batch would say."""
    assert endpoint.page_size is not None  # noqa: S101  # as in EXPORTED
    page = 1
    while True:
        asked = params | {"page": page, "page_size": endpoint.page_size.maximum}
        result = await _result(endpoint, asked, engine)
        if result["status"] != "success":
            raise BadRequest(result["error"]["message"])
        yield result["data"]["data"]
        if not result["data"]["has_next"]:
            return
        page += 1


async def _result(endpoint: Endpoint, params: Row, engine: Engine) -> Result:
    body = {"queries": [{"id": "export", "endpoint": endpoint.path, "params": params}]}
    try:
        plan = read_plan(orjson.dumps(body))
    except PlanRefused as refusal:
        raise BadRequest("; ".join(problem.message for problem in refusal.detail)) from None
    async with open_batch(plan, engine, str(uuid.uuid4())) as batch:
        records = [record async for record in batch_records(batch)]
    return next(record["result"] for record in records if record["type"] == "result")


def _writer(output: Path) -> Callable[[list[Row], Path], None]:
    if str(output) == "-":
        return lambda rows, _: print_line(_csv(rows))
    if output.suffix not in _WRITERS:
        raise BadRequest(f"{output} cannot be written: its name must end in {', '.join(_WRITERS)}")
    return _WRITERS[output.suffix]


def _csv(rows: list[Row]) -> bytes:
    """Lists inside a row, such as a goal's sources, are JSON."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_cell(row.get(name)) for name in names] for row in rows)
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    return orjson.dumps(value).decode() if isinstance(value, (list, dict)) else value


def _write_csv(rows: list[Row], output: Path) -> None:
    with _published(output) as draft:
        draft.write_bytes(_csv(rows))


def _write_ndjson(rows: Iterable[Row], output: Path) -> None:
    with _published(output) as draft:
        draft.write_bytes(b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows))


def _write_parquet(rows: list[Row], output: Path) -> None:
    if not rows:
        raise BadRequest("There are no rows, and a Parquet file needs one to know its columns")
    with _published(output) as draft, tempfile.TemporaryDirectory(prefix="fanin-export-") as folder:
        lines = Path(folder) / "rows.ndjson"
        _write_ndjson(rows, lines)
        with duckdb.connect(config=dict(NO_EXTENSIONS)) as connection:
            read = connection.read_json(str(lines), format="newline_delimited", sample_size=-1)
            read.write_parquet(str(draft))


@contextmanager
def _published(output: Path) -> Iterator[Path]:
    """A draft beside the file, which takes its name when it is whole."""
    draft = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        yield draft
        draft.replace(output)
    except OSError as error:
        raise BadRequest(f"{output} cannot be written: {error.strerror or error}") from None
    finally:
        draft.unlink(missing_ok=True)


_WRITERS: dict[str, Callable[[list[Row], Path], None]] = {
    ".csv": _write_csv,
    ".ndjson": _write_ndjson,
    ".parquet": _write_parquet,
}
