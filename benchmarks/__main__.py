"""How fast, as ratios from one run: a batch of sixteen reports against what one would write by hand, GraphQL against
stock Strawberry, and an import.

``python -m benchmarks`` makes its own data in a temporary folder, prints what it finds and writes ``RESULTS.md`` with pictures
of growth beside it.  50 million page views are made on request: ``--millions 1 10 50``.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from .doors import doors_section, measure_doors
from .graphql_execution import measure_execution
from .import_speed import measure_formats, measure_import
from .reports import measure_reports
from .results import as_markdown, growth_pictures

RESULTS = Path(__file__).with_name("RESULTS.md")


def main() -> None:
    options = _options()
    reports = []
    for millions in options.millions:
        with TemporaryDirectory(prefix="fanin-bench-") as folder:
            reports.append(asyncio.run(measure_reports(Path(folder), round(millions * 1_000_000), options.rounds)))
    with TemporaryDirectory(prefix="fanin-bench-") as folder:
        executed = asyncio.run(measure_execution(Path(folder), options.rounds))
        imported = measure_import(Path(folder), options.repeat)
        formats = measure_formats(Path(folder))
        doors = measure_doors(Path(folder), 1_000_000, options.rounds, 300, 10_000)
    text = "\n".join([as_markdown(reports, executed, imported, formats), *doors_section(doors)])
    options.results.write_text(text, encoding="utf-8")
    for name, picture in growth_pictures(reports).items():
        options.results.with_name(name).write_text(picture, encoding="utf-8")
    sys.stdout.write(text)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--millions",
        type=float,
        nargs="+",
        default=[1, 10],
        help="page views of the account, in millions; several: growth",
    )
    parser.add_argument("--rounds", type=int, default=15, help="how often each contestant runs; the median counts")
    parser.add_argument("--repeat", type=int, default=10, help="how many times over the shop's log is imported")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the page is written")
    return parser.parse_args()


if __name__ == "__main__":
    main()
