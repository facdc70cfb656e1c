"""The country an address belongs to, from the tables of the internet registries that iptocc carries."""

from __future__ import annotations

from functools import lru_cache

from iptocc import country_code

UNKNOWN = "Unknown"


@lru_cache(maxsize=65_536)
def country_of(address: str) -> str:
    """ISO 3166-1 alpha-2 in upper case; ``Unknown`` for private addresses and host names.  Contract §1.0.3."""
    return country_code(address) or UNKNOWN
