"""The same request again and again over a few connections that stay open, from a process of its own.

``python -m benchmarks.load PORT REQUESTS CONNECTIONS`` reads the request from standard input and prints how long all of it
took, in seconds, and the median of one, in milliseconds.  It gives up after a minute.
"""

from __future__ import annotations

import asyncio
import sys
from statistics import median
from time import perf_counter

AT_MOST_S = 60


async def main(port: int, requests: int, connections: int) -> None:
    request = sys.stdin.buffer.read()
    left = iter(range(requests))
    taken: list[float] = []
    began = perf_counter()
    async with asyncio.timeout(AT_MOST_S):
        await asyncio.gather(*(_ask(port, request, left, taken) for _ in range(connections)))
    sys.stdout.write(f"{perf_counter() - began} {median(taken) * 1000}\n")


async def _ask(port: int, request: bytes, left: object, taken: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**22)
    for _ in left:  # type: ignore[attr-defined]  # one iterator for all connections
        began = perf_counter()
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        _, _, length = head.partition(b"content-length:")
        if size := int(length.partition(b"\r\n")[0] or 0):
            await reader.readexactly(size)
        taken.append(perf_counter() - began)
    writer.close()


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:])))
