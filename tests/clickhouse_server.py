"""A small server that speaks ClickHouse's HTTP interface over chDB, which is ClickHouse's engine in process.

So tests run the real driver, real statements and real types where no ClickHouse server is installed.  It is a program of
its own, because chDB has one data folder per process::

    python tests/clickhouse_server.py FOLDER

It takes a free port of 127.0.0.1 and tells it on stdout, and ends when its stdin does.

chDB reads a ``config.xml`` of the working directory, so the folder is made the working directory, and is to be empty.
The users are ``default``, who may do everything, and ``reader``, who may only read; neither has a password.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import os
import re
import socket
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from email.parser import BytesParser
from email.policy import HTTP
from pathlib import Path
from typing import Any

import chdb  # pyright: ignore[reportMissingImports]  it is in an environment of its own
import lz4.frame
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

USERS = {"default": "0", "reader": "2"}  # with the engine's setting ``readonly``

# What a request's parameters are called that are no settings of the engine.
_OURS = {"query", "database", "query_id", "session_id", "default_format", "compress", "decompress"}
_HTTP_ONLY = {"wait_end_of_query", "buffer_size", "client_protocol_version", "enable_http_compression"}
_HTTP_ONLY |= {"send_progress_in_http_headers", "http_headers_progress_interval_ms", "cancel_http_readonly_queries_on_client_close"}  # fmt: skip

# A statement whose data follows it.
_INSERT = re.compile(rb"(INSERT INTO [^\n]*? FORMAT \w+)\n")

_UNCOMPRESSED = {"": bytes, "lz4": lz4.frame.decompress, "gzip": gzip.decompress}

_THREADS = 6

_local = threading.local()
_folder = Path()


def _connection(user: str) -> Any:
    """A connection of this thread's own, so that statements run beside each other; once it may only read, that stays."""
    if not hasattr(_local, user):
        connection = chdb.connect(str(_folder / "data"))
        connection.query(f"SET readonly = {USERS[user]}")
        setattr(_local, user, connection)
    return getattr(_local, user)


def _answer(user: str, parameters: dict[str, str], body: bytes) -> bytes:
    """Run one request's statement as the engine's own server would.  Raises ``RuntimeError`` with the engine's text."""
    connection = _connection(user)
    whole = parameters.get("query", "").encode() + body
    insert = _INSERT.match(whole)
    query, data = (insert[1].decode(), whole[insert.end() :]) if insert else (whole.decode(), b"")
    query_id = parameters.get("query_id", "")
    values = {name.removeprefix("param_"): value for name, value in parameters.items() if name.startswith("param_")}
    settings = {
        name: value
        for name, value in parameters.items()
        if name not in _OURS | _HTTP_ONLY and not name.startswith("param_")
    }
    settings["log_comment"] = query_id
    connection.query(f"USE `{parameters.get('database') or 'default'}`")
    done: list[str] = []
    try:
        for name, value in settings.items():
            connection.query(f"SET {name} = '{value}'")
            done.append(name)
        if data:
            return _insert(connection, query, data)
        if query.startswith("KILL QUERY"):
            return _kill(connection, values)
        return connection.query(query, parameters.get("default_format", "TabSeparated"), params=values).bytes()
    finally:
        for name in reversed(done):
            connection.query(f"SET {name} = DEFAULT")


def _insert(connection: Any, query: str, data: bytes) -> bytes:
    """The data of an insert is read from a file, as the engine in process has no other way in."""
    with tempfile.NamedTemporaryFile(dir=_folder) as file:
        file.write(data)
        file.flush()
        statement, _, data_format = query.rstrip().rpartition("FORMAT")
        connection.query(f"{statement.removesuffix('VALUES')} FROM INFILE '{file.name}' FORMAT {data_format}")
    return b""


def _kill(connection: Any, values: dict[str, str]) -> bytes:
    """Statements are known to the engine by ids of its own; what the caller named one stands in its comment."""
    (name,) = values.values()
    ids = connection.query(
        "SELECT query_id FROM system.processes WHERE Settings['log_comment'] = {name:String} "
        "AND query NOT LIKE '%system.processes%'",
        "TabSeparated",
        params={"name": name},
    ).bytes()
    for query_id in ids.decode().split():
        connection.query(f"KILL QUERY WHERE query_id = '{query_id}' ASYNC")
    return ids


def application() -> Starlette:
    threads = ThreadPoolExecutor(_THREADS)

    async def answer(request: Request) -> Response:
        user = request.headers.get("x-clickhouse-user") or _basic_user(request.headers.get("authorization", ""))
        parameters = dict(request.query_params)
        if user not in USERS:
            return _failed("Code: 516. DB::Exception: Authentication failed. (AUTHENTICATION_FAILED)")
        body = _UNCOMPRESSED[request.headers.get("content-encoding", "")](await request.body())
        if request.headers.get("content-type", "").startswith("multipart/form-data"):
            parameters |= _fields(request.headers["content-type"], body)
            body = b""
        try:
            told = await asyncio.get_running_loop().run_in_executor(threads, _answer, user, parameters, body)
        except RuntimeError as error:
            return _failed(str(error))
        return Response(told, headers={"X-ClickHouse-Timezone": "UTC", "X-ClickHouse-Summary": "{}"})

    async def ping(request: Request) -> Response:
        return Response("Ok.\n")

    return Starlette(routes=[Route("/", answer, methods=["GET", "POST"]), Route("/ping", ping)])


def _fields(content_type: str, body: bytes) -> dict[str, str]:
    """The fields of a form."""
    message: Any = BytesParser(policy=HTTP).parsebytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    return {
        str(part.get_param("name", header="content-disposition")): part.get_payload(decode=True).decode()
        for part in message.iter_parts()
    }


def _basic_user(header: str) -> str:
    if not header:
        return "default"
    return base64.b64decode(header.removeprefix("Basic ")).decode().partition(":")[0]


def _failed(text: str) -> Response:
    code = re.search(r"Code: (\d+)", text)
    headers = {"X-ClickHouse-Exception-Code": code[1] if code else "1000"}
    return Response(text, 403 if "Code: 516" in text else 500, headers)


async def serve() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(application(), log_level="error", access_log=False, lifespan="off"))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        print(listener.getsockname()[1], flush=True)
        await asyncio.to_thread(sys.stdin.read)  # whoever started this has ended
        server.should_exit = True
        await serving


if __name__ == "__main__":
    _folder = Path(sys.argv[1]).resolve()
    os.chdir(_folder)
    asyncio.run(serve())
