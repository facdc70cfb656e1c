"""The README is true: its request gives its answer, and its reference is what the tables say."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from fanin.catalog.endpoints import ENDPOINTS
from fanin.catalog.errors import ERRORS
from fanin.cli import cli
from fanin.rest_compat.reference import reference
from fanin.schema.naming import camel_case
from fanin.tests.facts import client_of, engine_over

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
REFERENCE = re.compile(r"(<!-- reference: made by `make golden` -->\n)(.*?)(<!-- end of reference -->)", re.DOTALL)


def block(name: str) -> str:
    """The fenced block that follows ``<!-- name -->``."""
    found = re.search(rf"<!-- {name} -->\n```\w+\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return found.group(1)


def posted(path: Path, address: str, body: str) -> Any:
    async def ask() -> Any:
        with engine_over(path) as (engine, _):
            async with client_of(engine) as client:
                response = await client.post(address, content=body, headers={"content-type": "application/json"})
                return response.json()

    return asyncio.run(ask())


def timeless(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer without what no two runs have in common."""
    results = {name: {**result, "timing_ms": 0} for name, result in answer["results"].items()}
    meta = {**answer["meta"], "total_timing_ms": 0}
    return {**answer, "batch_id": "", "timestamp": "", "results": results, "meta": meta}


def test_the_readmes_request_gives_the_readmes_answer(sample_warehouse: Path) -> None:
    request = block("request").split("-d '", 1)[1].rstrip().removesuffix("'")

    answer = posted(sample_warehouse, "/api/v1/batch", request)

    assert timeless(answer) == timeless(json.loads(block("answer")))


def test_values_between_queries_give_the_readmes_records(sample_warehouse: Path) -> None:
    request = block("values request").split("-d '", 1)[1].rstrip().removesuffix("'")

    async def ask() -> list[dict[str, Any]]:
        with engine_over(sample_warehouse) as (engine, _):
            async with client_of(engine) as client:
                headers = {"accept": "application/x-ndjson"}
                response = await client.post("/api/v1/batch", content=request, headers=headers)
                return [json.loads(line) for line in response.text.splitlines()]

    assert _undated(asyncio.run(ask())) == _undated(map(json.loads, block("values answer").splitlines()))


def _undated(records: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Records without what no two runs have in common."""
    plan, *results, end = records
    meta = {**end["meta"], "total_timing_ms": 0}
    return [{**plan, "batch_id": ""}, *results, {**end, "timestamp": "", "meta": meta}]


def test_the_readmes_request_is_explained_as_the_readme_says(sample_warehouse: Path) -> None:
    request = block("request").split("-d '", 1)[1].rstrip().removesuffix("'")

    answer = posted(sample_warehouse, "/api/v1/batch/validate?explain=true", request)

    assert answer["explanation"]["advice"] == json.loads(block("advice"))


def test_the_same_in_graphql_gives_its_answer(sample_warehouse: Path) -> None:
    answer = posted(sample_warehouse, "/graphql", json.dumps({"query": block("graphql")}))

    assert {"data": answer["data"]} == json.loads(block("graphql answer"))


def test_the_reference_is_made_from_the_tables() -> None:
    text = README.read_text(encoding="utf-8")
    made = REFERENCE.sub(lambda found: f"{found.group(1)}\n{reference()}\n{found.group(3)}", text)
    if os.environ.get("FANIN_GOLDEN") == "rewrite":
        README.write_text(made, encoding="utf-8")

    assert README.read_text(encoding="utf-8") == made


@pytest.mark.parametrize("word", [*(f"`{camel_case(name)}`" for name in ENDPOINTS), *ERRORS])
def test_every_report_and_error_is_in_the_readme(word: str) -> None:
    assert word in README.read_text(encoding="utf-8")


def test_every_command_is_in_the_readme() -> None:
    groups = {f"{group.name} ": group.typer_instance for group in cli.registered_groups} | {"": cli}
    names = [
        prefix + (command.name or getattr(command.callback, "__name__", ""))
        for prefix, group in groups.items()
        if group is not None
        for command in group.registered_commands
    ]

    missing = [name for name in names if f"fanin {name}" not in README.read_text(encoding="utf-8")]

    assert missing == []
