"""``THREATS.md`` promises nothing without naming the test that proves it, and the test is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "THREATS.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| (?P<promise>[^|]+) \| (?P<tests>[^|]*) \|$", re.MULTILINE)


def promises() -> dict[str, list[str]]:
    """Sentence to the ids of its tests, of all tables with a column *Proved by*."""
    rows: dict[str, list[str]] = {}
    for table in re.findall(r"^\| Promise \| Proved by \|\n\| --- \| --- \|\n((?:\|.*\|\n)+)", PAGE, re.MULTILINE):
        for row in ROW.finditer(table):
            rows[row["promise"].strip()] = re.findall(r"`([^`]+)`", row["tests"])
        assert len(ROW.findall(table)) == table.count("\n")
    return rows


PROMISES = promises()


def test_the_page_makes_promises() -> None:
    assert len(PROMISES) >= 30


@pytest.mark.parametrize("promise", PROMISES)
def test_a_promise_names_tests_that_are_there(promise: str) -> None:
    named = PROMISES[promise]

    assert named != []
    for test in named:
        file, _, function = test.partition("::")
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        assert function in functions, test


def test_no_threat_is_left_without_an_answer() -> None:
    """Every door of the first table has a section of promises, by its name."""
    doors = re.findall(r"^\| \*\*(.+?)\*\* \|", PAGE, re.MULTILINE)

    assert [door for door in doors if f"## {door}" not in PAGE] == []
    assert len(doors) >= 6
