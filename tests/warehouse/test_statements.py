"""What a scan tells, against a plain recount of the facts; and what may stand in a statement's text."""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fanin.catalog.dimensions import DIMENSIONS, Table
from fanin.catalog.filters import FILTER_FIELDS, OPERATORS, Filter, canonical_filter, make_filter
from fanin.catalog.metrics import METRICS
from fanin.catalog.periods import Window
from fanin.catalog.segments import SEGMENT_FIELDS, SEGMENT_OPERATORS, Segment
from fanin.tests.facts import bought, moment, reached, visit, write
from fanin.warehouse import hot, scanning
from fanin.warehouse.duckdb_reading import DuckDBSnapshot, DuckDBWarehouse
from fanin.warehouse.facts import Goal, GoalKind, PageView, Session
from fanin.warehouse.statements import build_rows_statement, build_statement
from fanin.warehouse.store import Groups, Scan, ScanResult, Source
from fanin.warehouse.writing import writing

MARCH = Window(date(2026, 3, 1), date(2026, 3, 31))

# Rows are grouped by the engine, or here when there are few of them, or summed up already, or held: all must tell the
# same.
GROUPED_BY_THE_ENGINE, GROUPED_HERE, ROLLED_UP, HELD = 0, 1_000_000, 1_000_001, 1_000_002

Told = dict[tuple[Any, ...], dict[Window, dict[str, int]]]


@pytest.fixture(
    params=[GROUPED_BY_THE_ENGINE, GROUPED_HERE, ROLLED_UP, HELD],
    ids=["grouped by the engine", "grouped here", "rolled up where it can be", "held in memory"],
)
def either_way(request, monkeypatch):
    monkeypatch.setattr(scanning, "ROWS_IN_MEMORY", request.param)
    monkeypatch.setattr(scanning, "FEW_GROUPINGS", 0)
    monkeypatch.setattr(hot, "HOT_SCANS", 1)
    return request.param


def scan_of(
    grouping: Iterable[str], *filters: Filter, table: Table = Table.SESSIONS, metrics: Iterable[str] = ("entrances",)
) -> Scan:
    return Scan(table, "blog", (MARCH,), filters, (tuple(grouping),), tuple(metrics))


def told_by(path: Path, *scans: Scan, way: int = GROUPED_HERE) -> list[dict[tuple[str, ...], Told]]:
    """What the warehouse answers, spelled out: per scan and grouping, a row per group."""

    async def ask() -> list[Any]:
        snapshot = warehouse.snapshot()
        return [await held(snapshot, scan) if way == HELD else await snapshot.scan(scan) for scan in scans]

    async def held(snapshot: DuckDBSnapshot, scan: Scan) -> ScanResult:
        result = await snapshot.scan(scan)
        if result.source is not Source.BLOCK:  # what is held has not all of its days
            warehouse.blocks.settle()
            result = await snapshot.scan(scan)
        assert result.source is Source.BLOCK
        return result

    warehouse = DuckDBWarehouse(path, use_rollups=way == ROLLED_UP, block_bytes=1_000_000 if way == HELD else 0)
    try:
        return [{grouping: spelled(groups) for grouping, groups in result.items()} for result in asyncio.run(ask())]
    finally:
        warehouse.close()


def spelled(groups: Groups) -> Told:
    rows = len(next(iter(next(iter(groups.sums.values())).values())))
    keys = [column.spell(range(rows)) for column in groups.keys.values()]  # type: ignore[arg-type]  # any positions
    values = list(zip(*keys, strict=True)) if keys else [()] * rows
    assert len(set(values)) == rows, "a group was told twice"
    return {
        value: {
            window: {metric: int(column[place]) for metric, column in sums.items()}
            for window, sums in groups.sums.items()
        }
        for place, value in enumerate(values)
    }


def entrances(path: Path, dimension: str, *filters: Filter) -> dict[str, int]:
    (answer,) = told_by(path, scan_of([dimension], *filters))
    return {key: sums[MARCH]["entrances"] for (key,), sums in answer[dimension,].items()}


# --- the recount: written from the contract's words, without a look at the statements ------------------------------

Condition = tuple[str, str, list[str]]  # field, operator, values

MIND_CASE = ("referrer", "path")


@dataclass(frozen=True)
class Asked:
    """What rows a scan is narrowed to, as a caller says it."""

    filters: list[Condition]
    groups: list[list[Condition]]
    not_groups: list[list[Condition]]


def facts_of(table: Table, session: Session, zone: ZoneInfo) -> Iterator[dict[str, Any]]:
    """The rows one session makes in a table: what they can be grouped and filtered by, and what they count for."""
    local = datetime.fromtimestamp(session.start, zone)
    views, goals = session.page_views, session.goals
    engaged = len(views) >= 2
    landing = views[0] if views else PageView(session.start, "", "")
    row: dict[str, Any] = {name: getattr(session, name) for name in DIMENSIONS if hasattr(session, name)}
    row |= {"landing_page": landing.path, "path": landing.path, "content_grouping": landing.content_grouping}
    row["referrer_domain"] = (urlsplit(session.referrer).hostname or "").removeprefix("www.")
    row |= {"day": (local.date() - date(1970, 1, 1)).days, "hour": local.hour}
    if table is Table.SESSIONS:
        won = [goal for goal in goals if goal.kind is GoalKind.CONVERSION]
        yield row | {
            "entrances": 1,
            "engaged_entrances": int(engaged),
            "page_views": len(views),
            "conversions": len(won),
            "microconversions": len(goals) - len(won),
            "revenue": sum(goal.amount_cents for goal in won),
        }
    elif table is Table.PAGE_VIEWS:
        for place, view in enumerate(views):
            yield row | {
                "path": view.path,
                "content_grouping": view.content_grouping,
                "entrances": int(place == 0),
                "engaged_entrances": int(place == 0 and engaged),
                "page_views": 1,
            }
    else:
        for goal in goals:
            conversion = goal.kind is GoalKind.CONVERSION
            yield row | {
                "goal": goal.name,
                "goal_kind": int(conversion),
                "count": 1,
                "conversions": int(conversion),
                "microconversions": int(not conversion),
                "revenue": goal.amount_cents,
            }


def passes(row: dict[str, Any], field: str, op: str, values: Iterable[str]) -> bool:
    """One filter as the contract's table of operators says it; paths and ``referrer`` mind case, all others do not."""
    minds_case = field in MIND_CASE
    value = row[field] if minds_case else row[field].lower()
    wanted = [text if minds_case else text.lower() for text in values]
    found = {
        "eq": lambda: value == wanted[0],
        "in": lambda: value in wanted,
        "contains": lambda: wanted[0] in value,
        "starts_with": lambda: value.startswith(wanted[0]),
        "ends_with": lambda: value.endswith(wanted[0]),
        "regex": lambda: bool(re.search(next(iter(values)), row[field], 0 if minds_case else re.IGNORECASE)),
    }
    positive = {"ne": "eq", "neq": "eq"}.get(op, op.removeprefix("not_"))
    return found[positive]() == (positive == op)


def counts(row: dict[str, Any], asked: Asked) -> bool:
    """All filters, and any group of the segment wholly (where it has groups), and none of its not-groups wholly."""

    def wholly(group: list[Condition]) -> bool:
        return all(passes(row, *condition) for condition in group)

    return (
        wholly(asked.filters)
        and (not asked.groups or any(wholly(group) for group in asked.groups))
        and not any(wholly(group) for group in asked.not_groups)
    )


def recount(sessions: Iterable[Session], zone: ZoneInfo, scan: Scan, asked: Asked, grouping: tuple[str, ...]) -> Told:
    told: Told = defaultdict(lambda: {window: dict.fromkeys(scan.metrics, 0) for window in scan.windows_of(grouping)})
    for session in sessions:
        for row in facts_of(scan.table, session, zone):
            day = date(1970, 1, 1) + timedelta(days=row["day"])
            if not counts(row, asked):
                continue
            for window in scan.windows_of(grouping):
                if window.start <= day <= window.end:
                    sums = told[tuple(row[name] for name in grouping)][window]
                    for metric in scan.metrics:
                        sums[metric] += row[metric]
    return dict(told)


WORDS = ["", "google", "Google", "(direct)", "news letter", "/a", "/A/b", "/a%b_", "x'); --", "Café", "cafÉ", "Ünal.de"]
PATTERNS = ["^/", "o", "^$", "^google$", "[A-Z]", "a|b", "e.*t", r"\(", r"^.{1,3}$", "É"]
ZONES = ["UTC", "Europe/Madrid", "America/St_Johns", "Asia/Kathmandu", "Pacific/Apia"]
FIRST = moment("2026-03-20T00:00")  # the days in which Europe's clocks go forward

word = st.sampled_from(WORDS)
day = st.integers(0, 15).map(lambda days: date(2026, 3, 19) + timedelta(days=days))
windows = st.lists(
    st.tuples(day, day).map(lambda ends: Window(min(ends), max(ends))), min_size=1, max_size=3, unique=True
).map(tuple)
page_views = st.lists(st.builds(PageView, st.just(FIRST), word, word), max_size=3).map(tuple)
goals = st.lists(
    st.one_of(
        st.builds(Goal, st.just(FIRST), st.just(GoalKind.CONVERSION), word, st.integers(0, 10**12)),
        st.builds(Goal, st.just(FIRST), st.just(GoalKind.MICROCONVERSION), word),
    ),
    max_size=3,
).map(tuple)
LABELS = [name for name in DIMENSIONS if name in Session.__dataclass_fields__]
REFERRERS = ["", "https://www.Google.com/a?b", "http://me@news.example:8080/A", "https://google.com", "Google"]
sessions = st.lists(
    st.builds(
        Session,
        st.integers(FIRST, FIRST + 14 * 86_400),
        page_views,
        goals,
        **dict.fromkeys(LABELS, word) | {"referrer": st.sampled_from(REFERRERS)},  # type: ignore[arg-type]
    ),
    max_size=25,
)
fields = st.sampled_from(FILTER_FIELDS)
conditions = st.lists(
    st.one_of(
        st.tuples(fields, st.sampled_from(["eq", "ne"]), word.map(lambda text: [text])),
        st.tuples(fields, st.sampled_from(["in", "not_in"]), st.lists(word, min_size=1, max_size=4)),
        st.tuples(fields, st.sampled_from(["contains", "not_contains"]), word.filter(bool).map(lambda text: [text])),
        st.tuples(fields, st.sampled_from(["regex", "not_regex"]), st.sampled_from(PATTERNS).map(lambda text: [text])),
    ),
    max_size=3,
)


segment_conditions = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from([field for field in SEGMENT_FIELDS if field != "referrer_domain"]),
            st.sampled_from(["eq", "neq", "contains", "not_contains", "starts_with", "ends_with"]),
            word.filter(bool).map(lambda text: [text]),
        ),
        st.tuples(
            st.just("referrer_domain"),
            st.sampled_from(["eq", "neq", "contains", "starts_with", "ends_with"]),
            st.sampled_from([["google.com"], ["Google.com"], ["news.example"], ["com"], ["www"]]),
        ),
    ),
    min_size=1,
    max_size=2,
)
segments = st.one_of(st.just([]), st.lists(segment_conditions, max_size=2))


@st.composite
def scans(draw: st.DrawFn) -> tuple[Scan, Asked]:
    table = draw(st.sampled_from(Table))
    known = [
        name
        for name, dimension in DIMENSIONS.items()
        if not dimension.told_from and (dimension.columns is None or table in dimension.columns)
    ]
    grouping = st.lists(st.sampled_from(known), max_size=3, unique=True).map(tuple)
    groupings = tuple(draw(st.lists(grouping, min_size=1, max_size=4, unique_by=frozenset)))
    compared = draw(st.none() | st.lists(st.sampled_from(groupings), min_size=1, unique=True).map(tuple))
    summed = [name for name, metric in METRICS.items() if table in metric.aggregates]
    metrics = tuple(draw(st.lists(st.sampled_from(summed), min_size=1, unique=True)))
    asked = Asked(draw(conditions), draw(segments), draw(segments))
    filters = tuple(make_filter(*condition) for condition in asked.filters)
    segment = Segment(canonical(asked.groups), canonical(asked.not_groups))
    return Scan(table, "blog", draw(windows), filters, groupings, metrics, compared, segment), asked


def canonical(groups: list[list[Condition]]) -> tuple[tuple[Filter, ...], ...]:
    return tuple(
        tuple(canonical_filter(field, SEGMENT_OPERATORS[op], values, "segment") for field, op, values in group)
        for group in groups
    )


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(
    sessions=sessions, others=sessions, zone=st.sampled_from(ZONES), questions=st.lists(scans(), min_size=1, max_size=6)
)
def test_every_scan_tells_what_a_plain_recount_of_the_facts_tells(either_way, sessions, others, zone, questions):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fanin.duckdb"
        with writing(path) as writer:
            writer.put_account("another")
            writer.put_account("blog", time_zone=zone)
            for account, facts in (("another", others), ("blog", sessions[::2]), ("blog", sessions[1::2])):
                writer.add_sessions(account, facts, digest=str(len(facts)), source_name="test")

        answers = told_by(path, *(scan for scan, _ in questions), way=either_way)

    for (scan, asked), answer in zip(questions, answers, strict=True):
        for grouping in scan.groupings:
            expected = recount(sessions, ZoneInfo(zone), scan, asked, grouping)
            if grouping == ():  # the whole is one row even when it is the whole of nothing
                nothing = {window: dict.fromkeys(scan.metrics, 0) for window in scan.windows_of(())}
                assert answer[()] or nothing == expected.get((), nothing)
                expected = {(): expected.get((), nothing)} if answer[()] else {}
            assert answer[grouping] == expected, (scan, grouping)


# --- what may stand in the text ------------------------------------------------------------------------------------

HOSTILE = [
    "'; DROP TABLE sessions; --",
    "' OR '1'='1",
    "x') OR account > 0 OR code IN (SELECT 1",
    "\"; ATTACH '/etc/passwd' AS p; --",
    "\\'; SELECT 1 /*",
    "?",
    "$1",
    "%_\\%",
    "{0} {name} %s %(name)s",
    "x\n;\r\t-- \u2028 \N{FULLWIDTH APOSTROPHE}",
    "𝕏'ÿ\x1f\x7f",
]


@pytest.mark.parametrize("field", FILTER_FIELDS)
def test_hostile_text_in_a_filter_is_bound_and_never_in_the_text(field, either_way, hostile_warehouse):
    asked = [
        (hostile, op, make_filter(field, op, [re.escape(hostile) if operator.match == "regex" else hostile]))
        for hostile in HOSTILE
        for op, operator in OPERATORS.items()
    ]
    scans = [scan_of([field], condition) for _, _, condition in asked]

    for (_, op, condition), scan in zip(asked, scans, strict=True):
        for build in (build_statement, build_rows_statement):
            statement = build(scan, 1)
            assert statement.text == build(scan_of([field], make_filter(field, op, ["harmless"])), 1).text
            assert next(iter(condition.values)) in statement.parameters
            assert statement.text.count("?") == len(statement.parameters)
    for (hostile, op, _), answer in zip(asked, told_by(hostile_warehouse, *scans, way=either_way), strict=True):
        found = {key for (key,) in answer[field,]}
        matching = {text for text in HOSTILE if op.endswith(("contains", "regex")) and hostile in text} | {hostile}
        assert found == ({*HOSTILE, "harmless"} - matching if OPERATORS[op].negated else matching), (op, hostile)


@pytest.fixture(scope="module")
def hostile_warehouse(tmp_path_factory):
    return warehouse_of(tmp_path_factory, [*HOSTILE, "harmless"])


def warehouse_of(tmp_path_factory, texts: Iterable[str]) -> Path:
    """A session for every text, which is the value of all its dimensions."""
    path = tmp_path_factory.mktemp("texts") / "fanin.duckdb"
    write(
        path,
        "blog",
        [
            Session(moment("2026-03-10T10:00"), (PageView(0, text, text),), **dict.fromkeys(LABELS, text))  # type: ignore[arg-type]
            for text in texts
        ],
    )
    return path


@pytest.mark.parametrize("table", Table)
@pytest.mark.parametrize("windows", [1, 2, 3])
@pytest.mark.parametrize("build", [build_statement, build_rows_statement])
def test_a_statement_has_as_many_parameters_as_places_for_them(build, windows, table):
    days = [Window(date(2026, 3, 1 + place), date(2026, 3, 9)) for place in range(windows)]
    filters = [
        make_filter(field, op, ["a", "b", "c"] if operator.many else ["a"])
        for field in FILTER_FIELDS
        for op, operator in OPERATORS.items()
    ]

    statement = build(
        Scan(
            table,
            "blog",
            tuple(days),
            tuple(filters),
            (("country",), ()),
            ("conversions",) if table != Table.PAGE_VIEWS else ("page_views",),
        ),
        7,
    )

    assert statement.text.count("?") == len(statement.parameters)
    assert statement.parameters.count("a") + statement.parameters.count("A") >= len(filters)


def test_equal_shapes_have_equal_texts_so_that_a_text_is_made_once():
    spain, france = (build_statement(scan_of(["os"], make_filter("country", "eq", [code])), 1) for code in ("ES", "FR"))

    assert spain.text is france.text
    assert spain.parameters != france.parameters


# --- case ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def spelled_warehouse(tmp_path_factory):
    return warehouse_of(tmp_path_factory, ["Some", "some", "SOME", "other"])


@pytest.mark.parametrize("field", FILTER_FIELDS)
def test_case_matters_in_paths_and_referrers_and_nowhere_else(field, spelled_warehouse, either_way):
    conditions = [make_filter(field, op, ["Some"]) for op in ("eq", "in", "contains", "regex")]

    answers = told_by(spelled_warehouse, *(scan_of([field], condition) for condition in conditions))

    expected = {"Some"} if field in MIND_CASE else {"Some", "some", "SOME"}
    assert [{key for (key,) in answer[field,]} for answer in answers] == [expected] * 4


SCRIPTS = ["ΠΡΟΣΦΟΡΕΣ", "Οδός", "İNDİRİM", "STRASSE", "ŁÓDŹ", "ЗИМА", "ǅ", "K"]


@pytest.fixture(scope="module")
def warehouse_of_scripts(tmp_path_factory):
    return warehouse_of(tmp_path_factory, SCRIPTS)


@pytest.mark.parametrize("word", SCRIPTS)
def test_a_word_in_any_script_is_found_by_itself(word, warehouse_of_scripts, either_way):
    found, others = {word: 1}, dict.fromkeys(SCRIPTS, 1)
    del others[word]

    told = {
        op: entrances(warehouse_of_scripts, "utm_campaign", make_filter("utm_campaign", op, [word]))
        for op in ("eq", "in", "regex", "ne", "not_in", "not_regex")
    }

    assert told == dict.fromkeys(("eq", "in", "regex"), found) | dict.fromkeys(("ne", "not_in", "not_regex"), others)


@pytest.mark.parametrize("word", SCRIPTS)
def test_a_word_in_any_script_contains_itself(word, warehouse_of_scripts, either_way):
    assert word in entrances(warehouse_of_scripts, "utm_campaign", make_filter("utm_campaign", "contains", [word]))


# --- what belongs to a session, on every table ---------------------------------------------------------------------


def test_page_views_and_goals_are_filtered_by_their_sessions_dimensions(tmp_path, either_way):
    path = tmp_path / "fanin.duckdb"
    write(
        path,
        "blog",
        [
            visit("2026-03-10T10:00", "/", "/buy", goals=[bought(990), reached("add_to_cart")], country="ES"),
            visit("2026-03-10T11:00", "/", goals=[bought(100)], country="FR"),
        ],
    )
    spain = make_filter("country", "eq", ["es"])

    views, goals = told_by(
        path,
        scan_of(["path"], spain, table=Table.PAGE_VIEWS, metrics=["page_views", "entrances"]),
        scan_of(["goal_kind", "goal"], spain, table=Table.GOALS, metrics=["count", "revenue"]),
    )

    assert views["path",] == {
        ("/",): {MARCH: {"page_views": 1, "entrances": 1}},
        ("/buy",): {MARCH: {"page_views": 1, "entrances": 0}},
    }
    assert goals["goal_kind", "goal"] == {
        (1, "purchase"): {MARCH: {"count": 1, "revenue": 990}},
        (0, "add_to_cart"): {MARCH: {"count": 1, "revenue": 0}},
    }


def test_filtering_by_path_means_the_page_itself_among_page_views_and_the_landing_page_elsewhere(tmp_path, either_way):
    path = tmp_path / "fanin.duckdb"
    write(path, "blog", [visit("2026-03-10T10:00", "/a", "/b"), visit("2026-03-10T11:00", "/b")])
    b = make_filter("path", "eq", ["/b"])

    sessions, views = told_by(path, scan_of([], b), scan_of([], b, table=Table.PAGE_VIEWS, metrics=["page_views"]))

    assert sessions[()] == {(): {MARCH: {"entrances": 1}}}
    assert views[()] == {(): {MARCH: {"page_views": 2}}}


def test_a_value_that_no_fact_has_matches_nothing_and_its_negation_everything(tmp_path, either_way):
    path = tmp_path / "fanin.duckdb"
    write(path, "blog", [visit(country="ES")])

    assert entrances(path, "country", make_filter("country", "eq", ["zz"])) == {}
    assert entrances(path, "country", make_filter("country", "ne", ["zz"])) == {"ES": 1}


def test_sums_are_exact_far_beyond_what_a_shop_sells(tmp_path, either_way):
    path = tmp_path / "fanin.duckdb"
    dear = 9_007_199_254_740_993 // 8  # cents: eight of them are more than a double can tell apart
    write(path, "blog", [visit(f"2026-03-10T10:0{place}", goals=[bought(dear)]) for place in range(7)])

    (answer,) = told_by(path, scan_of([], metrics=["revenue"]))

    assert answer[()] == {(): {MARCH: {"revenue": 7 * dear}}}


def test_an_hour_is_told_in_the_accounts_own_zone(tmp_path, either_way):
    path = tmp_path / "fanin.duckdb"
    write(path, "blog", [visit("2026-03-10T18:20")], time_zone="Asia/Kathmandu")

    (answer,) = told_by(path, scan_of(["day", "hour"]))

    local = datetime(2026, 3, 10, 18, 20, tzinfo=UTC).astimezone(ZoneInfo("Asia/Kathmandu"))
    assert answer["day", "hour"] == {((local.date() - date(1970, 1, 1)).days, 0): {MARCH: {"entrances": 1}}}
