"""API keys in a small file beside the warehouse: made and revoked by ``fanin keys``, only read by servers.  Contract §4.1.

The file holds digests, never keys.  It is replaced whole by one rename, so a server that looks at its identity before
each request sees every change at once, revocations among them.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import logging
import os
import re
import secrets
import string
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from ..catalog.accounts import check_account_id
from ..catalog.errors import BadRequest, StatsError, Unauthorized, suggestion
from ..catalog.identity import READ_STATS, Identity, Means
from ..catalog.plans import DEFAULT_PLAN, PLANS
from ..warehouse.addresses import file_of

log = logging.getLogger(__name__)

PREFIX = "sm_"
KEY_LENGTH = 64  # the prefix included; what follows it is alphanumeric
ID_LENGTH = len(PREFIX) + 8  # the start of a key, by which its holder finds it in the list
SCOPES = (READ_STATS, "sites:read", "accounts:read", "read")
DAYS = (1, 365)  # that a key may live, unless it lives for ever
MAX_NAME_LENGTH = 100

DEFAULT_FILE = "fanin.keys.json"  # where the warehouse is no file
_VERSION = 1
_DIGEST = re.compile(r"[0-9a-f]{64}")
_ALPHABET = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True)
class Key:
    """What is kept of a key.  Times are ISO 8601 in UTC; ``accounts`` is None for all there are."""

    id: str
    sha256: str
    name: str
    accounts: tuple[str, ...] | None
    scopes: tuple[str, ...]
    plan: str
    created: str
    expires: str | None = None
    revoked: str | None = None

    @property
    def identity(self) -> Identity:
        accounts = None if self.accounts is None else frozenset(self.accounts)
        return Identity(f"key:{self.id}", accounts, frozenset(self.scopes), PLANS[self.plan], Means.KEY)

    def is_expired(self, now: datetime) -> bool:
        return self.expires is not None and datetime.fromisoformat(self.expires) <= now


def keys_file_of(warehouse: str) -> Path:
    """The key file of a warehouse address: beside a file, in the folder one is in for all others."""
    try:
        return file_of(warehouse).with_suffix(".keys.json")
    except (BadRequest, ValueError):
        return Path(DEFAULT_FILE)


def digest_of(key: str) -> str:
    """What is stored of a key.

    One round of SHA-256 is enough: 61 random letters and digits hold 363 bits, which no one guesses however fast a guess
    is.  A slow hash guards words that people think up, and here would only slow down every request.
    """
    return hashlib.sha256(key.encode()).hexdigest()


# --- reading: servers ---------------------------------------------------------------------------------------------


class KeyRing:
    """The keys of a file as it is now.  Without a file there are none.

    Raises ``BadRequest`` when there is a file and it cannot be read.  Later, under a running server, an unreadable file
    leaves the keys as they were, and a removed one leaves none, but never an open door.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: tuple[int, ...] | None = _file_identity(path)
        self._keys = {key.id: key for key in read_keys(path)}
        self._was_there = self._file is not None

    def __len__(self) -> int:
        self._look()
        return len(self._keys)

    @property
    def asks(self) -> bool:
        """Whether a key must be shown: as soon as one was ever made.  Revoking the last one opens nothing."""
        self._look()
        return self._was_there

    def identity(self, key: str, now: datetime) -> Identity:
        """Whose key it is.  Raises ``Unauthorized`` in the words of Contract §4.3."""
        if not key.startswith(PREFIX):
            raise Unauthorized("Invalid API key format")
        self._look()
        found = self._keys.get(key[:ID_LENGTH], _NO_KEY)
        is_it = hmac.compare_digest(digest_of(key), found.sha256)  # takes as long for a wrong key as for a right one
        if not is_it or found.revoked is not None:
            raise Unauthorized("Invalid API key")
        if found.is_expired(now):
            raise Unauthorized("API key has expired")
        return found.identity

    def _look(self) -> None:
        """Read the file again if another one has its name by now."""
        file = _file_identity(self._path)
        if file == self._file:
            return
        try:
            self._keys = {key.id: key for key in read_keys(self._path)}
        except StatsError as error:
            log.error("the keys stay as they were: %s", error.message)
        self._file = file
        self._was_there = self._was_there or file is not None


_NO_KEY = Key("", "0" * 64, "", (), (), DEFAULT_PLAN, "")


def _file_identity(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size


def read_keys(path: Path) -> list[Key]:
    """The keys in a file, none when there is no file.  Raises ``BadRequest`` when it holds anything else."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise BadRequest(f"The key file {path} cannot be read: {error.strerror}") from None
    try:
        kept = orjson.loads(text)
        if kept["version"] != _VERSION:
            raise BadRequest(f"The key file {path} was written by another version of fanin")
        return [_key(row) for row in kept["keys"]]
    except (ValueError, TypeError, KeyError, AttributeError):
        raise BadRequest(f"The key file {path} is damaged; restore it, or remove it and make new keys") from None


def _key(row: dict[str, Any]) -> Key:
    """Raises whatever a row of another kind leads to, rather than to grant by guess."""
    accounts, scopes = row["accounts"], row["scopes"]
    if not isinstance(accounts, list | None) or not isinstance(scopes, list):
        raise TypeError
    key = Key(**{**row, "accounts": None if accounts is None else tuple(accounts), "scopes": tuple(scopes)})
    texts = (key.id, key.sha256, key.name, key.created, *(key.accounts or ()), *key.scopes)
    times = [datetime.fromisoformat(time) for time in (key.created, key.expires, key.revoked) if time is not None]
    if not all(isinstance(text, str) for text in texts) or any(time.tzinfo is None for time in times):
        raise TypeError
    if not _DIGEST.fullmatch(key.sha256) or key.plan not in PLANS:
        raise ValueError
    return key


# --- changing: the commands ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key to be made.  Raises ``BadRequest`` or ``InvalidQuery`` for what cannot be granted."""

    accounts: tuple[str, ...] | None  # None: all there are
    name: str = ""
    scopes: tuple[str, ...] = (READ_STATS,)
    plan: str = DEFAULT_PLAN
    expires: datetime | None = None

    def __post_init__(self) -> None:
        for account in self.accounts or ():
            check_account_id(account)
        if self.accounts == ():
            raise BadRequest("Say which accounts the key may read: --account ID, repeatable, or --all-accounts")
        for scope in self.scopes:
            _check_word("scope", scope, SCOPES)
        _check_word("plan", self.plan, PLANS)
        if len(self.name) > MAX_NAME_LENGTH or not self.name.isprintable():
            raise BadRequest(f"A name is at most {MAX_NAME_LENGTH} printable characters")


def _check_word(kind: str, word: str, known: Iterable[str]) -> None:
    known = tuple(known)
    if word not in known:
        near = suggestion(word, known)
        raise BadRequest(f"'{word[:40]}' is no {kind}; accepted: {', '.join(known)}{near}")


def create_key(path: Path, new: NewKey, now: datetime, make: Callable[[], str] | None = None) -> tuple[str, Key]:
    """Make a key: the key itself, told this once and kept nowhere, and what is kept of it.  ``make`` is for tests."""
    with _changing(path) as keys:
        taken = {key.id for key in keys}
        text = next(text for text in iter(make or _random_key, None) if text[:ID_LENGTH] not in taken)
        key = Key(
            id=text[:ID_LENGTH],
            sha256=digest_of(text),
            name=new.name,
            accounts=None if new.accounts is None else tuple(dict.fromkeys(new.accounts)),
            scopes=tuple(dict.fromkeys(new.scopes)),
            plan=new.plan,
            created=_told(now),
            expires=new.expires and _told(new.expires),
        )
        keys.append(key)
    return text, key


def revoke_key(path: Path, key_id: str, now: datetime) -> Key:
    """Revoke a key for good; once more changes nothing.  Raises ``BadRequest`` for an id that is not there."""
    with _changing(path) as keys:
        place = next((place for place, key in enumerate(keys) if key.id == key_id), None)
        if place is None:
            near = suggestion(key_id, [key.id for key in keys])
            raise BadRequest(f"There is no key '{key_id[:ID_LENGTH]}'{near}; fanin keys list shows them")
        keys[place] = replace(keys[place], revoked=keys[place].revoked or _told(now))
        return keys[place]


def _random_key() -> str:
    return PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(KEY_LENGTH - len(PREFIX)))


def _told(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")


@contextmanager
def _changing(path: Path) -> Iterator[list[Key]]:
    """The keys of a file, to be changed in place; written whole at the end, and not at all on an exception."""
    path = Path(os.path.realpath(path))  # what a link points to is replaced, not the link
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _claimed(path.parent):
            keys = read_keys(path)
            yield keys
            _write(path, orjson.dumps({"version": _VERSION, "keys": [asdict(key) for key in keys]}, option=_READABLE))
    except OSError as error:
        raise BadRequest(f"The key file {path} cannot be written: {error.strerror}") from None


_READABLE = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE


@contextmanager
def _claimed(folder: Path) -> Iterator[None]:
    """Hold a lock on the folder itself, so that two commands at once lose no key and leave no file behind."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _write(path: Path, text: bytes) -> None:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        with suppress(OSError):
            draft.unlink()
        raise
