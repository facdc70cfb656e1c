"""The rows of an event file: NDJSON, CSV or Parquet, one event a row."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import orjson

from ..warehouse.layout import NO_EXTENSIONS
from .event_mappings import NEEDED
from .log_files import LogFile, on_disk
from .refusals import ImportRefused

Row = Mapping[str, Any]

PARQUET_MAGIC = b"PAR1"
FETCHED_ROWS = 5_000  # of a Parquet file, at once

_DELIMITERS = (",", ";", "\t")


class NumberedRow(NamedTuple):
    number: int  # of the line, or of the row in a Parquet file, from 1
    row: Row | None  # None when it is damaged
    text: str  # as it stands in the file; empty in a Parquet file


def event_format_of(log: LogFile) -> str:
    """``ndjson``, ``csv`` or ``parquet``, by what the file begins with."""
    if _is_parquet(log):
        return "parquet"
    return "ndjson" if _first_line(log).lstrip().startswith("{") else "csv"


def is_event_file(log: LogFile) -> bool:
    """Whether the file has, by their plain names, the columns every event needs."""
    if _is_parquet(log):
        return True
    first = _first_line(log).strip()
    if first.startswith("{"):
        return set(NEEDED) <= set(_object(first) or ())
    return set(NEEDED) <= set(_header(first)[1])


def check_events(path: Path, found: str, rows: int, readable: int) -> None:
    """Raises ``ImportRefused`` unless something of an event file could be read."""
    if not readable:
        raise ImportRefused(
            f"'{path}' holds no events: read as {found}, none of its {rows} rows tells a time, an event, and one of "
            "visitor, session and address. Say where they stand with --mapping."
        )


def rows_of(log: LogFile, wanted: Callable[[str], bool]) -> Iterator[NumberedRow]:
    """The rows one after another.  Of a Parquet file only the columns that are wanted are read."""
    return _READERS[event_format_of(log)](log, wanted)


def value_at(row: Row, place: str) -> str:
    """What stands in a column, or where steps parted by dots lead from it; empty when there is nothing.

    A step is a key, a number in a list, or the ``key`` of one of a list's entries, as Google writes parameters.  Text
    that holds JSON is stepped into as well.
    """
    if place in row:
        value = row[place]
        return value if type(value) is str else text_of(value)
    if "." not in place:
        return ""
    name, *steps = place.split(".")
    found = row.get(name)
    for step in steps:
        found = _stepped(found, step)
    return text_of(found)


def text_of(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool):
        return ""
    if isinstance(value, (int, Decimal)):
        return str(value)
    if isinstance(value, float):
        return f"{value:.6f}".rstrip("0").rstrip(".")
    if isinstance(value, date):
        return value.isoformat()
    return _only_value(value) if isinstance(value, dict) else ""


def _only_value(value: dict[str, Any]) -> str:
    """Google's ``{"string_value": …, "int_value": …}``, of which one is set."""
    return next((text_of(value[name]) for name in value if name.endswith("_value") and value[name] is not None), "")


def _stepped(found: Any, step: str) -> Any:
    if isinstance(found, str) and found.startswith(("{", "[")):
        try:
            found = orjson.loads(found)
        except orjson.JSONDecodeError:
            return None
    if isinstance(found, dict):
        return found.get(step)
    if not isinstance(found, list):
        return None
    if step.isdecimal():
        return found[int(step)] if int(step) < len(found) else None
    return next((one.get("value") for one in found if isinstance(one, dict) and one.get("key") == step), None)


def _is_parquet(log: LogFile) -> bool:
    try:
        with on_disk(log.path).open("rb") as file:
            return file.read(len(PARQUET_MAGIC)) == PARQUET_MAGIC
    except OSError as error:
        raise ImportRefused(f"'{log.path}' cannot be read: {error.strerror or error}.") from error


def _first_line(log: LogFile) -> str:
    lines = LogFile(log.path).lines()
    return next((line for line in lines if line.strip()), "").removeprefix("\ufeff")


def _ndjson(log: LogFile, _wanted: Callable[[str], bool]) -> Iterator[NumberedRow]:
    for number, text in enumerate(log.lines(), start=1):
        yield NumberedRow(number, _object(text), text)


def _object(text: str) -> dict[str, Any] | None:
    try:
        row = orjson.loads(text.removeprefix("\ufeff"))
    except orjson.JSONDecodeError:
        return None
    return row if isinstance(row, dict) else None


def _csv(log: LogFile, _wanted: Callable[[str], bool]) -> Iterator[NumberedRow]:
    """A row may go over several lines; its number is that of the last."""
    lines = log.lines()
    first = next((line for line in lines if line.strip()), "").removeprefix("\ufeff")
    delimiter, names = _header(first)
    reader = csv.reader(chain([first], (f"{line}\n" for line in lines)), delimiter=delimiter)
    while True:
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield NumberedRow(reader.line_num, None, str(error))
            continue
        if reader.line_num > 1 or values != names:
            fits = len(values) == len(names)
            row = dict(zip(names, values, strict=True)) if fits else None
            yield NumberedRow(reader.line_num, row, delimiter.join(values))


def _header(line: str) -> tuple[str, list[str]]:
    delimiter = max(_DELIMITERS, key=line.count)
    return delimiter, next(csv.reader([line], delimiter=delimiter), [])


def _parquet(log: LogFile, wanted: Callable[[str], bool]) -> Iterator[NumberedRow]:
    try:
        with duckdb.connect(config=dict(NO_EXTENSIONS)) as connection:
            path = str(on_disk(log.path))
            described = connection.execute("DESCRIBE SELECT * FROM read_parquet(?)", [path]).fetchall()
            columns = [(name, kind) for name, kind, *_ in described if wanted(name)]
            if not columns:
                return
            chosen = ", ".join(_selected(name, kind) for name, kind in columns)
            found = connection.execute(f"SELECT {chosen} FROM read_parquet(?)", [path])
            number = 0
            while rows := found.fetchmany(FETCHED_ROWS):
                for values in rows:
                    number += 1
                    row = {name: value for (name, _), value in zip(columns, values, strict=True)}
                    yield NumberedRow(number, row, "")
    except duckdb.Error as error:
        raise ImportRefused(f"'{log.path}' is a damaged or cut off Parquet file; a whole one is accepted.") from error
    for _ in log._chunks():  # for the digest, and the progress
        pass


def _selected(name: str, kind: str) -> str:
    """A column's name comes from the file: it is quoted.  Moments become numbers, which need no zone."""
    quoted = '"' + name.replace('"', '""') + '"'
    return f"epoch_us({quoted})" if kind == "TIMESTAMP WITH TIME ZONE" else quoted


_READERS: dict[str, Callable[[LogFile, Callable[[str], bool]], Iterator[NumberedRow]]] = {
    "ndjson": _ndjson,
    "csv": _csv,
    "parquet": _parquet,
}
