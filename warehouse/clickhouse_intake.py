"""Lines and hits into a ClickHouse warehouse: judged and cut in a file of this machine, as in the embedded warehouse.

The file is made for one import and thrown away after it.  It gets what of the account has to do with the lines that are
read: how often they were there, and the hits and sessions of their visitors.  What is new in it afterwards is sent.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ..catalog.accounts import Account
from ..catalog.dimensions import Table
from .coding import Encoder
from .drafts import Draft
from .intake import Intake
from .layout import FACTS, HIT_GOALS, HITS
from .line_batches import LineBatch
from .manifest import folder_of
from .store import Cut, Settled

_ASKED = 50_000  # lines or visitors that one statement asks about
_SENT = 100_000  # rows of a block

_VISITS = {"session": "UINTEGER", "visitor": "UBIGINT", "start": "BIGINT", "last": "BIGINT"}
_LINES = {"line": "UBIGINT", "times": "UINTEGER"}
_WORDS = {"dimension": "VARCHAR", "code": "UINTEGER", "value": "VARCHAR"}

# What no row of an account can be: stands for the last number that is taken.
_NOBODY = 0
_NEVER = -(2**60)


class Place(Protocol):
    """What an intake asks of the account it is for."""

    def rows(self, text: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """What a statement tells of the account, all versions before the one that is written."""
        ...

    def send(self, table: str, columns: Mapping[str, Any]) -> None: ...

    def send_words(self, encoder: Encoder) -> None: ...

    def take_back(self, sessions: Sequence[int]) -> None: ...


class ClickHouseIntake:
    """The lines of one import, as ``store.Intake`` has it."""

    def __init__(self, place: Place, account: Account, idle_s: int) -> None:
        self._place = place
        self._folder = tempfile.TemporaryDirectory(prefix="fanin-import-")
        path = Path(self._folder.name) / "import.duckdb"
        folder_of(path).mkdir()
        self._draft = Draft(path, account, None)
        self._last_session = self._last("session", "sessions")
        self._last_hit = self._last("hit", "hits")
        self._fill()
        self._inner = Intake(self._draft, idle_s)
        self._imports: list[tuple[str, str, int]] = []

    @property
    def secret(self) -> bytes:
        """What lines and visitors are hashed with: made once for an account, and never shown."""
        secret = self._inner.secret
        if self._secret_is_new:
            self._place.send("secrets", {"secret": [secret.hex()]})
            self._secret_is_new = False
        return secret

    def add(self, batch: LineBatch) -> None:
        """Lines of the present file."""
        self._inner.add(batch)

    def settle(self, digest: str, source_name: str) -> Settled:
        """Keep of the file's lines those that are new, and remember it by the digest of its content."""
        asked = self._numbers("SELECT DISTINCT line FROM intake.incoming ANTI JOIN asked USING (line)")
        for some in _pieces(asked, _ASKED):
            self._draft.insert("asked", {"line": some})
            known = self._place.rows(
                "SELECT line, sum(times) FROM lines WHERE {own} AND line IN {lines:Array(UInt64)} GROUP BY line",
                lines=some.tolist(),
            )
            columns = _columns(_LINES, known)
            self._draft.insert("lines", columns)
            self._draft.insert("known_lines", columns)
        settled = self._inner.settle(digest, source_name)
        self._imports.append((digest, source_name, sum(settled.added.values())))
        return settled

    def cut(self, cut: Cut) -> int:
        """Cut the sessions that new hits belong to.  Returns how many more there are than before."""
        known = self._fetch_visitors()
        more = self._inner.cut(cut)
        kept = set(self._numbers("SELECT session FROM visits").tolist())
        self._send()
        for some in _pieces(sorted(known - kept), _ASKED):
            self._place.take_back(list(some))
        self._draft.close()
        with suppress(OSError):
            self._folder.cleanup()
        return more

    def _last(self, column: str, table: str) -> int:
        return self._place.rows(f"SELECT max({column}) FROM {table} WHERE {{own}}")[0][0]

    def _fill(self) -> None:
        """What the file has to know from the beginning: words, and which numbers are taken."""
        draft, rows = self._draft, self._place.rows
        words = rows(
            "SELECT dimension, code, value FROM lexicon FINAL WHERE account = {account:UInt64} ORDER BY dimension, code"
        )
        draft.insert("lexicon", {"account": np.full(len(words), draft.number), **_columns(_WORDS, words)})
        connection = draft.connection
        connection.execute("CREATE TABLE asked (line UBIGINT)")
        connection.execute("CREATE TABLE known_lines (line UBIGINT, times UINTEGER)")
        found = rows("SELECT secret FROM secrets WHERE {own} ORDER BY version LIMIT 1")
        self._secret_is_new = not found
        for (secret,) in found:
            connection.execute("INSERT INTO secret VALUES (?)", [bytes.fromhex(secret)])
        session = dict.fromkeys((name for name, _ in FACTS[Table.SESSIONS]), 0) | {"session": self._last_session}
        hit = dict.fromkeys(HITS, 0) | {"hit": self._last_hit, "visitor": _NOBODY, "moment": _NEVER}
        draft.insert("sessions", {name: np.array([value]) for name, value in session.items()})
        draft.insert("hits", {name: np.array([value]) for name, value in hit.items()})

    def _fetch_visitors(self) -> set[int]:
        """Everything about the visitors of new hits; the numbers of their sessions."""
        sessions: set[int] = set()
        visitors = self._numbers("SELECT DISTINCT visitor FROM intake.fresh")
        for some in _pieces(visitors, _ASKED):
            named = {"visitors": some.tolist()}
            among = "{own} AND visitor IN {visitors:Array(UInt64)}"
            columns = ", ".join(_VISITS)
            visits = self._place.rows(
                f"SELECT {columns} FROM visits WHERE {among} GROUP BY {columns} HAVING sum(sign) > 0", **named
            )
            sessions |= {row[0] for row in visits}
            self._draft.insert("visits", _columns(_VISITS, visits))
            hits = self._place.rows(f"SELECT {', '.join(HITS)} FROM hits WHERE {among}", **named)
            self._draft.insert("hits", _columns(HITS, hits))
            goals = self._place.rows(
                f"SELECT {', '.join(HIT_GOALS)} FROM hit_goals WHERE {{own}} "
                f"AND hit IN (SELECT hit FROM hits WHERE {among})",
                **named,
            )
            self._draft.insert("hit_goals", _columns(HIT_GOALS, goals))
        return sessions

    def _send(self) -> None:
        """Words first, as codes are nothing without them."""
        self._place.send_words(self._draft.encoder)
        for table in Table:
            self._send_rows(table.value, f"SELECT * FROM {table.value} WHERE session > {self._last_session}", sign=True)
        visits = f"SELECT {', '.join(_VISITS)} FROM visits WHERE session > {self._last_session}"
        self._send_rows("visits", visits, sign=True)
        self._send_rows("hits", f"SELECT * FROM hits WHERE hit > {self._last_hit}")
        self._send_rows("hit_goals", f"SELECT * FROM hit_goals WHERE hit > {self._last_hit}")
        self._send_rows(
            "lines",
            "SELECT line, CAST(sum(added) AS BIGINT) AS times FROM ("
            "SELECT line, CAST(times AS BIGINT) AS added FROM lines "
            "UNION ALL SELECT line, -CAST(times AS BIGINT) FROM known_lines) GROUP BY line HAVING times > 0",
        )
        for digest, source_name, added in self._imports:
            told = source_name.encode(errors="replace").decode()  # a file's name may be any bytes
            self._place.send("imports", {"digest": [digest], "source_name": [told], "added": [added]})

    def _send_rows(self, table: str, text: str, *, sign: bool = False) -> None:
        columns = self._draft.connection.execute(text).fetchnumpy()
        columns.pop("account", None)
        height = len(next(iter(columns.values())))
        for first in range(0, height, _SENT):
            block: dict[str, Any] = {name: column[first : first + _SENT] for name, column in columns.items()}
            if sign:
                block["sign"] = np.ones(min(_SENT, height - first), dtype=np.int8)
            self._place.send(table, block)

    def _numbers(self, text: str) -> Any:
        (column,) = self._draft.connection.execute(text).fetchnumpy().values()
        return column


def _pieces(numbers: Any, size: int) -> Iterator[Any]:
    for first in range(0, len(numbers), size):
        yield numbers[first : first + size]


def _columns(kinds: Mapping[str, str], rows: list[tuple[Any, ...]]) -> dict[str, Any]:
    """Rows as columns of the kinds that the file has for them."""
    columns = zip(*rows, strict=True) if rows else ((),) * len(kinds)
    return {
        name: np.array(column, dtype=_NUMPY[kind]) for (name, kind), column in zip(kinds.items(), columns, strict=True)
    }


_NUMPY = {
    "BIGINT": np.int64,
    "UBIGINT": np.uint64,
    "UINTEGER": np.uint32,
    "BOOLEAN": np.bool_,
    "VARCHAR": np.object_,
}
