"""``docs/operating.md`` is what the tables of the code say."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from fanin.server.metrics import METRICS
from fanin.server.request_log import FIELDS

PAGE = Path(__file__).parents[2] / "docs" / "operating.md"


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ("---",) * len(head), *rows))


TABLES = {
    "log fields": table(("Field", "Is"), ((f"`{name}`", meaning) for name, meaning in FIELDS.items())),
    "metrics": table(
        ("Metric", "Kind", "Labels", "Meaning"),
        (
            (f"`{row.name}`", row.kind.value, ", ".join(f"`{label}`" for label in row.labels) or "-", row.meaning)
            for row in METRICS.values()
        ),
    ),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_of_the_page_is_made_from_the_code(name: str) -> None:
    text = PAGE.read_text(encoding="utf-8")
    place = re.compile(rf"(<!-- {name}: made by `make golden` -->\n)(.*?)(<!-- end of {name} -->)", re.DOTALL)
    made = place.sub(lambda found: f"{found[1]}\n{TABLES[name]}\n\n{found[3]}", text)
    if os.environ.get("FANIN_GOLDEN") == "rewrite":
        PAGE.write_text(made, encoding="utf-8")

    assert PAGE.read_text(encoding="utf-8") == made


def test_every_metric_of_the_queries_is_there() -> None:
    queried = set(re.findall(r"fanin_[a-z_]+(?=[\[{)])", PAGE.read_text(encoding="utf-8")))

    told = {f"{name}{part}" for name in METRICS for part in ("", "_bucket", "_count", "_sum")}
    assert queried - told == set()
    assert "fanin_scan_seconds_count" in queried
