"""GraphQL over HTTP as others judge it: the audits of ``graphql-http``, from node, against a real server.

``make test`` installs them with npm where there is one.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fanin.app import create_app
from fanin.tests.browser import serving
from fanin.tests.facts import engine_over, visit, write
from fanin.tests.node import run_node

AUDITS = 61  # of graphql-http 1.23.1; later versions may have more

pytestmark = pytest.mark.slow


def test_every_audit_of_graphql_over_http_is_passed(tmp_path: Path) -> None:
    write(tmp_path / "w.duckdb", "acme", [visit()])

    with engine_over(tmp_path / "w.duckdb") as (engine, _), serving(create_app(engine)) as address:
        results = json.loads(run_node("audits", "audit.mjs", f"{address}/graphql"))

    assert [result for result in results if result["status"] != "ok"] == []
    assert len(results) >= AUDITS
