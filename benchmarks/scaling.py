"""What a fleet needs: measures the constants, keeps them in ``scaling.json``, and writes ``docs/scaling.md`` from them.

``python -m benchmarks.scaling`` takes some minutes, makes its own data in a temporary folder and needs Linux and a Redis
server; ``--page`` writes the page from the constants that are there.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .scaling_model import Constants, Measured
from .scaling_page import page

CONSTANTS = Path(__file__).with_name("scaling.json")
PAGE = Path(__file__).parents[1] / "docs" / "scaling.md"


def main() -> None:
    options = _options()
    if not options.page:
        from .scaling_measure import measure  # which needs what only tests have

        constants = measure([round(millions * 1_000_000) for millions in options.millions])
        CONSTANTS.write_text(json.dumps(asdict(constants), indent=1) + "\n", encoding="utf-8")
    text = page(recorded())
    PAGE.write_text(text, encoding="utf-8")
    sys.stdout.write(text)


def recorded() -> Constants:
    """The constants of the last measurement that was kept."""
    return _read(json.loads(CONSTANTS.read_text(encoding="utf-8")))


def _read(told: Mapping[str, Any]) -> Constants:
    return Constants(**{**told, "accounts": tuple(Measured(**account) for account in told["accounts"])})


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__)
    parser.add_argument("--page", action="store_true", help="measure nothing")
    parser.add_argument(
        "--millions", type=float, nargs="+", default=[0.05, 0.5, 4], help="page views of the accounts, in millions"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
