"""Lines and visitors as numbers that no one can make, or make sense of, without the account's secret."""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b

_KEPT_VISITORS = 65_536


class Fingerprints:
    """64 bits each: of ten million lines two are taken for the same once in four hundred thousand such accounts."""

    def __init__(self, secret: bytes) -> None:
        self._keyed = blake2b(key=secret, digest_size=8)
        self.of_visitor = lru_cache(maxsize=_KEPT_VISITORS)(self._of_parts)

    def of(self, text: str) -> int:
        keyed = self._keyed.copy()
        keyed.update(text.encode("utf-8", errors="surrogatepass"))
        return int.from_bytes(keyed.digest(), "little")

    def _of_parts(self, *parts: str) -> int:
        """Of who it was: parts are told apart, so that no two visitors are written alike."""
        return self.of("\x00".join(parts))
