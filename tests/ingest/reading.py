"""Logs and event files read into a warehouse of a moment: what the summary says, and the sessions that came of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from fanin.ingest.importing import Progress, WrittenAs, cut_sessions, take_in
from fanin.ingest.sessions import IDLE_S
from fanin.ingest.site_rules import SiteRules
from fanin.ingest.summaries import DamageReport, ImportSummary
from fanin.warehouse.facts import Hit, Session
from fanin.warehouse.writing import writing


@dataclass(frozen=True)
class Reading:
    """``sessions`` are in the order of their start."""

    summary: ImportSummary
    sessions: list[Session]


def read_logs(
    files: Sequence[Path],
    rules: SiteRules,
    progress: Progress | None = None,
    written_as: WrittenAs | None = None,
    on_damaged: DamageReport | None = None,
) -> Reading:
    """What an import does, into an account of which nothing is kept."""
    found: list[Session] = []

    def cut(hits: list[Hit], is_own_visit: bool) -> Iterable[Session]:
        sessions = list(cut_sessions(hits, is_own_visit))
        found.extend(sessions)
        return sessions

    with TemporaryDirectory() as folder, writing(Path(folder) / "w.duckdb") as writer:
        writer.put_account("read")
        intake = writer.intake("read", IDLE_S)
        named = [(str(place), path) for place, path in enumerate(files)]
        tally = take_in(intake, named, rules, progress, written_as, on_damaged)
        sessions = intake.cut(cut)
    found.sort(key=lambda session: (session.start, repr(session)))
    names = [goal.name for goal in rules.goals]
    return Reading(tally.summary(sessions, names, tuple(map(str, files))), found)
