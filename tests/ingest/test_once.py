"""Every line once: whatever the files, their order, their overlaps and their compression, the numbers are those of the whole."""

from __future__ import annotations

import bz2
import gzip
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from fanin.catalog.dimensions import Table
from fanin.ingest.importing import import_log
from fanin.ingest.log_files import zstd
from fanin.ingest.site_rules import GoalRule, Places, SiteRules
from fanin.ingest.summaries import LineClass
from fanin.tests.facts import account_file, stored
from fanin.tests.ingest.conftest import log_line
from fanin.warehouse.facts import GoalKind
from fanin.warehouse.layout import FACTS, SESSION_DIMENSIONS, lexicon_of
from fanin.warehouse.manifest import read_manifest
from fanin.warehouse.rollups import ROLLED_METRICS, by_day, by_month

ACCOUNT = "my-site"
RULES = SiteRules(
    sites=("example.com",),
    goals=(GoalRule("order", GoalKind.CONVERSION, Places.of("/order*"), ("GET", "POST"), amount_parameter="total"),),
)


def facts(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Everything an account's file tells reports, spelled: numbers of sessions and codes are as they came."""
    with duckdb.connect(str(account_file(path, ACCOUNT)), read_only=True) as connection:
        words = {
            (name, code): value for name, code, value in rows(connection, "SELECT dimension, code, value FROM lexicon")
        }
        told = {}
        for table, columns in FACTS.items():
            lexicons = [_lexicon(table, name, kind) for name, kind in columns]
            told[table.value] = sorted(
                tuple(
                    words[lexicon, value] if lexicon else value for lexicon, value in zip(lexicons, row, strict=True)
                )[2:]
                for row in rows(connection, f"FROM {table.value}")
            )
            for name in (by_day(table), by_month(table)):
                sums = ", ".join(ROLLED_METRICS[table])
                told[name] = rows(connection, f"SELECT rollup, day, {sums} FROM {name} ORDER BY ALL")
    return told


def rows(connection: duckdb.DuckDBPyConnection, statement: str) -> list[tuple[Any, ...]]:
    return connection.execute(statement).fetchall()


def _lexicon(table: Table, name: str, kind: str) -> str | None:
    if kind != "UINTEGER" or name in ("session", "page_views", "conversions", "microconversions"):
        return None
    return lexicon_of(Table.SESSIONS if name in SESSION_DIMENSIONS else table, name)


def written(folder: Path, lines: list[str], pack: Callable[[bytes], bytes] = bytes) -> Path:
    path = folder / f"{len(list(folder.iterdir()))}.log"
    path.write_bytes(pack("".join(f"{line}\n" for line in lines).encode()))
    return path


VISITORS = ("8.8.8.8", "8.8.4.4", "1.1.1.1")
LINES = st.builds(
    lambda hour, minute, second, address, target, status, referrer: log_line(
        target,
        time=f"{hour:02}:{minute:02}:{second:02}",
        address=address,
        status=status,
        referrer=referrer,
    ),
    st.sampled_from((0, 1, 2, 3, 5, 8, 13, 22, 23)),
    st.sampled_from((0, 30, 59)),
    st.sampled_from((0, 1, 5, 11)),
    st.sampled_from(VISITORS),
    st.sampled_from(("/", "/a", "/b?utm_source=news", "/c.css", "/order?total=2.50", "/m")),
    st.sampled_from((200, 200, 302)),
    st.sampled_from(("-", "https://www.google.com/", "https://example.com/a", "https://other.example/x")),
)
BRIEF = (Phase.explicit, Phase.generate)  # each example is two imports and more: none are looked for that fail alike
PACKS = st.sampled_from((bytes, gzip.compress, bz2.compress, zstd.compress))


@given(
    lines=st.lists(LINES, min_size=1, max_size=40, unique=True),
    parts=st.lists(st.tuples(st.sets(st.integers(0, 39), max_size=40), PACKS, st.randoms()), max_size=3),
    together=st.booleans(),
)
@settings(max_examples=12, deadline=None, phases=BRIEF)
def test_any_parts_in_any_order_are_the_whole(lines, parts, together) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "logs").mkdir()
        files = []
        for chosen, pack, random in [*parts, (set(range(40)), bytes, None)]:
            part = [line for place, line in enumerate(lines) if place in chosen]
            if random is not None:
                random.shuffle(part)
            if part:
                files.append(written(folder / "logs", part, pack))

        import_log([written(folder / "logs", lines)], ACCOUNT, folder / "whole", RULES)
        for some in [files] if together else [[file] for file in files]:
            import_log(some, ACCOUNT, folder / "parts", RULES)

        assert facts(folder / "parts") == facts(folder / "whole")


@given(lines=st.lists(LINES, min_size=2, max_size=40), cut=st.integers(1, 39), is_late_first=st.booleans())
@settings(max_examples=12, deadline=None, phases=BRIEF)
def test_halves_are_the_whole_also_where_lines_are_alike(lines: list[str], cut: int, is_late_first: bool) -> None:
    lines = sorted(lines)
    while 0 < cut < len(lines) and lines[cut - 1] == lines[cut]:
        cut -= 1  # lines that are alike in two files are one line, so that files may overlap
    halves = [half for half in (lines[:cut], lines[cut:]) if half]
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "logs").mkdir()
        import_log([written(folder / "logs", lines)], ACCOUNT, folder / "whole", RULES)
        for half in halves[::-1] if is_late_first else halves:
            import_log([written(folder / "logs", half)], ACCOUNT, folder / "parts", RULES)

        assert facts(folder / "parts") == facts(folder / "whole")


def test_lines_that_are_alike_count_as_often_as_one_file_has_them(tmp_path: Path) -> None:
    log = tmp_path / "logs"
    log.mkdir()
    once, twice, thrice = (written(log, [log_line("/a")] * times) for times in (1, 2, 3))

    summaries = [import_log([file], ACCOUNT, tmp_path / "w", RULES) for file in (twice, once, thrice)]

    added = [(summary.page_views, summary.classes[LineClass.ALREADY_THERE]) for summary in summaries]
    assert added == [(2, 0), (0, 1), (1, 2)]
    assert stored(tmp_path / "w", "SELECT page_views FROM sessions", ACCOUNT) == [(3,)]


def test_two_daily_files_that_overlap_give_the_union_and_the_summary_tells_what_was_there(tmp_path: Path) -> None:
    lines = [log_line(f"/{hour}", time=f"{hour:02}:00:00") for hour in range(24)]
    first, second = (written(tmp_path, part) for part in (lines[:16], lines[8:]))

    import_log([first], ACCOUNT, tmp_path / "w", RULES)
    summary = import_log([second], ACCOUNT, tmp_path / "w", RULES)

    assert (summary.lines, sum(summary.classes.values())) == (16, 16)
    assert (summary.page_views, summary.classes[LineClass.ALREADY_THERE]) == (8, 8)
    assert stored(tmp_path / "w", "SELECT count(*), count(DISTINCT moment) FROM page_views", ACCOUNT) == [(24, 24)]


def test_a_session_that_spans_files_and_midnight_is_one_and_its_days_sums_follow(tmp_path: Path) -> None:
    before, after = (
        written(tmp_path, [line])
        for line in (
            log_line("/a", time="01:00:00", referrer="https://www.google.com/"),
            log_line("/b", time="02:59:00"),
        )
    )
    shown = "SELECT hour, page_views, (SELECT value FROM lexicon WHERE dimension = 'utm_source' AND code = utm_source) FROM sessions"

    gained = []
    for file in (after, before):
        gained.append(import_log([file], ACCOUNT, tmp_path / "w", RULES).sessions)

    assert gained == [1, 0]
    assert stored(tmp_path / "w", shown, ACCOUNT) == [(1, 2, "google")]
    assert stored(tmp_path / "w", "SELECT entrances, page_views FROM sessions_by_day WHERE rollup = 1", ACCOUNT) == [
        (1, 2)
    ]


def test_a_late_hit_between_two_sessions_makes_them_one(tmp_path: Path) -> None:
    early_and_late = written(tmp_path, [log_line("/a", time="10:00:00"), log_line("/c", time="13:00:00")])
    between = written(tmp_path, [log_line("/b", time="11:30:00")])

    gained = [import_log([file], ACCOUNT, tmp_path / "w", RULES).sessions for file in (early_and_late, between)]

    assert gained == [2, -1]
    assert stored(tmp_path / "w", "SELECT page_views FROM sessions", ACCOUNT) == [(3,)]
    assert stored(tmp_path / "w", "SELECT count(*) FROM visits", ACCOUNT) == [(1,)]


def test_a_redirect_that_comes_late_still_tells_where_the_visitor_came_from(tmp_path: Path) -> None:
    landed = written(tmp_path, [log_line("/m", time="10:00:01")])
    redirected = written(tmp_path, [log_line("/?utm_source=news&utm_medium=email", status=302, time="10:00:00")])
    source = "SELECT value FROM sessions JOIN lexicon ON code = utm_source WHERE dimension = 'utm_source'"

    for file in (landed, redirected):
        import_log([file], ACCOUNT, tmp_path / "w", RULES)

    assert stored(tmp_path / "w", source, ACCOUNT) == [("news",)]


def test_a_day_that_loses_its_only_session_to_the_day_before_has_no_sums_left(tmp_path: Path) -> None:
    rules = SiteRules(time_zone="Asia/Kolkata")  # midnight is at 18:30 UTC
    late, early = (written(tmp_path, [log_line("/", time=time)]) for time in ("18:40:00", "18:20:00"))

    for file in (late, early):
        import_log([file], ACCOUNT, tmp_path / "w", rules)

    days = "SELECT DISTINCT DATE '1970-01-01' + day FROM "
    told = {
        table: [str(day) for (day,) in stored(tmp_path / "w", days + table, ACCOUNT)]
        for table in ("sessions", "page_views", "sessions_by_day", "page_views_by_day")
    }
    account = read_manifest(tmp_path / "w").entries[ACCOUNT].account
    assert told == {table: ["2026-03-18"] for table in told}
    assert str(account.last_day) == "2026-03-18"


def test_only_the_sessions_about_a_late_hit_are_cut_anew(tmp_path: Path) -> None:
    lines = [log_line("/", time=f"{hour:02}:00:00") for hour in (0, 5, 10, 15, 20)]
    import_log([written(tmp_path, lines)], ACCOUNT, tmp_path / "w", RULES)
    before = dict(stored(tmp_path / "w", "SELECT start, session FROM sessions", ACCOUNT))

    import_log([written(tmp_path, [log_line("/b", time="10:30:00")])], ACCOUNT, tmp_path / "w", RULES)

    after = dict(stored(tmp_path / "w", "SELECT start, session FROM sessions", ACCOUNT))
    assert before.keys() == after.keys()
    assert [start for start in sorted(after) if after[start] != before[start]] == [sorted(before)[2]]


def test_no_address_and_no_line_can_be_found_in_the_file_and_no_two_accounts_hash_alike(tmp_path: Path) -> None:
    log = written(tmp_path, [log_line("/a", address="203.0.113.77", agent="Mozilla/5.0 Firefox/128.0 Rarely/9")])
    for name in ("one", "two"):
        import_log([log], name, tmp_path / "w", RULES)

    content = b"".join(entry.file.read_bytes() for entry in read_manifest(tmp_path / "w").entries.values())
    hashes = [stored(tmp_path / "w", "SELECT line, visitor FROM lines, hits", name) for name in ("one", "two")]

    assert all(text not in content for text in (b"203.0.113.77", b"Rarely", b"18/Mar"))
    assert len({number for ((line, visitor),) in hashes for number in (line, visitor)}) == 4


EVENTS = [
    {"time": "2026-03-18T10:00:00Z", "event": "page_view", "visitor": "v", "url": "/a", "id": "1"},
    {
        "time": "2026-03-18T10:00:10Z",
        "event": "conversion",
        "visitor": "v",
        "name": "order",
        "amount": "2.50",
        "id": "2",
    },
    {
        "time": "2026-03-18T10:00:10Z",
        "event": "conversion",
        "visitor": "v",
        "name": "order",
        "amount": "2.50",
        "id": "3",
    },
    {"time": "2026-03-18T11:00:00Z", "event": "page_view", "visitor": "v", "url": "/b"},
    {"time": "2026-03-18T20:00:00Z", "event": "page_view", "visitor": "w", "url": "/c", "session": "s"},
    {
        "time": "2026-03-18T01:00:00Z",
        "event": "page_view",
        "visitor": "w",
        "url": "/d",
        "session": "s",
        "country": "ES",
    },
]


@given(st.permutations(range(6)), st.integers(1, 5), st.integers(0, 3))
@settings(max_examples=6, deadline=None, phases=BRIEF)
def test_events_in_any_parts_are_the_whole(order: list[int], cut: int, overlap: int) -> None:
    def file(folder: Path, places: list[int]) -> Path:
        path = folder / f"{places}.ndjson"
        path.write_text("".join(f"{json.dumps(EVENTS[place])}\n" for place in places))
        return path

    with TemporaryDirectory() as name:
        folder = Path(name)
        import_log([file(folder, list(range(6)))], ACCOUNT, folder / "whole")
        for places in (order[: cut + overlap], order[cut:]):
            import_log([file(folder, places)], ACCOUNT, folder / "parts")

        assert facts(folder / "parts") == facts(folder / "whole")


def test_an_event_is_known_by_its_id_across_files_and_within_one(tmp_path: Path) -> None:
    first, second = tmp_path / "a.ndjson", tmp_path / "b.ndjson"
    first.write_text("".join(f"{json.dumps(event)}\n" for event in EVENTS[:2] + EVENTS[:1]))
    changed = EVENTS[0] | {"url": "/changed"}
    second.write_text("".join(f"{json.dumps(event)}\n" for event in (changed, changed, EVENTS[2])))

    summaries = [import_log([file], ACCOUNT, tmp_path / "w") for file in (first, second)]

    told = [Counter({str(name): count for name, count in summary.classes.items() if count}) for summary in summaries]
    assert told == [
        {"page_views": 1, "goal_hits": 1, "duplicates": 1},
        {"goal_hits": 1, "duplicates": 1, "already_there": 1},
    ]


@pytest.mark.parametrize("jobs", [1, 2])
def test_as_many_processes_as_one_likes_give_the_same(
    tmp_path: Path, jobs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fanin.ingest.importing.CHUNK_LINES", 7)
    lines = [
        log_line(f"/{second % 5}", time=f"10:{second % 50:02}:00", address=VISITORS[second % 3]) for second in range(60)
    ]
    logs = [written(tmp_path, [*lines[:30], "damaged", ""]), written(tmp_path, lines[30:])]

    summary = import_log(logs, ACCOUNT, tmp_path / "w", RULES, jobs=jobs)

    alone = import_log(logs, ACCOUNT, tmp_path / "alone", RULES)
    assert summary == alone
    assert [(line.file, line.number) for line in summary.damaged_lines] == [(logs[0].name, 31)]
    assert facts(tmp_path / "w") == facts(tmp_path / "alone")
