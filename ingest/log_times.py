"""The moment a line was written, in each of the ways servers and trackers write it."""

from __future__ import annotations

from calendar import timegm
from datetime import UTC, date, datetime, tzinfo
from functools import lru_cache

MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), start=1
    )
}

LAST = 10_000_000_000  # in 2286; later moments, and those before 1970, are mistakes of a clock

# A bare number counts from 1970 in seconds, or in thousandths, millionths or billionths of them: each is told by its
# size, as all of them mean times from 2001 to 2286.
_EPOCH_UNITS = {10: 1, 13: 1_000, 16: 1_000_000, 19: 1_000_000_000}  # digits of the whole part: units in a second


def moment(text: str, zone: tzinfo = UTC) -> int | None:
    """UTC seconds since 1970, fractions cut off, or None for what is no time.

    ``26/Jan/2019:19:45:25 +0330``, ISO 8601 (in ``zone`` unless it says its own) and numbers since 1970 are read.
    """
    if text[2:3] == "/":
        return _clf_moment(text)
    at = _iso_moment(text, zone) if text[4:5] == "-" else _epoch_moment(text)
    return at if at is not None and 0 <= at < LAST else None


@lru_cache(maxsize=4096)
def minute_start(minute: str, zone: str) -> int | None:
    """``26/Jan/2019:19:45`` and ``+0330`` as UTC seconds, or None when there is no such minute."""
    day, month, year, hour, past = int(minute[:2]), minute[3:6].lower(), int(minute[7:11]), minute[12:14], minute[15:]
    offset_s = (int(zone[1:3]) * 60 + int(zone[3:])) * 60
    if month not in MONTHS or hour > "23" or past > "59" or offset_s > 86_400:
        return None
    try:
        start = date(year, MONTHS[month], day)
    except ValueError:
        return None
    local = timegm((start.year, start.month, start.day, int(hour), int(past), 0))
    at = local - offset_s if zone[0] == "+" else local + offset_s
    return at if 0 <= at < LAST else None


def _clf_moment(text: str) -> int | None:
    minute, second, zone = text[:17], text[18:20], text[21:]
    try:
        start = minute_start(minute, zone) if len(zone) == 5 and zone[0] in "+-" else None
        return None if start is None or not second.isdecimal() or second > "60" else start + int(second)
    except ValueError:
        return None


def _iso_moment(text: str, zone: tzinfo) -> int | None:
    try:
        read = datetime.fromisoformat(text.removesuffix(" UTC"))
        zoned = read if read.tzinfo else read.replace(tzinfo=UTC if text.endswith(" UTC") else zone)
        return int(zoned.timestamp() // 1)
    except (ValueError, OverflowError):
        return None


def _epoch_moment(text: str) -> int | None:
    whole, _, fraction = text.partition(".")
    units = _EPOCH_UNITS.get(len(whole))
    if units is None or not whole.isascii() or not whole.isdecimal() or not (fraction or "0").isdecimal():
        return None
    return int(whole) // units
