"""JavaScript of ``tests/audits`` and ``tests/clients``, run by node; ``make node`` installs what it imports.

Import with ``from fanin.tests.node import …``.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parent


def run_node(folder: str, script: str, *arguments: str | Path) -> str:
    """What a script of the folder prints; skips the calling test where it cannot be run."""
    command = [*node_command(folder), script, *map(str, arguments)]
    done = subprocess.run(command, cwd=TESTS / folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-2000:]
    return done.stdout


def node_command(folder: str) -> list[str]:
    """The start of a command that runs a script of the folder; skips the calling test where none can be run."""
    missing = missing_for(folder)
    if missing is not None:
        pytest.skip(missing)
    return ["node"]


@cache
def missing_for(folder: str) -> str | None:
    """What the scripts of the folder would need and is not here."""
    if shutil.which("node") is None:
        return f"no node here, which runs tests/{folder}"
    told = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    wanted = json.loads((TESTS / folder / "package.json").read_text())["engines"]["node"]
    if int(told.removeprefix("v").partition(".")[0]) < int(wanted.removeprefix(">=")):
        return f"node is {told.strip()} here, and tests/{folder} wants {wanted}"
    if not (TESTS / folder / "node_modules" / ".installed").is_file():
        return f"tests/{folder} is not installed: make node"
    return None
