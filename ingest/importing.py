"""Logs and event files into a warehouse: read by the rules of the site, every line once, whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import accumulate, chain, islice
from math import inf
from pathlib import Path
from typing import TypeVar

from ..catalog.accounts import check_account_id
from ..warehouse.addresses import writing_at
from ..warehouse.facts import Hit, Session
from ..warehouse.store import Intake, Writer
from .account_settings import AccountSettings
from .event_files import check_events, event_format_of, is_event_file, rows_of
from .event_mappings import PLAIN, EventMapping
from .judges import Judges
from .judging import CLASSES, EventJudge, Judged
from .log_files import LogFile, digest_of, size_of
from .log_formats import JUDGED_LINES, LogFormat, check_format, recognised
from .log_lines import LogLine
from .sessions import IDLE_S, order_of, sessions_of
from .site_rules import SiteRules
from .summaries import DamageReport, ImportSummary, LineClass, Tally

Progress = Callable[[int, int], None]  # bytes read so far and in all, as they lie on disk
WrittenAs = LogFormat | EventMapping  # what the files of an import are in

T = TypeVar("T")

CHUNK_LINES = 10_000  # judged at once


def import_log(
    files: Sequence[Path],
    account_id: str,
    warehouse: Path | str,
    rules: SiteRules | None = None,
    progress: Progress | None = None,
    written_as: WrittenAs | None = None,
    on_damaged: DamageReport | None = None,
    jobs: int = 1,
    given: AccountSettings | None = None,
) -> ImportSummary:
    """Every line of the files that the account does not have yet, in one transaction.

    A file whose content is there already is not read again, whatever its name and compression.  Of any other each line
    counts that no earlier file had, or had less often.  Files are written as what is said, or else each is recognised.
    So many ``jobs`` are processes that judge lines.  Lines are judged by the ``rules``, or else by the settings that are
    ``given``, and where they say nothing by those the account keeps; it keeps what is given.  Raises ``ImportRefused`` for
    what cannot be read, ``StatsError`` for a warehouse that cannot be written; nothing is written then.
    """
    check_account_id(account_id)
    with writing_at(warehouse) as writer:
        fresh, known = _by_novelty(files, lambda digest: writer.has_import(account_id, digest))
        if not fresh:
            return ImportSummary(files_already_there=known)
        settings = _settings(writer, account_id, given or AccountSettings())
        rules = rules or settings.rules(f"settings of {account_id}")
        writer.put_account(account_id, time_zone=rules.time_zone, currency=rules.currency)
        if given is not None:
            writer.keep_settings(account_id, settings.to_text())
        intake = writer.intake(account_id, IDLE_S)
        tally = take_in(intake, list(fresh.items()), rules, progress, written_as, on_damaged, jobs)
        sessions = intake.cut(cut_sessions)
    paths = tuple(str(path) for path in fresh.values())
    return replace(tally.summary(sessions, [goal.name for goal in rules.goals], paths), files_already_there=known)


def _settings(writer: Writer, account_id: str, given: AccountSettings) -> AccountSettings:
    kept = writer.settings(account_id)
    return given.over(AccountSettings.of_text(kept)) if kept else given


def take_in(
    intake: Intake,
    files: Sequence[tuple[str, Path]],
    rules: SiteRules,
    progress: Progress | None = None,
    written_as: WrittenAs | None = None,
    on_damaged: DamageReport | None = None,
    jobs: int = 1,
) -> Tally:
    """Judge the lines of files, which come with the digest of their content, and hand them over.  Raises
    ``ImportRefused``."""
    tally = Tally(on_damaged)
    logs = _opened([path for _, path in files], progress)
    with Judges(rules, intake.secret, jobs) as judges:
        for (digest, _), log in zip(files, logs, strict=True):
            if isinstance(written_as, EventMapping) or (written_as is None and is_event_file(log)):
                judged = _judge_events(log, rules, written_as or PLAIN, intake.secret, tally)
            else:
                judged = _judge_lines(log, written_as, judges, tally)
            for part in judged:
                _count(part, log, tally)
                intake.add(part.batch)
            settled = intake.settle(digest, log.path.name)
            tally.add({CLASSES[number]: count for number, count in settled.added.items()})
            tally.add({LineClass.ALREADY_THERE: settled.already_there, LineClass.DUPLICATE: settled.repeated})
            tally.goals.update(settled.goals)
            tally.bad_amounts += settled.bad_amounts
    return tally


def cut_sessions(hits: list[Hit], is_own_visit: bool) -> Iterator[Session]:
    """The sessions of one visitor, whatever the order of the hits; one session where its key said so."""
    hits.sort(key=order_of)
    return sessions_of(hits, inf if is_own_visit else IDLE_S)


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


def _by_novelty(files: Iterable[Path], is_known: Callable[[str], bool]) -> tuple[dict[str, Path], tuple[str, ...]]:
    """The files to read by their digest, and the names of those that are there already or were given twice."""
    fresh: dict[str, Path] = {}
    known: list[str] = []
    for path in files:
        digest = digest_of(path)
        if digest in fresh or is_known(digest):
            known.append(str(path))
        else:
            fresh[digest] = path
    return fresh, tuple(known)


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


def _judge_lines(log: LogFile, log_format: LogFormat | None, judges: Judges, tally: Tally) -> Iterator[Judged]:
    numbered = enumerate(log.lines(), start=1)
    opening = _opening(numbered)
    found = _format_of(log.path, [text for _, text in opening if text.strip()], log_format)
    tally.formats[str(log.path)] = found.name
    return judges.judge(found, _chunks(chain(opening, numbered)))


def _judge_events(log: LogFile, rules: SiteRules, mapping: WrittenAs, secret: bytes, tally: Tally) -> Iterator[Judged]:
    assert isinstance(mapping, EventMapping)  # noqa: S101  # as the caller has seen
    found = event_format_of(log)
    tally.formats[str(log.path)] = found
    judge = EventJudge(rules, mapping, secret)
    rows = readable = 0
    for chunk in _chunks(rows_of(log, judge.wants)):
        judged = judge.judge(chunk)
        rows += len(chunk)
        readable += len(chunk) - len(judged.damaged) - judged.blank
        yield judged
    check_events(log.path, found, rows, readable)


def _count(judged: Judged, log: LogFile, tally: Tally) -> None:
    """What counts in any case: lines that say nothing, and the span of time."""
    for number, text in judged.damaged:
        tally.count_damaged(log.path.name, number, text)
    tally.add({LineClass.BLANK: judged.blank})
    tally.see(judged.first_at, judged.last_at)


def _chunks(lines: Iterable[T]) -> Iterator[list[T]]:
    lines = iter(lines)
    while chunk := list(islice(lines, CHUNK_LINES)):
        yield chunk


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
