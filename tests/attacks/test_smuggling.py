"""Request smuggling: what two servers could take for one request or for two is refused, and what follows it is not read."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from fanin.app import create_app
from fanin.tests.facts import engine_over, visit, write
from fanin.tests.served import served

HIDDEN = b"GET /livez HTTP/1.1\r\nHost: a\r\nX-Request-ID: hidden\r\n\r\n"
POST = b"POST /api/v1/batch/validate HTTP/1.1\r\nHost: a\r\n"


def framed(*headers: bytes, body: bytes = b"", start: bytes = POST) -> bytes:
    return start + b"".join(header + b"\r\n" for header in headers) + b"\r\n" + body


CHUNKED = b"Transfer-Encoding: chunked"
WHOLE = b"2\r\n{}\r\n0\r\n\r\n"

ATTACKS = {
    "a length beside chunks": framed(b"Content-Length: 4", CHUNKED, body=WHOLE + HIDDEN),
    "chunks beside a length": framed(CHUNKED, b"Content-Length: 4", body=WHOLE + HIDDEN),
    "a short length beside chunks": framed(b"Content-Length: 0", CHUNKED, body=b"0\r\n\r\n" + HIDDEN),
    "two lengths": framed(b"Content-Length: 2", b"Content-Length: 40", body=b"{}" + HIDDEN),
    "two lengths in one": framed(b"Content-Length: 2, 40", body=b"{}" + HIDDEN),
    "a signed length": framed(b"Content-Length: +2", body=b"{}" + HIDDEN),
    "a length in hexadecimal digits": framed(b"Content-Length: 0x2", body=b"{}" + HIDDEN),
    "a space before the colon": framed(b"Content-Length : 2", body=b"{}" + HIDDEN),
    "chunks under another name": framed(b"Transfer-Encoding: xchunked", b"Content-Length: 2", body=b"{}" + HIDDEN),
    "chunks that are not last": framed(b"Transfer-Encoding: chunked, identity", body=WHOLE + HIDDEN),
    "a chunk of a negative size": framed(CHUNKED, body=b"-1\r\n{}\r\n0\r\n\r\n" + HIDDEN),
    "a chunk of no size": framed(CHUNKED, body=b"x\r\n{}\r\n0\r\n\r\n" + HIDDEN),
    "a chunk longer than it says": framed(CHUNKED, body=b"2\r\n{}{}\r\n0\r\n\r\n" + HIDDEN),
    "a chunk size that overflows": framed(CHUNKED, body=b"ffffffffffffffff2\r\n{}\r\n0\r\n\r\n" + HIDDEN),
    "a header folded over two lines": framed(b"X-A: 1", b" Content-Length: 2", body=b"{}" + HIDDEN),
    "a header with a zero in it": framed(b"X-A: a\x00b", b"Content-Length: 2", body=b"{}" + HIDDEN),
    "a header without a name": framed(b": 1", b"Content-Length: 2", body=b"{}" + HIDDEN),
    "a line that ends in a return": framed(b"X-A: 1\rContent-Length: 2", body=b"{}" + HIDDEN),
    "another protocol": framed(b"Content-Length: 0", start=b"POST / HTTP/9.9\r\nHost: a\r\n") + HIDDEN,
}


@pytest.fixture(scope="module")
def warehouse_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("attacks") / "w.duckdb"
    write(path, "acme", [visit()])
    return path


def answers(path: Path, sent: dict[str, bytes]) -> dict[str, bytes]:
    """All that a server says on a connection each, until it closes it or has been silent for long enough."""

    async def say(address: str, octets: bytes) -> bytes:
        host, _, port = address.partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            writer.write(octets)
            heard = b""
            try:
                while octet := await asyncio.wait_for(reader.read(65_536), 1.5):
                    heard += octet
            except TimeoutError:
                return heard + b"\r\n(still open)"
            except ConnectionResetError:
                pass
            return heard
        finally:
            writer.close()

    async def run() -> dict[str, bytes]:
        with engine_over(path) as (engine, _):
            async with served(create_app(engine)) as address:
                heard = await asyncio.gather(*(say(address, octets) for octets in sent.values()))
                return dict(zip(sent, heard, strict=True))

    return asyncio.run(run())


@pytest.fixture(scope="module")
def heard(warehouse_file: Path) -> dict[str, bytes]:
    return answers(warehouse_file, ATTACKS)


def statuses(heard: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", heard)]


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_could_be_read_in_two_ways_is_refused_with_what_follows(attack: str, heard: dict[str, bytes]) -> None:
    assert statuses(heard[attack]) in ([400], [])
    assert b"hidden" not in heard[attack]
    assert not heard[attack].endswith(b"(still open)")


def test_plain_requests_one_after_the_other_are_all_answered(warehouse_file: Path) -> None:
    plain = {
        "lengths": framed(b"Content-Length: 2", body=b"{}") + HIDDEN,
        "chunks": framed(CHUNKED, body=WHOLE) + HIDDEN,
    }

    for text in answers(warehouse_file, plain).values():
        assert (statuses(text), text.count(b"hidden")) == ([200, 200], 1)
