"""Documents that a short id stands for: kept as callers send them, or listed in a file beside which nothing runs.

Apollo's *automatic persisted queries*: a client sends the SHA-256 of its document, hears ``PersistedQueryNotFound`` the
first time, and sends both once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar, Protocol

import orjson

from ..catalog.errors import BadRequest, Forbidden
from ..schema.reading import present_reader
from .refusals import HTTPRefusal

MAX_KEPT = 1_000
MAX_KEPT_BYTES = 8 * 1024 * 1024


class PersistedQueryNotFound(HTTPRefusal):
    """In the protocol's own words and status, by which clients know what to do next."""

    status = 200
    protocol_code: ClassVar[str] = "PERSISTED_QUERY_NOT_FOUND"

    @property
    def extensions(self) -> dict[str, Any]:
        return {"code": self.protocol_code}


class PersistedQueryNotSupported(PersistedQueryNotFound):
    protocol_code: ClassVar[str] = "PERSISTED_QUERY_NOT_SUPPORTED"


class PersistedQueries(Protocol):
    """What ids stand for."""

    def document(self, query: str | None, document_id: str | None) -> str:
        """The document to run, of which at least one is given.  Raises a ``StatsError`` when there is none, or not this."""
        ...


Kept = tuple[frozenset[str] | None, str]  # for whom, by the accounts they read, and the hash


class KeptQueries:
    """Automatic persisted queries of this process: those used last, bounded by their number and their bytes.

    What is kept is kept for those who read the same accounts: a hash that is known would tell others what these asked.
    """

    def __init__(self, most: int = MAX_KEPT, most_bytes: int = MAX_KEPT_BYTES) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._kept: OrderedDict[Kept, str] = OrderedDict()
        self._bytes = 0

    def document(self, query: str | None, document_id: str | None) -> str:
        """Raises ``PersistedQueryNotFound``, or ``BadRequest`` for a document under another's hash."""
        if document_id is None:
            return query or ""
        document_id = document_id.lower()
        kept = present_reader().identity.accounts, document_id
        if query is None:
            return self._recalled(kept)
        if sha256(query.encode()).hexdigest() != document_id:
            raise BadRequest("The id of a persisted query must be the SHA-256 of query, in hexadecimal digits")
        self._keep(kept, query)
        return query

    def _recalled(self, kept: Kept) -> str:
        if kept not in self._kept:
            raise PersistedQueryNotFound("PersistedQueryNotFound")
        self._kept.move_to_end(kept)
        return self._kept[kept]

    def _keep(self, kept: Kept, query: str) -> None:
        if kept not in self._kept:
            self._bytes += len(query.encode())
        self._kept[kept] = query
        self._kept.move_to_end(kept)
        while len(self._kept) > self._most or self._bytes > self._most_bytes:
            _, dropped = self._kept.popitem(last=False)
            self._bytes -= len(dropped.encode())


class ListedQueries:
    """Only what is on the list, by its id, by its SHA-256 or as it is written there."""

    def __init__(self, listed: Mapping[str, str]) -> None:
        self._by_id = {sha256(text.encode()).hexdigest(): text for text in listed.values()} | dict(listed)
        self._texts = frozenset(listed.values())

    def document(self, query: str | None, document_id: str | None) -> str:
        """Raises ``Forbidden``."""
        listed = self._by_id.get(document_id or "") if query is None else query
        if listed not in self._texts:
            raise Forbidden("This server runs only the documents on its list, and this is none of them")
        return listed


class NoQueries:
    """Nothing is kept, so clients are told to send their documents."""

    def document(self, query: str | None, document_id: str | None) -> str:
        """Raises ``PersistedQueryNotSupported``."""
        if query is None:
            raise PersistedQueryNotSupported("PersistedQueryNotSupported")
        return query


def read_manifest(path: Path) -> dict[str, str]:
    """The documents of a manifest by their ids: Apollo's layout, or ``{id: document}`` as Relay writes it.

    Raises ``BadRequest``.
    """
    try:
        return dict(_documents(orjson.loads(path.read_bytes())))
    except OSError as error:
        raise BadRequest(f"{path} cannot be read: {error.strerror}") from None
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"{path} is no JSON: {error}") from None
    except (TypeError, KeyError):
        raise BadRequest(f"{path} is no list of documents: {{id: document}}, or Apollo's manifest") from None


def _documents(manifest: Any) -> Iterator[tuple[str, str]]:
    """Raises ``TypeError`` or ``KeyError`` for any other layout."""
    if isinstance(manifest.get("operations") if isinstance(manifest, dict) else None, list):
        manifest = {operation["id"]: operation["body"] for operation in manifest["operations"]}
    if not isinstance(manifest, dict) or not manifest:
        raise TypeError
    for document_id, text in manifest.items():
        if not isinstance(document_id, str) or not isinstance(text, str):
            raise TypeError
        yield document_id, text
