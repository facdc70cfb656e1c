"""Labels: row fields that are told from a dimension's value rather than stored.  Contract §1.7, §1.8."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

from iso3166 import countries_by_alpha2

# ISO's formal names where people use another.
_COMMON_NAMES = {
    "BN": "Brunei",
    "BO": "Bolivia",
    "CD": "DR Congo",
    "CG": "Congo",
    "FK": "Falkland Islands",
    "FM": "Micronesia",
    "GB": "United Kingdom",
    "IR": "Iran",
    "KP": "North Korea",
    "KR": "South Korea",
    "LA": "Laos",
    "MD": "Moldova",
    "MF": "Saint Martin",
    "NL": "Netherlands",
    "PS": "Palestine",
    "RU": "Russia",
    "SX": "Sint Maarten",
    "SY": "Syria",
    "TW": "Taiwan",
    "TZ": "Tanzania",
    "US": "United States",
    "VA": "Vatican City",
    "VE": "Venezuela",
    "VG": "British Virgin Islands",
    "VI": "U.S. Virgin Islands",
    "VN": "Vietnam",
}


@dataclass(frozen=True, slots=True)
class Label:
    name: str
    dimension: str
    meaning: str
    tell: Callable[[str], str]


@lru_cache(maxsize=512)
def country_name(code: str) -> str:
    """The English name of an alpha-2 code; empty for what is no country."""
    if code in _COMMON_NAMES:
        return _COMMON_NAMES[code]
    country = countries_by_alpha2.get(code)
    return country.apolitical_name if country else ""


@lru_cache(maxsize=4096)
def referrer_domain(referrer: str) -> str:
    """The host of a referring address, without ``www.``; empty for a direct visit."""
    try:
        host = urlsplit(referrer).hostname or ""
    except ValueError:
        return ""
    return host.removeprefix("www.")


LABELS: dict[str, Label] = {
    label.name: label
    for label in (
        Label("country_name", "country", "the country's English name, empty when unknown", country_name),
        Label("referrer_domain", "referrer", "the host of the referring address", referrer_domain),
    )
}
