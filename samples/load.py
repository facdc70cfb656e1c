"""Load the samples into a warehouse: the blog's and the shop's real logs, and a made-up shop that ends today.

Run by ``make run``.  What is there already is left alone, so a second run takes a moment.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SAMPLES = Path(__file__).parent
FANIN = [sys.executable, "-m", "fanin"]

# Account, log, rules.
LOGS = (
    ("blog", "blog-apache-access-2015-05.log.gz", "blog.toml"),
    ("shop", "shop-nginx-access-2019-01-26.log.gz", "shop.toml"),
)


def load(warehouse: str) -> None:
    """Import everything into ``warehouse``, a path."""
    for account, log, rules in LOGS:
        _fanin("import", str(SAMPLES / log), "--account", account, "--goals", str(SAMPLES / rules), warehouse=warehouse)
    # A log of one's own in this account stays: the made-up shop is told to be left out, and the server starts.
    _fanin("demo-data", "--account", "my-site", warehouse=warehouse, required=False)


def _fanin(*arguments: str, warehouse: str, required: bool = True) -> None:
    """Run one command; when one that is required fails, end with its exit code."""
    done = subprocess.run([*FANIN, *arguments, "--warehouse", warehouse], check=False)  # noqa: S603  # our own command
    if done.returncode and required:
        raise SystemExit(done.returncode)


if __name__ == "__main__":
    load(sys.argv[1] if len(sys.argv) > 1 else "fanin.duckdb")
