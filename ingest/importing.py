"""Logs and event files into a warehouse: read by the rules of the site, cut into sessions, written whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import accumulate, chain
from math import inf
from pathlib import Path

from ..catalog.accounts import check_account_id
from ..warehouse.addresses import writing_at
from ..warehouse.facts import Session
from .agents import describe_agent
from .countries import country_of
from .event_files import check_events, event_format_of, is_event_file, rows_of
from .event_mappings import PLAIN, EventMapping
from .events import EventReader, VisitorKey
from .hits import HitReader
from .log_files import LogFile, digest_of, size_of
from .log_formats import JUDGED_LINES, LogFormat, check_format, recognised
from .log_lines import LogLine
from .sessions import IDLE_S, Hit, Visitor, sessions_of
from .site_rules import SiteRules
from .summaries import DamageReport, ImportSummary, LineClass, Tally

Progress = Callable[[int, int], None]  # bytes read so far and in all, as they lie on disk
WrittenAs = LogFormat | EventMapping  # what the files of an import are in


@dataclass(slots=True)
class Visits:
    """Hits by visitor, of logs and of event files."""

    of_logs: dict[tuple[str, str | None], list[Hit]] = field(default_factory=dict)  # by address and agent
    of_events: dict[VisitorKey, list[Hit]] = field(default_factory=dict)
    visitors: dict[VisitorKey, Visitor] = field(default_factory=dict)

    def sessions(self) -> Iterator[tuple[int, Session]]:
        """The sessions, each with the file its first hit stands in."""
        for (address, agent), hits in self.of_logs.items():
            yield from sessions_of(_in_order(hits), Visitor(country_of(address), describe_agent(agent)))
        for key, hits in self.of_events.items():
            yield from sessions_of(_in_order(hits), self.visitors[key], inf if key.session else IDLE_S)


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
    warehouse: Path | str,
    rules: SiteRules | None = None,
    progress: Progress | None = None,
    written_as: WrittenAs | None = None,
    on_damaged: DamageReport | None = None,
) -> ImportSummary:
    """Everything the files hold that the account does not have yet, in one transaction.

    A file is known by its content: the same log again, renamed or compressed, changes nothing and is told in the
    summary.  Files given together may share sessions, as those of a rotated log do.  They are written as what is said,
    or else each is recognised.  Raises ``ImportRefused`` for what cannot be read, ``StatsError`` for a warehouse that
    cannot be written; nothing is written then.
    """
    check_account_id(account_id)
    rules = rules or SiteRules()
    with writing_at(warehouse) as writer:
        fresh, known = _by_novelty(files, lambda digest: writer.has_import(account_id, digest))
        if not fresh:
            return ImportSummary(files_already_there=known)
        writer.put_account(account_id, time_zone=rules.time_zone, currency=rules.currency)
        reading = read_logs(fresh, rules, progress, written_as, on_damaged)
        for file in reading.files:
            writer.add_sessions(account_id, file.sessions, digest=file.digest, source_name=file.path.name)
    return replace(reading.summary, files_already_there=known)


def read_logs(
    files: Sequence[Path],
    rules: SiteRules,
    progress: Progress | None = None,
    written_as: WrittenAs | None = None,
    on_damaged: DamageReport | None = None,
) -> LogReading:
    """The sessions of the files, read as one log whatever the order of their lines.  Raises ``ImportRefused``."""
    tally = Tally(on_damaged)
    visits = Visits()
    hit_reader = HitReader(rules)
    event_reader = EventReader(rules, written_as if isinstance(written_as, EventMapping) else PLAIN)
    logs = _opened(files, progress)
    for place, log in enumerate(logs):
        if isinstance(written_as, EventMapping) or (written_as is None and is_event_file(log)):
            _collect_events(log, place, event_reader, tally, visits)
        else:
            _collect(log, written_as, place, hit_reader, tally, visits.of_logs)
    sessions: list[list[Session]] = [[] for _ in logs]
    for place, session in visits.sessions():
        sessions[place].append(session)
    return LogReading(
        tally.summary(
            sum(map(len, sessions)), tuple(goal.name for goal in rules.goals), tuple(str(path) for path in files)
        ),
        tuple(FileSessions(log.path, log.digest, found) for log, found in zip(logs, sessions, strict=True)),
    )


def requests_of(files: Sequence[Path], log_format: LogFormat | None = None) -> Iterator[LogLine]:
    """The requests of logs, one after another; damaged lines are left out.  Raises ``ImportRefused``."""
    for path in files:
        numbered = enumerate(LogFile(path).lines(), start=1)
        opening = _opening(numbered)
        read = _format_of(path, [text for _, text in opening if text.strip()], log_format).reader()
        for _, text in chain(opening, numbered):
            line = read(text)
            if line is not None:
                yield line


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
    log: LogFile,
    log_format: LogFormat | None,
    place: int,
    reader: HitReader,
    tally: Tally,
    hits: dict[tuple[str, str | None], list[Hit]],
) -> None:
    """Counts every line of one log and keeps, by visitor, the hits among them."""
    numbered = enumerate(log.lines(), start=1)
    opening = _opening(numbered)
    found = _format_of(log.path, [text for _, text in opening if text.strip()], log_format)
    tally.formats[str(log.path)] = found.name
    parse, read = found.reader(), reader.read
    for number, text in chain(opening, numbered):
        line = parse(text)
        if line is None:
            if text.strip() and not found.is_header(text):
                tally.count_damaged(log.path.name, number, text)
            else:
                tally.count(LineClass.BLANK)
            continue
        tally.see(line.at)
        line_class, hit = read(line, place)
        tally.count(line_class)
        if hit is None:
            continue
        hits.setdefault((line.address, line.agent), []).append(hit)
        if hit.goals:
            tally.goals.update(goal.name for goal in hit.goals)
            tally.bad_amounts += reader.bad_amounts(line)


def _collect_events(log: LogFile, place: int, reader: EventReader, tally: Tally, visits: Visits) -> None:
    """Counts every row of one event file and keeps, by visitor, the hits among them."""
    found = event_format_of(log)
    tally.formats[str(log.path)] = found
    readable = 0
    for number, row, text in rows_of(log, reader.wants):
        read = reader.read_event(row, place) if row is not None else None
        if read is None or read.at is None:
            if row is not None or text.strip():
                tally.count_damaged(log.path.name, number, text)
            else:
                tally.count(LineClass.BLANK)
            continue
        readable += 1
        tally.see(read.at)
        tally.count(read.line_class)
        if read.hit is None or read.key is None or row is None:
            continue
        if read.key not in visits.visitors:
            visits.visitors[read.key] = reader.visitor(row)
        visits.of_events.setdefault(read.key, []).append(read.hit)
        tally.goals.update(goal.name for goal in read.hit.goals)
        tally.bad_amounts += read.bad_amounts
    check_events(log.path, found, tally.lines, readable)


def _in_order(hits: list[Hit]) -> list[Hit]:
    hits.sort(key=lambda hit: hit.at)
    return hits


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
