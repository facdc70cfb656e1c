"""The demo shop: the same everywhere, plausible enough to look at, and always ending today."""

from __future__ import annotations

from collections import Counter
from dataclasses import astuple
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from fanin.catalog.channels import CHANNELS, classify
from fanin.catalog.errors import BadRequest
from fanin.ingest.demo import MAX_DAYS, SOURCE_NAME, demo_sessions, load_demo
from fanin.tests.facts import stored
from fanin.warehouse.facts import Goal, GoalKind, PageView, Session
from fanin.warehouse.layout import FACTS
from fanin.warehouse.manifest import read_manifest
from fanin.warehouse.writing import writing

MADRID = ZoneInfo("Europe/Madrid")
NOW = datetime(2026, 3, 18, 15, 20, tzinfo=UTC)
STEPS = ("view_item", "add_to_cart", "begin_checkout", "purchase")


def shop(
    *, days: int = 30, sessions: int = 2_000, seed: int = 1, until: datetime = NOW, zone: str = "Europe/Madrid"
) -> list[Session]:
    return list(demo_sessions(days=days, sessions=sessions, seed=seed, until=until, time_zone=zone))


@pytest.fixture(scope="module")
def sessions() -> list[Session]:
    """A year of the shop, enough of it for rates to mean something."""
    return shop(days=400, sessions=20_000)


def digest(sessions: list[Session]) -> str:
    return sha256(repr(sessions).encode()).hexdigest()


def local_days(sessions: list[Session], zone: ZoneInfo = MADRID) -> list[date]:
    return [datetime.fromtimestamp(session.start, zone).date() for session in sessions]


# --- the facts ----------------------------------------------------------------------------------------------------


def test_the_facts_are_those_of_every_other_machine():
    """Whoever changes this digest raises ``_EDITION``, so that demo data of before is replaced."""
    assert digest(shop()) == "17c6fed983838b35602611e6d39f31e096b570689a9513c6c9c1b8cb678a90d0"


def test_another_seed_makes_another_shop():
    assert digest(shop(seed=2)) != digest(shop(seed=1))


@pytest.mark.parametrize("count", [1, 2, 777])
def test_there_are_as_many_sessions_as_asked_for(count: int):
    assert len(shop(sessions=count)) == count


def test_sessions_come_in_order_of_their_start(sessions: list[Session]):
    assert all(earlier.start <= later.start for earlier, later in pairwise(sessions))


def test_every_session_starts_inside_the_window_of_local_days(sessions: list[Session]):
    days = local_days(sessions)

    assert (min(days), max(days)) == (date(2026, 3, 18) - timedelta(days=399), date(2026, 3, 18))
    assert len(set(days)) == 400


def test_nothing_happens_after_now():
    sessions = shop(days=1, sessions=500)

    moments = [event.at for session in sessions for event in (*session.page_views, *session.goals)]
    assert max(moments) == sessions[-1].start == int(NOW.timestamp())


@pytest.mark.parametrize(
    ("until", "zone", "today"),
    [
        (datetime(2026, 3, 17, 23, 0, tzinfo=UTC), "Europe/Madrid", date(2026, 3, 18)),  # its first second
        (datetime(2026, 3, 17, 22, 59, 59, tzinfo=UTC), "Europe/Madrid", date(2026, 3, 17)),  # and the one before
        (datetime(2026, 3, 29, 20, 0, tzinfo=UTC), "Europe/Madrid", date(2026, 3, 29)),  # 23 hours long
        (datetime(2025, 10, 26, 22, 30, tzinfo=UTC), "Europe/Madrid", date(2025, 10, 26)),  # 25 hours long
        (datetime(2026, 3, 18, 1, 0, tzinfo=UTC), "Asia/Kathmandu", date(2026, 3, 18)),
        (datetime(2026, 3, 18, 1, 0, tzinfo=UTC), "America/Los_Angeles", date(2026, 3, 17)),
    ],
)
def test_the_last_local_day_is_today(until: datetime, zone: str, today: date):
    days = local_days(shop(days=2, sessions=300, until=until, zone=zone), ZoneInfo(zone))

    assert sorted(set(days)) == [today - timedelta(days=1), today]


def test_every_channel_appears_as_its_source_and_medium_say(sessions: list[Session]):
    assert {session.channel for session in sessions} == set(CHANNELS)
    assert all(
        session.channel == classify(session.utm_source, session.utm_medium, session.utm_campaign)
        for session in sessions
    )


def test_only_whom_nothing_brought_has_neither_tags_nor_referrer(sessions: list[Session]):
    direct = {
        (session.utm_campaign, session.utm_term, session.utm_content, session.referrer)
        for session in sessions
        if session.channel == "Direct"
    }
    referring = [session.referrer for session in sessions if session.utm_medium == "referrer"]

    assert direct == {("(not set)", "", "", "")}
    assert all(referrer.startswith("https://") for referrer in referring)


def test_newsletters_are_named_after_their_month(sessions: list[Session]):
    newsletters = [session for session in sessions if session.utm_campaign.startswith("newsletter-")]

    assert [session.utm_campaign for session in newsletters] == [
        f"newsletter-{day:%Y-%m}" for day in local_days(newsletters)
    ]


def test_devices_browsers_and_systems_fit_each_other(sessions: list[Session]):
    machines = {(session.device_type, session.os) for session in sessions}

    assert machines == {
        ("desktop", "Chrome OS"),
        ("desktop", "Linux"),
        ("desktop", "Windows"),
        ("desktop", "macOS"),
        ("mobile", "Android"),
        ("mobile", "iOS"),
        ("tablet", "Android"),
        ("tablet", "iOS"),
    }
    assert {session.os for session in sessions if session.browser == "Safari"} == {"iOS", "macOS"}
    assert {session.os for session in sessions if session.browser == "Samsung Internet"} == {"Android"}


def test_every_page_has_a_content_grouping_and_the_first_view_is_the_start(sessions: list[Session]):
    pages = {(view.path, view.content_grouping) for session in sessions for view in session.page_views}

    assert "" not in {grouping for _, grouping in pages}
    assert len({path for path, _ in pages}) == len(pages)
    assert len({path for path, grouping in pages if grouping == "Product"}) == 300
    assert all(session.page_views[0].at == session.start for session in sessions)
    assert all(earlier.at < later.at for session in sessions for earlier, later in pairwise(session.page_views))


def test_goals_rise_in_time_and_follow_the_page_they_were_reached_on(sessions: list[Session]):
    pages = {"begin_checkout": "/checkout", "purchase": "/checkout/thank-you"}
    for session in sessions:
        assert all(earlier.at <= later.at for earlier, later in pairwise(session.goals))
        for goal in session.goals:
            before = [view for view in session.page_views if view.at <= goal.at]
            if goal.name in ("view_item", "add_to_cart"):
                assert before[-1].content_grouping == "Product"
            elif goal.name in pages:
                assert before[-1].path == pages[goal.name]
            else:
                assert goal.name == "newsletter_signup"


def test_no_step_to_a_purchase_is_left_out(sessions: list[Session]):
    for session in sessions:
        first = {goal.name: goal.at for goal in reversed(session.goals)}
        taken = [first[step] for step in STEPS if step in first]

        assert tuple(step for step in STEPS if step in first) == STEPS[: len(taken)]
        assert all(earlier < later for earlier, later in pairwise(taken))


def test_only_purchases_carry_money(sessions: list[Session]):
    goals = [goal for session in sessions for goal in session.goals]
    conversions = {goal.name for goal in goals if goal.kind is GoalKind.CONVERSION}
    orders = [goal.amount_cents for goal in goals if goal.name == "purchase"]

    assert conversions == {"purchase", "newsletter_signup"}
    assert {goal.name for goal in goals if goal.amount_cents} == {"purchase"}
    assert min(orders) >= 1_200
    assert 100_00 < sum(orders) / len(orders) < 300_00


def test_rates_are_those_of_a_shop(sessions: list[Session]):
    visits = Counter(session.channel for session in sessions)
    bounces = sum(len(session.page_views) == 1 for session in sessions)
    buyers = Counter(session.channel for session in sessions if any(goal.name == "purchase" for goal in session.goals))

    assert 0.35 < bounces / len(sessions) < 0.50
    assert 0.015 < buyers.total() / len(sessions) < 0.04
    assert buyers["Email"] / visits["Email"] > 2 * buyers["Organic Social"] / visits["Organic Social"]


def test_the_shop_grows():
    months = Counter(day.replace(day=1) for day in local_days(shop(days=800, sessions=20_000)))

    assert months[date(2026, 2, 1)] > 1.1 * months[date(2025, 2, 1)]


# --- the account --------------------------------------------------------------------------------------------------


def load(path: Path, *, now: datetime = NOW, account: str = "my-site", seed: int = 1) -> int:
    return load_demo(path, account, now=now, days=30, sessions=300, seed=seed)


def rows(path: Path, statement: str) -> list[Any]:
    return stored(path, statement, "my-site")


def everything(path: Path) -> dict[str, list[Any]]:
    told = {table: sorted(rows(path, f"SELECT * FROM {table}")) for table in (*FACTS, "lexicon", "imports")}
    return told | {"accounts": [astuple(entry.account) for entry in read_manifest(path).entries.values()]}


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    return tmp_path / "fanin.duckdb"


def test_the_warehouse_holds_what_was_generated(warehouse: Path):
    sessions = shop(sessions=300)

    added = load(warehouse)

    views = [view for session in sessions for view in session.page_views]
    goals = [goal for session in sessions for goal in session.goals]
    revenue = sum(goal.amount_cents for goal in goals)
    assert added == 300
    assert rows(warehouse, "SELECT count(*), sum(page_views), sum(revenue_cents) FROM sessions") == [
        (300, len(views), revenue)
    ]
    assert rows(warehouse, "SELECT sum(conversions) + sum(microconversions) FROM sessions") == [(len(goals),)]
    assert rows(warehouse, "SELECT count(*) FROM page_views") == [(len(views),)]
    assert rows(warehouse, "SELECT count(*), sum(amount_cents) FROM goals") == [(len(goals), revenue)]


def test_loading_twice_on_one_day_changes_nothing(warehouse: Path):
    load(warehouse)
    before = everything(warehouse)

    added = load(warehouse, now=NOW + timedelta(hours=3))

    assert added == 0
    assert everything(warehouse) == before


@pytest.mark.parametrize(
    "changed", [{"now": NOW + timedelta(days=1)}, {"seed": 2}], ids=["a day later", "another seed"]
)
def test_loading_something_else_replaces_what_was_there(warehouse: Path, tmp_path: Path, changed: dict[str, Any]):
    fresh = tmp_path / "fresh.duckdb"
    load(fresh, **changed)
    load(warehouse)

    added = load(warehouse, **changed)

    replaced, expected = everything(warehouse), everything(fresh)
    (account,), (as_fresh,) = replaced.pop("accounts"), expected.pop("accounts")
    version, stamp = 5, -1  # how often it was changed, and what is never the same twice
    assert added == 300
    assert replaced == expected
    assert account[:version] + account[version + 1 : stamp] == as_fresh[:version] + as_fresh[version + 1 : stamp]
    assert (account[version], as_fresh[version]) == (3, 1)  # filled, cleared, filled again


def test_other_accounts_are_left_alone(warehouse: Path):
    load(warehouse, account="other")
    before = stored(warehouse, "FROM sessions ORDER BY ALL", "other")
    words = stored(warehouse, "FROM lexicon ORDER BY ALL", "other")
    load(warehouse)

    load(warehouse, now=NOW + timedelta(days=1))

    assert stored(warehouse, "FROM sessions ORDER BY ALL", "other") == before
    assert stored(warehouse, "FROM lexicon ORDER BY ALL", "other") == words


def test_an_account_with_imported_logs_is_never_replaced(warehouse: Path):
    with writing(warehouse) as writer:
        writer.put_account("my-site", time_zone="Europe/Madrid")
        writer.add_sessions("my-site", [Session(0, (PageView(0, "/"),))], digest="1", source_name="access.log")
    before = everything(warehouse)

    with pytest.raises(BadRequest, match="my-site holds imported logs"):
        load(warehouse)

    assert everything(warehouse) == before


@pytest.mark.parametrize(("days", "sessions"), [(0, 10), (MAX_DAYS + 1, 10), (10, 0)])
def test_numbers_out_of_range_are_refused(warehouse: Path, days: int, sessions: int):
    with pytest.raises(BadRequest, match="must be"):
        load_demo(warehouse, "my-site", now=NOW, days=days, sessions=sessions)

    assert not warehouse.exists()


def test_an_account_is_cleared_and_filled_in_one_transaction(warehouse: Path):
    """The codes start again with the lexicon, also when words were added before in the same transaction."""
    session = Session(60, (PageView(60, "/a"),), (Goal(60, GoalKind.CONVERSION, "purchase", 100),))
    with writing(warehouse) as writer:
        writer.put_account("my-site")
        writer.add_sessions("my-site", [session], digest="1", source_name=SOURCE_NAME)
        writer.clear_account("my-site", source_name=SOURCE_NAME)
        writer.add_sessions("my-site", [Session(0, (PageView(0, "/b"),))], digest="2", source_name=SOURCE_NAME)

    assert rows(warehouse, "SELECT code, value FROM lexicon WHERE dimension = 'path'") == [(0, "/b")]
    assert rows(warehouse, "SELECT count(*) FROM goals") == [(0,)]
    assert rows(warehouse, "SELECT digest FROM imports") == [("2",)]


def test_an_account_cleared_and_not_filled_has_no_days(warehouse: Path):
    load(warehouse)

    with writing(warehouse) as writer:
        writer.clear_account("my-site", source_name=SOURCE_NAME)

    account = read_manifest(warehouse).entries["my-site"].account
    assert (account.first_day, account.last_day) == (None, None)
