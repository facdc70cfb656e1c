"""An account as large as one wants, the same for the same seed: many pages, referrers, campaigns and terms, few of them
frequent.

It is written as columns, since a log of ten million lines would take longer to make than all measurements.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from fanin.catalog.dimensions import Table
from fanin.warehouse.layout import FACTS
from fanin.warehouse.writing import writing

DAYS = 400
PAGE_VIEWS_PER_SESSION = 2.6
_SESSIONS_AT_ONCE = 250_000
_EPOCH = date(1970, 1, 1)

# How many values each lexicon has.
VOCABULARY = {
    "utm_source": 60,
    "utm_medium": 8,
    "utm_campaign": 250,
    "utm_term": 1_500,
    "utm_content": 100,
    "referrer": 1_500,
    "channel": 18,
    "country": 120,
    "device_type": 3,
    "browser": 12,
    "os": 8,
    "path": 5_000,
    "content_grouping": 12,
    "goal": 6,
}
_DEVICES = ("desktop", "mobile", "tablet")

Columns = dict[str, Any]


def make_account(path: Path, account: str, last_day: date, page_views: int, seed: int = 1) -> None:
    """About ``page_views`` of an account over 400 days that end on ``last_day``, in UTC."""
    random = np.random.default_rng(seed)
    sessions = round(page_views / PAGE_VIEWS_PER_SESSION)
    first_day = (last_day - _EPOCH).days - DAYS + 1
    with writing(path) as writer:
        writer.put_account(account)
        draft = writer.draft(account)
        for lexicon, size in VOCABULARY.items():
            draft.insert("lexicon", _words(draft.number, lexicon, size))
        starts = np.sort(random.integers(first_day * 86_400, (first_day + DAYS) * 86_400, sessions))
        for begun in range(0, sessions, _SESSIONS_AT_ONCE):
            for table, columns in _facts(draft.number, begun, starts[begun : begun + _SESSIONS_AT_ONCE], random):
                draft.insert(table.value, columns)
        draft.days |= set(range(first_day, first_day + DAYS))
        draft.changes += 1


def _words(account: int, lexicon: str, size: int) -> Columns:
    spelled = {
        "country": lambda code: chr(65 + code // 26) + chr(65 + code % 26),
        "device_type": lambda code: _DEVICES[code],
        "path": lambda code: f"/section-{code % 12}/page-{code}",
        "referrer": lambda code: f"https://site-{code}.example/article" if code else "",
    }.get(lexicon, lambda code: f"{lexicon}-{code}")
    return {
        "account": np.full(size, account, dtype=np.int32),
        "dimension": np.full(size, lexicon, dtype=object),
        "code": np.arange(size, dtype=np.uint32),
        "value": np.array([spelled(code) for code in range(size)], dtype=object),
    }


def _facts(account: int, begun: int, starts: Any, random: np.random.Generator) -> Iterator[tuple[Table, Columns]]:
    """The rows of every table for sessions that begin at ``starts``."""
    count = len(starts)
    views = random.geometric(1 / PAGE_VIEWS_PER_SESSION, count)
    owner = np.repeat(np.arange(count), views)  # of each page view, its session
    place = np.arange(len(owner)) - np.repeat(np.cumsum(views) - views, views)
    paths = _often_the_first(random, VOCABULARY["path"], len(owner))
    session = _session_columns(account, begun, starts, paths[place == 0], random)
    goals = random.poisson(0.2, count)
    reached = np.repeat(np.arange(count), goals)
    is_conversion = random.random(len(reached)) < 0.4
    amounts = np.where(is_conversion, random.integers(500, 50_000, len(reached)), 0)
    won = np.bincount(reached, is_conversion, count)
    yield (
        Table.SESSIONS,
        _ordered(
            Table.SESSIONS,
            session
            | {
                "page_views": views,
                "conversions": won,
                "microconversions": goals - won,
                "revenue_cents": np.bincount(reached, amounts, count),
            },
        ),
    )
    yield (
        Table.PAGE_VIEWS,
        _ordered(
            Table.PAGE_VIEWS,
            {name: column[owner] for name, column in session.items()}
            | {
                "moment": starts[owner] + 10 * place,
                "path": paths,
                "content_grouping": paths % VOCABULARY["content_grouping"],
                "is_entrance": place == 0,
                "is_engaged": views[owner] >= 2,
            },
        ),
    )
    yield (
        Table.GOALS,
        _ordered(
            Table.GOALS,
            {name: column[reached] for name, column in session.items()}
            | {
                "moment": starts[reached] + 60,
                "goal": np.where(is_conversion, 0, 3) + random.integers(0, 3, len(reached)),
                "is_conversion": is_conversion,
                "amount_cents": amounts,
            },
        ),
    )


def _session_columns(account: int, begun: int, starts: Any, landing: Any, random: np.random.Generator) -> Columns:
    """Campaigns belong to a source and a medium, terms and contents to a campaign; most sessions have none."""
    count = len(starts)
    tagged = random.random(count) < 0.3
    campaign = np.where(tagged, 1 + _often_the_first(random, VOCABULARY["utm_campaign"] - 1, count), 0)
    source = np.where(tagged, campaign % 20, _often_the_first(random, VOCABULARY["utm_source"], count))
    searched = tagged & (campaign % 2 == 0)
    return {
        "account": np.full(count, account),
        "session": begun + 1 + np.arange(count),
        "start": starts,
        "day": starts // 86_400,
        "hour": starts % 86_400 // 3_600,
        "utm_source": source,
        "utm_medium": np.where(tagged, campaign % 3, 3 + source % 5),
        "utm_campaign": campaign,
        "utm_term": np.where(searched, (campaign * 6 + random.integers(0, 6, count)) % VOCABULARY["utm_term"], 0),
        "utm_content": np.where(tagged, (campaign + random.integers(0, 3, count)) % VOCABULARY["utm_content"], 0),
        "referrer": np.where(tagged, 0, _often_the_first(random, VOCABULARY["referrer"], count)),
        "channel": (source + 3 * tagged) % VOCABULARY["channel"],
        "country": _often_the_first(random, VOCABULARY["country"], count),
        "device_type": _often_the_first(random, 3, count),
        "browser": _often_the_first(random, VOCABULARY["browser"], count),
        "os": _often_the_first(random, VOCABULARY["os"], count),
        "landing_page": landing,
        "landing_content_grouping": landing % VOCABULARY["content_grouping"],
    }


def _often_the_first(random: np.random.Generator, size: int, count: int) -> Any:
    """Codes below ``size``, each as frequent as Zipf has it."""
    shares = np.cumsum(1 / np.arange(1, size + 1))
    return np.searchsorted(shares / shares[-1], random.random(count))


_NUMPY = {"INTEGER": np.int32, "BIGINT": np.int64, "UINTEGER": np.uint32, "UTINYINT": np.uint8, "BOOLEAN": np.bool_}


def _ordered(table: Table, columns: Columns) -> Columns:
    """The columns as the table has them."""
    return {name: np.ascontiguousarray(columns[name].astype(_NUMPY[kind])) for name, kind in FACTS[table]}
