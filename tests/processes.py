"""``fanin serve`` as a process of its own, as an operator meets it.

Import with ``from fanin.tests.processes import …``.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PATIENCE_S = 120.0


@dataclass(slots=True)
class Served:
    """A running server: its process, its address, and what it said at first."""

    process: subprocess.Popen[str]
    address: str
    said: list[str]

    @property
    def authority(self) -> str:
        return self.address.removeprefix("http://")

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    def status(self, path: str, **headers: str) -> int:
        """Of a GET over a connection of its own; 0 where none could be made."""
        return self.get(path, **headers)[0]

    def get(self, path: str, **headers: str) -> tuple[int, Mapping[str, str], bytes]:
        request = urllib.request.Request(self.address + path, headers=headers)  # noqa: S310  # ours
        try:
            with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310  # ours
                return response.status, dict(response.headers), response.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, dict(error.headers), error.read()
        except OSError:
            return 0, {}, b""

    def workers(self) -> list[int]:
        """The processes that it started and that serve, by their ids."""
        folder = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in folder.read_text().split() if b"spawn_main" in _command(pid)]

    def ended(self) -> tuple[int, str]:
        """Its exit code and what it had still to say."""
        _, said = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, said


@contextmanager
def serving(folder: Path, *options: str, environment: Mapping[str, str] | None = None) -> Iterator[Served]:
    """Serve the warehouse ``fanin.duckdb`` of a folder on a free port, until told otherwise."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("FANIN_")}
    with subprocess.Popen(
        [sys.executable, "-m", "fanin", "serve", "--port", "0", *options],
        cwd=folder,
        env={**inherited, "FANIN_LOG_LEVEL": "error", **(environment or {})},  # requests are not worth a line
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stderr is not None
            said = [process.stderr.readline(), process.stderr.readline()]
            server = Served(process, said[0].rsplit(" ", 1)[1].strip(), said)
            until(lambda: server.status("/readyz") == 200)
            yield server
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    process.kill()


def until(holds: Callable[[], Any]) -> None:
    """Wait until something holds, for as long as a very busy machine may take."""
    given_up = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < given_up, "waited in vain"
        time.sleep(0.05)


def is_running(pid: int) -> bool:
    return bool(_command(pid))


def _command(pid: int | str) -> bytes:
    """How a process was started; nothing for one that has ended, even if no one has asked for its end."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
