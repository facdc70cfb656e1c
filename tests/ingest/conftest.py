"""Logs made in the test that reads them: one call a line, everything but what the test is about left at a default."""

from collections.abc import Callable
from pathlib import Path

import pytest

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


def log_line(
    target: str = "/",
    *,
    time: str = "10:00:00",
    referrer: str = "-",
    agent: str = FIREFOX,
    address: str = "8.8.8.8",
    method: str = "GET",
    status: int = 200,
    zone: str = "+0000",
) -> str:
    return (
        f'{address} - - [18/Mar/2026:{time} {zone}] "{method} {target} HTTP/1.1" {status} 1234 "{referrer}" "{agent}"'
    )


@pytest.fixture
def line() -> Callable[..., str]:
    return log_line


@pytest.fixture
def write_log(tmp_path: Path) -> Callable[..., Path]:
    def write(*lines: str, name: str = "access.log") -> Path:
        path = tmp_path / name
        path.write_text("".join(f"{one}\n" for one in lines), encoding="utf-8")
        return path

    return write
