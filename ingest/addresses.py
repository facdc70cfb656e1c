"""Web addresses as a log writes them, made readable: paths, queries, tags, referrers."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote_plus

PATH_LIMIT = 2048  # characters
VALUE_LIMIT = 255  # characters of a tag

# These stay encoded: decoded, they would part the path in other places.
RESERVED = frozenset(b"/?#%")

# Control characters, line ends of all kinds, and marks that turn the direction of writing (a spoof's tool).
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]")
_ENCODED = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_HOST = re.compile(r"[^\s/?#@:\\%\"'<>\[\](){}|^`]+")
_REFERRER = re.compile(r"(https?|android-app|ios-app)://([^/?#]*)([^?#]*)(?:\?([^#]*))?(?:#.*)?", re.IGNORECASE)


def clean(text: str, limit: int = VALUE_LIMIT) -> str:
    """The text without control characters and surrounding spaces, cut to ``limit`` characters.  Contract §6.38."""
    return _UNPRINTABLE.sub("", text).strip()[:limit].rstrip()


def target_of(address: str) -> str:
    """The path and query of an address in full; anything else comes back as it is."""
    if "://" not in address.partition("?")[0]:
        return address
    rest = address.split("/", 3)[3:]
    return f"/{rest[0]}" if rest else "/"


def host_of(address: str) -> str:
    """The host of an address in full, as it is written there; empty for anything else."""
    return address.split("/", 3)[2] if "://" in address.partition("?")[0] else ""


def split_target(target: str) -> tuple[str, str]:
    """Path and query of a request target, both still encoded; a fragment is dropped."""
    path, _, query = target.partition("#")[0].partition("?")
    return path, query


def readable(encoded: str) -> str:
    """The path percent-decoded where that spells UTF-8 and changes no meaning, cleaned and bounded."""
    decoded = _ENCODED.sub(_decoded, encoded) if "%" in encoded else encoded
    return clean(decoded, PATH_LIMIT)


def parameters(query: str) -> dict[str, str]:
    """The query's parameters, decoded and cleaned; of a repeated name the first value counts."""
    found: dict[str, str] = {}
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        found.setdefault(_spoken(name), _spoken(value))
    return found


@dataclass(frozen=True, slots=True)
class Referrer:
    """The page a visitor came from.  ``host`` is lower case, without port and ``www.``."""

    host: str
    path: str
    query: str
    url: str  # readable, without query and fragment


@lru_cache(maxsize=16_384)
def parse_referrer(text: str) -> Referrer | None:
    """None for what is no address of a page: empty, another scheme, a host that cannot be one."""
    match = _REFERRER.fullmatch(text.strip()) if text else None
    if match is None:
        return None
    scheme, authority, path, query = match.groups()
    authority = authority.rpartition("@")[2].lower()  # a name and password are nobody's business here
    host = bare_host(authority)
    if not _HOST.fullmatch(host):
        return None
    return Referrer(host, path, query or "", readable(f"{scheme.lower()}://{authority}{path or '/'}"))


def bare_host(authority: str) -> str:
    """``WWW.Example.com:443`` is ``example.com``."""
    return re.sub(r"\.?(?::\d*)?$", "", authority.strip().lower()).removeprefix("www.")


def _spoken(encoded: str) -> str:
    return clean(unquote_plus(encoded, errors="replace"))


def _decoded(match: re.Match[str]) -> str:
    octets = bytes.fromhex(match[0].replace("%", ""))
    parts = re.split(rb"([/?#%])", octets)
    return "".join(
        f"%{part[0]:02X}" if len(part) == 1 and part[0] in RESERVED else part.decode("utf-8", "fanin-percent")
        for part in parts
    )


def _keep_encoded(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    kept = "".join(f"%{octet:02X}" for octet in error.object[error.start : error.end])
    return kept, error.end


codecs.register_error("fanin-percent", _keep_encoded)
