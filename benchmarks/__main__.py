"""How fast, as ratios from one run: the batch of sixteen reports against sixteen statements, and the import of a log.

``python -m benchmarks`` makes its own data in a temporary folder, prints what it finds and writes ``RESULTS.md``.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from .import_speed import measure_formats, measure_import
from .reports import measure_reports
from .results import as_markdown

RESULTS = Path(__file__).with_name("RESULTS.md")


def main() -> None:
    options = _options()
    with TemporaryDirectory(prefix="fanin-bench-") as folder:
        reports = asyncio.run(measure_reports(Path(folder), options.sessions, options.rounds))
        imported = measure_import(Path(folder), options.repeat)
        formats = measure_formats(Path(folder))
    text = as_markdown(reports, imported, formats)
    RESULTS.write_text(text, encoding="utf-8")
    sys.stdout.write(text)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--sessions", type=int, default=330_000, help="sessions of the account; 3 page views each")
    parser.add_argument("--rounds", type=int, default=25, help="how often each contestant runs; the median counts")
    parser.add_argument("--repeat", type=int, default=10, help="how many times over the shop's log is imported")
    return parser.parse_args()


if __name__ == "__main__":
    main()
