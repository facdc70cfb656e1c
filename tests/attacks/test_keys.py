"""Keys: each is compared in the same time, whatever is shown, and none is told again."""

from __future__ import annotations

import hmac
from pathlib import Path
from typing import Any

import pytest

from fanin.catalog.errors import Unauthorized
from fanin.server.keys import ID_LENGTH, KeyRing
from fanin.server.metrics_page import is_token
from fanin.server.settings import ServerSettings
from fanin.tests.callers import key_for
from fanin.tests.facts import NOW


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, Any]]:
    """What has been compared, in constant time, so far."""
    pairs: list[tuple[Any, Any]] = []
    compare = hmac.compare_digest

    def noted(one: Any, other: Any) -> bool:
        pairs.append((one, other))
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", noted)
    return pairs


def test_a_right_a_wrong_and_an_unknown_key_cost_one_comparison_of_the_same_length(
    tmp_path: Path, compared: list[tuple[Any, Any]]
) -> None:
    key = key_for(tmp_path / "keys.json", "acme")
    ring = KeyRing(tmp_path / "keys.json")

    ring.identity(key, NOW)
    for wrong in (key[:-1] + ("a" if key[-1] != "a" else "b"), "sm_" + "x" * 61, key[:ID_LENGTH], f"{key}x"):
        with pytest.raises(Unauthorized):
            ring.identity(wrong, NOW)

    assert [(len(one), len(other)) for one, other in compared] == [(64, 64)] * 5


def test_the_token_of_metrics_is_compared_in_constant_time(compared: list[tuple[Any, Any]]) -> None:
    shown = ("Bearer right", "Bearer wrong", "Basic right", "", "Bearer \xe9")

    assert [is_token(header, "right") for header in shown] == [True, False, False, False, False]
    assert len(compared) == len(shown)


def test_secrets_are_no_part_of_how_settings_are_shown() -> None:
    settings = ServerSettings(jwt_secret="s3cret", rate_limit_store="redis://:pa55@host", metrics_token="t0ken")

    assert not [secret for secret in ("s3cret", "pa55", "t0ken") if secret in repr(settings)]
