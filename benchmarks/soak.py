"""Four times the load that can be sustained, for minutes: what is accepted keeps its latency, what is not is refused at once.

``python -m benchmarks.soak`` makes its own data in a temporary folder, starts a server on the loopback, finds the rate that
it sustains, holds four times of it, then lets a heavy account send batches of fifty beside a light one.  It prints what it
finds and writes ``SOAK.md``.  Bounded: ``--seconds`` is how long the load is held, and the rest takes less than a minute.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson

from .data import make_account

RESULTS = Path(__file__).with_name("SOAK.md")
ACCOUNTS = ("one", "two", "three", "four")
REPORTS = ("overview", "sources", "channels", "countries", "landing-pages", "browsers", "os", "pages")
PAGE_VIEWS = 120_000  # of each account
TIMES = 4
FIND_RATE_S = 8.0
FAIRNESS_S = 15.0
MOST_CONNECTIONS = 400
MOST_REQUESTS = 2_000_000
GIVEN_UP_S = 30.0


def main() -> None:
    options = _options()
    if options.serve:
        _serve(Path(options.serve))
        return
    with TemporaryDirectory(prefix="fanin-soak-") as folder:
        warehouse = Path(folder) / "soak.duckdb"
        for seed, account in enumerate(ACCOUNTS):
            make_account(warehouse, account, datetime.now(UTC).date(), PAGE_VIEWS, seed)
        text = asyncio.run(_soak(warehouse, options.seconds))
    options.results.write_text(text, encoding="utf-8")
    sys.stdout.write(text)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=180, help="how long four times the sustained rate is held")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the page is written")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    return parser.parse_args()


# --- the server, in a process of its own --------------------------------------------------------------------------


def _serve(warehouse: Path) -> None:
    """The real server over the warehouse, and one more address that tells what it holds.  Prints its port."""
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from fanin.app import create_app, open_engine
    from fanin.cli import SWITCH_INTERVAL_S
    from fanin.server.serving import Manners, Server, server_config
    from fanin.server.settings import ServerSettings

    sys.setswitchinterval(SWITCH_INTERVAL_S)
    settings = ServerSettings()
    app = create_app(open_engine(f"duckdb:///{warehouse}"), settings)

    async def held(_: Request) -> Response:
        told = {
            "memory_mb": _resident_mb(),
            "files": len(os.listdir("/proc/self/fd")),
            "tasks": len(asyncio.all_tasks()),
            "running": app.state.admission.running,
            "waiting": app.state.admission.waiting,
        }
        return Response(orjson.dumps(told))

    app.router.routes.insert(0, Route("/metrics", held))  # an address that is answered however crowded it is
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sys.stdout.write(f"{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        Server(server_config(app, Manners(load=settings.load))).run(sockets=[listener])


def _resident_mb() -> float:
    (pages,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(pages.split()[1]) / 1024


# --- the client ---------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Tally:
    """What became of requests: their latencies by status, in milliseconds."""

    taken_ms: dict[int, list[float]] = field(default_factory=dict)
    lost: Counter[str] = field(default_factory=Counter)

    def add(self, status: int, taken_s: float) -> None:
        self.taken_ms.setdefault(status, []).append(taken_s * 1000)

    def count(self, status: int) -> int:
        return len(self.taken_ms.get(status, ()))

    def percentiles(self, status: int = 200) -> tuple[float, float]:
        """The median and the 99th percentile."""
        taken = sorted(self.taken_ms.get(status, (0.0,)))
        return taken[len(taken) // 2], taken[min(len(taken) - 1, len(taken) * 99 // 100)]


class Client:
    """Connections that are kept open and used again, as a load balancer keeps them."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self.open = 0

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body.  Raises ``OSError`` and ``EOFError`` for a connection that is cut."""
        reader, writer = self._open_one() or await self._connect()
        try:
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0])
            body = await reader.readexactly(length)
        except BaseException:
            self._close(writer)
            raise
        if b"connection: close" in head:
            self._close(writer)
        else:
            self._idle.append((reader, writer))
        return int(head[9:12]), body

    async def tell(self) -> dict[str, float]:
        """What the server holds."""
        return orjson.loads((await self.ask(_get("/metrics")))[1])

    def close(self) -> None:
        for _, writer in self._idle:
            self._close(writer)
        self._idle.clear()

    def _open_one(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """The one used last that the server has not ended for being idle."""
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof():
                return reader, writer
            self._close(writer)
        return None

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        self.open += 1
        try:
            return await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            self.open -= 1
            raise

    def _close(self, writer: asyncio.StreamWriter) -> None:
        self.open -= 1
        writer.transport.abort()


def _get(address: str) -> bytes:
    return f"GET {address} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def _report(chance: random.Random) -> bytes:
    """One report of some account: some filter, some window, so that hardly two are alike."""
    days = chance.randint(3, 60)
    last = datetime.now(UTC).date() - timedelta(chance.randint(0, 200))
    country = chr(65 + chance.randint(0, 3)) + chr(65 + chance.randint(0, 25))
    return _get(
        f"/api/v1/stats/{chance.choice(REPORTS)}?account_id={chance.choice(ACCOUNTS)}&start_date={last - timedelta(days)}"
        f"&end_date={last}&country={country}"
    )


def _batch(account: str, chance: random.Random) -> bytes:
    """Fifty questions of one account, each a scan of its own."""

    def window() -> tuple[date, date]:
        last = datetime.now(UTC).date() - timedelta(chance.randint(0, 200))
        return last - timedelta(chance.randint(3, 60)), last

    queries = [
        {
            "id": f"q{number}",
            "endpoint": f"/stats/{chance.choice(REPORTS)}",
            "params": {
                "account_id": account,
                "start_date": str(first),
                "end_date": str(last),
                "country": chr(65 + number % 4) + chr(65 + chance.randint(0, 25)),
            },
        }
        for number, (first, last) in ((number, window()) for number in range(50))
    ]
    body = orjson.dumps({"queries": queries, "options": {"parallel_limit": 10}})
    return b"POST /api/v1/batch HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


async def _timed(client: Client, request: bytes, tally: Tally) -> None:
    began = time.perf_counter()
    try:
        async with asyncio.timeout(GIVEN_UP_S):
            status, _ = await client.ask(request)
    except (OSError, EOFError, asyncio.IncompleteReadError) as error:
        tally.lost[type(error).__name__] += 1
    else:
        tally.add(status, time.perf_counter() - began)


async def _one_after_the_other(client: Client, requests: Iterable[bytes]) -> Tally:
    tally = Tally()
    for request in requests:
        await _timed(client, request, tally)
    return tally


async def _as_fast_as_it_goes(client: Client, made: Callable[[], bytes], callers: int, seconds: float) -> Tally:
    """So many callers, each asking again as soon as it is answered."""
    tally, until = Tally(), time.perf_counter() + seconds

    async def call() -> None:
        while time.perf_counter() < until:
            await _timed(client, made(), tally)

    await asyncio.gather(*(call() for _ in range(callers)))
    return tally


async def _at_a_rate(client: Client, made: Callable[[], bytes], rate: float, seconds: float) -> Tally:
    """So many requests a second, whether or not the earlier ones have been answered."""
    tally, began = Tally(), time.perf_counter()
    running: set[asyncio.Task[None]] = set()
    for number in range(min(MOST_REQUESTS, round(rate * seconds))):
        wait = began + number / rate - time.perf_counter()
        if wait > 0:
            await asyncio.sleep(wait)
        elif number % 50 == 0:
            await asyncio.sleep(0)
        if len(running) >= MOST_CONNECTIONS:
            tally.lost["not sent: no connection is free"] += 1
            continue
        task = asyncio.create_task(_timed(client, made(), tally))
        running.add(task)
        task.add_done_callback(running.discard)
    if running:
        await asyncio.wait(running)
    return tally


# --- the story ----------------------------------------------------------------------------------------------------


async def _soak(warehouse: Path, seconds: float) -> str:
    environment = {name: text for name, text in os.environ.items() if not name.startswith("FANIN_")}
    server = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "benchmarks.soak",
        "--serve",
        str(warehouse),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,  # it logs what it refuses
        env=environment,
    )
    assert server.stdout is not None
    client = Client(int(await server.stdout.readline()))
    try:
        return await _story(client, seconds)
    finally:
        client.close()
        server.terminate()
        await server.wait()


async def _story(client: Client, seconds: float) -> str:
    chance = random.Random(1)
    made = lambda: _report(chance)  # noqa: E731  a name for what every phase asks
    await _as_fast_as_it_goes(client, made, 8, 3.0)  # lexicons are read, rows are held
    alone = await _one_after_the_other(client, (made() for _ in range(200)))
    fast = await _as_fast_as_it_goes(client, made, 8, FIND_RATE_S)
    rate = fast.count(200) / FIND_RATE_S
    before, memory = await client.tell(), []
    watching = asyncio.create_task(_watch(client, memory, seconds))
    held = await _at_a_rate(client, made, TIMES * rate, seconds)
    await watching
    light_alone = await _light(client, chance, FAIRNESS_S / 3)
    heavy, light = await asyncio.gather(
        _as_fast_as_it_goes(client, lambda: _batch("one", chance), 12, FAIRNESS_S), _light(client, chance, FAIRNESS_S)
    )
    client.close()
    await asyncio.sleep(2.0)
    after = await client.tell()
    return _page(seconds, rate, alone, fast, held, memory, light_alone, light, heavy, before, after)


async def _watch(client: Client, memory: list[float], seconds: float) -> None:
    for place in range(3):  # at the start, in the middle, at the end
        memory.append((await client.tell())["memory_mb"])
        if place < 2:
            await asyncio.sleep(max(0.1, seconds / 2 - 0.5))


async def _light(client: Client, chance: random.Random, seconds: float) -> Tally:
    """A dashboard that asks ten times a second for an account of its own."""
    tally, until = Tally(), time.perf_counter() + seconds
    while time.perf_counter() < until:
        request = _report(chance).replace(b"account_id=one", b"account_id=two")
        await asyncio.gather(_timed(client, request, tally), asyncio.sleep(0.1))
    return tally


# --- the page -----------------------------------------------------------------------------------------------------


def _page(
    seconds: float,
    rate: float,
    alone: Tally,
    fast: Tally,
    held: Tally,
    memory: Sequence[float],
    light_alone: Tally,
    light: Tally,
    heavy: Tally,
    before: dict[str, float],
    after: dict[str, float],
) -> str:
    others = {status: len(taken) for status, taken in held.taken_ms.items() if status not in (200, 503)}
    lost = ", ".join(f"{name} {count}" for name, count in held.lost.items()) or "none"
    asked = sum(map(len, held.taken_ms.values()))
    rows = [
        ("one request at a time", _told(alone), ""),
        ("eight callers, as fast as it goes", _told(fast), f"{rate:.0f} answered a second: the sustained rate"),
        (f"{TIMES} × that rate for {seconds:.0f} s, accepted", _told(held), f"{held.count(200):,} of {asked:,}, {held.count(200) / seconds:.0f} a second"),
        (f"{TIMES} × that rate for {seconds:.0f} s, refused", _told(held, 503), f"{held.count(503):,} with 503 and `Retry-After`"),
        ("a light account alone", _told(light_alone), ""),
        ("a light account beside twelve callers with batches of 50", _told(light), f"{light.count(200):,} of {sum(map(len, light.taken_ms.values())):,} accepted"),
        ("those batches", _told(heavy), f"{heavy.count(200):,} accepted, {heavy.count(503):,} refused"),
    ]  # fmt: skip
    table = "\n".join(f"| {name} | {p50} | {p99} | {said} |" for name, (p50, p99), said in rows)
    return f"""# Four times the load

Made by `make soak`. Machines differ, so read the lines against each other: reports
of four accounts of {PAGE_VIEWS:,} page views each, every request with a window and a filter of
its own, asked over the loopback by a client on the same {os.cpu_count()} cores, which it takes its part of.

| Load | Median, ms | 99 of 100 within, ms | |
| --- | --- | --- | --- |
{table}

* Other answers: {others or "none"}. Lost: {lost}.
* Memory of the server at the start, in the middle and at the end: {", ".join(f"{mb:.0f} MB" for mb in memory)}.
* Before and after, with the client's connections closed: {_difference(before, after, "files")} open files,
  {_difference(before, after, "tasks")} tasks; {after["running"]:.0f} requests running and {after["waiting"]:.0f} waiting at the end.
"""


def _told(tally: Tally, status: int = 200) -> tuple[str, str]:
    p50, p99 = tally.percentiles(status)
    return f"{p50:,.1f}", f"{p99:,.1f}"


def _difference(before: dict[str, float], after: dict[str, float], name: str) -> str:
    return f"{before[name]:.0f} and {after[name]:.0f}"


if __name__ == "__main__":
    main()
