"""Answers as bytes: what comes back is what was written, under the same question, or nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fanin.catalog.accounts import Account
from fanin.catalog.endpoints import ENDPOINTS
from fanin.catalog.filters import make_filter
from fanin.catalog.periods import Compare, Window
from fanin.catalog.query import Interval, Scope, SortOrder, StatsQuery, ask, make_scope
from fanin.catalog.segments import SYSTEM_SEGMENTS
from fanin.resolvers import written_answers
from fanin.resolvers.written_answers import MAX_WRITTEN_BYTES, Unreadable, key_of, read, write
from fanin.tests.facts import NOW, bought, engine_over, reached, visit
from fanin.tests.facts import write as write_facts
from fanin.tests.questions import GOAL, ask_needed

ACME = Account("acme", data_version=3, data_stamp="a-stamp")
DAYS = Window(date(2026, 2, 20), date(2026, 3, 18))
KEY = b"a key"


def told(value: Any) -> Any:
    """The value with the kind of everything in it, since ``1 == 1.0 == Decimal(1) == True``."""
    if isinstance(value, dict):
        return [(name, told(part)) for name, part in value.items()]
    if isinstance(value, list):
        return [told(part) for part in value]
    return type(value), str(value), value


@pytest.mark.parametrize("compare", [Compare.NONE, Compare.PREVIOUS])
def test_the_answers_of_all_reports_come_back_as_they_were(tmp_path: Path, compare: Compare) -> None:
    goals = (bought(1234), bought(999), reached(GOAL))
    write_facts(tmp_path / "w.duckdb", "acme", [visit(country="ES", goals=goals), visit("2026-02-10T10:00", "/a=Docs")])

    async def run() -> list[Any]:
        with engine_over(tmp_path / "w.duckdb") as (engine, _):
            async with engine.request() as context:
                scope = make_scope(context.accounts["acme"], NOW, compare=compare)
                questions = [ask_needed(scope, report) for report in ENDPOINTS]
                return [await context.loader.load(question) for question in questions]

    answers = asyncio.run(run())

    assert [told(read(KEY, write(KEY, answer) or b"")) for answer in answers] == [told(answer) for answer in answers]


words = st.text(max_size=8)
plain = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | words
)
values = plain | st.decimals(allow_nan=False, allow_infinity=False) | st.dates() | st.sampled_from(Interval)
nested = st.recursive(
    values, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=3), max_leaves=12
)
rows = st.lists(words, unique=True, max_size=4).flatmap(
    lambda names: st.lists(st.fixed_dictionaries(dict.fromkeys(names, values)), max_size=5)
)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(words, nested | rows, max_size=3))
def test_any_answer_comes_back_as_it_was(answer: dict[str, Any]) -> None:
    assert told(read(KEY, write(KEY, answer) or b"")) == told(answer)


def test_rows_with_their_columns_in_another_order_keep_it() -> None:
    answer = {"rows": [{"a": 1, "b": 2}, {"b": 3, "a": 4}, {}]}

    assert told(read(KEY, write(KEY, answer) or b"")) == told(answer)


# --- keys ---------------------------------------------------------------------------------------------------------


def test_equal_questions_have_one_key_and_others_another() -> None:
    scope = Scope("acme", DAYS)
    spain, rest = make_filter("country", "eq", ["ES"]), make_filter("country", "ne", ["ES"])
    different: list[StatsQuery] = [
        ask(scope, "sources"),
        ask(scope, "mediums"),
        ask(scope, "sources", page=2),
        ask(scope, "sources", page_size=7),
        ask(scope, "sources", sort_by="revenue"),
        ask(scope, "sources", sort_order=SortOrder.ASC),
        ask(scope, "sources", search="x"),
        ask(replace(scope, comparison=Window(date(2025, 2, 20), date(2025, 3, 18))), "sources"),
        ask(Scope("acme", Window(DAYS.start, NOW.date())), "landing_pages"),
        ask(Scope("other", DAYS), "sources"),
        ask(Scope("acme", DAYS, filters=(spain,)), "sources"),
        ask(Scope("acme", DAYS, filters=(rest,)), "sources"),
        ask(Scope("acme", DAYS, filters=(spain, make_filter("os", "eq", ["ES"]))), "sources"),
        *(ask(Scope("acme", DAYS, segment=named.segment), "sources") for named in SYSTEM_SEGMENTS),
        ask(Scope("acme", DAYS, below=(("country", "ES"),)), "sources"),
        ask(Scope("acme", DAYS), "time_series", interval=Interval.WEEK),
        ask(Scope("acme", DAYS), "time_series"),
    ]

    keys = [key_of(question, ACME) for question in different]

    assert len(set(keys)) == len(different) == len(set(different))
    assert [key_of(replace(question), replace(ACME)) for question in different] == keys


@pytest.mark.parametrize(
    "changed", [{"data_version": 4}, {"data_stamp": "b"}, {"time_zone": "Europe/Madrid"}, {"currency": "USD"}]
)
def test_another_state_of_the_account_is_another_key(changed: dict[str, Any]) -> None:
    question = ask(Scope("acme", DAYS), "sources")

    assert key_of(question, replace(ACME, **changed)) != key_of(question, ACME)


@pytest.mark.parametrize("change", [("FORM", 2), ("ENDPOINTS", {}), ("version", lambda _: "99")])
def test_another_edition_reads_none_of_the_answers_of_this_one(
    monkeypatch: pytest.MonkeyPatch, change: tuple[str, Any]
) -> None:
    question = ask(Scope("acme", DAYS), "sources")
    before = key_of(question, ACME)

    written_answers._edition.cache_clear()
    monkeypatch.setattr(written_answers, *change)
    after = key_of(question, ACME)
    written_answers._edition.cache_clear()

    assert (before.rpartition(b":")[0] == after.rpartition(b":")[0], before.rpartition(b":")[2]) == (
        False,
        after.rpartition(b":")[2],
    )


# --- damage -------------------------------------------------------------------------------------------------------

SMALL = {"total": 1, "revenue": Decimal("12.30")}
LARGE = {"rows": [{"path": f"/page-{number}", "page_views": number} for number in range(500)]}


@pytest.mark.parametrize("answer", [SMALL, LARGE], ids=["plain", "compressed"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda stored: b"",
        lambda stored: stored[:10],
        lambda stored: stored[:-1],
        lambda stored: stored + b" ",
        lambda stored: b"x" + stored,
        lambda stored: stored[:-1] + bytes([stored[-1] ^ 1]),
        lambda stored: bytes([stored[0] ^ 1]) + stored[1:],
        lambda stored: b"not what anyone wrote",
        lambda stored: b"\x80\x04]." * 10,
    ],
)
def test_damaged_bytes_are_no_answer(answer: dict[str, Any], damage: Callable[[bytes], bytes]) -> None:
    stored = write(KEY, answer)

    assert stored is not None
    with pytest.raises(Unreadable):
        read(KEY, damage(stored))


def test_an_answer_to_another_question_is_no_answer() -> None:
    stored = write(KEY, SMALL)

    assert stored is not None
    with pytest.raises(Unreadable):
        read(b"another key", stored)


@pytest.mark.parametrize(
    "body",
    [b"j[]", b"j[1]", b'j["plain",1]', b'j["nothing",1]', b'j["date","x"]', b"j{", b"z", b"zz", b'j["decimal","x"]'],
)
def test_well_kept_nonsense_is_no_answer(body: bytes) -> None:
    with pytest.raises(Unreadable):
        read(KEY, written_answers._digest(KEY, body) + body)


def test_what_would_not_end_when_it_is_decompressed_is_no_answer() -> None:
    body = b"z" + written_answers.zstd.compress(b'["plain",[' + b"0," * 40_000_000, 1)

    assert len(body) < MAX_WRITTEN_BYTES
    with pytest.raises(Unreadable):
        read(KEY, written_answers._digest(KEY, body) + body)


def test_an_answer_that_is_too_large_is_not_written() -> None:
    noise = [{"path": hash((number, "x")), "n": hash((number, "y"))} for number in range(80_000)]

    assert write(KEY, {"rows": noise}) is None


def test_a_kind_of_value_that_no_one_thought_of_is_refused_when_it_is_written() -> None:
    with pytest.raises(TypeError, match="no way to write complex"):
        write(KEY, {"total": 1j})
