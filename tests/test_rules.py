"""Every rule of what a batch means has a test that names it: ``test_rule_2_4_…`` proves rule 2.4."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
RULES_OF_SECTION = {1: 6, 2: 7, 3: 5, 4: 8, 5: 5}  # section: how many rules it has
RULES = [f"{section}.{rule}" for section, count in RULES_OF_SECTION.items() for rule in range(1, count + 1)]


def named_tests() -> Iterator[str]:
    for path in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_rule_"):
                yield node.name


NAMED = sorted(named_tests())


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_has_a_test_that_names_it(rule: str) -> None:
    prefix = f"test_rule_{rule.replace('.', '_')}_"

    assert [name for name in NAMED if name.startswith(prefix)] != []


def test_no_test_names_a_rule_that_is_not_there() -> None:
    numbers = {".".join(name.split("_")[2:4]) for name in NAMED}

    assert numbers <= set(RULES)
