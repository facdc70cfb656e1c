"""How many lines a second an import reads, whole and format by format, and how much memory it takes."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from fanin.ingest.importing import import_log
from fanin.ingest.site_rules import read_site_rules
from fanin.tests.ingest.reading import read_logs
from fanin.tests.ingest.rendering import SERVERS, rendered, requests_of

SAMPLES = Path(__file__).parents[1] / "samples"
SHOP = next(SAMPLES.glob("shop-nginx-access-*.log.gz"))
MEBIBYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class ImportFigures:
    repeat: int
    lines: int
    sessions: int
    seconds: float
    peak_mib: int  # of a process that does nothing else

    @property
    def lines_per_second(self) -> float:
        return self.lines / self.seconds


@dataclass(frozen=True, slots=True)
class FormatFigures:
    """Reading alone, without the warehouse, in seconds of one core."""

    server: str
    lines: int
    cpu_seconds: float

    @property
    def lines_per_second(self) -> float:
        return self.lines / self.cpu_seconds


def measure_import(folder: Path, repeat: int) -> ImportFigures:
    """One import, from the gzip on disk to the published warehouse, in a process of its own."""
    log = folder / "shop.log.gz"
    log.write_bytes(SHOP.read_bytes() * repeat)  # gzip files one after another are one gzip file
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.import_speed", log, folder / "import.duckdb"],
        capture_output=True,
        text=True,
        check=True,
    )
    lines, sessions, seconds, peak_mib = done.stdout.split()
    return ImportFigures(repeat, int(lines), int(sessions), float(seconds), int(peak_mib))


def measure_formats(folder: Path) -> list[FormatFigures]:
    """The shop's requests as each kind of server would have logged them, each file read once."""
    figures: list[FormatFigures] = []
    rules = read_site_rules(SAMPLES / "shop.toml")
    requests = requests_of(SHOP, 80_000)
    for server in ("combined", *SERVERS):  # the first time for the agents and referrers, which are remembered
        log = folder / f"{server}.log"
        log.write_text(rendered(server, requests), encoding="utf-8")
        began = time.process_time()
        summary = read_logs([log], rules).summary
        figures.append(FormatFigures(server, summary.lines, time.process_time() - began))
    return figures[1:]


def main() -> None:
    """Import one log and print lines, sessions, seconds and the peak of memory."""
    log, warehouse = map(Path, sys.argv[1:])
    rules = read_site_rules(SAMPLES / "shop.toml")
    began = time.perf_counter()
    summary = import_log([log], "shop", warehouse, rules)
    seconds = time.perf_counter() - began
    sys.stdout.write(f"{summary.lines} {summary.sessions} {seconds} {_peak_mib()}\n")


def _peak_mib() -> int:
    """On Linux from its own account of this program: the usual one begins with what the parent took."""
    status = Path("/proc/self/status")
    if status.exists():
        [peak] = [line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
        return int(peak) // 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // MEBIBYTE  # bytes on macOS


if __name__ == "__main__":
    main()
