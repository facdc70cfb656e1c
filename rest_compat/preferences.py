"""What a caller accepts and how gladly: the items of ``Accept`` and ``Accept-Encoding``.  RFC 9110 §12.4, §12.5."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress


def preferences(header: str) -> dict[str, float]:
    """Each item of a header with its quality, from 0 (not at all) to 1.  What cannot be read does not count."""
    return dict(_weighted(header))


def quality(given: Mapping[str, float], names: Iterable[str]) -> float:
    """The quality of what goes by several names, the most specific first; 0 for what none of them accepts."""
    return next((given[name] for name in names if name in given), 0.0)


def _weighted(header: str) -> Iterator[tuple[str, float]]:
    for written in header.split(","):
        name, *parameters = (part.strip().lower() for part in written.split(";"))
        if name:
            with suppress(ValueError):
                yield name, _quality(parameters)


def _quality(parameters: list[str]) -> float:
    given = next((float(text[2:]) for text in parameters if text.startswith("q=")), 1.0)
    if not 0 <= given <= 1:
        raise ValueError(given)
    return given
