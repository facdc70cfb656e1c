"""The country an address belongs to, from the tables of the internet registries that iptocc carries."""

from __future__ import annotations

from functools import lru_cache

from iptocc import country_code
from iso3166 import countries

UNKNOWN = "Unknown"


@lru_cache(maxsize=65_536)
def country_of(address: str) -> str:
    """ISO 3166-1 alpha-2 in upper case; ``Unknown`` for private addresses and host names.  Contract §1.0.3."""
    return country_code(address) or UNKNOWN


@lru_cache(maxsize=4096)
def country_named(text: str) -> str:
    """The alpha-2 code of an ISO 3166 code or an English name, in any case; empty for anything else."""
    if text.upper() == "UK":
        return "GB"
    name = text.upper().removeprefix("THE ")
    found = countries.get(name, None) if text else None
    return found.alpha2 if found else COMMON_NAMES.get(name, "")


# Where what trackers say is not what the standard says.
COMMON_NAMES = {
    "BOLIVIA": "BO",
    "CZECH REPUBLIC": "CZ",
    "IRAN": "IR",
    "MOLDOVA": "MD",
    "NETHERLANDS": "NL",
    "RUSSIA": "RU",
    "SOUTH KOREA": "KR",
    "TAIWAN": "TW",
    "TANZANIA": "TZ",
    "TURKEY": "TR",
    "UNITED KINGDOM": "GB",
    "UNITED STATES": "US",
    "VENEZUELA": "VE",
    "VIETNAM": "VN",
}
