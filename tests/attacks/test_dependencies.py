"""A base install holds what is needed and no more, and what is an extra is in no one's way."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]

# Needed without being imported by us, and why.
UNNAMED = {
    "websockets": "carries WebSockets in uvicorn",
    "uvloop": "uvicorn's event loop",
    "httptools": "uvicorn's parser",
    "ua-parser-rs": "makes ua-parser fast",
    "ua-parser-builtins": "what ua-parser knows",
    "tzdata": "zones where the system has none",
}
# Imported by us and brought by what is named.
BROUGHT = {"anyio": "starlette", "cryptography": "pyjwt", "aiohttp": "clickhouse-connect"}


def name_of(requirement: str) -> str:
    return normal(re.split(r"[\s\[<>=!~;]", requirement, maxsplit=1)[0])


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def imported() -> Iterator[str]:
    """Distributions of what the package imports, tests and benchmarks aside."""
    owners = packages_distributions()
    rooms = [name.removeprefix("fanin").removeprefix(".") for name in packages()]
    for room in rooms:
        for file in (ROOT / room.replace(".", "/")).glob("*.py"):
            for module in modules(ast.parse(file.read_text(encoding="utf-8"))):
                if module not in sys.stdlib_module_names:
                    yield from map(normal, owners.get(module, ()))


def packages() -> list[str]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]


def modules(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def test_every_dependency_of_a_base_install_is_imported_or_has_its_reason() -> None:
    base = {name_of(requirement) for requirement in PROJECT["dependencies"]}

    assert base - set(imported()) == set(UNNAMED)


def test_nothing_is_imported_that_is_neither_a_dependency_nor_an_extra() -> None:
    extras = [row for name, rows in EXTRAS.items() if not name.startswith("dev") for row in rows]
    named = {name_of(requirement) for requirement in [*PROJECT["dependencies"], *extras]}

    unnamed = {name for name in imported() if name not in named and not name.startswith("opentelemetry")}
    assert unnamed == set(BROUGHT)
    assert set(BROUGHT.values()) <= named


def test_the_commands_load_no_extra_and_nothing_heavy() -> None:
    """In a process of its own, as this one has loaded everything."""
    heavy = {"opentelemetry", "redis", "jwt", "clickhouse_connect", "httpx", "aiohttp", "pandas", "pyarrow", "pydantic"}
    script = "import sys, json, fanin.cli; print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))"

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120)

    assert heavy & set(json.loads(done.stdout)) == set()
