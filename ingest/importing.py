"""Logs into a warehouse: read by the rules of the site, cut into sessions, written whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate, chain
from pathlib import Path

from ..catalog.accounts import check_account_id
from ..warehouse.facts import Session
from ..warehouse.writing import writing
from .agents import describe_agent
from .countries import country_of
from .hits import HitReader
from .log_files import LogFile, digest_of, size_of
from .log_formats import JUDGED_LINES, LogFormat, check_format, recognised
from .sessions import Hit, Visitor, sessions_of
from .site_rules import SiteRules
from .summaries import DamageReport, ImportSummary, LineClass, Tally

Progress = Callable[[int, int], None]  # bytes read so far and in all, as they lie on disk
Visits = dict[tuple[str, str | None], list[Hit]]  # by address and agent


@dataclass(frozen=True, slots=True)
class FileSessions:
    """The sessions that began in one of the files.  ``digest`` is that of its decompressed content."""

    path: Path
    digest: str
    sessions: list[Session]


@dataclass(frozen=True, slots=True)
class LogReading:
    summary: ImportSummary
    files: tuple[FileSessions, ...]


def import_log(
    files: Sequence[Path],
    account_id: str,
    warehouse_path: Path,
    rules: SiteRules | None = None,
    progress: Progress | None = None,
    log_format: LogFormat | None = None,
    on_damaged: DamageReport | None = None,
) -> ImportSummary:
    """Everything the files hold that the account does not have yet, in one transaction.

    A file is known by its content: the same log again, renamed or compressed, changes nothing and is told in the
    summary.  Files given together may share sessions, as those of a rotated log do.  Each is in the format that is
    named, or else in one of its own that is recognised.  Raises ``ImportRefused`` for what is no log, ``StatsError``
    for a warehouse that cannot be written; nothing is written then.
    """
    check_account_id(account_id)
    rules = rules or SiteRules()
    with writing(warehouse_path) as writer:
        fresh, known = _by_novelty(files, lambda digest: writer.has_import(account_id, digest))
        if not fresh:
            return ImportSummary(files_already_there=known)
        reading = read_logs(fresh, rules, progress, log_format, on_damaged)
        writer.put_account(account_id, time_zone=rules.time_zone, currency=rules.currency)
        for file in reading.files:
            writer.add_sessions(account_id, file.sessions, digest=file.digest, source_name=file.path.name)
    return replace(reading.summary, files_already_there=known)


def read_logs(
    files: Sequence[Path],
    rules: SiteRules,
    progress: Progress | None = None,
    log_format: LogFormat | None = None,
    on_damaged: DamageReport | None = None,
) -> LogReading:
    """The sessions of the files, read as one log whatever the order of their lines.  Raises ``ImportRefused``."""
    tally = Tally(on_damaged)
    hits: Visits = {}
    reader = HitReader(rules)
    logs = _opened(files, progress)
    for place, log in enumerate(logs):
        _collect(log, log_format, place, reader, tally, hits)
    sessions: list[list[Session]] = [[] for _ in logs]
    for (address, agent), visits in hits.items():
        visits.sort(key=lambda hit: hit.at)
        for place, session in sessions_of(visits, Visitor(country_of(address), describe_agent(agent))):
            sessions[place].append(session)
    names = tuple(dict.fromkeys(goal.name for goal in rules.goals))
    return LogReading(
        tally.summary(sum(map(len, sessions)), names, tuple(str(path) for path in files)),
        tuple(FileSessions(log.path, log.digest, found) for log, found in zip(logs, sessions, strict=True)),
    )


def _by_novelty(files: Iterable[Path], is_known: Callable[[str], bool]) -> tuple[list[Path], tuple[str, ...]]:
    """The files to read, and the names of those that are there already or were given twice."""
    fresh: dict[str, Path] = {}
    known: list[str] = []
    for path in files:
        digest = digest_of(path)
        if digest in fresh or is_known(digest):
            known.append(str(path))
        else:
            fresh[digest] = path
    return list(fresh.values()), tuple(known)


def _opened(files: Sequence[Path], progress: Progress | None) -> list[LogFile]:
    if progress is None:
        return [LogFile(path) for path in files]
    sizes = [size_of(path) for path in files]
    starts = [0, *accumulate(sizes)]
    return [
        LogFile(path, partial(_report, progress, start, starts[-1])) for path, start in zip(files, starts, strict=False)
    ]


def _report(progress: Progress, start: int, total: int, done: int) -> None:
    progress(start + done, total)


def _collect(
    log: LogFile, log_format: LogFormat | None, place: int, reader: HitReader, tally: Tally, hits: Visits
) -> None:
    """Counts every line of one log and keeps, by visitor, the hits among them."""
    numbered = enumerate(log.lines(), start=1)
    opening = _opening(numbered)
    found = _format_of(log.path, [text for _, text in opening if text.strip()], log_format)
    tally.formats[str(log.path)] = found.name
    parse = found.reader()
    for number, text in chain(opening, numbered):
        line = parse(text)
        if line is None:
            if text.strip() and not found.is_header(text):
                tally.count_damaged(log.path.name, number, text)
            else:
                tally.count(LineClass.BLANK)
            continue
        tally.see(line.at)
        line_class, hit = reader.read(line, place)
        tally.count(line_class)
        if hit is None:
            continue
        hits.setdefault((line.address, line.agent), []).append(hit)
        if hit.goals:
            tally.goals.update(goal.name for goal in hit.goals)
            tally.bad_amounts += reader.bad_amounts(line)


def _opening(numbered: Iterable[tuple[int, str]]) -> list[tuple[int, str]]:
    opening: list[tuple[int, str]] = []
    found = 0
    for number, text in numbered:
        opening.append((number, text))
        found += bool(text.strip())
        if found == JUDGED_LINES:
            break
    return opening


def _format_of(path: Path, lines: Sequence[str], named: LogFormat | None) -> LogFormat:
    if named is None:
        return recognised(path, lines)
    check_format(path, lines, named)
    return named
