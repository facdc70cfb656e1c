"""What the tests of this room share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fanin.tests.facts import write
from fanin.tests.recounted import SESSIONS, ZONE, Answers, standing_engine


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Answers]:
    """Answers over the random sessions, which are all of one account."""
    path = tmp_path_factory.mktemp("recounted") / "w.duckdb"
    write(path, "acme", SESSIONS, time_zone=ZONE.key)
    with standing_engine(path) as found:
        yield found
