"""GraphQL over HTTP as others judge it: the audits of ``graphql-http``, from node, against a real server.

``make test`` installs them with npm where there is one.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from fanin.app import create_app
from fanin.tests.browser import serving
from fanin.tests.facts import engine_over, visit, write

FOLDER = Path(__file__).parent.parent / "audits"
AUDITS = 61  # of graphql-http 1.23.1; later versions may have more

pytestmark = pytest.mark.slow


def audited(url: str) -> list[dict[str, Any]]:
    """What each audit found; skips the calling test where they cannot be run."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node here, which runs the audits of graphql-http")
    if not (FOLDER / "node_modules" / "graphql-http").is_dir():
        pytest.skip("the audits are not installed: npm install --no-package-lock --prefix tests/audits")
    done = subprocess.run(
        [node, "audit.mjs", url], cwd=FOLDER, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def test_every_audit_of_graphql_over_http_is_passed(tmp_path: Path) -> None:
    write(tmp_path / "w.duckdb", "acme", [visit()])

    with engine_over(tmp_path / "w.duckdb") as (engine, _), serving(create_app(engine)) as address:
        results = audited(f"{address}/graphql")

    assert [result for result in results if result["status"] != "ok"] == []
    assert len(results) >= AUDITS
