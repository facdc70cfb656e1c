"""A question that every report can be asked: what some cannot be asked without, in the words of each door.

Import with ``from fanin.tests.questions import …``, so that tests walk all of ``ENDPOINTS`` without knowing any by name.
"""

from __future__ import annotations

from typing import Any

from fanin.catalog.endpoints import ENDPOINTS, Endpoint, Shape
from fanin.catalog.query import Scope, StatsQuery, ask

GOAL = "form"
STEPS = ("/", "/thanks")

# What ``ask`` wants beside the scope.
NEEDED: dict[Shape, dict[str, Any]] = {Shape.GOAL: {"goals": (GOAL,)}, Shape.STEPS: {"steps": STEPS}}
# What the GraphQL field wants.
NEEDED_ARGUMENTS = {Shape.GOAL: f'(type: "{GOAL}")', Shape.STEPS: '(steps: ["/", "/thanks"])'}
# What the body of a POST wants, without the account.
NEEDED_BODY: dict[Shape, dict[str, Any]] = {
    Shape.STEPS: {"steps": list(STEPS)},
    Shape.FREE: {"date_from": "2026-03-01", "date_to": "2026-03-10"},
}

# The reports that a GET reads, and with it a batch.
READ = {name: endpoint for name, endpoint in ENDPOINTS.items() if endpoint.method == "GET"}


def ask_needed(scope: Scope, report: str, **asked: Any) -> StatsQuery:
    """``ask`` with what the report cannot be asked without."""
    needed = NEEDED.get(ENDPOINTS[report].shape, {}) if report in ENDPOINTS else {}
    return ask(scope, report, **(needed | asked))


def path_of(endpoint: Endpoint) -> str:
    """Its path, with a goal where the path has a place for one."""
    return endpoint.path.replace("{type}", GOAL)
