"""``docs/ingest.md`` is what the tables of the code say, and leaves out no key and no class."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

import pytest

from fanin.catalog.channels import classify
from fanin.ingest.event_mappings import COLUMNS, NEEDED, mapping_named, shipped
from fanin.ingest.hits import CLICK_IDS
from fanin.ingest.log_formats import FORMATS, format_named
from fanin.ingest.site_rules import CONTENT_GROUPING, GOAL, TOP
from fanin.ingest.summaries import LineClass

PAGE = Path(__file__).parents[2] / "docs" / "ingest.md"


def table(head: str, rows: Iterable[tuple[str, ...]]) -> str:
    columns = head.split(", ")
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


TABLES = {
    "formats": table(
        "Name, Written by, Does not tell",
        ((f"`{row.name}`", row.written_by, row.lacks or "-") for row in FORMATS.values()),
    ),
    "click ids": table(
        "Click id, Source, Medium, Channel",
        (
            (f"`{name}`", f"`{origin.source}`", f"`{origin.medium}`", classify(origin.source, origin.medium))
            for name, origin in CLICK_IDS.items()
        ),
    ),
    "columns": table("Column, Holds", ((f"`{name}`", meaning or "the same") for name, meaning in COLUMNS.items())),
    "mappings": table(
        "Mapping, Reads",
        (
            (f"[`{name}`](../ingest/mappings/{name}.toml)", files("fanin.ingest.mappings").joinpath(f"{name}.toml").read_text().splitlines()[0][2:])
            for name in shipped()
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLES)
def test_the_page_shows_the_codes_own_tables(name):
    text = PAGE.read_text(encoding="utf-8")
    place = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
    made = place.sub(lambda found: f"{found[1]}\n{TABLES[name]}\n\n{found[2]}", text)
    if os.environ.get("FANIN_GOLDEN") == "rewrite":
        PAGE.write_text(made, encoding="utf-8")

    assert PAGE.read_text(encoding="utf-8") == made


@pytest.mark.parametrize("word", [*TOP, *GOAL, *CONTENT_GROUPING, *map(str, LineClass)])
def test_every_key_and_every_class_is_on_the_page(word):
    assert re.search(rf"`(\[\[)?{word}(\]\])?`", PAGE.read_text(encoding="utf-8"))


def test_the_pages_mapping_can_be_used(tmp_path):
    [text] = re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    path = tmp_path / "m.toml"
    path.write_text(text, encoding="utf-8")

    assert set(NEEDED) <= set(mapping_named(str(path)).columns)


def test_the_pages_formats_can_be_used():
    texts = re.findall(r"--format '(.*)'", PAGE.read_text(encoding="utf-8"))

    assert [format_named(text).name for text in texts] == ["as given", "as given"]
