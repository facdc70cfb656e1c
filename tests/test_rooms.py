"""The rooms of the house: every one stands in the linter's list, and says in one docstring what it is for."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
ROOMS = [name.removeprefix("fanin.") for name in PROJECT["tool"]["setuptools"]["packages"] if name.count(".") == 1]


def test_every_room_stands_in_the_direction_of_imports() -> None:
    (contract,) = PROJECT["tool"]["importlinter"]["contracts"]

    layers = [layer.removeprefix("fanin.") for layer in contract["layers"]]

    doors = {file.stem for file in ROOT.glob("*.py")} - {"__init__"}
    assert set(layers) == {*ROOMS, *doors}
    assert layers[-1] == "catalog"


@pytest.mark.parametrize("room", ROOMS)
def test_a_rooms_init_is_one_docstring_and_nothing_else(room: str) -> None:
    tree = ast.parse((ROOT / room / "__init__.py").read_text())

    assert len(tree.body) == 1
    assert ast.get_docstring(tree)
