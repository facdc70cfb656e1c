"""Answers from rows as they are: single goals, and sessions that went through steps in their order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from ..catalog.accounts import Account
from ..catalog.endpoints import Shape
from ..catalog.metrics import value_of
from ..catalog.query import StatsQuery
from ..warehouse.store import Column, Keys, ListingResult
from .figures import Answer, as_rows, figure_column, money
from .planner import EVENT_DIMENSIONS

# --- Shape.EVENTS -------------------------------------------------------------------------------------------------


def _events(query: StatsQuery, parts: Mapping[str, ListingResult], account: Account) -> Answer:
    """A page of goals of one kind, newest first.  A goal belongs to the day its session started, as everywhere."""
    columns = parts["events"]
    found = np.flatnonzero(columns["goal_kind"].codes == query.endpoint.goal_kind)
    moments, sessions = columns["moment"].codes[found], columns["session"].codes[found]
    newest = found[np.lexsort((columns["goal"].ranks[found], -sessions.astype(np.int64), -moments))]
    chosen = newest[(query.page - 1) * query.page_size : query.page * query.page_size]
    return {
        "rows": _event_rows(columns, chosen, ZoneInfo(account.time_zone)),
        "total": len(found),
        "page": query.page,
        "page_size": query.page_size,
        "has_next": query.page * query.page_size < len(found),
        "has_prev": query.page > 1,
    }


def _event_rows(columns: ListingResult, chosen: Column, zone: ZoneInfo) -> list[Answer]:
    moments = [datetime.fromtimestamp(at, UTC) for at in columns["moment"].codes[chosen].tolist()]
    local = [moment.astimezone(zone) for moment in moments]
    told: dict[str, list[Any]] = {
        "date": [moment.date() for moment in local],
        "hour": [moment.hour for moment in local],
        "timestamp_utc": [moment.strftime("%Y-%m-%dT%H:%M:%SZ") for moment in moments],
        "timestamp_local": [moment.isoformat() for moment in local],
        "conversion_type": columns["goal"].spell(chosen),
        "amount": [money(cents) for cents in columns["amount_cents"].codes[chosen].tolist()],
    }
    return as_rows(told | {name: columns[name].spell(chosen) for name in EVENT_DIMENSIONS})


# --- Shape.STEPS --------------------------------------------------------------------------------------------------


def _steps(query: StatsQuery, parts: Mapping[str, ListingResult], account: Account) -> Answer:
    """``{date_range, steps, total_entries, total_completions, overall_conversion_rate}``.  Contract §1.14.

    A session counts at a step when it took it after the step before; one page view or goal is one step.
    """
    counts = _counts(query, parts)
    before = [counts[0], *counts]
    taken = np.array(counts), np.array(before[: len(counts)])
    rates = figure_column("percentage", value_of("percentage", {"part": taken[0], "whole": taken[1]}))
    lost = figure_column("percentage", value_of("percentage", {"part": taken[1] - taken[0], "whole": taken[1]}))
    rates[0] = 100.0  # the first step has none before it
    numbers = list(range(1, len(counts) + 1))
    columns: dict[str, list[Any]] = {
        "step_number": numbers,
        "name": list(query.steps),
        "count": counts,
        "conversion_rate": rates,
        "drop_off_rate": lost,
    }
    overall = value_of("percentage", {"part": counts[-1], "whole": counts[0]}) / 100
    window = query.scope.window
    return {
        "date_range": {"start_date": window.start, "end_date": window.end, "days": window.days},
        "steps": as_rows(columns),
        "total_entries": counts[0],
        "total_completions": counts[-1],
        "overall_conversion_rate": overall,
    }


def _counts(query: StatsQuery, parts: Mapping[str, ListingResult]) -> list[int]:
    """How many sessions reached each step, found step by step: the first fitting event after the last one taken."""
    sessions, names = _in_order(parts)
    reached = np.full(1, -1, dtype=np.int64)
    counts: list[int] = []
    for place, step in enumerate(query.steps):
        fitting = np.flatnonzero(names == step)
        reached = _first_of_each(sessions, fitting) if place == 0 else _next_after(sessions, fitting, reached)
        counts.append(len(reached))
    return counts


def _in_order(parts: Mapping[str, ListingResult]) -> tuple[Column, Column]:
    """Session and name of every page view and goal, by session and time; a page view comes before its goals."""
    views, goals = parts["page_views"], parts["goals"]
    names = np.array([*_words(views["path"]), *_words(goals["goal"])], dtype=object)
    sessions, moments = (
        np.concatenate([part[name].codes for part in (views, goals)]) for name in ("session", "moment")
    )
    is_goal = np.concatenate([np.zeros(len(views["path"].codes)), np.ones(len(goals["goal"].codes))])
    order = np.lexsort((is_goal, moments, sessions))
    return sessions[order], names[order]


def _words(keys: Keys) -> list[str]:
    return keys.spell(np.arange(len(keys.codes)))


def _first_of_each(sessions: Column, fitting: Column) -> Column:
    """The place of each session's first fitting event."""
    _, first = np.unique(sessions[fitting], return_index=True)
    return fitting[first]


def _next_after(sessions: Column, fitting: Column, reached: Column) -> Column:
    """For each session, the place of its first fitting event after the one it had reached; without those that have none."""
    following = np.searchsorted(fitting, reached, side="right")
    there = following < len(fitting)
    candidates = fitting[following[there]]
    return candidates[sessions[candidates] == sessions[reached[there]]]


LISTERS: dict[Shape, Callable[[StatsQuery, Mapping[str, ListingResult], Account], Answer]] = {
    Shape.EVENTS: _events,
    Shape.STEPS: _steps,
}
