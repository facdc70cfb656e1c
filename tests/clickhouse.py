"""A ClickHouse to test against, and databases in it.  Import with ``from fanin.tests.clickhouse import …``.

The one that ``FANIN_TEST_CLICKHOUSE_URL`` names, such as ``clickhouse://default@127.0.0.1:8123``; else the
``clickhouse-server`` on the PATH; else chDB behind ``clickhouse_server.py``.  Where there is none of them tests are skipped.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fanin.warehouse.facts import Session

if TYPE_CHECKING:
    from fanin.warehouse.clickhouse_connecting import ClickHousePlace

OLDEST = 23  # the major version of a server that the driver can talk to
STARTS_WITHIN_S = 60

# The interpreter that has chDB, which brings much that nothing else here is to see.
CHDB = Path(__file__).parent.parent / ".venv" / "chdb" / "bin" / "python"


@contextmanager
def running_clickhouse(folder: Path) -> Iterator[str]:
    """The address of a server for as long as it is needed, without a database."""
    if find_spec("clickhouse_connect") is None or find_spec("aiohttp") is None:
        pytest.skip("clickhouse-connect is not installed: pip install -e '.[clickhouse]'")
    given = os.environ.get("FANIN_TEST_CLICKHOUSE_URL")
    if given:
        yield given.rstrip("/")
    elif _has_server():
        with _server(folder) as port:
            yield f"clickhouse://default@127.0.0.1:{port}"
    elif CHDB.exists():
        with _chdb(folder) as port:
            yield f"clickhouse://default@127.0.0.1:{port}"
    else:
        pytest.skip("no ClickHouse here, and no chDB to stand in for it: make chdb")


@contextmanager
def empty_database(address: str, user: str = "default") -> Iterator[ClickHousePlace]:
    """A database with the tables and nothing in them; it goes afterwards."""
    from fanin.warehouse.clickhouse_connecting import connect, place_of
    from fanin.warehouse.clickhouse_making import init_statements, make_tables

    place = place_of(f"{address}/test_{uuid.uuid4().hex}")
    make_tables(place, init_statements(place))
    try:
        yield place
    finally:
        with closing(connect(place)) as client:
            client.command(f"DROP DATABASE {place.database}")


def write_clickhouse(
    place: ClickHousePlace, account: str, sessions: Iterable[Session], *, time_zone: str = "UTC", currency: str = "EUR"
) -> None:
    """Import sessions into an account; each call counts as another file."""
    from fanin.warehouse.clickhouse_writing import writing_clickhouse

    facts = list(sessions)
    with writing_clickhouse(place) as writer:
        writer.put_account(account, time_zone=time_zone, currency=currency)
        writer.add_sessions(account, facts, digest=str(hash(tuple(facts))), source_name="test")


def _has_server() -> bool:
    """Whether a server is installed that is not too old: Debian's own is of 2018."""
    program = shutil.which("clickhouse-server")
    if program is None:
        return False
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    version = re.search(r"version (\d+)", told)
    return version is not None and int(version[1]) >= OLDEST


@contextmanager
def _server(folder: Path) -> Iterator[int]:
    """The installed server with a folder of its own, on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = {"http_port": port, "path": f"{folder}/", "listen_host": "127.0.0.1", "logger.level": "none"}
    arguments = [f"--{name}={value}" for name, value in options.items()]
    server = subprocess.Popen(["clickhouse-server", "--", *arguments], cwd=folder, stderr=subprocess.DEVNULL)
    try:
        _wait_for(port, server)
        yield port
    finally:
        server.terminate()
        server.wait(STARTS_WITHIN_S)


@contextmanager
def _chdb(folder: Path) -> Iterator[int]:
    program = Path(__file__).with_name("clickhouse_server.py")
    server = subprocess.Popen([CHDB, program, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        port = int(server.stdout.readline())
        _wait_for(port, server)
        yield port
    finally:
        server.stdin.close()
        server.wait(STARTS_WITHIN_S)
        server.stdout.close()


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    ends = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < ends and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("the ClickHouse server did not start")


class Gate:
    """A port in front of a server that can be shut: what is under way is cut off, and nothing new gets through."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._is_open = True
        self._through: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Gate:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shut()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def open(self) -> None:
        self._is_open = True

    def shut(self) -> None:
        self._is_open = False
        for through in self._through:
            with suppress(OSError):
                through.shutdown(socket.SHUT_RDWR)
        self._through.clear()

    def _accept(self) -> None:
        while True:
            try:
                caller, _ = self._listener.accept()
            except OSError:
                return
            if not self._is_open:
                caller.close()
                continue
            server = socket.create_connection(("127.0.0.1", self._to))
            self._through += [caller, server]
            for source, target in ((caller, server), (server, caller)):
                threading.Thread(target=_pass_on, args=(source, target), daemon=True).start()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with source, suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
